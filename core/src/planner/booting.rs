//! The next boot of the host as the plan leaves it, and what its entry lacks all the same.

use hoststate_abi::activation::Activation;
use hoststate_abi::host_view::HostView;
use hoststate_abi::setting::{Disruption, Scope};

use std::collections::BTreeSet;

use super::{Draft, Planner};
use crate::error::Result;
use crate::formats::kernel_cmdline::{CmdlineEdit, Parameter};
use crate::formats::modprobe_conf::ModuleName;
use crate::language::registry::Declared;
use crate::language::selector::Found;
use crate::machine::module_lookup::{self, Presence};
use crate::mechanism::distro::Distro;
use crate::next_boot::fate::{self, Certainty, Fate};
use crate::next_boot::lack::{self, Lack};
use crate::next_boot::{Menu, NextBoot};
use crate::plan::finding::{Finding, Verdict};
use crate::plan::parameter_change::{self, ParameterChange};
use crate::plan::planned::{Change, FileChange};

/// What the planner has to say about the next boot.
pub(super) struct Booting {
    /// What is wanted of the command line.
    pub(super) edits: Vec<CmdlineEdit>,
    /// The next boot, when everything planned is done.
    pub(super) next_boot: NextBoot,
    /// One setting for each declaration that it falls short of; nothing that hoststate does would mend it.
    pub(super) changes: Vec<Change>,
    /// The same, with the reasons.
    pub(super) findings: Vec<Finding>,
    /// Which changes of the draft wait for a boot that will not make them so.
    pub(super) in_vain: Vec<usize>,
    /// Who gets each function then.
    pub(super) fates: Vec<Fate>,
    menu: Menu,
}

impl Planner<'_> {
    /// Returns what the next boot of the planned host is.
    pub(super) fn booting(&self, view: &HostView, draft: &Draft) -> Result<Booting> {
        let now = view.without_predictions();
        let cx = crate::language::resource::Context::new(&now, self.distro);
        let mut wanted = Vec::new();
        for declared in self.declared {
            if let Some(edit) = declared.resource.cmdline(cx).map_err(|err| err.of(&declared.id))? {
                wanted.push((declared, edit));
            }
        }
        let edits: Vec<CmdlineEdit> = wanted.iter().map(|it| it.1.clone()).collect();
        let is_refused = |it: &Declared| draft.conflicts.iter().any(|conflict| conflict.resource == it.id);
        let is_made_anew = draft.activations.contains_key(&Activation::BootConfig);
        let menu = Menu::read(view, self.distro)?;
        let given: Vec<CmdlineEdit> =
            wanted.iter().filter(|it| !is_refused(it.0)).map(|it| it.1.clone()).collect();
        let menu = if is_made_anew { menu.regenerated(&given) } else { menu };
        let (mut changes, mut findings) = (Vec::new(), Vec::new());
        // A menu that is still to be made has no entries to fall short.
        let is_known = menu.choice.entry.is_some() || !menu.entries.is_empty() || menu.choice.other.is_some();
        let mut in_vain = Vec::new();
        for (declared, edit) in &wanted {
            let lack = lack::of(&menu, edit).filter(|_| is_known);
            if is_refused(declared) {
                // The conflict says what is wrong; that a boot mends it nobody may promise.
                let waits = |it: &Change| it.resource == declared.id && it.waits_for_reboot();
                let waiting = draft.changes.iter().enumerate().filter(|it| waits(it.1));
                in_vain.extend(waiting.map(|it| it.0).filter(|_| lack.is_some() || !is_known));
                continue;
            }
            let Some(lack) = lack else { continue };
            let Lack { about, shortfall, reason } = lack;
            findings.push(Finding::new(Verdict::NextBootLacks, &declared.id, reason));
            changes.push(Change {
                resource: declared.id.clone(),
                playbook: declared.declaration.playbook.clone(),
                composite: declared.declaration.composite.clone(),
                ensure: declared.declaration.ensure,
                scope: Scope::Persistent,
                about,
                actual: Some(shortfall),
                desired: Some("has everything that is wanted".to_owned()),
                steps: Vec::new(),
                activation: Some(Activation::Reboot),
                disruption: Disruption::Reboot,
                in_vain: true,
            });
        }
        let mut next_boot = menu.next_boot();
        let fates = self.fates(view, draft, &menu)?;
        next_boot.devices = self.devices(view, draft, (&fates, &menu), &mut |index, finding| {
            in_vain.push(index);
            findings.push(finding);
        })?;
        Ok(Booting { edits, next_boot, changes, findings, in_vain, fates, menu })
    }
}

