//! Modes, names and values of attributes as text in run records.

use std::fmt;

use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};
use serde::{Deserialize, Serialize};

/// What stands before bytes in hexadecimal, as getfattr(1) writes them.
const MARK: &str = "0x";

/// A mode: four octal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(super) struct Octal(pub(super) u32);

impl fmt::Display for Octal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04o}", self.0)
    }
}

impl From<Octal> for String {
    fn from(mode: Octal) -> Self {
        mode.to_string()
    }
}

impl TryFrom<String> for Octal {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match u32::from_str_radix(&text, 8) {
            Ok(mode) if mode <= 0o7777 => Ok(Self(mode)),
            _ => Err(format!("{text:?} is not a mode; a mode is four octal digits")),
        }
    }
}

/// The name of an attribute: text with its name space and a dot, or in hexadecimal where it is not UTF-8.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(super) struct Name(Vec<u8>);

impl Name {
    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }

    pub(super) fn is(&self, name: &str) -> bool {
        self.0 == name.as_bytes()
    }

    pub(super) fn starts_with(&self, start: &str) -> bool {
        self.0.starts_with(start.as_bytes())
    }
}

impl From<&[u8]> for Name {
    fn from(bytes: &[u8]) -> Self {
        Self(bytes.to_vec())
    }
}

impl From<&str> for Name {
    fn from(name: &str) -> Self {
        Self(name.into())
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match std::str::from_utf8(&self.0) {
            Ok(name) => f.write_str(name),
            Err(_) => f.write_str(&encoded(&self.0)),
        }
    }
}

impl From<Name> for String {
    fn from(name: Name) -> Self {
        name.to_string()
    }
}

impl TryFrom<String> for Name {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        // Every name has a dot, and no number has one.
        if text.contains('.') { Ok(Self(text.into())) } else { decoded(&text).map(Self) }
    }
}

/// The value of an attribute.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(super) struct Value(pub(super) Vec<u8>);

impl From<Value> for String {
    fn from(value: Value) -> Self {
        encoded(&value.0)
    }
}

impl TryFrom<String> for Value {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        decoded(&text).map(Self)
    }
}

fn encoded(bytes: &[u8]) -> String {
    format!("{MARK}{}", HEXLOWER.encode(bytes))
}

fn decoded(text: &str) -> Result<Vec<u8>, String> {
    let bytes = text.strip_prefix(MARK).and_then(|it| HEXLOWER_PERMISSIVE.decode(it.as_bytes()).ok());
    bytes.ok_or_else(|| format!("{text:?} is not hexadecimal; {MARK}6574 is"))
}

#[cfg(test)]
mod tests {
    use super::{Name, Octal, Value};

    #[test]
    fn what_is_written_is_read_again() {
        for bytes in [&b""[..], b"\0", b"system_u:object_r:etc_t:s0\0", b"\xff\x00\x7f"] {
            let value = Value(bytes.to_vec());
            assert_eq!(Value::try_from(String::from(value.clone())), Ok(value));
        }
        for bytes in [&b"user.x"[..], b"security.selinux", b"user.\xff", "user.ä".as_bytes(), b"user.0x"] {
            let name = Name::from(bytes);
            assert_eq!(Name::try_from(String::from(name.clone())), Ok(name));
        }
        for mode in [0, 0o640, 0o4755, 0o7777] {
            assert_eq!(Octal::try_from(String::from(Octal(mode))), Ok(Octal(mode)));
        }
    }

    #[test]
    fn what_no_record_holds_is_refused() {
        for text in ["", "0", "6574", "0x6", "0xzz", "0x+1", "0xä"] {
            assert!(Value::try_from(text.to_owned()).is_err(), "{text}");
        }
        for text in ["", "8", "17777", "-1", "rw"] {
            assert!(Octal::try_from(text.to_owned()).is_err(), "{text}");
        }
    }
}
