//! How the tests of this crate write edits and images, and show settings.

use std::path::Path;

use hoststate_abi::host_view::HostView;
use hoststate_abi::setting::{Remedy, Setting, State};
use hoststate_abi::step::Step;
use hoststate_core::error::{Error, Result};
use hoststate_core::formats::kernel_cmdline::{CmdlineEdit, Parameter};

/// Returns an edit from parameters: `-parameter` is absent, `+parameter` additional, the others present.
pub(crate) fn edit(parameters: &[&str]) -> CmdlineEdit {
    let mut edit = CmdlineEdit::default();
    for parameter in parameters {
        let (list, parameter) = match (parameter.strip_prefix('-'), parameter.strip_prefix('+')) {
            (Some(parameter), _) => (&mut edit.absent, parameter),
            (None, Some(parameter)) => (&mut edit.additional, parameter),
            (None, None) => (&mut edit.present, *parameter),
        };
        list.push(Parameter::parse(parameter).unwrap());
    }
    edit
}

/// Makes the files of these settings so.
pub(crate) fn predict(view: &mut HostView, settings: &[Setting]) {
    for setting in settings {
        let State::Drifted { remedy: Remedy::Steps(steps), .. } = &setting.state else { continue };
        for step in steps {
            view.predict_step(step).unwrap();
        }
    }
}

/// Shows settings as text; of a written file the lines that are new.
pub(crate) fn show(view: &HostView, settings: &Result<Vec<Setting>>) -> String {
    match settings {
        Ok(settings) => settings.iter().map(|it| show_one(view, it)).collect(),
        Err(err) => show_error(err),
    }
}

pub(crate) fn show_error(err: &Error) -> String {
    format!("error: {err}\nhint: {}\n", err.hint().unwrap_or_default())
}

fn show_one(view: &HostView, setting: &Setting) -> String {
    let none = || "(nothing)".to_owned();
    let mut text = format!("{}: ", setting.about);
    match &setting.state {
        State::Converged => text.push_str("converged\n"),
        State::Deferred { reason } => text.push_str(&format!("deferred: {reason}\n")),
        State::Drifted { actual, desired, remedy } => {
            let (actual, desired) =
                (actual.clone().unwrap_or_else(none), desired.clone().unwrap_or_else(none));
            text.push_str(&format!("{actual} => {desired}\n"));
            match remedy {
                Remedy::Activation(activation) => text.push_str(&format!("  then {activation}\n")),
                Remedy::Steps(steps) => steps.iter().for_each(|it| text.push_str(&show_step(view, it))),
            }
        }
        State::Blocked { actual, desired, by, reason } => {
            let (actual, desired) =
                (actual.clone().unwrap_or_else(none), desired.clone().unwrap_or_else(none));
            let by = by.as_ref().map(|it| format!(" by {it}")).unwrap_or_default();
            text.push_str(&format!("{actual} => {desired}\n  blocked{by}: {reason}\n"));
        }
    }
    text
}

fn show_step(view: &HostView, step: &Step) -> String {
    let Step::WriteFile { path, text } = step else { return format!("  {step}\n") };
    let old = view.read(Path::new(path)).unwrap().unwrap_or_default();
    let mut shown = format!("  {step} ({} bytes)\n", text.len());
    for line in old.lines().filter(|it| !text.lines().any(|new| new == *it)) {
        shown.push_str(&format!("    -{}\n", line.trim_end_matches('#')));
    }
    for line in text.lines().filter(|it| !old.lines().any(|old| old == *it)) {
        shown.push_str(&format!("    +{}\n", line.trim_end_matches('#')));
    }
    shown
}
