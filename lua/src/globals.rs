//! The globals of a playbook: what hoststate adds to Lua cannot be replaced, and reading a name that nobody defined is
//! an error.

use hoststate_core::language::registry::nearest;
use mlua::{Function, Lua, Scope, Table, Value};

use crate::composites::COMPOSITES;
use crate::error::Error;
use crate::evaluation::Evaluation;

/// Where the Lua state keeps what hoststate adds to Lua, by name; playbooks read it through their globals.
const ADDED: &str = "hoststate.added";

/// Where it keeps the function that refuses to change a table of these.
const REFUSE: &str = "hoststate.refuse";

/// What a playbook has beside the functions that declare.
const USUAL: &[&str] = &[
    "assert",
    "error",
    "getmetatable",
    "host",
    "ipairs",
    "log",
    "math",
    "next",
    "pairs",
    "pcall",
    "print",
    "rawequal",
    "rawget",
    "rawlen",
    "rawset",
    "require",
    "resource_type",
    "select",
    "setmetatable",
    "string",
    "table",
    "tonumber",
    "tostring",
    "type",
    "utf8",
    "xpcall",
];

/// What the library adds to Lua.
const OF_LIBRARY: [&str; 2] = ["host", "log"];

/// What is no name at all, and most likely what a name near it was meant to be.
const VALUES: [&str; 3] = ["true", "false", "nil"];

/// What Lua has elsewhere and a playbook has not.
const ABSENT: [&str; 7] = ["collectgarbage", "coroutine", "debug", "io", "os", "package", "warn"];

/// What other languages call a value that Lua has.
const FOREIGN: [(&str, &str); 9] = [
    ("None", "nil"),
    ("NULL", "nil"),
    ("Null", "nil"),
    ("null", "nil"),
    ("undefined", "nil"),
    ("Yes", "true"),
    ("yes", "true"),
    ("No", "false"),
    ("no", "false"),
];

/// The longest name that is compared with others and shown whole.
const LONGEST: usize = 64;

/// Makes the table of what hoststate adds, for [`add`].
pub(crate) fn prepare<'scope, 'env>(
    lua: &Lua,
    scope: &'scope Scope<'scope, 'env>,
    evaluation: &'env Evaluation<'env>,
) -> mlua::Result<()> {
    lua.set_named_registry_value(ADDED, lua.create_table()?)?;
    let refuse = scope.create_function(|lua, (_, name): (Value, Value)| {
        let name = name.as_string().map(mlua::LuaString::to_string_lossy).unwrap_or_default();
        let what = format!("`{name}` cannot be set in a table of a plugin's types");
        Err::<(), _>(evaluation.raise(lua, Error::new(what, "Keep it in a variable of your own.")))
    })?;
    lua.set_named_registry_value(REFUSE, refuse)
}

fn added(lua: &Lua) -> mlua::Result<Table> {
    lua.named_registry_value(ADDED)
}

/// Adds a function that declares; one with a dot in its name is a field of its vendor's table.
pub(crate) fn add(lua: &Lua, name: &str, function: &Function) -> mlua::Result<()> {
    let mut table = added(lua)?;
    let mut path = name.split('.').peekable();
    while let Some(part) = path.next() {
        if path.peek().is_none() {
            return table.raw_set(part, function);
        }
        // Playbooks see a stand-in that they cannot change.
        let vendor = table.raw_get::<Option<Table>>(part)?.and_then(|it| it.metatable());
        table = match vendor {
            Some(metatable) => metatable.raw_get("__index")?,
            None => {
                let (functions, stand_in, metatable) =
                    (lua.create_table()?, lua.create_table()?, lua.create_table()?);
                metatable.raw_set("__index", &functions)?;
                metatable.raw_set("__newindex", lua.named_registry_value::<Function>(REFUSE)?)?;
                metatable.raw_set("__metatable", false)?;
                stand_in.set_metatable(Some(metatable))?;
                table.raw_set(part, stand_in)?;
                functions
            }
        };
    }
    Ok(())
}

/// Gives shipped Lua what is added, now and later.
pub(crate) fn share(lua: &Lua, native: &Table) -> mlua::Result<()> {
    native.set("added", added(lua)?)
}

/// Shows a playbook what was hidden, but for what it has as it is and for names that it has used itself.
pub(crate) fn show(lua: &Lua, hidden: &Table, plain: &[&str]) -> mlua::Result<()> {
    let (globals, added) = (lua.globals(), added(lua)?);
    hidden.raw_set("_G", &globals)?;
    for pair in hidden.pairs::<String, Value>() {
        let (name, value) = pair?;
        if OF_LIBRARY.contains(&name.as_str()) {
            added.raw_set(name, value)?;
        } else if !plain.contains(&name.as_str()) && globals.raw_get::<Value>(name.as_str())?.is_nil() {
            globals.raw_set(name, value)?;
        }
    }
    Ok(())
}

/// Makes the globals those of a playbook. What the library and files of types add comes later.
pub(crate) fn seal<'scope, 'env>(
    lua: &Lua,
    scope: &'scope Scope<'scope, 'env>,
    evaluation: &'env Evaluation<'env>,
) -> mlua::Result<()> {
    let (globals, added) = (lua.globals(), added(lua)?);
    let undefined =
        scope.create_function(|lua, (_, name): (Value, Value)| undefined(lua, evaluation, &name))?;
    let of_added = lua.create_table()?;
    of_added.raw_set("__index", undefined)?;
    added.set_metatable(Some(of_added))?;
    let set = scope.create_function(|lua, (globals, name, value): (Table, Value, Value)| {
        // The library brings what is there, and what cannot be set.
        if value.is_nil() || name.as_string().is_some_and(|it| USUAL.iter().any(|usual| it == *usual)) {
            evaluation.library(lua)?;
        }
        match taken(lua, &name)? {
            Some(error) => Err(evaluation.raise(lua, error)),
            None => globals.raw_set(name, value),
        }
    })?;
    let of_globals = lua.create_table()?;
    of_globals.raw_set("__index", added)?;
    of_globals.raw_set("__newindex", set)?;
    of_globals.raw_set("__metatable", false)?;
    globals.set_metatable(Some(of_globals))
}

