//! Boots: one that is tried becomes the default or leaves no trace, and what was left for after a boot is done once.

use std::path::{Path, PathBuf};

use hoststate_abi::host_view::HostView;
use hoststate_abi::step::Step;
use hoststate_core::error::Result;
use hoststate_core::host::{Done, Host};
use hoststate_core::language::registry::Declared;
use hoststate_core::plan::scene::{Guard, Hazard, Severity};
use hoststate_core::planner::Planner;
use hoststate_core::record::command::RunCommand;
use hoststate_core::record::recorder::Recorder;
use hoststate_core::record::report::{Outcome, Report, StepStatus};
use hoststate_core::run::finish::{Finish, Finished};
use hoststate_core::trial::go_back::IfRefused;
use hoststate_core::trial::{self, AtBoot, confirm};
use hoststate_testkit::sim::SimHost;

use crate::lab::{Audience, EVERY_TYPE, KINDS, Kind, Lab, declared};

const PROGRAM: &str = "/usr/bin/hoststate";

pub(crate) const WORDS: &str = r#"{"type":"kernel_cmdline","present":["iommu=pt"],"absent":["noresume"]}"#;

pub(crate) const ROUTE: &str = "/proc/net/route";

pub(crate) const DEFAULT_ROUTE: &str = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\n\
                             eth0\t00000000\t0102A8C0\t0003\t0\t0\t0\t00000000\n";

const BLS_CFG: &str = "load_env\nif [ \"${next_entry}\" ] ; then\n  set default=\"${next_entry}\"\n  set next_entry=\n  \
                       save_env next_entry\nelse\n  set default=\"${saved_entry}\"\nfi\nsearch --fs-uuid --set=boot 1\ninsmod blscfg\nblscfg\n";

/// Files that a tried boot may leave otherwise than it found them: GRUB takes a variable out, and padding is new.
pub(crate) const GRUBENV: [&str; 2] = ["/boot/grub/grubenv", "/boot/grub2/grubenv"];

/// A host with what a boot must not lose.
pub(crate) fn machine(kind: Kind) -> Lab {
    let mut files = vec![
        ("/proc/self/mountinfo", "22 1 253:1 / / rw - ext4 /dev/vda1 rw\n"),
        ("/sys/class/block/vda1/partition", "1\n"),
        ("/run/systemd/system/default", ""),
        (ROUTE, DEFAULT_ROUTE),
    ];
    if kind == Kind::CentosBls {
        files.push(("/boot/grub2/grub.cfg", BLS_CFG));
    } else {
        files.push(("/boot/grub/custom.cfg", "# mine, and no newline at the end"));
    }
    Lab::with(kind, &files)
}

pub(crate) fn boot_id(lab: &Lab) -> Option<String> {
    lab.host.tree().read("/proc/sys/kernel/random/boot_id").map(|it| it.trim().to_owned())
}

pub(crate) fn cmdline(lab: &Lab) -> String {
    lab.host.tree().read("/proc/cmdline").expect("a kernel that runs")
}

fn record(lab: &Lab, wanted: &[Declared]) -> AtBoot {
    AtBoot::new(boot_id(lab), wanted, &[])
}

fn trial(lab: &Lab, playbook: &str) -> Result<Option<Declared>> {
    trial_with(lab, playbook, IfRefused::GoBack)
}

fn trial_with(lab: &Lab, playbook: &str, if_refused: IfRefused) -> Result<Option<Declared>> {
    let wanted = declared(playbook);
    let view = lab.host.tree().view();
    let record = record(lab, &wanted);
    confirm::declared(&view, &lab.distro, &wanted, record, Path::new(PROGRAM), if_refused)
}

/// Lets the next boot try what the playbook wants.
pub(crate) fn stage(lab: &Lab, playbook: &str) -> Report {
    stage_with(lab, playbook, IfRefused::GoBack)
}

pub(crate) fn stage_with(lab: &Lab, playbook: &str, if_refused: IfRefused) -> Report {
    let trial =
        [trial_with(lab, playbook, if_refused).expect("a host that can try").expect("something to try")];
    let plan = lab.try_plan(&trial).expect("a plan");
    lab.carry_out(&lab.host, &trial, plan, "converge --confirm-boot").0
}

/// Does what the unit does.
fn finish(lab: &Lab) -> Report {
    finish_on(lab, &lab.host, &[])
}

fn finish_on(lab: &Lab, host: &dyn Host, guards: &[Guard]) -> Report {
    finished_on(lab, host, guards).report
}

