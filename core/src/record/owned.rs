//! What the runs of each owner set: a memory beside the records, one file for each owner. It is never the truth: the host is.

use std::collections::BTreeSet;
use std::ffi::OsString;

use data_encoding::HEXLOWER;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::language::declaration::Declaration;
use crate::machine::identity::Identity;

/// Format of such a file.
pub const OWNER_FORMAT: &str = "hoststate.owner/1";

/// So much of the digest of an owner's name is the name of its file, in bytes.
const NAMED_BY: usize = 16;

/// What the runs of one owner set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Memory {
    /// [`OWNER_FORMAT`].
    pub format: String,
    /// Whose it is: the absolute path of a playbook, or the name that was given.
    pub owner: String,
    /// What they set, item by item.
    pub owned: Vec<Owned>,
    /// Whether files are as these alone were written: after a run that pruned, and as long as nothing else was declared
    /// since the first.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_alone: bool,
}

/// One thing that the runs of an owner set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Owned {
    /// What was declared, with its line.
    pub declaration: Declaration,
    /// The run that first set it, whose record holds what was there before; null for what was in place when a run that
    /// changed nothing found it declared.
    pub run: Option<String>,
    /// Whether it was in place before it was declared.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub adopted: bool,
    /// Who the device is that it is about, if it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<Identity>,
}

/// How a run changed the memory of its owner, so that undoing the run undoes that as well.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Remembrance {
    /// What it remembered.
    pub learned: Vec<Owned>,
    /// What it forgot.
    pub forgot: Vec<Owned>,
}

impl Memory {
    /// Returns the memory of an owner of whom nothing is known yet.
    pub fn new(owner: impl Into<String>) -> Self {
        Self { format: OWNER_FORMAT.to_owned(), owner: owner.into(), owned: Vec::new(), is_alone: true }
    }

    /// Returns the name of the file for an owner.
    pub(super) fn file(owner: &str) -> OsString {
        let digest = Sha256::digest(owner.as_bytes());
        format!("{}.json", HEXLOWER.encode(&digest[..NAMED_BY])).into()
    }

    /// Returns what `self` has and `other` has not: the same thing declared at another line is the same.
    pub fn beside(&self, other: &Self) -> Vec<Owned> {
        let known: BTreeSet<String> = other.owned.iter().map(|it| key(&it.declaration)).collect();
        self.owned.iter().filter(|it| !known.contains(&key(&it.declaration))).cloned().collect()
    }

    /// Returns whether both have the same things in the same order.
    pub fn is_of_same(&self, other: &[Owned]) -> bool {
        let keys = |it: &[Owned]| it.iter().map(|it| key(&it.declaration)).collect::<Vec<_>>();
        keys(&self.owned) == keys(other)
    }

    /// Undoes what a run made of it.
    pub fn undo(&mut self, run: &Remembrance) {
        let learned: BTreeSet<String> = run.learned.iter().map(|it| key(&it.declaration)).collect();
        self.owned.retain(|it| !learned.contains(&key(&it.declaration)));
        self.is_alone = false;
        let forgotten = Self { owned: run.forgot.clone(), ..self.clone() };
        self.owned.extend(forgotten.beside(self));
    }
}

/// Returns what makes two declarations the same thing: type and fields, not name, line or composite.
pub fn key(declaration: &Declaration) -> String {
    let fields = serde_json::Value::Object(declaration.desired.clone());
    format!("{} {fields}", declaration.kind)
}
