//! What kernels installed later get: `/etc/kernel/cmdline`, as kernel-install and its scripts read it.
//!
//! 90-loaderentry.install and 20-grub.install take `/etc/kernel/cmdline`, else `/usr/lib/kernel/cmdline`, else that of the
//! running kernel, and 92-tuned.install adds `$tuned_params` to every entry that is made.

use std::path::{Path, PathBuf};

use hoststate_abi::host_view::HostView;
use hoststate_abi::setting::{Place, Remedy, Setting, State};
use hoststate_abi::step::Step;
use hoststate_core::error::Result;
use hoststate_core::formats::kernel_cmdline::{Cmdline, CmdlineEdit, Parameter};
use hoststate_core::machine::facts;

use super::options::{self, refers_to};
use super::{Found, KERNELOPTS, Variables, flat};
use crate::bootloader::default_grub::{DEFAULT_GRUB, Habit, Sources};
use crate::bootloader::grub_text;

/// What `kernel-install` gives to kernels installed later.
const KERNEL_CMDLINE: &str = "/etc/kernel/cmdline";

/// What it takes where the host has no such file.
const VENDOR_CMDLINE: &str = "/usr/lib/kernel/cmdline";

/// The variable that tuned sets.
const TUNED: &str = "tuned_params";

/// The script that puts that variable into the entry of each new kernel.
const TUNED_SCRIPT: &str = "92-tuned.install";

/// Parameters of an entry that is for repair (bootparam(7), kernel-command-line(7), dracut.cmdline(7)).
const REPAIR: [&str; 10] = [
    "single",
    "s",
    "S",
    "1",
    "emergency",
    "rescue",
    "rd.break",
    "init=/bin/sh",
    "systemd.unit=rescue.target",
    "systemd.unit=emergency.target",
];

/// Whether later kernels may have the options of an entry: it boots the system as that usually runs, not to a shell, and
/// not with what somebody looks for faults by.
pub(super) fn is_source(found: &Found) -> bool {
    !Cmdline::parse(&found.options).parameters().any(is_repair) && !found.version().contains("debug")
}

fn is_repair(parameter: &Parameter) -> bool {
    REPAIR.contains(&parameter.raw()) || parameter.raw().contains("debug")
}

/// Returns the options of an entry for later kernels. Where each is for repair or debugging, those by which it is that
/// stay behind.
fn source(newest: &Found) -> String {
    if is_source(newest) {
        return newest.options.clone();
    }
    let mut line = Cmdline::parse(&newest.options);
    let absent = line.parameters().filter(|it| is_repair(it)).cloned().collect();
    line.edit(&CmdlineEdit { absent, ..CmdlineEdit::default() });
    line.to_string()
}

/// Returns the options that the entry of a later kernel will have, and the file of their own that gives them.
pub(super) fn options(host: &HostView, newest: Option<&Found>) -> Result<(String, Option<PathBuf>)> {
    let newest = newest.map(source).unwrap_or_default();
    // RHEL 8 takes `kernelopts` for new kernels and does not know the file.
    if refers_to(&newest, KERNELOPTS) {
        return Ok((newest, None));
    }
    let (text, file) = match host.read(Path::new(KERNEL_CMDLINE))? {
        Some(_) if is_made_anew(host)? => (of_default_grub(host, &newest)?, None),
        Some(text) => (text, Some(KERNEL_CMDLINE)),
        None => match host.read(Path::new(VENDOR_CMDLINE))? {
            Some(text) => (text, Some(VENDOR_CMDLINE)),
            None => (of_running(host)?.unwrap_or(newest), None),
        },
    };
    Ok((format!("{}{}", flat(&text), tuned(host)?), file.map(PathBuf::from)))
}

/// Returns the path of a script of kernel-install: one in /etc hides its namesake.
fn script(host: &HostView, name: &str) -> Result<Option<PathBuf>> {
    for directory in ["/etc/kernel/install.d", "/usr/lib/kernel/install.d"] {
        let path = Path::new(directory).join(name);
        if host.exists(&path)? {
            return Ok(Some(path));
        }
    }
    Ok(None)
}

/// Returns the text of that script.
fn text_of_script(host: &HostView, name: &str) -> Result<Option<String>> {
    Ok(match script(host, name)? {
        Some(path) => host.read_lossy(&path)?,
        None => None,
    })
}

/// Whether the script that adds a kernel makes the line anew first: that of EL 10 does where `/etc/default/grub` was
/// written later.
fn is_made_anew(host: &HostView) -> Result<bool> {
    let compares = |it: &String| it.contains("-ot /etc/default/grub") || it.contains("/etc/default/grub -nt");
    if text_of_script(host, "20-grub.install")?.as_ref().is_none_or(|it| !compares(it)) {
        return Ok(false);
    }
    let (line, source) = (host.status(Path::new(KERNEL_CMDLINE))?, host.status(Path::new(DEFAULT_GRUB))?);
    Ok(line.zip(source).is_some_and(|(line, source)| line.modified < source.modified))
}

