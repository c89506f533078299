//! The life of one scenario, in a world of its own: makes the bed, lives through the steps, tells how it ended.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::{
    beds::{self, Place},
    error::{Error, Result, check},
    files,
    progress::Progress,
    scenario::{Expectations, File, Host},
    transcript::Transcript,
    world::mount,
};

/// What a person finds in the directory of a scenario.
pub(crate) const KEPT_FILES: &str = "console.log, transcript.txt";
/// The order that the runner left, in the scenario's directory.
const TASK: &str = "task.json";
/// Where the scenario's own directory shows, whatever the bed covers.
const BESIDE: &str = "beside";

/// One scenario with everything it needs.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Task {
    /// The file that declares it.
    pub(crate) file: PathBuf,
    /// The file as errors name it.
    pub(crate) shown: PathBuf,
    /// The name of the scenario.
    pub(crate) name: String,
    /// A directory for it alone.
    pub(crate) work: PathBuf,
    /// What its kind of bed made ready.
    pub(crate) images: Vec<PathBuf>,
    /// What `--image` named.
    pub(crate) image: Option<PathBuf>,
    /// The program under test.
    pub(crate) hoststate: PathBuf,
    /// Whether stored expectations are renewed.
    pub(crate) bless: bool,
}

/// Where a scenario in this directory leaves renewed expectations.
pub(crate) fn renewed(work: &Path) -> PathBuf {
    work.join("renewed")
}

/// Leaves the task in its directory; returns the words that make this program live it.
pub(crate) fn words(task: &Task) -> Result<[PathBuf; 3]> {
    let text = serde_json::to_string_pretty(task)
        .map_err(|source| Error::Json { what: "the task of a scenario".into(), source })?;
    files::write(task.work.join(TASK), &text)?;
    Ok(["inside".into(), "scenario".into(), task.work.clone()])
}

/// Lives through the scenario whose directory this is.
pub(crate) fn live(work: &Path) -> Result<()> {
    let task = read_task(work)?;
    let (file, host) = open(&task)?;
    let ended = file.run(&task.name, &task.shown, host.clone());
    files::write(work.join("console.log"), &host.console()?)?;
    let heads = file.heads();
    let wanted = heads.iter().find(|it| it.name == task.name).map_or(&[][..], |it| &it.fails_with);
    match ended {
        Err(err) if !wanted.is_empty() => {
            let message = err.to_string();
            for text in wanted {
                check(message.contains(text), "the failure that is wanted here", text, &message)?;
            }
            Progress::new(&task.name).line(&format!("failed, as it must: {message}"));
            Ok(())
        }
        Ok(()) if !wanted.is_empty() => check(false, &task.name, "a failure", "that every step passed"),
        ended => ended,
    }
}

/// Makes the bed of the scenario whose directory this is, and gives the terminal a shell in it.
pub(crate) fn shell(work: &Path) -> Result<()> {
    let task = read_task(work)?;
    let (_, host) = open(&task)?;
    host.shell()
}

fn read_task(work: &Path) -> Result<Task> {
    serde_json::from_str(&files::read(work.join(TASK))?)
        .map_err(|source| Error::Json { what: "the task of a scenario".into(), source })
}

fn open(task: &Task) -> Result<(File, Host)> {
    let beside = task.work.join(BESIDE);
    files::make_directory(&beside)?;
    let directory = task.file.parent().unwrap_or(&task.file);
    mount(&["--bind", &directory.to_string_lossy(), &beside.to_string_lossy()])?;
    let file = File::read(&beside.join(task.file.file_name().unwrap_or_default()), &task.shown, &beside)?;
    let head = file.heads().into_iter().find(|it| it.name == task.name).ok_or_else(|| Error::Unknown {
        kind: "scenario",
        name: task.name.clone(),
        known: "those that the file had a moment ago".into(),
    })?;
    let playbook = file.playbook(&head)?;
    let order = head.order(task.image.as_deref());
    let progress = Progress::new(&task.name);
    progress.line("making the bed");
    let place =
        Place { work: task.work.clone(), images: task.images.clone(), hoststate: task.hoststate.clone() };
    let bed = (beds::kind(&order.bed)?.open)(&order, place)?;
    progress.line("the bed takes calls");
    let expectations = Expectations { stored: beside, renewed: task.bless.then(|| renewed(&task.work)) };
    let transcript = Transcript::start(&task.work.join("transcript.txt"))?;
    Ok((file, Host::new(bed, playbook, expectations, progress, transcript)))
}
