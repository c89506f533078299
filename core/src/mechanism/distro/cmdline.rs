//! How a kernel command line compares with what is wanted of it: as people see it, and as a setting.

use hoststate_abi::about::About;
use hoststate_abi::activation::Activation;
use hoststate_abi::setting::{Disruption, Remedy, Setting, State};

use crate::formats::kernel_cmdline::{Cmdline, CmdlineEdit, Parameter};

/// Compares the parameters the running kernel was booted with.
pub fn running(cmdline: &Cmdline, edit: &CmdlineEdit) -> Setting {
    let state = if cmdline.satisfies(edit) {
        State::Converged
    } else {
        let (actual, desired) = shown(cmdline, edit);
        State::Drifted { actual, desired, remedy: Remedy::Activation(Activation::Reboot) }
    };
    Setting::runtime(About::RunningParameters, Disruption::Reboot, state)
}

/// Returns, for people, the parameters that an edit is about: those found and those wanted.
pub fn shown(cmdline: &Cmdline, edit: &CmdlineEdit) -> (Option<String>, Option<String>) {
    let keys: Vec<&Parameter> = edit.present.iter().chain(&edit.additional).chain(&edit.absent).collect();
    let concerns = |parameter: &&Parameter| keys.iter().any(|it| it.same_name(parameter.name()));
    let parameters = |it: Vec<String>| (!it.is_empty()).then(|| it.join(" "));
    let found = cmdline.parameters().filter(concerns).map(Parameter::to_string).collect();
    let wanted = parameters(edit.present.iter().chain(&edit.additional).map(Parameter::to_string).collect());
    let unwanted = parameters(edit.absent.iter().map(|it| format!("no {it}")).collect());
    let desired = match (wanted, unwanted) {
        // `intel_iommu=on no splash` would look like two parameters.
        (Some(wanted), Some(unwanted)) => Some(format!("{wanted}, {unwanted}")),
        (wanted, unwanted) => wanted.or(unwanted),
    };
    (parameters(found), desired)
}
