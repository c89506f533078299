//! Scripts that units of systemd of a host run, and its own one of the boot: they bind what they like.

use std::collections::BTreeSet;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use hoststate_abi::host_view::HostView;

use super::scripts;
use crate::error::Result;

/// Directories of units, the strongest first (systemd.unit(5)).
pub(super) const UNITS: [&str; 4] =
    ["/etc/systemd/system", "/run/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system"];

/// Scripts that run at the end of the boot, where they may be run.
const LOCAL: [&str; 2] = ["/etc/rc.local", "/etc/rc.d/rc.local"];

/// Texts that run at boot together: a unit, the scripts that it starts, and the files that these read below /etc; each
/// with its path. Lines that nothing runs are empty, so that a line is found where it stands.
pub(crate) type Bundle = Vec<(String, String)>;

/// Returns what units of this host and its own script of the boot run, where that moves functions.
pub(super) fn scripts_of_root(host: &HostView) -> Result<Vec<Bundle>> {
    let mut found = run_at_boot(host)?;
    found.retain(|it| it.iter().any(|it| scripts::is_moving(&it.0)));
    Ok(found)
}

/// Returns what units that an administrator wrote and enabled, and the host's own script of the boot, run.
///
/// # Errors
/// When a directory or file of these exists and cannot be read.
pub(crate) fn run_at_boot(host: &HostView) -> Result<Vec<Bundle>> {
    let mut found = Vec::new();
    let directory = Path::new(UNITS[0]);
    for name in wanted(host)? {
        let (path, instance) = match name.split_once('@').and_then(|(template, rest)| {
            let (instance, kind) = rest.rsplit_once('.')?;
            Some((directory.join(format!("{template}@.{kind}")), instance))
        }) {
            Some((template, instance)) if !host.exists(&directory.join(&name))? => (template, instance),
            _ => (directory.join(&name), ""),
        };
        // What is wanted may be no file of this directory, or a directory of what it wants itself.
        if !host.exists(&path)? || host.is_dir(&path)? {
            continue;
        }
        let text = host.read_lossy(&path)?.unwrap_or_default();
        let counts = |it: &&str| ["Exec", "Environment"].iter().any(|key| it.trim_start().starts_with(key));
        let lines =
            text.lines().map(|it| if counts(&it) { of_instance(it, instance) } else { String::new() });
        let lines: String = lines.map(|it| it + "\n").collect();
        found.push(bundle(host, lines, path)?);
    }
    for path in LOCAL.map(Path::new) {
        if let Some((text, _)) = script(host, path)? {
            found.push(bundle(host, text, path.to_owned())?);
        }
    }
    Ok(found)
}

/// Puts the instance of a template into a line of it (systemd.unit(5), SPECIFIERS).
fn of_instance(line: &str, instance: &str) -> String {
    if instance.is_empty() || !line.contains('%') {
        return line.to_owned();
    }
    let plain = unescaped(instance);
    let line = line.replace("%i", instance).replace("%I", &plain);
    line.replace("%f", &format!("/{}", plain.trim_start_matches('/')))
}

/// Undoes what systemd-escape(1) does: `-` is a slash, `\x2d` the character of that number.
fn unescaped(instance: &str) -> String {
    let slashes = instance.replace('-', "/");
    let mut parts = slashes.split("\\x");
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let number = part.get(..2).and_then(|it| u8::from_str_radix(it, 16).ok());
        match number {
            Some(byte) => {
                plain.push(char::from(byte));
                plain.push_str(&part[2..]);
            }
            None => plain.push_str(part),
        }
    }
    plain
}

/// Returns a text with the scripts and settings that it names, and those that they name.
fn bundle(host: &HostView, text: String, path: PathBuf) -> Result<Bundle> {
    let mut bundle = vec![(text, path.display().to_string())];
    let mut seen = BTreeSet::from([path]);
    let mut at = 0;
    while let Some((text, _)) = bundle.get(at).cloned() {
        at += 1;
        for word in text.split(|it: char| it.is_whitespace() || "=\"';&|<>()".contains(it)) {
            let named = PathBuf::from(word.trim_start_matches(['-', '@', '+', '!', ':']));
            let is_own = named.starts_with("/etc") && named.extension().is_none_or(|it| it != "service");
            if !named.is_absolute() || named.starts_with("/sys") || !seen.insert(named.clone()) {
                continue;
            }
            bundle.extend(if is_own { small(host, &named)? } else { script(host, &named)? });
        }
    }
    Ok(bundle)
}

/// Returns the units that the boot starts, by the links that `systemctl enable` makes.
fn wanted(host: &HostView) -> Result<BTreeSet<String>> {
    let mut wanted = BTreeSet::new();
    for directory in UNITS.map(Path::new) {
        for name in
            host.list(directory)?.into_iter().filter(|it| it.ends_with(".wants") || it.ends_with(".requires"))
        {
            wanted.extend(host.list(&directory.join(name))?);
        }
    }
    Ok(wanted)
}

/// Returns the text of a program that is a script.
pub(super) fn script(host: &HostView, path: &Path) -> Result<Option<(String, String)>> {
    Ok(small(host, path)?.filter(|it| it.0.starts_with("#!")))
}

/// Returns the text of a file that somebody may have written for a device. What a text names may be anything: a device, a
/// pipe, a pattern, a name that is too long; none of these is a script.
fn small(host: &HostView, path: &Path) -> Result<Option<(String, String)>> {
    /// Longer ones are programs.
    const MOST: u64 = 64 << 10;
    /// Where no files of a disk are.
    const OTHERS: [&str; 3] = ["/dev", "/proc", "/sys"];
    let is_text = || -> io::Result<bool> {
        Ok(!host.is_dir(path)? && host.status(path)?.is_some_and(|it| it.size <= MOST))
    };
    let named = path.as_os_str().as_bytes();
    if named.contains(&0) || OTHERS.iter().any(|it| path.starts_with(it)) || !is_text().unwrap_or(false) {
        return Ok(None);
    }
    match host.read_lossy(path) {
        Ok(text) => Ok(text.map(|it| (it, path.display().to_string()))),
        Err(err) if err.kind() == io::ErrorKind::InvalidInput => Ok(None),
        Err(err) => Err(err.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::of_instance;

    #[test]
    fn an_instance_stands_where_its_template_says() {
        assert_eq!(of_instance("ExecStart=x %i %I", "ens1f0"), "ExecStart=x ens1f0 ens1f0");
        assert_eq!(
            of_instance("ExecStart=x %i %I", r"0000:3b:00.0\x2dvf"),
            r"ExecStart=x 0000:3b:00.0\x2dvf 0000:3b:00.0-vf"
        );
        assert_eq!(of_instance("ExecStart=x %f", "sys-bus"), "ExecStart=x /sys/bus");
    }
}
