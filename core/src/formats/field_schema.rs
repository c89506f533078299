//! The JSON Schema with which types describe their fields: the keywords of draft 2020-12 that say what a value may be.
//!
//! Whoever describes a type with a keyword that is not known here is told so when the type is read, never when a
//! playbook uses it.

use std::collections::BTreeMap;

use regex_lite::Regex;
use serde_json::Value;

mod check;
#[cfg(test)]
mod tests;

/// Keywords that say something to people or editors, and nothing about a value.
const ANNOTATIONS: [&str; 11] = [
    "$schema",
    "$id",
    "$comment",
    "title",
    "description",
    "default",
    "examples",
    "format",
    "deprecated",
    "readOnly",
    "writeOnly",
];

/// Where schemas that others refer to stand.
const DEFINITIONS: &str = "#/$defs/";

/// References deeper than this lead round in a circle that no value ends.
const DEEPEST: usize = 64;

/// Why a text is no schema of fields.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{at}: {what}")]
pub struct FieldSchemaError {
    /// Where, as a JSON pointer.
    pub at: String,
    /// What is wrong there.
    pub what: String,
}

/// A part of the way to a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Segment {
    /// A field of an object.
    Field(String),
    /// An item of a list, from 0.
    Item(usize),
}

/// What is wrong with a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// A field that must be there is not.
    Missing(String),
    /// A field is there that may not be.
    Unexpected(String),
    /// The value itself, in words.
    Wrong(String),
}

/// What is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Misfit {
    /// The way to the value; of a missing or unexpected field, to the object.
    pub path: Vec<Segment>,
    /// What is wrong.
    pub fault: Fault,
}

/// What a value may be.
#[derive(Debug)]
pub struct FieldSchema {
    root: Rules,
    definitions: BTreeMap<String, Rules>,
}

/// The keywords of one schema.
#[derive(Debug, Default)]
struct Rules {
    never: bool,
    types: Vec<Type>,
    one_of_values: Option<Vec<Value>>,
    reference: Option<String>,
    bounds: Vec<Bound>,
    pattern: Option<(String, Regex)>,
    properties: Vec<(String, Rules)>,
    required: Vec<String>,
    others: Option<Box<Rules>>,
    items: Option<Box<Rules>>,
    unique: bool,
    all_of: Vec<Rules>,
    any_of: Vec<Rules>,
    one_of: Vec<Rules>,
    not: Option<Box<Rules>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Type {
    Null,
    Boolean,
    Integer,
    Number,
    String,
    Array,
    Object,
}

/// A number that a value, its length or its count must keep to.
#[derive(Debug)]
struct Bound {
    of: Measure,
    limit: f64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Measure {
    Minimum,
    Maximum,
    Above,
    Below,
    MultipleOf,
    MinLength,
    MaxLength,
    MinItems,
    MaxItems,
    MinFields,
    MaxFields,
}

const BOUNDS: [(&str, Measure); 11] = [
    ("minimum", Measure::Minimum),
    ("maximum", Measure::Maximum),
    ("exclusiveMinimum", Measure::Above),
    ("exclusiveMaximum", Measure::Below),
    ("multipleOf", Measure::MultipleOf),
    ("minLength", Measure::MinLength),
    ("maxLength", Measure::MaxLength),
    ("minItems", Measure::MinItems),
    ("maxItems", Measure::MaxItems),
    ("minProperties", Measure::MinFields),
    ("maxProperties", Measure::MaxFields),
];

const TYPES: [(&str, Type); 7] = [
    ("null", Type::Null),
    ("boolean", Type::Boolean),
    ("integer", Type::Integer),
    ("number", Type::Number),
    ("string", Type::String),
    ("array", Type::Array),
    ("object", Type::Object),
];

impl FieldSchema {
    /// Reads a schema.
    ///
    /// # Errors
    /// When a keyword is not known or has a value that it cannot have, or a reference leads nowhere.
    pub fn parse(schema: &Value) -> Result<Self, FieldSchemaError> {
        let mut definitions = BTreeMap::new();
        if let Some(Value::Object(found)) = schema.get("$defs") {
            for (name, schema) in found {
                definitions.insert(name.clone(), rules(schema, &format!("/$defs/{name}"), DEEPEST)?);
            }
        }
        let parsed = Self { root: rules(schema, "", DEEPEST)?, definitions };
        parsed.check_references(&parsed.root, "")?;
        for (name, rules) in &parsed.definitions {
            parsed.check_references(rules, &format!("/$defs/{name}"))?;
        }
        Ok(parsed)
    }

    /// Returns all that is wrong with a value.
    pub fn misfits(&self, value: &Value) -> Vec<Misfit> {
        check::misfits(self, value)
    }