pub(crate) fn finished_on(lab: &Lab, host: &dyn Host, guards: &[Guard]) -> Finished {
    let record = trial::pending(&lab.host.tree().view()).expect("a readable record").expect("a record");
    let json: Vec<String> =
        record.declarations.iter().map(|it| serde_json::to_string(it).expect("JSON")).collect();
    let declared = declared(&json.join(","));
    let mut recorder = Recorder::new(lab.store(), RunCommand::AtBoot, boot_id(lab));
    let mut watcher = Audience::default();
    let planner = Planner { guards, ..lab.planner(&declared) };
    let boot_id = boot_id(lab);
    let finish = Finish { planner, host, record, boot_id, recorder: &mut recorder, watcher: &mut watcher };
    finish.run().expect("a verdict")
}

/// The files that a boot keeps, without those named.
pub(crate) fn kept(lab: &Lab, without: &[&str]) -> String {
    let all = format!("{}\n{}", lab.persistent(), lab.host.tree().listing("/var"));
    let is_kept = |it: &&str| !without.iter().any(|path| it.starts_with(path));
    all.lines().filter(is_kept).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_boot_to_be_tried_leaves_the_default_entry_its_sources_and_the_images_alone() {
    for kind in KINDS {
        let lab = machine(kind);
        let before = kept(&lab, &[]);
        let report = stage(&lab, EVERY_TYPE);
        assert_eq!(report.outcome, Outcome::RebootRequired, "{kind:?}: {:?}", report.error);
        let own: Vec<String> = report.plan.files.iter().map(|it| it.path.display().to_string()).collect();
        let own: Vec<&str> = own.iter().map(String::as_str).collect();
        assert_eq!(kept(&lab, &own), kept_of(&before, &own), "{kind:?}");
        assert!(report.plan.activations.is_empty(), "{kind:?}");
        let again = [trial(&lab, EVERY_TYPE).unwrap().unwrap()];
        let again = lab.try_plan(&again).unwrap();
        assert!(!again.has_work() && again.reboot.required, "{kind:?}: {:?}", again.changes);
    }
}

fn kept_of(text: &str, without: &[&str]) -> String {
    text.lines().filter(|it| !without.iter().any(|path| it.starts_with(path))).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_boot_that_holds_becomes_the_default_and_the_rest_is_done() {
    for kind in KINDS {
        for playbook in [WORDS, EVERY_TYPE] {
            let lab = machine(kind);
            let untouched = kept(&lab, &[]);
            stage(&lab, playbook);
            lab.host.reboot();
            let tried = cmdline(&lab);
            assert!(tried.contains("iommu=pt") && tried.contains("hoststate.trial="), "{kind:?}: {tried}");
            assert!(tried.contains("panic=10") && !tried.contains("noresume"), "{kind:?}: {tried}");
            let report = finish(&lab);
            let ended = [Outcome::Converged, Outcome::RebootRequired];
            assert!(ended.contains(&report.outcome), "{kind:?}: {:?}", report.error);
            let last = lab.store().ids().unwrap().pop().unwrap();
            assert_eq!(report.run.as_ref(), Some(&last), "{kind:?}");
            assert_eq!(lab.store().read(&last).unwrap().outcome, Some(report.outcome), "{kind:?}");
            assert_eq!(trial::pending(&lab.host.tree().view()).unwrap(), None);
            assert_eq!(lab.host.tree().listing("/etc/systemd"), "", "{kind:?}");
            lab.host.reboot();
            let normal = cmdline(&lab);
            assert!(normal.contains("iommu=pt") && !normal.contains("hoststate"), "{kind:?}: {normal}");
            let plan = lab.plan(playbook);
            assert!(plan.in_desired_state(), "{kind:?}: {:?}", plan.changes);
            let trial = lab.host.tree().listing("/boot");
            assert!(!trial.contains("hoststate-"), "{kind:?}: {trial}");
            assert_ne!(kept(&lab, &GRUBENV), kept_of(&untouched, &GRUBENV), "{kind:?}");
        }
    }
}

#[test]
fn a_kernel_that_panics_leaves_the_host_as_it_was() {
    for kind in KINDS {
        let lab = machine(kind).panics_with("iommu=pt");
        let (before, words) = (kept(&lab, &GRUBENV), cmdline(&lab));
        stage(&lab, EVERY_TYPE);
        lab.host.reboot();
        assert_eq!(cmdline(&lab), words, "{kind:?}");
        let report = finish(&lab);
        assert_eq!(report.outcome, Outcome::Failed, "{kind:?}");
        let why = report.error.clone().unwrap().what;
        assert!(why.starts_with("the boot that was to be tried did not come up"), "{why}");
        let record = lab.store().read(report.run.as_ref().unwrap()).unwrap();
        assert_eq!((record.outcome, record.reason), (Some(Outcome::Failed), Some(why)), "{kind:?}");
        assert!(kept(&lab, &GRUBENV) == before, "{kind:?}: {}", kept(&lab, &GRUBENV));
        lab.host.reboot();
        assert_eq!(cmdline(&lab), words, "{kind:?}");
    }
}

#[test]
fn a_staged_boot_that_is_rolled_back_is_not_tried() {
    for kind in KINDS {
        let lab = machine(kind);
        let (before, words) = (kept(&lab, &[]), cmdline(&lab));
        stage(&lab, EVERY_TYPE);
        let report = lab.roll_back();
        assert_eq!(report.outcome, Outcome::Converged, "{kind:?}: {:?}", report.error);
        assert_eq!(kept(&lab, &[]), before, "{kind:?}");
        lab.host.reboot();
        assert_eq!(cmdline(&lab), words, "{kind:?}");
    }
}

#[test]
fn a_cut_at_any_step_of_staging_boots_the_old_entry_or_tries_the_whole() {
    for kind in KINDS {
        for n in 0.. {
            let lab = machine(kind);
            let words = cmdline(&lab);
            let lab = lab.cut_after(n);
            let cut = stage(&lab, EVERY_TYPE);
            lab.host.mend();
            lab.host.reboot();
            let is_tried = cmdline(&lab).contains("hoststate.trial=");
            assert!(is_tried || cmdline(&lab) == words, "{kind:?} after {n}: {}", cmdline(&lab));
            assert_eq!(is_tried, cut.outcome != Outcome::Failed, "{kind:?} after {n}");
            if is_tried {
                break;
            }
            let report = stage(&lab, EVERY_TYPE);
            assert_eq!(report.outcome, Outcome::RebootRequired, "{kind:?} after {n}");
        }
    }
}

#[test]
fn what_is_left_for_after_the_boot_is_done_once_and_its_verdict_recorded() {
    for kind in KINDS {
        let lab = machine(kind);
        let mut wanted = declared(EVERY_TYPE);
        let record = record(&lab, &wanted);
        wanted.push(trial::declared(&lab.host.tree().view(), record, Path::new(PROGRAM)).unwrap());
        let plan = lab.try_plan(&wanted).unwrap();
        let report = lab.carry_out(&lab.host, &wanted, plan, "converge --at-boot").0;
        assert_ne!(report.outcome, Outcome::Failed, "{kind:?}: {:?}", report.error);
        lab.host.reboot();
        let report = finish(&lab);
        let ended = [Outcome::Converged, Outcome::InDesiredState];
        assert!(ended.contains(&report.outcome), "{kind:?}: {:?} {:?}", report.outcome, report.error);
        let record = lab.store().read(report.run.as_ref().unwrap()).unwrap();
        assert_eq!((record.outcome, record.command), (Some(report.outcome), RunCommand::AtBoot));
        assert!(report.steps.iter().all(|it| it.status == StepStatus::Done), "{:?}", report.steps);
        assert_eq!(trial::pending(&lab.host.tree().view()).unwrap(), None);
        assert_eq!(lab.host.tree().listing("/etc/systemd"), "", "{kind:?}");
        assert!(lab.plan(EVERY_TYPE).in_desired_state(), "{kind:?}");
    }
}

/// A host on which a driver takes its device only after a while.
#[derive(Debug)]
struct Late<'a> {
    host: &'a SimHost,
    driver: &'a str,
    of: PathBuf,
}

impl Host for Late<'_> {
    fn view(&self) -> HostView {
        self.host.view()
    }

    fn perform(&self, step: &Step) -> Result<Done> {
        self.host.perform(step)
    }

    fn sync(&self) -> Result<()> {
        self.host.sync()
    }

    fn wait_for_devices(&self, attempt: u32) -> bool {
        if attempt == 2 {
            self.host.tree().link(&self.of, self.driver);
        }
        attempt < 3
    }
}

