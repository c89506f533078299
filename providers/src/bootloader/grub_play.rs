//! A boot of GRUB 2 played on the files of a host: which entry starts, and what decides.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hoststate_abi::host_view::HostView;
use hoststate_abi::setting::Place;
use hoststate_core::error::Result;
use hoststate_core::formats::grub_script::{
    self as script, Decider, Disk, End, Family, File, Found, Listing, SearchBy, Start, World, play,
};
use hoststate_core::machine::facts::{self, Firmware};
use hoststate_core::mechanism::distro::{BootEntry, EntryChoice};

/// The one device that is known: what the host mounts is one tree. A file system that is not the host's is none of it.
const DEVICE: &str = "host";

/// How names of kernels and images begin. One that a tree lacks is taken for there: a captured host has no kernels.
const LOADED: [&str; 8] =
    ["vmlinuz", "vmlinux", "linux", "kernel", "bzImage", "Image", "initrd", "initramfs"];

/// What a boot comes to.
pub(super) struct Played {
    /// The line of the command that loads the kernel; none where no Linux is started.
    pub(super) linux: Option<Place>,
    /// Title of the entry; empty for what is started without a menu.
    pub(super) title: String,
    /// What decides: a line, or a variable and its file.
    pub(super) because: String,
    /// Whether the choice was for one boot only: the boot after it takes another entry.
    pub(super) once: bool,
    /// Whether Xen is started, with the kernel as a module of its own.
    is_hypervisor: bool,
}

/// Why it cannot be told what a boot comes to.
pub(super) struct Undecided {
    pub(super) why: String,
}

/// Plays the boot that reads `config`, and the one after it.
///
/// # Errors
/// When a file of the host cannot be read.
pub(super) fn boot(host: &HostView, config: &Path, family: Family) -> Result<Result<Played, Undecided>> {
    boot_with(host, config, family, None)
}

/// As [`boot`], with another text of the environment block beside `config`.
///
/// # Errors
/// As [`boot`].
pub(super) fn boot_with(
    host: &HostView,
    config: &Path,
    family: Family,
    block: Option<String>,
) -> Result<Result<Played, Undecided>> {
    let directory = config.parent().unwrap_or(Path::new("/"));
    let separate = own_partition(host)?;
    let on_disk = |path: &Path| {
        let inside = separate.as_ref().and_then(|it| path.strip_prefix(it).ok());
        format!("({DEVICE})/{}", inside.unwrap_or(path.strip_prefix("/").unwrap_or(path)).display())
    };
    let is_efi = facts::firmware(host)? == Some(Firmware::Efi);
    let variables =
        BTreeMap::from([("root".to_owned(), DEVICE.to_owned()), ("prefix".to_owned(), on_disk(directory))]);
    let start = Start {
        family,
        cpu: if is_efi { "x86_64" } else { "i386" }.to_owned(),
        platform: if is_efi { "efi" } else { "pc" }.to_owned(),
        config: on_disk(config),
        variables,
        blocks: block.map(|it| (on_disk(&directory.join("grubenv")), Arc::from(it))).into_iter().collect(),
    };
    let disk = Files { host, separate };
    let played = play(&start, &disk);
    let world = match played.certain() {
        Some(world) => world,
        None => {
            let same = |it: &World| {
                (shown(it), it.entry().cloned())
                    == (shown(&played.worlds[0]), played.worlds[0].entry().cloned())
            };
            if played.limit.is_some() || !played.worlds.iter().all(same) {
                return Ok(Err(Undecided { why: undecided(&played, &disk) }));
            }
            &played.worlds[0]
        }
    };
    if let End::Unknown { why, place } = &world.end {
        let at = place.as_ref().map(|it| format!(" ({})", disk.place(it))).unwrap_or_default();
        return Ok(Err(Undecided { why: format!("{why}{at}") }));
    }
    // A boot that leaves the environment blocks as they were is followed by one like it.
    let follows = |after: &World| after.entry() != world.entry();
    let once = !world.blocks.is_empty() && play(&world.next(&start), &disk).certain().is_some_and(follows);
    Ok(Ok(told(world, &disk, once)))
}

/// Returns which of the entries was started.
pub(super) fn choice(played: &Played, entries: &[BootEntry]) -> EntryChoice {
    let Played { linux, title, because, once, is_hypervisor } = played;
    // An entry of the Boot Loader Specification is a file, a menu's is a line.
    let is_of = |it: &BootEntry, place: &Place| match place.file.extension() {
        Some(extension) if extension == "conf" => it.place.file == place.file,
        _ => it.place == *place,
    };
    let is_it = |it: &BootEntry| linux.as_ref().is_some_and(|place| is_of(it, place));
    let entry = entries.iter().position(is_it);
    let is_other = entry.is_none() && !title.is_empty();
    let because = match is_other {
        true if *is_hypervisor => {
            format!("{because} takes {title:?}, which starts Xen and the kernel under it")
        }
        true => format!("{because} takes {title:?}, which starts no kernel of this host"),
        false => because.clone(),
    };
    EntryChoice { entry, other: is_other.then(|| title.clone()), because, once: *once }
}

/// Returns that it cannot be told, and why.
pub(super) fn unknown(undecided: Undecided) -> EntryChoice {
    EntryChoice { entry: None, other: None, because: undecided.why, once: false }
}

fn shown(world: &World) -> String {
    match &world.end {
        End::Boot(boot) => format!("{:?}", boot.linux().map(|it| &it.place)),
        end => format!("{end:?}"),
    }
}

