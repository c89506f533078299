//! A resource type that is not built in, for tests of those who take such types: `acme.fpga`.

use std::path::Path;

use hoststate_abi::description::TypeDescription;
use hoststate_abi::setting::{Disruption, Remedy, Setting, State};
use hoststate_abi::step::Step;
use hoststate_core::error::Result;
use hoststate_core::language::external_type::ExternalType;
use hoststate_core::language::resource::{Context, Resource};
use serde_json::{Map, Value, json};

/// The type `acme.fpga`: the image that a card runs.
#[derive(Debug)]
pub struct Fpga(TypeDescription);

impl Default for Fpga {
    fn default() -> Self {
        let description = json!({
            "name": "acme.fpga",
            "key": ["card"],
            "schema": {
                "description": "The image that an FPGA card runs.",
                "type": "object",
                "required": ["card", "image"],
                "properties": {
                    "card": { "description": "Number of the card.", "type": "integer", "minimum": 0 },
                    "image": { "description": "The image.", "enum": ["golden", "user"] },
                    "lanes": { "description": "Lanes that are on.", "type": "array", "items": { "type": "integer" } },
                    "limits": { "description": "Upper limits, by sensor.", "type": "object", "additionalProperties": { "type": "number" } },
                },
            },
            "examples": [{
                "desired": { "card": 0, "image": "user" },
                "files": { "/sys/class/fpga/card0/image": "golden\n" },
            }],
        });
        Self(serde_json::from_value(description).expect("a description"))
    }
}

impl ExternalType for Fpga {
    fn description(&self) -> &TypeDescription {
        &self.0
    }

    fn resource(&self, desired: &Map<String, Value>) -> Result<Box<dyn Resource>> {
        Ok(Box::new(Card {
            card: desired["card"].as_u64().expect("the schema wants a number"),
            image: desired["image"].as_str().expect("the schema wants a text").to_owned(),
        }))
    }
}

#[derive(Debug)]
struct Card {
    card: u64,
    image: String,
}

impl Resource for Card {
    fn inspect(&self, cx: Context<'_>) -> Result<Vec<Setting>> {
        let attribute = format!("/sys/class/fpga/card{}/image", self.card);
        let path = Path::new(&attribute);
        let actual = cx.host.attribute(path)?;
        let state = if actual.as_deref() == Some(&self.image) {
            State::Converged
        } else {
            let write = Step::WriteAttribute { path: path.to_owned(), value: self.image.clone() };
            State::Drifted { actual, desired: Some(self.image.clone()), remedy: Remedy::Steps(vec![write]) }
        };
        Ok(vec![Setting::runtime(attribute, Disruption::Device, state)])
    }
}
