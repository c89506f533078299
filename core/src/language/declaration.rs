//! "This resource, so", as data: what a playbook evaluates to and what a saved plan keeps.

use std::collections::HashMap;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::error::{Error, Result};
use crate::language::ensure::{ENSURE, Ensure};

/// Format of a file of declarations.
pub const DECLARATIONS_FORMAT: &str = "hoststate.declarations/1";

/// A line of a playbook.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Origin {
    /// The playbook, as the user named it.
    pub file: String,
    /// Line, counted from 1.
    pub line: u32,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// A resource by type and name; the pair is unique in a playbook.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct ResourceId {
    /// Type, e.g. `kernel_cmdline`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Name, given or derived from the fields.
    pub name: String,
}

impl fmt::Display for ResourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?}", self.kind, self.name)
    }
}

/// A declaration: type, name and the desired value, with the place it came from.
///
/// Its JSON is one object: `type`, `name`, `ensure`, `playbook` and `composite` beside the fields of the type.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Map<String, Value>", into = "Map<String, Value>")]
pub struct Declaration {
    /// Type, e.g. `kernel_cmdline`.
    pub kind: String,
    /// Name, if the user gave one.
    pub name: Option<String>,
    /// Whether it shall be there.
    pub ensure: Ensure,
    /// Where it was declared.
    pub playbook: Option<Origin>,
    /// The composite that made it, if one did.
    pub composite: Option<String>,
    /// The fields of the type.
    pub desired: Map<String, Value>,
}

impl Declaration {
    /// Returns whether this is `other` as another run had it: of the same name, or the same wish.
    pub fn is_like(&self, other: &Self) -> bool {
        let has_its_name = self.name.is_some() && self.name == other.name;
        self.ensure == other.ensure
            && self.kind == other.kind
            && (has_its_name || self.desired == other.desired)
    }
}

/// The declarations of a run, found by name and by wish.
#[derive(Debug, Default)]
pub struct Alike<'a> {
    all: &'a [Declaration],
    named: HashMap<(&'a str, Ensure, &'a str), usize>,
    wishes: HashMap<(&'a str, Ensure, &'a Map<String, Value>), usize>,
}

impl<'a> Alike<'a> {
    /// Returns these declarations, of which the first of a name or a wish counts.
    pub fn of(all: &'a [Declaration]) -> Self {
        let mut alike = Self { all, ..Self::default() };
        for (index, it) in all.iter().enumerate() {
            if let Some(name) = &it.name {
                alike.named.entry((&it.kind, it.ensure, name)).or_insert(index);
            }
            alike.wishes.entry((&it.kind, it.ensure, &it.desired)).or_insert(index);
        }
        alike
    }

    /// Returns the first declaration that [is like](Declaration::is_like) another.
    pub fn find(&self, other: &Declaration) -> Option<&'a Declaration> {
        let (kind, ensure) = (other.kind.as_str(), other.ensure);
        let named = other.name.as_ref().and_then(|it| self.named.get(&(kind, ensure, it.as_str())));
        let wish = self.wishes.get(&(kind, ensure, &other.desired));
        named.into_iter().chain(wish).min().and_then(|it| self.all.get(*it))
    }
}

impl TryFrom<Map<String, Value>> for Declaration {
    type Error = Error;

    fn try_from(mut desired: Map<String, Value>) -> Result<Self> {
        let kind = match desired.remove("type") {
            Some(Value::String(kind)) => kind,
            _ => return Err(Error::invalid("a declaration has no `type`", "Add \"type\": \"…\".")),
        };
        let name = match desired.remove("name") {
            None => None,
            Some(Value::String(name)) if !name.is_empty() => Some(name),
            Some(other) => {
                let what = format!("{kind}: `name` is {other}, not a text");
                return Err(Error::invalid(what, "Give a text, or leave `name` out."));
            }
        };
        let ensure = Ensure::take(&kind, &mut desired)?;
        let playbook = match desired.remove("playbook") {
            None => None,
            Some(value) => Some(serde_json::from_value(value).map_err(|err| {
                Error::invalid(format!("{kind}: `playbook`: {err}"), "It holds `file` and `line`.")
            })?),
        };
        let composite = match desired.remove("composite") {
            None => None,
            Some(Value::String(composite)) => Some(composite),
            Some(other) => {
                let what = format!("{kind}: `composite` is {other}, not a text");
                return Err(Error::invalid(what, "Leave it out."));
            }
        };
        Ok(Self { kind, name, ensure, playbook, composite, desired })
    }
}

impl From<Declaration> for Map<String, Value> {
    fn from(declaration: Declaration) -> Self {
        let mut map = Map::new();
        map.insert("type".to_owned(), Value::String(declaration.kind));
        if let Some(name) = declaration.name {
            map.insert("name".to_owned(), Value::String(name));
        }
        if declaration.ensure != Ensure::Present {
            map.insert(ENSURE.to_owned(), Value::String(declaration.ensure.word().to_owned()));
        }
        if let Some(Origin { file, line }) = declaration.playbook {
            map.insert("playbook".to_owned(), serde_json::json!({ "file": file, "line": line }));
        }
        if let Some(composite) = declaration.composite {
            map.insert("composite".to_owned(), Value::String(composite));
        }
        map.extend(declaration.desired);
        map
    }
}

impl JsonSchema for Declaration {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Declaration".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let origin = generator.subschema_for::<Origin>();
        let ensure = generator.subschema_for::<Ensure>();
        schemars::json_schema!({
            "description": "A declaration: `type`, `name`, `ensure`, `playbook` and `composite` beside the fields of the type.",
            "type": "object",
            "required": ["type"],
            "properties": {
                "type": { "type": "string" },
                "name": { "type": "string", "minLength": 1 },
                "ensure": ensure,
                "playbook": origin,
                "composite": { "type": "string" }
            }
        })
    }
}

/// A file of declarations: `{"format":"hoststate.declarations/1","resources":[…]}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Declarations {
    /// [`DECLARATIONS_FORMAT`].
    pub format: String,
    /// Whose they are, where that is not the file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// The declarations, in the order in which they are applied.
    pub resources: Vec<Declaration>,
}

impl Declarations {
    /// Returns the declarations in a JSON text.
    ///
    /// # Errors
    /// When the text is not JSON, of another format, or has unknown fields; the error names line and column.
    pub fn from_json(text: &str) -> Result<Self> {
        let hint = || format!("Expected {{\"format\":\"{DECLARATIONS_FORMAT}\",\"resources\":[…]}}.");
        let parsed: Self =
            serde_json::from_str(text).map_err(|err| Error::invalid(err.to_string(), hint()))?;
        if parsed.format == DECLARATIONS_FORMAT {
            Ok(parsed)
        } else {
            Err(Error::invalid(format!("unknown format {:?}", parsed.format), hint()))
        }
    }
}
