//! What is wrong with the fields of a declaration: the value as it was written, and how to write it right.

use hoststate_abi::pci_address::PciAddress;
use schemars::JsonSchema;
use serde_json::{Map, Value};

use crate::error::Error;
use crate::formats::pci::PCI_ID_FORMAT;
use crate::language::notation::Notation;
use crate::language::registry::nearest;
use crate::language::repair::{guesses, nearest_address};
use crate::language::selector::DeviceSelector;
use crate::language::selector::decode::meant;

/// A field that is not as its type wants it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Misfit {
    /// The type has no such field.
    Unknown(String),
    /// A field that each declaration of the type has.
    Missing(String),
    /// A value that the field does not take.
    Wrong {
        /// Where: `options.ids[1]`, counted from 0; `.` is the declaration itself.
        path: String,
        /// What the decoder says.
        what: String,
    },
    /// The address of a device, where its id is wanted.
    AddressForId {
        /// Where, as above.
        path: String,
        /// The address.
        address: PciAddress,
        /// What the decoder says.
        what: String,
    },
}

impl Misfit {
    /// Returns the path of the value; `None` where it is not there.
    pub fn path(&self) -> Option<&str> {
        match self {
            Self::Unknown(path) | Self::Wrong { path, .. } | Self::AddressForId { path, .. }
                if path != "." =>
            {
                Some(path)
            }
            _ => None,
        }
    }

    /// Returns the field of the declaration that the path begins with.
    pub fn field(&self) -> &str {
        match self {
            Self::Unknown(path)
            | Self::Missing(path)
            | Self::Wrong { path, .. }
            | Self::AddressForId { path, .. } => top(path),
        }
    }
}

fn top(path: &str) -> &str {
    path.split(['.', '[']).next().unwrap_or(path)
}

/// The fields of a type, to explain what is wrong with a declaration of it.
pub(crate) struct Explainer<'a> {
    /// The type.
    pub(crate) kind: &'a str,
    /// Schema of the fields.
    pub(crate) schema: &'a Value,
    /// Where the fields are described, as a sentence.
    pub(crate) manual: String,
    /// Fields that every declaration has.
    pub(crate) common: &'static [&'static str],
    /// The language of the declaration.
    pub(crate) notation: Notation,
    /// Returns what the type says about other values.
    pub(crate) judge: &'a dyn Fn(&Map<String, Value>) -> Vec<Misfit>,
}

