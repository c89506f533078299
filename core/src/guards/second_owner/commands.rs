//! Commands of scripts, units and tables of this host that write a number of virtual functions, or bind a driver.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::foreign_files;
use super::statement::{Card, Statement};
use crate::error::Result;
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
    values: Vec<(String, Vec<String>)>,
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

/// Reads what variables of a script hold: `NAME=value` and `for NAME in a b`.
fn values(text: &str) -> Vec<(String, Vec<String>)> {
    let mut values = Vec::new();
    let plain = |it: &str| it.trim_matches(['"', '\'', ';']).to_owned();
    for part in text.lines().flat_map(|it| it.split(';')).map(str::trim) {
        let part = part.strip_prefix("Environment=").unwrap_or(part).trim_start_matches(['"', '\'']);
        let part = part.rsplit_once(" -c '").map_or(part, |it| it.1);
        let words: Vec<&str> = part.split_whitespace().collect();
        if let ["for", name, "in", listed @ ..] = words.as_slice() {
            values.push(((*name).to_owned(), listed.iter().map(|it| plain(it)).collect()));
        } else if let Some((name, value)) = part.split_once('=')
            && name.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'_')
            && !name.is_empty()
        {
            values.push((name.to_owned(), plain(value).split_whitespace().map(plain).collect()));
        }
    }
    values
}

/// Returns the values of a word; `None` where a variable in it is not told.
fn expanded(word: &str, values: &[(String, Vec<String>)]) -> Option<Vec<String>> {
    let Some((before, rest)) = word.split_once('$') else { return Some(vec![word.to_owned()]) };
    let rest = rest.trim_start_matches('{');
    let end = rest.find(|it: char| !it.is_ascii_alphanumeric() && it != '_').unwrap_or(rest.len());
    let (name, after) = rest.split_at(end);
    let after = after.trim_start_matches('}');
    let known: Vec<&String> = values.iter().filter(|it| it.0 == name).flat_map(|it| &it.1).collect();
    if known.is_empty() || known.iter().any(|it| it.contains(['$', '`', '('])) {
        return None;
    }
    let all = known.iter().map(|it| expanded(&format!("{before}{it}{after}"), values));
    all.collect::<Option<Vec<_>>>().map(|it| it.concat())
}

