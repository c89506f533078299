//! Lua's error messages in the words of a playbook's author, with file and line as data.

use hoststate_core::language::declaration::Origin;
use hoststate_core::language::registry::nearest;

use crate::error::Error;
use crate::evaluation::Evaluation;
use crate::globals::{self, Use};
use crate::{nil, syntax};

/// How an evaluation failed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// With an error that knows its place.
    Error(Error),
    /// For want of memory; with the last line that was traced.
    Memory(Option<Origin>),
}

/// How many characters of a chunk's name Lua shows (`LUA_IDSIZE`, less the end and the `...`).
const SHORT_NAME: usize = 59;

/// How many characters of a name Lua shows behind `...`.
const CUT_NAME: usize = SHORT_NAME - 3;

/// Returns a Lua error as an error of the playbook.
pub(crate) fn explain(evaluation: &Evaluation<'_>, err: &mlua::Error) -> Failure {
    let mut trace: Option<&str> = None;
    let mut cause = err;
    loop {
        match cause {
            mlua::Error::CallbackError { traceback, cause: inner } => {
                trace = Some(traceback);
                cause = inner;
            }
            mlua::Error::WithContext { cause: inner, .. } | mlua::Error::BadArgument { cause: inner, .. } => {
                cause = inner;
            }
            mlua::Error::ExternalError(external) => {
                return Failure::Error(match external.downcast_ref::<Error>() {
                    Some(error) => placed(evaluation, error.clone(), trace.unwrap_or_default()),
                    None => located(evaluation, &external.to_string(), trace.unwrap_or_default()),
                });
            }
            mlua::Error::MemoryError(_) => return Failure::Memory(evaluation.limits.last.borrow().clone()),
            mlua::Error::RuntimeError(message) | mlua::Error::SyntaxError { message, .. } => {
                let (message, own) = message.split_once("\nstack traceback:").unwrap_or((message, ""));
                // What Lua says when memory runs out inside a message handler.
                if message.ends_with("not enough memory") {
                    return Failure::Memory(evaluation.limits.last.borrow().clone());
                }
                let trace = if own.is_empty() { trace.unwrap_or_default() } else { own };
                let is_syntax = matches!(cause, mlua::Error::SyntaxError { .. });
                return Failure::Error(match is_syntax.then(|| misread(evaluation, message)).flatten() {
                    Some(error) => placed(evaluation, error, trace),
                    None => located(evaluation, message, trace),
                });
            }
            other => {
                return Failure::Error(located(evaluation, &other.to_string(), trace.unwrap_or_default()));
            }
        }
    }
}

/// Gives an error that knows what but maybe not where its place and its callers.
fn placed(evaluation: &Evaluation<'_>, mut error: Error, trace: &str) -> Error {
    let composite = evaluation.composite.borrow().clone();
    let mut lines = lines(evaluation, trace);
    if error.origin.is_none() {
        error.origin = composite.or_else(|| lines.first().cloned());
    }
    if let Some(at) = lines.iter().position(|it| Some(it) == error.origin.as_ref()) {
        error.callers = lines.split_off(at + 1);
    }
    error
}

/// Takes `file:line:` off a message and puts the rest in plain words.
fn located(evaluation: &Evaluation<'_>, message: &str, trace: &str) -> Error {
    let (origin, message) = match place(evaluation, message) {
        Some((origin, message)) => (Some(origin), message),
        None => (None, without_shipped_place(message)),
    };
    let (what, hint) = plain_words(evaluation, message);
    placed(evaluation, Error { kind: None, what, origin, hint, callers: Vec::new() }, trace)
}

/// Returns the error about what is no Lua, if the message is about a file of the user.
fn misread(evaluation: &Evaluation<'_>, message: &str) -> Option<Error> {
    let (origin, message) = place(evaluation, message)?;
    let files = evaluation.files.borrow();
    let file = files.iter().find(|it| it.name == origin.file)?;
    let (what, hint) = syntax::explain(file, origin.line, message);
    Some(Error { kind: None, what, origin: Some(origin), hint, callers: Vec::new() })
}

/// Returns the user's lines of a traceback, innermost first.
fn lines(evaluation: &Evaluation<'_>, trace: &str) -> Vec<Origin> {
    trace
        .lines()
        .filter_map(|it| place(evaluation, it.strip_prefix('\t')?))
        .map(|(origin, _)| origin)
        .collect()
}

