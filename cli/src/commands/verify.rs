//! `hoststate verify`: whether the host is in the desired state, one line for each setting.

use std::thread;
use std::time::{Duration, Instant};

use hoststate_abi::host_view::HostView;
use hoststate_core::language::registry::Declared;
use hoststate_core::plan::finding::Finding;
use hoststate_core::plan::planned::Plan;
use hoststate_core::record::RunRecord;
use hoststate_core::record::history;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use crate::args::{Format, VerifyArguments};
use crate::commands::status::last_declared;
use crate::error::Result;
use crate::exit::Exit;
use crate::journal;
use crate::render;
use crate::render::screen::Screen;
use crate::render::shown::Shown;
use crate::session::Session;
use crate::target::Target;

/// How often the host is read again under `--wait`.
const PAUSE: Duration = Duration::from_millis(500);

/// Runs the command.
///
/// # Errors
/// When the playbook or the host cannot be read.
pub(crate) fn run(arguments: &VerifyArguments, session: &Session) -> Result<Exit> {
    let mut target = Target::look(&arguments.host, &arguments.captured)?;
    let (declared, owner) = match &arguments.playbook {
        Some(path) => {
            let playbook = target.owned(target.playbook(path)?, &arguments.owned)?;
            (playbook.declared, playbook.owner)
        }
        None => last(&mut target, arguments.owned.prune)?,
    };
    let owner = owner.as_deref();
    let limit = Duration::from_secs(arguments.wait.into());
    let start = Instant::now();
    let (mut plan, mut findings) = target.judged(&declared, owner)?;
    while !plan.in_desired_state() && start.elapsed() < limit {
        thread::sleep(PAUSE);
        (plan, findings) = target.judged(&declared, owner)?;
    }
    let last = match session.format {
        Format::Prometheus => newest(&target)?,
        Format::Text | Format::Json => None,
    };
    if target.is_machine() {
        journal::looked(&plan);
    }
    session.show(&Verification { plan: &plan, findings: &findings, declared: &declared, last })?;
    Ok(Exit::of_verify(&plan))
}

/// Returns the last run whose record can be read.
fn newest(target: &Target) -> Result<Option<RunRecord>> {
    let machine = HostView::new("/");
    let records = target.records()?;
    Ok(history::newest_first(&records, &machine)?.find_map(Result::ok).map(|it| it.record))
}

/// Returns the declarations of the last run, and whose they are.
fn last(target: &mut Target, prune: bool) -> Result<(Vec<Declared>, Option<String>)> {
    let record = last_declared(target)?;
    let owner = record.owner().map(str::to_owned);
    let declared = target.registry.decode_all(record.declarations)?;
    match (&owner, prune) {
        (Some(name), true) => Ok((target.pruned(declared, name)?, owner)),
        _ => Ok((declared, owner)),
    }
}

/// A plan, and what was found about the boot.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Verification<'a> {
    #[serde(flatten)]
    plan: &'a Plan,
    findings: &'a [Finding],
    /// What is judged: text has a line for each.
    #[serde(skip)]
    declared: &'a [Declared],
    /// The last run, where metrics tell of it.
    #[serde(skip)]
    last: Option<RunRecord>,
}

impl Shown for Verification<'_> {
    fn text(&self, screen: &Screen) -> String {
        render::verify::text(screen, self.plan, self.declared, self.findings)
    }

    fn metrics(&self) -> Option<String> {
        Some(render::metrics::text(self.plan, self.last.as_ref(), Timestamp::now()))
    }
}
