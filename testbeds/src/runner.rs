//! Runs scenarios: finds them, makes their images ready, gives each a world of its own, keeps what a failure left.

use std::{
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    thread,
};

use crate::{
    beds,
    error::{Error, Result, check},
    files, life,
    life::Task,
    machine,
    progress::{self, Progress},
    scenario::{File, Head},
    world::{self, RunDirectory},
};

/// Where the scenarios of the project are, in the workspace.
const SCENARIOS: &str = "testbeds/scenarios";
/// The plain beds, in the workspace.
const BEDS: &str = "testbeds/beds.lua";
/// Where failed scenarios leave their directories, in the cache.
const KEPT: &str = "kept";

/// What `run` was asked for.
#[derive(Default)]
pub(crate) struct Wish {
    /// Names of scenarios, or files of them.
    pub(crate) wanted: Vec<String>,
    /// Every scenario, not only those for CI.
    pub(crate) all: bool,
    /// Instead of the image of the scenario's bed.
    pub(crate) image: Option<PathBuf>,
    /// Renew stored expectations.
    pub(crate) bless: bool,
    /// Keep the directories of scenarios that passed, too.
    pub(crate) keep: bool,
    /// How many at once.
    pub(crate) jobs: usize,
}

/// A scenario and the file that declares it.
#[derive(Clone)]
pub(crate) struct Found {
    pub(crate) file: PathBuf,
    pub(crate) head: Head,
}

/// The scenarios of the project, by file and in the order of the file.
pub(crate) fn of_project(workspace: &Path) -> Result<Vec<Found>> {
    let mut found = Vec::new();
    for path in files::list(workspace.join(SCENARIOS))? {
        if path.extension().is_some_and(|it| it == "lua") {
            found.extend(of_file(&path)?);
        }
    }
    Ok(found)
}

fn of_file(path: &Path) -> Result<Vec<Found>> {
    let path = files::absolute(path)?;
    let directory = path.parent().unwrap_or(&path);
    let heads = File::read(&path, &shown(&path), directory)?.heads();
    Ok(heads.into_iter().map(|head| Found { file: path.clone(), head }).collect())
}

/// Finds the scenarios that were named; a name that ends in `.lua` is a file with scenarios.
pub(crate) fn select(workspace: &Path, wanted: &[String], all: bool) -> Result<Vec<Found>> {
    let project = of_project(workspace)?;
    if wanted.is_empty() {
        return Ok(project.into_iter().filter(|it| all || it.head.ci).collect());
    }
    let mut selected = Vec::new();
    for name in wanted {
        if name.ends_with(".lua") {
            selected.extend(of_file(Path::new(name))?);
            continue;
        }
        let found = project.iter().find(|it| it.head.name == *name).ok_or_else(|| Error::Unknown {
            kind: "scenario",
            name: name.clone(),
            known: project.iter().map(|it| it.head.name.as_str()).collect::<Vec<_>>().join(", "),
        })?;
        selected.push(found.clone());
    }
    Ok(selected)
}

/// Finds the plain bed of this name, or the bed of a scenario; of a file with several, the first.
pub(crate) fn bed(workspace: &Path, name: &str) -> Result<Found> {
    let beds = of_file(&workspace.join(BEDS))?;
    if let Some(bed) = beds.into_iter().find(|it| it.head.name == name) {
        return Ok(bed);
    }
    match select(workspace, &[name.to_owned()], false) {
        Err(Error::Unknown { name, known, .. }) => {
            let beds = beds::KINDS.each_ref().map(|it| it.name).join(", ");
            Err(Error::Unknown { kind: "bed or scenario", name, known: format!("{beds}, {known}") })
        }
        found => found?.into_iter().next().ok_or_else(|| Error::Unknown {
            kind: "scenario",
            name: name.to_owned(),
            known: "none in that file".into(),
        }),
    }
}

/// What all scenarios of a run have in common.
pub(crate) struct Runner<'a> {
    pub(crate) wish: &'a Wish,
    pub(crate) cache: &'a Path,
    /// The program under test.
    pub(crate) hoststate: &'a Path,
}

