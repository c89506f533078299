//! Rolling back: everything returns, whatever comes in between, and nothing that was undone comes back unasked.

use std::cell::Cell;

use hoststate_abi::step::Step;
use hoststate_core::host::Host;
use hoststate_core::machine::pci_bus::{self, PciDevice};
use hoststate_core::record::report::{Outcome, Report, StepStatus};
use hoststate_core::run::apply::Activate;

use crate::lab::{EVERY_TYPE, Fate, Fated, KERNELS, KINDS, Kind, Lab};

/// Everything that a run may change: files, and what the kernel says of the devices.
fn state(lab: &Lab) -> (String, Vec<PciDevice>) {
    (lab.persistent(), pci_bus::devices(&lab.host.view()).expect("a readable tree").to_vec())
}

fn finished(report: &Report) -> bool {
    matches!(report.outcome, Outcome::Converged | Outcome::InDesiredState)
}

#[test]
fn a_rollback_restores_everything_and_undone_by_name_the_run() {
    for kind in KINDS {
        let lab = Lab::new(kind);
        let before = state(&lab);
        lab.converge(EVERY_TYPE);
        let after = lab.persistent();
        assert_ne!(before.0, after, "{kind:?}");
        let undone = lab.roll_back();
        assert_eq!(undone.outcome, Outcome::Converged, "{kind:?}: {:?}", undone.error);
        assert_eq!(state(&lab), before, "{kind:?}");
        for _ in 0..2 {
            let performed = lab.performed().len();
            assert_eq!(lab.roll_back().outcome, Outcome::InDesiredState, "{kind:?}: there is nothing newer");
            assert_eq!(lab.performed().len(), performed, "{kind:?}");
        }
        let again = lab.roll_back_through(&lab.host, Activate::Run, undone.run.as_deref());
        assert_eq!(again.outcome, Outcome::RebootRequired, "{kind:?}: {:?}", again.error);
        assert_eq!(lab.persistent(), after, "{kind:?}");
        assert_eq!(lab.roll_back().outcome, Outcome::RebootRequired, "{kind:?}");
        assert_eq!(lab.persistent(), after, "{kind:?}");
        lab.host.reboot();
        assert!(lab.plan(EVERY_TYPE).in_desired_state(), "{kind:?}");
    }
}

#[test]
fn a_run_that_was_booted_into_is_undone_by_a_boot_and_not_by_a_second() {
    for kind in KINDS {
        let lab = Lab::new(kind);
        let before = state(&lab);
        lab.converge(EVERY_TYPE);
        lab.host.reboot();
        let undone = lab.roll_back();
        assert_eq!(undone.outcome, Outcome::RebootRequired, "{kind:?}: {:?}", undone.error);
        assert_eq!(lab.persistent(), before.0, "{kind:?}");
        assert_eq!(lab.roll_back().outcome, Outcome::RebootRequired, "{kind:?}");
        lab.host.reboot();
        assert_eq!(state(&lab), before, "{kind:?}");
        let performed = lab.performed().len();
        assert_eq!(lab.roll_back().outcome, Outcome::InDesiredState, "{kind:?}");
        assert_eq!(lab.performed().len(), performed, "{kind:?}");
    }
}

#[test]
fn a_rollback_that_is_cut_after_any_step_is_finished_by_the_same_command() {
    for kind in KINDS {
        // The boot is the same for all; once is enough.
        let boots: &[bool] = if kind == Kind::Ubuntu { &[false, true] } else { &[false] };
        for &has_booted in boots {
            let before = state(&Lab::new(kind));
            for n in 0.. {
                let lab = Lab::new(kind);
                lab.converge(EVERY_TYPE);
                let lab = lab.cut_after(n);
                let cut = lab.roll_back();
                lab.host.mend();
                if has_booted {
                    lab.host.reboot();
                }
                let report = lab.roll_back();
                if has_booted {
                    lab.host.reboot();
                } else {
                    assert!(finished(&report), "{kind:?} after {n}: {:?} {:?}", report.outcome, report.error);
                }
                assert_eq!(state(&lab), before, "{kind:?} after {n}, booted: {has_booted}");
                assert_eq!(lab.roll_back().outcome, Outcome::InDesiredState, "{kind:?} after {n}");
                if cut.outcome != Outcome::Failed {
                    assert!(n > 5, "{kind:?}: {n} steps");
                    break;
                }
            }
        }
    }
}

#[test]
fn a_rollback_whose_step_fails_or_does_nothing_is_finished_by_the_same_command() {
    for kind in [Kind::Ubuntu, Kind::CentosBls] {
        let before = state(&Lab::new(kind));
        for fate in [|| Fate::Fails, || Fate::Idle] {
            for n in 0.. {
                let lab = Lab::new(kind);
                lab.converge(EVERY_TYPE);
                let asked = Cell::new(0);
                let host = Fated::new(&lab.host, |_| {
                    asked.set(asked.get() + 1);
                    if asked.get() == n + 1 { fate() } else { Fate::Performed }
                });
                let first = lab.roll_back_through(&host, Activate::Run, None);
                let is_past_the_end = asked.get() <= n;
                let report = lab.roll_back();
                assert!(finished(&report), "{kind:?} {n}: {:?} {:?}", report.outcome, report.error);
                assert_eq!(state(&lab), before, "{kind:?} {n}: first {:?}", first.outcome);
                if is_past_the_end {
                    break;
                }
            }
        }
    }
}

