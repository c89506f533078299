//! The laws that every resource type keeps, built in or not, tried on a host that may be changed.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use hoststate_abi::about::About;
use hoststate_abi::host_view::HostView;
use hoststate_abi::setting::{Remedy, Setting, State};
use hoststate_abi::step::Step;
use rustix::fs::Mode;

use crate::error::{Error, Result};
use crate::host::directory::Directory;
use crate::host::file::{Medium, replace};
use crate::host::{Done, Host};
use crate::language::parts;
use crate::language::registry::Declared;
use crate::language::resource::Context;
use crate::mechanism::distro::Distro;
use crate::plan::planned::{Change, Plan};
use crate::planner::{Planner, Runtime};
use crate::record::command::RunCommand;
use crate::record::past::Past;
use crate::record::recorder::Recorder;
use crate::record::report::StepReport;
use crate::record::store::RecordStore;
use crate::run::apply::{Activate, Agreed, Run, Watcher};

/// A law that a type breaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokenLaw {
    /// The law.
    pub law: &'static str,
    /// What was seen.
    pub what: String,
    /// What to mend, as a sentence.
    pub mend: String,
}

impl BrokenLaw {
    /// Returns a finding.
    pub fn new(law: &'static str, what: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { law, what: what.into(), mend: mend.into() }
    }
}

/// The laws of [`check`], in the order in which they are tried.
pub const LAWS: [&str; 8] = [
    "an inspection answers",
    "a host that is not so differs",
    "two inspections are equal",
    "an inspection writes nothing",
    "a plan has no conflict with itself",
    "what is done is what was planned",
    "what is handed over is known before and after",
    "the second plan is empty",
];

/// A declaration and the host it is tried on.
#[derive(Debug)]
pub struct Trial<'a> {
    /// The declaration.
    pub declared: &'a Declared,
    /// The mechanisms of the host.
    pub distro: &'a Distro,
    /// Where runs are recorded; not on the host.
    pub records: RecordStore,
    /// Whether the host can run the distribution's tools.
    pub activate: Activate,
}

/// How a trial ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Conformity {
    /// How many of [`LAWS`] were tried; a broken one can make it pointless to try those after it.
    pub tried: usize,
    /// The laws that were broken.
    pub findings: Vec<BrokenLaw>,
}

impl Conformity {
    /// Returns the verdict on a type that cannot be tried.
    pub fn of(err: &Error) -> Self {
        let mend = err.hint().unwrap_or_else(|| "Correct what the error names.".to_owned());
        Self { tried: 1, findings: vec![BrokenLaw::new(LAWS[0], err.to_string(), mend)] }
    }
}

/// Converges `host` to the declaration, and returns the laws that were broken on the way.
pub fn check(trial: &Trial<'_>, host: &dyn Host) -> Conformity {
    try_laws(trial, host).unwrap_or_else(|err| Conformity::of(&err))
}

impl Trial<'_> {
    /// Returns the settings of the declaration and of what it hands over, each on what those before it write.
    fn inspect(&self, host: &dyn Host) -> Result<Vec<Setting>> {
        let mut view = host.view();
        let (declared, cx) = (std::slice::from_ref(self.declared), Context::new(&view, self.distro));
        let all = parts::expanded(declared, cx)?;
        let mut settings = Vec::new();
        for it in all.iter() {
            let own = it.resource.inspect(Context::new(&view, self.distro));
            for setting in own.map_err(|err| err.of(&it.id))? {
                if let State::Drifted { remedy: Remedy::Steps(steps), .. } = &setting.state {
                    steps.iter().try_for_each(|step| view.predict_step(step))?;
                }
                settings.push(setting);
            }
        }
        Ok(settings)
    }

    /// Returns what a trial boot, `verify` and `why` know of what the declaration hands over.
    fn handed(&self, host: &dyn Host) -> Result<Vec<String>> {
        let parts = self.declared.resource.parts(Context::new(&host.view(), self.distro))?;
        Ok(parts.iter().map(|it| format!("{it:?}")).collect())
    }
}

