//! Failures: other kernels still get their images, nothing goes on as if it had worked, and the old texts are kept.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::path::PathBuf;

use expect_test::expect;
use hoststate_abi::about::About;
use hoststate_abi::host_view::HostView;
use hoststate_abi::step::Step;
use hoststate_core::error::Result;
use hoststate_core::host::{Done, Host};
use hoststate_core::machine::pci_bus;
use hoststate_core::plan::planned::Change;
use hoststate_core::record::report::{Outcome, Report, StepStatus};
use hoststate_testkit::sim::SimHost;

use crate::lab::{EVERY_TYPE, Fate, Fated, KERNELS, KINDS, Kind, Lab};

/// Returns the tools of a run with how each ended.
fn tools(report: &Report) -> Vec<(String, StepStatus)> {
    let tools = report.steps.iter().filter(|it| it.argv.is_some());
    tools.map(|it| (it.what.clone(), it.status)).collect()
}

#[test]
fn a_failed_image_of_one_kernel_leaves_the_others_theirs_and_stops_what_comes_after() {
    for kind in KINDS {
        let lab = Lab::new(kind);
        let is_broken = |argv: &[String]| argv.iter().any(|it| it.contains(KERNELS[1]));
        let host = Fated::new(&lab.host, |step| match step {
            Step::Run { argv } if is_broken(argv) => Fate::Fails,
            _ => Fate::Performed,
        });
        let (report, _) = lab.converge_through(&host, EVERY_TYPE);
        assert_eq!(report.outcome, Outcome::Failed, "{kind:?}");
        let ended = tools(&report);
        let of = |word: &str| {
            let mut statuses = ended.iter().filter(|it| it.0.contains(word)).map(|it| it.1);
            (statuses.next(), statuses.next())
        };
        assert_eq!(of(KERNELS[0]), (Some(StepStatus::Done), None), "{kind:?}: {ended:?}");
        assert_eq!(of(KERNELS[1]), (Some(StepStatus::Failed), None), "{kind:?}: {ended:?}");
        assert_eq!(of(KERNELS[2]), (Some(StepStatus::Done), None), "{kind:?}: {ended:?}");
        let boot = (kind != Kind::CentosBls).then_some(StepStatus::Skipped);
        assert_eq!(of("update-grub"), (boot, None), "{kind:?}: {ended:?}");
        assert_eq!(of("modprobe"), (None, None), "{kind:?}: {ended:?}");
        let last = host.asked().pop();
        assert!(matches!(last, Some(Step::Run { .. })), "{kind:?}: {last:?} was done after the failure");
        let image = |it: &Change| match &it.about {
            About::Image(path) => Some(path.display().to_string()),
            _ => None,
        };
        let left: Vec<String> = report.left.changes.iter().filter_map(image).collect();
        assert!(!left.is_empty() && left.iter().all(|it| it.contains(KERNELS[1])), "{kind:?}: {left:?}");
        let healed = lab.converge(EVERY_TYPE);
        assert_eq!(healed.outcome, Outcome::RebootRequired, "{kind:?}: {:?}", healed.error);
    }
}

#[test]
fn a_step_that_says_it_succeeded_and_did_nothing_is_a_failure() {
    for kind in KINDS {
        let lab = Lab::new(kind);
        lab.converge(EVERY_TYPE);
        for idle in lab.performed() {
            let lab = Lab::new(kind);
            let host = Fated::new(&lab.host, |it| if *it == idle { Fate::Idle } else { Fate::Performed });
            let (report, _) = lab.converge_through(&host, EVERY_TYPE);
            let error = report.error.map(|it| it.what).unwrap_or_default();
            match idle {
                Step::WriteFile { .. } | Step::EditFile { .. } | Step::RemoveFile { .. } => {
                    assert_eq!(report.outcome, Outcome::Failed, "{kind:?}: {idle} had no effect");
                    assert!(error.contains("every step succeeded, but"), "{kind:?}: {idle}: {error}");
                }
                Step::Run { ref argv } if argv[0] != "modprobe" => {
                    assert_eq!(report.outcome, Outcome::Failed, "{kind:?}: {idle} had no effect");
                    assert!(error.contains("every step succeeded, but"), "{kind:?}: {idle}: {error}");
                }
                // Another step, or udev, may have the effect all the same: then the host is as wanted.
                Step::Run { .. } | Step::WriteAttribute { .. } => {
                    let is_reached = !lab.plan(EVERY_TYPE).has_work();
                    assert_eq!(report.outcome == Outcome::Failed, !is_reached, "{kind:?}: {idle}: {error}");
                }
            }
            let healed = lab.converge(EVERY_TYPE);
            assert_eq!(healed.outcome, Outcome::RebootRequired, "{kind:?}: {idle}: {:?}", healed.error);
        }
    }
}

