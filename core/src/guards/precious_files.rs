//! `precious-file`: a file is emptied, removed or written that no plan should touch unasked, whoever proposes it.

use std::collections::HashSet;
use std::path::Path;

use hoststate_abi::step::Step;

use crate::error::Result;
use crate::formats::fnmatch;
use crate::plan::planned::Change;
use crate::plan::scene::{Hazard, Scene, Severity};

const NAME: &str = "precious-file";

/// What the boot loader reads; a `*` is anything.
const BOOT_CONFIGURATION: [&str; 12] = [
    "/etc/default/grub",
    "/etc/kernel/cmdline",
    "/etc/grub.conf",
    "/etc/grub2*.cfg",
    "/boot/*/grub.cfg",
    "/boot/*/grub.conf",
    "/boot/*/menu.lst",
    "/boot/*/grubenv",
    "/boot/*/loader.conf",
    "/boot/loader/entries/*",
    "/efi/*.c*",
    "/boot/efi/*.c*",
];

/// Where kernels, images and what loads them lie.
const BOOT_FILES: [&str; 4] = ["/boot/*", "/efi/*", "/lib/modules/*/vmlinuz", "/usr/lib/modules/*/vmlinuz"];

/// Files that decide more than the subject of hoststate, and what they decide.
const OTHERS: [(&str, &str); 30] = [
    ("/etc/fstab", "what is mounted at boot"),
    ("/etc/crypttab", "what is unlocked at boot"),
    ("/etc/sudoers", "who may become root"),
    ("/etc/sudoers.d/*", "who may become root"),
    ("/etc/polkit-1/*", "who may become root"),
    ("/etc/doas.conf", "who may become root"),
    ("/etc/passwd*", "who may log in"),
    ("/etc/shadow*", "who may log in"),
    ("/etc/group*", "who may log in"),
    ("/etc/gshadow*", "who may log in"),
    ("/etc/pam.d/*", "who may log in"),
    ("/etc/pam.conf", "who may log in"),
    ("/etc/security/*", "who may log in"),
    ("/etc/nsswitch.conf", "who may log in"),
    ("/root/.ssh/*", "who may log in"),
    ("/home/*/.ssh/*", "who may log in"),
    ("*/authorized_keys*", "who may log in"),
    ("/etc/ssh/*", "who may log in"),
    ("/etc/crontab", "what root runs on a schedule"),
    ("/etc/anacrontab", "what root runs on a schedule"),
    ("/etc/cron.*", "what root runs on a schedule"),
    ("/var/spool/cron*", "what root runs on a schedule"),
    ("/var/spool/at*", "what root runs on a schedule"),
    ("/etc/ld.so.preload", "what every program loads"),
    ("/etc/ld.so.conf*", "what every program loads"),
    ("/etc/environment", "what every program loads"),
    ("/etc/profile*", "what every shell runs"),
    ("/etc/bash*", "what every shell runs"),
    ("/root/.*", "what root's shell runs"),
    ("/etc/rc.local", "what is run at boot"),
];

/// Files that are run, which hoststate writes itself and no type of somebody else should.
const RUN: [(&str, &str); 19] = [
    ("/etc/systemd/*", "a unit that systemd may start at boot"),
    ("/run/systemd/*", "a unit that systemd may start"),
    ("/usr/lib/systemd/*", "a unit that systemd may start at boot"),
    ("/usr/local/lib/systemd/*", "a unit that systemd may start at boot"),
    ("/lib/systemd/*", "a unit that systemd may start at boot"),
    ("/etc/init.d/*", "a script that is run at boot"),
    ("/etc/init/*", "a job that is run at boot"),
    ("/etc/rc*.d/*", "a script that is run at boot"),
    ("/etc/inittab", "what is run at boot"),
    ("/etc/grub.d/*", "a script that makes the boot configuration"),
    ("/etc/kernel/*.d/*", "a script that is run for each new kernel"),
    ("/etc/initramfs-tools/hooks/*", "a script that is run for each image"),
    ("/etc/initramfs-tools/scripts/*", "a script that is run at boot"),
    ("/usr/lib/dracut/modules.d/*", "a script that is run for each image"),
    ("/usr/local/*bin/*", "a program that others run"),
    ("/usr/*bin/*", "a program that others run"),
    ("/bin/*", "a program that others run"),
    ("/sbin/*", "a program that others run"),
    ("/usr/lib*.so*", "a library that others load"),
];

/// Attributes by which the kernel starts programs (Documentation/admin-guide/sysctl/kernel.rst).
const HELPERS: [&str; 6] = [
    "/proc/sys/kernel/core_pattern",
    "/proc/sys/kernel/modprobe",
    "/proc/sys/kernel/hotplug",
    "/proc/sys/kernel/poweroff_cmd",
    "/proc/sys/fs/binfmt_misc/register",
    "/sys/kernel/uevent_helper",
];

/// Finds steps on such files and attributes.
///
/// # Errors
/// When a file cannot be read.
pub fn hazards(scene: Scene<'_>) -> Result<Vec<Hazard>> {
    let mut hazards: Vec<Hazard> = Vec::new();
    // A file is judged as all edits leave it, so many of one type need one look.
    let mut known = HashSet::new();
    for change in scene.changes {
        for step in &change.steps {
            let kind = is_external(change).then_some(&change.resource.kind);
            let is_removed = matches!(step, Step::RemoveFile { .. });
            if step.file().is_some_and(|it| !known.insert((it.as_os_str(), is_removed, kind))) {
                continue;
            }
            let Some(hazard) = of_step(scene, change, step)? else { continue };
            if !hazards.iter().any(|it| it.id == hazard.id) {
                hazards.push(hazard);
            }
        }
    }
    Ok(hazards)
}

