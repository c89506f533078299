//! Rolling back: every byte returns, and rolling that back as well makes the run's state again.

use hoststate_abi::step::Step;
use hoststate_core::report::{Outcome, StepStatus};

use crate::lab::{EVERY_TYPE, Fate, Fated, KERNELS, KINDS, Kind, Lab};

#[test]
fn a_rollback_restores_every_byte_and_its_rollback_the_run() {
    for kind in KINDS {
        let lab = Lab::new(kind);
        let before = lab.persistent();
        lab.converge(EVERY_TYPE);
        let after = lab.persistent();
        assert_ne!(before, after, "{kind:?}");
        for (round, expected) in [&before, &after, &before].into_iter().enumerate() {
            let report = lab.roll_back();
            assert_eq!(report.outcome, Outcome::Converged, "{kind:?} {round}: {:?}", report.error);
            assert_eq!(lab.persistent(), *expected, "{kind:?} {round}");
        }
        lab.roll_back();
        lab.host.reboot();
        assert!(lab.plan(EVERY_TYPE).in_desired_state(), "{kind:?}");
    }
}

#[test]
fn a_run_that_was_cut_can_be_rolled_back() {
    for kind in KINDS {
        let before = Lab::new(kind).persistent();
        for n in 1.. {
            let lab = Lab::new(kind).cut_after(n);
            let cut = lab.converge(EVERY_TYPE);
            lab.host.mend();
            let report = lab.roll_back();
            assert_eq!(report.outcome, Outcome::Converged, "{kind:?} after {n}: {:?}", report.error);
            assert_eq!(lab.persistent(), before, "{kind:?} after {n}");
            if cut.outcome != Outcome::Failed {
                break;
            }
        }
    }
}

#[test]
fn a_failed_image_of_one_kernel_is_rolled_back_and_so_are_the_images_that_were_made() {
    for kind in KINDS {
        let lab = Lab::new(kind);
        let before = lab.persistent();
        let host = Fated::new(&lab.host, |step| match step {
            Step::Run { argv } if argv.iter().any(|it| it.contains(KERNELS[1])) => Fate::Fails,
            _ => Fate::Performed,
        });
        let (failed, _) = lab.converge_through(&host, EVERY_TYPE);
        assert_eq!(failed.outcome, Outcome::Failed, "{kind:?}");
        assert_ne!(lab.persistent(), before, "{kind:?}");
        let report = lab.roll_back();
        assert_eq!(report.outcome, Outcome::Converged, "{kind:?}: {:?}", report.error);
        for kernel in KERNELS {
            let is_rebuilt = |it: &hoststate_core::report::StepReport| {
                it.status == StepStatus::Done && it.argv.iter().flatten().any(|it| it.contains(kernel))
            };
            assert!(report.steps.iter().any(is_rebuilt), "{kind:?}: {kernel}: {:?}", report.steps);
        }
        assert_eq!(lab.persistent(), before, "{kind:?}");
    }
}

#[test]
fn what_others_changed_since_is_told() {
    let lab = Lab::new(Kind::Ubuntu);
    lab.converge(EVERY_TYPE);
    lab.host.tree().write("/etc/default/grub", "# rewritten\n");
    let record = hoststate_core::rollback::select(&lab.store(), None).unwrap();
    let undo = hoststate_core::rollback::plan(&record, &lab.host.tree().view(), &lab.distro).unwrap();
    let changed: Vec<String> = undo.changed_since.iter().map(|it| it.path.display().to_string()).collect();
    assert_eq!(changed, ["/etc/default/grub"]);
}
