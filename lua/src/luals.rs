//! Definitions for lua-language-server, made from the schemas of the resource types.

use hoststate_core::registry::Registry;
use serde_json::{Map, Value};

/// The table `host`, the log and the composites, which have no schemas.
const SHIPPED: &str = include_str!("../prelude/definitions.lua");

/// Returns the definitions of the types, a class for the fields and a function for the constructor of each, and
/// of everything else that a playbook has beside Lua's own.
pub fn luals_definitions(registry: &Registry) -> String {
    let mut out = String::from("---@meta\n");
    let mut tables = Vec::new();
    for entry in registry.entries() {
        for (dot, _) in entry.name().match_indices('.') {
            let table = &entry.name()[..dot];
            if !tables.contains(&table) {
                tables.push(table);
                out.push_str(&format!("\n{table} = {{}}\n"));
            }
        }
        let schema = entry.schema().to_value();
        out.push('\n');
        comment(&mut out, &schema);
        out.push_str(&format!("---@class hoststate.{}\n", entry.name()));
        out.push_str("---@field name? string Free text, unique per type.\n");
        let required: Vec<&str> =
            schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let definitions = schema.get("$defs").and_then(Value::as_object).cloned().unwrap_or_default();
        for (name, field) in schema["properties"].as_object().into_iter().flatten() {
            let optional = if required.contains(&name.as_str()) { "" } else { "?" };
            let kind = lua_type(field, &definitions, 0);
            let about = field["description"].as_str().unwrap_or_default().replace('\n', " ");
            out.push_str(format!("---@field {name}{optional} {kind} {about}").trim_end());
            out.push('\n');
        }
        out.push('\n');
        comment(&mut out, &schema);
        out.push_str(&format!("---@param desired hoststate.{0}\nfunction {0}(desired) end\n", entry.name()));
    }
    out.push_str(SHIPPED);
    out
}

fn comment(out: &mut String, schema: &Value) {
    for line in schema["description"].as_str().unwrap_or_default().lines() {
        out.push_str(format!("---{line}").trim_end());
        out.push('\n');
    }
}

/// Returns the type of a schema in the language server's notation; `any` where it cannot say it.
fn lua_type(schema: &Value, definitions: &Map<String, Value>, depth: usize) -> String {
    /// A definition that contains itself is cut here.
    const DEEPEST: usize = 8;
    let inner = |it: &Value| lua_type(it, definitions, depth + 1);
    if depth == DEEPEST {
        return "any".to_owned();
    }
    if let Some(name) = schema["$ref"].as_str().and_then(|it| it.strip_prefix("#/$defs/")) {
        return definitions.get(name).map_or("any".to_owned(), inner);
    }
    for key in ["oneOf", "anyOf"] {
        if let Some(alternatives) = schema[key].as_array() {
            return union(alternatives.iter().map(inner).collect());
        }
    }
    if let Some(values) = schema["enum"].as_array() {
        return union(values.iter().map(Value::to_string).collect());
    }
    if let Some(value) = schema.get("const") {
        return value.to_string();
    }
    match &schema["type"] {
        Value::String(kind) => simple(kind, schema, &inner),
        Value::Array(kinds) => {
            union(kinds.iter().filter_map(Value::as_str).map(|it| simple(it, schema, &inner)).collect())
        }
        _ => "any".to_owned(),
    }
}

fn simple(kind: &str, schema: &Value, inner: &dyn Fn(&Value) -> String) -> String {
    match kind {
        "array" => match inner(&schema["items"]) {
            item if item.contains('|') => format!("({item})[]"),
            item => format!("{item}[]"),
        },
        "object" => match schema.get("additionalProperties") {
            Some(values @ Value::Object(_)) => format!("table<string, {}>", inner(values)),
            _ => "table".to_owned(),
        },
        "null" => "nil".to_owned(),
        other => other.to_owned(),
    }
}

/// Absent fields are marked at their name, so `nil` is left out here.
fn union(mut kinds: Vec<String>) -> String {
    kinds.retain(|it| it != "nil" && it != "null");
    kinds.dedup();
    if kinds.is_empty() { "nil".to_owned() } else { kinds.join("|") }
}
