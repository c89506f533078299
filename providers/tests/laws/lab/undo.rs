//! Runs of a lab undone, as `rollback` undoes them.

use hoststate_abi::host_view::HostView;
use hoststate_core::host::Host;
use hoststate_core::record::command::RunCommand;
use hoststate_core::record::recorder::Recorder;
use hoststate_core::record::report::Report;
use hoststate_core::run::apply::{Activate, Run};
use hoststate_core::run::rollback::Undo;
use hoststate_core::run::rollback::select::{Selected, select};

use super::{Audience, Lab};

impl Lab {
    /// Returns how a run is undone, or the newest.
    pub(crate) fn undo(&self, run: Option<&str>) -> Undo {
        let Selected { run, rollbacks, is_undone, .. } =
            select(&self.store(), run, &HostView::new("/")).expect("a recorded run");
        let boot_id = self.boot_id();
        let host = (&self.host.view(), &self.distro);
        Undo::new(run, &rollbacks, is_undone, host, boot_id.as_deref()).expect("a readable host")
    }

    /// Undoes the newest run, or goes on with that.
    pub(crate) fn roll_back(&self) -> Report {
        self.roll_back_through(&self.host, Activate::Run, None)
    }

    /// Undoes a run, or the newest, by another way of performing steps.
    pub(crate) fn roll_back_through(&self, host: &dyn Host, activate: Activate, run: Option<&str>) -> Report {
        let undo = self.undo(run);
        assert_eq!(undo.collisions(&self.host.view()).expect("readable files"), []);
        let declared = [undo.declared()];
        let first = undo.furnished(self.try_plan(&declared).expect("a plan"));
        let command = RunCommand::Rollback(undo.record().id.clone());
        let mut recorder = Recorder::new(self.store(), command, self.boot_id()).undoing(undo.outputs());
        let mut audience = Audience::default();
        let (recorder, watcher) = (&mut recorder, &mut audience);
        let (planner, agreed) = (self.planner(&declared), self.agreed);
        Run { planner, host, activate, agreed, recorder, watcher }.converge(first)
    }
}
