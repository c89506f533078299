//! A selector as a playbook writes it: a text or a table.

use std::borrow::Cow;
use std::fmt;

use hoststate_abi::pci_address::PciAddress;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde_json::Value;

use super::class::ClassPattern;
use super::{DeviceSelector, DeviceTraits};
use crate::language::registry::nearest;

/// The keys of a selector table.
const KEYS: [&str; 10] =
    ["address", "class", "device", "function", "interface", "mac", "path", "serial", "slot", "vendor"];

impl<'de> Deserialize<'de> for DeviceSelector {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Selector)
    }
}

struct Selector;

impl<'de> Visitor<'de> for Selector {
    type Value = DeviceSelector;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a PCI address such as \"0000:01:00.0\" or a table such as { vendor = \"10de\" }")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<DeviceSelector, E> {
        text.parse().map(DeviceSelector::Address).map_err(E::custom)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<DeviceSelector, A::Error> {
        let mut traits = DeviceTraits::default();
        let mut is_empty = true;
        while let Some(key) = map.next_key::<String>()? {
            is_empty = false;
            match key.as_str() {
                "address" => {
                    let Text(text) = map.next_value()?;
                    traits.address = Some(text.parse().map_err(A::Error::custom)?);
                }
                "vendor" => traits.vendor = Some(id(&key, map.next_value::<Text>()?)?),
                "device" => traits.device = Some(id(&key, map.next_value::<Text>()?)?),
                "class" => {
                    traits.class =
                        Some(ClassPattern::parse(&map.next_value::<Text>()?.0).map_err(A::Error::custom)?);
                }
                "interface" => traits.interface = Some(text(&key, map.next_value()?)?),
                "mac" => traits.mac = Some(mac(map.next_value::<Text>()?)?),
                "serial" => traits.serial = Some(text(&key, map.next_value()?)?),
                "slot" => traits.slot = Some(text(&key, map.next_value()?)?),
                "path" => {
                    let Text(text) = map.next_value()?;
                    traits.path = Some(text.parse().map_err(A::Error::custom)?);
                }
                "function" => {
                    let Function(number) = map.next_value()?;
                    traits.function = Some(number);
                }
                unknown => return Err(A::Error::custom(unknown_key(unknown))),
            }
        }
        if is_empty {
            let keys = KEYS.join(", ");
            return Err(A::Error::custom(format!("an empty selector; it takes {keys}")));
        }
        match traits.address {
            // Nothing else is asked for, so a device that is not there yet is no error.
            Some(address)
                if traits == (DeviceTraits { address: Some(address), ..DeviceTraits::default() }) =>
            {
                Ok(DeviceSelector::Address(address))
            }
            _ => Ok(DeviceSelector::Traits(Box::new(traits))),
        }
    }
}

/// A value of a selector table. Numbers are refused with a message of its own: `10` may be meant as either.
struct Text(String);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Quoted;
        impl Visitor<'_> for Quoted {
            type Value = Text;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text in quotes, such as \"10de\"")
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Text, E> {
                Ok(Text(text.to_owned()))
            }
        }
        deserializer.deserialize_str(Quoted)
    }
}

/// The number of a function, 0 to 7.
struct Function(u8);

impl<'de> Deserialize<'de> for Function {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Number;
        impl Visitor<'_> for Number {
            type Value = Function;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number from 0 to 7")
            }
            fn visit_u64<E: Error>(self, number: u64) -> Result<Function, E> {
                match u8::try_from(number) {
                    Ok(number @ 0..=7) => Ok(Function(number)),
                    _ => Err(E::custom(format!("function {number} is not a number from 0 to 7"))),
                }
            }
            fn visit_i64<E: Error>(self, number: i64) -> Result<Function, E> {
                // A negative one is told as any other that is no function.
                match u64::try_from(number) {
                    Ok(number) => self.visit_u64(number),
                    Err(_) => Err(E::custom(format!("function {number} is not a number from 0 to 7"))),
                }
            }
        }
        deserializer.deserialize_u64(Number)
    }
}

fn id<E: Error>(key: &str, Text(text): Text) -> Result<u16, E> {
    let digits = text.trim_start_matches("0x");
    let is_id = (1..=4).contains(&digits.len()) && digits.bytes().all(|it| it.is_ascii_hexdigit());
    let number = if is_id { u16::from_str_radix(digits, 16).ok() } else { None };
    number.ok_or_else(|| E::custom(format!("{key} {text:?} is not an id of four hexadecimal digits")))
}

