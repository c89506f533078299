//! Resource types written in Lua: what `resource_type { … }` says, and how a declaration is compared with a host.

use std::io::{self, Write};
use std::path::Path;

use hoststate_abi::description::TypeDescription;
use hoststate_abi::message::{Asks, Description, Inspection, Refusal};
use hoststate_abi::plugin::{Context, Plugin};
use hoststate_core::language::declaration::Origin;
use hoststate_core::language::external_type::check_description;
use hoststate_core::language::registry::{Registry, nearest};
use mlua::serde::SerializeOptions;
use mlua::{Function, Lua, LuaSerdeExt, MultiValue, Scope};
use serde_json::{Map, Value, json};

use crate::error::Error;
use crate::evaluation::{Evaluation, thoroughly, within};
use crate::facts::NoHost;
use crate::{Level, Options, constructors, globals, type_host, value};

/// The fields of `resource_type` beside `inspect`.
const FIELDS: [&str; 7] = ["description", "examples", "fields", "key", "name", "required", "version"];

/// What messages call a file of types.
const TYPE: &str = "the type";

/// A type, while its file's Lua state lives.
#[derive(Debug)]
pub(crate) struct LuaType {
    description: TypeDescription,
    version: Option<String>,
    inspect: Function,
    origin: Option<Origin>,
}

/// Returns the plugin that a file of types is. Each request runs the file anew, so nothing lasts from one to the next.
///
/// # Errors
/// When the file is no Lua, fails, or describes no type that playbooks could use.
pub fn plugin(file: &str, text: &str) -> Result<Plugin, Refusal> {
    let log = |_: Level, message: &str| say(message);
    let description = describe(file, text, &log).map_err(refusal)?;
    let mut plugin = Plugin::new(description.name, description.version);
    for described in description.types {
        let (file, text, kind) = (file.to_owned(), text.to_owned(), described.name.clone());
        plugin = plugin.with_type(described, move |desired, cx| {
            alone(&file, &text, &log, |lua, evaluation| inspect(lua, evaluation, &kind, &desired, cx))
                .map_err(refusal)
        });
    }
    Ok(plugin)
}

fn say(message: &str) {
    // What a type says is no answer: when nobody can read it, the inspection goes on.
    writeln!(io::stderr(), "{message}").unwrap_or_default();
}

fn refusal(error: Error) -> Refusal {
    let at = error.origin.as_ref().map_or_else(String::new, |it| format!("{it}: "));
    Refusal { what: format!("{at}{error}"), hint: error.hint }
}

fn describe(file: &str, text: &str, log: &dyn Fn(Level, &str)) -> Result<Description, Error> {
    let (types, version): (Vec<TypeDescription>, _) = alone(file, text, log, |_, evaluation| {
        let types = evaluation.types.borrow();
        let version = types.iter().find_map(|it| it.version.clone());
        Ok((types.iter().map(|it| it.description.clone()).collect(), version.unwrap_or_default()))
    })?;
    if types.is_empty() {
        return Err(Error::new(format!("{file} has no `resource_type`"), "Describe a type in it."));
    }
    let name = Path::new(file).file_stem().unwrap_or_default().to_string_lossy().into_owned();
    Ok(Description { name, version, asks: Asks::default(), types })
}

