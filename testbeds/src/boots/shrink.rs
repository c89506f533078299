//! Makes a host with a difference smaller, as long as the difference stays.

use super::host::Host;
use crate::error::Result;

/// Every boot costs seconds: what is one thing for a person is taken away as one.
pub(super) fn shrink(host: &Host, differs: impl Fn(&Host) -> Result<bool>) -> Result<Host> {
    let mut small = host.clone();
    loop {
        let mut shrunk = false;
        for smaller in smaller(&small) {
            if differs(&smaller)? {
                small = smaller;
                shrunk = true;
                break;
            }
        }
        if !shrunk {
            return Ok(small);
        }
    }
}

/// Returns hosts that lack one thing each, the largest things first.
fn smaller(host: &Host) -> Vec<Host> {
    let mut hosts = Vec::new();
    for path in host.older.keys() {
        let mut it = host.clone();
        it.older.remove(path);
        hosts.push(it);
    }
    for path in host.root.keys() {
        let mut it = host.clone();
        it.root.remove(path);
        it.older.remove(path);
        hosts.push(it);
    }
    for path in host.links.keys() {
        let mut it = host.clone();
        it.links.remove(path);
        hosts.push(it);
    }
    for index in 0..host.words.len() {
        let mut it = host.clone();
        it.words.remove(index);
        hosts.push(it);
    }
    for (path, text) in host.root.iter().filter(|it| it.1.lines().count() > 1) {
        for index in 0..text.lines().count() {
            let mut it = host.clone();
            let kept = text.lines().enumerate().filter(|it| it.0 != index).flat_map(|it| [it.1, "\n"]);
            it.root.insert(path.clone(), kept.collect());
            hosts.push(it);
        }
    }
    hosts
}
