//! Commands of scripts, units and tables of this host that write a number of virtual functions, or bind a driver.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::foreign_files;
use super::statement::{Card, Statement};
use crate::error::Result;
use crate::formats::attribute_writes::{Values, binding, expanded, number, values};
use crate::formats::fnmatch;
use crate::machine::pci_bus::PciDevice;
use crate::next_boot::fate::units;
use crate::plan::scene::Scene;

/// Files, and directories of files, in which people write to the attribute at boot, or when an interface comes.
const FILES: [&str; 5] =
    ["/etc/rc.local", "/etc/rc.d/rc.local", "/etc/sysfs.conf", "/etc/crontab", "/sbin/ifup-local"];
const DIRECTORIES: [&str; 16] = [
    "/etc/sysfs.d",
    "/etc/tmpfiles.d",
    "/etc/systemd/system",
    "/etc/network/interfaces.d",
    "/etc/network/if-pre-up.d",
    "/etc/network/if-up.d",
    "/etc/network",
    "/etc/NetworkManager/dispatcher.d",
    "/etc/NetworkManager/dispatcher.d/pre-up.d",
    "/etc/networkd-dispatcher/carrier.d",
    "/etc/networkd-dispatcher/configured.d",
    "/etc/networkd-dispatcher/routable.d",
    "/etc/local.d",
    "/etc/cron.d",
    "/var/spool/cron",
    "/var/spool/cron/crontabs",
];

/// A command line, and the text that it stands in.
struct Command {
    line: String,
    /// Names that the text gives to variables, with their values.
    values: Values,
    evidence: String,
}

/// Whom a command means, as a word of it says.
enum Target {
    /// One of these names, addresses or patterns.
    Named(Vec<String>),
    /// Whatever a variable holds.
    Unknown,
}

/// Returns the commands that write the attribute.
pub(super) fn counts(scene: Scene<'_>) -> Result<Vec<Statement>> {
    let mut statements = Vec::new();
    for command in commands(scene, &|it| it.contains("sriov_numvfs"))? {
        let line = &command.line;
        let Some((before, after)) = line.split_once("sriov_numvfs") else { continue };
        let word = before.rsplit(char::is_whitespace).next().unwrap_or(before);
        let target = target(word, &command.values);
        let sets = number(before, after, &command.values);
        let evidence = command.evidence;
        statements.push(Statement {
            who: "a script or unit of this host",
            // Whose it is must be known as well.
            sets: sets.filter(|_| matches!(target, Target::Named(_))),
            evidence,
            is_invitation: false,
            is_of: Box::new(move |card| means(&target, card)),
        });
    }
    Ok(statements)
}

/// Returns the commands that bind a driver, or name one in `driver_override`.
pub(super) fn drivers(scene: Scene<'_>) -> Result<Vec<Statement>> {
    let mut statements = Vec::new();
    let binds = |it: &str| {
        ["dpdk-devbind", "driverctl", "driver_override", "/bind"].iter().any(|part| it.contains(part))
    };
    for command in commands(scene, &binds)? {
        let Some((driver, targets)) = binding(&command.line) else { continue };
        let named = |it: &String| match target(it, &command.values) {
            Target::Named(names) => names,
            Target::Unknown => vec!["*".to_owned()],
        };
        let names: Vec<String> = targets.iter().flat_map(named).collect();
        let is_known = !names.iter().any(|it| it == "*") && !driver.contains('$');
        let target = Target::Named(names);
        statements.push(Statement {
            who: "a script or unit of this host",
            sets: Some(driver).filter(|_| is_known),
            evidence: command.evidence,
            is_invitation: false,
            is_of: Box::new(move |card| means(&target, card)),
        });
    }
    Ok(statements)
}

/// Returns what makes the virtual functions of a card of NVIDIA; its driver supports no other way (NVIDIA, Virtual GPU
/// Software User Guide).
pub(super) fn of_nvidia(scene: Scene<'_>, device: &PciDevice) -> Result<Option<Statement>> {
    const NVIDIA: u32 = 0x10de;
    const MANAGE: &str = "sriov-manage";
    const MANAGERS: [&str; 2] = ["/usr/lib/nvidia/sriov-manage", "/usr/bin/sriov-manage"];
    if device.id.vendor != NVIDIA {
        return Ok(None);
    }
    let address = device.address.to_string();
    let is_its =
        |it: &str| it.eq_ignore_ascii_case("all") || it.eq_ignore_ascii_case(&address) || it.contains('$');
    let of = |evidence| Statement {
        who: "NVIDIA's sriov-manage",
        sets: None,
        evidence,
        is_invitation: false,
        is_of: Box::new(|_| true),
    };
    for command in commands(scene, &|it| it.contains(MANAGE))? {
        let arguments = command.line.split_once(MANAGE).map_or("", |it| it.1);
        if arguments.split_whitespace().any(is_its) {
            return Ok(Some(of(command.evidence)));
        }
    }
    for path in MANAGERS.iter().filter(|_| device.driver.as_deref() == Some("nvidia")) {
        if scene.after.exists(Path::new(path))? {
            return Ok(Some(of(format!("{path} is there, and the driver is nvidia"))));
        }
    }
    Ok(None)
}

