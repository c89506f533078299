//! Where a host finds hoststate when it boots: what its boot rules run.

use std::path::{Path, PathBuf};

use hoststate_abi::host_view::HostView;

use crate::error::Result;
use crate::machine::trust;

/// Where packages and people put it, the first one where packages do.
const PLACES: [&str; 4] =
    ["/usr/bin/hoststate", "/usr/local/bin/hoststate", "/usr/sbin/hoststate", "/usr/local/sbin/hoststate"];

/// What every system has that can boot, and no captured host.
const PROGRAMS: [&str; 2] = ["/bin/sh", "/usr/bin/env"];

/// Returns the program that boot rules of the host run: on the machine itself the one that runs now, if root believes it
/// and it is there when udev starts; in a tree the one that is installed in it, or where a package would put it.
///
/// # Errors
/// When the host cannot be searched.
pub fn path(host: &HostView) -> Result<PathBuf> {
    let found = host.derived_once(|host| -> Result<PathBuf> {
        if host.root() == Path::new("/")
            && let Some(running) = running(host)?
        {
            return Ok(running);
        }
        for place in PLACES.map(Path::new) {
            if host.exists(place)? {
                return Ok(place.to_owned());
            }
        }
        Ok(PLACES[0].into())
    })?;
    Ok((*found).clone())
}

/// Returns whether a host surely lacks a program: a captured host shows none at all, and nothing can be said of it.
///
/// # Errors
/// When the host cannot be searched.
pub fn is_missing(host: &HostView, program: &Path) -> Result<bool> {
    if host.exists(program)? {
        return Ok(false);
    }
    for program in PROGRAMS.map(Path::new) {
        if host.exists(program)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Returns the program that runs now as it may stand in a rule.
fn running(host: &HostView) -> Result<Option<PathBuf>> {
    let Some(running) = host.link_target(Path::new("/proc/self/exe"))? else { return Ok(None) };
    // A package may keep it elsewhere and link to it.
    for place in PLACES.map(Path::new) {
        if host.exists(place)? && host.resolve(place)? == running {
            return Ok(Some(place.to_owned()));
        }
    }
    // udev splits a command at blanks and expands `$` and `%`.
    let is_plain = |it: &u8| it.is_ascii_alphanumeric() || b"/-_.+".contains(it);
    let text = running.to_str().filter(|it| it.as_bytes().iter().all(is_plain));
    let is_good = text.is_some() && is_early(&running) && trust::require_own(&running).is_ok();
    Ok(is_good.then_some(running))
}

/// Returns whether a file is on a file system that is mounted before udev sees devices: that of the root or of /usr.
fn is_early(path: &Path) -> bool {
    let device = |path: &Path| rustix::fs::stat(path).ok().map(|it| it.st_dev);
    let of_it = device(path);
    of_it.is_some() && ["/", "/usr"].iter().any(|it| device(Path::new(it)) == of_it)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use hoststate_testkit::tree::Tree;

    use super::{is_missing, path};

    #[test]
    fn a_tree_has_the_program_that_is_installed_in_it() {
        for (files, expected, lacks_it) in [
            (&["/usr/bin/env", "/usr/local/bin/hoststate"][..], "/usr/local/bin/hoststate", false),
            (&["/usr/local/bin/hoststate", "/usr/bin/hoststate"], "/usr/bin/hoststate", false),
            (&["/bin/sh"], "/usr/bin/hoststate", true),
            // A captured host shows no programs.
            (&["/etc/os-release"], "/usr/bin/hoststate", false),
        ] {
            let tree = Tree::new(&[]);
            files.iter().for_each(|it| tree.write(it, ""));
            assert_eq!(path(&tree.view()).unwrap(), Path::new(expected), "{files:?}");
            assert_eq!(is_missing(&tree.view(), Path::new(expected)).unwrap(), lacks_it, "{files:?}");
        }
    }
}
