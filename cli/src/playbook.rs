//! What the user wants: a Lua playbook, a file of declarations, standard input, or a saved plan.

use std::io::{self, Write};
use std::path::Path;
use std::rc::Rc;

use hoststate_core::declaration::Declaration;
use hoststate_core::error::Error as EngineError;
use hoststate_core::json_playbook;
use hoststate_core::plan::PLAN_FORMAT;
use hoststate_core::plugin;
use hoststate_core::registry::{Declared, Registry};
use hoststate_core::trust::Trust;
use hoststate_core::user_text::text_of;
use hoststate_lua::facts::Facts;
use hoststate_lua::{Level, Options};
use serde::Deserialize;
use serde_json::Value;

use crate::error::{Error, Result};
use crate::plugins::{built_in, this_program};
use crate::render::escape::visible_line;

/// A playbook, read and decoded.
#[derive(Debug)]
pub(crate) struct Playbook {
    /// Its name, as the user gave it.
    pub(crate) name: String,
    /// The declarations, decoded.
    pub(crate) declared: Vec<Declared>,
    /// The saved plan they come from, if they do.
    pub(crate) saved: Option<Value>,
}

/// Which files are read.
#[derive(Debug)]
pub(crate) enum Belief {
    /// All: nothing is changed.
    Any,
    /// Those that nobody else can have written.
    Only(Trust),
}

/// How JSON files say what they are.
#[derive(Deserialize)]
struct Labelled {
    #[serde(default)]
    format: Option<String>,
}

/// Returns what the playbook at `path`, with the text that was [`read`], declares.
///
/// # Errors
/// When it is not what its name says, or declares what cannot be.
pub(crate) fn load(
    path: &Path,
    text: &str,
    facts: &dyn Facts,
    registry: &Registry,
    belief: &Belief,
) -> Result<Playbook> {
    let name = path.display().to_string();
    if path.extension().is_some_and(|it| it == "lua") {
        let declared = evaluate(path, &name, text, registry, facts, belief)?;
        return Ok(Playbook { name, declared, saved: None });
    }
    let labelled: Option<Labelled> = serde_json::from_str(text).ok();
    match labelled.and_then(|it| it.format) {
        Some(format) if format.starts_with("hoststate.plan/") => saved_plan(name, &format, text, registry),
        _ => {
            let shown = if name == "-" { "standard input" } else { &name };
            let located = json_playbook::read(shown, text)?;
            let modules = |_: &str| Ok(None);
            let options =
                Options { registry, facts, modules: &modules, types: &|_, _, _| Vec::new(), log: &say };
            let declared = hoststate_lua::declare(shown, &located, &options)?.declared;
            Ok(Playbook { name, declared, saved: None })
        }
    }
}

fn saved_plan(name: String, format: &str, text: &str, registry: &Registry) -> Result<Playbook> {
    if format != PLAN_FORMAT {
        let what =
            format!("{name}: the plan has the format {format:?}, this hoststate reads {PLAN_FORMAT:?}");
        return Err(Error::input(what, "Plan again with this version of hoststate."));
    }
    let damaged = |err: serde_json::Error| {
        Error::input(format!("{name}: not a plan: {err}"), "Plan again; a saved plan is not edited.")
    };
    let saved: Value = serde_json::from_str(text).map_err(damaged)?;
    let declarations = saved.get("declarations").cloned().unwrap_or_default();
    let declarations: Vec<Declaration> = serde_json::from_value(declarations).map_err(damaged)?;
    Ok(Playbook { name, declared: registry.decode_all(declarations)?, saved: Some(saved) })
}

/// Returns the text of the playbook at `path`; `-` is JSON on standard input.
///
/// # Errors
/// When it cannot be read.
pub(crate) fn read(path: &Path, belief: &Belief) -> Result<String> {
    let failed = |err: io::Error| Error::io(format!("cannot read the playbook {}", path.display()), err);
    if path == Path::new("-") {
        return text_of(io::stdin().lock()).map_err(failed);
    }
    match belief.read(path) {
        Err(EngineError::Io(err)) => Err(failed(err)),
        read => Ok(read?),
    }
}

impl Belief {
    #[expect(clippy::disallowed_methods, reason = "a playbook is a file of the user, not of the host")]
    fn read(&self, path: &Path) -> Result<String, EngineError> {
        match self {
            Self::Any => Ok(text_of(std::fs::File::open(path)?)?),
            Self::Only(trust) => trust.read(path),
        }
    }
}

fn evaluate(
    path: &Path,
    name: &str,
    text: &str,
    registry: &Registry,
    facts: &dyn Facts,
    belief: &Belief,
) -> Result<Vec<Declared>> {
    let directory = path.parent().unwrap_or(Path::new(""));
    let modules = |file: &str| beside(&directory.join(file), belief);
    let program = this_program()?;
    let base = Rc::new(built_in());
    let types = |file: &str, text: &str, described| {
        plugin::of_text(Path::new(file), text, described, &program, &base)
    };
    let options = Options { registry, facts, modules: &modules, types: &types, log: &say };
    Ok(hoststate_lua::evaluate(name, text, &options)?.declared)
}

fn say(level: Level, message: &str) {
    let head = match level {
        Level::Info => "",
        Level::Warn => "warning: ",
    };
    // What a playbook says is no result: when nobody can read it, the run goes on.
    writeln!(io::stderr(), "{head}{}", visible_line(message)).unwrap_or_default();
}

/// Returns the text of a file beside the playbook, for `require`.
fn beside(path: &Path, belief: &Belief) -> io::Result<Option<String>> {
    match belief.read(path) {
        Ok(text) => Ok(Some(text)),
        Err(EngineError::Io(err)) if err.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(EngineError::Io(err)) => Err(err),
        Err(err) => Err(io::Error::other(err)),
    }
}
