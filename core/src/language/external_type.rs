//! Resource types that are not built in: what they are, and what is checked before they see a value.

use std::fmt;
use std::path::Path;

use hoststate_abi::description::TypeDescription;
use schemars::Schema;
use serde_json::{Map, Value};

use crate::error::{Error, Result};
use crate::formats::field_schema::{self, Fault, FieldSchema, Segment};
use crate::language::field_error::Misfit;
use crate::language::resource::Resource;

/// A resource type that is not built in: a plugin's, or one written in Lua.
pub trait ExternalType: fmt::Debug {
    /// Returns its name, fields and examples. [`check_description`] passed it.
    fn description(&self) -> &TypeDescription;

    /// Begins, without waiting for it, what an inspection of the host below `root` will need.
    fn prepare(&self, _root: &Path) {}

    /// Returns the resource of a value that fits the schema.
    ///
    /// # Errors
    /// When the type refuses the value.
    fn resource(&self, desired: &Map<String, Value>) -> Result<Box<dyn Resource>>;

    /// Returns the resource that takes out what the other would set.
    ///
    /// # Errors
    /// When the type refuses the value, or cannot take out what it sets.
    fn absent(&self, _desired: &Map<String, Value>) -> Result<Box<dyn Resource>> {
        Err(takes_nothing_out())
    }

    /// Returns the file that describes it, if `hoststate schema` does not know it.
    fn known_from(&self) -> Option<&Path> {
        None
    }
}

/// Says that a type has no way back.
pub fn takes_nothing_out() -> Error {
    Error::invalid(
        "the type sets what it cannot take out again, so `ensure = \"absent\"` is not for it",
        "Undo what it set by `hoststate rollback`, or ask its author.",
    )
}

/// Fields that every declaration has beside those of its type.
const COMMON_FIELDS: [&str; 5] = ["type", "name", "ensure", "playbook", "composite"];

/// What a playbook has under these names already; a vendor's table would stand in its way.
pub const RESERVED_VENDORS: [&str; 60] = [
    "and",
    "assert",
    "break",
    "collectgarbage",
    "coroutine",
    "debug",
    "do",
    "dofile",
    "else",
    "elseif",
    "end",
    "error",
    "false",
    "for",
    "function",
    "getmetatable",
    "goto",
    "gpu_passthrough",
    "host",
    "hoststate",
    "if",
    "in",
    "io",
    "iommu",
    "ipairs",
    "load",
    "loadfile",
    "local",
    "log",
    "math",
    "next",
    "nil",
    "not",
    "or",
    "os",
    "package",
    "pairs",
    "pcall",
    "print",
    "rawequal",
    "rawget",
    "rawlen",
    "rawset",
    "repeat",
    "require",
    "resource_type",
    "return",
    "select",
    "setmetatable",
    "sriov_nic",
    "string",
    "table",
    "then",
    "tonumber",
    "tostring",
    "type",
    "until",
    "utf8",
    "while",
    "xpcall",
];