fn of_step(scene: Scene<'_>, change: &Change, step: &Step) -> Result<Option<Hazard>> {
    let (given, is_removed) = match step {
        Step::WriteFile { path, .. } | Step::EditFile { path, .. } => (path, false),
        Step::RemoveFile { path } => (path, true),
        Step::WriteAttribute { path, value } => return Ok(of_attribute(change, path, value)),
        Step::Run { .. } => return Ok(None),
    };
    let resolved = scene.after.resolve(given)?;
    let is_any = |patterns: &[&str]| patterns.iter().any(|it| is_match(it, given, &resolved));
    let of = |table: &[(&str, &'static str)]| {
        table.iter().find(|it| is_match(it.0, given, &resolved)).map(|it| it.1)
    };
    let shown = given.display().to_string();
    let (before, after) = (scene.before.read_bytes(given)?, scene.after.read_bytes(given)?);
    if before == after {
        return Ok(None);
    }
    let does = if is_removed { "removes" } else { "writes" };
    let (before, after) = (before.unwrap_or_default(), after.unwrap_or_default());
    let message = if is_any(&BOOT_CONFIGURATION) && boots(&before) && !boots(&after) {
        let how = if is_removed { "removes" } else { "empties" };
        format!("the plan {how} {shown}, which the boot loader reads: the host may not boot again")
    } else if is_any(&BOOT_FILES)
        && !is_any(&BOOT_CONFIGURATION)
        && !before.is_empty()
        && is_loaded(&before, &after)
    {
        format!("the plan {does} {shown}: what the host boots lies there")
    } else if let Some(decides) = of(&OTHERS) {
        format!("the plan {does} {shown}, which says {decides}")
    } else if let Some(what) = of(&RUN).filter(|_| is_external(change)) {
        format!("{} {does} {shown}, {what}", change.resource.kind)
    } else if let Some(line) = starts_programs(&resolved, &before, &after).filter(|_| is_external(change)) {
        format!("{} writes {shown} with a line that starts a program as root: {line}", change.resource.kind)
    } else {
        return Ok(None);
    };
    let content = String::from_utf8_lossy(&after);
    let hazard = Hazard::new(NAME, Severity::Refuse, &[does, &shown, &content], message);
    let mut evidence = vec![format!("{} proposes: {step}", change.resource)];
    if resolved != *given {
        evidence.push(format!("{shown} leads to {}", resolved.display()));
    }
    Ok(Some(hazard.shown_by(evidence)))
}

fn of_attribute(change: &Change, path: &Path, value: &str) -> Option<Hazard> {
    let is_helper = HELPERS.iter().any(|it| path == Path::new(it));
    let is_plain_name = path.ends_with("core_pattern") && !value.trim_start().starts_with('|');
    if !is_helper || is_plain_name {
        return None;
    }
    let shown = path.display().to_string();
    let message = format!("the plan writes {shown}, which says what the kernel runs as root");
    let hazard = Hazard::new(NAME, Severity::Refuse, &["writes", &shown, value], message);
    Some(hazard.shown_by([format!("{} proposes: {value:?}", change.resource)]))
}

fn is_match(pattern: &str, given: &Path, resolved: &Path) -> bool {
    [given, resolved].iter().any(|it| fnmatch::matches(pattern, &it.to_string_lossy()))
}

/// A type of somebody else has the name of its vendor before its own.
fn is_external(change: &Change) -> bool {
    change.resource.kind.contains('.')
}

/// Returns whether a file of the boot loader's says anything; an environment block says so in its first line.
fn boots(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let says = |line: &str| !line.trim().is_empty() && !line.trim_start().starts_with('#');
    text.starts_with("# GRUB Environment Block") || text.lines().any(says)
}

/// Returns whether what was there is gone, or was no text that a plan could have edited.
fn is_loaded(before: &[u8], after: &[u8]) -> bool {
    after.is_empty() || before.contains(&0) || std::str::from_utf8(before).is_err()
}

/// Returns the first new line of a rule or a module's configuration that starts a program. hoststate's own rules do,
/// and they are told by the name of their file.
fn starts_programs(path: &Path, before: &[u8], after: &[u8]) -> Option<String> {
    let directory = path.parent()?.to_string_lossy();
    let is_own = path.file_name()?.to_string_lossy().contains("hoststate");
    let starts = |line: &str| match &*directory {
        "/etc/udev/rules.d" | "/run/udev/rules.d" | "/usr/lib/udev/rules.d" | "/lib/udev/rules.d" => {
            !is_own && ["RUN", "PROGRAM", "IMPORT{program}"].iter().any(|it| line.contains(it))
        }
        "/etc/modprobe.d" | "/run/modprobe.d" | "/usr/lib/modprobe.d" | "/lib/modprobe.d" => {
            let mut words = line.split_whitespace();
            matches!(words.next(), Some("install" | "remove"))
                && !matches!(
                    words.nth(1),
                    Some("/bin/false" | "/bin/true" | "/usr/bin/false" | "/usr/bin/true")
                )
        }
        _ => false,
    };
    let (before, after) = (String::from_utf8_lossy(before), String::from_utf8_lossy(after));
    let before: HashSet<&str> = before.lines().collect();
    let is_new = |line: &&str| !line.trim_start().starts_with('#') && !before.contains(line);
    after.lines().filter(|it| starts(it)).find(is_new).map(str::to_owned)
}
