//! One file of modprobe.d that a resource writes: its name, whether it takes effect, and the images that copy it.

use std::path::{Path, PathBuf};

use hoststate_abi::host_view::HostView;
use hoststate_abi::setting::{Remedy, Setting, State};
use hoststate_abi::step::Step;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::formats::modprobe_conf::{DIRECTORIES, ModprobeConf, ModprobeError, ModuleName, Origin, Winner};
use crate::language::resource::Context;
use crate::machine::kernels;
use crate::machine::modprobe_d;
use crate::mechanism::distro::{ImageContent, ImageFile};

/// Bytes of a file name (limits.h).
const NAME_MAX: usize = 255;

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
        if name.len() > NAME_MAX {
            return Err(format!("the name has {} bytes, and a file name at most {NAME_MAX}", name.len()));
        }
        let plain = !name.contains(['/', '\0', '\n']) && !name.starts_with('.');
        if plain && name.len() > ".conf".len() && name.ends_with(".conf") {
            Ok(Self(name))
        } else {
            Err(format!("{name:?} is not a file that kmod reads; give a name such as \"01-vfio-pci.conf\""))
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

/// Returns the state of a line that is not there yet: editing `file` as `change` does with what it has about `module`.
///
/// # Errors
/// When modprobe.d cannot be read, or cannot hold what `change` puts there.
pub fn drifted(
    host: &HostView,
    file: &Path,
    module: &ModuleName,
    (actual, desired): (Option<String>, String),
    change: impl FnOnce(&mut ModprobeConf) -> Result<(), ModprobeError>,
) -> Result<State> {
    let conf = modprobe_d::view(host)?.file(file).unwrap_or_default();
    let edits =
        conf.edits(module, change).map_err(|err| Error::Invalid { what: err.to_string(), hint: None })?;
    let edit = Step::EditFile { path: file.to_owned(), edits };
    Ok(State::Drifted { actual, desired: Some(desired), remedy: Remedy::Steps(vec![edit]) })
}

/// Returns the state of a line that would have no effect, because the one at `origin` wins.
pub fn outweighed(origin: &Origin, actual: Option<String>, desired: String, hint: &str) -> State {
    let winner = match origin {
        Origin::File { path, line } => format!("{}:{line}", path.display()),
        Origin::CommandLine { parameter } => format!("{parameter:?} on the kernel command line"),
    };
    State::Blocked {
        actual,
        desired: Some(desired),
        by: matches!(origin, Origin::File { .. }).then(|| modprobe_d::place(origin)),
        reason: format!("{winner} wins; {hint}"),
    }
}

/// Returns the state of what needs a module that an `install` line keeps from ever being loaded.
pub fn never_loaded(module: &ModuleName, install: &Winner<String>, desired: &str) -> State {
    let place = modprobe_d::place(&install.origin);
    let command = install.value.trim();
    State::Blocked {
        actual: None,
        desired: Some(desired.to_owned()),
        reason: format!("{place} runs {command} instead of loading {module}; remove that line"),
        by: Some(place),
    }
}

/// Returns one setting for each initramfs image: what is loaded there is governed by the image's copy of `file`.
///
/// `settings` are those of the resource so far. An image never has what they only begin to write, and what the
/// generator's configuration lacks for that file is found, and planned, along with it.
///
/// # Errors
/// When an image or the file cannot be read.
pub fn image_settings(cx: Context<'_>, file: &Path, settings: &[Setting]) -> Result<Vec<Setting>> {
    if kernels::installed(cx.host)?.0.is_empty() {
        return Ok(Vec::new());
    }
    let is_edited = settings.iter().any(|it| edits(it, file));
    if !is_edited && !cx.host.exists(file)? {
        return Ok(Vec::new());
    }
    let files = vec![ImageFile { path: file.to_owned(), is_edited }];
    cx.distro.initramfs.contents(cx.host, &ImageContent { files, modules: Vec::new() })
}

/// Returns whether a setting's remedy changes `file`.
fn edits(setting: &Setting, file: &Path) -> bool {
    let State::Drifted { remedy: Remedy::Steps(steps), .. } = &setting.state else { return false };
    steps.iter().any(|it| it.file() == Some(file))
}
