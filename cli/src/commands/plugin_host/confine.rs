//! What keeps a plugin apart from the host and from other plugins: namespaces, a user, and limits.
//!
//! Three processes stand behind each other. The first enters the namespaces; the second is the first process of the
//! namespace of processes, so that with it everything ends that the plugin started, in whatever session; the third
//! becomes the plugin. What a kernel or a container does not permit is named, and the rest is done all the same.

use std::ffi::OsStr;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use hoststate_core::plugins::plugin::confinement::Lack;
use rustix::fs::{Mode, OFlags};
use rustix::mount::{MountFlags, MountPropagationFlags};
use rustix::process::{Gid, Resource, Rlimit, Uid};
use rustix::thread::{
    CapabilitySet, CapabilitySets, UnshareFlags, set_capabilities, set_no_new_privs, set_thread_groups,
    set_thread_res_gid, set_thread_res_uid,
};

/// The user and group that own nothing (Linux `overflowuid`, `nobody` of every distribution).
const NOBODY: u32 = 65534;

/// The first of the users that nobody gives out (systemd, UIDS-GIDS.md: 1879048192 to 2147483647); plus the number of
/// its process, it is the user of one plugin.
const FIRST_USER: u32 = 0x7000_0000;

/// Where everyone may write, and where files of others lie that are no part of the host's state.
const SHARED: [&str; 4] = ["/tmp", "/var/tmp", "/dev/shm", "/run/user"];

/// What a shell keeps of a here-document, and no more.
const SCRATCH: &std::ffi::CStr = c"size=16m,mode=1777";

/// Limits of a plugin: what is limited, and to how much.
const LIMITS: [(Resource, u64); 6] = [
    // A dump of a plugin that read what only root may read would be a copy of that.
    (Resource::Core, 0),
    (Resource::Data, 512 << 20),
    (Resource::As, 4 << 30),
    (Resource::Fsize, 16 << 20),
    (Resource::Nofile, 256),
    (Resource::Cpu, 300),
];

/// Processes of one plugin, where it has a user of its own.
const MOST_PROCESSES: u64 = 64;

/// Whom the plugin will run as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Identity {
    /// As who runs hoststate.
    Same,
    /// As a user of its own, if there is one to be had.
    Own(u32),
}

/// Enters the namespaces of a plugin that reads the host below `root`. Returns what is not possible here.
pub(super) fn enter(keep_root: bool, root: &Path) -> (Identity, Vec<Lack>) {
    let mut lacks = Vec::new();
    let is_root = rustix::process::geteuid().is_root();
    if !is_root {
        lacks.extend(own_users().is_err().then_some(Lack::User));
    }
    if unshare(UnshareFlags::NEWPID).is_err() {
        lacks.push(Lack::Processes);
        // What loses its parent comes to this process, where hoststate finds it.
        lacks.extend(
            rustix::process::set_child_subreaper(rustix::process::Pid::from_raw(1))
                .is_err()
                .then_some(Lack::Processes),
        );
    }
    // Who runs as root does what root can: it is trusted with the host as it is.
    if !(keep_root && is_root)
        && unshare(UnshareFlags::NEWNS | UnshareFlags::NEWIPC).and_then(|()| own_mounts(root)).is_err()
    {
        lacks.push(Lack::Mounts);
    }
    lacks.dedup();
    let identity = match is_root && !keep_root {
        true => Identity::Own(FIRST_USER + std::process::id()),
        false => Identity::Same,
    };
    if !has_user(identity) {
        lacks.push(Lack::User);
    }
    (identity, lacks)
}

/// Puts a `/proc` in place that has no process but those of this namespace, in its first process. Returns whether it
/// did: without namespaces it would be the machine's.
pub(super) fn hide_processes(lacks: &[Lack]) -> bool {
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC | MountFlags::RDONLY;
    !lacks.iter().any(|it| matches!(it, Lack::Processes | Lack::Mounts))
        && rustix::mount::mount("proc", "/proc", "proc", flags, None).is_ok()
}

/// Gives up every right that a plugin does not need, in the process that becomes it.
///
/// # Errors
/// When the kernel refuses: a plugin with more rights is not started.
pub(super) fn restrict(identity: Identity) -> io::Result<()> {
    if let Identity::Own(user) = identity {
        set_thread_groups(&[])?;
        let become_user = |id| {
            let (user, group) = (Uid::from_raw(id), Gid::from_raw(id));
            set_thread_res_gid(group, group, group)?;
            set_thread_res_uid(user, user, user)
        };
        // A namespace of users may have no such user: then all plugins are nobody.
        match become_user(user) {
            Ok(()) => limit(Resource::Nproc, MOST_PROCESSES)?,
            Err(_) => become_user(NOBODY)?,
        }
    } else if !rustix::process::geteuid().is_root() {
        // In its own namespace of users it has them all.
        let none = CapabilitySet::empty();
        set_capabilities(None, CapabilitySets { effective: none, permitted: none, inheritable: none })?;
    }
    set_no_new_privs(true)?;
    LIMITS.iter().try_for_each(|(resource, most)| limit(*resource, *most))
}

