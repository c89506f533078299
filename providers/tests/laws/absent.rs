//! Taking out: what a declaration set is gone with `ensure = "absent"`, and the host is as if it had never been there.

use hoststate_core::host::Host;
use hoststate_core::machine::pci_bus::{self, PciDevice};
use hoststate_core::record::report::Outcome;
use proptest::prelude::*;

use crate::lab::{KINDS, Kind, Lab};

/// Every resource type, wherever it can set something on the devices of [`Lab::new`].
const TYPES: [&str; 14] = [
    r#""type":"kernel_cmdline","present":["intel_iommu=on","iommu=pt"],"additional":["console=ttyS0"]"#,
    r#""type":"modprobe_softdep","module":"nouveau","pre":["vfio-pci"],"post":["kvm"]"#,
    r#""type":"modprobe_options","module":"kvm_intel","options":{"nested":true,"enable_apicv":0}"#,
    r#""type":"modprobe_options","module":"nouveau","options":{"modeset":0},"file":"nouveau.conf""#,
    r#""type":"modprobe_blacklist","module":"nvidiafb","install":true"#,
    r#""type":"modprobe_blacklist","module":"snd_hda_intel""#,
    r#""type":"modules_load","modules":["vfio-pci","kvm_intel"]"#,
    r#""type":"initramfs_modules","modules":["vfio-pci"]"#,
    r#""type":"vfio_pci_ids","ids":["10de:0e1b"]"#,
    r#""type":"vfio_pci_ids","ids":["1234:5678","8086:10ca"],"file":"zzz-vfio.conf""#,
    r#""type":"sriov_numvfs","device":"0000:02:00.0","numvfs":2,"autoprobe":false"#,
    r#""type":"driver_binding","device":"0000:01:00.0","driver":"vfio-pci""#,
    r#""type":"driver_binding","device":"0000:01:00.1","driver":"vfio-pci""#,
    r#""type":"driver_binding","device":"0000:02:10.2","driver":"vfio-pci""#,
];

/// What others wrote: beside what is declared, in the way of none of it.
const BESIDE: [(&str, &str); 6] = [
    (
        "/etc/modprobe.d/50-mine.conf",
        "# mine\noptions vfio_pci disable_vga=1 ids=aaaa:bbbb\nblacklist radeon\n",
    ),
    ("/etc/modprobe.d/kvm.conf", "options kvm_intel nested=0 ept=1\nsoftdep nouveau pre: drm\n"),
    ("/usr/lib/modprobe.d/dist.conf", "softdep nouveau pre: i2c\noptions kvm_intel enable_apicv=1\n"),
    ("/etc/modules-load.d/mine.conf", "# mine\nloop\n"),
    ("/etc/udev/rules.d/70-mine.rules", "ACTION==\"add\", KERNEL==\"0000:01:00.0\", RUN+=\"/bin/true\"\n"),
    ("/etc/dracut.conf.d/mine.conf", "force_drivers+=\" loop \"\n"),
];

fn playbook<'a>(types: impl IntoIterator<Item = &'a &'a str>, ensure: &str) -> String {
    let all = types.into_iter().enumerate().map(|(at, it)| format!(r#"{{"name":"n{at}",{it}{ensure}}}"#));
    all.collect::<Vec<_>>().join(",")
}

/// Everything that a run may change: files, images, and what the kernel says of the devices.
fn state(lab: &Lab) -> (String, Vec<PciDevice>) {
    (lab.persistent(), pci_bus::devices(&lab.host.view()).expect("a readable tree").to_vec())
}

/// Converges, takes out, and compares with a host that nobody touched.
fn check(kind: Kind, files: &[(&str, &str)], types: &[&str], is_booted: bool) {
    let lab = Lab::with(kind, files);
    let before = state(&lab);
    let report = lab.converge(&playbook(types, ""));
    let done = [Outcome::Converged, Outcome::RebootRequired, Outcome::InDesiredState];
    assert!(
        done.contains(&report.outcome),
        "{kind:?} {types:?}: {:?} {:?}",
        report.error,
        report.left.conflicts
    );
    if is_booted {
        lab.host.reboot();
    }
    let absent = playbook(types, r#","ensure":"absent""#);
    let report = lab.converge(&absent);
    assert!(
        done.contains(&report.outcome),
        "{kind:?} {types:?}: {:?} {:?}",
        report.error,
        report.left.conflicts
    );
    assert_eq!(lab.persistent(), before.0, "{kind:?} {types:?}");
    let performed = lab.performed();
    let again = lab.converge(&absent);
    assert!(done.contains(&again.outcome), "{kind:?} {types:?}: {:?}", again.error);
    assert_eq!(lab.performed(), performed, "{kind:?} {types:?}: a second run did something");
    if !is_booted && report.outcome != Outcome::RebootRequired {
        assert_eq!(state(&lab).1, before.1, "{kind:?} {types:?}");
    }
    lab.host.reboot();
    assert_eq!(state(&lab), before, "{kind:?} {types:?}");
    assert!(lab.plan(&absent).in_desired_state(), "{kind:?} {types:?}: {:#?}", lab.plan(&absent).changes);
}

/// A virtual function is there as long as its card makes it.
fn needs(it: &str) -> Option<&'static str> {
    it.contains("0000:02:10.2").then(|| TYPES.iter().find(|it| it.contains("sriov_numvfs")).copied())?
}

#[test]
fn what_each_type_set_is_gone_as_if_it_had_never_been_there() {
    for kind in KINDS {
        for it in TYPES {
            let types: Vec<&str> = needs(it).into_iter().chain([it]).collect();
            check(kind, &[], &types, false);
            check(kind, &BESIDE, &types, true);
        }
    }
}

#[test]
fn what_all_types_set_together_is_gone() {
    for kind in KINDS {
        check(kind, &[], &TYPES, false);
        check(kind, &BESIDE, &TYPES, true);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn what_any_playbook_set_is_gone_and_what_others_wrote_is_not(
        kind in prop::sample::select(&KINDS[..]),
        chosen in prop::sample::subsequence(&TYPES[..], 1..TYPES.len()),
        beside in prop::sample::subsequence(&BESIDE[..], 0..BESIDE.len()),
        is_booted in any::<bool>(),
    ) {
        let mut types: Vec<&str> = Vec::new();
        for it in chosen {
            types.extend(needs(it).filter(|it| !types.contains(it)));
            types.extend((!types.contains(&it)).then_some(it));
        }
        check(kind, &beside, &types, is_booted);
    }
}

#[test]
fn what_is_not_there_is_absent_already() {
    for kind in KINDS {
        let lab = Lab::with(kind, &BESIDE);
        let plan = lab.plan(&playbook(&TYPES, r#","ensure":"absent""#));
        assert!(plan.in_desired_state(), "{kind:?}: {:#?} {:#?}", plan.changes, plan.conflicts);
    }
}
