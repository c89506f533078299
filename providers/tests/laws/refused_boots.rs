//! A tried boot that is refused goes back by itself, and leaves nothing to be undone.

use hoststate_abi::step::Step;
use hoststate_core::plan::finding::Verdict;
use hoststate_core::plan::planned::Plan;
use hoststate_core::planner::Planner;
use hoststate_core::record::past::Past;
use hoststate_core::run::finish::Finished;
use hoststate_core::trial::go_back::{self, IfRefused};

use crate::boots::{
    DEFAULT_ROUTE, GRUBENV, ROUTE, WORDS, boot_id, cmdline, finished_on, kept, machine, stage_with,
};
use crate::lab::{KINDS, Kind, Lab, declared};

const NO_ROUTE: &str = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\n";

/// A boot that was tried and lost the network, judged.
fn refused(lab: &Lab, if_refused: IfRefused) -> Finished {
    stage_with(lab, WORDS, if_refused);
    lab.host.reboot();
    lab.host.tree().write(ROUTE, NO_ROUTE);
    finished_on(lab, &lab.host, &[])
}

fn why(finished: &Finished) -> String {
    finished.report.error.clone().expect("a reason").what
}

/// The tools that ran, and whether anything was changed after the first of them.
fn tools(lab: &Lab, before: usize) -> (Vec<String>, bool) {
    let performed = lab.performed().split_off(before);
    let is_tool = |it: &Step| matches!(it, Step::Run { .. });
    let first = performed.iter().position(is_tool).unwrap_or(performed.len());
    let is_changed_after = performed[first..].iter().any(|it| !is_tool(it));
    (performed[first..].iter().map(ToString::to_string).collect(), is_changed_after)
}

#[test]
fn a_boot_without_the_network_or_a_writable_root_is_not_confirmed() {
    let lost = [
        (
            ROUTE,
            "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\n",
            "/proc/net/route has no default route; before, it left by eth0",
        ),
        ("/sys/class/net/eth0/operstate", "down\n", "/sys/class/net/eth0/operstate is down"),
        ("/proc/self/mountinfo", "22 1 253:1 / / ro - ext4 /dev/vda1 ro\n", "/ is mounted read-only"),
        ("/proc/self/mountinfo", "22 1 253:2 / / rw - ext4 /dev/vda2 rw\n", "/ is mounted from /dev/vda2"),
    ];
    for kind in [Kind::Ubuntu, Kind::CentosBls] {
        for (path, text, expected) in lost {
            let lab = machine(kind);
            let (before, words) = (kept(&lab, &GRUBENV), cmdline(&lab));
            stage_with(&lab, WORDS, IfRefused::GoBack);
            lab.host.reboot();
            lab.host.tree().write(path, text);
            let why = why(&finished_on(&lab, &lab.host, &[]));
            assert!(
                why.starts_with("the boot that was tried is not confirmed: ") && why.contains(expected),
                "{why}"
            );
            assert!(kept(&lab, &GRUBENV) == before, "{kind:?} {expected}: {}", kept(&lab, &GRUBENV));
            lab.host.reboot();
            assert_eq!(cmdline(&lab), words, "{kind:?}");
        }
    }
}

#[test]
fn a_refused_boot_goes_back_by_itself_once_nothing_of_it_is_left() {
    for kind in KINDS {
        let lab = machine(kind);
        let (before, words) = (kept(&lab, &GRUBENV), cmdline(&lab));
        let finished = refused(&lab, IfRefused::GoBack);
        assert!(finished.is_refused, "{kind:?}");
        let why = why(&finished);
        assert!(
            why.ends_with(
                "In 10 minutes the host reboots into the default entry; `systemctl stop hoststate-go-back.timer` keeps it up"
            ),
            "{why}"
        );
        let (tools, is_changed_after) = tools(&lab, 0);
        assert!(tools[0].contains("systemd-run --unit=hoststate-go-back"), "{tools:?}");
        assert!(tools[0].contains("--on-active=600"), "{tools:?}");
        assert!(tools[1].contains("wall ") && tools[1].contains("hoststate-go-back.timer"), "{tools:?}");
        assert!(!is_changed_after, "{kind:?}: the way back was prepared before all was as before");
        assert!(go_back::is_scheduled(&lab.host.tree().view()).expect("a readable tree"), "{kind:?}");
        assert_eq!(kept(&lab, &GRUBENV), before, "{kind:?}");
        lab.host.reboot();
        assert_eq!(cmdline(&lab), words, "{kind:?}");
    }
}

#[test]
fn a_refused_boot_stays_where_that_is_wished() {
    let lab = machine(Kind::Ubuntu);
    let finished = refused(&lab, IfRefused::Stay);
    assert!(finished.is_refused);
    assert!(why(&finished).ends_with("The host stays up as it is (--stay); a reboot goes back"));
    assert!(!go_back::is_scheduled(&lab.host.tree().view()).expect("a readable tree"));
}

#[test]
fn a_boot_that_did_not_come_up_is_back_already() {
    for kind in KINDS {
        let lab = machine(kind).panics_with("iommu=pt");
        stage_with(&lab, WORDS, IfRefused::GoBack);
        lab.host.reboot();
        let finished = finished_on(&lab, &lab.host, &[]);
        assert!(finished.is_refused, "{kind:?}");
        assert!(!go_back::is_scheduled(&lab.host.tree().view()).expect("a readable tree"), "{kind:?}");
    }
}