impl Runner<'_> {
    /// Runs the scenarios; a failed one does not keep the others from running.
    pub(crate) fn run(&self, scenarios: &[Found]) -> Result<()> {
        machine::install_tools(&Progress::new("testbed"))?;
        world::remove_left_runs(self.cache)?;
        let waiting = Mutex::new(scenarios.iter());
        let outcomes = Mutex::new(Vec::new());
        let next = || waiting.lock().unwrap_or_else(PoisonError::into_inner).next();
        thread::scope(|scope| {
            for _ in 0..self.wish.jobs.max(1) {
                scope.spawn(|| {
                    while let Some(found) = next() {
                        let outcome = self.run_one(found);
                        outcomes.lock().unwrap_or_else(PoisonError::into_inner).push(outcome);
                    }
                });
            }
        });
        let outcomes = outcomes.into_inner().unwrap_or_else(PoisonError::into_inner);
        progress::plain("");
        for Outcome { name, passed, seconds } in &outcomes {
            let word = if *passed { "passed" } else { "FAILED" };
            progress::plain(&format!("{word}  {seconds:6.0} s  {name}"));
        }
        let failed: Vec<&str> = outcomes.iter().filter(|it| !it.passed).map(|it| it.name).collect();
        if failed.is_empty() {
            return Ok(());
        }
        Err(Error::Scenarios { count: failed.len(), names: failed.join(", ") })
    }

    /// Makes the bed of a scenario and opens a shell in it.
    pub(crate) fn shell(&self, found: &Found) -> Result<()> {
        machine::install_tools(&Progress::new("testbed"))?;
        let (_work, task) = self.make_ready(found)?;
        let [inside, _, place] = life::words(&task)?;
        world::inside(&[inside, "shell".into(), place])?.on_terminal()
    }

    fn run_one<'a>(&self, found: &'a Found) -> Outcome<'a> {
        let ready = self.make_ready(found);
        // From here on, so that the building of images is not counted.
        let progress = Progress::new(&found.head.name);
        progress.line("starts");
        let outcome = ready.and_then(|(work, task)| self.live(found, work, &task, &progress));
        match &outcome {
            Ok(()) => progress.line("passed"),
            Err(err) => {
                progress::failure(err);
                progress.line("FAILED");
            }
        }
        Outcome { name: &found.head.name, passed: outcome.is_ok(), seconds: progress.seconds() }
    }

    /// Lives through a scenario, and from its start once more where its bed broke down by its own fault.
    fn live(&self, found: &Found, mut work: RunDirectory, task: &Task, progress: &Progress) -> Result<()> {
        let live = |task| world::inside(&life::words(task)?)?.within(found.head.seconds).pass_through();
        let mut status = live(task);
        if !matches!(status, Ok(0))
            && let Some(fault) = (beds::kind(&found.head.bed)?.breakdown)(work.path())?
        {
            progress.line(&format!("its bed broke down by its own fault, so it starts once more: {fault}"));
            let again = self.make_ready(found)?;
            work = again.0;
            status = live(&again.1);
        }
        let beside = found.file.parent().unwrap_or(&found.file);
        for text in files::list(life::renewed(work.path()))? {
            let name = text.file_name().unwrap_or_default();
            files::write(beside.join(name), &files::read(&text)?)?;
            progress::plain(&format!("stored {}", beside.join(name).display()));
        }
        let passed = matches!(status, Ok(0));
        if !passed || self.wish.keep {
            let kept = self.cache.join(KEPT).join(&found.head.name);
            files::remove_tree(&kept)?;
            files::make_directory(self.cache.join(KEPT))?;
            work.keep_as(&kept)?;
            progress::plain(&format!("kept {}: {}", kept.display(), life::KEPT_FILES));
        }
        let name = &found.head.name;
        check(status? == 0, name, "every step to pass", "the failure that stands above")
    }

    /// Makes everything ready that needs the network or takes long.
    fn make_ready(&self, found: &Found) -> Result<(RunDirectory, Task)> {
        let order = found.head.order(self.wish.image.as_deref());
        let images = (beds::kind(&order.bed)?.prepare)(&order, self.cache)?;
        let work = RunDirectory::make(self.cache)?;
        let inside = work.path().join("hoststate");
        files::copy(self.hoststate, &inside)?;
        let task = Task {
            file: found.file.clone(),
            shown: shown(&found.file),
            name: found.head.name.clone(),
            work: work.path().into(),
            images,
            image: self.wish.image.clone(),
            hoststate: inside,
            bless: self.wish.bless && found.head.fails_with.is_empty(),
        };
        Ok((work, task))
    }
}

/// How a scenario ended.
struct Outcome<'a> {
    name: &'a str,
    passed: bool,
    seconds: f64,
}

/// Removes what failed scenarios left.
pub(crate) fn remove_kept(cache: &Path) -> Result<()> {
    files::remove_tree(cache.join(KEPT))
}

/// The path as a person in this directory would write it.
fn shown(path: &Path) -> PathBuf {
    let here = std::env::current_dir().unwrap_or_default();
    path.strip_prefix(here).unwrap_or(path).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_bed_has_a_plain_one() {
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        for kind in &beds::KINDS {
            assert_eq!(bed(workspace, kind.name).unwrap().head.bed, kind.name);
        }
    }
}
