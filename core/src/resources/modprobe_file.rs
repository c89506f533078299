//! One file of modprobe.d that a resource writes: its name, whether it takes effect, and the images that copy it.

use std::path::{Path, PathBuf};
use std::rc::Rc;

use hoststate_abi::host_view::HostView;
use hoststate_abi::setting::{Remedy, Setting, State};
use hoststate_abi::step::Step;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::formats::modprobe_conf::{DIRECTORIES, ModprobeConf, ModprobeError, Origin};
use crate::language::resource::Context;
use crate::machine::kernels;
use crate::machine::modprobe_d;
use crate::mechanism::distro::ImageContent;

/// Name of a file in `/etc/modprobe.d`, e.g. `01-vfio-pci.conf`.
///
/// Invariant: one path component that kmod reads: it ends in `.conf` and does not begin with a dot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ConfFile(String);

impl ConfFile {
    /// Returns where the file lies.
    pub fn path(&self) -> PathBuf {
        Path::new(DIRECTORIES[0]).join(&self.0)
    }
}

impl TryFrom<String> for ConfFile {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        let plain = !name.contains(['/', '\0', '\n']) && !name.starts_with('.');
        if plain && name.len() > ".conf".len() && name.ends_with(".conf") {
            Ok(Self(name))
        } else {
            Err(format!("{name:?} is no file that kmod reads; give a name such as \"01-vfio-pci.conf\""))
        }
    }
}

impl From<ConfFile> for String {
    fn from(file: ConfFile) -> Self {
        file.0
    }
}

impl JsonSchema for ConfFile {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "ConfFile".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "examples": ["01-vfio-pci.conf"], "pattern": "^[^./][^/]*\\.conf$" })
    }
}

/// Where softdeps go: the first softdep line of a module counts, and this file sorts before all others.
pub fn softdep_file(file: Option<&ConfFile>) -> PathBuf {
    file.map_or_else(|| Path::new(DIRECTORIES[0]).join("01-hoststate.conf"), ConfFile::path)
}

/// Where options go: the last value of an option counts, and this file sorts after all others.
pub fn options_file(file: Option<&ConfFile>) -> PathBuf {
    file.map_or_else(|| Path::new(DIRECTORIES[0]).join("zz-hoststate.conf"), ConfFile::path)
}

/// Returns the state of a line that is not there yet: writing `file` with `edit` done to it.
///
/// # Errors
/// When the file cannot be read as UTF-8, or cannot hold what `edit` puts there.
pub fn drifted(
    host: &HostView,
    file: &Path,
    actual: Option<String>,
    desired: String,
    edit: impl FnOnce(&mut ModprobeConf) -> Result<(), ModprobeError>,
) -> Result<State> {
    let mut conf = ModprobeConf::parse(&host.read(file)?.unwrap_or_default());
    edit(&mut conf).map_err(|err| Error::Invalid { what: err.to_string(), hint: None })?;
    let write = Step::WriteFile { path: file.to_owned(), text: conf.as_str().to_owned() };
    Ok(State::Drifted { actual, desired: Some(desired), remedy: Remedy::Steps(vec![write]) })
}

/// Returns the state of a line that would be written in vain, because the one at `origin` wins.
pub fn outweighed(origin: &Origin, actual: Option<String>, desired: String, hint: &str) -> State {
    let winner = match origin {
        Origin::File { path, line } => format!("{}:{line}", path.display()),
        Origin::CommandLine { word } => format!("{word:?} on the kernel command line"),
    };
    State::Blocked {
        actual,
        desired: Some(desired),
        by: matches!(origin, Origin::File { .. }).then(|| modprobe_d::place(origin)),
        reason: format!("{winner} wins; {hint}"),
    }
}

/// Returns one setting for each initramfs image: what is loaded there is governed by the image's copy of `file`.
///
/// `settings` are those of the resource so far. A file that they write is compared with the text it will have, so
/// that what the generator's configuration lacks for it is found, and planned, along with it.
///
/// # Errors
/// When an image or the file cannot be read.
pub fn image_settings(cx: Context<'_>, file: &Path, settings: &[Setting]) -> Result<Vec<Setting>> {
    if kernels::installed(cx.host)?.0.is_empty() {
        return Ok(Vec::new());
    }
    let text = match settings.iter().rev().find_map(|it| written(it, file)) {
        Some(text) => Some(Rc::new(text.to_owned())),
        None => cx.host.parsed(file, str::to_owned)?,
    };
    match text {
        Some(text) => {
            let wanted = ImageContent { files: vec![(file.to_owned(), text)], modules: Vec::new() };
            cx.distro.initramfs.contents(cx.host, &wanted)
        }
        None => Ok(Vec::new()),
    }
}

/// Returns the text that a setting's remedy gives to `file`.
pub fn written<'a>(setting: &'a Setting, file: &Path) -> Option<&'a str> {
    let State::Drifted { remedy: Remedy::Steps(steps), .. } = &setting.state else { return None };
    steps.iter().rev().find_map(|step| match step {
        Step::WriteFile { path, text } if path == file => Some(text.as_str()),
        _ => None,
    })
}
