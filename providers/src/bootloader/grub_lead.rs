//! Where the stub on the EFI system partition leads GRUB: which menu it reads.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use hoststate_abi::host_view::HostView;
use hoststate_abi::setting::Place;
use hoststate_core::error::Result;
use hoststate_core::formats::mount_table::{self, Mount};

/// A stub that leads to a menu.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Lead {
    /// The stub, and its line that leads on.
    pub(super) place: Place,
    /// The menu; `None` where its file system is another one than those mounted here.
    pub(super) menu: Option<PathBuf>,
    /// The menu, as people see it.
    pub(super) shown: String,
}

/// What a variable of GRUB's names a file system by.
#[derive(Debug, Clone, PartialEq, Eq)]
enum FileSystem {
    Uuid(String),
    Label(String),
}

/// The last `configfile` of a stub: its line, the file system and the path in it.
struct Target {
    line: usize,
    file_system: FileSystem,
    path: String,
}

/// Returns where a stub leads; `None` where it leads nowhere, or reading cannot tell.
///
/// # Errors
/// When a table of file systems cannot be read.
pub(super) fn lead(host: &HostView, stub: &Path, text: &str) -> Result<Option<Lead>> {
    let Some(Target { line, file_system, path }) = target(text) else { return Ok(None) };
    let place = Place { file: stub.to_owned(), line: Some(line) };
    let (menu, shown) = match located(host, &file_system, &path)? {
        Located::At(menu) => (Some(menu.clone()), menu.display().to_string()),
        Located::Elsewhere => {
            let name = match file_system {
                FileSystem::Uuid(uuid) => format!("with the UUID {uuid}"),
                FileSystem::Label(label) => format!("with the label {label}"),
            };
            (None, format!("{path} of the file system {name}, which is none of this host's"))
        }
        Located::Unknown => return Ok(None),
    };
    Ok(Some(Lead { place, menu, shown }))
}

/// Reads the few commands that a stub has: `search`, `set`, `configfile`.
fn target(text: &str) -> Option<Target> {
    let mut file_systems: BTreeMap<String, FileSystem> = BTreeMap::new();
    let mut prefix: Option<String> = None;
    let mut found = None;
    for (number, line) in (1..).zip(text.lines()) {
        let words: Vec<String> = line.split_whitespace().map(unquoted).collect();
        let Some((command, arguments)) = words.split_first() else { continue };
        match command.as_str() {
            "search" | "search.fs_uuid" | "search.fs_label" => {
                let (variable, file_system) = searched(command, arguments)?;
                file_systems.insert(variable, file_system);
            }
            "set" => {
                if let Some(value) = arguments.first().and_then(|it| it.strip_prefix("prefix=")) {
                    prefix = Some(value.to_owned());
                }
            }
            "configfile" => {
                let file = arguments.first()?;
                let file = match (file.strip_prefix("$prefix"), file.strip_prefix("${prefix}")) {
                    (Some(rest), _) | (None, Some(rest)) => format!("{}{rest}", prefix.as_ref()?),
                    (None, None) => file.clone(),
                };
                found = Some((number, file));
            }
            _ => {}
        }
    }
    let (line, file) = found?;
    let (variable, path) = match file.strip_prefix('(').and_then(|it| it.split_once(')')) {
        Some((device, path)) => (device.trim_start_matches('$').trim_matches(['{', '}']).to_owned(), path),
        None => ("root".to_owned(), file.as_str()),
    };
    let file_system = file_systems.remove(&variable)?;
    path.starts_with('/').then(|| Target { line, file_system, path: path.to_owned() })
}

/// Reads `search --no-floppy --fs-uuid --set=dev UUID` and `search.fs_uuid UUID root hd0,gpt2`; `None` for what is
/// searched by a file, which may be on any.
fn searched(command: &str, arguments: &[String]) -> Option<(String, FileSystem)> {
    let (mut variable, mut by_label, mut by_uuid) = ("root".to_owned(), false, false);
    let mut name = None;
    let mut words = arguments.iter();
    match command {
        "search.fs_uuid" | "search.fs_label" => {
            (by_uuid, by_label) = (command == "search.fs_uuid", command == "search.fs_label");
            name = words.next();
            variable = words.next().cloned().unwrap_or(variable);
        }
        _ => {
            while let Some(word) = words.next() {
                match word.as_str() {
                    "--fs-uuid" | "-u" => by_uuid = true,
                    "--label" | "--fs-label" | "-l" => by_label = true,
                    "--set" | "-s" => variable = words.next()?.clone(),
                    "--hint" | "-h" => drop(words.next()),
                    option => match option.strip_prefix("--set=") {
                        Some(value) => value.clone_into(&mut variable),
                        None if option.starts_with('-') => {}
                        None => name = name.or(Some(word)),
                    },
                }
            }
        }
    }
    let name = name?.clone();
    match (by_uuid, by_label) {
        (true, _) => Some((variable, FileSystem::Uuid(name))),
        (false, true) => Some((variable, FileSystem::Label(name))),
        (false, false) => None,
    }
}

