//! Whether what a declaration describes shall be there, and the resource that wants it gone.

use hoststate_abi::setting::Setting;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::error::{Error, Result};
use crate::formats::kernel_cmdline::CmdlineEdit;
use crate::language::contradiction::Claim;
use crate::language::resource::{Context, Resource, ResourceType};
use crate::language::selector::DeviceSelector;

/// The field that every declaration may have.
pub const ENSURE: &str = "ensure";

/// What the field says, for people.
pub const ENSURE_MEANS: &str =
    "`\"present\"`, the default, or `\"absent\"`: what hoststate would set for the declaration is taken out.";

/// Whether what a declaration describes shall be there.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Ensure {
    /// The host has it.
    #[default]
    Present,
    /// What hoststate would set for it is taken out.
    Absent,
}

impl Ensure {
    /// Takes the field out of the fields of a declaration.
    ///
    /// # Errors
    /// When it says neither.
    pub fn take(kind: &str, fields: &mut Map<String, Value>) -> Result<Self> {
        match fields.remove(ENSURE) {
            None => Ok(Self::Present),
            Some(Value::String(word)) if word == "present" => Ok(Self::Present),
            Some(Value::String(word)) if word == "absent" => Ok(Self::Absent),
            Some(other) => {
                let what = format!("{kind}: `{ENSURE}` is {other}, neither \"present\" nor \"absent\"");
                Err(Error::invalid(what, "Leave it out for what should be there."))
            }
        }
    }

    /// Returns whether it is what a declaration without the field means.
    pub fn is_present(&self) -> bool {
        *self == Self::Present
    }

    /// Returns the word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Present => "present",
            Self::Absent => "absent",
        }
    }
}

/// What a declaration wants with `ensure = "absent"`: none of what its type would set.
#[derive(Debug)]
pub(crate) struct Absent<T>(pub(crate) T);

impl<T: ResourceType> Resource for Absent<T> {
    fn inspect(&self, cx: Context<'_>) -> Result<Vec<Setting>> {
        self.0.absent(cx)
    }

    fn claims(&self) -> Vec<Claim> {
        self.0.claims().into_iter().flat_map(Claim::absent).collect()
    }

    fn device(&self) -> Option<&DeviceSelector> {
        self.0.device()
    }

    fn virtual_functions(&self) -> Option<u16> {
        self.0.virtual_functions().map(|_| 0)
    }

    fn cmdline(&self, cx: Context<'_>) -> Result<Option<CmdlineEdit>> {
        self.0.absent_cmdline(cx)
    }
}
