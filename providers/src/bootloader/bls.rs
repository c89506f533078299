//! GRUB 2 with entries of the Boot Loader Specification: RHEL 8 and later, Fedora.
//!
//! hoststate edits every place the arguments of a kernel come from, so that no tool has to run:
//! - `options` of every entry but the rescue ones, which stay as they are so that one entry boots as before;
//! - `kernelopts` in `grubenv`, where entries refer to it (RHEL 8);
//! - `/etc/kernel/cmdline`, from which `kernel-install` gives later kernels their arguments. Where entries have literal
//!   options and the file is absent, `kernel-install` would copy `/proc/cmdline`, the line of whatever was booted last.
//!   hoststate then makes it from the newest entry, as written there: `$tuned_params` keeps its meaning. Where every entry is
//!   for repair or debugging, what it is that by is left out;
//! - `/etc/default/grub`, from which a later `grub2-mkconfig` would write all of it again.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use hoststate_abi::host_view::HostView;
use hoststate_abi::setting::{Place, Remedy, Setting, State};
use hoststate_abi::step::Step;
use hoststate_core::error::{Error, Result};
use hoststate_core::formats::bls_entry::{BlsEntry, Reader, expand};
use hoststate_core::formats::grub_script::Family;
use hoststate_core::formats::grubenv::GrubEnv;
use hoststate_core::formats::kernel_cmdline::{Cmdline, CmdlineEdit, Parameter};
use hoststate_core::formats::rpm_order;
use hoststate_core::mechanism::distro::{BootEntry, Bootloader, EntryChoice, Later, ParameterSource, Trial};

use super::default_grub::{DEFAULT_GRUB, Habit, LoaderVariables, Sources};
use super::grub_menu;
use super::grub_play;
use super::grub_text::{self, Level};

pub(crate) mod image;
mod later;
mod menu;
mod options;
#[cfg(test)]
mod tests;
mod trial;

/// Where the entries lie; on XBOOTLDR hosts `/boot` is that partition.
pub(crate) const ENTRIES: &str = "/boot/loader/entries";

/// The variable that entries of RHEL 8 refer to, and what GRUB takes for an entry without options.
const KERNELOPTS: &str = "kernelopts";
const DEFAULT_KERNELOPTS: &str = "default_kernelopts";

/// What RHEL 8 writes into the entry of a new kernel.
const NEXT_OPTIONS: &str = "$kernelopts $tuned_params";

/// GRUB 2 that reads boot entries with `blscfg`.
#[derive(Debug)]
pub(crate) struct Bls {
    /// GRUB's environment block; may be a link into the EFI system partition.
    pub(crate) grubenv: PathBuf,
    /// The file with `blscfg`, where GRUB finds what the environment block lacks.
    pub(crate) grub_cfg: PathBuf,
}

/// An entry and where it stands.
struct Found {
    path: PathBuf,
    entry: Rc<BlsEntry>,
    /// Arguments as written; `$kernelopts` for an entry without any.
    options: String,
}

/// What GRUB knows when it reads the entries.
#[derive(Clone)]
struct Variables {
    values: BTreeMap<String, String>,
}

impl Bootloader for Bls {
    fn name(&self) -> &str {
        "grub2-bls"
    }