/// Reads whom a word means: `/sys/class/net/eth0/device/`, `/sys/bus/pci/devices/0000:3b:00.0/`, an address.
fn target(word: &str, values: &[(String, Vec<String>)]) -> Target {
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

/// Reads the number that a line writes: `echo 4 > …`, `echo 4 | tee …`, `… = 4`, `w … - - - - 4`.
pub(super) fn number(before: &str, after: &str, values: &[(String, Vec<String>)]) -> Option<String> {
    let plain = |it: &str| it.trim_matches(['"', '\'']).to_owned();
    let words: Vec<&str> = before.split_whitespace().collect();
    let echo =
        words.iter().rposition(|it| plain(it) == "echo" || it.ends_with("/echo") || plain(it) == "printf");
    let word = match echo {
        Some(at) => words[at + 1..].iter().map(|it| plain(it)).find(|it| !it.starts_with('-')),
        None => {
            let rest = after.trim_start().trim_start_matches(['"', '\'']).trim_start();
            match rest.strip_prefix('=') {
                Some(value) => Some(plain(value.trim())),
                None => rest.split_whitespace().last().map(plain),
            }
        }
    };
    let word = word?;
    let word = word.split(['>', '|']).next().unwrap_or(&word).to_owned();
    let known = expanded(&word, values)?;
    let [one] = known.as_slice() else { return None };
    let one = one.trim_end_matches("\\n");
    one.parse::<u16>().ok().map(|it| it.to_string())
}

/// Reads a command that binds: the driver, and whom it means.
pub(super) fn binding(line: &str) -> Option<(String, Vec<String>)> {
    let plain = |it: &str| it.trim_matches(['"', '\'', ';', ',']).to_owned();
    let words: Vec<String> =
        line.split([' ', '\t', '=', ';']).filter(|it| !it.is_empty()).map(plain).collect();
    let at = |name: &str| words.iter().position(|it| it.rsplit('/').next() == Some(name));
    if let Some(start) = at("dpdk-devbind.py").or_else(|| at("dpdk-devbind")) {
        let words = &words[start + 1..];
        let bind = words.iter().position(|it| it == "-b" || it == "--bind")?;
        let driver = words.get(bind + 1)?.clone();
        let all = words.iter().enumerate().filter(|(index, it)| *index != bind + 1 && !it.starts_with('-'));
        return Some((driver, all.map(|it| it.1.clone()).collect()));
    }
    if let Some(start) = at("driverctl") {
        let set = words.iter().skip(start).position(|it| it == "set-override")? + start;
        return Some((words.get(set + 2)?.clone(), vec![words.get(set + 1)?.clone()]));
    }
    let echo = words.iter().rposition(|it| it == "echo" || it.ends_with("/echo"))?;
    let mut written = words[echo + 1..].iter().filter(|it| !it.starts_with('-'));
    let value = written.next()?.split('>').next().unwrap_or_default().to_owned();
    let path =
        words[echo + 1..].iter().map(|it| it.trim_start_matches('>')).find(|it| it.contains("/sys"))?;
    let path = &path[path.find("/sys")?..];
    if let Some(device) = path.strip_suffix("/driver_override") {
        return Some((value, vec![device.to_owned()]));
    }
    let driver = path.strip_suffix("/bind")?.strip_prefix("/sys/bus/pci/drivers/")?;
    Some((driver.to_owned(), vec![value]))
}

#[cfg(test)]
mod tests {
    use super::{Target, binding, number, target, values};

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

    #[test]
    fn a_line_says_the_number_that_it_writes() {
        let written = |line: &str| {
            let (before, after) = line.split_once("sriov_numvfs").unwrap();
            number(before, after, &values("N=7\n"))
        };
        assert_eq!(written("echo 4 > /sys/x/sriov_numvfs").as_deref(), Some("4"));
        assert_eq!(written("ExecStart=/bin/sh -c 'echo 4 >/sys/x/sriov_numvfs'").as_deref(), Some("4"));
        assert_eq!(
            written("ExecStart=/bin/sh -c '/usr/bin/echo \"$N\" > /sys/x/sriov_numvfs'").as_deref(),
            Some("7")
        );
        assert_eq!(written("echo 4 | tee /sys/x/sriov_numvfs").as_deref(), Some("4"));
        assert_eq!(written("class/net/eth0/device/sriov_numvfs = 8").as_deref(), Some("8"));
        assert_eq!(written("w /sys/x/sriov_numvfs - - - - 5").as_deref(), Some("5"));
        assert_eq!(written("echo $M > /sys/x/sriov_numvfs"), None);
    }

    #[test]
    fn a_line_says_the_driver_that_it_binds() {
        let of = |line: &str| binding(line).map(|(driver, whom)| format!("{driver}: {}", whom.join(" ")));
        assert_eq!(
            of("ExecStart=/usr/bin/dpdk-devbind.py -b vfio-pci 0000:3b:00.0 3b:00.1").as_deref(),
            Some("vfio-pci: 0000:3b:00.0 3b:00.1")
        );
        assert_eq!(of("dpdk-devbind --bind=igb_uio eth0").as_deref(), Some("igb_uio: eth0"));
        assert_eq!(
            of("driverctl --nosave set-override 0000:3b:00.0 vfio-pci").as_deref(),
            Some("vfio-pci: 0000:3b:00.0")
        );
        let path = "/sys/bus/pci/devices/0000:3b:00.0";
        let shown = format!("vfio-pci: {path}");
        assert_eq!(of(&format!("echo vfio-pci > {path}/driver_override")).as_deref(), Some(shown.as_str()));
        assert_eq!(
            of("sh -c 'echo 0000:3b:00.0 > /sys/bus/pci/drivers/vfio-pci/bind'").as_deref(),
            Some("vfio-pci: 0000:3b:00.0")
        );
        assert_eq!(of("dpdk-devbind.py --status"), None);
    }
}