fn try_laws(trial: &Trial<'_>, host: &dyn Host) -> Result<Conformity> {
    let mut findings = Vec::new();
    let before = files(&host.view())?;
    let (first, second) = (trial.inspect(host)?, trial.inspect(host)?);
    let handed = trial.handed(host)?;
    if first.is_empty() {
        let mend = "Return each setting that the declaration governs, converged ones too.";
        findings.push(BrokenLaw::new(LAWS[0], "it has no settings", mend));
    }
    // Whoever says `converged` to everything keeps all other laws.
    if !first.is_empty() && first.iter().all(|it| it.state == State::Converged) {
        let mend = "Compare the value with what is on the host; and give each example a host that is not as it wants.";
        findings.push(BrokenLaw::new(LAWS[1], "it says that the example's host is already as wanted", mend));
    }
    if let Some(difference) = difference(&first, &second) {
        let mend =
            "The same host and value must give the same settings: sort what has no order, use no clock.";
        findings.push(BrokenLaw::new(LAWS[2], difference, mend));
    }
    let after = files(&host.view())?;
    if let Some(path) = changed(&before, &after).next() {
        let mend = "Propose a step instead; hoststate shows it, asks, and does it.";
        findings.push(BrokenLaw::new(LAWS[3], format!("{} was changed", path.display()), mend));
        return Ok(Conformity { tried: 4, findings });
    }
    let planner = Planner {
        declared: std::slice::from_ref(trial.declared),
        distro: trial.distro,
        guards: &[],
        accepted: &[],
        runtime: Runtime::Now,
        past: Past::default(),
        owner: None,
    };
    let plan = planner.plan(&mut host.view())?;
    if let Some(conflict) = plan.conflicts.iter().find(|it| !was_blocked(&first, &it.about)) {
        let mend = "Compare with the predicted files where the request has them, and write what makes the \
                    comparison come out equal.";
        findings.push(BrokenLaw::new(LAWS[4], format!("{}: {}", conflict.about, conflict.reason), mend));
        return Ok(Conformity { tried: 5, findings });
    }
    let mut recorder =
        Recorder::new(trial.records.clone(), RunCommand::Other("conformance".to_owned()), None);
    let mut rounds = Rounds::default();
    let run = Run {
        planner,
        host,
        activate: trial.activate,
        agreed: Agreed::Declarations,
        recorder: &mut recorder,
        watcher: &mut rounds,
    };
    run.converge(plan);
    findings.extend(rounds.failed.first().map(|step| {
        let why = step.reason.clone().unwrap_or_default();
        let mend = "Propose a step that this host can do.";
        BrokenLaw::new(LAWS[5], format!("{}: {why}", step.what), mend)
    }));
    let planned: BTreeMap<&PathBuf, &Option<String>> =
        rounds.plans.iter().flat_map(|it| &it.files).map(|it| (&it.path, &it.after)).collect();
    for (path, text) in planned {
        if host.view().read(path)? != *text {
            let mend = "Return the same steps for the same host.";
            findings.push(BrokenLaw::new(
                LAWS[5],
                format!("{} is not as the plan showed it", path.display()),
                mend,
            ));
        }
    }
    // What it hands over is tried in a boot, verified and explained by asking for it: also when it is so already.
    if let Some(lost) = handed.iter().find(|it| !trial.handed(host).is_ok_and(|now| now.contains(it))) {
        let mend = "Return the same `resources` whatever the host is like; they say themselves whether they are as wanted.";
        findings.push(BrokenLaw::new(
            LAWS[6],
            format!("once it is done, it does not hand over {lost}"),
            mend,
        ));
    }
    let rest = planner.plan(&mut host.view())?;
    findings.extend(rest.changes.iter().find(|it| can_be_tried(it, trial.activate)).map(|change| {
        let shown = |it: &Option<String>| it.clone().unwrap_or_else(|| "(absent)".to_owned());
        let what = format!(
            "{}: {} -> {} after it was done",
            change.about,
            shown(&change.actual),
            shown(&change.desired)
        );
        BrokenLaw::new(LAWS[7], what, "A step must have the effect that the inspection looks for.")
    }));
    Ok(Conformity { tried: LAWS.len(), findings })
}

fn was_blocked(settings: &[Setting], about: &About) -> bool {
    settings.iter().any(|it| it.about == *about && matches!(it.state, State::Blocked { .. }))
}

/// Returns whether the host of a trial could make this change.
fn can_be_tried(change: &Change, activate: Activate) -> bool {
    match activate {
        Activate::Run => !change.waits_for_reboot(),
        Activate::Skip => {
            change.activation.is_none() && !change.steps.iter().any(|it| matches!(it, Step::Run { .. }))
        }
    }
}

fn difference(first: &[Setting], second: &[Setting]) -> Option<String> {
    if first.len() != second.len() {
        return Some(format!("first {} settings, then {}", first.len(), second.len()));
    }
    let (one, _) = first.iter().zip(second).find(|(one, other)| one != other)?;
    Some(format!("{} differs", one.about))
}

/// Returns every file and link of a tree, with its bytes or what the link holds.
fn files(host: &HostView) -> io::Result<BTreeMap<PathBuf, Vec<u8>>> {
    let mut found = BTreeMap::new();
    let mut directories = vec![PathBuf::from("/")];
    while let Some(directory) = directories.pop() {
        for name in host.list(&directory)? {
            let path = directory.join(name);
            if let Some(target) = host.link_target(&path)? {
                found.insert(path, target.into_os_string().into_encoded_bytes());
            } else if host.is_dir(&path)? {
                directories.push(path);
            } else if let Some(bytes) = host.read_bytes(&path)? {
                found.insert(path, bytes);
            }
        }
    }
    Ok(found)
}

