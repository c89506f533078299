//! The functions that declare: one global for each type of the registry.

use std::cell::OnceCell;
use std::collections::BTreeSet;

use hoststate_core::error::Several;
use hoststate_core::language::declaration::{Declaration, Origin};
use hoststate_core::language::ensure::Ensure;
use hoststate_core::language::registry::{Declared, Entry};
use mlua::{Lua, MultiValue, Scope, Table};
use schemars::Schema;
use serde_json::{Map, Value};

use crate::error::Error;
use crate::evaluation::Evaluation;
use crate::{globals, nil, value};

/// What a declaration costs, in instructions, and in bytes beside its values.
const WORK: u64 = 300;
const BYTES: usize = 256;

/// How many characters of a text are shown that is no declaration.
const LONGEST: usize = 60;

/// Adds a global function for each type; a name with a dot becomes a function in a table.
pub(crate) fn install<'scope, 'env>(
    lua: &Lua,
    scope: &'scope Scope<'scope, 'env>,
    evaluation: &'env Evaluation<'env>,
) -> mlua::Result<()> {
    for entry in evaluation.options.registry.entries() {
        let objects = OnceCell::new();
        let function = scope
            .create_function(move |lua, arguments| declare(lua, evaluation, entry, &objects, &arguments))?;
        globals::add(lua, entry.name(), &function)?;
    }
    Ok(())
}

/// Declares what a playbook gave to the constructor of a type.
pub(crate) fn declare(
    lua: &Lua,
    evaluation: &Evaluation<'_>,
    entry: &Entry,
    objects: &OnceCell<BTreeSet<String>>,
    arguments: &MultiValue,
) -> mlua::Result<()> {
    let origin = evaluation.call_site(lua);
    let afforded = evaluation.limits.spend(WORK).and_then(|()| evaluation.limits.hold(BYTES));
    afforded.map_err(|error| mlua::Error::external(error.at(origin.clone())))?;
    match read(evaluation, entry, objects, arguments, origin) {
        Ok(declared) => {
            evaluation.declared.borrow_mut().push(declared);
            Ok(())
        }
        Err(errors) => errors.into_iter().try_for_each(|error| evaluation.reject(lua, error)),
    }
}

fn read(
    evaluation: &Evaluation<'_>,
    entry: &Entry,
    objects: &OnceCell<BTreeSet<String>>,
    arguments: &MultiValue,
    origin: Option<Origin>,
) -> Result<Declared, Several<Error>> {
    let table = one_table(entry.name(), arguments)?;
    let empty = |field: &str| {
        let objects = objects.get_or_init(|| object_fields(&entry.schema()));
        nothing(objects.contains(field))
    };
    let mut desired = value::object(table, &evaluation.limits, &empty).map_err(|err| err.of(entry.name()))?;
    let name = match desired.remove("name") {
        None => None,
        Some(Value::String(name)) if !name.is_empty() => Some(name),
        Some(other) => {
            let what = format!("{}: `name` is {other}, not a text", entry.name());
            return Err(Error::new(what, "Give a text, or leave `name` out.").into());
        }
    };
    // What a composite declares is there as it is; of one that is absent everything is.
    let ensure = match Ensure::take(entry.name(), &mut desired).map_err(|err| Error::of_engine(&err))? {
        Ensure::Present => evaluation.made.get().ensure,
        Ensure::Absent => Ensure::Absent,
    };
    let declaration = Declaration {
        kind: entry.name().to_owned(),
        name,
        ensure,
        playbook: origin,
        composite: evaluation.made.get().by.map(str::to_owned),
        desired,
    };
    let added = evaluation.more_types.borrow();
    let registry = added.as_ref().unwrap_or(evaluation.options.registry);
    registry.decode(declaration).map_err(|rejected| {
        rejected.map(|it| {
            let error = || Error::of_declaration(&it, evaluation.options.facts);
            nil::field(evaluation, &it).unwrap_or_else(error)
        })
    })
}

/// Returns the one table that a function was given.
pub(crate) fn one_table<'a>(name: &str, arguments: &'a MultiValue) -> Result<&'a Table, Error> {
    let got = match (arguments.front(), arguments.len()) {
        (Some(mlua::Value::Table(table)), 1) => return Ok(table),
        (Some(mlua::Value::Table(_)), count) => format!("{count} values"),
        (Some(mlua::Value::String(text)), _) => {
            let text: String = text.to_string_lossy().chars().take(LONGEST).collect();
            format!("the text {text:?}")
        }
        (Some(other), _) => format!("a {}", other.type_name()),
        (None, _) => "nothing".to_owned(),
    };
    let what = format!("{name} takes one table, got {got}");
    Err(Error::new(what, format!("Write `{name} {{ field = value }}`.")))
}

/// Returns what an empty table in a field is, by the schema.
pub(crate) fn empty(schema: &Schema, field: &str) -> Value {
    nothing(object_fields(schema).contains(field))
}

fn nothing(is_object: bool) -> Value {
    if is_object { Value::Object(Map::new()) } else { Value::Array(Vec::new()) }
}

/// Returns the fields that are objects and no lists.
fn object_fields(schema: &Schema) -> BTreeSet<String> {
    let properties = schema.get("properties").and_then(Value::as_object);
    let objects = properties.into_iter().flatten().filter(|(_, field)| {
        accepts(schema.as_value(), field, "object") && !accepts(schema.as_value(), field, "array")
    });
    objects.map(|(name, _)| name.clone()).collect()
}

/// Returns whether a schema lets a JSON type through; `root` holds what it refers to.
fn accepts(root: &Value, schema: &Value, kind: &str) -> bool {
    let by_type = match schema.get("type") {
        Some(Value::String(only)) => only == kind,
        Some(Value::Array(kinds)) => kinds.iter().any(|it| it == kind),
        _ => false,
    };
    let referred = schema
        .get("$ref")
        .and_then(Value::as_str)
        .and_then(|it| it.strip_prefix('#'))
        .and_then(|it| root.pointer(it));
    let choices =
        ["anyOf", "oneOf"].iter().filter_map(|it| schema.get(it)).filter_map(Value::as_array).flatten();
    by_type || referred.into_iter().chain(choices).any(|it| accepts(root, it, kind))
}