    fn cmdline(&self, host: &HostView, wanted: &CmdlineEdit) -> Result<Vec<Setting>> {
        let before = self.variables(host)?;
        let mut variables = before.clone();
        let found = found(host, &variables)?;
        let regular = regular(&found);
        let Some(newest) = regular.last() else {
            let state = State::Blocked {
                actual: None,
                desired: Some(grub_text::wish(wanted)),
                by: None,
                reason: "there is no boot entry except for rescue; reinstall the kernel package".to_owned(),
            };
            return Ok(vec![Setting::persistent(Path::new(ENTRIES), state)]);
        };
        let mut settings = Vec::new();
        let refers = |it: &&&Found| options::refers_to(&it.options, KERNELOPTS);
        let lacks = |it: &&Found| !variables.line(&it.options).satisfies(wanted);
        // Also where every entry has the parameters literally: the next kernel's entry will not.
        let next_lacks = !variables.line(NEXT_OPTIONS).satisfies(wanted);
        if regular.iter().filter(refers).any(|it| next_lacks || lacks(it)) {
            settings.extend(self.kernelopts(host, &mut variables, wanted)?);
        }
        for it in &regular {
            settings.push(it.setting(host, &self.grubenv, (&before, &variables), wanted)?);
        }
        if host.exists(Path::new(DEFAULT_GRUB))? {
            let wanted = later::beside_tuned(&without_root(wanted), &variables, &regular);
            let sources = Sources::read(host, Habit::Redhat)?;
            let generated: Vec<Cmdline> = regular.iter().map(|it| variables.line(&it.options)).collect();
            settings.push(sources.setting(host, &wanted, &LoaderVariables::default(), &generated)?);
        }
        // Last: 20-grub.install makes it anew from the other where that is newer.
        settings.extend(later::setting(host, newest, &variables, wanted)?);
        Ok(settings)
    }

    /// The arguments of the newest kernel, which a still newer one takes over.
    fn future(&self, host: &HostView) -> Result<Cmdline> {
        let variables = self.variables(host)?;
        let found = found(host, &variables)?;
        Ok(regular(&found).last().map(|it| variables.line(&it.options)).unwrap_or_default())
    }

    fn later(&self, host: &HostView) -> Result<Later> {
        let variables = self.variables(host)?;
        let found = found(host, &variables)?;
        let (options, file) = later::options(host, regular(&found).last().copied())?;
        Ok(Later { cmdline: variables.line(&options), file })
    }

    fn entries(&self, host: &HostView) -> Result<Vec<BootEntry>> {
        let variables = self.variables(host)?;
        let mut entries = Vec::new();
        for it in menu::sorted(found(host, &variables)?) {
            let sources = variables.values.iter().filter(|value| options::refers_to(&it.options, value.0));
            let sources = sources.flat_map(|(_, value)| {
                let line = grub_text::kernel_line(value);
                let source = |parameter: &Parameter| ParameterSource {
                    parameter: parameter.raw().to_owned(),
                    place: Place { file: self.grubenv.clone(), line: None },
                };
                line.parameters().map(source).collect::<Vec<_>>()
            });
            entries.push(BootEntry {
                title: it.entry.title().unwrap_or_default().to_owned(),
                kernel: it.entry.version().map(str::to_owned),
                recovery: it.is_rescue(),
                cmdline: variables.line(&it.options).to_string(),
                sources: sources.collect(),
                place: Place { line: it.entry.options_line(), file: it.path },
                // GRUB leaves nothing of a variable that is not set.
                variables: Vec::new(),
                images: variables.images(&it.entry),
                generated: false,
            });
        }
        Ok(entries)
    }

    fn next_boot(&self, host: &HostView, entries: &[BootEntry]) -> Result<EntryChoice> {
        if grub_menu::script(host, &self.grub_cfg)?.is_none() {
            return Ok(grub_menu::without_menu(&self.grub_cfg));
        }
        Ok(match grub_play::boot(host, &self.grub_cfg, Family::RedHat)? {
            Ok(played) => grub_play::choice(&played, entries),
            Err(undecided) => grub_play::unknown(undecided),
        })
    }

    fn regenerate(&self, _: &HostView) -> Result<Vec<String>> {
        Err(Error::Unsupported {
            what: "boot entries of the Boot Loader Specification are not generated".to_owned(),
            hint: format!("Edit the files in {ENTRIES}; a new kernel's entry is made by kernel-install."),
        })
    }

    fn trial(&self, host: &HostView, edits: &[CmdlineEdit]) -> Result<Trial> {
        self.one_boot(host, edits)
    }

    fn end_trial(&self, host: &HostView) -> Result<Vec<Step>> {
        self.end_one_boot(host)
    }
}

