//! Which kernels are installed, and which one runs.

use std::path::{Path, PathBuf};
use std::rc::Rc;

use hoststate_abi::host_view::HostView;

use crate::error::Result;

/// Returns the releases of the installed kernels, oldest name first, by `/lib/modules` and a kernel image.
///
/// A directory below `/lib/modules` without an image in `/boot` or beside the modules is what a removed kernel
/// left behind, and does not count.
///
/// # Errors
/// When a directory cannot be read.
pub fn installed(host: &HostView) -> Result<Rc<Installed>> {
    host.derived(|host, old| match old {
        Some((known, changed)) if !changed.iter().any(|it| names_kernels(&it.path)) => {
            Ok(Rc::unwrap_or_clone(known))
        }
        _ => Ok(Installed(read_installed(host)?)),
    })
}

/// Releases of the installed kernels.
#[derive(Debug, Clone)]
pub struct Installed(pub Vec<String>);

fn names_kernels(path: &Path) -> bool {
    path.starts_with("/boot") || path.starts_with("/lib/modules") || path.starts_with("/usr/lib/modules")
}

fn read_installed(host: &HostView) -> Result<Vec<String>> {
    let mut releases = Vec::new();
    for release in host.list(Path::new("/lib/modules"))? {
        let beside = modules_directory(&release).join("vmlinuz");
        if host.exists(&PathBuf::from(format!("/boot/vmlinuz-{release}")))? || host.exists(&beside)? {
            releases.push(release);
        }
    }
    Ok(releases)
}

/// Returns the release of the running kernel; `None` for a tree without `/proc`.
///
/// # Errors
/// When `/proc/sys/kernel/osrelease` exists and cannot be read.
pub fn running(host: &HostView) -> Result<Option<String>> {
    Ok(host.attribute(Path::new("/proc/sys/kernel/osrelease"))?)
}

/// Returns whether a release is older than a version of Linux: `2.6.32-754.el6.x86_64` than `(3, 2)`. One that is no
/// number is not.
pub fn is_older(release: &str, than: (u32, u32)) -> bool {
    let mut numbers = release.split(|it: char| !it.is_ascii_digit()).map(str::parse::<u32>);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => (major, minor) < than,
        _ => false,
    }
}

/// Returns the file with the configuration of a kernel, and its text.
///
/// # Errors
/// When it exists and cannot be read.
pub fn config(host: &HostView, release: &str) -> Result<Option<(PathBuf, String)>> {
    let beside = modules_directory(release).join("config");
    for path in [PathBuf::from(format!("/boot/config-{release}")), beside] {
        if let Some(text) = host.read_lossy(&path)? {
            return Ok(Some((path, text)));
        }
    }
    Ok(None)
}

/// Returns whether an option is part of a kernel; `None` where its configuration is not there.
///
/// # Errors
/// As [`config`].
pub fn has_option(host: &HostView, release: &str, option: &str) -> Result<Option<bool>> {
    let line = format!("{option}=y");
    Ok(config(host, release)?.map(|it| it.1.lines().any(|it| it == line)))
}

/// Returns the directory of a kernel's modules.
pub fn modules_directory(release: &str) -> PathBuf {
    Path::new("/lib/modules").join(release)
}

#[cfg(test)]
mod tests {
    use super::is_older;

    #[test]
    fn releases_are_compared_by_their_first_two_numbers() {
        for (release, older) in [
            ("2.6.32-754.el6.x86_64", true),
            ("3.1.10", true),
            ("3.2.0-4-amd64", false),
            ("3.10.0-1160.el7.x86_64", false),
            ("10.0", false),
            ("stock", false),
            ("", false),
        ] {
            assert_eq!(is_older(release, (3, 2)), older, "{release}");
        }
    }
}
