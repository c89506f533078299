//! The machine the beds run on: the tools they need, and the Debian mirror it uses.

use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

use crate::{
    error::{Error, Result},
    files,
    process::Call,
    progress::Progress,
};

/// Programs the beds call, each with the Debian package that brings it.
const TOOLS: [(&str, &str); 19] = [
    ("blkid", "util-linux"),
    ("cc", "gcc"),
    ("chroot", "coreutils"),
    ("cpio", "cpio"),
    ("debugfs", "e2fsprogs"),
    ("ip", "iproute2"),
    ("losetup", "mount"),
    ("mke2fs", "e2fsprogs"),
    ("mknod", "coreutils"),
    ("mmdebstrap", "mmdebstrap"),
    ("mount", "mount"),
    ("python3", "python3"),
    ("setpriv", "util-linux"),
    ("ssh", "openssh-client"),
    ("ssh-keygen", "openssh-client"),
    ("strace", "strace"),
    ("umount", "mount"),
    ("unshare", "util-linux"),
    ("zstd", "zstd"),
];
/// What the fleet is controlled by: the last release for the Python of Debian 12.
const ANSIBLE: &str = "ansible-core==2.19.4";
/// An archive of packages: how it is called, the last directory of its addresses, and the variable that names a mirror of it
/// when the machine's apt sources do not.
struct Kind(&'static str, &'static str, &'static str);
const DEBIAN: Kind = Kind("Debian", "/debian", "HOSTSTATE_DEBIAN_MIRROR");
const UBUNTU: Kind = Kind("Ubuntu", "/ubuntu", "HOSTSTATE_UBUNTU_MIRROR");

/// Fails unless we are root.
pub(crate) fn require_root() -> Result<()> {
    if rustix::process::geteuid().is_root() { Ok(()) } else { Err(Error::NotRoot) }
}

/// Installs the packages of the tools that are missing.
pub(crate) fn install_tools(progress: &Progress) -> Result<()> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let places: Vec<PathBuf> =
        std::env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]).collect();
    let mut packages: Vec<&str> = TOOLS
        .iter()
        .filter(|(tool, _)| !places.iter().any(|it| it.join(tool).exists()))
        .map(|(_, package)| *package)
        .collect();
    packages.sort_unstable();
    packages.dedup();
    if packages.is_empty() { Ok(()) } else { install(&packages, progress) }
}

fn install(packages: &[&str], progress: &Progress) -> Result<()> {
    progress.line(&format!("installing {}", packages.join(", ")));
    Call::new(["apt-get", "-q", "update"]).within(300).succeed()?;
    Call::new(["apt-get", "-q", "-y", "--no-install-recommends", "install"])
        .args(packages)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .within(900)
        .succeed()?;
    Ok(())
}

