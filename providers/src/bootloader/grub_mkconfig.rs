//! GRUB 2 whose `grub.cfg` is generated from `/etc/default/grub`.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use hoststate_abi::activation::Activation;
use hoststate_abi::host_view::HostView;
use hoststate_abi::setting::{Place, Remedy, Setting, State};
use hoststate_abi::step::Step;
use hoststate_core::error::{Error, Result};
use hoststate_core::formats::grub_cfg::{GrubCfg, MenuEntry};
use hoststate_core::formats::grub_script::Family;
use hoststate_core::formats::kernel_cmdline::{Cmdline, CmdlineEdit, Parameter};
use hoststate_core::machine::kernels;
use hoststate_core::mechanism::distro::{
    BootEntry, Bootloader, EntryChoice, Hidden, Later, ParameterSource, Trial,
};

use super::default_grub::{Habit, LoaderVariables, OWN_DROP_IN, Sources};
use super::grub_menu::{self, environment};
use super::grub_play;
use super::grub_text;
use menu::Menu;

mod foreign_root;
pub(crate) mod image;
mod menu;
#[cfg(test)]
mod tests;
mod trial;

/// Parameters that `10_linux` itself writes into every entry; no file gives hoststate a say in them.
const GENERATED: [&str; 3] = ["BOOT_IMAGE", "root", "ro"];

/// What Ubuntu's `10_linux` writes behind all parameters, so that a boot without image fails at once.
const FOR_PARTUUID: &str = "panic";

/// The variable that makes it do so.
const PARTUUID: &str = "GRUB_FORCE_PARTUUID";

/// Parameters that `10_linux` itself writes into recovery entries.
const GENERATED_FOR_RECOVERY: [&str; 4] = ["single", "recovery", "nomodeset", "dis_ucode_ldr"];

/// GRUB 2 with a generated `grub.cfg`.
#[derive(Debug)]
pub(crate) struct GrubMkconfig {
    /// How the sources are read.
    pub(crate) habit: Habit,
    /// The file GRUB reads at boot; never a stub that only leads to it.
    pub(crate) output: PathBuf,
    /// The command that writes it; `None` when the host has none.
    pub(crate) command: Option<Vec<String>>,
}

impl Bootloader for GrubMkconfig {
    fn name(&self) -> &str {
        "grub2"
    }

    fn cmdline(&self, host: &HostView, wanted: &CmdlineEdit) -> Result<Vec<Setting>> {
        let mut names = wanted.present.iter().chain(&wanted.additional).chain(&wanted.absent);
        if let Some(parameter) = names.find(|parameter| GENERATED.iter().any(|it| parameter.same_name(it))) {
            let state = State::Blocked {
                actual: None,
                desired: Some(grub_text::wish(wanted)),
                by: Some(Place { file: "/etc/grub.d/10_linux".into(), line: None }),
                reason: format!("`{}` is written into every boot entry by this script", parameter.name()),
            };
            return Ok(vec![Setting::persistent(&self.output, state)]);
        }
        let cfg = self.cfg(host)?;
        for entry in cfg.iter().flat_map(|it| governed(it)).filter(|it| !it.recovery) {
            let mut line = grub_text::passed_on(entry);
            line.edit(wanted);
            grub_text::check_length(&entry.title, &entry.kernel, &line.to_string())?;
        }
        let sources = Sources::read(host, self.habit)?;
        if let Some(setting) = self.written_by_script(&sources, wanted)? {
            return Ok(vec![setting]);
        }
        let loader = self.loader_variables(host)?;
        let lines: Vec<Cmdline> = normal_lines(cfg.as_deref(), &loader);
        let source = sources.setting(host, wanted, &loader, &lines)?;
        // grub-mkconfig looks for kernels in /boot only, not beside their modules.
        let mut kernels = Vec::new();
        for release in &kernels::installed(host)?.0 {
            if host.exists(Path::new(&format!("/boot/vmlinuz-{release}")))? {
                kernels.push(release.clone());
            }
        }
        // What the sources cannot be made to give is in no menu that is made of them.
        let given = match &source.state {
            State::Blocked { .. } => sources.given(wanted, &loader)?,
            _ => wanted.clone(),
        };
        if given == CmdlineEdit::default() {
            return Ok(vec![source]);
        }
        let root = foreign_root::mounted(host)?;
        let state = generated(cfg.as_deref(), &kernels, &given, &loader, root.as_ref());
        let generated = Setting::persistent(&self.output, state);
        Ok(vec![source, generated])
    }

