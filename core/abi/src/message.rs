//! What hoststate and a plugin say to each other: one JSON object on one line for each request and each answer.

use std::collections::BTreeMap;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::description::TypeDescription;
use crate::setting::Setting;

/// Version of the protocol that these types are.
pub const PROTOCOL: u32 = 1;

/// What this hoststate can do beyond the protocol's own; a plugin uses nothing that is not named here.
pub const FEATURES: [&str; 2] = ["resources", "writes"];

/// A request of hoststate's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Message {
    /// Number of the request; the answer repeats it. It comes first in the line.
    pub id: u64,
    /// What is asked.
    pub request: Request,
}

/// What a plugin is asked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    /// Which versions are spoken; the first request.
    Hello(Hello),
    /// Which types there are.
    Describe(Describe),
    /// How a host differs from a desired value.
    Inspect(Box<Inspect>),
}

/// The versions that hoststate speaks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Hello {
    /// The newest version of the protocol.
    pub protocol: u32,
    /// The oldest version that is still spoken.
    pub oldest: u32,
    /// What hoststate can do beyond that.
    pub features: Vec<String>,
}

/// Asks for nothing but the description.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Describe {}

/// A declaration and the host it is compared with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Inspect {
    /// The type.
    #[serde(rename = "type")]
    pub kind: String,
    /// The fields; they fit the schema of the type.
    pub desired: Map<String, Value>,
    /// The directory that is the host's `/`.
    pub root: PathBuf,
    /// Files as they will be when declarations before this one are applied, by resolved path; null: there is none.
    pub predicted: BTreeMap<PathBuf, Option<String>>,
    /// The distribution.
    pub distro: Distro,
}

/// A distribution, by its os-release.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Distro {
    /// `ID`, e.g. `ubuntu`.
    pub id: String,
    /// `VERSION_ID`, e.g. `24.04`; empty where a release has none.
    pub version: String,
    /// `debian` or `redhat`.
    pub family: String,
}

/// The answer to one request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Response {
    /// The number of the request.
    pub id: u64,
    /// What is answered.
    pub answer: Answer,
}

/// What a plugin answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// To `hello`.
    Hello(Welcome),
    /// To `describe`.
    Describe(Description),
    /// To `inspect`.
    Inspect(Inspection),
    /// To any request: it cannot be answered.
    Error(Refusal),
}

/// The version that will be spoken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Welcome {
    /// A version between the two that hoststate speaks.
    pub protocol: u32,
    /// Which of hoststate's features the plugin uses.
    #[serde(default)]
    pub features: Vec<String>,
}

/// What a plugin is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Description {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// What it needs beyond reading the host as an unprivileged user.
    #[serde(default)]
    pub asks: Asks,
    /// Its types.
    pub types: Vec<TypeDescription>,
}

/// What a plugin needs; `hoststate plugin trust` shows it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Asks {
    /// The user it runs as when hoststate is root.
    #[serde(default)]
    pub user: User,
    /// Programs that it may propose to run, by absolute path; no other is run.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub runs: Vec<PathBuf>,
    /// Files and attributes that it may propose to write or remove, by absolute path, links followed; `*` stands for
    /// any part of it, `?` for one character. Without the field, any file. Part of the feature `writes`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub writes: Option<Vec<String>>,
    /// How long an answer may take.
    #[serde(default)]
    pub seconds: Seconds,
}

/// The user a plugin runs as.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum User {
    /// One without rights.
    #[default]
    Nobody,
    /// The superuser.
    Root,
}

/// How long an answer may take, from 1 to 120.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "u32", into = "u32")]
pub struct Seconds(#[schemars(range(min = 1, max = 120))] u32);

impl Seconds {
    /// Returns that many seconds; `None` outside of the range.
    pub const fn new(seconds: u32) -> Option<Self> {
        if seconds >= 1 && seconds <= 120 { Some(Self(seconds)) } else { None }
    }

    /// Returns their number.
    pub const fn get(self) -> u32 {
        self.0
    }
}

impl Default for Seconds {
    /// A plan takes milliseconds; who waits five seconds waits for something that hangs.
    fn default() -> Self {
        Self(5)
    }
}

impl From<Seconds> for u32 {
    fn from(seconds: Seconds) -> Self {
        seconds.0
    }
}

impl TryFrom<u32> for Seconds {
    type Error = String;

    fn try_from(seconds: u32) -> Result<Self, String> {
        Self::new(seconds).ok_or_else(|| format!("{seconds} is not between 1 and 120"))
    }
}

/// How a host differs from a declaration.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Inspection {
    /// Every setting that the declaration governs, as found and as wanted.
    #[serde(default)]
    pub settings: Vec<Setting>,
    /// Declarations of built-in types that are part of it: `{"type":"kernel_cmdline","present":["quiet"]}`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub resources: Vec<Map<String, Value>>,
}

impl From<Vec<Setting>> for Inspection {
    fn from(settings: Vec<Setting>) -> Self {
        Self { settings, resources: Vec::new() }
    }
}

/// Why a request cannot be answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Refusal {
    /// What is wrong, and where.
    pub what: String,
    /// How to mend it, as a sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl Refusal {
    /// Returns a refusal with a hint.
    pub fn new(what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { what: what.into(), hint: Some(hint.into()) }
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.what)
    }
}

impl std::error::Error for Refusal {}

impl From<std::io::Error> for Refusal {
    fn from(err: std::io::Error) -> Self {
        let hint = (err.kind() == std::io::ErrorKind::PermissionDenied).then(|| {
            "A plugin runs as a user without rights, unless it asks for root and is trusted for it."
                .to_owned()
        });
        Self { what: err.to_string(), hint }
    }
}
