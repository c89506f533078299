//! What was there before a declaration was converged to that is to be absent now, as far as the records of runs tell.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use hoststate_abi::host_view::HostView;

use crate::error::Result;
use crate::language::contradiction::Governed;
use crate::language::declaration::Declaration;
use crate::language::ensure::Ensure;
use crate::language::registry::Declared;
use crate::planner::leftovers::Owner;
use crate::record::RunRecord;
use crate::record::past::Past;

/// The files of the runs of one declaration, the newest first.
struct Recalled {
    wanted: Declaration,
    /// What it is about.
    subjects: BTreeSet<Governed>,
    runs: Vec<Rc<RunRecord>>,
    /// Whether older runs may tell more: not once it was absent already.
    is_open: bool,
}

/// Returns for each declaration the host as it was before the runs that set it. `None` for what shall be there, and where no
/// run is known. What earlier runs of the same owner had set otherwise was not there before them.
///
/// # Errors
/// When records or a file cannot be read.
pub(super) fn views(
    declared: &[Declared],
    view: &HostView,
    past: Past<'_>,
    owner: Option<Owner<'_>>,
) -> Result<Vec<Option<Rc<HostView>>>> {
    let recalled = |it: &Declared| {
        (it.declaration.ensure == Ensure::Absent).then(|| Recalled {
            wanted: Declaration { ensure: Ensure::Present, ..it.declaration.clone() },
            subjects: it.resource.claims().into_iter().map(|it| it.subject).collect(),
            runs: Vec::new(),
            is_open: true,
        })
    };
    let mut all: Vec<Option<Recalled>> = declared.iter().map(recalled).collect();
    if all.iter().any(Option::is_some) {
        let mut undone = BTreeSet::new();
        past.newest(|run| {
            undone.extend(run.undoes().map(str::to_owned));
            let is_undone = undone.contains(&run.id) || run.undoes().is_some();
            let shared = Rc::new(run.clone());
            let own = owner.filter(|it| !is_undone && run.owner() == Some(it.name));
            let own = own.map(|it| Own::of(run, it)).unwrap_or_default();
            let open = all.iter_mut().flatten().filter(|it| it.is_open);
            let waiting = open.filter_map(|it| (!is_undone).then(|| it.look_at(&shared, &own)).or(Some(())));
            waiting.count() == 0
        })?;
    }
    // What the same runs set was made of the same files.
    let mut known: BTreeMap<Vec<String>, Option<Rc<HostView>>> = BTreeMap::new();
    let mut view_of = |it: Recalled| {
        let runs: Vec<String> = it.runs.iter().map(|it| it.id.clone()).collect();
        if let Some(view) = known.get(&runs) {
            return Ok(view.clone());
        }
        let made = it.view(view)?.map(Rc::new);
        known.insert(runs, made.clone());
        Ok(made)
    };
    all.into_iter().map(|it| it.map(&mut view_of).transpose().map(Option::flatten)).collect()
}

/// What the declarations of a run of the same owner are about.
#[derive(Default)]
struct Own {
    set: BTreeSet<Governed>,
    taken_out: BTreeSet<Governed>,
}

impl Own {
    fn of(run: &RunRecord, owner: Owner<'_>) -> Self {
        let mut own = Self::default();
        // What is not known here any more has no claims.
        for it in run.declarations.iter().filter_map(|it| owner.registry.decode(it.clone()).ok()) {
            let known = match it.declaration.ensure {
                Ensure::Present => &mut own.set,
                Ensure::Absent => &mut own.taken_out,
            };
            known.extend(it.resource.claims().into_iter().map(|it| it.subject));
        }
        own
    }
}

impl Recalled {
    fn look_at(&mut self, run: &Rc<RunRecord>, own: &Own) {
        let absent = Declaration { ensure: Ensure::Absent, ..self.wanted.clone() };
        if run.declarations.iter().any(|it| it.is_like(&absent) || it.has_item(&absent)) {
            self.is_open = false;
        } else if run.declarations.iter().any(|it| it.has_item(&self.wanted)) {
            self.runs.push(Rc::clone(run));
        } else if !self.runs.is_empty() {
            if !self.subjects.is_disjoint(&own.set) {
                self.runs.push(Rc::clone(run));
            }
            self.is_open = self.subjects.is_disjoint(&own.taken_out);
        }
    }

    fn view(self, view: &HostView) -> Result<Option<HostView>> {
        if self.runs.is_empty() {
            return Ok(None);
        }
        let mut before = view.without_predictions();
        for change in self.runs.iter().flat_map(|it| &it.files) {
            before.predict(&change.path, change.before.clone())?;
        }
        Ok(Some(before))
    }
}
