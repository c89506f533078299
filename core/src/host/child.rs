//! What hoststate does in children of itself: one write to an attribute, and a tool inside another root.

#![expect(clippy::disallowed_methods, reason = "this is where processes start")]

use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use hoststate_abi::host_view::HostView;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::{MountFlags, MountPropagationFlags};

/// Writes `value` to the attribute `path` with one open(2) and one write(2).
///
/// Nothing is created or cut: a kernel attribute is there, or its driver is not.
///
/// # Errors
/// The kernel's errno; EIO when it took a part of the value only.
pub fn write_attribute(path: &Path, value: &str) -> Result<(), Errno> {
    let file = rustix::fs::open(path, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())?;
    let written = rustix::io::write(&file, value.as_bytes())?;
    if written == value.len() { Ok(()) } else { Err(Errno::IO) }
}

/// Becomes `argv` with `root` as its `/`. Returns only when that failed, with the reason.
///
/// Where this process may have a mount namespace of its own, the tool finds `/proc`, `/sys` (read-only) and the
/// machine's `/dev`, unless the tree has its own; the mounts end with the process. Where it may not, nothing is
/// mounted, because that would stay behind.
pub fn enter_root(root: &Path, argv: &[String]) -> io::Error {
    let Some((program, arguments)) = argv.split_first() else {
        return io::Error::new(io::ErrorKind::InvalidInput, "no program is named");
    };
    match prepare(root) {
        Ok(()) => Command::new(program).args(arguments).exec(),
        Err(err) => err,
    }
}

fn prepare(root: &Path) -> io::Result<()> {
    let root = std::path::absolute(root)?;
    if own_mount_namespace()? {
        mount_kernel_file_systems(&root)?;
    }
    rustix::process::chroot(&root)?;
    rustix::process::chdir("/")?;
    Ok(())
}

/// Returns whether this process now has mounts that no other process sees.
fn own_mount_namespace() -> io::Result<bool> {
    #[expect(
        deprecated,
        reason = "NEWNS shares no file descriptors out of sight: what the other one warns of"
    )]
    let unshared = rustix::thread::unshare(rustix::thread::UnshareFlags::NEWNS);
    match unshared {
        Ok(()) => {}
        Err(Errno::PERM | Errno::NOSYS | Errno::INVAL) => return Ok(false),
        Err(err) => return Err(err.into()),
    }
    // Most distributions share mounts between namespaces, so what is mounted here would appear outside.
    let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    match rustix::mount::mount_change("/", private) {
        Ok(()) => Ok(true),
        // `/` is no mount point for who is already inside a chroot.
        Err(Errno::PERM | Errno::ACCESS | Errno::INVAL) => Ok(false),
        Err(err) => Err(err.into()),
    }
}

fn mount_kernel_file_systems(root: &Path) -> io::Result<()> {
    let safe = MountFlags::NOSUID | MountFlags::NOEXEC | MountFlags::NODEV;
    if let Some(target) = empty_directory(root, "/proc")? {
        permitted(rustix::mount::mount("proc", &target, "proc", safe, None))?;
    }
    if let Some(target) = empty_directory(root, "/sys")? {
        permitted(rustix::mount::mount("sysfs", &target, "sysfs", safe | MountFlags::RDONLY, None))?;
    }
    if let Some(target) = empty_directory(root, "/dev")? {
        permitted(rustix::mount::mount_bind_recursive("/dev", &target))?;
    }
    if let Some(target) = empty_directory(root, "/run")? {
        permitted(rustix::mount::mount(
            "tmpfs",
            &target,
            "tmpfs",
            MountFlags::NOSUID | MountFlags::NODEV,
            None,
        ))?;
    }
    Ok(())
}

/// Returns where `path` lies below `root` if it is a directory, not a link, with nothing in it.
fn empty_directory(root: &Path, path: &str) -> io::Result<Option<PathBuf>> {
    let view = HostView::new(root);
    let path = Path::new(path);
    let is_plain = view.link_target(path)?.is_none() && view.is_dir(path)?;
    Ok((is_plain && view.list(path)?.is_empty()).then(|| view.below_root(path)))
}

/// Many containers may chroot but not mount; a tool that can do without then still runs.
fn permitted(result: rustix::io::Result<()>) -> io::Result<()> {
    match result {
        Ok(()) | Err(Errno::PERM | Errno::ACCESS | Errno::NODEV) => Ok(()),
        Err(err) => Err(err.into()),
    }
}