fn text<E: Error>(key: &str, Text(text): Text) -> Result<String, E> {
    if text.is_empty() { Err(E::custom(format!("{key} is empty"))) } else { Ok(text) }
}

fn mac<E: Error>(Text(text): Text) -> Result<String, E> {
    let lower = text.to_ascii_lowercase().replace('-', ":");
    let is_pair = |it: &str| it.len() == 2 && it.bytes().all(|it| it.is_ascii_hexdigit());
    let pairs: Vec<&str> = lower.split(':').collect();
    if pairs.len() >= 6 && pairs.into_iter().all(is_pair) {
        Ok(lower)
    } else {
        Err(E::custom(format!("mac {text:?} is not a hardware address such as \"52:54:00:12:34:56\"")))
    }
}

/// Returns what a selector that cannot be was most likely meant to have: `vendor` for `vender`, "display" for "dislpay".
pub fn meant(selector: &Value) -> Option<String> {
    let fields = selector.as_object()?;
    let unknown = fields.keys().find(|it| !KEYS.contains(&it.as_str()));
    if let Some(unknown) = unknown {
        return nearest(unknown, KEYS.into_iter()).map(|it| format!("`{it}`"));
    }
    let class = fields.get("class")?.as_str().filter(|it| ClassPattern::parse(it).is_err())?;
    ClassPattern::nearest(class).map(|it| format!("{it:?}"))
}

fn unknown_key(key: &str) -> String {
    match nearest(key, KEYS.into_iter()) {
        Some(_) => format!("a selector has no `{key}`"),
        None => format!("a selector has no `{key}`; it takes {}", KEYS.join(", ")),
    }
}

impl JsonSchema for DeviceSelector {
    fn schema_name() -> Cow<'static, str> {
        "DeviceSelector".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let address = PciAddress::json_schema(generator);
        let mut own_address = address.clone();
        own_address.insert("description".to_owned(), "Its address.".into());
        json_schema!({
            "description": "A PCI device: its address, or a description that exactly one device fits.",
            "anyOf": [
                address,
                {
                    "type": "object",
                    "minProperties": 1,
                    "additionalProperties": false,
                    "properties": {
                        "address": own_address,
                        "vendor": {
                            "description": "Vendor id, hexadecimal.",
                            "type": "string",
                            "pattern": "^(0x)?[0-9a-fA-F]{1,4}$"
                        },
                        "device": {
                            "description": "Device id, hexadecimal.",
                            "type": "string",
                            "pattern": "^(0x)?[0-9a-fA-F]{1,4}$"
                        },
                        "class": {
                            "description": "Class by name, such as `display`, or by the first digits of its \
                                            code.",
                            "type": "string"
                        },
                        "interface": {
                            "description": "Name of one of its network interfaces.",
                            "type": "string",
                            "minLength": 1
                        },
                        "mac": {
                            "description": "Hardware address that one of its network interfaces was made with: a port of a bond shows the bond's.",
                            "type": "string",
                            "pattern": "^[0-9a-fA-F]{2}([:-][0-9a-fA-F]{2}){5,}$"
                        },
                        "serial": {
                            "description": "Serial number of an NVMe drive, or of the card.",
                            "type": "string",
                            "minLength": 1
                        },
                        "slot": {
                            "description": "Label of its slot, as in `/sys/bus/pci/slots`.",
                            "type": "string",
                            "minLength": 1
                        },
                        "path": {
                            "description": "The way to it over the bridges, which stays when buses are numbered anew: its address on the root bus, then device and function below each bridge, such as `0000:00:1c.0/00.0`.",
                            "type": "string",
                            "pattern": "^([0-9a-fA-F]{4,8}:)?[0-9a-fA-F]{2}:[0-9a-fA-F]{2}\\.[0-7](/[0-9a-fA-F]{1,2}\\.[0-7])*$"
                        },
                        "function": {
                            "description": "Its function number.",
                            "type": "integer",
                            "minimum": 0,
                            "maximum": 7
                        }
                    }
                }
            ]
        })
    }
}