    fn future(&self, host: &HostView) -> Result<Cmdline> {
        let (loader, sources) = (self.loader_variables(host)?, Sources::read(host, self.habit)?);
        match sources.future() {
            Ok(line) => Ok(loader.expand(&line)),
            // What only a shell could tell is seen in what it generated.
            Err(Error::Malformed { .. }) => {
                let mut parameters: Vec<Parameter> = sources.known()?.parameters().cloned().collect();
                let lines = normal_lines(self.cfg(host)?.as_deref(), &loader);
                let shown = lines.first().into_iter().flat_map(Cmdline::parameters);
                let shown = shown.filter(|it| !GENERATED.iter().any(|name| it.same_name(name)));
                for parameter in shown {
                    if !parameters.iter().any(|it| it.same(parameter)) {
                        parameters.push(parameter.clone());
                    }
                }
                Ok(Cmdline::parse(&parameters.iter().map(Parameter::raw).collect::<Vec<_>>().join(" ")))
            }
            Err(err) => Err(err),
        }
    }

    fn hidden(&self, host: &HostView) -> Result<Vec<Hidden>> {
        let sources = Sources::read(host, self.habit)?;
        let mut hidden = sources.beside_the_value();
        if self.habit == Habit::Debian && host.exists(Path::new(OWN_DROP_IN))? {
            hidden.extend(sources.hides()?);
        }
        Ok(hidden)
    }

    fn later(&self, host: &HostView) -> Result<Later> {
        Ok(Later { cmdline: Sources::read(host, self.habit)?.future()?, file: None })
    }

    fn entries(&self, host: &HostView) -> Result<Vec<BootEntry>> {
        let Some(menu) = self.menu(host)? else { return Ok(Vec::new()) };
        let sources = Sources::read(host, self.habit)?.parameters();
        let environment = environment(host, &self.environment_block())?;
        let ours: HashSet<usize> = governed(&menu.cfg).map(|it| it.line).collect();
        let entry = |entry: &MenuEntry| {
            let (line, place) = (grub_text::passed_on(entry), menu.place(entry.line));
            let is_ours = place.file == self.output && ours.contains(&entry.line);
            let from = sources
                .iter()
                .filter(|it| is_ours && line.parameters().any(|parameter| parameter.same(&it.0)));
            BootEntry {
                title: entry.title.clone(),
                kernel: release(&entry.kernel).map(str::to_owned),
                recovery: entry.recovery,
                cmdline: line.to_string(),
                place,
                sources: from
                    .map(|(parameter, place)| ParameterSource {
                        parameter: parameter.raw().to_owned(),
                        place: place.clone(),
                    })
                    .collect(),
                variables: grub_menu::variables(&menu.cfg, &environment, &line),
                images: entry.initrds.clone(),
                generated: is_ours,
            }
        };
        Ok(menu.cfg.entries.iter().map(entry).collect())
    }

    fn next_boot(&self, host: &HostView, entries: &[BootEntry]) -> Result<EntryChoice> {
        let Some(menu) = self.menu(host)? else { return Ok(grub_menu::without_menu(&self.output)) };
        grub_menu::within_limits(&self.output, &menu.cfg)?;
        Ok(match grub_play::boot(host, &self.output, self.family(host)?)? {
            Ok(played) => grub_play::choice(&played, entries),
            Err(undecided) => grub_play::unknown(undecided),
        })
    }

    fn generated(&self) -> Option<PathBuf> {
        Some(self.output.clone())
    }

    fn regenerate(&self, _: &HostView) -> Result<Vec<String>> {
        self.command.clone().ok_or_else(|| Error::Unsupported {
            what: format!("{} is generated, and the host has no grub-mkconfig", self.output.display()),
            hint: "Install the distribution's GRUB package (grub2-common, grub2-tools).".to_owned(),
        })
    }

