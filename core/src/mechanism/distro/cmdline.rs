//! How a kernel command line compares with what is wanted of it: as people see it, and as a setting.

use hoststate_abi::activation::Activation;
use hoststate_abi::setting::{Disruption, Remedy, Setting, State};

use crate::formats::kernel_cmdline::{Cmdline, CmdlineEdit, Word};

/// Compares the words the running kernel was booted with.
pub fn running(cmdline: &Cmdline, edit: &CmdlineEdit) -> Setting {
    let state = if cmdline.satisfies(edit) {
        State::Converged
    } else {
        let (actual, desired) = shown(cmdline, edit);
        State::Drifted { actual, desired, remedy: Remedy::Activation(Activation::Reboot) }
    };
    Setting::runtime("/proc/cmdline", Disruption::Reboot, state)
}

/// Returns, for people, the words that an edit is about: those found and those wanted.
pub fn shown(cmdline: &Cmdline, edit: &CmdlineEdit) -> (Option<String>, Option<String>) {
    let keys: Vec<&Word> = edit.present.iter().chain(&edit.additional).chain(&edit.absent).collect();
    let concerns = |word: &&Word| keys.iter().any(|it| it.same_name(word.name()));
    let words = |it: Vec<String>| (!it.is_empty()).then(|| it.join(" "));
    let found = cmdline.words().filter(concerns).map(Word::to_string).collect();
    let wanted = words(edit.present.iter().chain(&edit.additional).map(Word::to_string).collect());
    let unwanted = words(edit.absent.iter().map(|it| format!("no {it}")).collect());
    let desired = match (wanted, unwanted) {
        // `intel_iommu=on no splash` would look like two words.
        (Some(wanted), Some(unwanted)) => Some(format!("{wanted}, {unwanted}")),
        (wanted, unwanted) => wanted.or(unwanted),
    };
    (words(found), desired)
}
