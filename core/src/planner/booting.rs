//! The next boot of the host as the plan leaves it, and what its entry lacks all the same.

use hoststate_abi::activation::Activation;
use hoststate_abi::host_view::HostView;
use hoststate_abi::setting::{Disruption, Scope};

use super::{Draft, Planner};
use crate::error::Result;
use crate::formats::kernel_cmdline::CmdlineEdit;
use crate::mechanism::distro::Distro;
use crate::next_boot::lack::{self, Lack};
use crate::next_boot::{Menu, NextBoot};
use crate::plan::finding::{Finding, Verdict};
use crate::plan::outlook::{self, WordOutlook};
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
    menu: Menu,
}

impl Planner<'_> {
    /// Returns what the next boot of the planned host is.
    pub(super) fn booting(&self, view: &HostView, draft: &Draft) -> Result<Booting> {
        let cx =
            crate::language::resource::Context { host: &view.without_predictions(), distro: self.distro };
        let mut wanted = Vec::new();
        for declared in self.declared {
            if let Some(edit) = declared.resource.cmdline(cx).map_err(|err| err.of(&declared.id))? {
                wanted.push((declared, edit));
            }
        }
        let edits: Vec<CmdlineEdit> = wanted.iter().map(|it| it.1.clone()).collect();
        let is_made_anew = draft.activations.contains_key(&Activation::BootConfig);
        let menu = Menu::read(view, self.distro)?;
        let menu = if is_made_anew { menu.regenerated(&edits) } else { menu };
        let (mut changes, mut findings) = (Vec::new(), Vec::new());
        // A menu that is still to be made has no entries to fall short.
        let is_known = menu.choice.entry.is_some() || !menu.entries.is_empty() || menu.choice.other.is_some();
        let is_refused = |id| draft.conflicts.iter().any(|it| it.resource == id);
        let judged = wanted.iter().filter(|it| is_known && !is_refused(it.0.id.clone()));
        for (declared, lack) in judged.filter_map(|it| Some((it.0, lack::of(&menu, &it.1)?))) {
            let Lack { subject, shortfall, reason } = lack;
            findings.push(Finding {
                verdict: Verdict::NextBootLacks,
                resource: Some(declared.id.clone()),
                reason,
            });
            changes.push(Change {
                resource: declared.id.clone(),
                playbook: declared.declaration.playbook.clone(),
                composite: declared.declaration.composite.clone(),
                scope: Scope::Persistent,
                subject,
                actual: Some(shortfall),
                desired: Some("has all that is wanted".to_owned()),
                steps: Vec::new(),
                activation: Some(Activation::Reboot),
                disruption: Disruption::Reboot,
                in_vain: true,
            });
        }
        Ok(Booting { edits, next_boot: menu.next_boot(), changes, findings, menu })
    }
}

impl Booting {
    /// Compares the command lines of the running kernel, of the next boot, and of the next boot after the plan.
    pub(super) fn outlook(
        &self,
        view: &HostView,
        distro: &Distro,
        files: &[FileChange],
    ) -> Result<Vec<WordOutlook>> {
        let before = view.without_predictions();
        outlook::words(&before, &Menu::read(&before, distro)?, &self.menu, files)
    }
}
