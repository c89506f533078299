//! Definitions for lua-language-server and what reads the same notation, made from the schemas of the resource types.

use std::collections::BTreeMap;

use hoststate_core::language::ensure::{ENSURE, ENSURE_MEANS};
use hoststate_core::language::registry::Registry;
use serde_json::{Value, json};

use crate::composites::COMPOSITES;
use crate::facts::device_schema;

/// The table `host` and the log, which have no schemas.
const SHIPPED: &str = include_str!("../prelude/definitions.lua");

/// Begins the line of a class that has no other fields than those below it.
const EXACT: &str = "---@class (exact) ";

/// Returns the definitions of the types and composites, a class for the fields and a function for each, and
/// of everything else that a playbook has beside Lua's own.
pub fn luals_definitions(registry: &Registry) -> String {
    let mut out = String::from("---@meta\n");
    let mut tables = Vec::new();
    let mut written = Vec::new();
    for entry in registry.entries() {
        for (dot, _) in entry.name().match_indices('.') {
            let table = &entry.name()[..dot];
            if !tables.contains(&table) {
                tables.push(table);
                out.push_str(&format!("\n---@class hoststate.Vendor.{table}\n{table} = {{}}\n"));
            }
        }
        let mut schema = entry.schema().to_value();
        schema["properties"]["name"] =
            json!({ "type": "string", "description": "Free text, unique per type." });
        schema["properties"][ENSURE] = ensure();
        define(&mut out, &mut written, entry.name(), &schema);
    }
    out.push_str(SHIPPED);
    out.push('\n');
    out.push_str(&device_class());
    for composite in &COMPOSITES {
        let mut schema = composite.fields.schema().to_value();
        schema["properties"][ENSURE] = ensure();
        define(&mut out, &mut written, composite.name, &schema);
    }
    closed(&out)
}

fn ensure() -> Value {
    json!({ "enum": ["present", "absent"], "type": "string", "description": ENSURE_MEANS })
}

/// Adds the function of that name, and the classes of its fields that are not `written` yet.
fn define(out: &mut String, written: &mut Vec<String>, name: &str, schema: &Value) {
    let class = format!("hoststate.{name}");
    // What built-in types have in common is defined once.
    let scope = if name.contains('.') { format!("{class}.") } else { "hoststate.".to_owned() };
    let definitions = &schema["$defs"];
    let mut classes = Classes { scope, definitions, found: BTreeMap::new(), depth: 0 };
    classes.found.insert(class.clone(), schema);
    while let Some((name, schema)) = classes.found.pop_first() {
        if !written.contains(&name) {
            out.push('\n');
            out.push_str(&classes.class(&name, schema));
            written.push(name);
        }
    }
    out.push('\n');
    comment(out, schema);
    out.push_str(&format!("---@param desired {class}\nfunction {name}(desired) end\n"));
}

/// Returns the class of a device, as the facts have it.
fn device_class() -> String {
    let (schema, found) = (device_schema(), BTreeMap::new());
    let mut classes = Classes { scope: "hoststate.".to_owned(), definitions: &Value::Null, found, depth: 0 };
    classes.class("hoststate.device", &schema)
}

fn comment(out: &mut String, schema: &Value) {
    for line in schema["description"].as_str().unwrap_or_default().lines() {
        out.push_str(format!("---{line}").trim_end());
        out.push('\n');
    }
}

/// The classes that the fields of a type need.
struct Classes<'a> {
    /// What the names of definitions begin with.
    scope: String,
    definitions: &'a Value,
    found: BTreeMap<String, &'a Value>,
    depth: usize,
}

