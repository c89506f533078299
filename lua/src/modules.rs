//! `require`, and the Lua that hoststate ships: composites made of resources.

use std::io;
use std::path::Path;

use hoststate_core::error::Several;
use hoststate_core::language::notation::Notation;
use mlua::{Function, Lua, MultiValue, Scope, Table, Value};

use hoststate_core::language::ensure::{ENSURE, Ensure};

use crate::composites::{COMPOSITES, Composite, composite};
use crate::error::Error;
use crate::evaluation::{Evaluation, File, Made};
use crate::lua_errors::{self, Failure};
use crate::{constructors, globals, sandbox, types, value};

/// What the composites share.
const COMPOSITE: &str = include_str!("../prelude/composite.lua");

/// Adds `require` and the composites. Their text is read when one is called first.
pub(crate) fn install<'scope, 'env>(
    lua: &Lua,
    scope: &'scope Scope<'scope, 'env>,
    evaluation: &'env Evaluation<'env>,
) -> mlua::Result<()> {
    let bodies = lua.create_table()?;
    for composite in &COMPOSITES {
        let bodies = bodies.clone();
        let function = scope.create_function(move |lua, arguments: MultiValue| {
            let (fields, ensure) = match fields(evaluation, composite, &arguments) {
                Ok((fields, ensure)) => (fields.clone(), ensure),
                Err(errors) => {
                    errors.into_iter().try_for_each(|it| evaluation.reject(lua, it))?;
                    return Ok(MultiValue::new());
                }
            };
            let body = match bodies.get::<Option<Function>>(composite.name)? {
                Some(body) => body,
                None => {
                    let body = shipped(lua, evaluation, composite.name, composite.text)?;
                    bodies.set(composite.name, &body)?;
                    body
                }
            };
            enter(lua, evaluation, composite, &body, (fields, ensure))
        })?;
        globals::add(lua, composite.name, &function)?;
    }
    let loaded = lua.create_table()?;
    let require = scope.create_function(move |lua, name: Value| require(lua, evaluation, &loaded, &name))?;
    globals::add(lua, "require", &require)
}

/// Returns the one table that a composite is given, its fields checked, and whether it shall be there.
fn fields<'a>(
    evaluation: &Evaluation<'_>,
    composite: &Composite,
    arguments: &'a MultiValue,
) -> Result<(&'a Table, Ensure), Several<Error>> {
    let table = constructors::one_table(composite.name, arguments)?;
    let schema = composite.fields.schema();
    let empty = |field: &str| constructors::empty(&schema, field);
    let mut desired =
        value::object(table, &evaluation.limits, &empty).map_err(|err| err.of(composite.name))?;
    let ensure = Ensure::take(composite.name, &mut desired).map_err(|err| Error::of_engine(&err))?;
    let wrong = composite.fields.errors(composite.name, &[ENSURE], &desired, Notation::Lua);
    Several::none_of(wrong.iter().map(|(_, error)| Error::of_engine(error)).collect(), (table, ensure))
}

/// Runs a composite: what it declares and what is wrong with it has the line it was called from.
fn enter(
    lua: &Lua,
    evaluation: &Evaluation<'_>,
    composite: &Composite,
    body: &Function,
    (fields, ensure): (Table, Ensure),
) -> mlua::Result<MultiValue> {
    let outer = evaluation.composite.replace(evaluation.call_site(lua));
    let outer_made = evaluation.made.get();
    // What an absent composite calls is absent with it.
    let made = Made { by: outer_made.by.or(Some(composite.name)), ensure: ensure.max(outer_made.ensure) };
    evaluation.made.set(made);
    let before = evaluation.declared.borrow().len();
    let done = body.call((fields, made.ensure == Ensure::Absent));
    evaluation.made.set(outer_made);
    let done = match done.map_err(|err| (lua_errors::explain(evaluation, &err), err)) {
        Ok(values) => {
            if outer.is_none() {
                evaluation.ran_composite(before);
            }
            Ok(values)
        }
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
    let environment = evaluation.library(lua)?;
    let load = |name: &str, text: &str| {
        let chunk = sandbox::load(lua, &format!("=hoststate:{name}"), text);
        chunk.set_environment(environment.clone()).into_function()
    };
    let composite = match environment.raw_get::<Option<Table>>("composite")? {
        Some(composite) => composite,
        None => {
            let composite: Table = load("composite", COMPOSITE)?.call(())?;
            environment.set("composite", &composite)?;
            composite
        }
    };
    let body = load(name, text)?.call(composite);
    evaluation.limits.skip(lua);
    body
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
        return Err(raise(format!("{name:?} is not the name of a module"), how));
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
            io::ErrorKind::InvalidData => "Save it as UTF-8.",
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
            let value = sandbox::chunk(lua, evaluation, &beside, &text).and_then(|it| it.call::<Value>(()));
            if value.is_err() {
                // A `pcall` may go on and require it again.
                loaded.raw_set(name.as_str(), Value::Nil)?;
            }
            let value = value?;
            types::bring(lua, evaluation, &beside, &text)?;
            value
        }
        None if composite(&name).is_some() => evaluation.library(lua)?.get(name.as_str())?,
        None => {
            return Err(raise(format!("there is no module {name:?}: no {path} beside the playbook"), how));
        }
    };
    let value = if value.is_nil() { Value::Boolean(true) } else { value };
    loaded.raw_set(name.as_str(), &value)?;
    Ok(value)
}
