//! What a step that ran a program gives back to Lua, and the checks of it.

use mlua::{IntoLua, Lua, LuaSerdeExt, Value};

use crate::{
    error::{Error, Result, check},
    process::{Finished, tail},
};

/// A program that ended as the scenario allowed.
pub(super) struct StepResult(pub(super) Finished);

impl StepResult {
    /// Fails unless the exit status is one of those that were expected.
    pub(super) fn expect_status(finished: Finished, what: &str, wanted: &[i32]) -> Result<Self> {
        check(
            wanted.contains(&finished.status),
            format!("exit status of {what}"),
            wanted.iter().map(ToString::to_string).collect::<Vec<_>>().join(" or "),
            format!(
                "{}\nstandard output ends: {}\nstandard error ends: {}",
                finished.status,
                tail(&finished.stdout),
                tail(&finished.stderr)
            ),
        )?;
        Ok(Self(finished))
    }

    /// Standard output as the JSON it must be.
    pub(super) fn json(&self, what: &str) -> Result<serde_json::Value> {
        serde_json::from_str(&self.0.stdout).map_err(|source| Error::Json {
            what: format!("the output of {what} (status {}, {})", self.0.status, tail(&self.0.stderr)),
            source,
        })
    }
}

impl IntoLua for StepResult {
    /// A table with `status`, `stdout`, `stderr`, and `json` where standard output is an object.
    fn into_lua(self, lua: &Lua) -> mlua::Result<Value> {
        let table = lua.create_table()?;
        table.set("status", self.0.status)?;
        if let Ok(object @ serde_json::Value::Object(_)) = serde_json::from_str(&self.0.stdout) {
            table.set("json", lua.to_value(&object)?)?;
        }
        table.set("stdout", self.0.stdout)?;
        table.set("stderr", self.0.stderr)?;
        Ok(Value::Table(table))
    }
}