    fn trial(&self, host: &HostView, edits: &[CmdlineEdit]) -> Result<Trial> {
        self.one_boot(host, edits)
    }

    fn end_trial(&self, host: &HostView) -> Result<Vec<Step>> {
        self.end_one_boot(host)
    }
}

impl GrubMkconfig {
    fn loader_variables(&self, host: &HostView) -> Result<LoaderVariables> {
        let environment = environment(host, &self.environment_block())?;
        Ok(LoaderVariables::read(self.cfg(host)?.as_deref(), &self.output, &environment))
    }

    /// Says that a script writes a wanted parameter, so that no source decides it.
    fn written_by_script(&self, sources: &Sources, wanted: &CmdlineEdit) -> Result<Option<Setting>> {
        let mut names = wanted.present.iter().chain(&wanted.additional).chain(&wanted.absent);
        let Some(parameter) = names.find(|it| it.same_name(FOR_PARTUUID)) else { return Ok(None) };
        if sources.variable(PARTUUID)?.is_none_or(|it| it.is_empty()) {
            return Ok(None);
        }
        let by = sources.last_assignment(PARTUUID);
        let at = by.as_ref().map(|it| format!(" ({it})")).unwrap_or_default();
        let reason = format!(
            "`{}` is written by /etc/grub.d/10_linux while {PARTUUID} is set{at}, after every other",
            parameter.name()
        );
        let desired = Some(grub_text::wish(wanted));
        let state = State::Blocked { actual: None, desired, by, reason };
        Ok(Some(Setting::persistent(&self.output, state)))
    }

    /// Whose GRUB it is: that of RHEL 7 is as released, later ones bring `blscfg` and the tool that turns to it.
    fn family(&self, host: &HostView) -> Result<Family> {
        let turns = ["/usr/sbin/grub2-switch-to-blscfg", "/usr/bin/grub2-switch-to-blscfg"];
        for path in turns.map(Path::new) {
            if self.habit == Habit::Redhat && host.exists(path)? {
                return Ok(Family::RedHat);
            }
        }
        Ok(Family::Upstream)
    }

    /// `$prefix/grubenv`: beside `grub.cfg`.
    fn environment_block(&self) -> PathBuf {
        self.output.with_file_name("grubenv")
    }

    /// The script that GRUB runs: `grub.cfg` with what that reads from `custom.cfg`.
    fn menu(&self, host: &HostView) -> Result<Option<Menu>> {
        Menu::read(host, &self.output)
    }

    fn cfg(&self, host: &HostView) -> Result<Option<Rc<GrubCfg>>> {
        grub_menu::script(host, &self.output)
    }
}

/// Returns what the normal entries that come from the sources give the kernel.
fn normal_lines(cfg: Option<&GrubCfg>, loader: &LoaderVariables) -> Vec<Cmdline> {
    let entries = cfg.into_iter().flat_map(governed).filter(|it| !it.recovery);
    entries.map(|it| loader.expand(&grub_text::passed_on(it))).collect()
}

/// Compares every entry that comes from the sources with what is wanted.
fn generated(
    cfg: Option<&GrubCfg>,
    installed: &[String],
    wanted: &CmdlineEdit,
    loader: &LoaderVariables,
    root: Option<&foreign_root::Mounted>,
) -> State {
    let drifted = |actual: Option<String>| State::Drifted {
        actual,
        desired: Some(format!("every entry: {}", grub_text::wish(wanted))),
        remedy: Remedy::Activation(Activation::BootConfig),
    };
    let Some(cfg) = cfg else { return drifted(None) };
    if let Some(line) = cfg.broken_line {
        return drifted(Some(format!("line {line} is not GRUB script")));
    }
    let entries: Vec<&MenuEntry> = governed(cfg).collect();
    let mut by_shortfall: Vec<(String, Vec<&MenuEntry>)> = Vec::new();
    for entry in entries.iter().copied() {
        let line = loader.expand(&grub_text::passed_on(entry));
        let edit = if entry.recovery { for_recovery(wanted) } else { wanted.clone() };
        let Some(shortfall) = edit.shortfall(&line) else { continue };
        match by_shortfall.iter_mut().find(|it| it.0 == shortfall) {
            Some(group) => group.1.push(entry),
            None => by_shortfall.push((shortfall, vec![entry])),
        }
    }
    let mut faults: Vec<String> =
        by_shortfall.iter().map(|(shortfall, having)| fault(shortfall, having, &entries)).collect();
    faults.extend(root.and_then(|it| foreign_root::fault(it, &entries)));
    for kernel in installed {
        // Whoever made an entry: what counts is the kernel it loads.
        let boots = |it: &MenuEntry| !it.recovery && release(&it.kernel) == Some(kernel);
        let has_what_is_wanted = |it: &MenuEntry| grub_text::passed_on(it).satisfies(wanted);
        if !entries.iter().any(|it| boots(it))
            && !cfg.entries.iter().any(|it| boots(it) && has_what_is_wanted(it))
        {
            faults.push(format!("no entry for {kernel}"));
        }
    }
    if faults.is_empty() { State::Converged } else { drifted(Some(faults.join("; "))) }
}