impl Explainer<'_> {
    /// Returns all misfits of `desired`, each with its error.
    pub(crate) fn errors(&self, desired: &Map<String, Value>) -> Vec<(Misfit, Error)> {
        let misfits = (self.judge)(desired);
        let fields: Vec<&str> = field_names(self.schema).collect();
        let unknown = misfits.iter().filter(|it| matches!(it, Misfit::Unknown(_)));
        let meant: Vec<&str> = unknown.filter_map(|it| nearest(it.field(), fields.iter().copied())).collect();
        // A misspelt field is not missing as well.
        let is_new = |it: &&Misfit| !matches!(it, Misfit::Missing(field) if meant.contains(&field.as_str()));
        let told = |it: Misfit| {
            let it = self.recognised(desired, it);
            let error = self.explain(desired, &it);
            (it, error)
        };
        misfits.iter().filter(is_new).cloned().map(told).collect()
    }

    /// Returns a wrong value as what it was meant to be, where that shows.
    fn recognised(&self, desired: &Map<String, Value>, misfit: Misfit) -> Misfit {
        let Misfit::Wrong { path, what } = misfit else { return misfit };
        let field = top(&path);
        let written = desired.get(field).and_then(|it| at(it, &path[field.len()..])?.as_str());
        let address: Option<PciAddress> = written.and_then(|it| it.parse().ok());
        match address.filter(|_| is_of_format(self.schema, &path, PCI_ID_FORMAT)) {
            Some(address) => Misfit::AddressForId { path, address, what },
            None => Misfit::Wrong { path, what },
        }
    }

    fn explain(&self, desired: &Map<String, Value>, misfit: &Misfit) -> Error {
        let misdeclared = |what: String, hint: String| Error::Misdeclared {
            kind: self.kind.to_owned(),
            what,
            hint: Some(hint),
        };
        match misfit {
            Misfit::Unknown(field) => {
                let mut fields: Vec<String> = field_names(self.schema).map(str::to_owned).collect();
                fields.extend(self.common.iter().map(|it| (*it).to_owned()));
                fields.sort();
                let hint = match nearest(field, fields.iter().map(String::as_str)) {
                    Some(near) => format!("Did you mean `{near}`?"),
                    None => format!("Its fields are: {}.", fields.join(", ")),
                };
                misdeclared(format!("unknown field `{field}`"), hint)
            }
            Misfit::Missing(field) => misdeclared(format!("missing field `{field}`"), self.by_example(field)),
            Misfit::Wrong { path, what } => {
                let (what, hint) = self.wrong(desired, path, what);
                misdeclared(what, hint)
            }
            Misfit::AddressForId { path, what, .. } => {
                let (what, _) = self.wrong(desired, path, what);
                let hint = format!(
                    "That is the address of a device: `hoststate inspect devices` shows its id. {}",
                    self.by_example(misfit.field())
                );
                misdeclared(what, hint)
            }
        }
    }

    fn wrong(&self, desired: &Map<String, Value>, path: &str, what: &str) -> (String, String) {
        let field = top(path);
        let Some(value) = desired.get(field) else {
            return (what.to_owned(), self.manual.clone());
        };
        let place = place(path);
        let written = at(value, &path[field.len()..]);
        let what = match (expected(what, self.notation), written) {
            (Some(expected), Some(written)) => {
                format!("{place} is {}, not {expected}", self.notation.shown(written))
            }
            (None, Some(Value::String(text))) if !what.contains(text.as_str()) => {
                format!("{place} is {}: {what}", self.notation.shown(&text.as_str().into()))
            }
            _ => format!("{place}: {what}"),
        };
        // What was meant is more than an example.
        let hint = match meant(value).filter(|_| is_selector(self.schema, field)) {
            Some(meant) => format!("Did you mean {meant}?"),
            None => self.mended(field, value, written.unwrap_or(value)),
        };
        (what, hint)
    }

    /// Says how to write the value of a field right.
    fn mended(&self, field: &str, value: &Value, written: &Value) -> String {
        let fits = |guess: &&Value| {
            let alone = Map::from_iter([(field.to_owned(), (*guess).clone())]);
            let judged = (self.judge)(&alone);
            !judged.iter().any(|it| matches!(it, Misfit::Wrong { .. }) && it.field() == field)
        };
        if let Some(meant) = guesses(value).iter().find(fits) {
            let write = format!("Write `{}`.", self.notation.field(field, meant));
            let address = written.as_str().and_then(nearest_address);
            return match address.filter(|it| contains(meant, &it.to_string())) {
                Some(address) => format!("Did you mean {address}? {write}"),
                None => write,
            };
        }
        let required = self.schema["required"].as_array();
        if written.is_null() && !required.is_some_and(|it| it.iter().any(|it| it == field)) {
            return format!("Leave it out, or give it a value. {}", self.by_example(field));
        }
        self.by_example(field)
    }

    fn by_example(&self, field: &str) -> String {
        let schema = &self.schema["properties"][field];
        let about = schema["description"].as_str().unwrap_or_default().replace('\n', " ");
        match example(self.schema, schema, 0) {
            Some(value) => format!("Write it like `{}`. {about}", self.notation.field(field, &value))
                .trim_end()
                .to_owned(),
            None => self.manual.clone(),
        }
    }
}

/// Returns all misfits, given what finds the first of values whose names are known.
pub(crate) fn all_misfits(
    schema: &Value,
    desired: &Map<String, Value>,
    first: impl Fn(&Map<String, Value>) -> Option<Misfit>,
) -> Vec<Misfit> {
    let known = &schema["properties"];
    let mut left = desired.clone();
    let mut misfits: Vec<Misfit> =
        desired.keys().filter(|it| known.get(it.as_str()).is_none()).cloned().map(Misfit::Unknown).collect();
    left.retain(|key, _| known.get(key).is_some());
    while let Some(misfit) = first(&left) {
        // Without the wrong one, the decoder goes on to the next; what it misses then is asked of the schema.
        if left.remove(misfit.field()).is_none() {
            let is_missing = |it: &Value| it.as_str() == Some(misfit.field());
            if !schema["required"].as_array().is_some_and(|it| it.iter().any(is_missing)) {
                misfits.push(misfit);
            }
            break;
        }
        misfits.push(misfit);
    }
    let required = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let missing = required.filter(|it| !desired.contains_key(*it));
    let missing: Vec<Misfit> = missing.map(|it| Misfit::Missing(it.to_owned())).collect();
    misfits.extend(missing);
    misfits
}

