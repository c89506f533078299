//! Converging: what was shown is done, it is enough, and a cut is healed by the next run.

use std::collections::BTreeMap;

use hoststate_abi::setting::Scope;
use hoststate_abi::step::Step;
use hoststate_core::plan::planned::Plan;
use hoststate_core::record::report::Outcome;

use crate::lab::{EVERY_TYPE, Fate, Fated, KINDS, Kind, Lab};

/// Says what of a plan would still be done now.
fn work(plan: &Plan) -> Vec<String> {
    let work = plan.changes.iter().filter(|it| !it.waits_for_reboot());
    let work = work.map(|it| format!("{}: {} {:?}", it.resource, it.about, it.desired));
    let conflicts = plan.conflicts.iter().map(|it| format!("{}: {}", it.resource, it.reason));
    work.chain(conflicts).chain(plan.deferred.iter().map(|it| it.reason.clone())).collect()
}

#[test]
fn after_a_run_only_a_reboot_is_left_and_after_that_nothing() {
    for kind in KINDS {
        let lab = Lab::new(kind);
        let report = lab.converge(EVERY_TYPE);
        assert_eq!(report.outcome, Outcome::RebootRequired, "{kind:?}: {:?}", report.error);
        let plan = lab.plan(EVERY_TYPE);
        assert_eq!(work(&plan), Vec::<String>::new(), "{kind:?}");
        assert_eq!((plan.files.len(), plan.activations.len()), (0, 0), "{kind:?}");
        assert!(plan.reboot.required, "{kind:?}");
        let performed = lab.performed();
        assert_eq!(lab.converge(EVERY_TYPE).outcome, Outcome::RebootRequired, "{kind:?}");
        assert_eq!(lab.performed(), performed, "{kind:?}: a second run did something");
        lab.host.reboot();
        let plan = lab.plan(EVERY_TYPE);
        assert_eq!(plan.changes, [], "{kind:?}");
        assert!(plan.in_desired_state(), "{kind:?}");
        assert_eq!(lab.converge(EVERY_TYPE).outcome, Outcome::InDesiredState, "{kind:?}");
        assert_eq!(lab.performed(), performed, "{kind:?}: a third run did something");
    }
}

#[test]
fn the_steps_performed_are_the_steps_shown() {
    for kind in KINDS {
        let lab = Lab::new(kind);
        let (report, shown) = lab.converge_through(&lab.host, EVERY_TYPE);
        let mut performed = lab.performed();
        let reported: Vec<&str> = report.steps.iter().map(|it| it.what.as_str()).collect();
        assert_eq!(reported, performed.iter().map(Step::to_string).collect::<Vec<_>>(), "{kind:?}");
        for plan in &shown {
            let rest = performed.split_off(plan.files.len());
            let written: BTreeMap<_, _> = performed.into_iter().map(written).collect();
            assert_eq!(written, plan.texts(), "{kind:?}: every file once, and no other");
            let mut shown: Vec<Step> =
                plan.activations.iter().map(|it| Step::Run { argv: it.argv.clone() }).collect();
            let runtime = plan.changes.iter().filter(|it| it.scope == Scope::Runtime);
            shown.extend(runtime.flat_map(|it| it.steps.clone()));
            performed = rest;
            let rest = performed.split_off(shown.len());
            assert_eq!(performed, shown, "{kind:?}: activations, then the running system");
            performed = rest;
        }
        assert_eq!(performed, [], "{kind:?}: more was done than shown");
    }
}

fn written(step: Step) -> (std::path::PathBuf, Option<String>) {
    match step {
        Step::WriteFile { path, text } => (path, Some(text)),
        Step::RemoveFile { path } => (path, None),
        other => panic!("{other} comes before the files"),
    }
}

/// Cuts runs after every number of steps, lets `meanwhile` happen, and compares the next run with an uncut one.
fn check_cuts(kind: Kind, meanwhile: impl Fn(&Lab)) {
    let uncut = Lab::new(kind);
    assert_eq!(uncut.converge(EVERY_TYPE).outcome, Outcome::RebootRequired);
    let steps = uncut.performed().len();
    assert!(steps >= 10, "{kind:?}: {steps}");
    uncut.host.reboot();
    for n in 0..=steps {
        let lab = Lab::new(kind).cut_after(n);
        let report = lab.converge(EVERY_TYPE);
        assert_eq!(report.outcome == Outcome::Failed, n < steps, "{kind:?} after {n}: {:?}", report.error);
        lab.host.mend();
        meanwhile(&lab);
        let healed = lab.converge(EVERY_TYPE);
        assert!(
            [Outcome::RebootRequired, Outcome::Converged, Outcome::InDesiredState].contains(&healed.outcome),
            "{kind:?} after {n}: {:?}",
            healed.error
        );
        assert_eq!(work(&lab.plan(EVERY_TYPE)), Vec::<String>::new(), "{kind:?} after {n}");
        assert_eq!(lab.persistent(), uncut.persistent(), "{kind:?} after {n}");
        lab.host.reboot();
        assert!(lab.plan(EVERY_TYPE).in_desired_state(), "{kind:?} after {n}");
    }
}

