//! What can be shown as JSON and as text: every answer of a command.

use hoststate_core::plan::planned::Plan;
use hoststate_core::record::report::Report;
use hoststate_core::run::apply::Activate;
use hoststate_core::why::chain::Chain;
use serde::Serialize;

use crate::render::report::Goal;
use crate::render::screen::Screen;
use crate::render::{plan, report, why};

/// An answer. Its JSON is complete whatever a screen can show.
pub(crate) trait Shown: Serialize {
    /// Returns it as text for people.
    fn text(&self, screen: &Screen) -> String;

    /// Returns it as metrics; `None` for an answer that has none.
    fn metrics(&self) -> Option<String> {
        None
    }
}

/// A plan, and how the tools of the distribution are run.
#[derive(Serialize)]
#[serde(transparent)]
pub(crate) struct ShownPlan<'a> {
    /// The plan.
    pub(crate) plan: &'a Plan,
    /// How tools are run: text names those that are left to the user.
    #[serde(skip)]
    pub(crate) activate: Activate,
}

impl Shown for ShownPlan<'_> {
    fn text(&self, screen: &Screen) -> String {
        plan::text(screen, self.plan, self.activate)
    }
}

/// A report, and what the run was for.
#[derive(Serialize)]
#[serde(transparent)]
pub(crate) struct ShownReport<'a> {
    /// The report.
    pub(crate) report: &'a Report,
    /// What the host was to be brought to.
    #[serde(skip)]
    pub(crate) goal: Goal,
}

impl Shown for ShownReport<'_> {
    fn text(&self, screen: &Screen) -> String {
        report::text(screen, self.report, self.goal)
    }
}

/// The report of a boot that was tried and is refused.
#[derive(Serialize)]
#[serde(transparent)]
pub(crate) struct ShownRefusal<'a>(pub(crate) &'a Report);

impl Shown for ShownRefusal<'_> {
    fn text(&self, screen: &Screen) -> String {
        report::refused_boot(screen, self.0)
    }
}

impl Shown for Chain {
    fn text(&self, screen: &Screen) -> String {
        why::text(screen, self)
    }
}