impl Bls {
    /// Reads what GRUB knows: the environment block, and `grub.cfg` for what that lacks.
    fn variables(&self, host: &HostView) -> Result<Variables> {
        let mut values = BTreeMap::new();
        if let Some(cfg) = grub_menu::script(host, &self.grub_cfg)? {
            let known = [KERNELOPTS, DEFAULT_KERNELOPTS];
            for set in cfg.sets.iter().filter(|it| known.contains(&it.name.as_str())) {
                if !set.value.contains('$') {
                    values.insert(set.name.clone(), set.value.clone());
                }
            }
        }
        if let Some(block) = host.parsed(&self.grubenv, GrubEnv::parse)? {
            values.extend(block.variables().map(|(name, value)| (name.to_owned(), value.to_owned())));
        }
        Ok(Variables { values })
    }

    /// Compares `kernelopts`, and puts what it shall be into `variables`.
    fn kernelopts(
        &self,
        host: &HostView,
        variables: &mut Variables,
        wanted: &CmdlineEdit,
    ) -> Result<Option<Setting>> {
        let Some(old) = variables.values.get(KERNELOPTS).cloned() else { return Ok(None) };
        let place = || Some(Place { file: self.grubenv.clone(), line: None });
        let new = match grub_text::edit(&old, wanted, Level::Script)? {
            Ok(new) => new,
            Err(unclear) => {
                let state = State::Blocked {
                    actual: Some(old),
                    desired: Some(grub_text::wish(wanted)),
                    by: place(),
                    reason: unclear.why,
                };
                return Ok(Some(Setting::persistent(&self.grubenv, state)));
            }
        };
        if new == old {
            return Ok(None);
        }
        let text = host.read(&self.grubenv)?.unwrap_or_default();
        let mut block = GrubEnv::parse(&text);
        let invalid = |what: String| {
            let hint =
                "Shorten kernelopts, or unset variables nobody uses with `grub2-editenv - unset NAME`.";
            Error::invalid(format!("{}: {what}", self.grubenv.display()), hint)
        };
        block.set(KERNELOPTS, &new).map_err(|err| invalid(err.to_string()))?;
        let text = block.to_block().map_err(|err| invalid(err.to_string()))?;
        variables.values.insert(KERNELOPTS.to_owned(), new.clone());
        let remedy = Remedy::Steps(vec![Step::WriteFile { path: self.grubenv.clone(), text }]);
        let state = State::Drifted { actual: Some(flat(&old)), desired: Some(flat(&new)), remedy };
        Ok(Some(Setting::persistent(&self.grubenv, state)))
    }
}

impl Found {
    fn name(&self) -> String {
        self.path.file_name().map(|it| it.to_string_lossy().into_owned()).unwrap_or_default()
    }

    /// Whether it is one of the entries `dracut-config-rescue` makes: their version is `0-rescue-MACHINE`.
    fn is_rescue(&self) -> bool {
        let kernel = self.entry.linux().unwrap_or_default();
        self.name().contains("-0-rescue")
            || self.version().starts_with("0-rescue")
            || kernel.contains("vmlinuz-0-rescue")
    }

    /// Whether the file is named after the kernel, as kernel-install does, and the entry is not for debugging.
    fn is_plain(&self) -> bool {
        let name = self.name();
        let is_debug = |it: &str| it.to_ascii_lowercase().contains("debug");
        name.strip_suffix(".conf").is_some_and(|it| it.ends_with(self.version()))
            && !self.entry.title().is_some_and(|it| is_debug(&it.replace(self.version(), "")))
    }

    fn is_for_one_boot(&self) -> bool {
        self.path.file_stem().is_some_and(|it| it == trial::ID)
    }

    fn version(&self) -> &str {
        self.entry.version().or(self.entry.linux()).unwrap_or_default()
    }

