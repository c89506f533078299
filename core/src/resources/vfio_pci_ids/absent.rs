//! Ids that vfio-pci shall claim no more, in whichever mechanism holds them; other ids stay.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use hoststate_abi::about::About;
use hoststate_abi::activation::Activation;
use hoststate_abi::setting::{Disruption, Remedy, Setting, State};

use super::{DRIVER, VfioPciIds, WORD, driver, ids_of, joined};
use crate::error::{Error, Result};
use crate::formats::kernel_cmdline::{Cmdline, CmdlineEdit, Parameter};
use crate::formats::modprobe_conf::{DIRECTORIES, ModuleName, Origin, Winner, params};
use crate::formats::pci::{PciIdPattern, parse_id_list};
use crate::language::resource::Context;
use crate::machine::{modprobe_d, pci_bus};
use crate::mechanism::distro::cmdline::running;
use crate::resources::modprobe_file;
use crate::resources::modprobe_removal::{self, Removal};

impl VfioPciIds {
    /// Compares every place that ids come from with one that has none of these.
    pub(super) fn gone(&self, cx: Context<'_>) -> Result<Vec<Setting>> {
        let module = driver()?;
        let mut settings = self.gone_from_options(cx, &module)?;
        if let Some(edit) = self.removal(cx)? {
            settings.extend(cx.distro.bootloader.cmdline(cx.host, &edit)?);
            if let Some(line) = cx.host.attribute(Path::new("/proc/cmdline"))? {
                settings.push(running(&Cmdline::parse(&line), &edit));
            }
        }
        settings.extend(self.released(cx, &module)?);
        Ok(settings)
    }

    /// Returns what takes the ids off the command line; `None` where no source, no entry and no running kernel has one.
    pub(super) fn removal(&self, cx: Context<'_>) -> Result<Option<CmdlineEdit>> {
        let bootloader = &cx.distro.bootloader;
        let future = match bootloader.future(cx.host) {
            Ok(line) => line,
            Err(Error::Unsupported { .. }) => return Ok(None),
            Err(err) => return Err(err),
        };
        let found = ids_of(&future);
        let is_there = |line: &Cmdline| ids_of(line).iter().any(|it| self.ids.contains(it));
        let mut somewhere = is_there(&future);
        if let Some(line) = cx.host.attribute(Path::new("/proc/cmdline"))? {
            somewhere |= is_there(&Cmdline::parse(&line));
        }
        let entries = if somewhere { Vec::new() } else { bootloader.entries(cx.host)? };
        if !somewhere && !entries.iter().any(|it| is_there(&Cmdline::parse(&it.cmdline))) {
            return Ok(None);
        }
        let rest = self.rest(&found);
        let text = if rest.is_empty() { WORD.to_owned() } else { format!("{WORD}={}", joined(&rest)) };
        let parameter =
            Parameter::parse(&text).map_err(|err| Error::Invalid { what: err.to_string(), hint: None })?;
        Ok(Some(match rest.is_empty() {
            true => CmdlineEdit { absent: vec![parameter], ..CmdlineEdit::default() },
            false => CmdlineEdit { present: vec![parameter], ..CmdlineEdit::default() },
        }))
    }

    fn rest(&self, found: &[PciIdPattern]) -> Vec<PciIdPattern> {
        found.iter().filter(|it| !self.ids.contains(it)).copied().collect()
    }

