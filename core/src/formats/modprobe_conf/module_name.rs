//! The name of a kernel module, where `-` and `_` are one.

use std::borrow::{Borrow, Cow};
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::ModprobeError;

/// Longest name the kernel holds: `MODULE_NAME_LEN` is 64 less a pointer, one byte ends it (include/linux/module.h).
const LONGEST: usize = 55;

/// The name of a kernel module, as its author spelled it.
///
/// Invariant: 1 to 55 of `A-Z a-z 0-9 _ - . +`. kmod and the kernel take `-` and `_` for the same, so two spellings
/// of one module are equal; `Display` and serde give the spelling back.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct ModuleName {
    folded: String,
    /// Only where it differs from `folded`.
    spelled: Option<Box<str>>,
}

impl ModuleName {
    /// Reads a name in either spelling.
    pub fn parse(text: &str) -> Result<Self, ModprobeError> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'+');
        if text.is_empty() || text.len() > LONGEST || !text.bytes().all(allowed) {
            return Err(ModprobeError::ModuleName(text.to_owned()));
        }
        let folded = text.replace('-', "_");
        let spelled = (folded != text).then(|| Box::from(text));
        Ok(Self { folded, spelled })
    }

    /// The name as the kernel knows it, with underscores.
    pub fn as_str(&self) -> &str {
        &self.folded
    }

    /// The name as it was written.
    pub fn spelled(&self) -> &str {
        self.spelled.as_deref().unwrap_or(&self.folded)
    }

    /// Returns whether `text` spells this name, without building another one.
    pub fn is_spelled(&self, text: &str) -> bool {
        same_folded(&self.folded, text)
    }
}

impl PartialEq for ModuleName {
    fn eq(&self, other: &Self) -> bool {
        self.folded == other.folded
    }
}

impl Eq for ModuleName {}

impl PartialOrd for ModuleName {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for ModuleName {
    fn cmp(&self, other: &Self) -> Ordering {
        self.folded.cmp(&other.folded)
    }
}

impl Hash for ModuleName {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.folded.hash(state);
    }
}

/// Returns whether two names are one when `-` and `_` are taken for the same (kernel/params.c, `parameq`).
pub fn same_folded(left: &str, right: &str) -> bool {
    let fold = |byte: u8| if byte == b'-' { b'_' } else { byte };
    left.len() == right.len() && left.bytes().map(fold).eq(right.bytes().map(fold))
}

/// Folds a name or pattern found in a file: `-` becomes `_` except inside brackets; `None` where a bracket is not
/// closed or never opened, which makes the line a bad one (libkmod/libkmod-util.c, `underscores`).
pub(super) fn fold(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains(['-', '[', ']']) {
        return Some(Cow::Borrowed(text));
    }
    let mut folded = String::with_capacity(text.len());
    let mut in_bracket = false;
    for c in text.chars() {
        match (c, in_bracket) {
            (']', false) => return None,
            (']', true) => in_bracket = false,
            ('[', false) => in_bracket = true,
            _ => {}
        }
        folded.push(if c == '-' && !in_bracket { '_' } else { c });
    }
    (!in_bracket).then_some(Cow::Owned(folded))
}

impl fmt::Display for ModuleName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.spelled())
    }
}

impl FromStr for ModuleName {
    type Err = ModprobeError;

    fn from_str(text: &str) -> Result<Self, ModprobeError> {
        Self::parse(text)
    }
}

impl TryFrom<String> for ModuleName {
    type Error = ModprobeError;

    /// Reads a name that somebody gives: unlike one that a file of the host has, it is no file's.
    fn try_from(text: String) -> Result<Self, ModprobeError> {
        if [".ko", ".ko.gz", ".ko.xz", ".ko.zst"].iter().any(|it| text.ends_with(it)) {
            return Err(ModprobeError::ModuleFile(text));
        }
        Self::parse(&text)
    }
}

impl From<ModuleName> for String {
    fn from(name: ModuleName) -> Self {
        match name.spelled {
            Some(spelled) => spelled.into(),
            None => name.folded,
        }
    }
}

impl Borrow<str> for ModuleName {
    fn borrow(&self) -> &str {
        &self.folded
    }
}

impl JsonSchema for ModuleName {
    fn schema_name() -> Cow<'static, str> {
        "ModuleName".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "examples": ["vfio_pci"], "pattern": "^[A-Za-z0-9_.+-]{1,55}$" })
    }
}