/// Splits `file:line: rest` if `file` is one of the user's, as Lua shortens it.
fn place<'t>(evaluation: &Evaluation<'_>, text: &'t str) -> Option<(Origin, &'t str)> {
    evaluation.files.borrow().iter().find_map(|file| {
        let file = &file.name;
        let rest = if file.len() <= SHORT_NAME {
            text.strip_prefix(file.as_str())?
        } else {
            let tail = file.as_bytes().get(file.len() - CUT_NAME..)?;
            let rest = text.strip_prefix("...")?;
            rest.as_bytes().strip_prefix(tail)?;
            rest.get(CUT_NAME..)?
        };
        let (line, rest) = rest.strip_prefix(':')?.split_once(':')?;
        Some((Origin { file: file.clone(), line: line.parse().ok()? }, rest.trim_start()))
    })
}

fn without_shipped_place(message: &str) -> &str {
    let Some(rest) = message.strip_prefix("hoststate:") else { return message };
    let mut parts = rest.splitn(3, ':');
    match (parts.next(), parts.next().map(str::parse::<u32>), parts.next()) {
        (Some(_), Some(Ok(_)), Some(rest)) => rest.trim_start(),
        _ => message,
    }
}

fn plain_words(evaluation: &Evaluation<'_>, message: &str) -> (String, Option<String>) {
    if let Some(rest) = message.strip_prefix("attempt to call a nil value") {
        return match named(rest) {
            Some((kind, name)) if kind == "global" || globals::is_absent(name) => {
                no_global(evaluation, name, Use::Called)
            }
            Some((_, name)) => (format!("there is no function `{name}` here"), in_a_table(evaluation, name)),
            None => ("a value that is nil is called".to_owned(), None),
        };
    }
    if let Some(rest) = message.strip_prefix("attempt to index a nil value") {
        return match named(rest) {
            Some((kind, name)) if kind == "global" || globals::is_absent(name) => {
                no_global(evaluation, name, Use::Indexed)
            }
            Some((_, "?" | "integer index")) => {
                ("an item that is nil has no fields".to_owned(), nil::found_nothing(evaluation, "?"))
            }
            Some((_, name)) => {
                (format!("`{name}` is nil, and nil has no fields"), nil::found_nothing(evaluation, name))
            }
            None => ("a value that is nil has no fields".to_owned(), None),
        };
    }
    if let Some((_, name)) = message.strip_prefix("attempt to index a function value").and_then(named) {
        let hint = format!("Write `{name} {{ field = … }}`, with neither `:` nor `.` after the name.");
        return (format!("`{name}` is a function and has no fields"), Some(hint));
    }
    if let Some(rest) = message.strip_prefix("attempt to ") {
        return (format!("cannot {}", rest.replace('\'', "`")), None);
    }
    if message.contains("binary chunk") {
        let hint = "Give the Lua source: compiled Lua can break the machine that runs it.".to_owned();
        return ("this is compiled Lua, not text".to_owned(), Some(hint));
    }
    if message.starts_with("table: 0x") {
        return ("the playbook raised a table as its error".to_owned(), Some("Raise a text.".to_owned()));
    }
    if message.starts_with("stack overflow")
        || message.starts_with("C stack overflow")
        || message.starts_with("error in error handling")
    {
        let hint = "Look for a function that calls itself without end.".to_owned();
        return ("the calls are too deep".to_owned(), Some(hint));
    }
    (message.replace('\'', "`"), None)
}

/// Reads ` (global 'name')` and its like.
fn named(rest: &str) -> Option<(&str, &str)> {
    let (kind, name) = rest.trim().strip_prefix('(')?.split_once(" '")?;
    Some((kind, name.strip_suffix("')")?))
}

/// What is said about a global that is nil: the playbook has an `_ENV` of its own.
fn no_global(evaluation: &Evaluation<'_>, name: &str, how: Use) -> (String, Option<String>) {
    let Error { what, hint, .. } = globals::no_such(evaluation, name, &[], how);
    (what, hint)
}

/// Names the type of a vendor that a misspelled one in a table most likely was meant to be.
fn in_a_table(evaluation: &Evaluation<'_>, name: &str) -> Option<String> {
    let registry = evaluation.registry();
    let types = registry.entries().iter().map(|it| it.name());
    let of_vendors = types.filter_map(|it| it.split_once('.'));
    let near = nearest(name, of_vendors.clone().map(|(_, kind)| kind))?;
    let (vendor, kind) = of_vendors.clone().find(|(_, kind)| *kind == near)?;
    Some(format!("Did you mean `{vendor}.{kind}`?"))
}