    /// A list that holds no more than the one that counts without it goes as a whole: hoststate writes what was there and
    /// its own.
    fn gone_from_options(&self, cx: Context<'_>, module: &ModuleName) -> Result<Vec<Setting>> {
        let own = modprobe_file::options_file(self.file.as_ref());
        let mut removal = Removal::new(cx)?;
        let lists = Lists::of(&removal, module);
        let rests: Vec<Vec<PciIdPattern>> = lists.0.iter().map(|it| self.rest(&it.patterns)).collect();
        let (mut found, mut gone) = (Vec::new(), BTreeSet::new());
        for (at, list) in lists.0.iter().enumerate().rev() {
            let rest = &rests[at];
            let later = lists.0.iter().enumerate().skip(at + 1).filter(|it| !gone.contains(&it.0));
            let is_outweighed_beside = later
                .clone()
                .any(|it| in_file(&it.1.origin) == in_file(&list.origin) || !is_ours(&list.origin));
            if rest.len() == list.patterns.len() || is_outweighed_beside {
                continue;
            }
            found.push(list.text.clone());
            let weaker = rests[..at].iter().rev().find(|it| !it.is_empty());
            let goes = rest.is_empty() || weaker == Some(rest);
            let mut refused = None;
            let changed = removal.change(&list.origin, |conf| match goes {
                true => conf.remove_option(module, "ids"),
                false => refused = conf.set_option(module, "ids", &joined(rest)).err(),
            });
            if let Some(err) = refused {
                return Err(Error::Invalid { what: err.to_string(), hint: None });
            }
            if goes && changed.is_some() {
                gone.insert(at);
            }
        }
        let mut settings = vec![removal.setting(format!("options {DRIVER} ids"), &own, &found)];
        modprobe_removal::copies(cx, &own, &mut settings, |conf| {
            let options = conf.options(module).iter().flat_map(|it| it.params());
            let mut lists = options.filter(|it| it.0 == "ids").filter_map(|it| it.1);
            lists.any(|it| parse_id_list(it).patterns.iter().any(|it| self.ids.contains(it)))
        })?;
        Ok(settings)
    }

    /// Compares the drivers of the devices with these ids: vfio-pci keeps what it has until the host boots. One that it has
    /// by its address or by another id is not given back by this.
    fn released(&self, cx: Context<'_>, module: &ModuleName) -> Result<Vec<Setting>> {
        let others = modprobe_d::view(cx.host)?.effective_option(module, "ids");
        let others = others.map(|it| parse_id_list(&it.value).patterns).unwrap_or_default();
        let others = self.rest(&others);
        let mut settings = Vec::new();
        for (address, id) in pci_bus::ids(cx.host)? {
            let matches = |all: &[PciIdPattern]| all.iter().any(|it| it.matches(&id));
            if !matches(&self.ids) || matches(&others) {
                continue;
            }
            let Some(device) = pci_bus::device(cx.host, address)? else { continue };
            let is_by_id = device.driver.as_deref() == Some(DRIVER) && device.driver_override.is_none();
            let state = if is_by_id {
                let desired = pci_bus::own_driver(cx.host, &device)?;
                let remedy = Remedy::Activation(Activation::Reboot);
                State::Drifted { actual: device.driver, desired, remedy }
            } else {
                State::Converged
            };
            settings.push(Setting::runtime(About::DriverAtBoot(address), Disruption::Reboot, state));
        }
        Ok(settings)
    }
}

/// A list of ids in a file.
struct List {
    origin: Origin,
    text: String,
    patterns: Vec<PciIdPattern>,
}

/// The lists of all files, the last of which counts. What the running kernel was given is no file's.
struct Lists(Vec<List>);

impl Lists {
    fn of(removal: &Removal, module: &ModuleName) -> Self {
        let mut lists = Vec::new();
        for Winner { value, origin } in removal.view().options(module) {
            if matches!(origin, Origin::CommandLine { .. }) {
                continue;
            }
            let given = params(&value).into_iter().filter(|it| it.0 == "ids");
            lists.extend(given.filter_map(|it| it.1).map(|text| List {
                origin: origin.clone(),
                text: text.to_owned(),
                patterns: parse_id_list(text).patterns,
            }));
        }
        Self(lists)
    }
}

fn in_file(origin: &Origin) -> PathBuf {
    modprobe_d::place(origin).file
}

fn is_ours(origin: &Origin) -> bool {
    in_file(origin).starts_with(DIRECTORIES[0])
}
