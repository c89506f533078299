//! What somebody meant who wrote the value of a field in another way: guesses, for the decoder to judge.

use hoststate_abi::pci_address::PciAddress;
use serde_json::{Map, Value};

/// A way to write one value as others; `None` where it does not apply.
type Rewrite = fn(&Value) -> Option<Vec<Value>>;

/// The likely ones first. One that fits nothing that a field takes is not shown, so each may guess freely.
const REWRITES: [Rewrite; 10] =
    [number, boolean, address, module_name, conf_file, bare, text, words, items, assignments];

/// Returns values that `value` may have been meant as, the likely ones first.
pub(crate) fn guesses(value: &Value) -> Vec<Value> {
    let mut guesses = Vec::new();
    if let Value::Object(fields) = value {
        guesses.push(each(hexadecimal, fields));
    }
    let list = |it: &Value| Value::Array(vec![it.clone()]);
    for rewrite in REWRITES {
        let rewritten = match value {
            Value::Array(old) => {
                let new = old.iter().flat_map(|it| rewrite(it).unwrap_or_else(|| vec![it.clone()]));
                Some(new.collect())
            }
            Value::Object(fields) => {
                guesses.push(each(rewrite, fields));
                rewrite(value)
            }
            other => rewrite(other),
        };
        if let Some(new) = rewritten {
            guesses.extend(<[Value; 1]>::try_from(new.clone()).ok().map(|[only]| only));
            guesses.push(Value::Array(new));
        }
    }
    // A list of one, before lists of what a text was cut into.
    guesses.insert(0, list(value));
    guesses.extend(named(value));
    guesses.extend(interface(value));
    guesses.retain(|it| it != value);
    guesses
}

/// Rewrites what is one value and stays one.
fn each(rewrite: Rewrite, fields: &Map<String, Value>) -> Value {
    let one = |value: &Value| match rewrite(value).as_deref() {
        Some([only]) => only.clone(),
        _ => value.clone(),
    };
    Value::Object(fields.iter().map(|(key, it)| (key.clone(), one(it))).collect())
}

fn number(value: &Value) -> Option<Vec<Value>> {
    let number: i64 = value.as_str()?.trim().parse().ok()?;
    Some(vec![number.into()])
}