/// Returns the lines of scripts, tables and units that are of interest, comments aside. What units run is read as they
/// run it: with the instance of a template, and with the scripts that they start.
fn commands(scene: Scene<'_>, is_wanted: &dyn Fn(&str) -> bool) -> Result<Vec<Command>> {
    let mut texts: Vec<(String, String)> = Vec::new();
    let mut seen = BTreeSet::new();
    for (text, path) in units::run_at_boot(scene.after)?.into_iter().flatten() {
        // A template is there once for each instance.
        if !path.contains("hoststate") && !texts.iter().any(|it| it.1 == path && it.0 == text) {
            seen.insert(PathBuf::from(&path));
            texts.push((text, path));
        }
    }
    let mut files: Vec<PathBuf> = FILES.iter().map(PathBuf::from).collect();
    for directory in DIRECTORIES {
        files.extend(foreign_files(scene, &[directory], "")?);
    }
    for path in files {
        // The instances of a template are known where it is enabled.
        let is_template = path.file_stem().is_some_and(|it| it.to_string_lossy().ends_with('@'));
        if is_template || seen.contains(&path) || scene.after.is_dir(&path)? {
            continue;
        }
        // Whatever lies there need not be text.
        let text = scene.after.read_bytes(&path)?.unwrap_or_default();
        texts.push((String::from_utf8_lossy(&text).into_owned(), path.display().to_string()));
    }
    let mut commands = Vec::new();
    for (text, path) in texts {
        for (index, line) in text.lines().enumerate() {
            if is_wanted(line) && !line.trim_start().starts_with(['#', ';']) {
                let evidence = format!("{path}:{}: {}", index + 1, line.trim());
                commands.push(Command { line: line.to_owned(), values: values(&text), evidence });
            }
        }
    }
    Ok(commands)
}

/// Reads whom a word means: `/sys/class/net/eth0/device/`, `/sys/bus/pci/devices/0000:3b:00.0/`, an address.
fn target(word: &str, values: &Values) -> Target {
    let word = word.trim_start_matches(['>', '"', '\'', '=']).trim_end_matches(['"', '\'', ';']);
    let Some(words) = expanded(word, values) else { return Target::Unknown };
    let named = words.iter().map(|it| {
        let place = it.trim_end_matches('/').trim_end_matches("/device");
        place.rsplit('/').next().unwrap_or(place).to_owned()
    });
    let named: Vec<String> = named.collect();
    // `%k` of a rule, `*` alone.
    if named.iter().any(|it| it.contains('%') || it.is_empty()) {
        return Target::Unknown;
    }
    Target::Named(named)
}

fn means(target: &Target, card: &Card<'_>) -> bool {
    let address = card.device.address.to_string();
    match target {
        Target::Unknown => true,
        Target::Named(names) => {
            names.iter().any(|it| card.is_at(it) || card.is_named(it) || fnmatch::matches(it, &address))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Target, target};
    use crate::formats::attribute_writes::values;

    fn named(word: &str, text: &str) -> String {
        match target(word, &values(text)) {
            Target::Named(names) => names.join(" "),
            Target::Unknown => "?".to_owned(),
        }
    }

    #[test]
    fn a_word_says_whom_a_command_means() {
        assert_eq!(named("/sys/class/net/eth0/device/", ""), "eth0");
        assert_eq!(named(">/sys/bus/pci/devices/0000:3b:00.0/", ""), "0000:3b:00.0");
        assert_eq!(named("/sys/class/net/$i/device/", "for i in a b; do x; done"), "a b");
        assert_eq!(named("/sys/class/net/${PF}/device/", "PF=\"ens1\"\n"), "ens1");
        assert_eq!(named("/sys/class/net/$PF/device/", "PF=$(ls)\n"), "?");
        assert_eq!(named("/sys/class/net/$1/device/", ""), "?");
        assert_eq!(named("class/net/eth0/device/", ""), "eth0");
    }
}
