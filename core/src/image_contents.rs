//! What an initramfs image of the host holds: modules, and the configuration that they are loaded with.

use std::collections::BTreeSet;
use std::path::Path;
use std::rc::Rc;

use hoststate_abi::host_view::HostView;

use crate::error::Result;
use crate::formats::initramfs::{Image, list_with};
use crate::formats::kernel_cmdline::Cmdline;
use crate::formats::modprobe_conf::{DIRECTORIES, ModprobeConf, ModprobeView, ModuleName};
use crate::formats::module_index::module_of_path;

/// depmod's softdeps, below the modules of a kernel.
const SOFTDEP: &str = "/modules.softdep";

/// What an image says when it is unpacked.
#[derive(Debug)]
pub struct Contents {
    /// Its listing, with the text of the configuration.
    pub image: Image,
    /// The modules whose file is inside.
    pub modules: BTreeSet<ModuleName>,
}

/// Unpacks an image, once per view; `None` when there is no such file. A text says why it cannot be unpacked.
///
/// # Errors
/// When the file exists and cannot be read.
pub fn read(host: &HostView, image: &Path) -> Result<Option<Rc<Result<Contents, String>>>> {
    Ok(host.parsed_bytes(image, unpack)?)
}

fn unpack(bytes: &[u8]) -> Result<Contents, String> {
    let image = list_with(bytes, is_configuration).map_err(|err| err.to_string())?;
    let modules = image.entries.iter().filter_map(|it| module_of_path(&it.path)).collect();
    Ok(Contents { image, modules })
}

/// Which files of an image are kept with their text.
fn is_configuration(path: &str) -> bool {
    path.starts_with("etc/")
        || path == "conf/modules"
        || path.contains("modprobe.d/")
        || path.ends_with(SOFTDEP)
}

impl Contents {
    /// Returns what modules are loaded with inside the image: its own modprobe.d, its kernel's softdeps, and the words of
    /// the command line. Nothing of the root file system counts there.
    pub fn modprobe(&self, words: &Cmdline) -> ModprobeView {
        let parsed = |path: &str| {
            let text = String::from_utf8_lossy(self.image.read(path)?).into_owned();
            Some(Rc::new(ModprobeConf::parse(&text)))
        };
        let mut files = Vec::new();
        let mut softdep = None;
        for entry in &self.image.entries {
            let place = DIRECTORIES.iter().enumerate().find_map(|(rank, directory)| {
                let name = entry.path.strip_prefix(&directory[1..])?.strip_prefix('/')?;
                Some((rank, name)).filter(|it| !it.1.contains('/'))
            });
            if let (Some((rank, name)), Some(conf)) = (place, parsed(&entry.path)) {
                files.push((rank, name.to_owned(), conf));
            } else if entry.path.ends_with(SOFTDEP) {
                softdep = parsed(&entry.path).map(|it| (format!("/{}", entry.path), it));
            }
        }
        let mut view = ModprobeView::new(files);
        if let Some((path, conf)) = softdep {
            view = view.with_kernel_softdep(Path::new(&path), conf);
        }
        view.with_command_line(words.words().chain(words.init_words()).map(|it| it.raw()))
    }
}
