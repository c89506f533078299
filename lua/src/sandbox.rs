//! The Lua state of a playbook: which libraries it has, and how much it may use.

use std::rc::Rc;

use hoststate_core::language::declaration::Origin;
use hoststate_core::language::registry::nearest;
use mlua::chunk::{Chunk, ChunkMode};
use mlua::{
    FromLua, Function, HookTriggers, Lua, LuaOptions, MultiValue, Scope, StdLib, Table, Value, VmState,
};

use crate::error::Error;
use crate::evaluation::{Evaluation, user_lines};
use crate::limits::{INTERVAL, Limits};
use crate::lua_errors::{self, Failure};
use crate::{Level, globals, host_table, paying, strings};

/// What replaces the parts of Lua's base that a playbook must not have.
const SANDBOX: &str = include_str!("../prelude/sandbox.lua");

/// What makes operations on texts pay, one by one.
const PAYING: &str = include_str!("../prelude/paying.lua");

/// Where the Lua state keeps the value that operators pay with.
const PAYS: &str = "hoststate.pays";

/// What of Lua neither loops nor tells anything that differs from run to run. A playbook has it as it is.
const PLAIN: [&str; 6] = ["assert", "error", "getmetatable", "ipairs", "rawlen", "type"];

/// What a line of output costs, in instructions.
const OUTPUT: u64 = 100;

/// Returns a Lua state with limits.
pub(crate) fn create(limits: &Rc<Limits>) -> mlua::Result<Lua> {
    let lua =
        Lua::new_with(StdLib::TABLE | StdLib::STRING | StdLib::MATH | StdLib::UTF8, LuaOptions::default())?;
    let witness = limits.govern(&lua)?;
    let mut triggers = HookTriggers::new().every_nth_instruction(INTERVAL);
    if limits.manner.traces {
        triggers = triggers.every_line();
    }
    let limits = Rc::clone(limits);
    lua.set_hook(triggers, move |lua, frame| {
        if frame.event() == mlua::debug::DebugEvent::Line {
            if let (Some(source), Some(line)) = (frame.source().source, frame.current_line())
                && let (Some(file), Ok(line)) = (source.strip_prefix('@'), u32::try_from(line))
            {
                limits.last.replace(Some(Origin { file: file.to_owned(), line }));
            }
            return Ok(VmState::Continue);
        }
        match limits.look(lua, &witness) {
            Ok(()) => Ok(VmState::Continue),
            Err(error) => {
                let line = frame.current_line().and_then(|it| u32::try_from(it).ok());
                let file = frame.source().source.and_then(|it| it.strip_prefix('@').map(str::to_owned));
                let origin = file.zip(line).map(|(file, line)| Origin { file, line });
                let origin = origin.or_else(|| user_lines(lua, 1).pop());
                Err(mlua::Error::external(error.at(origin)))
            }
        }
    })?;
    Ok(lua)
}

/// Returns the text of a user's file as a function.
pub(crate) fn chunk(
    lua: &Lua,
    evaluation: &Evaluation<'_>,
    file: &str,
    text: &str,
) -> mlua::Result<Function> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    // The kernel's `#!` line is not Lua; as a comment it keeps the count of lines.
    let text = if text.starts_with("#!") { format!("--{text}") } else { text.to_owned() };
    let load = |text: &str| load(lua, &format!("@{file}"), text).into_function();
    // What is no Lua is to be said about the text as it was written.
    let plain = load(&text)?;
    let function = if evaluation.limits.manner.pays_each {
        load(&paying::paying(&text))?.call(lua.named_registry_value::<Value>(PAYS)?)?
    } else {
        plain
    };
    evaluation.limits.skip(lua);
    evaluation.limits.read(&text);
    Ok(function)
}

/// Returns a chunk that is text, for bytecode can break the machine that runs it.
pub(crate) fn load<'a>(lua: &Lua, name: &str, text: &'a str) -> Chunk<'a> {
    lua.load(text).set_name(name).set_mode(ChunkMode::Text)
}

/// Gives a playbook globals of its own: what Lua has is hidden until the playbook first asks for it. Most of them declare
/// and do nothing else, and the library takes as long to read as all that is left of a small one's evaluation.
pub(crate) fn furnish<'scope, 'env>(
    lua: &Lua,
    scope: &'scope Scope<'scope, 'env>,
    evaluation: &'env Evaluation<'env>,
) -> mlua::Result<()> {
    let (hidden, globals) = (lua.globals(), lua.create_table()?);
    for name in PLAIN {
        globals.raw_set(name, hidden.raw_get::<Value>(name)?)?;
    }
    lua.set_globals(globals)?;
    let operators = lua.type_metatable::<mlua::LuaString>().map_or_else(|| lua.create_table(), Ok)?;
    let of_texts: Vec<(String, Value)> = operators.pairs().collect::<mlua::Result<_>>()?;
    for (event, _) in &of_texts {
        let (of_library, named) = (operators.clone(), event.clone());
        let late = scope.create_function(move |lua, operands: (Value, Value)| {
            evaluation.library(lua)?;
            match of_library.raw_get::<Value>(named.as_str())? {
                Value::Table(methods) => methods.get::<Value>(operands.1),
                operator => Function::from_lua(operator, lua)?.call(operands),
            }
        })?;
        operators.raw_set(event.as_str(), late)?;
    }
    operators.raw_set("__metatable", false)?;
    let library = scope.create_function(move |lua, ()| {
        for (event, plain) in &of_texts {
            operators.raw_set(event.as_str(), plain)?;
        }
        evaluation.limits.aside(lua, || library(lua, scope, evaluation, &hidden, &operators))
    })?;
    evaluation.library.replace(Some(library));
    if evaluation.limits.manner.pays_each {
        evaluation.library(lua)?;
    }
    Ok(())
}

