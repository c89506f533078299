//! Generated playbooks over generated trees: no panic, one plan, and nothing to do after a run that says so.

use hoststate_core::record::report::Outcome;
use proptest::prelude::*;

use crate::lab::{KINDS, Kind, Lab, declared};

const MODULE: &str = "nouveau|snd_hda_intel|vfio-pci|vfio_pci|kvm_intel|igb";
const WORD: &str = "(iommu|quiet|intel_iommu|vfio-pci\\.ids|x-y|x_y)(=(pt|on|1|a,b|10de:0e1b))?";
const FILE: &str = "(,\"file\":\"(00|50|zz-hoststate|zzz)\\.conf\")?";
const MODPROBE_D: &str = "((options|softdep|blacklist|install) (nouveau|vfio_pci|vfio-pci|kvm_intel|\\*) (pre: |nested=|ids=)?(drm|1|0|10de:0ffc|/bin/true)( #|\\\\)?\n){0,4}";
const GRUB: &str = "((# mine|GRUB_CMDLINE_LINUX(_DEFAULT)?\\+?=(quiet|\"iommu=off quiet\"|'x-y=1'|\"\\$GRUB_CMDLINE_LINUX a\"|\\$\\(uname\\)))( #c)?\n){0,4}";

/// Declarations that decode; the same text is the same declaration.
fn declaration() -> impl Strategy<Value = String> {
    let words = |list: &'static str| {
        prop::collection::vec(WORD, 1..3).prop_map(move |it| format!("\"{list}\":{it:?}"))
    };
    let modules = || prop::collection::vec(MODULE, 1..3).prop_map(|it| format!("{it:?}"));
    let device = "0000:0(1:00\\.[01]|2:00\\.0|2:10\\.[02]|9:00\\.0)";
    prop_oneof![
        prop_oneof![words("present"), words("additional"), words("absent")]
            .prop_map(|it| format!(r#""type":"kernel_cmdline",{it}"#)),
        (MODULE, modules(), FILE).prop_map(|(module, pre, file)| {
            format!(r#""type":"modprobe_softdep","module":"{module}","pre":{pre}{file}"#)
        }),
        (MODULE, "nested|ids|x", "1|0|true|\"a b\"|\"10de:0ffc\"", FILE).prop_map(
            |(module, name, value, file)| {
                format!(
                    r#""type":"modprobe_options","module":"{module}","options":{{"{name}":{value}}}{file}"#
                )
            }
        ),
        (MODULE, any::<bool>(), FILE).prop_map(|(module, install, file)| {
            format!(r#""type":"modprobe_blacklist","module":"{module}","install":{install}{file}"#)
        }),
        modules().prop_map(|it| format!(r#""type":"modules_load","modules":{it}"#)),
        modules().prop_map(|it| format!(r#""type":"initramfs_modules","modules":{it}"#)),
        ("10de:0(ffc|e1b)|8086:10c[9a]", FILE)
            .prop_map(|(id, file)| format!(r#""type":"vfio_pci_ids","ids":["{id}"]{file}"#)),
        (device, 0..9_u8, "(,\"autoprobe\":(true|false))?").prop_map(|(device, count, autoprobe)| {
            format!(r#""type":"sriov_numvfs","device":"{device}","numvfs":{count}{autoprobe}"#)
        }),
        (device, "vfio-pci|nouveau|igbvf").prop_map(|(device, driver)| {
            format!(r#""type":"driver_binding","device":"{device}","driver":"{driver}""#)
        }),
    ]
}

/// A playbook in which each declaration has a name of its own, so that any of them may stand side by side.
fn playbook() -> impl Strategy<Value = String> {
    prop::collection::vec(declaration(), 1..6).prop_map(|all| {
        let named = all.iter().enumerate().map(|(at, it)| format!(r#"{{"name":"n{at}",{it}}}"#));
        named.collect::<Vec<_>>().join(",")
    })
}

fn decodes(playbook: &str) -> bool {
    let json = format!(r#"{{"format":"hoststate.declarations/1","resources":[{playbook}]}}"#);
    let declarations =
        hoststate_core::language::declaration::Declarations::from_json(&json).expect("declarations");
    let registry = hoststate_core::language::registry::Registry::new(hoststate_core::resources::TABLE);
    registry.decode_all(declarations.resources).is_ok()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn any_playbook_on_any_tree_is_planned_once_and_done_once(
        playbook in playbook().prop_filter("a softdep on itself does not decode", |it| decodes(it)),
        kind in prop::sample::select(&KINDS[..]),
        modprobe in MODPROBE_D,
        later in MODPROBE_D,
        grub in GRUB,
    ) {
        let grub_d = if kind == Kind::DebianDracut { "/etc/default/grub.d/z.cfg" } else { "/etc/default/grub" };
        let lab = Lab::with(kind, &[
            ("/etc/modprobe.d/10-mine.conf", &modprobe),
            ("/etc/modprobe.d/zzy.conf", &later),
            (grub_d, &grub),
        ]);
        let before = lab.persistent();
        let declared = declared(&playbook);
        let Ok(plan) = lab.try_plan(&declared) else { return Ok(()) };
        prop_assert_eq!(&lab.try_plan(&declared).expect("as before"), &plan);
        let report = lab.converge(&playbook);
        prop_assert_eq!(&report.plan, &plan);
        let converged = [Outcome::Converged, Outcome::RebootRequired, Outcome::InDesiredState];
        match report.outcome {
            Outcome::Refused => {
                prop_assert!(!plan.conflicts.is_empty());
                prop_assert_eq!(lab.performed(), []);
            }
            Outcome::Failed => {
                let waits = !report.left.deferred.is_empty() || !report.left.conflicts.is_empty();
                prop_assert!(waits, "{:?}", report.error);
            }
            outcome => {
                prop_assert!(converged.contains(&outcome));
                let again = lab.try_plan(&declared).expect("a host that can still be read");
                prop_assert!(!again.has_work(), "{:?}", again.changes);
                prop_assert_eq!(again.only_reboot_left(), outcome == Outcome::RebootRequired);
            }
        }
        if !plan.files.is_empty() && report.outcome != Outcome::Refused {
            lab.roll_back();
            prop_assert_eq!(lab.persistent(), before);
        }
    }
}