/// Returns a directory with Ansible (a Python environment), made once for each version of Python.
pub(crate) fn ansible(cache: &Path) -> Result<PathBuf> {
    let progress = Progress::new("ansible");
    let version =
        Call::new(["python3", "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]).succeed()?;
    let place = cache.join(format!("{ANSIBLE}-python{}", version.trim()));
    let lock = files::lock_file(cache.join("ansible.lock"))?;
    flock(&lock, FlockOperation::LockExclusive).map_err(std::io::Error::from)?;
    if place.join("complete").exists() {
        return Ok(place);
    }
    // Debian keeps what `venv` needs in a package of its own.
    if Call::new(["python3", "-c", "import ensurepip, venv"]).finish()?.status != 0 {
        install(&["python3-venv"], &progress)?;
    }
    progress.line(&format!("fetching {ANSIBLE}"));
    files::remove_tree(&place)?;
    Call::new(["python3", "-m", "venv"]).args([&place]).within(300).succeed()?;
    Call::new([place.join("bin/pip")]).args(["-q", "install", ANSIBLE]).within(900).succeed()?;
    files::write(place.join("complete"), "")?;
    Ok(place)
}

/// The address of the Debian mirror that this machine's apt sources name.
pub(crate) fn debian_mirror() -> Result<String> {
    mirror(&DEBIAN)
}

/// The address of the Ubuntu mirror that they name.
pub(crate) fn ubuntu_mirror() -> Result<String> {
    mirror(&UBUNTU)
}

fn mirror(kind: &Kind) -> Result<String> {
    let Kind(name, directory, variable) = *kind;
    if let Ok(mirror) = std::env::var(variable) {
        return Ok(mirror);
    }
    let apt = Path::new("/etc/apt");
    let mut places = vec![apt.join("sources.list")];
    places.extend(files::list(apt.join("sources.list.d"))?);
    for place in places.iter().filter(|it| it.exists()) {
        let text = files::read(place)?;
        let addresses = match place.extension().and_then(|it| it.to_str()) {
            Some("sources") => deb822_addresses(&text),
            Some("list") => list_addresses(&text),
            // apt ignores other names too.
            _ => continue,
        };
        for address in addresses {
            let address = behind_mirror_list(&address)?;
            if is_archive(&address, directory) {
                return Ok(address);
            }
        }
    }
    Err(Error::NoMirror { name, variable, places })
}

/// Addresses of the binary package stanzas of a deb822 file (sources.list(5)).
fn deb822_addresses(text: &str) -> Vec<String> {
    let mut addresses = Vec::new();
    for stanza in text.split("\n\n") {
        let field = |name: &str| {
            stanza
                .lines()
                .filter_map(|line| line.split_once(':'))
                .find(|(key, _)| key.eq_ignore_ascii_case(name))
                .map(|(_, value)| value.trim())
        };
        let binary = field("Types").is_some_and(|it| it.split_whitespace().any(|it| it == "deb"));
        let enabled = field("Enabled").is_none_or(|it| !it.eq_ignore_ascii_case("no"));
        if binary && enabled {
            let words = field("URIs").unwrap_or_default().split_whitespace();
            addresses.extend(words.map(String::from));
        }
    }
    addresses
}

/// Addresses of the one-line entries for binary packages: `deb [options] address suite component…`.
fn list_addresses(text: &str) -> Vec<String> {
    text.lines()
        .filter_map(|line| line.trim().strip_prefix("deb"))
        .filter(|rest| rest.starts_with([' ', '\t']))
        .map(|rest| match rest.trim_start().strip_prefix('[') {
            Some(options) => options.split_once(']').map_or("", |(_, rest)| rest),
            None => rest,
        })
        .filter_map(|rest| rest.split_whitespace().next())
        .map(String::from)
        .collect()
}

/// Debian's cloud images name a file that lists the mirrors; mmdebstrap needs a mirror itself.
fn behind_mirror_list(address: &str) -> Result<String> {
    let Some(path) = address.strip_prefix("mirror+file:") else {
        return Ok(address.into());
    };
    let text = files::read(format!("/{}", path.trim_start_matches('/')))?;
    let first = text.split_whitespace().next().unwrap_or_default();
    Ok(first.into())
}

/// The archive itself ends in `/debian` or `/ubuntu`; the security archive and third parties do not.
fn is_archive(address: &str, directory: &str) -> bool {
    address.trim_end_matches('/').ends_with(directory)
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    fn check(addresses: &[String], expected: Expect) {
        let shown: Vec<String> =
            addresses.iter().map(|it| format!("{it} {}\n", is_archive(it, "/debian"))).collect();
        expected.assert_eq(&shown.concat());
    }

    #[test]
    fn a_deb822_file_names_the_addresses_of_its_enabled_binary_stanzas() {
        let text = "Types: deb\n# a comment\nURIs: http://mirror.example/debian http://b.example/x\nSuites: a\n\n\
                    Types: deb-src\nURIs: http://source.example/debian\n\n\
                    Enabled: no\nTypes: deb\nURIs: http://off.example/debian\n\n\
                    Types: deb deb-src\nURIs: http://mirror.example/debian-security/\n";
        check(
            &deb822_addresses(text),
            expect![[r#"
                http://mirror.example/debian true
                http://b.example/x false
                http://mirror.example/debian-security/ false
            "#]],
        );
    }

    #[test]
    fn a_list_file_names_the_address_behind_the_options() {
        let text = "# deb http://off.example/debian a main\ndeb-src http://s.example/debian a main\n\
                    deb [arch=amd64 signed-by=/k] http://mirror.example/debian/ a main\ndeb\thttp://c.example/c a main\n";
        check(
            &list_addresses(text),
            expect![[r#"
                http://mirror.example/debian/ true
                http://c.example/c false
            "#]],
        );
    }
}
