//! Makes a set-up with a difference smaller, as long as the difference stays.

use crate::set_up::SetUp;

pub(crate) fn shrink(mut set_up: SetUp, differs: impl Fn(&SetUp) -> bool) -> SetUp {
    for drive in 0..set_up.drives.len() {
        let paths: Vec<String> = set_up.drives[drive].files.keys().cloned().collect();
        for path in paths.into_iter().filter(|it| it.ends_with(".cfg")) {
            let mut size = set_up.drives[drive].files[&path].lines().count() / 2;
            while size > 0 {
                let mut at = 0;
                while at < set_up.drives[drive].files[&path].lines().count() {
                    let lines = set_up.drives[drive].files[&path].lines().enumerate();
                    let kept = lines.filter(|it| it.0 < at || it.0 >= at + size).map(|it| it.1);
                    let text: String = kept.flat_map(|it| [it, "\n"]).collect();
                    let mut smaller = set_up.clone();
                    smaller.drives[drive].files.insert(path.clone(), text);
                    if differs(&smaller) {
                        set_up = smaller;
                    } else {
                        at += size;
                    }
                }
                size /= 2;
            }
        }
    }
    set_up
}