fn undecided(played: &script::Play, disk: &Files<'_>) -> String {
    match (played.divide(), played.limit) {
        (Some(it), _) => {
            format!("which entry is taken depends on whether {} ({})", it.what, disk.place(&it.place))
        }
        (None, Some(limit)) => limit.to_owned(),
        (None, None) => "its scripts can end in several ways".to_owned(),
    }
}

fn told(world: &World, disk: &Files<'_>, once: bool) -> Played {
    let entry = world.menus.last().and_then(|it| it.started());
    let title = entry.map(|it| it.0.title.clone()).unwrap_or_default();
    let because = match (entry.map(|it| &it.1.by), &world.end) {
        (Some(Decider::Default(setting)), _) => of_setting("default", setting, disk),
        (Some(Decider::Fallback(setting)), _) => {
            format!(
                "{}, because what comes before it cannot be started",
                of_setting("fallback", setting, disk)
            )
        }
        (Some(Decider::First(Some(setting))), _) if setting.value.is_empty() => {
            let set = setting.set_at.as_ref().map(|it| format!(" in {}", disk.place(it))).unwrap_or_default();
            format!("`default` is empty{set}, so the first entry is taken")
        }
        (Some(Decider::First(Some(setting))), _) => {
            format!("{} names no entry, so the first is taken", of_setting("default", setting, disk))
        }
        (Some(Decider::First(None)), _) => {
            let first = world.menus.last().and_then(|it| it.entries.first());
            let file = first.map(|it| disk.file_of(&it.place.file)).unwrap_or_default();
            format!("first in {}, and no other is set as default", file.display())
        }
        (None, End::Boot(boot)) => format!("{} boots without a menu", disk.place(&boot.loader.place)),
        (None, End::Leave(command)) => format!("{} ends GRUB: {}", disk.place(&command.place), command.name),
        (None, End::Password(place)) => format!("{} asks for a password", disk.place(place)),
        (None, _) => "nothing can be started".to_owned(),
    };
    let linux = match &world.end {
        End::Boot(boot) => boot.linux().map(|it| disk.place(&it.place)),
        _ => None,
    };
    let is_hypervisor = matches!(&world.end, End::Boot(boot)
        if boot.loader.name.starts_with("multiboot") || boot.loader.name == "xen_hypervisor");
    Played { linux, title, because, once, is_hypervisor }
}

/// Says where a choice comes from, as `saved_entry=1 in /boot/grub/grubenv`.
fn of_setting(name: &str, setting: &script::Setting, disk: &Files<'_>) -> String {
    let saved = setting.origins.iter().find_map(|it| Some((it.variable.as_deref()?, &it.place)));
    if let Some((variable, place)) = saved {
        return format!("{variable}={} in {}", setting.value, disk.place(place).file.display());
    }
    match setting.written() {
        Some(place) => format!("{name}={} in {}", setting.value, disk.place(place)),
        None => format!("{name}={}", setting.value),
    }
}

/// The mount point of the file system that holds the kernels, where it is not that of `/`.
fn own_partition(host: &HostView) -> Result<Option<PathBuf>> {
    let fstab = host.read_lossy(Path::new("/etc/fstab"))?.unwrap_or_default();
    let mut points =
        fstab.lines().filter(|it| !it.trim_start().starts_with('#')).map(|it| it.split_whitespace().nth(1));
    Ok(points.any(|it| it == Some("/boot")).then(|| PathBuf::from("/boot")))
}

/// The files of a host as GRUB finds them.
struct Files<'a> {
    host: &'a HostView,
    separate: Option<PathBuf>,
}

impl Files<'_> {
    /// Where a path of a device lies on the host.
    fn path(&self, path: &str) -> PathBuf {
        let path = Path::new("/").join(path.trim_start_matches('/'));
        match &self.separate {
            Some(point) => point.join(path.strip_prefix("/").unwrap_or(&path)),
            // Entries lie in /boot also where that is a file system of its own and no table tells so.
            None if path.starts_with("/loader") => {
                Path::new("/boot").join(path.strip_prefix("/").unwrap_or(&path))
            }
            None => path,
        }
    }

    /// Where a file that is named with its device lies on the host.
    fn file_of(&self, file: &str) -> PathBuf {
        self.path(file.split_once(')').map_or(file, |it| it.1))
    }

    fn place(&self, place: &script::Place) -> Place {
        Place { file: self.file_of(&place.file), line: Some(place.line) }
    }
}

impl Disk for Files<'_> {
    fn file(&self, device: &str, path: &str) -> File {
        let path = self.path(path);
        let name = path.file_name().and_then(|it| it.to_str()).unwrap_or_default();
        if device != DEVICE {
            return File::Unknown;
        }
        if LOADED.iter().any(|it| name.starts_with(it)) {
            return File::Data;
        }
        match self.host.is_dir(&path) {
            Ok(true) => return File::Directory,
            Ok(false) => {}
            Err(_) => return File::Unknown,
        }
        match self.host.parsed(&path, |text| Arc::<str>::from(text)) {
            Ok(Some(text)) => File::Text(Arc::clone(&text)),
            Ok(None) => File::Absent,
            Err(_) => File::Unknown,
        }
    }

    fn list(&self, device: &str, path: &str) -> Listing {
        let path = self.path(path);
        match (device == DEVICE, self.host.is_dir(&path), self.host.list(&path)) {
            (true, Ok(true), Ok(names)) => Listing::Names(names),
            (true, Ok(false), _) => Listing::Absent,
            _ => Listing::Unknown,
        }
    }

    /// Whose file system an id is the files do not always tell; the scripts of the distribution look for the host's own.
    fn search(&self, _: SearchBy, _: &str, _: &[&str]) -> Found {
        Found::Device(DEVICE.to_owned())
    }

    fn is_writable(&self, _: &str, _: &str) -> Option<bool> {
        Some(true)
    }
}
