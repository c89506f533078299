//! What an initramfs image of the host holds: modules, and the configuration that they are loaded with.

mod known;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use hoststate_abi::host_view::HostView;
use hoststate_abi::host_view::bytes::shown;
use serde::{Deserialize, Serialize};

use self::known::Images;

use crate::error::Result;
use crate::formats::initramfs::{InitramfsError, list_with};
use crate::formats::kernel_cmdline::Cmdline;
use crate::formats::modprobe_conf::{DIRECTORIES, ModprobeConf, ModprobeView, ModuleName};
use crate::formats::module_index::module_of_path;

/// Where a run that changed something keeps what it knows of the images, so that the next need not unpack them.
pub const IMAGES: &str = "/var/lib/hoststate/images.json";

/// depmod's softdeps, below the modules of a kernel.
const SOFTDEP: &str = "/modules.softdep";

/// What an image says when it is unpacked.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contents {
    /// The modules whose file is inside.
    pub modules: BTreeSet<ModuleName>,
    /// The files of its configuration, by path without a leading slash; none where it is binary.
    pub files: BTreeMap<String, Option<String>>,
}

/// What an image contains, or why that cannot be told.
pub type Unpacked = Result<Rc<Contents>, String>;

/// Unpacks an image unless it is known; `None` when there is no such file.
///
/// # Errors
/// When the file exists and cannot be read, or unpacks to more than hoststate is ready for.
pub fn read(host: &HostView, image: &Path) -> Result<Option<Unpacked>> {
    host.memory::<Images>().contents(host, image)
}

/// Returns what [`read`] does of several images; those that are not known are unpacked at the same time.
///
/// # Errors
/// Those of [`read`].
pub fn read_all(host: &HostView, images: &[PathBuf]) -> Result<Vec<Option<Unpacked>>> {
    let known = host.memory::<Images>();
    known.unpack(host, images)?;
    images.iter().map(|it| known.contents(host, it)).collect()
}

/// Returns what is to be kept in [`IMAGES`]; `None` when that has it already.
pub fn news(host: &HostView) -> Option<String> {
    host.memory::<Images>().news()
}

/// Returns whether a file of an image is a script of the boot: of initramfs-tools, or a hook of dracut. Those that an
/// image is still to get have the path that they have on the host.
pub fn is_script(path: &str) -> bool {
    let of_host = ["etc/initramfs-tools/scripts/", "usr/lib/dracut/modules.d/"];
    path.starts_with("scripts/")
        || path.contains("dracut/hooks/")
        || of_host.iter().any(|it| path.starts_with(it))
}

/// Which files of an image are kept with their text.
fn is_configuration(path: &str) -> bool {
    path.starts_with("etc/")
        || is_script(path)
        || path.contains("udev/rules.d/")
        || path == "conf/modules"
        || path.contains("modprobe.d/")
        || path.ends_with(SOFTDEP)
}

impl Contents {
    fn unpack(image: &mut dyn Read) -> Result<Self, InitramfsError> {
        let image = list_with(image, is_configuration)?;
        let modules = image.entries.iter().filter_map(|it| module_of_path(&it.path)).collect();
        let files = image.entries.iter().filter_map(|it| {
            let bytes = image.read(&it.path)?;
            let is_text = !bytes.contains(&0);
            Some((it.path.clone(), is_text.then(|| shown(bytes.to_vec()))))
        });
        Ok(Self { modules, files: files.collect() })
    }

    /// Returns the text of a file of its configuration; empty where there is none.
    pub fn text(&self, path: &str) -> &str {
        self.files.get(path).and_then(Option::as_deref).unwrap_or_default()
    }

    /// Returns what modules are loaded with inside the image: its own modprobe.d, its kernel's softdeps, and the
    /// parameters of the command line. Nothing of the root file system counts there.
    pub fn modprobe(&self, parameters: &Cmdline) -> ModprobeView {
        let mut files = Vec::new();
        let mut softdep = None;
        for (path, text) in &self.files {
            let Some(text) = text else { continue };
            let place = DIRECTORIES.iter().enumerate().find_map(|(rank, directory)| {
                let name = path.strip_prefix(&directory[1..])?.strip_prefix('/')?;
                Some((rank, name)).filter(|it| !it.1.contains('/'))
            });
            if let Some((rank, name)) = place {
                files.push((rank, name.to_owned(), Rc::new(ModprobeConf::parse(text))));
            } else if path.ends_with(SOFTDEP) {
                softdep = Some((format!("/{path}"), Rc::new(ModprobeConf::parse(text))));
            }
        }
        let mut view = ModprobeView::new(files);
        if let Some((path, conf)) = softdep {
            view = view.with_kernel_softdep(Path::new(&path), conf);
        }
        view.with_command_line(parameters.parameters().chain(parameters.init_parameters()).map(|it| it.raw()))
    }
}
