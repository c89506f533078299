//! What a resource type that is not built in says of itself: its name, its fields, and examples to try it on.

use std::collections::BTreeMap;
use std::path::PathBuf;

use schemars::{JsonSchema, Schema};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A resource type that is not built in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TypeDescription {
    /// Name in playbooks: `vendor.type`, which is the function `type` in the table `vendor`.
    pub name: String,
    /// JSON Schema of the fields: an object with `properties`. Its descriptions are the manual of the type.
    pub schema: Schema,
    /// The fields whose values name a declaration that has no `name`; none where a host has only one such thing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub key: Vec<String>,
    /// Values and hosts to try the type on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub examples: Vec<Example>,
}

/// A desired value, and a host that is not as it wants.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Example {
    /// The fields.
    pub desired: Map<String, Value>,
    /// The files of the host, by absolute path.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub files: BTreeMap<PathBuf, String>,
    /// Its symbolic links, by absolute path, and what they hold.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub links: BTreeMap<PathBuf, PathBuf>,
}
