//! What the table `host` is made of: plain Lua tables of facts, made when a playbook asks.

use std::collections::BTreeMap;

use hoststate_core::language::selector;
use mlua::serde::SerializeOptions;
use mlua::{Lua, LuaSerdeExt, Scope, Table};

use crate::error::Error;
use crate::evaluation::Evaluation;
use crate::facts::device_schema;
use crate::value;

/// Adds the functions that give facts.
pub(crate) fn install<'scope, 'env>(
    native: &Table,
    scope: &'scope Scope<'scope, 'env>,
    evaluation: &'env Evaluation<'env>,
) -> mlua::Result<()> {
    let facts = evaluation.options.facts;
    let raise = |lua: &Lua, err: hoststate_core::error::Error| evaluation.raise(lua, Error::of_engine(&err));
    native.set("available", facts.available())?;
    native.set(
        "distro",
        scope.create_function(move |lua, ()| {
            let table = lua.create_table()?;
            if let Some(distro) = facts.distro().map_err(|err| raise(lua, err))? {
                table.set("id", distro.id)?;
                table.set("version", distro.version)?;
                table.set("family", distro.family)?;
            }
            Ok(table)
        })?,
    )?;
    native.set(
        "kernel_release",
        scope.create_function(move |lua, ()| facts.kernel_release().map_err(|err| raise(lua, err)))?,
    )?;
    native.set(
        "cpu_vendor",
        scope.create_function(move |lua, ()| facts.cpu_vendor().map_err(|err| raise(lua, err)))?,
    )?;
    let schema = device_schema();
    let fields = schema["properties"].as_object().into_iter().flat_map(|it| it.keys().cloned());
    native.set("device_fields", fields.map(|it| (it, true)).collect::<BTreeMap<_, _>>())?;
    native.set(
        "devices",
        scope.create_function(move |lua, ()| {
            let devices = facts.devices().map_err(|err| raise(lua, err))?;
            let plain = SerializeOptions::new().set_array_metatable(false).serialize_none_to_null(false);
            let tables =
                devices.iter().map(|it| lua.to_value_with(it, plain)).collect::<mlua::Result<Vec<_>>>()?;
            evaluation.limits.skip(lua);
            Ok(tables)
        })?,
    )?;
    native.set(
        "nearest_devices",
        scope.create_function(move |lua, address: String| {
            let devices = facts.devices().map_err(|err| raise(lua, err))?;
            let others = devices.iter().filter_map(|it| it.address.parse().ok());
            let near = address.parse().map(|it| selector::nearest(it, others)).unwrap_or_default();
            Ok(near.iter().map(ToString::to_string).collect::<Vec<_>>())
        })?,
    )?;
    native.set(
        "foretold_group",
        scope.create_function(move |lua, address: String| {
            facts.foretold_group(&address).map_err(|err| raise(lua, err))
        })?,
    )?;
    native.set(
        "why_not_foretold",
        scope.create_function(move |lua, address: String| {
            facts.why_not_foretold(&address).map_err(|err| raise(lua, err))
        })?,
    )?;
    native.set(
        "modules",
        scope.create_function(move |lua, address: String| {
            facts.modules(&address).map_err(|err| raise(lua, err))
        })?,
    )?;
    native.set(
        "find",
        scope.create_function(move |lua, selector: Table| {
            let selector =
                value::object(&selector, &evaluation.limits, &|_| serde_json::Value::Array(Vec::new()))
                    .map_err(|err| evaluation.raise(lua, err.of("the selector")))?;
            let found = facts.find(&selector).map_err(|err| raise(lua, err))?;
            if let (true, Some(origin)) = (found.is_empty(), evaluation.call_site(lua)) {
                evaluation.found_nothing.borrow_mut().insert(origin, selector);
            }
            Ok(found)
        })?,
    )
}
