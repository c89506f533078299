//! What a run changed of the words of future boots, the other way round.

use hoststate_abi::host_view::HostView;

use crate::formats::kernel_cmdline::{Cmdline, CmdlineEdit, Word};
use crate::mechanism::distro::Distro;
use crate::plan::planned::FileChange;

/// Returns what takes the changes of these files to the command line back: each name that they changed with the values it
/// had before. `None` when they changed none, or that cannot be told.
pub(super) fn undone(host: &HostView, distro: &Distro, files: &[FileChange]) -> Option<CmdlineEdit> {
    let line = |text: fn(&FileChange) -> &Option<String>| {
        let mut view = host.without_predictions();
        for it in files {
            view.predict(&it.path, text(it).clone()).ok()?;
        }
        distro.bootloader.future(&view).ok()
    };
    let (before, after) = (line(|it| &it.before)?, line(|it| &it.after)?);
    let mut edit = CmdlineEdit::default();
    for word in before.words().chain(after.words()) {
        let is_known = |it: &Word| it.same_name(word.name());
        let is_known = edit.present.iter().any(is_known) || edit.absent.iter().any(is_known);
        if is_known || values(&before, word) == values(&after, word) {
            continue;
        }
        let had: Vec<Word> = before.words().filter(|it| it.same_name(word.name())).cloned().collect();
        if had.is_empty() {
            edit.absent.extend(Word::parse(word.name()));
        } else {
            edit.present.extend(had);
        }
    }
    (edit != CmdlineEdit::default()).then_some(edit)
}

fn values<'a>(line: &'a Cmdline, word: &Word) -> Vec<Option<&'a str>> {
    line.words().filter(|it| it.same_name(word.name())).map(Word::value).collect()
}
