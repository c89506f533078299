//! Runs of a lab that are remembered for an owner, as `converge --owner` does them.

use hoststate_core::host::Host;
use hoststate_core::language::registry::{Declared, Registry};
use hoststate_core::plan::planned::Plan;
use hoststate_core::planner::Planner;
use hoststate_core::planner::leftovers::Owner;
use hoststate_core::record::command::RunCommand;
use hoststate_core::record::past::Past;
use hoststate_core::record::provenance::Provenance;
use hoststate_core::record::recorder::Recorder;
use hoststate_core::record::report::Report;
use hoststate_core::resources::TABLE;
use hoststate_core::run::apply::{Activate, Run};

use super::{Audience, Lab, declared};

/// Whether what is no longer declared is taken out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Prune {
    /// It is.
    Yes,
    /// It is listed.
    No,
}

impl Lab {
    /// Converges for an owner.
    pub(crate) fn converge_for(&self, owner: &str, playbook: &str, prune: Prune) -> Report {
        self.with_planner(owner, playbook, prune, |planner, first| {
            let provenance = Provenance { owner: Some(owner.to_owned()), ..Provenance::default() };
            let mut recorder =
                Recorder::new(self.store(), RunCommand::Converge, self.boot_id()).by(move || provenance);
            let mut audience = Audience::default();
            let (recorder, watcher, host) = (&mut recorder, &mut audience, &self.host);
            Run { planner, host, activate: Activate::Run, agreed: self.agreed, recorder, watcher }
                .converge(first)
        })
    }

    /// Plans for an owner.
    pub(crate) fn plan_for(&self, owner: &str, playbook: &str, prune: Prune) -> Plan {
        self.with_planner(owner, playbook, prune, |_, plan| plan)
    }

    fn with_planner<T>(
        &self,
        owner: &str,
        playbook: &str,
        prune: Prune,
        then: impl FnOnce(Planner<'_>, Plan) -> T,
    ) -> T {
        let (registry, store, boot_id) = (Registry::new(TABLE), self.store(), self.boot_id());
        let past = Past { records: Some(&store), boot_id: boot_id.as_deref() };
        let owner = Some(Owner { name: owner, registry: &registry, prunes: prune == Prune::Yes });
        let mut all: Vec<Declared> = declared(playbook);
        if prune == Prune::Yes {
            let planner = Planner { past, owner, ..self.planner(&all) };
            let mut pruned = planner.leftovers(&self.host.view()).expect("a readable host").prune(&all);
            pruned.extend(all);
            all = pruned;
        }
        let planner = Planner { past, owner, ..self.planner(&all) };
        let plan = planner.plan(&mut self.host.view()).expect("a plan");
        then(planner, plan)
    }
}
