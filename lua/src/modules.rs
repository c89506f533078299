//! `require`, and the Lua that hoststate ships: composites made of resources.

use std::io;
use std::path::Path;

use mlua::chunk::ChunkMode;
use mlua::{Function, Lua, MultiValue, Scope, Table, Value};

use crate::error::Error;
use crate::evaluation::{Evaluation, File};
use crate::lua_errors::{self, Failure};
use crate::{globals, sandbox, types};

/// The composites by name, and their text.
pub(crate) const COMPOSITES: &[(&str, &str)] = &[
    ("gpu_passthrough", include_str!("../prelude/gpu_passthrough.lua")),
    ("iommu", include_str!("../prelude/iommu.lua")),
    ("sriov_nic", include_str!("../prelude/sriov_nic.lua")),
];

/// What the composites share.
const COMPOSITE: &str = include_str!("../prelude/composite.lua");

/// Adds `require` and the composites. Their text is read when one is called first.
pub(crate) fn install<'scope, 'env>(
    lua: &Lua,
    scope: &'scope Scope<'scope, 'env>,
    evaluation: &'env Evaluation<'env>,
) -> mlua::Result<()> {
    let bodies = lua.create_table()?;
    for (name, text) in COMPOSITES {
        let bodies = bodies.clone();
        let function = scope.create_function(move |lua, arguments: MultiValue| {
            let body = match bodies.get::<Option<Function>>(*name)? {
                Some(body) => body,
                None => {
                    let body = shipped(lua, evaluation, name, text)?;
                    bodies.set(*name, &body)?;
                    body
                }
            };
            enter(lua, evaluation, &body, arguments)
        })?;
        globals::add(lua, name, &function)?;
    }
    let loaded = lua.create_table()?;
    let require = scope.create_function(move |lua, name: Value| require(lua, evaluation, &loaded, &name))?;
    lua.globals().set("require", require)
}

/// Runs a composite: what it declares and what is wrong with it has the line it was called from.
fn enter(
    lua: &Lua,
    evaluation: &Evaluation<'_>,
    body: &Function,
    arguments: MultiValue,
) -> mlua::Result<MultiValue> {
    let outer = evaluation.composite.replace(evaluation.call_site(lua));
    let done = body.call(arguments);
    let done = match done.map_err(|err| (lua_errors::explain(evaluation, &err), err)) {
        Ok(values) => Ok(values),
        // What is behind it is looked at as well.
        Err((Failure::Error(error), _)) if outer.is_none() && evaluation.keeps() => {
            evaluation.errors.borrow_mut().push(error);
            Ok(MultiValue::new())
        }
        // An error is explained while the line is known, for `pcall` may go on elsewhere.
        Err((Failure::Error(error), _)) => Err(mlua::Error::external(error)),
        Err((Failure::Memory(_), err)) => Err(err),
    };
    evaluation.composite.replace(outer);
    done
}

fn shipped(lua: &Lua, evaluation: &Evaluation<'_>, name: &str, text: &str) -> mlua::Result<Function> {
    let environment = match &*evaluation.prelude.borrow() {
        Some(environment) => environment.clone(),
        None => lua.create_table()?,
    };
    let load = |name: &str, text: &str| {
        lua.load(text)
            .set_name(format!("=hoststate:{name}"))
            .set_mode(ChunkMode::Text)
            .set_environment(environment.clone())
            .into_function()
    };
    let composite = match environment.raw_get::<Option<Table>>("composite")? {
        Some(composite) => composite,
        None => {
            let composite: Table = load("composite", COMPOSITE)?.call(())?;
            environment.set("composite", &composite)?;
            composite
        }
    };
    load(name, text)?.call(composite)
}

fn require(lua: &Lua, evaluation: &Evaluation<'_>, loaded: &Table, name: &Value) -> mlua::Result<Value> {
    let raise = |what: String, hint: &str| evaluation.raise(lua, Error::new(what, hint));
    let how =
        "Write `require \"name\"` for `name.lua` beside the playbook, `require \"folder.name\"` below it.";
    let name = match name {
        Value::String(name) => name.to_string_lossy(),
        other => return Err(raise(format!("require takes a text, got a {}", other.type_name()), how)),
    };
    let fits = |part: &str| {
        !part.is_empty() && part.chars().all(|it| it.is_ascii_alphanumeric() || it == '_' || it == '-')
    };
    if !name.split('.').all(fits) {
        return Err(raise(format!("{name:?} is no name of a module"), how));
    }
    match loaded.raw_get::<Value>(name.as_str())? {
        Value::Nil => {}
        // `false` marks a module that is not done.
        Value::Boolean(false) => {
            let hint = "Move what both need into a third file.";
            return Err(raise(format!("module {name:?} requires itself, by way of others"), hint));
        }
        done => return Ok(done),
    }
    let path = format!("{}.lua", name.replace('.', "/"));
    let text = (evaluation.options.modules)(&path).map_err(|err| {
        let hint = match err.kind() {
            io::ErrorKind::Unsupported => "Put what it needs into the same file.",
            _ => "Make the file readable, and writable for its owner only.",
        };
        raise(format!("module {name:?}: {err}"), hint)
    })?;
    let value = match text {
        Some(text) => {
            let beside = Path::new(evaluation.name).with_file_name(&path).to_string_lossy().into_owned();
            evaluation.files.borrow_mut().push(File { name: beside.clone(), text: text.clone() });
            loaded.raw_set(name.as_str(), false)?;
            let value = sandbox::chunk(lua, &beside, &text).call::<Value>(());
            if value.is_err() {
                // A `pcall` may go on and require it again.
                loaded.raw_set(name.as_str(), Value::Nil)?;
            }
            let value = value?;
            types::bring(lua, evaluation, &beside, &text)?;
            value
        }
        None if COMPOSITES.iter().any(|(it, _)| *it == name) => match &*evaluation.prelude.borrow() {
            Some(prelude) => prelude.get(name.as_str())?,
            None => Value::Nil,
        },
        None => {
            return Err(raise(format!("there is no module {name:?}: no {path} beside the playbook"), how));
        }
    };
    let value = if value.is_nil() { Value::Boolean(true) } else { value };
    loaded.raw_set(name.as_str(), &value)?;
    Ok(value)
}