#[test]
fn a_driver_that_comes_late_in_the_boot_is_waited_for() {
    let lab = machine(Kind::Ubuntu);
    stage(&lab, EVERY_TYPE);
    lab.host.reboot();
    let of = PathBuf::from("/sys/bus/pci/devices/0000:02:00.0/driver");
    let driver = "../../../../bus/pci/drivers/igb";
    let tree = lab.host.tree();
    assert!(lab.host.view().exists(&of).unwrap(), "the port has no driver to begin with");
    tree.remove(&of);
    let report = finish_on(&lab, &Late { host: &lab.host, driver, of }, &[]);
    let ended = [Outcome::Converged, Outcome::RebootRequired];
    assert!(ended.contains(&report.outcome), "{:?} {:?}", report.outcome, report.plan.conflicts);
}

#[test]
fn a_refusal_that_nobody_watched_is_recorded_with_its_hazards() {
    let lab = machine(Kind::Ubuntu);
    stage(&lab, EVERY_TYPE);
    lab.host.reboot();
    let guard: Guard = |_| {
        let warning = Hazard::new("weather", Severity::Warn, &[], "it may rain");
        Ok(vec![Hazard::new("card", Severity::Refuse, &[], "the card is in use"), warning])
    };
    let report = finish_on(&lab, &lab.host, &[guard]);
    assert_eq!((report.outcome, &report.error), (Outcome::Refused, &None));
    let record = lab.store().read(report.run.as_ref().unwrap()).unwrap();
    let hazards: Vec<&str> = report.plan.refusals().map(|it| it.id.as_str()).collect();
    assert_eq!(record.reason, Some(format!("{}: the card is in use", hazards[0])));
}

