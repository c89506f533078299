//! The reference of the playbook language: types, composites and selectors from their schemas, facts from the
//! definitions for editors.

use hoststate_core::language::declaration::DECLARATIONS_FORMAT;
use hoststate_core::language::ensure::{ENSURE, ENSURE_MEANS};
use hoststate_core::language::registry::Registry;
use hoststate_core::resources::TABLE;
use hoststate_lua::composites::COMPOSITES;
use hoststate_lua::luals::{Field, fields_of};
use serde_json::Value;

use crate::manual::document::{Block, Term, heading, text};

const EXAMPLE: &str = r#"kernel_cmdline { present = { "intel_iommu=on", "iommu=pt" } }

for _, module in ipairs { "nouveau", "snd_hda_intel" } do
  modprobe_softdep { module = module, pre = { "vfio-pci" } }
end

if host.distro.family == "debian" then
  initramfs_modules { modules = { "vfio_pci" } }
end
"#;

const WITH_LUA: &str = "\
A playbook is a Lua 5.4 file. Each resource type and each composite is a global function that takes one table. The order \
of the declarations is the order of the plan. The same playbook and the same facts give the same declarations: a playbook \
can read no file, run nothing and change nothing, and how much it may compute is limited.";

const GLOBALS: [(&str, &str); 4] = [
    ("host", "Facts about the host, see below. Read-only."),
    ("print, log.info, log.warn", "Messages, on standard error."),
    ("require", "`require \"net.cards\"` loads `net/cards.lua` beside the playbook."),
    ("resource_type", "Describes a resource type in Lua: docs/plugins.md."),
];

/// The tables of facts, by their classes in the definitions for editors.
const FACTS: [(&str, &str); 5] = [
    ("hoststate.host", "`host`"),
    ("hoststate.distro", "`host.distro`"),
    ("hoststate.kernel", "`host.kernel`"),
    ("hoststate.cpu", "`host.cpu`"),
    ("hoststate.device", "A device of `host.pci`"),
];

/// What every declaration of a type may have.
const COMMON: [(&str, &str); 2] = [
    ("name", "Free text, unique among the declarations of a type; derived from the fields when left out."),
    (ENSURE, ENSURE_MEANS),
];

/// Returns the whole reference.
pub(crate) fn document() -> Vec<Block> {
    let mut blocks = vec![
        heading(1, "The playbook language"),
        text(WITH_LUA),
        Block::Code { language: "lua", text: EXAMPLE.to_owned() },
        text("Reading a name that nobody defined is an error, and so is a field that a type does not have."),
        heading(2, "Beside Lua's own"),
        Block::Terms(terms(&GLOBALS)),
        text("Of Lua's libraries there are `string`, `table`, `math` and `utf8`."),
        heading(2, "In JSON"),
        text(
            "A program may write the same declarations as JSON, composites included; `-` reads them from standard input.",
        ),
        Block::Code { language: "json", text: json_example() },
        heading(2, "What every declaration may say"),
        Block::Terms(terms(&COMMON)),
        heading(2, "Resource types"),
    ];
    let mut selector = None;
    for entry in Registry::new(TABLE).entries() {
        let schema = entry.schema().to_value();
        if let Some(it) = schema["$defs"].get("DeviceSelector") {
            selector.get_or_insert_with(|| it.clone());
        }
        add(&mut blocks, entry.name(), &schema);
    }
    blocks.push(heading(2, "Composites"));
    blocks.push(text("Plain Lua made of the types above; a plan shows what they declare below their name."));
    for it in &COMPOSITES {
        add(&mut blocks, it.name, &it.fields.schema().to_value());
    }
    blocks.push(heading(2, "Devices"));
    blocks.push(text(
        "A field that is a device takes an address (`0000:01:00.0`, `01:00.0`), a device of `host.pci`, or a \
         table that describes exactly one device: every field in it must match.",
    ));
    let alternatives = selector.as_ref().and_then(|it| it["anyOf"].as_array()).into_iter().flatten();
    blocks.extend(
        alternatives.filter(|it| it["properties"].is_object()).map(|it| Block::Terms(fields(it, it))),
    );
    blocks.push(heading(2, "Facts"));
    blocks.push(text(
        "Each is read when it is first used. `hoststate check` looks at no host: there every fact is absent.",
    ));
    for (class, name) in FACTS {
        blocks.push(heading(3, name));
        blocks.push(Block::Terms(fields_of(class).iter().map(fact).collect()));
    }
    blocks.push(text(
        "`host.pci` is a list of devices by address. `host.pci:find { … }` returns those that a selector matches, however \
         many.",
    ));
    blocks
}

