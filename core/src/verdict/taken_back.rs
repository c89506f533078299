//! What earlier runs put in place and a boot found gone again: cloud-init, a configuration manager or a script at boot
//! has its own idea of the file, and a host that reboots for the sake of it does so for ever.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use hoststate_abi::host_view::HostView;
use hoststate_abi::step::Step;

use super::{Finding, Judged, Verdict, outlasts_a_boot};
use crate::language::declaration::{Alike, Declaration, ResourceId};
use crate::language::registry::Declared;
use crate::plan::planned::{Change, FileChange};
use crate::record::RunRecord;
use crate::record::past::Past;
use crate::record::report::Outcome;

/// So often a boot is worth a try. What is gone once may have been taken out by a hand.
const TRIES: usize = 2;

/// The runs that put in place what one declaration wants, from the newest back to the first that says otherwise.
#[derive(Debug)]
pub(super) struct Chain<'a> {
    id: ResourceId,
    wanted: &'a Declaration,
    /// Whether it is gone now.
    is_gone: bool,
    /// Whether something of it waits for a boot.
    waits: bool,
    /// Where it stands. Empty where a tool keeps it.
    files: BTreeSet<PathBuf>,
    host: &'a HostView,
    /// The newest such run of each earlier boot.
    runs: Vec<Earlier>,
    is_open: bool,
}

#[derive(Debug)]
struct Earlier {
    id: String,
    boot_id: Option<String>,
    waited: bool,
}

impl<'a> Chain<'a> {
    /// Returns what is to be asked of the records about what is wanted and not so.
    pub(super) fn of(judged: Judged<'a>) -> Vec<Self> {
        let mut changes: HashMap<&ResourceId, Vec<&Change>> = HashMap::new();
        for change in &judged.plan.changes {
            changes.entry(&change.resource).or_default().push(change);
        }
        let chain = |Declared { id, declaration: wanted, .. }: &'a Declared| {
            let own = || changes.get(id).into_iter().flatten().copied();
            let id = id.clone();
            let gone = || own().filter(|it| outlasts_a_boot(it));
            let files = gone().flat_map(|it| &it.steps).filter_map(Step::file).map(Path::to_owned).collect();
            let (is_gone, waits) = (gone().next().is_some(), own().any(|it| it.waits_for_reboot()));
            let (runs, host) = (Vec::new(), judged.host);
            (is_gone || waits).then_some(Self {
                id,
                wanted,
                is_gone,
                waits,
                files,
                host,
                runs,
                is_open: true,
            })
        };
        judged.declared.iter().filter_map(chain).collect()
    }

    /// Goes on with the next older run. Returns whether older ones may tell more.
    pub(super) fn go_on(&mut self, run: &RunRecord, alike: &Alike<'_>, past: Past<'_>) -> bool {
        self.is_open = self.is_open && self.is_continued_by(run, alike, past);
        self.is_open
    }

    fn is_continued_by(&mut self, run: &RunRecord, alike: &Alike<'_>, past: Past<'_>) -> bool {
        if run.undoes().is_some() {
            return false;
        }
        let Some(then) = alike.find(self.wanted) else {
            // What its playbook did not want then, nobody else took back.
            let playbook = |it: &Declaration| it.playbook.as_ref().map(|it| it.file.clone());
            let own = playbook(self.wanted);
            let is_of_it = own.is_some() && run.declarations.iter().any(|it| playbook(it) == own);
            return !is_of_it || run.outcome == Some(Outcome::Refused);
        };
        if then.desired != self.wanted.desired {
            return false;
        }
        let files = run.files.iter().map(|it| &it.path);
        let has_work = !run.files.is_empty() || !run.activations.is_empty();
        if past.was_booted_since(run) != Some(true) {
            if !self.is_gone {
                self.files.extend(files.cloned());
            }
        } else if has_work
            && (self.files.is_empty() || files.clone().any(|it| self.files.contains(it)))
            && run.outcome != Some(Outcome::Refused)
        {
            if self.is_gone && self.is_as_left_by(run) {
                return false;
            }
            let waited = matches!(run.outcome, Some(Outcome::RebootRequired | Outcome::ActivationRequired));
            match self.runs.last_mut().filter(|it| it.boot_id == run.boot_id) {
                Some(it) => it.waited |= waited,
                None => {
                    let (id, boot_id) = (run.id.clone(), run.boot_id.clone());
                    self.runs.push(Earlier { id, boot_id, waited });
                }
            }
        }
        // Of what is gone the newest run tells; of what waits for a boot, so many boots.
        !self.is_in_vain() && (self.waits || self.runs.is_empty())
    }

    /// Returns whether the files are as a run left them: then nobody took anything back, and what is wanted is not what it
    /// was. Another version of this program, or a device that the run did not see, may want other rules.
    fn is_as_left_by(&self, run: &RunRecord) -> bool {
        let mut own = run.files.iter().filter(|it| self.files.contains(&it.path)).peekable();
        let is_left = |it: &FileChange| self.host.read(&it.path).is_ok_and(|text| text == it.after);
        own.peek().is_some() && own.all(is_left)
    }

    /// Returns whether so many boots in a row did not bring it that another one is not expected to.
    fn is_in_vain(&self) -> bool {
        self.waits && self.runs.iter().filter(|it| it.waited).count() >= TRIES
    }

    /// Returns what is told of it, with the declaration it is about; `None` where nothing was taken back.
    pub(super) fn finding(self) -> Option<(ResourceId, Finding)> {
        let what = match &self.files {
            files if files.is_empty() => self.id.to_string(),
            files => files.iter().map(|it| it.display().to_string()).collect::<Vec<_>>().join(", "),
        };
        let (verdict, reason) = match &self.runs[..] {
            _ if self.is_in_vain() => {
                let runs: Vec<&str> = self.runs.iter().rev().map(|it| it.id.as_str()).collect();
                let reason = format!(
                    "runs {} put {what} in place, each in another boot, and each time it was gone again: \
                     something takes it back (cloud-init, a configuration manager, a script at boot). Once \
                     that is fixed, converge and reboot",
                    runs.join(", ")
                );
                (Verdict::TakenBackAgain, reason)
            }
            [last, ..] if self.is_gone => {
                let reason = format!(
                    "{what} was put in place by run {}, before this boot, and is gone again: a person, a package, or \
                     something at boot takes it back",
                    last.id
                );
                (Verdict::TakenBack, reason)
            }
            _ => return None,
        };
        let finding = Finding::new(verdict, &self.id, reason);
        Some((self.id, finding))
    }
}