#[test]
fn a_driver_that_is_not_loaded_in_spite_of_success_is_named() {
    let lab = Lab::new(Kind::Ubuntu);
    let playbook = r#"{"type":"driver_binding","device":"0000:01:00.0","driver":"vfio-pci"}"#;
    let host = Fated::new(&lab.host, |step| match step {
        Step::Run { .. } => Fate::Idle,
        _ => Fate::Performed,
    });
    let (report, _) = lab.converge_through(&host, playbook);
    expect![[r#"
        Some(
            Failure {
                what: "driver_binding \"0000:01:00.0\": every step succeeded, but /sys/bus/pci/devices/0000:01:00.0/driver is (nothing), not vfio-pci",
                at: None,
                hint: Some(
                    "vfio-pci does not take 0000:01:00.0; `dmesg | grep 0000:01:00.0` shows why.",
                ),
                step: None,
                given_back: [
                    "0000:01:00.0 was given back to nouveau.",
                ],
                unrecorded: None,
            },
        )
    "#]].assert_debug_eq(&report.error);
}

#[test]
fn the_old_texts_are_recorded_before_the_first_write() {
    for kind in KINDS {
        let lab = Lab::new(kind);
        let before: BTreeMap<PathBuf, Option<String>> =
            lab.plan(EVERY_TYPE).files.into_iter().map(|it| (it.path, it.before)).collect();
        let looked = Cell::new(0);
        let host = Fated::new(&lab.host, |_| {
            let ids = lab.store().ids().expect("a readable store");
            let record = lab.store().read(&ids[0]).expect("a record before the first step");
            let recorded: BTreeMap<_, _> = record.files.into_iter().map(|it| (it.path, it.before)).collect();
            assert!(before.iter().all(|it| recorded.get(it.0) == Some(it.1)), "{kind:?}");
            assert_eq!(record.outcome, None, "{kind:?}: it is not over yet");
            looked.set(looked.get() + 1);
            Fate::Performed
        });
        let (report, _) = lab.converge_through(&host, EVERY_TYPE);
        assert_eq!(looked.get(), report.steps.len(), "{kind:?}");
        assert!(before.values().any(Option::is_none) && before.values().any(Option::is_some), "{kind:?}");
        let record = lab.store().read(&report.run.expect("a recorded run")).expect("its record");
        assert_eq!((record.outcome, record.steps), (Some(report.outcome), report.steps), "{kind:?}");
    }
}

#[test]
fn what_was_written_outlasts_a_power_cut_before_a_tool_runs_and_before_the_run_ends() {
    for kind in KINDS {
        let lab = Lab::new(kind);
        let host = Fated::new(&lab.host, |_| Fate::Performed);
        lab.converge_through(&host, EVERY_TYPE);
        assert!(host.is_synced() && !host.asked().is_empty(), "{kind:?}");

        let lab = Lab::new(kind);
        let writes = Cell::new(0);
        let host = Fated::new(&lab.host, |step| match step {
            Step::WriteFile { .. } if writes.replace(writes.get() + 1) == 1 => Fate::Fails,
            _ => Fate::Performed,
        });
        let (report, _) = lab.converge_through(&host, EVERY_TYPE);
        assert_eq!(report.outcome, Outcome::Failed, "{kind:?}");
        assert!(host.is_synced(), "{kind:?}");
    }
}

const TO_IGBVF: &str = r#"{"type":"driver_binding","device":"0000:01:00.0","driver":"igbvf"}"#;

/// The driver and the override of the display.
fn display(lab: &Lab) -> (Option<String>, Option<String>) {
    let address = "0000:01:00.0".parse().expect("an address");
    let device = pci_bus::device(&lab.host.view(), address).expect("a readable tree").expect("the display");
    (device.driver, device.driver_override)
}

#[test]
fn a_device_that_its_new_driver_does_not_take_goes_back_to_the_old_one_now_and_at_boot() {
    let nouveau = (Some("nouveau".to_owned()), None);
    let lab = Lab::new(Kind::Ubuntu).refused_by("igbvf");
    assert_eq!(display(&lab), nouveau);
    let report = lab.converge(TO_IGBVF);
    assert_eq!((report.outcome, report.changed), (Outcome::Failed, true));
    expect![[r#"
        Some(
            Failure {
                what: "driver_binding \"0000:01:00.0\": every step succeeded, but /sys/bus/pci/devices/0000:01:00.0/driver is (nothing), not igbvf",
                at: None,
                hint: Some(
                    "igbvf does not take 0000:01:00.0; `dmesg | grep 0000:01:00.0` shows why.",
                ),
                step: None,
                given_back: [
                    "0000:01:00.0 was given back to nouveau.",
                ],
                unrecorded: None,
            },
        )
    "#]]
    .assert_debug_eq(&report.error);
    assert_eq!(display(&lab), nouveau);
    let left: Vec<_> = report.left.changes.iter().map(|it| (it.actual.as_deref(), &it.about)).collect();
    let driver = About::Driver("0000:01:00.0".parse().unwrap());
    assert!(left.contains(&(Some("nouveau"), &driver)), "{left:?}");
    lab.host.reboot();
    assert_eq!(display(&lab), nouveau);
}

#[test]
fn a_run_that_is_stopped_between_two_drivers_gives_the_device_back_and_was_interrupted() {
    // Stopped before the device has another driver, and while the driver that it went to is waited for.
    for (step, lab) in
        [("unbind", Lab::new(Kind::Ubuntu)), ("drivers_probe", Lab::new(Kind::Ubuntu).refused_by("igbvf"))]
    {
        let lab = lab.stopped_after(step);
        let report = lab.converge(TO_IGBVF);
        assert_eq!(
            (report.outcome, report.changed),
            (Outcome::Interrupted, true),
            "{step}: {:?}",
            report.error
        );
        let given_back = report.error.map(|it| it.given_back).unwrap_or_default();
        assert_eq!(given_back, ["0000:01:00.0 was given back to nouveau."], "{step}");
        assert_eq!(display(&lab), (Some("nouveau".to_owned()), None), "{step}");
    }
}

#[test]
fn a_run_that_ends_between_two_drivers_gives_the_device_back() {
    let lab = Lab::new(Kind::Ubuntu);
    let probes = Cell::new(0);
    let host = Fated::new(&lab.host, |step| match step {
        Step::WriteAttribute { path, .. } if path.ends_with("drivers_probe") => {
            probes.set(probes.get() + 1);
            if probes.get() == 1 { Fate::Fails } else { Fate::Performed }
        }
        _ => Fate::Performed,
    });
    let (report, _) = lab.converge_through(&host, TO_IGBVF);
    assert_eq!(report.outcome, Outcome::Failed);
    expect![[r#"
        Some(
            Failure {
                what: "it fails",
                at: None,
                hint: None,
                step: Some(
                    4,
                ),
                given_back: [
                    "0000:01:00.0 was given back to nouveau.",
                ],
                unrecorded: None,
            },
        )
    "#]]
    .assert_debug_eq(&report.error);
    assert_eq!(display(&lab), (Some("nouveau".to_owned()), None));
}

/// A host on which update-grub finds another root, as it does in a chroot without the `/dev` of the machine.
struct Builder<'a> {
    host: &'a SimHost,
    root: &'a str,
}

impl Host for Builder<'_> {
    fn view(&self) -> HostView {
        self.host.view()
    }

    fn perform(&self, step: &Step) -> Result<Done> {
        let done = self.host.perform(step)?;
        if matches!(step, Step::Run { argv } if argv[0] == "update-grub") {
            let menu = self.host.tree().read(MENU).expect("a menu");
            let with_root = menu.split(' ').map(|it| if it.starts_with("root=") { self.root } else { it });
            self.host.tree().write(MENU, with_root.collect::<Vec<_>>().join(" "));
        }
        Ok(done)
    }

    fn sync(&self) -> Result<()> {
        self.host.sync()
    }

    fn wait_for_devices(&self, attempt: u32) -> bool {
        self.host.wait_for_devices(attempt)
    }
}

const MENU: &str = "/boot/grub/grub.cfg";

#[test]
fn a_menu_with_another_root_fails_its_tool_and_is_put_back() {
    let playbook = r#"{"type":"kernel_cmdline","present":["iommu=pt"]}"#;
    let fstab = [("/etc/fstab", "UUID=1 / ext4 defaults 0 1\n"), ("/dev/sda2", ""), ("/dev/sdb1", "")];
    let lab = || {
        let lab = Lab::with(Kind::Ubuntu, &fstab);
        lab.host.tree().link("/dev/disk/by-uuid/1", "../../sda2");
        lab
    };
    for root in ["root=/dev/loop0p1", "root=/dev/sdb1", "root=UUID=2"] {
        let lab = lab();
        let before = lab.host.tree().read(MENU);
        let (report, _) = lab.converge_through(&Builder { host: &lab.host, root }, playbook);
        assert_eq!(report.outcome, Outcome::Failed, "{root}");
        let error = report.error.as_ref().map(|it| it.what.clone()).unwrap_or_default();
        assert!(error.contains(&format!("update-grub wrote {root} for")), "{error}");
        assert_eq!(tools(&report), [("run update-grub".to_owned(), StepStatus::Failed)]);
        assert_eq!(lab.host.tree().read(MENU), before, "{root}");
        assert!(report.left.changes.iter().any(|it| it.about.to_string() == MENU), "{root}: nothing is left");
        let healed = lab.converge(playbook);
        assert_eq!(healed.outcome, Outcome::RebootRequired, "{root}: {:?}", healed.error);
    }
    // What fstab mounts is the root, whatever it is called; of a name that leads nowhere nobody knows.
    for root in ["root=UUID=1", "root=/dev/sda2", "root=PARTUUID=7", "root=/dev/mapper/vg-root"] {
        let lab = lab();
        let (report, _) = lab.converge_through(&Builder { host: &lab.host, root }, playbook);
        assert_eq!(report.outcome, Outcome::RebootRequired, "{root}: {:?}", report.error);
    }
}
