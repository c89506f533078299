//! What the user wants: a Lua playbook, a file of declarations, standard input, or a saved plan.

use std::io::{self, Write};
use std::path::Path;
use std::rc::Rc;

use hoststate_core::error::Error as EngineError;
use hoststate_core::language::declaration::Declaration;
use hoststate_core::language::json_playbook;
use hoststate_core::language::registry::{Declared, Registry};
use hoststate_core::machine::trust::Trust;
use hoststate_core::machine::user_text::bytes_of;
use hoststate_core::plan::planned::PLAN_FORMAT;
use hoststate_core::plugins::plugin;
use hoststate_lua::facts::Facts;
use hoststate_lua::{Level, Options};
use serde::Deserialize;
use serde_json::Value;

use crate::error::{Error, Result};
use crate::plugins::{built_in, this_program};
use crate::provenance::absolute;
use crate::render::escape::{visible_columns, visible_line};
use crate::session;
use crate::text_file::text_of;

/// A playbook, read and decoded.
#[derive(Debug)]
pub(crate) struct Playbook {
    /// Its name, as the user gave it.
    pub(crate) name: String,
    /// The declarations, decoded.
    pub(crate) declared: Vec<Declared>,
    /// How many more composites declare something when a host is known.
    pub(crate) left_to_host: usize,
    /// Whose they are; `None` for standard input that does not say.
    pub(crate) owner: Option<String>,
    /// The saved plan they come from, if they do.
    pub(crate) saved: Option<Value>,
}

impl Playbook {
    fn of(name: String, owner: Option<String>, evaluated: hoststate_lua::Playbook) -> Self {
        let hoststate_lua::Playbook { declared, left_to_host } = evaluated;
        Self { name, declared, left_to_host, owner, saved: None }
    }
}

/// Which files are read.
#[derive(Debug)]
pub(crate) enum PlaybookTrust {
    /// All: nothing is changed.
    Any,
    /// Those that nobody else can have written.
    Only(Trust),
}

/// How JSON files say what they are, and whose.
#[derive(Default, Deserialize)]
struct Labelled {
    #[serde(default)]
    format: Option<String>,
    #[serde(default)]
    owner: Option<String>,
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
    trust: &PlaybookTrust,
) -> Result<Playbook> {
    let playbook = read_as_named(path, text, facts, registry, trust)?;
    if playbook.declared.is_empty() && playbook.left_to_host == 0 {
        session::say(format_args!("warning: {} declares nothing\n", visible_line(&playbook.name)));
    }
    Ok(playbook)
}

fn read_as_named(
    path: &Path,
    text: &str,
    facts: &dyn Facts,
    registry: &Registry,
    trust: &PlaybookTrust,
) -> Result<Playbook> {
    let name = path.display().to_string();
    if path.extension().is_some_and(|it| it == "lua") {
        let evaluated = evaluate(path, &name, text, registry, facts, trust)?;
        return Ok(Playbook::of(name, of_path(path), evaluated));
    }
    // What is wrong with the text is told by who reads all of it.
    let Labelled { format, owner } =
        serde_json::from_str(text.strip_prefix('\u{feff}').unwrap_or(text)).unwrap_or_default();
    match format {
        Some(format) if format.starts_with("hoststate.plan/") => {
            let playbook = saved_plan(name, &format, text, registry)?;
            Ok(Playbook { owner, ..playbook })
        }
        _ => {
            let shown = if name == "-" { "standard input" } else { &name };
            let located = json_playbook::read(shown, text)?;
            let modules = |_: &str| Ok(None);
            let options =
                Options { registry, facts, modules: &modules, types: &|_, _, _| Vec::new(), log: &say };
            let evaluated = hoststate_lua::declare(shown, &located, &options)?;
            Ok(Playbook::of(name, owner.or_else(|| of_path(path)), evaluated))
        }
    }
}

/// Returns the owner that a playbook is by itself: where it lies.
fn of_path(path: &Path) -> Option<String> {
    (path != Path::new("-")).then(|| absolute(path).display().to_string())
}