#[test]
fn a_cut_after_any_step_is_healed_by_the_next_run() {
    KINDS.into_iter().for_each(|kind| check_cuts(kind, |_| {}));
}

#[test]
fn a_cut_after_any_step_and_a_boot_are_healed_by_the_next_run() {
    KINDS.into_iter().for_each(|kind| check_cuts(kind, |lab| lab.host.reboot()));
}

/// Makes a virtual function and gives it to a driver. Returns how many settings each round could not read.
fn rounds(lab: &Lab) -> Vec<usize> {
    let playbook = r#"{"type":"driver_binding","device":"0000:02:10.0","driver":"vfio-pci"},
        {"type":"sriov_numvfs","device":"0000:02:00.0","numvfs":1,"autoprobe":false}"#;
    let (report, shown) = lab.converge_through(&lab.host, playbook);
    assert_eq!(report.outcome, Outcome::Converged, "{:?}", report.error);
    let driver = lab.host.tree().view().link_target("/sys/bus/pci/devices/0000:02:10.0/driver".as_ref());
    assert!(driver.expect("sysfs is readable").is_some_and(|it| it.ends_with("vfio-pci")));
    assert!(lab.plan(playbook).in_desired_state());
    shown.iter().map(|it| it.deferred.len()).collect()
}

#[test]
fn virtual_functions_are_bound_in_the_round_after_the_one_that_makes_them() {
    for kind in KINDS {
        assert_eq!(rounds(&Lab::new(kind).without_udev()), [1, 0], "{kind:?}");
    }
}

#[test]
fn a_udev_that_binds_virtual_functions_as_they_appear_saves_the_round() {
    for kind in KINDS {
        assert_eq!(rounds(&Lab::new(kind)), [1], "{kind:?}");
    }
}

/// Makes a virtual function and gives it to a driver on a host where something else changes meanwhile. Returns the
/// outcome, the error, and whether the virtual function has its driver.
fn amid_changes(kind: Kind, change: fn(Lab) -> Lab) -> (Outcome, String, bool) {
    const FOREIGN: &str = "/etc/modprobe.d/mine.conf";
    let playbook = r#"{"type":"modprobe_blacklist","module":"nvidiafb","file":"mine.conf"},
        {"type":"driver_binding","device":"0000:02:10.0","driver":"vfio-pci"},
        {"type":"sriov_numvfs","device":"0000:02:00.0","numvfs":1,"autoprobe":false}"#;
    let lab = change(Lab::with(kind, &[(FOREIGN, "blacklist nvidiafb\n")])).without_udev();
    let host = Fated::new(&lab.host, |step| {
        if matches!(step, Step::WriteAttribute { path, .. } if path.ends_with("sriov_numvfs")) {
            lab.host.tree().write(FOREIGN, "# somebody was faster\n");
        }
        Fate::Performed
    });
    let (report, _) = lab.converge_through(&host, playbook);
    let driver = lab.host.tree().view().link_target("/sys/bus/pci/devices/0000:02:10.0/driver".as_ref());
    let error = report.error.map(|it| it.what).unwrap_or_default();
    (report.outcome, error, driver.expect("sysfs is readable").is_some())
}

#[test]
fn a_later_round_does_nothing_that_the_plan_which_was_agreed_to_does_not_name() {
    for kind in KINDS {
        let (outcome, error, is_bound) = amid_changes(kind, |it| it);
        assert_eq!((outcome, is_bound), (Outcome::Failed, false), "{kind:?}: {error}");
        let what = "the plan that was agreed to does not include what is to be done next: modprobe_blacklist";
        assert!(error.starts_with(what), "{kind:?}: {error}");
    }
}

#[test]
fn who_agreed_to_the_declarations_gets_in_a_later_round_what_they_ask_for() {
    for kind in KINDS {
        let (outcome, error, is_bound) = amid_changes(kind, Lab::agreed_beforehand);
        assert!(is_bound && outcome != Outcome::Failed, "{kind:?}: {outcome:?}: {error}");
    }
}

#[test]
fn a_device_that_is_not_there_and_that_nothing_makes_is_refused_before_anything_is_done() {
    let lab = Lab::new(Kind::Ubuntu);
    let report = lab.converge(r#"{"type":"driver_binding","device":"0000:09:00.0","driver":"vfio-pci"}"#);
    assert_eq!((report.outcome, report.changed), (Outcome::Refused, false));
    let reasons: Vec<&str> = report.left.conflicts.iter().map(|it| it.reason.as_str()).collect();
    assert!(reasons.iter().any(|it| it.contains("0000:09:00.0")), "{reasons:?}");
}