    fn check_references(&self, rules: &Rules, at: &str) -> Result<(), FieldSchemaError> {
        if let Some(name) = rules.reference.as_ref().filter(|it| !self.definitions.contains_key(*it)) {
            return Err(fault(at, format!("`$ref` to {DEFINITIONS}{name}, which is not there")));
        }
        let properties = rules.properties.iter().map(|it| &it.1);
        let inner = [&rules.others, &rules.items, &rules.not].into_iter().flatten().map(|it| &**it);
        let lists = rules.all_of.iter().chain(&rules.any_of).chain(&rules.one_of);
        properties.chain(inner).chain(lists).try_for_each(|it| self.check_references(it, at))
    }
}

fn fault(at: &str, what: impl Into<String>) -> FieldSchemaError {
    let at = if at.is_empty() { "/".to_owned() } else { at.to_owned() };
    FieldSchemaError { at, what: what.into() }
}

fn rules(schema: &Value, at: &str, depth: usize) -> Result<Rules, FieldSchemaError> {
    let mut rules = Rules::default();
    let schema = match schema {
        Value::Bool(true) => return Ok(rules),
        Value::Bool(false) => return Ok(Rules { never: true, ..rules }),
        Value::Object(schema) => schema,
        other => return Err(fault(at, format!("{other} is not a schema"))),
    };
    let Some(depth) = depth.checked_sub(1) else { return Err(fault(at, "schemas are nested too deeply")) };
    for (keyword, value) in schema {
        let at = format!("{at}/{keyword}");
        let inner = |value: &Value| self::rules(value, &at, depth);
        match keyword.as_str() {
            "type" => rules.types = types(value, &at)?,
            "enum" => match value {
                Value::Array(values) => rules.one_of_values = Some(values.clone()),
                _ => return Err(fault(&at, "not a list of values")),
            },
            "const" => rules.one_of_values = Some(vec![value.clone()]),
            "$ref" => match value.as_str().and_then(|it| it.strip_prefix(DEFINITIONS)) {
                Some(name) => rules.reference = Some(name.to_owned()),
                None => return Err(fault(&at, format!("{value} does not begin with {DEFINITIONS}"))),
            },
            "pattern" => {
                let text = value.as_str().ok_or_else(|| fault(&at, "not a text"))?;
                let regex = Regex::new(text).map_err(|err| fault(&at, err.to_string()))?;
                rules.pattern = Some((text.to_owned(), regex));
            }
            "properties" => match value {
                Value::Object(fields) => {
                    for (name, schema) in fields {
                        let of_field = self::rules(schema, &format!("{at}/{name}"), depth)?;
                        rules.properties.push((name.clone(), of_field));
                    }
                }
                _ => return Err(fault(&at, "not an object of schemas")),
            },
            "required" => match value.as_array().map(|it| it.iter().map(Value::as_str).collect()) {
                Some(Some(names)) => {
                    let names: Vec<&str> = names;
                    rules.required = names.into_iter().map(str::to_owned).collect();
                }
                _ => return Err(fault(&at, "not a list of names")),
            },
            "additionalProperties" => rules.others = Some(Box::new(inner(value)?)),
            "items" => rules.items = Some(Box::new(inner(value)?)),
            "not" => rules.not = Some(Box::new(inner(value)?)),
            "uniqueItems" => rules.unique = value.as_bool().ok_or_else(|| fault(&at, "not a boolean"))?,
            "allOf" => rules.all_of = list(value, &at, depth)?,
            "anyOf" => rules.any_of = list(value, &at, depth)?,
            "oneOf" => rules.one_of = list(value, &at, depth)?,
            "$defs" => {}
            name if ANNOTATIONS.contains(&name) || name.starts_with("x-") => {}
            name => match BOUNDS.iter().find(|it| it.0 == name) {
                Some((_, of)) => {
                    let limit = value.as_f64().ok_or_else(|| fault(&at, "not a number"))?;
                    rules.bounds.push(Bound { of: *of, limit });
                }
                None => return Err(fault(&at, format!("hoststate does not know the keyword `{name}`"))),
            },
        }
    }
    Ok(rules)
}

fn list(value: &Value, at: &str, depth: usize) -> Result<Vec<Rules>, FieldSchemaError> {
    match value.as_array() {
        Some(schemas) if !schemas.is_empty() => (0..)
            .zip(schemas)
            .map(|(index, it): (usize, _)| rules(it, &format!("{at}/{index}"), depth))
            .collect(),
        _ => Err(fault(at, "not a list of schemas")),
    }
}

fn types(value: &Value, at: &str) -> Result<Vec<Type>, FieldSchemaError> {
    let names: Vec<&Value> = match value {
        Value::Array(names) => names.iter().collect(),
        name => vec![name],
    };
    let known = |name: &&Value| TYPES.iter().find(|it| Some(it.0) == name.as_str()).map(|it| it.1);
    let types: Option<Vec<Type>> = names.iter().map(known).collect();
    types.ok_or_else(|| {
        let known: Vec<&str> = TYPES.iter().map(|it| it.0).collect();
        fault(at, format!("{value} is not a type; types are {}", known.join(", ")))
    })
}
