//! Pruning: a host that was converged to one playbook and then, pruned, to another is as if the first had never been.

use hoststate_core::host::Host;
use hoststate_core::machine::pci_bus::{self, PciDevice};
use hoststate_core::record::report::{Outcome, Report};
use hoststate_testkit::campaign::number;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{RngAlgorithm, TestRng, TestRunner};

use crate::lab::owned::Prune;
use crate::lab::{KINDS, Kind, Lab};

/// Every resource type, each with what may stand in its place.
const CHOICES: [&[&str]; 13] = [
    &[
        r#""type":"kernel_cmdline","present":["intel_iommu=on","iommu=pt"],"additional":["console=ttyS0"]"#,
        r#""type":"kernel_cmdline","present":["intel_iommu=on"]"#,
        r#""type":"kernel_cmdline","present":["iommu=pt"],"additional":["console=ttyS0","console=tty1"]"#,
        r#""type":"kernel_cmdline","present":["iommu=nopt","mitigations=auto"]"#,
        r#""type":"kernel_cmdline","present":["iommu=pt","mitigations=off","intel_iommu=on"],"additional":["console=tty1","console=ttyS0"]"#,
    ],
    &[
        r#""type":"modprobe_softdep","module":"nouveau","pre":["vfio-pci"],"post":["kvm"]"#,
        r#""type":"modprobe_softdep","module":"nouveau","pre":["vfio-pci"]"#,
        r#""type":"modprobe_softdep","module":"nouveau","pre":["kvm","vfio-pci"]"#,
    ],
    &[
        r#""type":"modprobe_options","module":"kvm_intel","options":{"nested":true,"enable_apicv":0}"#,
        r#""type":"modprobe_options","module":"kvm_intel","options":{"nested":true}"#,
        r#""type":"modprobe_options","module":"kvm_intel","options":{"nested":"N","pml":0}"#,
        r#""type":"modprobe_options","module":"kvm_intel","options":{"enable_apicv":0,"nested":true}"#,
    ],
    &[r#""type":"modprobe_options","module":"nouveau","options":{"modeset":0},"file":"nouveau.conf""#],
    &[
        r#""type":"modprobe_blacklist","module":"nvidiafb","install":true"#,
        r#""type":"modprobe_blacklist","module":"nvidiafb""#,
    ],
    &[r#""type":"modprobe_blacklist","module":"snd_hda_intel""#],
    &[
        r#""type":"modules_load","modules":["vfio-pci","kvm_intel"]"#,
        r#""type":"modules_load","modules":["vfio-pci"]"#,
        r#""type":"modules_load","modules":["kvm_intel","nouveau","vfio-pci"]"#,
    ],
    &[
        r#""type":"initramfs_modules","modules":["vfio-pci"]"#,
        r#""type":"initramfs_modules","modules":["nouveau","vfio-pci"]"#,
        r#""type":"initramfs_modules","modules":["vfio-pci","nouveau"]"#,
    ],
    &[
        r#""type":"vfio_pci_ids","ids":["10de:0e1b"]"#,
        r#""type":"vfio_pci_ids","ids":["10de:0e1b","1234:5678"]"#,
        r#""type":"vfio_pci_ids","ids":["1234:5678"]"#,
        r#""type":"vfio_pci_ids","ids":["1234:5678","10de:0e1b"]"#,
    ],
    &[
        r#""type":"sriov_numvfs","device":"0000:02:00.0","numvfs":2,"autoprobe":false"#,
        r#""type":"sriov_numvfs","device":"0000:02:00.0","numvfs":3"#,
    ],
    &[
        r#""type":"driver_binding","device":"0000:01:00.0","driver":"vfio-pci""#,
        r#""type":"driver_binding","device":"0000:01:00.0","driver":"nouveau""#,
    ],
    &[r#""type":"driver_binding","device":"0000:01:00.1","driver":"vfio-pci""#],
    &[r#""type":"driver_binding","device":"0000:02:10.2","driver":"vfio-pci""#],
];

/// What others wrote: beside what is declared, in the way of none of it.
const BESIDE: [(&str, &str); 5] = [
    ("/etc/modprobe.d/50-mine.conf", "# mine\noptions vfio_pci disable_vga=1\nblacklist radeon\n"),
    ("/etc/modprobe.d/kvm.conf", "options kvm_intel nested=0 ept=1\nsoftdep nouveau pre: drm\n"),
    ("/usr/lib/modprobe.d/dist.conf", "softdep nouveau pre: i2c\noptions kvm_intel enable_apicv=1\n"),
    ("/etc/modules-load.d/mine.conf", "# mine\nloop\n"),
    ("/etc/dracut.conf.d/mine.conf", "force_drivers+=\" loop \"\n"),
];

/// Which of the choices a playbook takes, and in which order: the least comes first.
type Chosen = Vec<Option<(prop::sample::Index, u8)>>;

fn playbook(chosen: &Chosen) -> String {
    let mut taken: Vec<Option<&str>> =
        chosen.iter().zip(CHOICES).map(|(it, of)| it.as_ref().map(|it| *it.0.get(of))).collect();
    // A virtual function is there as long as its card makes it.
    if taken[12].is_some() && taken[9].is_none() {
        taken[9] = Some(CHOICES[9][0]);
    }
    let named = |at: usize, it: &str| format!(r#"{{"name":"n{at}",{it}}}"#);
    let place = |at: usize| chosen[at].map_or(0, |it| it.1);
    let mut all: Vec<(u8, String)> =
        taken.iter().enumerate().filter_map(|(at, it)| Some((place(at), named(at, (*it)?)))).collect();
    all.sort_by_key(|it| it.0);
    all.into_iter().map(|it| it.1).collect::<Vec<_>>().join(",")
}

fn chosen() -> impl Strategy<Value = Chosen> {
    prop::collection::vec(prop::option::of(any::<(prop::sample::Index, u8)>()), CHOICES.len())
}

/// Everything that a run may change: files, images, and what the kernel says of the devices.
fn state(lab: &Lab) -> (String, Vec<PciDevice>) {
    (lab.persistent(), pci_bus::devices(&lab.host.view()).expect("a readable tree").to_vec())
}

fn is_done(report: &Report) -> bool {
    [Outcome::Converged, Outcome::RebootRequired, Outcome::InDesiredState].contains(&report.outcome)
}

/// Compares file by file: a whole host says little to who reads it.
fn same(found: &str, expected: &str, told: &str) {
    let pairs = found.lines().zip(expected.lines());
    let differing: Vec<_> = pairs.filter(|(found, expected)| found != expected).collect();
    assert!(differing.is_empty() && found == expected, "{told}\n{differing:#?}");
}

/// Converges to one playbook after the other, prunes for the last, and compares with a host that only ever saw that.
fn check(kind: Kind, files: &[(&str, &str)], (earlier, then): (&[(String, Prune)], &str), is_booted: bool) {
    let lab = Lab::with(kind, files);
    let untouched = Lab::with(kind, files);
    let mut told = format!("{kind:?}, booted: {is_booted}");
    for (playbook, prune) in earlier {
        told += &format!("\n{prune:?} {playbook}");
        let report = lab.converge_for("a", playbook, *prune);
        assert!(is_done(&report), "{told}: {:?} {:?}", report.error, report.left.conflicts);
        if is_booted {
            lab.host.reboot();
        }
    }
    told += &format!("\n{then}");
    let report = lab.converge_for("a", then, Prune::Yes);
    assert!(is_done(&report), "{told}: {:?} {:?}", report.error, report.left.conflicts);
    assert!(is_done(&untouched.converge_for("a", then, Prune::Yes)), "{told}");
    same(&lab.persistent(), &untouched.persistent(), &told);
    let again = lab.plan_for("a", then, Prune::Yes);
    let differing: String = again.files.iter().map(|it| it.diff.as_str()).collect();
    assert!(differing.is_empty(), "{told}: a second run would write\n{differing}");
    let performed = lab.performed().len();
    assert!(is_done(&lab.converge_for("a", then, Prune::Yes)), "{told}");
    let further = &lab.performed()[performed..];
    assert!(further.is_empty(), "{told}: a second run did something: {further:#?}");
    lab.host.reboot();
    untouched.host.reboot();
    assert_eq!(state(&lab), state(&untouched), "{told}");
    let plan = lab.plan_for("a", then, Prune::Yes);
    assert!(plan.no_longer_declared.is_empty(), "{told}: {:#?}", plan.no_longer_declared);
    assert_eq!(
        plan.in_desired_state(),
        untouched.plan_for("a", then, Prune::Yes).in_desired_state(),
        "{told}"
    );
}

#[test]
fn each_type_is_pruned() {
    let one = |at: usize, it: &str| match at {
        12 => format!(r#"{{{}}},{{{it}}}"#, CHOICES[9][0]),
        _ => format!("{{{it}}}"),
    };
    for kind in KINDS {
        for (at, choices) in CHOICES.into_iter().enumerate() {
            for first in choices {
                let first = [(one(at, first), Prune::No)];
                check(kind, &[], (&first, ""), false);
                check(kind, &BESIDE, (&first, ""), true);
            }
        }
    }
}

/// Returns something at random, always the same for a seed.
fn drawn<T: std::fmt::Debug>(seed: u64, of: impl Strategy<Value = T>) -> T {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let mut runner = TestRunner::new_with_rng(ProptestConfig::default(), rng);
    of.new_tree(&mut runner).expect("a value").current()
}

#[test]
fn whatever_was_declared_before_a_pruned_playbook_is_as_if_it_never_was() {
    let (first, pairs) = (number("HOSTSTATE_PRUNED_SEED", 17), number("HOSTSTATE_PRUNED_PAIRS", 12));
    for seed in first..first + pairs {
        let beside = prop::sample::subsequence(&BESIDE[..], 0..BESIDE.len());
        let kind = prop::sample::select(&KINDS[..]);
        let prune = prop::sample::select(&[Prune::No, Prune::Yes][..]);
        let earlier = prop::collection::vec((chosen(), prune), 1..4);
        let (kind, earlier, then, beside, is_booted) =
            drawn(seed, (kind, earlier, chosen(), beside, any::<bool>()));
        println!("seed {seed}: {} playbooks before on {kind:?}, booted: {is_booted}", earlier.len());
        let earlier: Vec<_> = earlier.iter().map(|(it, prune)| (playbook(it), *prune)).collect();
        check(kind, &beside, (&earlier, &playbook(&then)), is_booted);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn what_is_deleted_from_any_playbook_leaves_nothing_of_itself(
        kind in prop::sample::select(&KINDS[..]),
        first in chosen(),
        kept in prop::collection::vec(any::<bool>(), CHOICES.len()),
        beside in prop::sample::subsequence(&BESIDE[..], 0..BESIDE.len()),
        is_booted in any::<bool>(),
    ) {
        let then = first.iter().zip(kept).map(|(it, kept)| it.filter(|_| kept)).collect();
        check(kind, &beside, (&[(playbook(&first), Prune::No)], &playbook(&then)), is_booted);
    }
}