/// Says which entries fall short in the same way: as a rule all of them, since they come from one source.
fn fault(shortfall: &str, having: &[&MenuEntry], all: &[&MenuEntry]) -> String {
    let usual = |entries: &[&MenuEntry]| entries.iter().filter(|it| !it.recovery).count();
    let is_every_usual_one = having.len() > 1 && usual(having) == usual(all);
    if is_every_usual_one && having.len() == all.len() {
        return format!("every entry {shortfall}");
    }
    if is_every_usual_one && having.len() == usual(all) {
        return format!("every entry but recovery {shortfall}");
    }
    let named = having.iter().map(|it| format!("line {} ({}) {shortfall}", it.line, it.title));
    named.collect::<Vec<_>>().join("; ")
}

/// Recovery entries need not have the wanted parameters, but must not have the unwanted.
fn for_recovery(wanted: &CmdlineEdit) -> CmdlineEdit {
    let generated = |name: &str| GENERATED_FOR_RECOVERY.contains(&name);
    let absent = wanted.absent.iter().filter(|it| !generated(it.name())).cloned().collect();
    CmdlineEdit { absent, ..CmdlineEdit::default() }
}

/// Returns the entries that the variables of `/etc/default/grub` govern.
///
/// Each script of `/etc/grub.d` marks its part of the file. Entries of other systems (`30_os-prober`), of Xen, memory
/// tests and what the user wrote (`40_custom`) have parameters of their own. Guides and grub-customizer rename
/// `10_linux`, or run it behind another name.
fn governed(cfg: &GrubCfg) -> impl Iterator<Item = &MenuEntry> {
    let text = cfg.to_string();
    let mut parts: Vec<(usize, bool)> = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        if let Some(script) = line.strip_prefix("### BEGIN /etc/grub.d/") {
            parts.push((number, is_for_linux(script)));
        }
    }
    cfg.entries.iter().filter(move |entry| {
        let before = parts.partition_point(|it| it.0 < entry.line);
        let part = parts[..before].last();
        release(&entry.kernel).is_some() && part.is_none_or(|it| it.1)
    })
}

/// Returns whether a script makes the entries of this system's kernels: `10_linux`, `50_linux`, `31_linux_proxy`.
fn is_for_linux(script: &str) -> bool {
    let name = script.split(' ').next().unwrap_or(script).trim_start_matches(|it: char| it.is_ascii_digit());
    let Some(rest) = name.strip_prefix("_linux").or_else(|| name.strip_prefix("_proxifiedScripts/linux"))
    else {
        return false;
    };
    !rest.starts_with("_xen")
}

/// Returns the release in the name of a kernel's file, which may say that it is signed; `None` for what is no Linux,
/// e.g. `memtest86+.bin`.
pub(crate) fn release(kernel: &str) -> Option<&str> {
    let name = Path::new(kernel).file_name()?.to_str()?;
    let name = [".efi.signed", ".signed", ".efi"].iter().find_map(|it| name.strip_suffix(it)).unwrap_or(name);
    ["vmlinuz-", "vmlinux-", "kernel-", "linux-", "bzImage-"].iter().find_map(|it| name.strip_prefix(it))
}