#[test]
fn a_host_whose_default_entry_cannot_be_told_does_not_reboot_by_itself() {
    let lab = machine(Kind::Ubuntu);
    stage_with(&lab, WORDS, IfRefused::GoBack);
    lab.host.reboot();
    lab.host.tree().write(ROUTE, NO_ROUTE);
    let cfg = lab.host.tree().read("/boot/grub/grub.cfg").expect("a menu");
    lab.host
        .tree()
        .write("/boot/grub/grub.cfg", format!("{cfg}\nif [ -f (hd1)/marker ]; then\n set default=1\nfi\n"));
    let finished = finished_on(&lab, &lab.host, &[]);
    let why = why(&finished);
    assert!(why.contains("It does not reboot by itself: which entry boots next cannot be told"), "{why}");
    assert!(!go_back::is_scheduled(&lab.host.tree().view()).expect("a readable tree"));
}

#[test]
fn a_boot_that_holds_does_not_go_back() {
    for kind in KINDS {
        let lab = machine(kind);
        stage_with(&lab, WORDS, IfRefused::GoBack);
        lab.host.reboot();
        let finished = finished_on(&lab, &lab.host, &[]);
        assert!(!finished.is_refused, "{kind:?}: {:?}", finished.report.error);
        assert!(!go_back::is_scheduled(&lab.host.tree().view()).expect("a readable tree"), "{kind:?}");
    }
}

/// What a plan says when the host is back in its old entry.
fn later(lab: &Lab, playbook: &str, accepted: &[String]) -> Plan {
    let (store, boot_id, declared) = (lab.store(), boot_id(lab), declared(playbook));
    let past = Past { records: Some(&store), boot_id: boot_id.as_deref() };
    let planner = Planner { past, accepted, ..lab.planner(&declared) };
    planner.plan(&mut lab.host.tree().view()).expect("a plan")
}

fn refusals(plan: &Plan) -> Vec<&str> {
    plan.refusals().map(|it| it.id.as_str()).filter(|it| it.starts_with("refused-boot-")).collect()
}

#[test]
fn what_was_tried_and_refused_is_remembered_until_it_is_asked_for_again() {
    for kind in KINDS {
        let lab = machine(kind);
        let finished = refused(&lab, IfRefused::GoBack);
        let run = finished.report.run.expect("a recorded verdict");
        let boot = lab.store().read(&run).expect("a record").refused_boot.expect("a boot that is refused");
        assert_eq!(boot.named(), "the boot with iommu=pt, without noresume");
        assert!(boot.because.starts_with("/proc/net/route has no default route"), "{}", boot.because);
        for boots in 0..3 {
            let plan = later(&lab, WORDS, &[]);
            let id = refusals(&plan).first().expect("a refusal").to_string();
            let told = plan.after_boot.iter().find(|it| it.verdict == Verdict::BootRefused);
            let told = told.map(|it| it.reason.clone()).unwrap_or_default();
            assert!(boots == 0 || told.contains("the boot with iommu=pt, without noresume"), "{told}");
            assert!(boots == 0 || (told.contains(&boot.because) && told.contains(&id)), "{told}");
            assert!(!plan.only_reboot_left() && !plan.reboot.required, "{kind:?}: {:?}", plan.reboot);
            let accepted = later(&lab, WORDS, std::slice::from_ref(&id));
            assert_eq!(refusals(&accepted), Vec::<&str>::new(), "{kind:?}");
            assert!(!accepted.is_beyond_boot(), "{kind:?}: {:?}", accepted.after_boot);
            lab.host.tree().write(ROUTE, DEFAULT_ROUTE);
            lab.host.reboot();
        }
        let other = r#"{"type":"kernel_cmdline","present":["iommu=pt"]}"#;
        assert_eq!(refusals(&later(&lab, other, &[])), Vec::<&str>::new(), "{kind:?}: another boot");
    }
}

#[test]
fn what_was_refused_and_holds_when_tried_again_is_forgotten() {
    let lab = machine(Kind::Ubuntu);
    refused(&lab, IfRefused::GoBack);
    lab.host.tree().write(ROUTE, DEFAULT_ROUTE);
    lab.host.reboot();
    stage_with(&lab, WORDS, IfRefused::GoBack);
    lab.host.reboot();
    assert!(!finished_on(&lab, &lab.host, &[]).is_refused);
    lab.host.tree().write("/etc/default/grub", "GRUB_CMDLINE_LINUX=\"noresume\"\n");
    assert_eq!(refusals(&later(&lab, WORDS, &[])), Vec::<&str>::new());
}

#[test]
fn a_boot_that_did_not_come_up_is_remembered_as_well() {
    let lab = machine(Kind::Ubuntu).panics_with("iommu=pt");
    stage_with(&lab, WORDS, IfRefused::GoBack);
    lab.host.reboot();
    finished_on(&lab, &lab.host, &[]);
    lab.host.reboot();
    let plan = later(&lab, WORDS, &[]);
    assert_eq!(refusals(&plan).len(), 1, "{:?}", plan.guards);
    let told = &plan.after_boot.first().expect("what became of the boot").reason;
    assert!(told.contains("it did not come up"), "{told}");
}