/// Reads the library, and shows the playbook what it makes of what Lua has.
fn library<'scope, 'env>(
    lua: &Lua,
    scope: &'scope Scope<'scope, 'env>,
    evaluation: &'env Evaluation<'env>,
    hidden: &Table,
    operators: &Table,
) -> mlua::Result<Table> {
    let native = lua.create_table()?;
    native.set(
        "log",
        scope.create_function(|lua, (warn, text): (bool, mlua::LuaString)| {
            let paid = evaluation
                .limits
                .spend(OUTPUT)
                .and_then(|()| evaluation.limits.go_through(text.as_bytes().len()));
            paid.map_err(|err| evaluation.raise(lua, err))?;
            let level = if warn { Level::Warn } else { Level::Info };
            (evaluation.options.log)(level, &text.to_string_lossy());
            Ok(())
        })?,
    )?;
    native.set(
        "fail",
        scope.create_function(|lua, (what, hint, kind): (String, Option<String>, Option<String>)| {
            let kind = kind.map(String::into_boxed_str);
            let error = Error { kind, what, origin: None, hint, callers: Vec::new() };
            Err::<(), _>(evaluation.raise(lua, error))
        })?,
    )?;
    native.set(
        "spend",
        scope.create_function(|lua, work: i64| {
            let work = u64::try_from(work).unwrap_or(u64::MAX);
            evaluation.limits.spend(work).map_err(|err| evaluation.raise(lua, err))
        })?,
    )?;
    native.set(
        "guard",
        scope.create_function(|_, more: bool| {
            let now = evaluation.guarded.get();
            evaluation.guarded.set(if more { now + 1 } else { now.saturating_sub(1) });
            Ok(())
        })?,
    )?;
    native.set("caught", scope.create_function(|lua, value: Value| caught(lua, evaluation, value))?)?;
    native.set(
        "finally",
        scope.create_function(|lua, check: mlua::Function| {
            evaluation.finally(lua, check);
            Ok(())
        })?,
    )?;
    native.set(
        "nearest",
        lua.create_function(|_, (word, words): (String, Vec<String>)| {
            Ok(nearest(&word, words.iter().map(String::as_str)).map(str::to_owned))
        })?,
    )?;
    native.set("strings", strings::table(lua, scope, evaluation)?)?;
    host_table::install(&native, scope, evaluation)?;
    native.set("text_operators", operators)?;
    native.set("globals", lua.globals())?;
    globals::share(lua, &native)?;
    if evaluation.limits.manner.pays_each {
        let paying = load(lua, "=hoststate:paying", PAYING).set_environment(hidden.clone());
        let (value, look): (Value, Function) = paying.call(&native)?;
        lua.set_named_registry_value(PAYS, value)?;
        native.set("look_through", look)?;
    }
    let prelude = load(lua, "=hoststate:sandbox", SANDBOX).set_environment(hidden.clone()).call(native)?;
    globals::show(lua, hidden, &PLAIN)?;
    Ok(prelude)
}

/// Returns what `pcall` gives for an error: a text with its line. A limit cannot be caught.
fn caught(lua: &Lua, evaluation: &Evaluation<'_>, value: Value) -> mlua::Result<MultiValue> {
    if evaluation.limits.exhausted() {
        return Err(match (value, evaluation.limits.spend(u64::MAX)) {
            (Value::Error(error), _) => *error,
            // A handler that failed as well leaves a text, and no trace of the limit.
            (_, Err(error)) => evaluation.raise(lua, error),
            (value, Ok(())) => mlua::Error::RuntimeError(value.type_name().to_owned()),
        });
    }
    let value = match value {
        Value::Error(error) => match lua_errors::explain(evaluation, &error) {
            Failure::Error(error) => {
                let at = error.origin.as_ref().map_or_else(String::new, |it| format!("{it}: "));
                Value::String(lua.create_string(format!("{at}{error}"))?)
            }
            Failure::Memory(_) => Value::String(lua.create_string("not enough memory")?),
        },
        other => other,
    };
    Ok(MultiValue::from_iter([value]))
}
