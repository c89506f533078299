//! The host that a type written in Lua compares a declaration with: read, never written.

use std::path::{Path, PathBuf};

use hoststate_abi::message::Refusal;
use hoststate_abi::plugin::Context;
use mlua::{IntoLua, Lua, Scope, Table, Value};

use crate::error::Error;
use crate::evaluation::Evaluation;

/// What a look at a file costs, in instructions.
const WORK: u64 = 300;

/// Returns the table `host`: `host:read(path)`, and so on.
pub(crate) fn table<'scope, 'env: 'scope>(
    lua: &Lua,
    scope: &'scope Scope<'scope, 'env>,
    evaluation: &'env Evaluation<'env>,
    cx: Context<'env>,
) -> mlua::Result<Table> {
    let table = lua.create_table()?;
    let distro = lua.create_table()?;
    distro.set("id", cx.distro.id.as_str())?;
    distro.set("version", cx.distro.version.as_str())?;
    distro.set("family", cx.distro.family.as_str())?;
    table.set("distro", distro)?;
    let host = cx.host;
    let add = |name: &'static str, look: Look<'env>| {
        let function = scope.create_function(move |lua, (this, path): (Value, Value)| {
            let raise = |error: Error| evaluation.raise(lua, error);
            evaluation.limits.spend(WORK).map_err(raise)?;
            let path = absolute(name, &this, &path).map_err(raise)?;
            // A device is no file: reading one has effects, and may never end.
            let is_device = host.resolve(&path).map(|it| it.starts_with("/dev"));
            if is_device.map_err(|err| raise(of_io(&path, err)))? && matches!(name, "read" | "attribute") {
                let what = format!("{} is a device", path.display());
                return Err(raise(Error::new(what, "A type reads files, not devices.")));
            }
            match look(lua, &path) {
                Ok(value) => value,
                Err(err) => Err(raise(of_io(&path, err))),
            }
        })?;
        table.set(name, function)
    };
    add("read", Box::new(move |lua, path| Ok(host.read(path)?.into_lua(lua))))?;
    add("attribute", Box::new(move |lua, path| Ok(host.attribute(path)?.into_lua(lua))))?;
    add("list", Box::new(move |lua, path| Ok(host.list(path)?.into_lua(lua))))?;
    add("exists", Box::new(move |lua, path| Ok(host.exists(path)?.into_lua(lua))))?;
    add(
        "link",
        Box::new(move |lua, path| {
            let target = host.link_target(path)?.map(|it| it.to_string_lossy().into_owned());
            Ok(target.into_lua(lua))
        }),
    )?;
    Ok(table)
}

type Look<'a> = Box<dyn Fn(&Lua, &Path) -> std::io::Result<mlua::Result<Value>> + 'a>;

fn absolute(name: &str, this: &Value, path: &Value) -> Result<PathBuf, Error> {
    let how = format!("Write `host:{name}(\"/path\")`.");
    let (Value::Table(_), Value::String(path)) = (this, path) else {
        return Err(Error::new(format!("host:{name} takes one path"), how));
    };
    let path = PathBuf::from(path.to_string_lossy());
    if path.is_absolute() {
        Ok(path)
    } else {
        Err(Error::new(format!("{} is not an absolute path", path.display()), how))
    }
}

fn of_io(path: &Path, err: std::io::Error) -> Error {
    let Refusal { what, hint } = err.into();
    let what = format!("{}: {what}", path.display());
    Error { kind: None, what, origin: None, hint, callers: Vec::new() }
}