/// Returns what grub2-mkconfig writes into the file then: the root, and the parameters of `/etc/default/grub`.
fn of_default_grub(host: &HostView, newest: &str) -> Result<String> {
    let newest = Cmdline::parse(newest);
    let is_root = |it: &&Parameter| it.same_name("root") || it.raw() == "ro" || it.raw() == "rw";
    let root = newest.parameters().filter(is_root).map(Parameter::raw).collect::<Vec<_>>().join(" ");
    Ok(format!("{root} {}", Sources::read(host, Habit::Redhat)?.future()?))
}

/// Returns the line of the running kernel, which the scripts take where there is no file: without what the boot loader
/// put there.
fn of_running(host: &HostView) -> Result<Option<String>> {
    let mut texts = Vec::new();
    for name in ["20-grub.install", "90-loaderentry.install"] {
        texts.extend(text_of_script(host, name)?);
    }
    if facts::proc_is_foreign(host)? || !texts.iter().any(|it| it.contains("/proc/cmdline")) {
        return Ok(None);
    }
    let Some(text) = host.attribute(Path::new("/proc/cmdline"))? else { return Ok(None) };
    let line = Cmdline::parse(&text);
    let is_loaders = |it: &&Parameter| it.same_name("BOOT_IMAGE") || it.same_name("initrd");
    let kept = line.parameters().filter(|it| !is_loaders(it)).map(Parameter::raw).collect::<Vec<_>>();
    Ok(Some(kept.join(" ")))
}

/// Returns what 92-tuned.install adds.
fn tuned(host: &HostView) -> Result<String> {
    let is_there = script(host, TUNED_SCRIPT)?.is_some();
    Ok(if is_there { format!(" ${TUNED}") } else { String::new() })
}

/// Compares the arguments of kernels installed later.
pub(super) fn setting(
    host: &HostView,
    newest: &Found,
    variables: &Variables,
    wanted: &CmdlineEdit,
) -> Result<Option<Setting>> {
    let path = PathBuf::from(KERNEL_CMDLINE);
    let present = host.read(&path)?;
    let vendor = if present.is_none() { host.read(Path::new(VENDOR_CMDLINE))? } else { None };
    let old = match present.as_ref().or(vendor.as_ref()) {
        Some(text) => text.clone(),
        // RHEL 8 takes `kernelopts` for new kernels and does not know the file.
        None if refers_to(&newest.options, KERNELOPTS) => return Ok(None),
        None => format!("{}\n", source(newest).trim()),
    };
    let added = if refers_to(&old, TUNED) { String::new() } else { tuned(host)? };
    let (body, end) = old.split_at(old.trim_end().len());
    let alone = without_copies(&format!("{body}{added}"), variables, wanted);
    let (new, fault) = match options::edit(&alone, &variables.values, wanted)? {
        Ok(new) => (format!("{}{end}", new.replacen(&added, "", 1)), None),
        Err(fault) => (old.clone(), Some(fault.why)),
    };
    let state = match (fault, &present) {
        (Some(reason), _) => State::Blocked {
            actual: present.as_deref().map(flat),
            desired: Some(grub_text::wish(wanted)),
            by: Some(Place { file: path, line: None }),
            reason,
        },
        (None, Some(text)) if *text == new => State::Converged,
        (None, None) if vendor.is_some_and(|it| it == new) => State::Converged,
        (None, _) => State::Drifted {
            actual: present.as_deref().map(flat),
            desired: Some(flat(&new)),
            remedy: Remedy::Steps(vec![Step::WriteFile { path, text: new }]),
        },
    };
    Ok(Some(Setting::persistent(Path::new(KERNEL_CMDLINE), state)))
}

/// Returns options without the copies of what tuned's variable gives as it is wanted.
pub(super) fn without_copies(options: &str, variables: &Variables, wanted: &CmdlineEdit) -> String {
    if !refers_to(options, TUNED) {
        return options.to_owned();
    }
    let copies = grub_text::given(&variables.line(&format!("${TUNED}")), wanted);
    let mut line = Cmdline::parse(options);
    let is_copy = |parameter: &&Parameter| copies.iter().any(|it| it.same(parameter));
    if line.parameters().filter(is_copy).count() == 0 {
        return options.to_owned();
    }
    line.edit(&CmdlineEdit { absent: copies, ..CmdlineEdit::default() });
    line.to_string()
}

/// Returns what another source shall have, where every entry has tuned's variable beside it.
pub(super) fn beside_tuned(wanted: &CmdlineEdit, variables: &Variables, regular: &[&Found]) -> CmdlineEdit {
    let is_everywhere = regular.iter().all(|it| refers_to(&it.options, TUNED));
    match variables.values.get(TUNED) {
        Some(_) if is_everywhere => grub_text::beside(&variables.line(&format!("${TUNED}")), wanted),
        _ => wanted.clone(),
    }
}
