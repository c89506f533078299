//! A host's modprobe.d as a whole: what kmod makes of it, and changing one line in one file of it.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use hoststate_abi::host_view::HostView;
use hoststate_abi::setting::{Place, Remedy, Setting, State};
use hoststate_abi::step::Step;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::mechanism::distro::ImageContent;
use crate::error::{Error, Result};
use crate::formats::kernel_cmdline::Cmdline;
use crate::formats::modprobe_conf::{DIRECTORIES, ModprobeConf, ModprobeError, ModprobeView, Origin};
use crate::machine::kernels;
use crate::language::resource::Context;

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

/// Returns what all files of modprobe.d, the softdeps of the newest kernel and the running kernel's command line
/// mean together.
///
/// # Errors
/// When a file or directory exists and cannot be read.
pub fn view(host: &HostView) -> Result<Rc<ModprobeView>> {
    host.derived(|host, old| {
        let Some((view, changed)) = old else { return read(host) };
        let Ok(mut view) = Rc::try_unwrap(view) else { return read(host) };
        let links = links(host)?;
        for path in changed.iter().flat_map(|it| links.names_of(it)) {
            match host.parsed(&path, ModprobeConf::parse)? {
                Some(conf) => {
                    view.replace(&path, conf);
                }
                None => view.remove(&path),
            }
        }
        Ok(view)
    })
}

/// By which names kmod reads files that links lead to: predictions have resolved paths.
struct Links {
    /// Resolved, and as kmod names it.
    directories: Vec<(PathBuf, &'static str)>,
    /// Resolved, and as kmod names it.
    files: Vec<(PathBuf, PathBuf)>,
}

impl Links {
    fn names_of(&self, path: &Path) -> Vec<PathBuf> {
        let mut names = vec![path.to_owned()];
        names.extend(self.files.iter().filter(|it| it.0 == path).map(|it| it.1.clone()));
        let directory = self.directories.iter().find(|it| path.parent() == Some(&it.0));
        names.extend(directory.map(|it| Path::new(it.1).join(name(path))));
        names
    }
}

fn links(host: &HostView) -> Result<Rc<Links>> {
    host.derived(|host, old| {
        if let Some(links) = old.and_then(|(links, _)| Rc::try_unwrap(links).ok()) {
            return Ok(links);
        }
        let mut links = Links { directories: Vec::new(), files: Vec::new() };
        for directory in DIRECTORIES {
            let resolved = host.resolve(Path::new(directory))?;
            for name in host.names(&resolved)? {
                let (file, named) = (resolved.join(&name), Path::new(directory).join(&name));
                if host.link_target(&file)?.is_some() {
                    links.files.push((host.resolve(&file)?, named));
                }
            }
            // Where `/lib` is a link, `/usr/lib` is in the list as well.
            if !DIRECTORIES.iter().any(|it| Path::new(it) == resolved) {
                links.directories.push((resolved, directory));
            }
        }
        Ok(links)
    })
}

fn read(host: &HostView) -> Result<ModprobeView> {
    let cmdline = host.attribute(Path::new("/proc/cmdline"))?.unwrap_or_default();
    let newest = kernels::installed(host)?.0.last().cloned();
    read_for(host, newest.as_deref(), &Cmdline::parse(&cmdline))
}

/// Returns what all files of modprobe.d, the softdeps of one kernel and these words mean together.
///
/// # Errors
/// When a file or directory exists and cannot be read.
pub fn read_for(host: &HostView, kernel: Option<&str>, words: &Cmdline) -> Result<ModprobeView> {
    let mut files = Vec::new();
    for (rank, directory) in DIRECTORIES.iter().enumerate() {
        for name in host.names(Path::new(directory))? {
            if let Some(conf) = host.parsed(&Path::new(directory).join(&name), ModprobeConf::parse)? {
                files.push((rank, name, conf));
            }
        }
    }
    let mut view = ModprobeView::new(files);
    if let Some(release) = kernel {
        let path = kernels::modules_directory(release).join("modules.softdep");
        if let Some(conf) = host.parsed(&path, ModprobeConf::parse)? {
            view = view.with_kernel_softdep(&path, conf);
        }
    }
    Ok(view.with_command_line(words.words().chain(words.init_words()).map(|it| it.raw())))
}

/// Returns whether a line in `file` takes effect before one at `origin`: files are read in bytewise order of their
/// names, the command line last.
pub fn comes_before(file: &Path, origin: &Origin) -> bool {
    match origin {
        Origin::File { path, .. } => name(file) < name(path),
        Origin::CommandLine { .. } => true,
    }
}

fn name(path: &Path) -> &OsStr {
    path.file_name().unwrap_or_default()
}

/// Returns the place of a winning line.
pub fn place(origin: &Origin) -> Place {
    match origin {
        Origin::File { path, line } => Place { file: path.to_path_buf(), line: Some(*line) },
        Origin::CommandLine { .. } => Place { file: PathBuf::from("/proc/cmdline"), line: None },
    }
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
        by: matches!(origin, Origin::File { .. }).then(|| place(origin)),
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