impl Planner<'_> {
    /// Returns who gets each function at the next boot. Where nothing is declared about devices or modules, and nothing
    /// changes, nobody looks.
    fn fates(&self, view: &HostView, draft: &Draft, menu: &Menu) -> Result<Vec<Fate>> {
        if draft.changes.is_empty() && !self.declared.iter().any(may_move_devices) {
            return Ok(Vec::new());
        }
        let anew = draft.activations.keys().filter_map(|it| match it {
            Activation::Initramfs { kernel } => Some(kernel.as_str()),
            _ => None,
        });
        fate::planned(view, self.distro, menu, &anew.collect::<Vec<_>>())
    }

    /// Returns the functions that change drivers or are declared; a driver that the plan waits a boot for, and that will
    /// surely not come, is found.
    fn devices(
        &self,
        view: &HostView,
        draft: &Draft,
        (fates, menu): (&[Fate], &Menu),
        report: &mut dyn FnMut(usize, Finding),
    ) -> Result<Vec<Fate>> {
        let mut declared = BTreeSet::new();
        for selector in self.declared.iter().filter_map(|it| it.resource.device()) {
            if let Ok(Found::Device(device)) = selector.resolve(view) {
                declared.insert(device.address);
            }
        }
        let waiting = draft.changes.iter().enumerate().filter(|it| it.1.waits_for_reboot());
        for (index, change, address) in waiting.filter_map(|it| Some((it.0, it.1, it.1.about.driver_of()?))) {
            declared.insert(address);
            let fate = fates.iter().find(|it| it.address == address && it.next != change.desired);
            if let Some(fate) = fate.filter(|it| !matches!(it.certainty, Certainty::Unknown { .. })) {
                let kernel = menu.taken().and_then(|it| it.kernel.as_deref());
                let missing = missing_driver(view, kernel, change.desired.as_deref())?;
                let reason = not_taken(fate, change.desired.as_deref()) + &missing.unwrap_or_default();
                let finding = Finding::new(Verdict::NextBootLacks, &change.resource, reason);
                report(index, finding.on(Some(address)));
            }
        }
        let is_told = |it: &&Fate| it.changes() || declared.contains(&it.address);
        Ok(fates.iter().filter(is_told).cloned().collect())
    }
}

/// Returns whether a declaration may be about the driver of a device: kernel parameters are where they name drivers.
fn may_move_devices(declared: &Declared) -> bool {
    let names_driver = |it: &Parameter| {
        ["vfio", "stub", "blacklist", "rd.driver"].iter().any(|part| it.name().contains(part))
    };
    declared.declaration.kind != "kernel_cmdline"
        || declared.resource.parameters().iter().any(|it| names_driver(it))
}

/// Says which driver comes in the place of the wanted one, and what brings it.
fn not_taken(fate: &Fate, wanted: Option<&str>) -> String {
    let name = |it: Option<&str>| it.unwrap_or("no driver").to_owned();
    let (wanted, next) = (name(wanted), name(fate.next.as_deref()));
    let because = fate.because.join("; ");
    let stage = fate.stage.map(|it| format!(" {it}")).unwrap_or_default();
    match &fate.certainty {
        Certainty::Race { with } => format!(
            "{} may not be on {wanted} after a boot: {next} and {with} are loaded at the same time, and the first takes it",
            fate.address
        ),
        _ if because.is_empty() => {
            format!("{} will not be on {wanted} after a boot: {next} takes it{stage}", fate.address)
        }
        _ => format!(
            "{} will not be on {wanted} after a boot: {next} takes it{stage} ({because})",
            fate.address
        ),
    }
}

/// Says that the kernel which boots next has no module of a driver that others have.
fn missing_driver(view: &HostView, kernel: Option<&str>, driver: Option<&str>) -> Result<Option<String>> {
    let (Some(kernel), Some(driver)) = (kernel, driver) else { return Ok(None) };
    let Ok(module) = ModuleName::parse(driver) else { return Ok(None) };
    let is_missing = module_lookup::presence(view, kernel, &module)? == Presence::Missing;
    Ok(is_missing.then(|| {
        format!("; {kernel}, which boots next, has no {driver}: install the package with it, or boot another kernel")
    }))
}

impl Booting {
    /// Compares the command lines of the running kernel, of the next boot, and of the next boot after the plan.
    pub(super) fn compared(
        &self,
        view: &HostView,
        distro: &Distro,
        files: &[FileChange],
    ) -> Result<Vec<ParameterChange>> {
        let before = view.without_predictions();
        parameter_change::find(&before, &Menu::read(&before, distro)?, &self.menu, files)
    }
}
