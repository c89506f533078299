//! Whether a host survived a fault: what is there, what was said, and what the next run makes of it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::small_host::{Commands, Files, SmallHost, files};
use crate::trace::{Answer, Fault, answer};
use crate::{besides, machine, program};

/// What a fault came to.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// All is as it must be, and how the run ended.
    Holds(&'static str),
    /// What is not.
    Broken(String),
}

/// Judges a tree after a fault, and after the next run.
pub(crate) fn judge(
    host: &SmallHost,
    commands: Commands,
    root: &Path,
    answer: &Answer,
    fault: Fault,
    old: &Files,
    new: &Files,
) -> Verdict {
    let found = torn(root, fault, old, new)
        .and_then(|()| unsaid(root, commands, answer, fault, old))
        .and_then(|kind| unhealed(host, commands, root, new).map(|()| kind));
    match found {
        Ok(kind) => Verdict::Holds(kind),
        Err(why) => Verdict::Broken(why),
    }
}

/// Every file is old or new; what is left besides belongs to a killed run, and no program reads it.
fn torn(root: &Path, fault: Fault, old: &Files, new: &Files) -> Result<(), String> {
    let now = files(root);
    for (path, text) in &now {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if old.get(path) == Some(text) || new.get(path) == Some(text) {
            continue;
        }
        let is_left = name.starts_with(".hoststate-") && (name.ends_with(".new") || name.ends_with(".old"));
        // Whoever cannot remove its own file may leave it.
        let may_be_left = fault == Fault::Signal("KILL") || matches!(fault, Fault::Error(_));
        if !(is_left && may_be_left) {
            return Err(format!("{} is neither old nor new: {text:?}", path.display()));
        }
        if fs::metadata(root.join(path)).is_ok_and(|it| it.permissions().mode() & 0o111 != 0) {
            return Err(format!("{} is executable", path.display()));
        }
        if besides::gives_the_mask_away(&root.join(path)) {
            return Err(format!("{} gives its group what the mask hides", path.display()));
        }
    }
    let gone = old.keys().find(|path| new.contains_key(*path) && !now.contains_key(*path));
    gone.map_or(Ok(()), |path| Err(format!("{} is gone", path.display())))
}

/// A run that did not do its work says so, and what it says is true.
fn unsaid(
    root: &Path,
    commands: Commands,
    answer: &Answer,
    fault: Fault,
    old: &Files,
) -> Result<&'static str, String> {
    let says = |it: &str| answer.said.contains(it);
    let unchanged = || files(root) == *old;
    if says("nothing was changed") && !unchanged() {
        return Err("it says that nothing was changed".to_owned());
    }
    match (fault, answer.status) {
        (Fault::Signal("KILL"), 137) => Ok("cut"),
        (Fault::Signal("INT" | "TERM"), 130) => Ok("interrupted"),
        (Fault::Error(_), 1) if !says("error:") => Err("it failed without a word".to_owned()),
        (Fault::Error(_), 1) if says("panicked") => Err("it panicked".to_owned()),
        (Fault::Error(_), 1) => Ok("failed"),
        // A signal after the last step, an error that does no harm.
        (Fault::Error(_) | Fault::Signal("INT" | "TERM"), 0) => Ok("succeeded"),
        // The plugin was hit, which is another process: while it was needed, or later.
        (_, 1) if commands == Commands::Plugin && says("error:") && !says("panicked") => Ok("failed"),
        (_, 0) if commands == Commands::Plugin => Ok("succeeded"),
        (_, status) => Err(format!("an unexpected exit status: {status}")),
    }
}

/// The next run ends as if nothing had happened, and leaves nothing behind.
fn unhealed(host: &SmallHost, commands: Commands, root: &Path, new: &Files) -> Result<(), String> {
    let again = match commands {
        // A rollback that did not end is ended by the same words.
        Commands::Converge | Commands::Stage | Commands::Plugin | Commands::Rollback => {
            answer(&mut host.command_on(commands, root))
        }
        Commands::Finish | Commands::AtBoot => {
            // What went down in the middle is not begun again by itself; it clears up, and leaves the rest to a person.
            let by_itself = answer(&mut host.command_on(commands, root));
            if !matches!(by_itself.status, 0 | 1) || by_itself.said.contains("panicked") {
                return Err(format!("the next boot does not end well:\n{by_itself}"));
            }
            answer(&mut machine::command(root, &["converge", "/root/playbook.lua", "--yes"]))
        }
    };
    let now = files(root);
    if again.status != 0 || now != *new {
        let differs: Vec<_> =
            now.keys().chain(new.keys()).filter(|it| now.get(*it) != new.get(*it)).collect();
        return Err(format!("the next run does not heal it: {differs:?}\n{again}"));
    }
    let lock = fs::read_to_string(root.join("var/lib/hoststate/lock")).unwrap_or_default();
    if !lock.is_empty() {
        return Err(format!("the lock names a run: {lock}"));
    }
    if let Some(left) = left_over(root) {
        return Err(format!("{} is left", left.display()));
    }
    readable(root)
}

/// Returns a file of hoststate's own state that was begun and has not got its name.
fn left_over(root: &Path) -> Option<PathBuf> {
    let state = root.join("var/lib/hoststate");
    [&state, &state.join("runs")].into_iter().map(|it| it.join(".new")).find(|it| it.exists())
}

fn readable(root: &Path) -> Result<(), String> {
    let history = answer(Command::new(program()).args(["history", "--root"]).arg(root).env_clear());
    if history.status == 0 { Ok(()) } else { Err(format!("the records cannot be read:\n{history}")) }
}