/// Returns what is wrong with giving a global of that name a value.
fn taken(lua: &Lua, name: &Value) -> mlua::Result<Option<Error>> {
    let Some(name) = name.as_string() else { return Ok(None) };
    let value = added(lua)?.raw_get::<Value>(name)?;
    let name = name.to_string_lossy();
    let (what, call) = match value {
        Value::Nil => return Ok(None),
        Value::Function(_) if !USUAL.contains(&name.as_str()) => {
            ("is a function that declares", format!("Write `{name} {{ … }}` to declare. "))
        }
        _ => ("is part of every playbook", String::new()),
    };
    let what = format!("`{name}` {what}, and cannot be set");
    let hint = format!("{call}A variable needs another name, or a `local` before it.");
    Ok(Some(Error::new(what, hint)))
}

fn undefined(lua: &Lua, evaluation: &Evaluation<'_>, name: &Value) -> mlua::Result<Value> {
    let Some(name) = name.as_string() else { return Ok(Value::Nil) };
    evaluation.library(lua)?;
    for table in [lua.globals(), added(lua)?] {
        let value: Value = table.raw_get(name)?;
        if !value.is_nil() {
            return Ok(value);
        }
    }
    let name = name.to_string_lossy();
    let own: Vec<String> = lua
        .globals()
        .pairs::<Value, Value>()
        .filter_map(|pair| Some(pair.ok()?.0.as_string()?.to_string_lossy()))
        .collect();
    let line = evaluation.line(evaluation.call_site(lua).as_ref());
    let how = line.map_or(Use::Read, |line| used(&line, &name));
    Err(evaluation.raise(lua, no_such(evaluation, &name, &own, how)))
}

/// What a line does with a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Use {
    Called,
    Indexed,
    Read,
}

/// Returns what a line does with what has that name: Lua calls with `(`, `{` or a text.
fn used(line: &str, name: &str) -> Use {
    let begins_call = |it: &&str| it.starts_with(['(', '{', '"', '\'']) || it.starts_with("[[");
    let mut after = line.match_indices(name).map(|(at, name)| line[at + name.len()..].trim_start());
    match after.find(|it| begins_call(it) || it.starts_with(['.', ':'])) {
        Some(call) if begins_call(&call) => Use::Called,
        Some(_) => Use::Indexed,
        None => Use::Read,
    }
}

/// Returns the error about a name that stands for nothing; `own` are the globals of the playbook.
pub(crate) fn no_such(evaluation: &Evaluation<'_>, name: &str, own: &[String], how: Use) -> Error {
    if ABSENT.contains(&name) {
        return Error::new(
            format!("there is no `{name}` in a playbook"),
            "A playbook reads no files, starts no programs and knows no clock; `host` has the facts it may use.",
        );
    }
    let shown = match name.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &name[..end]),
        None => name.to_owned(),
    };
    let what = match how {
        Use::Called => format!("there is no function `{shown}`"),
        Use::Indexed | Use::Read => format!("there is no `{shown}`"),
    };
    if let Some((_, value)) = FOREIGN.iter().find(|(it, _)| *it == name) {
        return Error::new(what, format!("Lua writes `{value}`, and a text in quotes: `\"{name}\"`."));
    }
    let registry = evaluation.registry();
    let types: Vec<&str> = registry.entries().iter().map(|it| it.name()).collect();
    let declaring = || types.iter().copied().chain(COMPOSITES.iter().map(|it| it.name));
    let vendors = types.iter().filter_map(|it| Some(it.split_once('.')?.0));
    let mut all: Vec<&str> = VALUES.into_iter().chain(vendors).collect();
    all.extend(own.iter().map(String::as_str).filter(|it| it.len() <= LONGEST));
    match how {
        Use::Called | Use::Indexed => all.extend(declaring().chain(USUAL.iter().copied())),
        // Who reads a function without a call is rare.
        Use::Read => {
            all.retain(|it| !USUAL.contains(it));
            all.push("host");
        }
    }
    // Comparing texts takes time by the product of their lengths.
    let near = if name.len() <= LONGEST { nearest(name, all.into_iter()) } else { None };
    let hint = match (near, how) {
        (Some(near), _) => format!("Did you mean `{near}`?"),
        (None, Use::Called | Use::Indexed) => registry.untrusted().unwrap_or_else(|| {
            let declaring = declaring().collect::<Vec<_>>().join(", ");
            format!("The functions that declare are: {declaring}. A vendor's come with a plugin: `hoststate plugin list`.")
        }),
        (None, Use::Read) => format!(
            "A text is written in quotes: `\"{shown}\"`. A variable exists only after the line that sets it; \
             `rawget(_G, \"{shown}\")` is nil for one that may be missing."
        ),
    };
    Error::new(what, hint)
}

/// Returns whether Lua has something of that name and playbooks have not.
pub(crate) fn is_absent(name: &str) -> bool {
    ABSENT.contains(&name)
}
