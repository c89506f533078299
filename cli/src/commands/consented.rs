//! From a plan to leave to carry it out: shown, asked for without a lock, judged again under it.

use std::path::Path;

use hoststate_core::host::Host;
use hoststate_core::plan::planned::Plan;
use hoststate_core::record::lock::Lock;
use hoststate_core::record::report::{Outcome, Report};
use hoststate_core::run::apply::is_actionable;

use crate::commands::converge::lock;
use crate::commands::plan;
use crate::consent::{Answer, Terminal, nobody_to_ask};
use crate::error::{Error, Result};
use crate::render;
use crate::render::escape::visible_line;
use crate::session::Session;
use crate::signals::Interrupt;
use crate::target::Target;

const CHANGED_MEANWHILE: &str = "The host changed while the question waited. What would be done now:";

/// How leave is asked for.
pub(crate) struct Consent<'a> {
    /// The host.
    pub(crate) target: &'a Target,
    /// Where the plan is shown.
    pub(crate) session: &'a Session,
    /// Whether the command line already says yes.
    pub(crate) is_given: bool,
    /// Whether a signal came.
    pub(crate) interrupt: &'a Interrupt,
    /// What holds the lock then.
    pub(crate) command: &'a str,
}

/// What came of it.
pub(crate) enum Leave {
    /// This plan may be carried out, under this lock.
    Given(Box<Plan>, Lock),
    /// Nothing is left that could be done.
    Nothing(Box<Plan>),
    /// It may not; the report says why.
    Not(Box<Report>),
}

impl Consent<'_> {
    /// Shows `plan`, asks, and returns the plan that may be carried out.
    ///
    /// The question holds no lock, so the host may be another one after it. `again` plans anew under the lock; it
    /// returns `None` if nothing reads differently. A plan that was not shown is never carried out: it is shown, and
    /// asked for like the first.
    ///
    /// # Errors
    /// When the terminal fails, the lock cannot be had, or `again` fails.
    pub(crate) fn obtain(
        &self,
        mut plan: Plan,
        question: impl Fn(&Plan) -> String,
        mut again: impl FnMut() -> Result<Option<Plan>>,
    ) -> Result<Leave> {
        if self.is_given {
            let lock = lock(self.target, self.command)?;
            plan = match again() {
                Ok(fresh) => fresh.unwrap_or(plan),
                Err(err) => return Err(released(lock, err)),
            };
            if !is_actionable(&plan, self.target.activate) {
                lock.end();
                return Ok(Leave::Nothing(Box::new(plan)));
            }
            self.print(&plan)?;
            return Ok(Leave::Given(Box::new(plan), lock));
        }
        let Some(terminal) = Terminal::open(self.session)? else {
            self.print(&plan)?;
            let report = Report::nothing_done(plan, Outcome::Declined, Some(nobody_to_ask()));
            return Ok(Leave::Not(Box::new(report)));
        };
        loop {
            self.print(&plan)?;
            if !self.session.is_on_terminal() {
                terminal.show(&render::plan::text(&terminal.screen, &plan, self.target.activate))?;
            }
            match terminal.ask(&question(&plan), self.interrupt)? {
                Answer::Yes => {}
                Answer::No => return Ok(not(plan, Outcome::Declined)),
                Answer::Interrupted => return Ok(not(plan, Outcome::Interrupted)),
            }
            let lock = lock(self.target, self.command)?;
            match again() {
                Ok(Some(fresh)) if fresh != plan => plan = fresh,
                Ok(_) => return Ok(Leave::Given(Box::new(plan), lock)),
                Err(err) => return Err(released(lock, err)),
            }
            lock.end();
            if !is_actionable(&plan, self.target.activate) {
                return Ok(Leave::Nothing(Box::new(plan)));
            }
            terminal.show(&format!("\n{CHANGED_MEANWHILE}\n\n"))?;
        }
    }

    fn print(&self, plan: &Plan) -> Result<()> {
        plan::tell(plan, self.target, self.session)
    }
}

/// Ends a lock under which nothing was begun, so that the next run need not look what this one left.
fn released(lock: Lock, err: Error) -> Error {
    lock.end();
    err
}

fn not(plan: Plan, outcome: Outcome) -> Leave {
    Leave::Not(Box::new(Report::nothing_done(plan, outcome, None)))
}

/// Returns the name of the host as a person knows it: that of the machine, or the root of the tree.
pub(crate) fn host_name(target: &Target) -> String {
    let view = target.host.view();
    if view.root() == Path::new("/") {
        visible_line(&rustix::system::uname().nodename().to_string_lossy()).into_owned()
    } else {
        visible_line(&view.root().display().to_string()).into_owned()
    }
}