fn changed<'a>(
    before: &'a BTreeMap<PathBuf, Vec<u8>>,
    after: &'a BTreeMap<PathBuf, Vec<u8>>,
) -> impl Iterator<Item = &'a PathBuf> {
    let gone = before.keys().filter(|it| !after.contains_key(*it));
    gone.chain(after.iter().filter(|(path, bytes)| before.get(*path) != Some(bytes)).map(|(path, _)| path))
}

/// Remembers every round.
#[derive(Debug, Default)]
struct Rounds {
    plans: Vec<Plan>,
    failed: Vec<StepReport>,
}

impl Watcher for Rounds {
    fn round(&mut self, plan: &Plan) {
        self.plans.push(plan.clone());
    }

    fn begin(&mut self, _: &str) {}

    fn end(&mut self, step: &StepReport) {
        if step.reason.is_some() {
            self.failed.push(step.clone());
        }
    }

    fn interrupted(&self) -> bool {
        false
    }
}

/// A tree whose attributes take what is written to them, as files do. Tools are not run.
#[derive(Debug)]
pub struct TrialHost {
    root: PathBuf,
}

impl TrialHost {
    /// Makes a tree of these files and links in an empty directory.
    ///
    /// # Errors
    /// When a file cannot be made, or a path is not absolute.
    pub fn new(
        root: &Path,
        files: &BTreeMap<PathBuf, String>,
        links: &BTreeMap<PathBuf, PathBuf>,
    ) -> Result<Self> {
        for (path, text) in files {
            below(root, path)?;
            replace(root, path, text, Medium::Atomic, None)?;
        }
        for (path, target) in links {
            let link = below(root, path)?;
            Directory::make(root, path.parent().unwrap_or(Path::new("/")))?;
            rustix::fs::symlink(target, &link).map_err(io::Error::from)?;
        }
        Ok(Self { root: root.to_owned() })
    }
}

impl TrialHost {
    /// Lets every user write the tree: one who should not and tries is found out.
    ///
    /// # Errors
    /// When a mode cannot be set.
    pub fn open_to_all(&self) -> Result<()> {
        let view = self.view();
        let set = |path: &Path, mode| rustix::fs::chmod(view.below_root(path), Mode::from_raw_mode(mode));
        let mut directories = vec![PathBuf::from("/")];
        while let Some(directory) = directories.pop() {
            set(&directory, 0o777).map_err(io::Error::from)?;
            for name in view.list(&directory)? {
                let path = directory.join(name);
                if view.link_target(&path)?.is_some() {
                    continue;
                }
                match view.is_dir(&path)? {
                    true => directories.push(path),
                    false => set(&path, 0o666).map_err(io::Error::from)?,
                }
            }
        }
        Ok(())
    }
}

fn below(root: &Path, path: &Path) -> Result<PathBuf> {
    match path.strip_prefix("/") {
        Ok(relative) if relative.components().all(|it| matches!(it, std::path::Component::Normal(_))) => {
            Ok(root.join(relative))
        }
        _ => Err(Error::invalid(
            format!("the example has the path {}", path.display()),
            "Paths of an example are absolute and have no `..`.",
        )),
    }
}

impl Host for TrialHost {
    fn view(&self) -> HostView {
        HostView::new(&self.root)
    }

    fn perform(&self, step: &Step) -> Result<Done> {
        let view = self.view();
        match step {
            Step::WriteFile { path, text } => {
                replace(&self.root, &view.resolve(path)?, text, Medium::Atomic, None)?;
            }
            Step::EditFile { path, edits } => {
                let text = view.edited(path, edits)?;
                replace(&self.root, &view.resolve(path)?, &text, Medium::Atomic, None)?;
            }
            Step::RemoveFile { path } => {
                rustix::fs::unlink(view.below_root(&view.resolve(path)?)).map_err(io::Error::from)?
            }
            Step::WriteAttribute { path, value } => {
                if !view.exists(path)? {
                    let what = format!("there is no attribute {}", path.display());
                    return Err(Error::invalid(
                        what,
                        "Give the example the attribute, or propose no write to it.",
                    ));
                }
                replace(&self.root, &view.resolve(path)?, &format!("{value}\n"), Medium::Atomic, None)?;
            }
            Step::Run { .. } => {}
        }
        Ok(Done::default())
    }

    fn sync(&self) -> Result<()> {
        Ok(())
    }

    fn wait_for_devices(&self, _: u32) -> bool {
        false
    }
}
