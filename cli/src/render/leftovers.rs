//! What is no longer declared, as text: by what becomes of it, each with its line and run.

use hoststate_core::plan::no_longer_declared::{Disposal, NoLongerDeclared};

use crate::render::escape::visible_line;
use crate::render::plan::{gap, named, title};
use crate::render::screen::Screen;

/// Indentation of what belongs to a heading.
const INNER: usize = 4;

const TAKEN_OUT: &str = "No longer declared, taken out:";

const STAYS: &str = "No longer declared, and still in place; --prune takes it out:";

const KEPT: &str = "No longer declared, and kept:";

/// Adds what is no longer declared.
pub(crate) fn list(out: &mut String, screen: &Screen, all: &[NoLongerDeclared]) {
    for heading in [TAKEN_OUT, STAYS, KEPT] {
        let mut of_it = all.iter().filter(|it| heading_of(&it.state) == heading).peekable();
        if of_it.peek().is_none() {
            continue;
        }
        gap(out);
        title(out, screen, heading);
        for it in of_it {
            screen.prose(out, INNER, &line(it));
        }
    }
}

/// Returns something that is no longer declared: what, where and by which run it was declared, and what of it is kept why.
pub(crate) fn line(it: &NoLongerDeclared) -> String {
    let resource = named(&it.resource, it.playbook.as_ref());
    let from = match &it.run {
        Some(run) => format!("run {run}"),
        None => "there before".to_owned(),
    };
    let why = match &it.state {
        Disposal::Stays | Disposal::TakenOut => String::new(),
        Disposal::UntilReboot => ": gone after a reboot".to_owned(),
        Disposal::OfOthers { owners } => format!(": {} declares it too", owners.join(", ")),
        Disposal::Changed { to } => format!(": changed since, to {to}"),
        Disposal::Stuck { reason } => format!(": {reason}"),
    };
    visible_line(&format!("{resource}, {from}{why}")).into_owned()
}

fn heading_of(state: &Disposal) -> &'static str {
    match state {
        Disposal::TakenOut => TAKEN_OUT,
        Disposal::Stays => STAYS,
        Disposal::UntilReboot
        | Disposal::OfOthers { .. }
        | Disposal::Changed { .. }
        | Disposal::Stuck { .. } => KEPT,
    }
}