    /// Compares the options of an entry; the variables as they are and as they will be.
    fn setting(
        &self,
        host: &HostView,
        grubenv: &Path,
        (before, variables): (&Variables, &Variables),
        wanted: &CmdlineEdit,
    ) -> Result<Setting> {
        let actual = before.line(&self.options);
        let alone = later::without_copies(&self.options, variables, wanted);
        let new = match options::edit(&alone, &variables.values, wanted)? {
            Ok(new) => new,
            Err(fault) => {
                let file = if fault.in_environment { grubenv } else { &self.path };
                let state = State::Blocked {
                    actual: Some(actual.to_string()),
                    desired: Some(grub_text::wish(wanted)),
                    by: Some(Place { file: file.to_owned(), line: None }),
                    reason: fault.why,
                };
                return Ok(Setting::persistent(&self.path, state));
            }
        };
        let desired = variables.line(&new);
        let kernel = self.entry.linux().unwrap_or_default();
        grub_text::check_length(&self.path.display().to_string(), kernel, &desired.to_string())?;
        if new == self.options {
            return Ok(Setting::persistent(&self.path, State::Converged));
        }
        // Bytes that are no UTF-8 must not be replaced: this read refuses them.
        host.read(&self.path)?;
        let mut entry = BlsEntry::clone(&self.entry);
        entry.set_grub_options(&new);
        let remedy =
            Remedy::Steps(vec![Step::WriteFile { path: self.path.clone(), text: entry.to_string() }]);
        let (actual, desired) = (Some(actual.to_string()), Some(desired.to_string()));
        Ok(Setting::persistent(&self.path, State::Drifted { actual, desired, remedy }))
    }
}

impl Variables {
    /// Returns what the kernel gets of an entry's options.
    fn line(&self, options: &str) -> Cmdline {
        grub_text::kernel_line(&expand(options, &self.values))
    }

    /// Returns the images that an entry names. One line may name several, and a variable may stand for one or for none.
    fn images(&self, entry: &BlsEntry) -> Vec<String> {
        let named = entry.initrd().map(|it| expand(it, &self.values));
        named.flat_map(|it| it.split_whitespace().map(str::to_owned).collect::<Vec<_>>()).collect()
    }

    /// Returns what GRUB takes for an entry without options.
    fn by_default(&self) -> String {
        match self.values.get(DEFAULT_KERNELOPTS) {
            Some(literal) if !self.values.contains_key(KERNELOPTS) => literal.clone(),
            _ => format!("${KERNELOPTS}"),
        }
    }
}

/// Returns the entries that are not for rescue or for one boot, the newest kernel that is not for debugging last.
///
/// Of one version the entry that kernel-install made is last: its file is named after the kernel. Entries for
/// debugging (`…~debug.conf`) and what somebody copied are no source for later kernels.
fn regular(found: &[Found]) -> Vec<&Found> {
    let mut regular: Vec<&Found> =
        found.iter().filter(|it| !it.is_rescue() && !it.is_for_one_boot()).collect();
    regular.sort_by(|one, other| {
        let by_version = rpm_order::versions(one.version(), other.version());
        later::is_source(one)
            .cmp(&later::is_source(other))
            .then(by_version)
            .then(one.is_plain().cmp(&other.is_plain()))
    });
    regular
}

/// Reads every entry.
fn found(host: &HostView, variables: &Variables) -> Result<Vec<Found>> {
    let directory = Path::new(ENTRIES);
    let mut found = Vec::new();
    for name in host.list(directory)?.into_iter().filter(|it| it.ends_with(".conf")) {
        let path = directory.join(name);
        let Some(entry) = host.parsed(&path, BlsEntry::parse)? else { continue };
        let options = match entry.options(Reader::Grub) {
            Some(options) => options,
            // GRUB finds none: what another reader finds is what was meant, else GRUB takes its default.
            None => entry.options(Reader::SystemdBoot).unwrap_or_else(|| variables.by_default()),
        };
        found.push(Found { path, entry, options });
    }
    Ok(found)
}

/// Returns parameters in one line, for people.
fn flat(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// `/etc/default/grub` does not hold what `grub2-mkconfig` adds by itself.
fn without_root(wanted: &CmdlineEdit) -> CmdlineEdit {
    let keep = |parameters: &[Parameter]| {
        let root = |it: &&Parameter| !it.same_name("root") && !it.same_name("ro");
        parameters.iter().filter(root).cloned().collect()
    };
    CmdlineEdit {
        present: keep(&wanted.present),
        additional: keep(&wanted.additional),
        absent: keep(&wanted.absent),
    }
}