/// Runs a file of types by itself: no other file, no host and no type is there.
fn alone<T>(
    file: &str,
    text: &str,
    log: &dyn Fn(Level, &str),
    then: impl Fn(&Lua, &Evaluation<'_>) -> mlua::Result<T>,
) -> Result<T, Error> {
    let registry = Registry::new(&[]);
    let modules = |_: &str| {
        Err(io::Error::new(io::ErrorKind::Unsupported, "a file with a `resource_type` stands alone"))
    };
    let options =
        Options { registry: &registry, facts: &NoHost, modules: &modules, types: &|_, _, _| Vec::new(), log };
    thoroughly(TYPE, &options, |options, manner| within(TYPE, file, text, options, manner, &then))
        .map_err(|errors| errors.first().clone())
}

/// Adds `resource_type`.
pub(crate) fn install<'scope, 'env>(
    lua: &Lua,
    scope: &'scope Scope<'scope, 'env>,
    evaluation: &'env Evaluation<'env>,
) -> mlua::Result<()> {
    let function = scope.create_function(|lua, table: mlua::Value| {
        let origin = evaluation.call_site(lua);
        let described = described(lua, evaluation, &table)
            .map_err(|error| mlua::Error::external(error.at(origin.clone())))?;
        evaluation.types.borrow_mut().push(LuaType { origin, ..described });
        Ok(())
    })?;
    globals::add(lua, "resource_type", &function)?;
    let declare = scope.create_function(|lua, (kind, arguments): (String, MultiValue)| {
        let registry = evaluation.registry();
        let entry = registry.entry(&kind).map_err(|err| evaluation.raise(lua, Error::of_engine(&err)))?;
        constructors::declare(lua, evaluation, entry, &Default::default(), &arguments)
    })?;
    evaluation.declare.replace(Some(declare));
    Ok(())
}

fn described(lua: &Lua, evaluation: &Evaluation<'_>, table: &mlua::Value) -> Result<LuaType, Error> {
    let example = "docs/plugins.md has a complete type.";
    let mlua::Value::Table(table) = table else {
        let what = format!("resource_type takes one table, got a {}", table.type_name());
        return Err(Error::new(what, example));
    };
    let lost = |err: mlua::Error| Error::new(format!("resource_type cannot be read: {err}"), example);
    let data = lua.create_table().map_err(lost)?;
    let mut inspect = None;
    for pair in table.pairs::<mlua::Value, mlua::Value>() {
        match pair.map_err(lost)? {
            (mlua::Value::String(key), mlua::Value::Function(function)) if key == "inspect" => {
                inspect = Some(function)
            }
            (key, value) => data.raw_set(key, value).map_err(lost)?,
        }
    }
    let Some(inspect) = inspect else {
        return Err(Error::new(
            "resource_type: `inspect` is not a function",
            "Write `inspect = function(desired, host) … end`.",
        ));
    };
    let is_list = |field: &str| matches!(field, "enum" | "examples" | "key" | "required");
    let empty = |field: &str| if is_list(field) { json!([]) } else { json!({}) };
    let mut data = value::object(&data, &evaluation.limits, &empty).map_err(|err| err.of("resource_type"))?;
    if let Some(unknown) = data.keys().find(|it| !FIELDS.contains(&it.as_str())) {
        let hint = match nearest(unknown, FIELDS.into_iter().chain(["inspect"])) {
            Some(near) => format!("Did you mean `{near}`?"),
            None => format!("Its fields are: {}, inspect.", FIELDS.join(", ")),
        };
        return Err(Error::new(format!("resource_type: unknown field `{unknown}`"), hint));
    }
    let version = match data.remove("version") {
        None => None,
        Some(Value::String(version)) => Some(version),
        Some(other) => {
            let what = format!("resource_type: `version` is {other}, not a text");
            return Err(Error::new(what, "Write it as `version = \"1.0\"`."));
        }
    };
    let mut schema = json!({ "type": "object" });
    for (from, to) in [("description", "description"), ("fields", "properties"), ("required", "required")] {
        if let Some(value) = data.remove(from) {
            schema[to] = value;
        }
    }
    data.insert("schema".to_owned(), schema);
    let description: TypeDescription = serde_json::from_value(Value::Object(data))
        .map_err(|err| Error::new(format!("resource_type: {err}"), example))?;
    check_description(&description).map_err(|err| Error::of_engine(&err))?;
    Ok(LuaType { description, version, inspect, origin: None })
}

/// Gives a playbook the types that the file it required describes.
pub(crate) fn bring(lua: &Lua, evaluation: &Evaluation<'_>, file: &str, text: &str) -> mlua::Result<()> {
    let is_of_file = |it: &LuaType| it.origin.as_ref().is_some_and(|it| it.file == file);
    if !evaluation.types.borrow().iter().any(is_of_file) {
        return Ok(());
    }
    // They are inspected in a process that has this file and nothing else, so that is how they are described.
    let description = describe(file, text, &|_, _| ()).map_err(mlua::Error::external)?;
    let names: Vec<String> = description.types.iter().map(|it| it.name.clone()).collect();
    let mut registry = evaluation.registry();
    registry
        .add((evaluation.options.types)(file, text, description))
        .map_err(|err| evaluation.raise(lua, Error::of_engine(&err)))?;
    evaluation.more_types.replace(Some(registry));
    if let Some(declare) = &*evaluation.declare.borrow() {
        for name in names {
            globals::add(lua, &name, &declare.bind(name.as_str())?)?;
        }
    }
    Ok(())
}

/// Refuses types in the playbook itself: the process that inspects them would run it, and it declares.
pub(crate) fn none_in_playbook(evaluation: &Evaluation<'_>) -> mlua::Result<()> {
    let types = evaluation.types.borrow();
    let here = types.iter().find(|it| it.origin.as_ref().is_some_and(|it| it.file == evaluation.name));
    match here {
        None => Ok(()),
        Some(it) => Err(mlua::Error::external(
            Error::new(
                format!("the type {} is described in the playbook itself", it.description.name),
                "Move it to a file beside the playbook, and `require` that.",
            )
            .at(it.origin.clone()),
        )),
    }
}

fn inspect(
    lua: &Lua,
    evaluation: &Evaluation<'_>,
    kind: &str,
    desired: &Map<String, Value>,
    cx: Context<'_>,
) -> mlua::Result<Inspection> {
    let types = evaluation.types.borrow();
    let Some(LuaType { inspect, origin, .. }) = types.iter().find(|it| it.description.name == kind) else {
        return Err(mlua::Error::external(Error::new(
            format!("there is no type {kind:?}"),
            "This is a bug.",
        )));
    };
    let wrong = |what: String| {
        let hint = "docs/plugins.md says what an inspection looks like.";
        let error = Error { kind: Some(kind.into()), ..Error::new(what, hint) };
        mlua::Error::external(error.at(origin.clone()))
    };
    lua.scope(|scope| {
        let host = type_host::table(lua, scope, evaluation, cx)?;
        let plain = SerializeOptions::new()
            .set_array_metatable(false)
            .serialize_none_to_null(false)
            .serialize_unit_to_null(false);
        let desired = lua.to_value_with(desired, plain)?;
        let answer = match inspect.call::<mlua::Value>((desired, host))? {
            mlua::Value::Table(answer) => answer,
            other => return Err(wrong(format!("`inspect` returned no table: {}", other.type_name()))),
        };
        let answer = value::object(&answer, &evaluation.limits, &|_| json!([]))
            .map_err(|err| mlua::Error::external(err.of("the inspection").at(origin.clone())))?;
        serde_json::from_value(Value::Object(answer))
            .map_err(|err| wrong(format!("`inspect` returned something that is not an inspection: {err}")))
    })
}