/// Returns whether there is such a user here.
fn has_user(identity: Identity) -> bool {
    let Identity::Own(user) = identity else { return true };
    #[expect(clippy::disallowed_methods, reason = "the kernel lists the users of this namespace there")]
    let map = std::fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    map.lines().any(|line| {
        let mut numbers = line.split_whitespace().filter_map(|it| it.parse::<u64>().ok());
        let (first, count) = (numbers.next(), numbers.nth(1));
        first.zip(count).is_some_and(|(first, count)| (first..first + count).contains(&user.into()))
    })
}

fn limit(resource: Resource, most: u64) -> io::Result<()> {
    let now = rustix::process::getrlimit(resource);
    let most = now.maximum.map_or(most, |it| it.min(most));
    Ok(rustix::process::setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) })?)
}

#[expect(
    deprecated,
    reason = "no flag here shares file descriptors out of sight: what the other one warns of"
)]
fn unshare(flags: UnshareFlags) -> io::Result<()> {
    Ok(rustix::thread::unshare(flags)?)
}

/// Enters a namespace of users in which this user is who it is, and nobody else is anybody.
#[expect(clippy::disallowed_methods, reason = "the kernel is told there who is who")]
fn own_users() -> io::Result<()> {
    let (user, group) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    unshare(UnshareFlags::NEWUSER)?;
    std::fs::write("/proc/self/setgroups", "deny")?;
    std::fs::write("/proc/self/uid_map", format!("{user} {user} 1"))?;
    std::fs::write("/proc/self/gid_map", format!("{group} {group} 1"))
}

/// Makes the host read-only in this namespace, with empty directories in place of those that everyone shares. A
/// `root` in one of them is there all the same.
fn own_mounts(root: &Path) -> io::Result<()> {
    rustix::mount::mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)?;
    let look = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let kept = rustix::fs::open(root, look, Mode::empty())?;
    read_only()?;
    for shared in SHARED {
        let Ok(opened) = rustix::fs::open(shared, look | OFlags::NOFOLLOW, Mode::empty()) else { continue };
        drop(opened);
        let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
        rustix::mount::mount("tmpfs", shared, "tmpfs", flags, SCRATCH)?;
    }
    if root != Path::new("/") {
        make_way(root)?;
        let source = format!("/proc/self/fd/{}", kept.as_raw_fd());
        rustix::mount::mount_bind_recursive(source, root)?;
        // The tree of the conformance kit is open to everyone, and stays so: who writes there is found out.
        if rustix::fs::fstat(&kept)?.st_mode & 0o1002 == 0o002 {
            let flags = MountFlags::BIND | MountFlags::NOSUID | MountFlags::NODEV;
            rustix::mount::mount_remount(root, flags, "")?;
        }
    }
    Ok(())
}

/// Makes the directories of a path below one that is empty now.
fn make_way(path: &Path) -> io::Result<()> {
    let mut above: Vec<&Path> = path.ancestors().collect();
    above.reverse();
    for directory in above {
        match rustix::fs::mkdir(directory, Mode::from_raw_mode(0o755)) {
            Ok(()) | Err(rustix::io::Errno::EXIST | rustix::io::Errno::ROFS) => {}
            Err(err) => return Err(err.into()),
        }
    }
    Ok(())
}

/// Makes every mount of this namespace read-only: `mount_setattr` does it at once, but only since Linux 5.12.
#[expect(clippy::disallowed_methods, reason = "the kernel lists the mounts of this namespace there")]
fn read_only() -> io::Result<()> {
    for line in std::fs::read("/proc/self/mountinfo")?.split(|it| *it == b'\n') {
        let mut fields = line.split(|it| *it == b' ');
        let (Some(point), Some(options)) = (fields.nth(4), fields.next()) else { continue };
        let point = unescaped(point);
        // What a mount was made with must be said again, or it would be taken away.
        let flags =
            options.split(|it| *it == b',').fold(MountFlags::BIND | MountFlags::RDONLY, |flags, option| {
                flags
                    | match option {
                        b"nosuid" => MountFlags::NOSUID,
                        b"nodev" => MountFlags::NODEV,
                        b"noexec" => MountFlags::NOEXEC,
                        b"noatime" => MountFlags::NOATIME,
                        b"nodiratime" => MountFlags::NODIRATIME,
                        b"relatime" => MountFlags::RELATIME,
                        _ => MountFlags::empty(),
                    }
            });
        match rustix::mount::mount_remount(&point, flags, "") {
            Err(err) if point == Path::new("/") => return Err(err.into()),
            // Another mount hides this one, or its file system cannot be told so (autofs).
            Ok(()) | Err(_) => {}
        }
    }
    Ok(())
}

/// Returns a path as the kernel means it: blanks and the like are written `\040` (fs/proc_namespace.c, `mangle`).
fn unescaped(field: &[u8]) -> PathBuf {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let [byte, after @ ..] = rest {
        let code = after.get(..3).and_then(|it| std::str::from_utf8(it).ok());
        match code.and_then(|it| u8::from_str_radix(it, 8).ok()).filter(|_| *byte == b'\\') {
            Some(code) => {
                bytes.push(code);
                rest = &after[3..];
            }
            None => {
                bytes.push(*byte);
                rest = after;
            }
        }
    }
    PathBuf::from(OsStr::from_bytes(&bytes))
}
