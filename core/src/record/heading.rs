//! What the beginning of a record tells: whose run it was, without the texts and declarations behind that.

use std::fmt;
use std::io::{BufReader, Read};

use serde::de::{Error, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::record::command::RunCommand;

/// The beginning of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heading {
    /// `converge`, or `rollback` with the id of the run it undid.
    pub command: RunCommand,
    /// Whose declarations it converged to.
    pub owner: Option<String>,
}

/// Reads as far as the provenance; `None` where there is none, or what comes before it is no record.
pub(super) fn of(text: impl Read) -> Option<Heading> {
    let mut found = Until::default();
    let mut read = serde_json::Deserializer::from_reader(BufReader::new(text));
    match read.deserialize_map(&mut found) {
        // What stands behind the provenance is not read, which is an error to whoever wants a whole object.
        Ok(()) | Err(_) => Some(Heading { command: found.command?, owner: found.provenance?.owner }),
    }
}

/// The heading, as far as it was read.
#[derive(Default)]
struct Until {
    command: Option<RunCommand>,
    provenance: Option<Owned>,
}

/// Of the provenance.
#[derive(Deserialize)]
struct Owned {
    owner: Option<String>,
}

impl<'de> Visitor<'de> for &mut Until {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a record")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "command" => self.command = Some(map.next_value()?),
                "provenance" => {
                    self.provenance = map.next_value()?;
                    return Err(A::Error::custom("the rest is not asked for"));
                }
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{Heading, of};
    use crate::record::command::RunCommand;

    #[test]
    fn only_the_beginning_of_a_record_is_read() {
        let text = r#"{"format":"f","sequence":3,"id":"x","command":"converge","provenance":{"began":"","owner":"gpu.lua"},"#;
        let heading = Heading { command: RunCommand::Converge, owner: Some("gpu.lua".to_owned()) };
        assert_eq!(of(format!("{text}damaged").as_bytes()), Some(heading));
        assert_eq!(of(&br#"{"command":"converge","declarations":[]}"#[..]), None, "no provenance");
        assert_eq!(of(&br#"{"provenance":{"owner":null},"command":"converge"}"#[..]), None, "another order");
        assert_eq!(of(&b"[]"[..]), None);
        assert_eq!(of(&b""[..]), None);
    }
}
