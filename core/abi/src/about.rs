//! What a setting is about: data for programs, a subject for people.

use std::fmt;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::pci_address::PciAddress;

/// What a setting is about. `Display` is the subject that people read.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "Written", try_from = "Written")]
pub enum About {
    /// A file of the host, or what hoststate has in it.
    File(PathBuf),
    /// An attribute of the running kernel.
    Attribute(PathBuf),
    /// The driver that a device has now.
    Driver(PciAddress),
    /// The driver that a device gets when the host boots.
    DriverAtBoot(PciAddress),
    /// The parameters the running kernel was given.
    RunningParameters,
    /// An initramfs.
    Image(PathBuf),
    /// The next boot, and the title of the entry it takes, where that is known.
    NextBoot(Option<String>),
    /// Anything else, in words: that of a plugin, a line of a file.
    Named(String),
}

/// The fields that stand for it in JSON.
#[derive(Serialize, Deserialize, JsonSchema)]
struct Written {
    /// What is compared, in words a person finds on the host: a path, a device, a line.
    subject: String,
    /// What that is, for programs; absent where only its words are known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    about: Option<Kind>,
    /// The device whose driver it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    device: Option<PciAddress>,
    /// The title of the boot entry that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    entry: Option<String>,
}

#[derive(Clone, Copy, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Kind {
    File,
    Attribute,
    Driver,
    DriverAtBoot,
    RunningParameters,
    Image,
    NextBoot,
}

impl About {
    /// Returns the file or attribute that it is.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::File(path) | Self::Attribute(path) | Self::Image(path) => Some(path),
            Self::Driver(_)
            | Self::DriverAtBoot(_)
            | Self::RunningParameters
            | Self::NextBoot(_)
            | Self::Named(_) => None,
        }
    }

    /// Returns the device whose driver it is, now or at the next boot.
    pub fn driver_of(&self) -> Option<PciAddress> {
        match self {
            Self::Driver(device) | Self::DriverAtBoot(device) => Some(*device),
            Self::File(_)
            | Self::Attribute(_)
            | Self::RunningParameters
            | Self::Image(_)
            | Self::NextBoot(_)
            | Self::Named(_) => None,
        }
    }
}

impl fmt::Display for About {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) | Self::Attribute(path) | Self::Image(path) => write!(f, "{}", path.display()),
            Self::Driver(device) => write!(f, "/sys/bus/pci/devices/{device}/driver"),
            Self::DriverAtBoot(device) => write!(f, "driver of {device}"),
            Self::RunningParameters => f.write_str("/proc/cmdline"),
            Self::NextBoot(Some(title)) => write!(f, "the next boot, {title:?}"),
            Self::NextBoot(None) => f.write_str("the next boot"),
            Self::Named(text) => f.write_str(text),
        }
    }
}

impl From<About> for Written {
    fn from(about: About) -> Self {
        let kind = match &about {
            About::File(_) => Some(Kind::File),
            About::Attribute(_) => Some(Kind::Attribute),
            About::Driver(_) => Some(Kind::Driver),
            About::DriverAtBoot(_) => Some(Kind::DriverAtBoot),
            About::RunningParameters => Some(Kind::RunningParameters),
            About::Image(_) => Some(Kind::Image),
            About::NextBoot(_) => Some(Kind::NextBoot),
            About::Named(_) => None,
        };
        let (subject, device) = (about.to_string(), about.driver_of());
        let entry = if let About::NextBoot(title) = about { title } else { None };
        Self { subject, about: kind, device, entry }
    }
}

impl TryFrom<Written> for About {
    type Error = String;

    fn try_from(Written { subject, about, device, entry }: Written) -> Result<Self, String> {
        let needed =
            || device.ok_or_else(|| format!("{subject:?} is about a driver, and `device` is missing"));
        let read = match about {
            None => return Ok(Self::Named(subject)),
            Some(Kind::File) => Self::File(PathBuf::from(&subject)),
            Some(Kind::Attribute) => Self::Attribute(PathBuf::from(&subject)),
            Some(Kind::Driver) => Self::Driver(needed()?),
            Some(Kind::DriverAtBoot) => Self::DriverAtBoot(needed()?),
            Some(Kind::RunningParameters) => Self::RunningParameters,
            Some(Kind::Image) => Self::Image(PathBuf::from(&subject)),
            Some(Kind::NextBoot) => Self::NextBoot(entry),
        };
        if read.to_string() != subject {
            return Err(format!("the subject of what is about {read} is {subject:?}"));
        }
        Ok(read)
    }
}

impl From<&str> for About {
    fn from(text: &str) -> Self {
        Self::Named(text.to_owned())
    }
}

impl From<String> for About {
    fn from(text: String) -> Self {
        Self::Named(text)
    }
}

impl From<&Path> for About {
    fn from(path: &Path) -> Self {
        Self::File(path.to_owned())
    }
}

impl From<&PathBuf> for About {
    fn from(path: &PathBuf) -> Self {
        Self::File(path.clone())
    }
}

impl JsonSchema for About {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "About".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        Written::json_schema(generator)
    }
}

#[cfg(test)]
mod tests {
    use super::About;

    fn read(json: &str) -> Result<About, String> {
        serde_json::from_str(json).map_err(|err| err.to_string())
    }

    #[test]
    fn what_is_written_is_read_and_only_words_are_words() {
        let device = "0000:01:00.0".parse().unwrap();
        let all = [
            About::File("/etc/a".into()),
            About::Attribute("/sys/a".into()),
            About::Driver(device),
            About::DriverAtBoot(device),
            About::RunningParameters,
            About::Image("/boot/initrd.img-1".into()),
            About::NextBoot(Some("Lab \"host\"".to_owned())),
            About::NextBoot(None),
            About::Named("softdep nouveau".to_owned()),
        ];
        for about in all {
            assert_eq!(read(&serde_json::to_string(&about).unwrap()), Ok(about));
        }
        let words = r#"{"subject":"driver of 0000:01:00.0"}"#;
        assert_eq!(read(words), Ok(About::Named("driver of 0000:01:00.0".to_owned())));
    }

    #[test]
    fn a_subject_that_says_other_than_what_it_is_about_is_refused() {
        let other =
            r#"{"subject":"driver of 0000:01:00.0","about":"driver_at_boot","device":"0000:02:00.0"}"#;
        let without = r#"{"subject":"driver of 0000:01:00.0","about":"driver_at_boot"}"#;
        for json in [other, without, r#"{"subject":"/etc/a","about":"running_parameters"}"#] {
            assert!(read(json).is_err(), "{json}");
        }
    }
}