impl<'a> Classes<'a> {
    fn class(&mut self, name: &str, schema: &'a Value) -> String {
        let mut out = String::new();
        comment(&mut out, schema);
        let is_exact = schema["additionalProperties"] == false;
        out.push_str(&format!("{}{name}\n", if is_exact { EXACT } else { "---@class " }));
        let required: Vec<&str> =
            schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        for (field, schema) in schema["properties"].as_object().into_iter().flatten() {
            let optional = if required.contains(&field.as_str()) { "" } else { "?" };
            let kind = self.kind(schema, &format!("{name}.{field}"));
            let about = schema["description"].as_str().unwrap_or_default().replace('\n', " ");
            let is_word = field.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'_');
            let field = if is_word { field.clone() } else { format!("[{field:?}]") };
            out.push_str(format!("---@field {field}{optional} {kind} {about}").trim_end());
            out.push('\n');
        }
        out
    }

    /// Returns the type of a schema in the language server's notation; `any` where it cannot say it. `name` is that of
    /// the class, should it need one.
    fn kind(&mut self, schema: &'a Value, name: &str) -> String {
        /// A definition that contains itself is cut here.
        const DEEPEST: usize = 8;
        if self.depth == DEEPEST {
            return "any".to_owned();
        }
        self.depth += 1;
        let kind = self.one_kind(schema, name);
        self.depth -= 1;
        kind
    }

    fn one_kind(&mut self, schema: &'a Value, name: &str) -> String {
        if let Some(definition) = schema["$ref"].as_str().and_then(|it| it.strip_prefix("#/$defs/")) {
            let name = format!("{}{definition}", self.scope);
            return match self.definitions.get(definition) {
                _ if SHIPPED.contains(&format!("---@alias {name} ")) => name,
                Some(schema) => self.kind(schema, &name),
                None => "any".to_owned(),
            };
        }
        for key in ["oneOf", "anyOf"] {
            if let Some(alternatives) = schema[key].as_array() {
                let kinds =
                    (1..).zip(alternatives).map(|(number, it)| self.kind(it, &format!("{name}.{number}")));
                return union(kinds.collect());
            }
        }
        if let Some(values) = schema["enum"].as_array() {
            return union(values.iter().map(Value::to_string).collect());
        }
        if let Some(value) = schema.get("const") {
            return value.to_string();
        }
        match &schema["type"] {
            Value::String(kind) => self.simple(kind, schema, name),
            Value::Array(kinds) => {
                let kinds = kinds.iter().filter_map(Value::as_str);
                union(kinds.map(|it| self.simple(it, schema, name)).collect())
            }
            _ => "any".to_owned(),
        }
    }

    fn simple(&mut self, kind: &str, schema: &'a Value, name: &str) -> String {
        match kind {
            "array" => match self.kind(&schema["items"], name) {
                item if item.contains('|') => format!("({item})[]"),
                item => format!("{item}[]"),
            },
            "object" if schema["properties"].is_object() => {
                self.found.insert(name.to_owned(), schema);
                name.to_owned()
            }
            "object" => match schema.get("additionalProperties") {
                Some(values @ Value::Object(_)) => format!("table<string, {}>", self.kind(values, name)),
                _ => "table".to_owned(),
            },
            "null" => "nil".to_owned(),
            other => other.to_owned(),
        }
    }
}

/// Absent fields are marked at their name, so `nil` is left out here.
fn union(mut kinds: Vec<String>) -> String {
    kinds.retain(|it| it != "nil" && it != "null");
    kinds.dedup();
    if kinds.is_empty() { "nil".to_owned() } else { kinds.join("|") }
}

/// Gives each exact class a base in which every field that it does not have is wrong: by itself, a table with a
/// misspelt field is one of the class that leaves a field out.
fn closed(text: &str) -> String {
    let close = |paragraph: &str| {
        let fields = paragraph.lines().filter_map(|it| it.strip_prefix("---@field "));
        let known: String = fields.map(|it| format!("{}?: any, ", field_name(it))).collect();
        let base = format!(": {{ {known}[string]: hoststate.no_such_field }}");
        let line = |it: &str| if it.starts_with(EXACT) { format!("{it}{base}") } else { it.to_owned() };
        paragraph.lines().map(line).collect::<Vec<_>>().join("\n")
    };
    text.trim_end().split("\n\n").map(close).collect::<Vec<_>>().join("\n\n") + "\n"
}

fn field_name(line: &str) -> &str {
    let end = match line.starts_with('[') {
        true => line.find("\"]").map(|it| it + 2),
        false => line.find([' ', '?']),
    };
    &line[..end.unwrap_or(line.len())]
}

/// A field of a class that the definitions have beside the types.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// Its name.
    pub name: String,
    /// Its type, in the notation of the definitions.
    pub kind: String,
    /// What it is; empty where the name says so.
    pub about: String,
    /// Whether it may be absent.
    pub is_optional: bool,
}

/// Returns the fields of a class such as `hoststate.device`; none where there is no such class.
pub fn fields_of(class: &str) -> Vec<Field> {
    let is_it = |it: &&str| it.strip_prefix("---@class ").is_some_and(|it| it == class);
    let text = format!("{SHIPPED}\n{}", device_class());
    let lines = text.lines().skip_while(|it| !is_it(it)).skip(1);
    lines.map_while(|it| it.strip_prefix("---@field ")).filter_map(field).collect()
}

/// Reads `name? type what it is`. A type may have blanks between braces.
fn field(line: &str) -> Option<Field> {
    let (name, rest) = line.split_once(' ')?;
    let mut depth = 0;
    let end = rest.find(|it: char| {
        depth += match it {
            '{' | '(' | '<' => 1,
            '}' | ')' | '>' => -1,
            _ => 0,
        };
        depth == 0 && it == ' '
    });
    let (kind, about) = rest.split_at(end.unwrap_or(rest.len()));
    let is_optional = name.ends_with('?');
    Some(Field {
        name: name.trim_end_matches('?').to_owned(),
        kind: kind.to_owned(),
        about: about.trim_start().to_owned(),
        is_optional,
    })
}
