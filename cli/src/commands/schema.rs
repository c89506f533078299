//! `hoststate schema`: what declarations and the answers of the other commands look like, for programs and editors.

use hoststate_core::language::declaration::{DECLARATIONS_FORMAT, Origin};
use hoststate_core::language::ensure::{ENSURE, ENSURE_MEANS};
use hoststate_core::language::registry::Registry;
use hoststate_core::plan::planned::Plan;
use hoststate_core::record::report::Report;
use hoststate_core::why::chain::Chain;
use hoststate_lua::composites::{COMPOSITES, composite};
use hoststate_lua::luals::luals_definitions;
use schemars::Schema;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use crate::args::SchemaArguments;
use crate::commands::history::History;
use crate::commands::inspect::Inspection;
use crate::commands::status::Status;
use crate::commands::verify::Verification;
use crate::error::Result;
use crate::exit::Exit;
use crate::manual::document::markdown;
use crate::manual::language;
use crate::plugins::Plugins;
use crate::session::Session;

/// The dialect of every schema.
const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";

/// The answers of other commands that have one.
pub(crate) const ANSWERS: [&str; 7] = ["plan", "report", "verify", "status", "history", "why", "inspect"];

/// Runs the command.
///
/// # Errors
/// When there is no such type.
pub(crate) fn run(arguments: &SchemaArguments, session: &Session) -> Result<Exit> {
    let registry = Plugins::new(&arguments.plugins)?.registry()?;
    if arguments.luals {
        session.print(&luals_definitions(&registry))?;
        return Ok(Exit::Success);
    }
    if arguments.reference {
        session.print(&markdown(&language::document()))?;
        return Ok(Exit::Success);
    }
    let schema = match arguments.kind.as_deref() {
        None => declarations(&registry),
        // What is printed: fields that are left out when absent are not required.
        Some("plan") => serialized::<Plan>(),
        Some("report") => serialized::<Report>(),
        Some("verify") => serialized::<Verification>(),
        Some("why") => serialized::<Chain>(),
        Some("status") => serialized::<Status>(),
        Some("history") => serialized::<History>(),
        Some("inspect") => serialized::<Inspection>(),
        Some(kind) => {
            let mut definitions = Map::new();
            let own = match composite(kind) {
                Some(composite) => composite.fields.schema(),
                None => registry.entry(kind)?.schema(),
            };
            let mut schema = one_of_type(kind, own, &mut definitions);
            schema.insert("$schema".to_owned(), DIALECT.into());
            if !definitions.is_empty() {
                schema.insert("$defs".to_owned(), Value::Object(definitions));
            }
            Value::Object(schema)
        }
    };
    session.print_json(&schema)?;
    Ok(Exit::Success)
}

fn serialized<T: schemars::JsonSchema>() -> Value {
    let generator = SchemaSettings::draft2020_12().for_serialize().into_generator();
    generator.into_root_schema_for::<T>().to_value()
}

/// Returns the schema of a file of declarations. `type` decides which fields are compared, so that an editor names the
/// field that is wrong, and not every type that it would not be wrong in.
fn declarations(registry: &Registry) -> Value {
    let types = registry.entries().iter().map(|it| (it.name(), it.schema()));
    let composites = COMPOSITES.iter().map(|it| (it.name, it.fields.schema()));
    let mut definitions = Map::new();
    let (mut names, mut cases) = (Vec::new(), Vec::new());
    for (name, schema) in types.chain(composites) {
        let schema = one_of_type(name, schema, &mut definitions);
        let mut choice = json!({ "const": name });
        if let Some(description) = schema.get("description") {
            choice["description"] = description.clone();
        }
        names.push(choice);
        cases.push(json!({
            "if": { "properties": { "type": { "const": name } }, "required": ["type"] },
            "then": { "$ref": format!("#/$defs/type:{name}") },
        }));
        definitions.insert(format!("type:{name}"), Value::Object(schema));
    }
    json!({
        "$schema": DIALECT,
        "title": "hoststate declarations",
        "type": "object",
        "required": ["format", "resources"],
        "additionalProperties": false,
        "properties": {
            "$schema": { "description": "Where an editor finds this schema.", "type": "string" },
            "format": { "const": DECLARATIONS_FORMAT },
            "owner": {
                "description": "Whose these declarations are: what earlier runs of the same owner set is remembered. \
                                By default they are those of the file.",
                "type": "string",
                "minLength": 1,
            },
            "resources": {
                "description": "The declarations, in the order in which they are applied.",
                "type": "array",
                "items": {
                    "type": "object",
                    "required": ["type"],
                    "properties": { "type": { "oneOf": names } },
                    "allOf": cases,
                },
            },
        },
        "$defs": definitions,
    })
}

/// Returns the schema of one declaration: the fields of the type beside `type`, `name` and `playbook`. Where
/// `definitions` are shared, those of the type move there.
fn one_of_type(name: &str, schema: Schema, definitions: &mut Map<String, Value>) -> Map<String, Value> {
    let Value::Object(mut schema) = schema.to_value() else { return Map::new() };
    schema.remove("$schema");
    if let Some(Value::Object(own)) = schema.remove("$defs") {
        definitions.extend(own);
    }
    let properties = schema.entry("properties").or_insert_with(|| json!({}));
    if let Some(properties) = properties.as_object_mut() {
        properties.insert("type".to_owned(), json!({ "const": name }));
        let ensure =
            json!({ "description": ENSURE_MEANS, "enum": ["present", "absent"], "default": "present" });
        properties.insert(ENSURE.to_owned(), ensure);
        // What a composite declares has names of its own.
        if composite(name).is_none() {
            let free = json!({
                "description": "Free text, unique among the declarations of a type; derived from the fields when left out.",
                "type": "string",
                "minLength": 1,
            });
            properties.insert("name".to_owned(), free);
            let made_by =
                json!({ "description": "The composite that made the declaration.", "type": "string" });
            properties.insert("composite".to_owned(), made_by);
        }
        let mut origin = schemars::schema_for!(Origin).to_value();
        if let Some(origin) = origin.as_object_mut() {
            origin.remove("$schema");
        }
        properties.insert("playbook".to_owned(), origin);
    }
    let required = schema.entry("required").or_insert_with(|| json!([]));
    if let Some(required) = required.as_array_mut() {
        required.insert(0, "type".into());
    }
    schema
}