/// Quotes stand around whole words or parts of them.
fn unquoted(word: &str) -> String {
    word.replace(['\'', '"'], "")
}

enum Located {
    At(PathBuf),
    Elsewhere,
    Unknown,
}

/// Finds where a file of a file system is on the host.
fn located(host: &HostView, file_system: &FileSystem, path: &str) -> Result<Located> {
    let tables = Tables::read(host)?;
    let mounts = tables.mounts_of(file_system);
    let mut below: Vec<(usize, PathBuf)> = Vec::new();
    // Which subvolume is mounted where none is named is written in the file system.
    if mounts.iter().any(|it| it.kind == "btrfs" && it.root.is_none()) {
        return Ok(Located::Unknown);
    }
    for mount in &mounts {
        let root = mount.root.as_deref().unwrap_or("/").trim_end_matches('/');
        let rest = path.strip_prefix(root).filter(|it| it.starts_with('/'));
        below.extend(rest.map(|it| (root.len(), Path::new(&mount.point).join(it.trim_start_matches('/')))));
    }
    if let Some((_, menu)) = below.into_iter().max_by_key(|it| it.0) {
        return Ok(Located::At(menu));
    }
    // A file system has one UUID: where that of the host's own menu is known, another one is another's.
    let own = tables.uuid_below("/boot/grub");
    Ok(match (file_system, own) {
        (FileSystem::Uuid(uuid), Some(own)) if mounts.is_empty() && !own.eq_ignore_ascii_case(uuid) => {
            Located::Elsewhere
        }
        _ => Located::Unknown,
    })
}

/// What is mounted and what shall be, and which device has which UUID.
struct Tables {
    mounted: Vec<Mount>,
    wanted: Vec<Mount>,
    /// UUIDs and the names of their devices.
    by_uuid: Vec<(String, String)>,
}

impl Tables {
    fn read(host: &HostView) -> Result<Self> {
        let text = |path: &str| host.read_lossy(Path::new(path));
        let mounted = match text("/proc/self/mountinfo")? {
            Some(text) => mount_table::parse_mountinfo(&text),
            None => mount_table::parse_fstab(&text("/proc/mounts")?.unwrap_or_default()),
        };
        let wanted = mount_table::parse_fstab(&text("/etc/fstab")?.unwrap_or_default());
        let directory = Path::new("/dev/disk/by-uuid");
        let mut by_uuid = Vec::new();
        for uuid in host.list(directory)? {
            if let Some(target) = host.link_target(&directory.join(&uuid))? {
                let name = target.file_name().map(|it| it.to_string_lossy().into_owned());
                by_uuid.extend(name.map(|it| (uuid, it)));
            }
        }
        Ok(Self { mounted, wanted, by_uuid })
    }

    /// Returns the mounts of a file system; those of `fstab` where its device is not known.
    fn mounts_of(&self, file_system: &FileSystem) -> Vec<&Mount> {
        if let FileSystem::Uuid(uuid) = file_system {
            let device = self.by_uuid.iter().find(|it| it.0.eq_ignore_ascii_case(uuid)).map(|it| &it.1);
            let is_its = |it: &&Mount| device.is_some_and(|name| is_named(&it.source, name));
            let mounts: Vec<&Mount> = self.mounted.iter().filter(is_its).collect();
            if !mounts.is_empty() {
                return mounts;
            }
        }
        let names = match file_system {
            FileSystem::Uuid(uuid) => [format!("UUID={uuid}"), format!("/dev/disk/by-uuid/{uuid}")],
            FileSystem::Label(label) => [format!("LABEL={label}"), format!("/dev/disk/by-label/{label}")],
        };
        let is_its = |it: &&Mount| {
            let source = it.source.replace('"', "");
            names.iter().any(|name| source.eq_ignore_ascii_case(name))
        };
        self.wanted.iter().filter(is_its).collect()
    }

    /// Returns the UUID of the file system that a path is on.
    fn uuid_below(&self, path: &str) -> Option<String> {
        if let Some(mount) = mount_table::covering(&self.mounted, path) {
            let device = self.by_uuid.iter().find(|it| is_named(&mount.source, &it.1));
            if let Some((uuid, _)) = device {
                return Some(uuid.clone());
            }
        }
        let source = mount_table::covering(&self.wanted, path)?.source.replace('"', "");
        let uuid = source.strip_prefix("UUID=").or_else(|| source.strip_prefix("/dev/disk/by-uuid/"));
        uuid.map(str::to_owned)
    }
}

fn is_named(source: &str, device: &str) -> bool {
    source.strip_prefix("/dev/").is_some_and(|it| it == device)
}