fn boolean(value: &Value) -> Option<Vec<Value>> {
    let text = match value {
        Value::String(text) => text.to_ascii_lowercase(),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    match text.as_str() {
        "true" | "yes" | "on" | "y" | "1" => Some(vec![true.into()]),
        "false" | "no" | "off" | "n" | "0" => Some(vec![false.into()]),
        _ => None,
    }
}

fn address(value: &Value) -> Option<Vec<Value>> {
    Some(vec![Value::String(nearest_address(value.as_str()?)?.to_string())])
}

/// Returns the address that a text means which writes one in another way: as libvirt and lshw name devices, with
/// another separator, or without the function.
pub(crate) fn nearest_address(text: &str) -> Option<PciAddress> {
    let text = text.trim().trim_start_matches("/sys/bus/pci/devices/").to_ascii_lowercase();
    let text = text.trim_start_matches("pci").trim_start_matches(['@', '_', ':', '-', ' ']);
    let parts: Vec<&str> = text.split([':', '.', '_', '-', '/']).collect();
    let is_hex = |it: &&str| !it.is_empty() && it.bytes().all(|it| it.is_ascii_hexdigit());
    if !parts.iter().all(is_hex) {
        return None;
    }
    let written = match parts.as_slice() {
        [domain, bus, device, function] => format!("{domain:0>4}:{bus:0>2}:{device:0>2}.{function}"),
        [domain, bus, device] if domain.len() == 4 => format!("{domain}:{bus:0>2}:{device:0>2}.0"),
        [bus, device, function] => format!("0000:{bus:0>2}:{device:0>2}.{function}"),
        // `0000:01` is no address of which only the end is missing.
        [bus, device] if bus.len() <= 2 && device.len() == 2 => format!("0000:{bus:0>2}:{device}.0"),
        _ => return None,
    };
    written.parse().ok()
}

fn module_name(value: &Value) -> Option<Vec<Value>> {
    let text = value.as_str()?;
    let text = text.trim_start_matches("pre:").trim_start_matches("post:").trim();
    let file = text.rsplit('/').next().unwrap_or(text);
    let stem = ["", ".gz", ".xz", ".zst"].iter().find_map(|it| file.strip_suffix(&format!(".ko{it}")));
    Some(vec![stem.unwrap_or(text).into()])
}

fn conf_file(value: &Value) -> Option<Vec<Value>> {
    let text = value.as_str()?;
    let in_directory =
        text.strip_prefix("/etc/modprobe.d/").or_else(|| text.strip_prefix("/etc/modules-load.d/"));
    let name = in_directory.unwrap_or(text);
    let is_plain = !name.is_empty() && !name.contains(['/', '.', ' ', ',', '=']);
    match in_directory {
        Some(name) if name.ends_with(".conf") => Some(vec![name.into()]),
        _ if is_plain => Some(vec![format!("{name}.conf").into()]),
        _ => None,
    }
}

/// What encloses an id in the output of `lspci -nn`, and blanks.
const AROUND: &[char] = &['[', ']', '(', ')', '{', '}', '<', '>', '"', '\'', ',', ';', ' ', '\t', '\n', '\r'];

fn bare(value: &Value) -> Option<Vec<Value>> {
    Some(vec![value.as_str()?.trim_matches(AROUND).into()])
}

/// Ids are written without `0x`, and Lua knows no other hexadecimal numbers.
fn hexadecimal(value: &Value) -> Option<Vec<Value>> {
    Some(vec![format!("{:04x}", value.as_u64()?).into()])
}

fn text(value: &Value) -> Option<Vec<Value>> {
    value.is_number().then(|| vec![value.to_string().into()])
}

fn words(value: &Value) -> Option<Vec<Value>> {
    Some(value.as_str()?.split_whitespace().map(Value::from).collect())
}

fn items(value: &Value) -> Option<Vec<Value>> {
    match value {
        Value::Array(inner) => Some(inner.clone()),
        Value::String(text) => {
            let parts = text.split([',', ';', ' ', '\t', '\n']).map(|it| it.trim_matches(AROUND));
            Some(parts.filter(|it| !it.is_empty()).map(Value::from).collect())
        }
        _ => None,
    }
}

/// `{ iommu = "pt" }` for `{ "iommu=pt" }`.
fn assignments(value: &Value) -> Option<Vec<Value>> {
    let assignment = |(name, value): (&String, &Value)| match value {
        Value::String(value) => format!("{name}={value}").into(),
        Value::Bool(true) => name.as_str().into(),
        other => format!("{name}={other}").into(),
    };
    Some(value.as_object()?.iter().map(assignment).collect())
}

/// `"nested=1"` or `{ "nested=1" }` for `{ nested = 1 }`.
fn named(value: &Value) -> Option<Value> {
    let words: Vec<&str> = match value {
        Value::String(text) => text.split_whitespace().collect(),
        Value::Array(items) => items.iter().map(Value::as_str).collect::<Option<_>>()?,
        _ => return None,
    };
    let mut fields = Map::new();
    for word in words {
        let (name, value) = word.split_once('=')?;
        let number = value.parse::<i64>().ok().filter(|it| it.to_string() == value);
        fields.insert(name.to_owned(), number.map_or_else(|| value.into(), Value::from));
    }
    Some(Value::Object(fields))
}

/// A network interface's name, where a device is meant.
fn interface(value: &Value) -> Option<Value> {
    /// `IFNAMSIZ` without the final NUL.
    const LONGEST: usize = 15;
    let name = value.as_str()?;
    let allowed = |it: u8| it.is_ascii_alphanumeric() || b"_-".contains(&it);
    let fits = name.len() <= LONGEST && name.starts_with(|it: char| it.is_ascii_alphabetic());
    (fits && name.bytes().all(allowed)).then(|| serde_json::json!({ "interface": name }))
}
