//! What the table `host` is made of: plain Lua tables of facts, made when a playbook asks.

use mlua::{Lua, Scope, Table};

use crate::error::Error;
use crate::evaluation::Evaluation;
use crate::facts::Device;
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
    native.set(
        "devices",
        scope.create_function(move |lua, ()| {
            let devices = facts.devices().map_err(|err| raise(lua, err))?;
            let tables = devices.into_iter().map(|it| device(lua, it)).collect::<mlua::Result<Vec<_>>>()?;
            evaluation.limits.skip(lua);
            Ok(tables)
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

fn device(lua: &Lua, device: Device) -> mlua::Result<Table> {
    let table = lua.create_table()?;
    table.set("address", device.address)?;
    table.set("vendor", device.vendor)?;
    table.set("device", device.device)?;
    table.set("subsystem_vendor", device.subsystem_vendor)?;
    table.set("subsystem_device", device.subsystem_device)?;
    table.set("class", device.class)?;
    table.set("class_name", device.class_name)?;
    table.set("driver", device.driver)?;
    table.set("iommu_group", device.iommu_group)?;
    table.set("boot_vga", device.boot_vga)?;
    table.set("sriov_totalvfs", device.sriov_totalvfs)?;
    table.set("sriov_numvfs", device.sriov_numvfs)?;
    table.set("sriov_offset", device.sriov_offset)?;
    table.set("sriov_stride", device.sriov_stride)?;
    table.set("interfaces", device.interfaces)?;
    table.set("mac", device.mac)?;
    table.set("physfn", device.physfn)?;
    table.set("virtfns", device.virtfns)?;
    Ok(table)
}