/// Refuses a description that playbooks could not use.
///
/// # Errors
/// When the name is not `vendor.type`, or the schema is none of an object with named fields.
pub fn check_description(description: &TypeDescription) -> Result<()> {
    let TypeDescription { name, schema, key, .. } = description;
    let refused = |what: String, hint: &str| Err(Error::invalid(format!("type {name:?}: {what}"), hint));
    match name.split('.').collect::<Vec<_>>()[..] {
        [vendor, kind] if is_word(vendor) && is_word(kind) => {
            if RESERVED_VENDORS.contains(&vendor) || ["end", "function", "nil"].contains(&kind) {
                let what = format!("{vendor:?} already means something else in playbooks");
                return refused(what, "Name the type after its vendor: `vendor.type`.");
            }
        }
        _ => {
            let hint = "A name is `vendor.type`, both of lower-case letters, digits and `_`.";
            return refused("this is not the name of a type".to_owned(), hint);
        }
    }
    let Some(properties) = schema.get("properties").and_then(Value::as_object) else {
        return refused("the schema has no `properties`".to_owned(), "Describe the fields of an object.");
    };
    if schema.get("type").and_then(Value::as_str) != Some("object") {
        return refused(
            "the schema is not of `\"type\": \"object\"`".to_owned(),
            "A declaration is an object.",
        );
    }
    if let Some(common) = COMMON_FIELDS.iter().find(|it| properties.contains_key(**it)) {
        let hint =
            "Every declaration has `type`, `name`, `playbook` and `composite` of its own; use another name.";
        return refused(format!("the field `{common}` is taken"), hint);
    }
    if let Some(unknown) = key.iter().find(|it| !properties.contains_key(*it)) {
        return refused(
            format!("`key` names {unknown:?}, which is not a field"),
            "Name fields of the schema.",
        );
    }
    FieldCheck::new(schema).map(|_| ()).or_else(|err| refused(err.to_string(), "Correct the JSON Schema."))
}

fn is_word(text: &str) -> bool {
    text.starts_with(|it: char| it.is_ascii_lowercase())
        && text.chars().all(|it| it.is_ascii_lowercase() || it.is_ascii_digit() || it == '_')
}

/// Returns the name of a declaration whose author gave none.
pub fn default_name(description: &TypeDescription, desired: &Map<String, Value>) -> String {
    let value = |field: &String| match desired.get(field)? {
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    };
    let words: Vec<String> = description.key.iter().filter_map(value).collect();
    match words.is_empty() {
        true => description.name.rsplit('.').next().unwrap_or_default().to_owned(),
        false => words.join(" "),
    }
}

/// What checks the fields of a declaration against the schema of its type.
#[derive(Debug)]
pub struct FieldCheck {
    fields: Vec<String>,
    schema: FieldSchema,
}

impl FieldCheck {
    /// Returns the check for a schema.
    ///
    /// # Errors
    /// When it is no JSON Schema of keywords that are checked.
    pub fn new(schema: &Schema) -> Result<Self> {
        let properties = schema.get("properties").and_then(Value::as_object);
        let fields = properties.into_iter().flat_map(|it| it.keys().cloned()).collect();
        let schema = FieldSchema::parse(schema.as_value()).map_err(|err| Error::Invalid {
            what: format!("the schema cannot be used, at {err}"),
            hint: None,
        })?;
        Ok(Self { fields, schema })
    }

    /// Returns all that is wrong with `desired`. A field that the schema does not name is wrong, whatever else it says.
    pub fn misfits(&self, desired: &Map<String, Value>) -> Vec<Misfit> {
        let unknown = desired.keys().filter(|it| !self.fields.contains(it)).cloned();
        let mut misfits: Vec<Misfit> = unknown.map(Misfit::Unknown).collect();
        for it in self.schema.misfits(&Value::Object(desired.clone())) {
            // The schema may refuse what it does not name by itself; that is said already.
            if !(it.path.is_empty() && matches!(it.fault, Fault::Unexpected(_))) {
                misfits.push(misfit(it));
            }
        }
        misfits
    }
}

fn misfit(misfit: field_schema::Misfit) -> Misfit {
    let mut path = String::new();
    for part in misfit.path {
        match part {
            Segment::Item(index) => path.push_str(&format!("[{index}]")),
            Segment::Field(name) if path.is_empty() => path.push_str(&name),
            Segment::Field(name) => path.push_str(&format!(".{name}")),
        }
    }
    let what = match misfit.fault {
        Fault::Missing(field) if path.is_empty() => return Misfit::Missing(field),
        Fault::Missing(field) => format!("missing field `{field}`"),
        Fault::Unexpected(field) => format!("unknown field `{field}`"),
        Fault::Wrong(what) => what,
    };
    Misfit::Wrong { path: if path.is_empty() { ".".to_owned() } else { path }, what }
}
