//! `hoststate plan`: every difference, nothing changed.

use hoststate_core::host::Host;
use hoststate_core::machine::trust::Trust;
use hoststate_core::plan::planned::Plan;

use crate::args::PlanArguments;
use crate::commands::at_boot::Wanted;
use crate::error::Result;
use crate::exit::Exit;
use crate::plugins::without_playbook;
use crate::render::shown::{Shown, ShownPlan};
use crate::saved;
use crate::session::Session;
use crate::target::{Target, invoking_user};

/// Runs the command.
///
/// # Errors
/// When the playbook or the host cannot be read, or the plan cannot be saved.
pub(crate) fn run(arguments: &PlanArguments, session: &Session) -> Result<Exit> {
    let mut target = Target::look(&arguments.host, &arguments.captured)?;
    let playbook = target.owned(target.playbook(&arguments.playbook)?, &arguments.owned)?;
    if arguments.confirm_boot {
        let plan = Wanted::trial(playbook, &arguments.host).plan(&target, &mut target.host.view())?;
        show(&plan, &target, session)?;
        return Ok(Exit::of_plan(&plan, target.detail));
    }
    let mut view = target.host.view();
    let plan = target.plan_in(&mut view, &playbook.declared, playbook.owner.as_deref())?;
    if let Some(path) = &arguments.out {
        without_playbook(&playbook.declared, &target.registry)?;
        saved::save(&plan, path, &Trust::of_links(invoking_user()))?;
    }
    show(&plan, &target, session)?;
    Ok(Exit::of_plan(&plan, target.detail))
}

/// Prints a plan in the format that is wanted.
///
/// # Errors
/// When standard output cannot be written.
pub(crate) fn show(plan: &Plan, target: &Target, session: &Session) -> Result<()> {
    session.show(&ShownPlan { plan, activate: target.activate })
}

/// Prints a plan that people see before what becomes of it; with JSON, nothing.
///
/// # Errors
/// When standard output cannot be written.
pub(crate) fn tell(plan: &Plan, target: &Target, session: &Session) -> Result<()> {
    session.tell(&ShownPlan { plan, activate: target.activate }.text(&session.screen))
}
