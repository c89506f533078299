//! What a run changed of the parameters of future boots, the other way round.

use hoststate_abi::host_view::HostView;

use crate::formats::kernel_cmdline::{Cmdline, CmdlineEdit, Parameter};
use crate::mechanism::distro::Distro;
use crate::plan::planned::FileChange;

/// Returns what takes the changes of these files to the command line back: each name that they changed with the values
/// it had before. `None` when they changed none, or that cannot be told.
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
    for parameter in before.parameters().chain(after.parameters()) {
        let is_known = |it: &Parameter| it.same_name(parameter.name());
        let is_known = edit.present.iter().any(is_known) || edit.absent.iter().any(is_known);
        if is_known || values(&before, parameter) == values(&after, parameter) {
            continue;
        }
        let had: Vec<Parameter> =
            before.parameters().filter(|it| it.same_name(parameter.name())).cloned().collect();
        if had.is_empty() {
            edit.absent.extend(Parameter::parse(parameter.name()));
        } else {
            edit.present.extend(had);
        }
    }
    (edit != CmdlineEdit::default()).then_some(edit)
}

fn values<'a>(line: &'a Cmdline, parameter: &Parameter) -> Vec<Option<&'a str>> {
    line.parameters().filter(|it| it.same_name(parameter.name())).map(Parameter::value).collect()
}
