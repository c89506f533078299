//! `hoststate rollback`: a recorded run undone, until the effect is there.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::PathBuf;

use hoststate_abi::host_view::HostView;
use hoststate_core::host::Host;
use hoststate_core::plan::planned::Plan;
use hoststate_core::record::command::RunCommand;
use hoststate_core::record::report::Report;
use hoststate_core::record::store::Unreadable;
use hoststate_core::run::apply::{Agreed, is_actionable};
use hoststate_core::run::rollback::select::{Selected, select};
use hoststate_core::run::rollback::{Collision, Undo};

use crate::args::RollbackArguments;
use crate::commands::consented::{Consent, Leave, host_name};
use crate::commands::converge::{Converge, lock};
use crate::commands::plan::show;
use crate::error::{Error, Result};
use crate::exit::Exit;
use crate::render::amount::amount;
use crate::render::escape::{visible, visible_line};
use crate::render::report::Goal;
use crate::session::{Session, say};
use crate::target::Target;

/// Runs the command.
///
/// # Errors
/// When there is no such run, another run has the lock, or a file was changed since and `--force` is not given.
pub(crate) fn run(arguments: &RollbackArguments, session: &Session) -> Result<Exit> {
    let target = Target::open(&arguments.host)?;
    let mut wanted = Wanted::select(&target, arguments)?;
    // Where the plan is refused nothing is cleared up either: the disk may be read-only since the last run failed.
    if !arguments.check && wanted.plan.refusals().next().is_none() && target.records()?.is_left_behind()? {
        lock(&target, "rollback")?.end();
        wanted = Wanted::select(&target, arguments)?;
    }
    let Wanted { undone, undone_by, is_partly_undone, skipped, plan } = wanted;
    for it in &skipped {
        say(format_args!("Skipped: {}.\n", visible_line(&it.to_string())));
    }
    let declared = [undone.declared()];
    let id = &undone.record().id;
    let command = RunCommand::Rollback(id.clone());
    if arguments.check {
        show(&plan, &target, session)?;
        return Ok(Exit::of_plan(&plan, target.detail));
    }
    let recorder = target.recorder(command.clone(), None, None)?.undoing(undone.outputs());
    // Who says yes beforehand agreed to the run being undone, who is asked, to what was shown.
    let agreed = if arguments.yes { Agreed::Declarations } else { Agreed::Plan };
    let converge = Converge { target: &target, declared: &declared, owner: None, agreed, session };
    if !is_actionable(&plan, target.activate) {
        if let Some(by) = undone_by {
            session.tell(&format!(
                "Run {} was undone by {}, and there is nothing newer to undo. To go further back, name the \
                 run: `hoststate history`.\n",
                visible_line(id),
                visible_line(&by)
            ))?;
        }
        let report = converge.nothing_to_do(plan, recorder)?;
        if is_partly_undone && report.left.in_words().is_empty() {
            record_the_end(&target, &command, &report)?;
        }
        return converge.finish(&report, Goal::FilesAsBefore);
    }
    let interrupt = session.interrupt()?;
    let consent = Consent {
        target: &target,
        session,
        is_given: arguments.yes,
        interrupt: &interrupt,
        command: &command.to_string(),
    };
    let again = || {
        refuse_changed(&undone, &target, arguments)?;
        Ok(Some(undone.furnished(target.plan(&declared)?)))
    };
    let report = match consent.obtain(plan, |plan| question(plan, &target), again)? {
        Leave::Given(plan, lock) => converge.carry_out(*plan, recorder, interrupt, lock),
        Leave::Nothing(plan) => converge.nothing_to_do(*plan, recorder)?,
        Leave::Not(report) => *report,
    };
    converge.finish(&report, Goal::FilesAsBefore)
}

/// What is undone, and how.
struct Wanted {
    undone: Undo,
    /// The run that undid it already.
    undone_by: Option<String>,
    /// Whether a run that undid it did not come to its end.
    is_partly_undone: bool,
    /// Newer records that cannot be read.
    skipped: Vec<Unreadable>,
    plan: Plan,
}

impl Wanted {
    fn select(target: &Target, arguments: &RollbackArguments) -> Result<Self> {
        let mut selected = select(&target.records()?, arguments.run.as_deref(), &HostView::new("/"))?;
        let skipped = std::mem::take(&mut selected.skipped);
        let undone_by = selected.rollbacks.first().filter(|_| selected.is_undone).map(|it| it.id.clone());
        let is_partly_undone = selected.rollbacks.first().is_some_and(|it| !it.has_left_nothing());
        let undone = undo(target, selected)?;
        refuse_changed(&undone, target, arguments)?;
        let plan = undone.furnished(target.plan(&[undone.declared()])?);
        Ok(Self { undone, undone_by, is_partly_undone, skipped, plan })
    }
}

/// Records that nothing is left of a rollback that did not come to its end: others have done it since.
fn record_the_end(target: &Target, command: &RunCommand, report: &Report) -> Result<()> {
    let lock = lock(target, &command.to_string())?;
    target.recorder(command.clone(), None, None)?.verdict(&mut report.clone(), None)?;
    lock.end();
    Ok(())
}

/// Returns what the user is asked: how much is put back, and where.
fn question(plan: &Plan, target: &Target) -> String {
    format!("Put back {}: {}?", host_name(target), amount(plan, target.activate))
}

/// Returns how the selected run is undone on this host.
///
/// # Errors
/// When the host cannot be read.
pub(crate) fn undo(target: &Target, selected: Selected) -> Result<Undo> {
    let Selected { run, rollbacks, is_undone, .. } = selected;
    let (view, boot_id) = (target.host.view(), target.past().boot_id);
    Ok(Undo::new(run, &rollbacks, is_undone, (&view, &target.distro), boot_id)?)
}

/// Refuses to lose what others changed where the run changed it; with `--force` it says what is lost.
fn refuse_changed(undone: &Undo, target: &Target, arguments: &RollbackArguments) -> Result<()> {
    let collisions = undone.collisions(&target.host.view())?;
    if collisions.is_empty() {
        return Ok(());
    }
    let id = &undone.record().id;
    let mut diff = String::new();
    for it in &collisions {
        write!(diff, "{}", it.change.diff).expect("writing to a string does not fail");
    }
    let writers = writers_since(id, target)?;
    let places: Vec<String> = collisions.iter().map(|it| place(it, &writers)).collect();
    if arguments.force {
        let places = visible_line(&places.join(", ")).into_owned();
        let (id, diff) = (visible_line(id), visible(&diff));
        say(format_args!("Lost by --force, changed since run {id}: {places}\n{diff}"));
        return Ok(());
    }
    Err(Error::ChangedSince { run: id.clone(), places, diff })
}

/// Returns the newest run that wrote each file since a run.
fn writers_since(id: &str, target: &Target) -> Result<BTreeMap<PathBuf, String>> {
    let mut writers = BTreeMap::new();
    for (filed, record) in target.records()?.newest_first()?.take_while(|it| it.0.id != id) {
        for file in record.into_iter().flat_map(|it| it.files) {
            writers.entry(file.path).or_insert_with(|| filed.id.clone());
        }
    }
    Ok(writers)
}

/// Returns where others changed what a run changed, and which run did.
fn place(collision: &Collision, writers: &BTreeMap<PathBuf, String>) -> String {
    let path = &collision.change.path;
    let line = collision.line.map(|it| format!(":{it}")).unwrap_or_default();
    let by = writers.get(path).map_or_else(|| "by no run".to_owned(), |it| format!("by run {it}"));
    format!("{}{line} ({by})", path.display())
}
