//! Resource types that are not built in: what they are, and what is checked before they see a value.

use std::fmt;
use std::path::Path;

use hoststate_abi::description::TypeDescription;
use jsonschema::error::ValidationErrorKind;
use jsonschema::{ValidationError, Validator};
use schemars::Schema;
use serde_json::{Map, Value};

use crate::error::{Error, Result};
use crate::resource::Resource;

/// A resource type that is not built in: a plugin's, or one written in Lua.
pub trait ExternalType: fmt::Debug {
    /// Returns its name, fields and examples. [`check_description`] passed it.
    fn description(&self) -> &TypeDescription;

    /// Begins, without waiting for it, what an inspection will need.
    fn prepare(&self) {}

    /// Returns the resource of a value that fits the schema.
    ///
    /// # Errors
    /// When the type refuses the value.
    fn resource(&self, desired: &Map<String, Value>) -> Result<Box<dyn Resource>>;

    /// Returns the file that describes it, if `hoststate schema` does not know it.
    fn known_from(&self) -> Option<&Path> {
        None
    }
}

/// Fields that every declaration has beside those of its type.
const COMMON_FIELDS: [&str; 3] = ["type", "name", "playbook"];

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
                let what = format!("playbooks have something else under {vendor:?}");
                return refused(what, "Name the type after its vendor: `vendor.type`.");
            }
        }
        _ => {
            let hint = "A name is `vendor.type`, both of lower-case letters, digits and `_`.";
            return refused("this is no name of a type".to_owned(), hint);
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
        let hint = "Every declaration has `type`, `name` and `playbook` of its own; use another word.";
        return refused(format!("the field `{common}` is taken"), hint);
    }
    if let Some(unknown) = key.iter().find(|it| !properties.contains_key(*it)) {
        return refused(format!("`key` names {unknown:?}, which is no field"), "Name fields of the schema.");
    }
    FieldCheck::new(schema).map(|_| ()).or_else(|err| refused(err.to_string(), "Mend the JSON Schema."))
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

/// A field that is not as the schema wants it.
#[derive(Debug, PartialEq, Eq)]
pub struct Misfit {
    /// Where: `options.ids[1]`, counted from 0; `.` is the declaration itself.
    pub field: String,
    /// What is wrong there.
    pub what: String,
}

/// What checks the fields of a declaration against the schema of its type.
#[derive(Debug)]
pub struct FieldCheck {
    fields: Vec<String>,
    validator: Validator,
}

impl FieldCheck {
    /// Returns the check for a schema.
    ///
    /// # Errors
    /// When it is no JSON Schema, or refers to one elsewhere.
    pub fn new(schema: &Schema) -> Result<Self> {
        let properties = schema.get("properties").and_then(Value::as_object);
        let fields = properties.into_iter().flat_map(|it| it.keys().cloned()).collect();
        let validator = jsonschema::draft202012::new(schema.as_value()).map_err(|err| Error::Invalid {
            what: format!("the schema is no JSON Schema: {err}"),
            hint: None,
        })?;
        Ok(Self { fields, validator })
    }

    /// Compares `desired` with the schema. A field that the schema does not name is wrong, whatever else it says.
    ///
    /// # Errors
    /// The first field that does not fit.
    pub fn check(&self, desired: &Map<String, Value>) -> Result<(), Misfit> {
        if let Some(unknown) = desired.keys().find(|it| !self.fields.contains(it)) {
            return Err(Misfit { field: ".".to_owned(), what: format!("unknown field `{unknown}`") });
        }
        self.validator.validate(&Value::Object(desired.clone())).map_err(|err| misfit(&err))
    }
}

fn misfit(err: &ValidationError<'_>) -> Misfit {
    let mut field = String::new();
    for part in err.instance_path().to_string().split('/').skip(1) {
        match part.parse::<usize>() {
            Ok(index) => field.push_str(&format!("[{index}]")),
            Err(_) if field.is_empty() => field.push_str(part),
            Err(_) => field.push_str(&format!(".{part}")),
        }
    }
    if field.is_empty() {
        field.push('.');
    }
    let what = match err.kind() {
        ValidationErrorKind::Required { property: Value::String(property) } => {
            format!("missing field `{property}`")
        }
        _ => err.to_string(),
    };
    Misfit { field, what }
}
