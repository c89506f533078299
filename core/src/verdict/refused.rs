//! A boot that was tried with what is wanted of the kernel command line, and was refused: until somebody asks for it, it
//! is neither tried again nor made permanent.

use super::Judged;
use crate::error::Result;
use crate::formats::kernel_cmdline::CmdlineEdit;
use crate::language::declaration::{Alike, Declaration};
use crate::language::resource::Context;
use crate::plan::finding::{Finding, Verdict};
use crate::plan::scene::{Hazard, Severity};
use crate::record::RunRecord;
use crate::record::past::has_put_in_place;
use crate::record::refused_boot::RefusedBoot;

/// The guard by whose id it is let pass.
const NAME: &str = "refused-boot";

/// What is looked for in the records: a refused boot with these edits, that no newer run put in place.
#[derive(Debug)]
pub(super) struct Retrial<'a> {
    edits: Vec<CmdlineEdit>,
    wanted: Vec<&'a Declaration>,
    is_open: bool,
}

/// A refused boot that would be tried again.
#[derive(Debug, Clone)]
pub(super) struct Refused {
    run: String,
    when: String,
    boot: RefusedBoot,
}

impl<'a> Retrial<'a> {
    /// Returns what is to be asked of the records; nothing where the command line is as wanted.
    ///
    /// # Errors
    /// When the host cannot be read.
    pub(super) fn of(judged: Judged<'a>) -> Result<Self> {
        let (mut edits, mut wanted, mut is_open) = (Vec::new(), Vec::new(), false);
        let cx = Context::new(judged.host, judged.distro);
        for it in judged.declared {
            if let Some(own) = it.resource.cmdline(cx).map_err(|err| err.of(&it.id))? {
                is_open |= judged.plan.changes.iter().any(|change| change.resource == it.id);
                wanted.push(&it.declaration);
                edits.push(own);
            }
        }
        Ok(Self { edits, wanted, is_open })
    }

    /// Returns whether a boot with its edits is among those of `run`, and whether older ones may tell more.
    pub(super) fn found_in(&mut self, run: &RunRecord, alike: &Alike<'_>) -> Option<Refused> {
        if !self.is_open {
            return None;
        }
        let boot = run.refused_boot.clone().filter(|it| it.is_of(&self.edits));
        let is_wanted = || self.wanted.iter().any(|it| alike.find(it).is_some());
        self.is_open = boot.is_none() && !(has_put_in_place(run) && is_wanted());
        boot.map(|boot| Refused { run: run.id.clone(), when: when(run), boot })
    }

    /// Returns whether older runs may tell more.
    pub(super) fn is_open(&self) -> bool {
        self.is_open
    }
}

impl Refused {
    /// Returns the refusal of a plan that would try it again, or make it permanent.
    pub(super) fn hazard(&self, accepted: &[String]) -> Hazard {
        let message = format!("{}. Change what the playbook wants of the kernel command line.", self.said());
        let shown = format!("`hoststate history {}` shows the run", self.run);
        let hazard = Hazard::new(NAME, Severity::Refuse, &[&self.run], message).shown_by([shown]);
        let accepted = accepted.contains(&hazard.id);
        Hazard { accepted, ..hazard }
    }

    /// Returns what is found, with both ways on.
    pub(super) fn finding(&self, id: &str) -> Finding {
        let reason = format!(
            "{} (run {}). Change what the playbook wants of the kernel command line, or let it be tried once more: \
             `hoststate converge --confirm-boot --accept {id}`",
            self.said(),
            self.run
        );
        Finding { hazard: Some(id.to_owned()), ..Finding::about_all(Verdict::BootRefused, reason) }
    }

    fn said(&self) -> String {
        format!("{} was tried{} and refused: {}", self.boot.named(), self.when, self.boot.because)
    }
}

/// Says when a run began: ` at 2026-11-30 23:10 UTC`.
fn when(run: &RunRecord) -> String {
    let minute = run.provenance.as_ref().and_then(|it| it.began.get(..16));
    minute.map(|it| format!(" at {} UTC", it.replace('T', " "))).unwrap_or_default()
}