fn saved_plan(name: String, format: &str, text: &str, registry: &Registry) -> Result<Playbook> {
    if format != PLAN_FORMAT {
        let what =
            format!("{name}: the plan has the format {format:?}; this hoststate reads {PLAN_FORMAT:?}");
        return Err(Error::input(what, "Plan again with this version of hoststate."));
    }
    json_playbook::unambiguous(&name, text)?;
    let damaged = |err: serde_json::Error| {
        Error::input(format!("{name}: not a plan: {err}"), "Plan again; a saved plan must not be edited.")
    };
    let saved: Value = serde_json::from_str(text).map_err(damaged)?;
    let declarations = saved.get("declarations").cloned().unwrap_or_default();
    let declarations: Vec<Declaration> = serde_json::from_value(declarations).map_err(damaged)?;
    let declared = registry.decode_all(declarations)?;
    Ok(Playbook { name, declared, left_to_host: 0, owner: None, saved: Some(saved) })
}

/// Returns the text of the playbook at `path`; `-` is JSON on standard input.
///
/// # Errors
/// When it cannot be read, or is no UTF-8.
pub(crate) fn read(path: &Path, trust: &PlaybookTrust) -> Result<String> {
    let failed = |err: io::Error| Error::io(format!("cannot read the playbook {}", path.display()), err);
    if path == Path::new("-") {
        let bytes = bytes_of(io::stdin().lock()).map_err(failed)?;
        return Ok(text_of("standard input", bytes)?);
    }
    match trust.read(path) {
        Err(Unread::Engine(EngineError::Io(err))) => Err(failed(err)),
        Err(Unread::Engine(err)) => Err(err.into()),
        Err(Unread::NoText(err)) => Err(err.into()),
        Ok(text) => Ok(text),
    }
}

/// Why a file was not read.
enum Unread {
    Engine(EngineError),
    NoText(hoststate_lua::error::Error),
}

impl PlaybookTrust {
    #[expect(clippy::disallowed_methods, reason = "a playbook is a file of the user, not of the host")]
    fn read(&self, path: &Path) -> Result<String, Unread> {
        let opened = |path: &Path| bytes_of(std::fs::File::open(path)?);
        let bytes = |path: &Path| opened(path).map_err(|err| Unread::Engine(err.into()));
        let text = |bytes| text_of(&path.display().to_string(), bytes).map_err(Unread::NoText);
        match self {
            Self::Any => text(bytes(path)?),
            Self::Only(trust) => match trust.read(path) {
                // What is no text is nothing to obey: here its bytes only tell what is wrong with it.
                Err(EngineError::Io(err)) if err.kind() == io::ErrorKind::InvalidData => text(bytes(path)?),
                read => read.map_err(Unread::Engine),
            },
        }
    }
}

fn evaluate(
    path: &Path,
    name: &str,
    text: &str,
    registry: &Registry,
    facts: &dyn Facts,
    trust: &PlaybookTrust,
) -> Result<hoststate_lua::Playbook> {
    let directory = path.parent().unwrap_or(Path::new(""));
    let modules = |file: &str| beside(&directory.join(file), trust);
    let program = this_program()?;
    let base = Rc::new(built_in());
    let types = |file: &str, text: &str, described| {
        plugin::of_text(Path::new(file), text, described, &program, &base)
    };
    let options = Options { registry, facts, modules: &modules, types: &types, log: &say };
    Ok(hoststate_lua::evaluate(name, text, &options)?)
}

fn say(level: Level, message: &str) {
    let head = match level {
        Level::Info => "",
        Level::Warn => "warning: ",
    };
    // What a playbook says is no result: when nobody can read it, the run goes on.
    writeln!(io::stderr(), "{head}{}", visible_columns(message)).unwrap_or_default();
}

/// Returns the text of a file beside the playbook, for `require`.
fn beside(path: &Path, trust: &PlaybookTrust) -> io::Result<Option<String>> {
    match trust.read(path) {
        Ok(text) => Ok(Some(text)),
        Err(Unread::Engine(EngineError::Io(err))) if err.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(Unread::Engine(EngineError::Io(err))) => Err(err),
        Err(Unread::Engine(err)) => Err(io::Error::other(err)),
        Err(Unread::NoText(err)) => {
            let at = err.origin.as_ref().map_or_else(String::new, |it| format!(" at {it}"));
            Err(io::Error::new(io::ErrorKind::InvalidData, format!("{err}{at}")))
        }
    }
}