#[test]
fn what_went_down_in_the_middle_is_not_begun_again() {
    let lab = machine(Kind::Ubuntu);
    stage(&lab, EVERY_TYPE);
    lab.host.reboot();
    let tree = lab.host.tree();
    let record = trial::pending(&tree.view()).unwrap().unwrap();
    let begun = AtBoot { begun: boot_id(&lab), ..record };
    tree.write(trial::RECORD, begun.text().unwrap());
    lab.host.reboot();
    let before = lab.performed().len();
    let report = finish(&lab);
    assert!(report.error.unwrap().what.starts_with("this was begun in boot "));
    assert_eq!(report.outcome, Outcome::Failed);
    let removed = lab.performed().split_off(before);
    assert!(
        removed
            .iter()
            .all(|it| it.to_string().contains("hoststate") || it.to_string().contains("custom.cfg")),
        "{removed:?}"
    );
    assert_eq!(trial::pending(&tree.view()).unwrap(), None);
}

#[test]
fn a_host_that_cannot_try_a_boot_says_so_before_anything_is_changed() {
    let refused = |kind: Kind, path: &str, text: Option<&str>, expected: &str| {
        let lab = machine(kind);
        match text {
            Some(text) => lab.host.tree().write(path, text),
            None => lab.host.tree().remove(path),
        }
        let before = kept(&lab, &[]);
        let why = trial(&lab, EVERY_TYPE).unwrap_err().to_string();
        assert!(why.contains(expected), "{kind:?} {path}: {why}");
        assert_eq!(kept(&lab, &[]), before, "{kind:?}");
    };
    let mountinfo = "/proc/self/mountinfo";
    for kind in KINDS {
        let btrfs = "22 1 0:30 / / rw - btrfs /dev/vda1 rw\n";
        refused(kind, mountinfo, Some(btrfs), "(/proc/self/mountinfo: / is on /dev/vda1 (btrfs))");
        refused(kind, "/run/systemd", None, "not booted by systemd");
    }
    let entry = "### BEGIN /etc/grub.d/10_linux ###\nmenuentry 'A' {\n linux /vmlinuz-6.1.0-1 ro\n}\n";
    refused(Kind::Ubuntu, "/boot/grub/grub.cfg", Some(entry), "does not take `next_entry` back");
    let header = format!("save_env next_entry\n{entry}");
    refused(Kind::Ubuntu, "/boot/grub/grub.cfg", Some(&header), "does not read custom.cfg");
    let other = format!(
        "if [ -f (hd1)/marker ]; then\n set default=7\nfi\nsource custom.cfg\n{header}menuentry B {{\n linux /vmlinuz-6.1.0-1 rw\n}}\n"
    );
    refused(Kind::Ubuntu, "/boot/grub/grub.cfg", Some(&other.replace('7', "1")), "cannot be told what boots");
    refused(Kind::CentosBls, "/boot/grub2/grub.cfg", Some("blscfg\n"), "does not take `next_entry` back");
    let saved = "# GRUB Environment Block\nsaved_entry=gone\n";
    refused(
        Kind::CentosBls,
        "/boot/grub2/grubenv",
        Some(saved),
        "the default entry \"gone\" is not an entry",
    );
}

#[test]
fn a_playbook_without_words_or_with_words_that_are_there_has_no_boot_to_try() {
    let lab = machine(Kind::Ubuntu);
    let options = r#"{"type":"modprobe_options","module":"kvm","options":{"x":1}}"#;
    let why = trial(&lab, options).unwrap_err().to_string();
    assert_eq!(why, "the playbook wants nothing of the kernel command line, so there is no boot to try");
    assert!(trial(&lab, r#"{"type":"kernel_cmdline","present":["quiet"]}"#).unwrap().is_none());
}
