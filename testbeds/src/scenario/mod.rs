//! A scenario file: Lua that declares scenarios, each with its bed, machine, playbook and steps.

mod expectation;
mod failure;
mod host;
mod step_result;
#[cfg(test)]
mod tests;

use std::{
    cell::RefCell,
    path::{Path, PathBuf},
    rc::Rc,
};

use mlua::{Function, Lua, LuaSerdeExt, Table, chunk::ChunkMode};
use serde::Deserialize;
use serde_json::Value;

pub(crate) use self::{expectation::Expectations, host::Host};
use crate::{
    beds::Order,
    error::{Error, Result},
    files,
};

/// The longest a scenario may take, unless it says otherwise.
const SECONDS: u64 = 1800;

/// What a scenario says of itself, before it runs.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Head {
    /// What `run` calls it.
    pub(crate) name: String,
    /// One line for `list`.
    pub(crate) about: String,
    /// The kind of bed.
    pub(crate) bed: String,
    /// The machine, in the words of that kind.
    #[serde(default = "empty_object")]
    pub(crate) machine: Value,
    /// The text of the playbook, or the name of a `.lua` file beside the scenario.
    pub(crate) playbook: Option<String>,
    /// Whether `run` without names runs it.
    #[serde(default)]
    pub(crate) ci: bool,
    /// The longest it may take.
    #[serde(default = "usual_seconds")]
    pub(crate) seconds: u64,
    /// Words of the failure that this scenario must end in: it proves that its kind can turn red.
    #[serde(default)]
    pub(crate) fails_with: Vec<String>,
}

/// A scenario file that was read.
pub(crate) struct File {
    lua: Lua,
    /// Where the files beside it are.
    directory: PathBuf,
    scenarios: Rc<RefCell<Vec<(Head, Function)>>>,
}

impl File {
    /// Reads the file. Errors call it `shown`; `directory` is where its playbook and modules are read from.
    pub(crate) fn read(path: &Path, shown: &Path, directory: &Path) -> Result<Self> {
        let text = files::read(path)?;
        let lua = Lua::new();
        let scenarios = Rc::new(RefCell::default());
        let file = Self { lua, directory: directory.into(), scenarios };
        file.furnish().map_err(|err| failure::explain(&err, shown))?;
        let chunk = file.lua.load(text).set_name(format!("@{}", shown.display())).set_mode(ChunkMode::Text);
        chunk.exec().map_err(|err| failure::explain(&err, shown))?;
        if file.scenarios.borrow().is_empty() {
            return Err(Error::Unexpected {
                what: shown.display().to_string(),
                expected: "a call of `scenario { … }`".into(),
                found: "none".into(),
            });
        }
        Ok(file)
    }

    /// What its scenarios say of themselves.
    pub(crate) fn heads(&self) -> Vec<Head> {
        self.scenarios.borrow().iter().map(|(head, _)| head.clone()).collect()
    }

    /// The text of a scenario's playbook; empty when it has none.
    pub(crate) fn playbook(&self, head: &Head) -> Result<String> {
        match &head.playbook {
            Some(name) if name.ends_with(".lua") && !name.contains('\n') => {
                files::read(self.directory.join(name))
            }
            Some(text) => Ok(text.clone()),
            None => Ok(String::new()),
        }
    }

    /// Calls the steps of a scenario with its host.
    pub(crate) fn run(&self, name: &str, path: &Path, host: Host) -> Result<()> {
        let found = self.scenarios.borrow().iter().find(|(head, _)| head.name == name).cloned();
        let (_, steps) = found.ok_or_else(|| Error::Unknown {
            kind: "scenario",
            name: name.into(),
            known: self.heads().into_iter().map(|it| it.name).collect::<Vec<_>>().join(", "),
        })?;
        steps.call(host).map_err(|err| failure::explain(&err, path))
    }

    /// Gives the state `scenario` and a `require` that looks beside the file and nowhere else.
    fn furnish(&self) -> mlua::Result<()> {
        let scenarios = Rc::clone(&self.scenarios);
        let declare = self.lua.create_function(move |lua, table: Table| {
            let steps: Function = table
                .get("steps")
                .map_err(|_| mlua::Error::runtime("a scenario needs `steps = function(host) … end`"))?;
            table.set("steps", mlua::Nil)?;
            let head: Head = lua.from_value(mlua::Value::Table(table))?;
            if scenarios.borrow().iter().any(|(it, _): &(Head, Function)| it.name == head.name) {
                return Err(mlua::Error::runtime(format!("there is already a scenario {:?}", head.name)));
            }
            scenarios.borrow_mut().push((head, steps));
            Ok(())
        })?;
        let globals = self.lua.globals();
        globals.set("scenario", declare)?;
        let package: Table = globals.get("package")?;
        package.set("path", format!("{}/?.lua", self.directory.display()))?;
        package.set("cpath", "")
    }
}

impl Head {
    /// What it asks for.
    pub(crate) fn order(&self, image: Option<&Path>) -> Order {
        Order { bed: self.bed.clone(), machine: self.machine.clone(), image: image.map(Into::into) }
    }
}

fn empty_object() -> Value {
    Value::Object(serde_json::Map::new())
}

fn usual_seconds() -> u64 {
    SECONDS
}