fn json_example() -> String {
    let resource = r#"{ "type": "kernel_cmdline", "name": "iommu", "present": ["intel_iommu=on"] }"#;
    format!("{{\n  \"format\": \"{DECLARATIONS_FORMAT}\",\n  \"resources\": [\n    {resource}\n  ]\n}}\n")
}

fn terms(all: &[(&str, &str)]) -> Vec<Term> {
    all.iter().map(|(name, about)| Term::new(*name, *about)).collect()
}

fn fact(Field { name, kind, about, is_optional }: &Field) -> Term {
    let kind = match kind.as_str() {
        "string[]" => "list of string",
        "integer" => "number",
        "hoststate.pci" => "list of devices",
        kind if kind.starts_with("hoststate.") => "table",
        kind => kind,
    };
    let kind = kind.replace('|', " or ");
    let kind = if *is_optional { format!("{kind}, may be absent") } else { kind };
    Term { name: name.clone(), kind, about: about.clone() }
}

/// Adds a type or composite.
fn add(blocks: &mut Vec<Block>, name: &str, schema: &Value) {
    blocks.push(heading(3, &format!("`{name}`")));
    let about = schema["description"].as_str().unwrap_or_default();
    // A line of a comment in the source is no line of a paragraph.
    blocks.extend(about.split("\n\n").map(|it| Block::Text(it.replace('\n', " "))));
    blocks.push(Block::Terms(fields(schema, schema)));
}

fn fields(schema: &Value, root: &Value) -> Vec<Term> {
    let required: Vec<&str> =
        schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let properties = schema["properties"].as_object().into_iter().flatten();
    let field = |(name, field): (&String, &Value)| {
        let kind = kind(field, root);
        let needed = if required.contains(&name.as_str()) { ", required" } else { "" };
        let about = field["description"].as_str().unwrap_or_default().replace('\n', " ");
        Term {
            name: name.clone(),
            kind: format!("{kind}{needed}"),
            about: format!("{about}{}", examples(field)),
        }
    };
    properties.map(field).collect()
}

fn examples(field: &Value) -> String {
    let own = field["examples"].as_array().or_else(|| field["items"]["examples"].as_array());
    let first = own.and_then(|it| it.first()).map(|it| format!(" Example: `{it}`."));
    first.unwrap_or_default()
}

/// Says what a field takes.
fn kind(schema: &Value, root: &Value) -> String {
    if let Some(name) = schema["$ref"].as_str().and_then(|it| it.strip_prefix("#/$defs/")) {
        return match name {
            "DeviceSelector" => "device".to_owned(),
            _ => kind(&root["$defs"][name], root),
        };
    }
    let joined = |all: Vec<String>| {
        let mut all: Vec<String> = all.into_iter().filter(|it| it != "null").collect();
        all.dedup();
        all.join(" or ")
    };
    if let Some(all) = schema["oneOf"].as_array().or_else(|| schema["anyOf"].as_array()) {
        return joined(all.iter().map(|it| kind(it, root)).collect());
    }
    if let Some(values) = schema["enum"].as_array() {
        return joined(values.iter().map(Value::to_string).collect());
    }
    if let Some(value) = schema.get("const") {
        return value.to_string();
    }
    match &schema["type"] {
        Value::String(name) => simple(name, schema, root),
        Value::Array(names) => {
            joined(names.iter().filter_map(Value::as_str).map(|it| simple(it, schema, root)).collect())
        }
        _ => "any value".to_owned(),
    }
}

fn simple(name: &str, schema: &Value, root: &Value) -> String {
    match name {
        "array" => format!("list of {}", kind(&schema["items"], root)),
        "object" => match schema.get("additionalProperties") {
            Some(values @ Value::Object(_)) => format!("table of {}", kind(values, root)),
            _ => "table".to_owned(),
        },
        "integer" | "number" => match (schema["minimum"].as_i64(), schema["maximum"].as_i64()) {
            (Some(least), Some(most)) => format!("number from {least} to {most}"),
            _ => "number".to_owned(),
        },
        other => other.to_owned(),
    }
}