#[test]
fn tools_that_were_left_to_the_user_stay_to_be_done_until_their_effect_is_there() {
    for kind in KINDS {
        let lab = Lab::new(kind);
        let before = state(&lab);
        lab.converge(EVERY_TYPE);
        let images = lab.persistent();
        lab.roll_back_through(&lab.host, Activate::Skip, None);
        assert_ne!(lab.persistent(), images, "{kind:?}: files are back");
        assert_ne!(state(&lab).0, before.0, "{kind:?}: images are not");
        let skipped = lab.roll_back_through(&lab.host, Activate::Skip, None);
        assert!(!skipped.left.activations.is_empty(), "{kind:?}");
        // One is made by hand, the rest by the same command.
        let by_hand = Step::Run { argv: skipped.left.activations[0].argv.clone() };
        lab.host.perform(&by_hand).expect("a simulated tool");
        let report = lab.roll_back();
        assert!(finished(&report), "{kind:?}: {:?}", report.error);
        assert_eq!(report.plan.activations.len(), skipped.left.activations.len() - 1, "{kind:?}");
        assert_eq!(state(&lab), before, "{kind:?}");
        assert_eq!(lab.roll_back().outcome, Outcome::InDesiredState, "{kind:?}");
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
            let is_rebuilt = |it: &hoststate_core::record::report::StepReport| {
                it.status == StepStatus::Done && it.argv.iter().flatten().any(|it| it.contains(kernel))
            };
            assert!(report.steps.iter().any(is_rebuilt), "{kind:?}: {kernel}: {:?}", report.steps);
        }
        assert_eq!(lab.persistent(), before, "{kind:?}");
    }
}

/// Two runs that write the same files. What brings modprobe.d into images of dracut is one line for both, so that only the
/// first has some of it there.
fn two_playbooks(kind: Kind) -> [String; 2] {
    let modprobe = [
        r#"{"type":"modprobe_softdep","module":"nouveau","pre":["vfio-pci"]},
           {"type":"modprobe_options","module":"kvm_intel","options":{"nested":true}},"#,
        r#"{"type":"modprobe_softdep","module":"snd_hda_intel","pre":["vfio-pci"]},
           {"type":"modprobe_options","module":"kvm_intel","name":"apic","options":{"enable_apicv":"0"}},"#,
    ];
    let second = if kind == Kind::Ubuntu { modprobe[1] } else { "" };
    [
        format!(
            r#"{}{{"type":"kernel_cmdline","name":"one","present":["intel_iommu=on","iommu=pt"]}},
               {{"type":"modules_load","modules":["vfio-pci"]}}"#,
            modprobe[0]
        ),
        format!(
            r#"{second}{{"type":"kernel_cmdline","name":"two","present":["nohibernate"]}},
               {{"type":"modules_load","modules":["igbvf"]}}"#
        ),
    ]
}

#[test]
fn the_older_of_two_runs_is_undone_and_the_newer_stays() {
    for kind in KINDS {
        let lab = Lab::new(kind);
        let before = lab.persistent();
        let playbooks = two_playbooks(kind);
        let runs = playbooks.each_ref().map(|it| {
            let report = lab.converge(it);
            assert!(report.error.is_none(), "{kind:?}: {:?}", report.error);
            report.run.clone().unwrap_or_else(|| panic!("{kind:?}: {report:?}"))
        });
        let undone = lab.roll_back_through(&lab.host, Activate::Run, Some(&runs[0]));
        assert!(undone.error.is_none(), "{kind:?}: {:?}", undone.error);
        lab.host.reboot();
        let newer = lab.plan(&playbooks[1]);
        assert!(newer.in_desired_state(), "{kind:?}: the newer run is there: {newer:?}");
        let left = lab.plan(&playbooks[0]);
        assert!(left.files.len() >= 3, "{kind:?}: of the older nothing is left: {:?}", left.files);
        let undone = lab.roll_back_through(&lab.host, Activate::Run, Some(&runs[1]));
        assert!(undone.error.is_none(), "{kind:?}: {:?}", undone.error);
        assert_eq!(lab.persistent(), before, "{kind:?}");
    }
}

#[test]
fn what_others_changed_since_is_told() {
    let lab = Lab::new(Kind::Ubuntu);
    lab.converge(EVERY_TYPE);
    lab.host.tree().write("/etc/default/grub", "# rewritten\n");
    let changed = lab.undo(None).collisions(&lab.host.view()).expect("readable files");
    let changed: Vec<String> = changed.iter().map(|it| it.change.path.display().to_string()).collect();
    assert_eq!(changed, ["/etc/default/grub"]);
}

#[test]
fn what_others_wrote_after_a_rollback_is_left_alone_unless_the_run_is_named() {
    let lab = Lab::new(Kind::Ubuntu);
    lab.converge(EVERY_TYPE);
    lab.roll_back();
    lab.host.tree().write("/etc/default/grub", "# rewritten\n");
    assert_eq!(lab.undo(None).collisions(&lab.host.view()).expect("readable files"), []);
    assert_eq!(lab.roll_back().outcome, Outcome::InDesiredState);
    assert_eq!(lab.host.tree().read("/etc/default/grub").as_deref(), Some("# rewritten\n"));
}
