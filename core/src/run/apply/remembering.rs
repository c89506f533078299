//! What a run keeps in the memory of its owner: before its first change all that it may set, in the end what is there.

use crate::error::Error;
use crate::plan::planned::Plan;
use crate::planner::leftovers::Owner;
use crate::record::report::{Adopted, Left, Outcome};
use crate::run::owning::{self, Owning};

use super::Run;

/// What a run remembers. That it cannot is no failure of the run: the host is as wanted without it.
#[derive(Default)]
pub(super) struct Remembering {
    owning: Option<Owning>,
    /// Whether it is kept what the run may set.
    has_begun: bool,
    failed: Option<String>,
}

impl Remembering {
    /// Returns what is said of it in the end.
    pub(super) fn told(self, owner: Option<Owner<'_>>, outcome: Outcome) -> (Vec<Adopted>, Option<String>) {
        let adopted = match (&self.owning, owner) {
            (Some(owning), Some(owner)) if is_over(outcome) && self.failed.is_none() => {
                owning.adopted(owner.registry)
            }
            _ => Vec::new(),
        };
        (adopted, self.failed)
    }

    fn fail(&mut self, err: &Error) {
        self.failed.get_or_insert(format!("what this run set cannot be remembered: {err}"));
    }
}

impl Run<'_> {
    /// Returns what a run that begins with `first` remembers.
    pub(super) fn remembering(&self, first: &Plan) -> Remembering {
        let mut memory = Remembering::default();
        match Owning::new(&self.planner, first, &self.host.view()) {
            Ok(owning) => memory.owning = owning,
            Err(err) => memory.fail(&err),
        }
        memory
    }

    /// Keeps, before anything is changed, all that the run may set: who is cut does not forget it.
    pub(super) fn remember_first(&mut self, memory: &mut Remembering) {
        let (Some(owning), Some(run), false) = (&memory.owning, self.recorder.run(), memory.has_begun) else {
            return;
        };
        let during = owning.during(run);
        self.recorder.remembers(owning.remembrance(&during));
        let kept = self.recorder.store().remember(&during);
        memory.has_begun = true;
        if let Err(err) = kept {
            memory.fail(&err);
        }
    }

    /// Keeps what is there in the end. A run that did not come to its end leaves what it kept at first.
    pub(super) fn remember_last(&mut self, memory: &mut Remembering, outcome: Outcome, left: &Left) {
        if !is_over(outcome) {
            return;
        }
        if let Some(undone) = self.recorder.undone().map(str::to_owned) {
            if left.in_words().is_empty() && self.recorder.run().is_some() {
                match owning::undo(self.recorder.store(), &undone) {
                    Ok(remembrance) => remembrance.into_iter().for_each(|it| self.recorder.remembers(it)),
                    Err(err) => memory.fail(&err),
                }
            }
            return;
        }
        let Some(owning) = &memory.owning else { return };
        match owning.after(self.recorder.run(), &self.planner, &self.host.view()) {
            Ok(after) => {
                self.recorder.remembers(owning.remembrance(&after));
                // A run that had nothing to do writes nothing where nothing is new.
                let is_kept = !memory.has_begun && owning.is_kept_as(&after);
                let kept = if is_kept { Ok(()) } else { self.recorder.store().remember(&after) };
                if let Err(err) = kept {
                    memory.fail(&err);
                }
            }
            Err(err) => memory.fail(&err),
        }
    }
}

/// Returns whether a run came to its end.
fn is_over(outcome: Outcome) -> bool {
    match outcome {
        Outcome::InDesiredState
        | Outcome::Converged
        | Outcome::RebootRequired
        | Outcome::ActivationRequired => true,
        Outcome::Refused | Outcome::Declined | Outcome::Interrupted | Outcome::Failed => false,
    }
}
