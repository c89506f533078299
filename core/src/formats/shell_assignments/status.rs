//! The exit status of commands, as far as their text tells: `grub-mkconfig` reads its sources with `set -e`.

use super::script::{Event, Kind, Word};
use super::word::{self, Part};

/// Builtins of both shells; what else a command is called by is a program or a function.
const BUILTINS: [&str; 38] = [
    ".", ":", "[", "alias", "bg", "break", "cd", "command", "continue", "echo", "eval", "exec", "exit",
    "export", "false", "fg", "getopts", "hash", "jobs", "kill", "local", "printf", "pwd", "read", "readonly",
    "return", "set", "shift", "test", "times", "trap", "true", "type", "ulimit", "umask", "unalias", "unset",
    "wait",
];

/// Builtins that only bash has.
pub(super) const BASH_BUILTINS: [&str; 21] = [
    "bind",
    "builtin",
    "caller",
    "compgen",
    "complete",
    "compopt",
    "declare",
    "dirs",
    "disown",
    "enable",
    "help",
    "history",
    "let",
    "logout",
    "mapfile",
    "popd",
    "pushd",
    "readarray",
    "shopt",
    "source",
    "typeset",
];

/// How a command ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Status {
    /// With 0.
    Succeeds,
    /// With another status, for this reason.
    Fails(String),
    /// Only running it would tell.
    Unknown,
}

/// A command that is no builtin and no function of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Program {
    pub(super) name: String,
    /// What makes it look like a part of a value, and how to mend that; for a program nobody has.
    pub(super) slip: Option<&'static str>,
}

/// Returns whether a name is a builtin of either shell.
pub(super) fn is_builtin(name: &str) -> bool {
    BUILTINS.contains(&name) || BASH_BUILTINS.contains(&name)
}

/// Returns the status of a builtin whose effect on variables is told elsewhere.
pub(super) fn of_builtin(name: &str, arguments: &[Word<'_>]) -> Status {
    match name {
        ":" | "true" | "echo" if !arguments.iter().any(|it| may_fail(&it.parts)) => Status::Succeeds,
        "false" => Status::Fails("`false` fails".to_owned()),
        "local" => Status::Fails("`local` stands outside a function".to_owned()),
        _ => Status::Unknown,
    }
}

/// Returns whether the expansions of a word may end the shell, or tell the status of its command.
pub(super) fn may_fail(parts: &[Part]) -> bool {
    parts.iter().any(|part| match part {
        Part::Literal(_) => false,
        Part::Opaque(_) => true,
        Part::Variable { test, .. } => {
            test.as_ref().is_some_and(|test| test.operator == '?' || may_fail(&test.word))
        }
    })
}

/// Says how a command that no program has came about, if its text tells; `assigned` are the names set before it, each with
/// whether its value is empty.
pub(super) fn slip(name: &str, arguments: &[Word<'_>], assigned: &[(&str, bool)]) -> Option<&'static str> {
    if name.contains('\r') {
        return Some("remove the carriage returns from the file");
    }
    let is_variable = |it: &str| it.starts_with("GRUB_");
    let is_parted = assigned.last().is_some_and(|it| is_variable(it.0) && it.1);
    if is_parted || arguments.first().is_some_and(|it| it.raw.starts_with('=')) {
        return Some("write the assignment without blanks around `=`");
    }
    // Programs have dots in their names, but not behind a variable of GRUB.
    let is_value = assigned.iter().any(|it| is_variable(it.0))
        || !name.contains('/') && name.contains(['=', ',', '.', '"', '\'', ' ']);
    if is_value {
        return Some("quote the value");
    }
    let is_name = word::name(name).is_ok_and(|it| it.0.is_empty());
    (is_name && is_variable(name)).then_some("give the variable a value with `=`")
}

/// Returns a word with its control characters made visible.
pub(super) fn shown(word: &str) -> String {
    let visible = |it: char| match it.is_control() {
        true => it.escape_debug().to_string(),
        false => it.to_string(),
    };
    word.chars().map(visible).collect()
}

/// Returns how a list of commands ends.
pub(super) fn of_list(events: &[Event], is_chain: bool, is_negated: bool) -> Status {
    let fails = |it: &Event| it.status() != Status::Succeeds;
    let may_fail = match is_chain {
        true => is_negated || events.iter().any(fails),
        false => events.iter().any(|it| it.conditional && !it.tested && fails(it)),
    };
    if may_fail {
        return Status::Unknown;
    }
    events.last().filter(|it| !it.conditional).map_or(Status::Succeeds, Event::status)
}

impl Event {
    /// Returns the status of the command, where its text alone tells.
    pub(super) fn status(&self) -> Status {
        match &self.kind {
            Kind::Assign { value, .. } if may_fail(value) => Status::Unknown,
            Kind::Assign { .. } | Kind::Unset(_) | Kind::Freeze(_) | Kind::Errexit(_) => Status::Succeeds,
            Kind::Ends(status) | Kind::Return(status) => status.clone(),
            _ => Status::Unknown,
        }
    }
}