fn field_names(schema: &Value) -> impl Iterator<Item = &str> {
    schema["properties"].as_object().into_iter().flat_map(|it| it.keys().map(String::as_str))
}

/// Returns in plain words what serde wanted instead; `None` for what says it itself.
fn expected(message: &str, notation: Notation) -> Option<String> {
    if !message.starts_with("invalid type: ") && !message.starts_with("invalid value: ") {
        return None;
    }
    let (_, expected) = message.rsplit_once(", expected ")?;
    let up_to = |most: u64| format!("a whole number from 0 to {most}");
    Some(match expected {
        "a sequence" => "a list".to_owned(),
        "a map" => notation.map().to_owned(),
        "a string" => "a text".to_owned(),
        "a boolean" => "true or false".to_owned(),
        "u8" => up_to(u8::MAX.into()),
        "u16" => up_to(u16::MAX.into()),
        "u32" => up_to(u32::MAX.into()),
        other => other.to_owned(),
    })
}

/// Names a place in a declaration for authors who count from 1 as for those who count from 0.
fn place(path: &str) -> String {
    let item = path.strip_suffix(']').and_then(|it| it.rsplit_once('['));
    match item.and_then(|(list, index)| Some((list, index.parse::<usize>().ok()?))) {
        Some((list, index)) => format!("item {} of `{list}`", index + 1),
        None => format!("`{path}`"),
    }
}

/// Returns the value at a path below `value`, such as `.ids[1]`.
pub(crate) fn at<'a>(value: &'a Value, path: &str) -> Option<&'a Value> {
    let mut found = value;
    for step in path.split(['.', '[']).filter(|it| !it.is_empty()) {
        found = match step.strip_suffix(']') {
            Some(index) => found.get(index.parse::<usize>().ok()?)?,
            None => found.get(step)?,
        };
    }
    Some(found)
}

/// Returns whether the schema of the value at a path has that format.
fn is_of_format(root: &Value, path: &str, format: &str) -> bool {
    let mut found = root;
    for step in path.split(['.', '[']).filter(|it| !it.is_empty()) {
        found = if step.ends_with(']') { &found["items"] } else { &found["properties"][step] };
        while let Some(definition) = found["$ref"].as_str().and_then(|it| it.strip_prefix('#')) {
            let Some(inner) = root.pointer(definition) else { return false };
            found = inner;
        }
    }
    found["format"] == format
}

/// Returns whether a field takes a selector of a device.
fn is_selector(root: &Value, field: &str) -> bool {
    let name = root["properties"][field]["$ref"].as_str().and_then(|it| it.rsplit('/').next());
    name == Some(DeviceSelector::schema_name().as_ref())
}

fn contains(value: &Value, text: &str) -> bool {
    match value {
        Value::String(it) => it == text,
        Value::Array(items) => items.iter().any(|it| contains(it, text)),
        _ => false,
    }
}

/// Returns a value that a schema has as its example, or makes one.
fn example(root: &Value, schema: &Value, depth: usize) -> Option<Value> {
    /// A schema that contains itself has no example.
    const DEEPEST: usize = 8;
    if depth == DEEPEST {
        return None;
    }
    let inner = |it: &Value| example(root, it, depth + 1);
    if let Some(given) = schema["examples"].get(0) {
        return Some(given.clone());
    }
    if let Some(definition) = schema["$ref"].as_str().and_then(|it| it.strip_prefix('#')) {
        return inner(root.pointer(definition)?);
    }
    if let Some(value) = schema["enum"].get(0) {
        return Some(value.clone());
    }
    for key in ["anyOf", "oneOf"] {
        if let Some(found) = schema[key].as_array().into_iter().flatten().find_map(inner) {
            return Some(found);
        }
    }
    let is = |kind: &str| match &schema["type"] {
        Value::Array(kinds) => kinds.iter().any(|it| it == kind),
        only => only == kind,
    };
    if is("array") {
        return Some(Value::Array(vec![inner(&schema["items"])?]));
    }
    if is("boolean") {
        return Some(true.into());
    }
    None
}
