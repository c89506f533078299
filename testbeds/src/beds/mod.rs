//! What a scenario acts on: one trait for containers and virtual machines, and the table of their kinds.

pub(crate) mod container;
mod fleet;
pub(crate) mod vm;

use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;

use crate::{
    error::{Error, Result},
    process::Finished,
    snapshot::Snapshot,
};

/// Where hoststate is inside a bed.
pub(crate) const HOSTSTATE: &str = "/usr/local/bin/hoststate";
/// Where the playbook of a scenario is inside a bed.
pub(crate) const PLAYBOOK: &str = "/root/playbook.lua";

/// A system that a scenario acts on. Whoever drops it leaves nothing running.
pub(crate) trait Bed {
    /// Runs a program inside as root; every exit status is a result, only a bed that does not answer is an error.
    fn call(&mut self, argv: &[&str], input: Option<&[u8]>, seconds: u64) -> Result<Finished>;

    /// Writes a file inside, and makes the directories above it.
    fn put(&mut self, path: &str, bytes: &[u8], mode: u32) -> Result<()>;

    /// Restarts the system in an orderly way; returns when it takes calls again.
    fn reboot(&mut self) -> Result<()>;

    /// Cuts the power without warning and switches it on again; returns when it takes calls again.
    fn power_cycle(&mut self) -> Result<()>;

    /// All that the console has shown since the bed was made.
    fn console(&self) -> Result<String>;

    /// Runs `hoststate VERB PLAYBOOK WORDS…` on the system; `playbook` is the text of it.
    fn hoststate(
        &mut self,
        verb: &str,
        playbook: Option<&str>,
        words: &[&str],
        seconds: u64,
    ) -> Result<Finished> {
        let mut argv = vec![HOSTSTATE, verb];
        if let Some(text) = playbook {
            self.put(PLAYBOOK, text.as_bytes(), 0o644)?;
            argv.push(PLAYBOOK);
        }
        argv.extend(words);
        self.call(&argv, None, seconds)
    }

    /// Every file as it is now, to prove later that none was touched; `None` where that cannot be told.
    fn snapshot(&mut self) -> Result<Option<Snapshot>> {
        Ok(None)
    }

    /// A step that only this kind of bed has: what `host:STEP(argument)` does when every bed does not know STEP.
    /// `playbook` is the text that the scenario has now.
    fn own_step(&mut self, step: &str, _argument: Value, _playbook: &str) -> Result<Value> {
        Err(unknown_step(step, &[]))
    }

    /// Gives the terminal a shell inside.
    fn shell(&mut self) -> Result<()> {
        Err(Error::Argument { step: "shell".into(), reason: "this kind of bed has none".into() })
    }
}

/// What a scenario asks for: a kind of bed, and a machine described in the words of that kind.
#[derive(Debug, Clone)]
pub(crate) struct Order {
    /// Name of the kind.
    pub(crate) bed: String,
    /// An object; each kind decodes it and refuses what it does not know.
    pub(crate) machine: Value,
    /// The file that `--image` names, to be used instead of the kind's own image.
    pub(crate) image: Option<PathBuf>,
}

impl Order {
    /// The machine as a kind understands it.
    pub(crate) fn machine<T: for<'de> Deserialize<'de>>(&self) -> Result<T> {
        T::deserialize(&self.machine)
            .map_err(|source| Error::Json { what: format!("`machine` of bed {:?}", self.bed), source })
    }
}

/// The argument of a step that only some kind of bed has.
pub(crate) fn argument<T: for<'de> Deserialize<'de>>(step: &str, argument: Value) -> Result<T> {
    T::deserialize(argument).map_err(|err| Error::Argument { step: step.into(), reason: err.to_string() })
}

/// The error of a bed that was asked for a step it does not have.
pub(crate) fn unknown_step(step: &str, known: &[&str]) -> Error {
    let every = ["plan", "converge", "verify", "hoststate", "expect_diff", "expect_no_changes"];
    let known: Vec<&str> = every.iter().chain(known).copied().collect();
    Error::Unknown {
        kind: "step",
        name: step.into(),
        known: format!("{}, … (docs/testbeds.md)", known.join(", ")),
    }
}

/// Where a bed lives, and what was made ready for it.
#[derive(Debug)]
pub(crate) struct Place {
    /// A directory for this bed alone. Kept when the scenario fails.
    pub(crate) work: PathBuf,
    /// What `Kind::prepare` returned, in its order. Never written to.
    pub(crate) images: Vec<PathBuf>,
    /// The program under test, on the machine: a static executable. The bed has it at `HOSTSTATE`.
    pub(crate) hoststate: PathBuf,
}

/// A kind of bed.
pub(crate) struct Kind {
    /// What scenarios and `shell` call it.
    pub(crate) name: &'static str,
    /// One line for `list`.
    pub(crate) about: &'static str,
    /// Builds the images that the order needs, or finds them in the cache; the machine is open to it.
    pub(crate) prepare: fn(&Order, cache: &Path) -> Result<Vec<PathBuf>>,
    /// Makes the bed and returns when it takes calls. Runs in namespaces of its own (mounts, processes, network,
    /// host name): what it mounts and starts ends with it.
    pub(crate) open: fn(&Order, Place) -> Result<Box<dyn Bed>>,
    /// What a bed that lived in this directory broke down with by its own fault; a scenario says nothing then.
    pub(crate) breakdown: fn(work: &Path) -> Result<Option<String>>,
}

/// Every kind there is.
pub(crate) static KINDS: [Kind; 4] = [container::KIND, fleet::KIND, vm::FULL, vm::FAST];

/// Finds a kind by its name.
pub(crate) fn kind(name: &str) -> Result<&'static Kind> {
    KINDS.iter().find(|it| it.name == name).ok_or_else(|| Error::Unknown {
        kind: "bed",
        name: name.into(),
        known: KINDS.each_ref().map(|it| it.name).join(", "),
    })
}
