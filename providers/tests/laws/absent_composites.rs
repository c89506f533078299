//! Composites that are absent: what they declared is gone, and what another one needs stays.

use hoststate_core::host::Host;
use hoststate_core::language::registry::{Declared, Registry};
use hoststate_core::machine::pci_bus;
use hoststate_core::record::report::Outcome;
use hoststate_core::resources::TABLE;
use hoststate_lua::host_facts::HostFacts;
use hoststate_lua::{Options, evaluate};

use crate::lab::{KERNELS, KINDS, Kind, Lab};

fn declared(lab: &Lab, playbook: &str) -> Vec<Declared> {
    let host = lab.host.view();
    let options = Options {
        registry: &Registry::new(TABLE),
        facts: &HostFacts { host: &host, distro: &lab.distro },
        modules: &|_| Ok(None),
        types: &|_, _, _| Vec::new(),
        log: &|_, _| (),
    };
    evaluate("p.lua", playbook, &options).expect("a playbook").declared
}

fn converge(lab: &Lab, playbook: &str) {
    let declared = declared(lab, playbook);
    let plan = lab.try_plan(&declared).expect("a plan");
    let report = lab.carry_out(&lab.host, &declared, plan, "converge").0;
    let done = [Outcome::Converged, Outcome::RebootRequired, Outcome::InDesiredState];
    assert!(done.contains(&report.outcome), "{playbook}: {:?} {:?}", report.error, report.left.conflicts);
}

/// Returns a host whose kernel knows the modules of its devices, and has those that a card for guests needs.
fn lab(kind: Kind) -> Lab {
    let files = KERNELS.map(|it| (format!("/lib/modules/{it}/modules.dep"), DEPENDENCIES));
    let alias = format!("/lib/modules/{}/modules.alias", KERNELS[2]);
    let mut files: Vec<(&str, &str)> = files.iter().map(|it| (it.0.as_str(), it.1)).collect();
    files.push((&alias, ALIASES));
    Lab::with(kind, &files)
}

/// Converges to a playbook, then to the same with `ensure = "absent"`.
fn check(kind: Kind, playbook: &str, is_booted: bool) {
    let lab = lab(kind);
    let state = || (lab.persistent(), pci_bus::devices(&lab.host.view()).expect("a readable tree").to_vec());
    let before = state();
    converge(&lab, playbook);
    assert_ne!(state().0, before.0, "{kind:?} {playbook}");
    if is_booted {
        lab.host.reboot();
    }
    let absent = playbook.replace(" }", ", ensure = 'absent' }");
    converge(&lab, &absent);
    assert_eq!(lab.persistent(), before.0, "{kind:?} {playbook}");
    lab.host.reboot();
    assert_eq!(state(), before, "{kind:?} {playbook}");
    let plan = lab.try_plan(&declared(&lab, &absent)).expect("a plan");
    assert!(plan.in_desired_state(), "{kind:?} {playbook}: {:#?}", plan.changes);
}

const DEPENDENCIES: &str = "kernel/vfio-pci.ko: kernel/vfio.ko\nkernel/vfio.ko:\nkernel/vfio_iommu_type1.ko:\n\
                            kernel/nouveau.ko:\nkernel/snd-hda-intel.ko:\nkernel/igb.ko:\nkernel/igbvf.ko:\n";

const ALIASES: &str = "alias pci:v000010DEd00000FFCsv*sd*bc*sc*i* nouveau\n\
                       alias pci:v000010DEd00000E1Bsv*sd*bc*sc*i* snd_hda_intel\n\
                       alias pci:v00008086d000010C9sv*sd*bc*sc*i* igb\n\
                       alias pci:v00008086d000010CAsv*sd*bc*sc*i* igbvf\n";

const COMPOSITES: [&str; 5] = [
    "iommu { passthrough = true }",
    "gpu_passthrough { device = '0000:01:00.0' }",
    "gpu_passthrough { device = '0000:01:00.0', file = 'mine.conf' }",
    "sriov_nic { device = '0000:02:00.0', numvfs = 2 }",
    "sriov_nic { device = '0000:02:00.0', numvfs = 3, driver = 'vfio-pci' }",
];

#[test]
fn what_a_composite_declared_is_gone_with_it() {
    for kind in KINDS {
        for playbook in COMPOSITES {
            check(kind, playbook, false);
            check(kind, playbook, true);
        }
        check(kind, &format!("{}\n{}", COMPOSITES[1], COMPOSITES[4]), true);
    }
}

#[test]
fn what_another_one_needs_stays() {
    for kind in KINDS {
        let lab = lab(kind);
        converge(&lab, COMPOSITES[4]);
        converge(&lab, "iommu { passthrough = true }");
        lab.host.reboot();
        let before = lab.persistent();
        let (with, without) = (
            format!("{}\n{}\n{}", COMPOSITES[0], COMPOSITES[1], COMPOSITES[4]),
            format!(
                "{}\n{}\n{}",
                COMPOSITES[0],
                COMPOSITES[1].replace(" }", ", ensure = 'absent' }"),
                COMPOSITES[4]
            ),
        );
        converge(&lab, &with);
        lab.host.reboot();
        converge(&lab, &without);
        assert_eq!(lab.persistent(), before, "{kind:?}");
        lab.host.reboot();
        let cards = [("0000:01:00.0", "nouveau"), ("0000:02:10.2", "vfio-pci")];
        for (address, driver) in cards {
            let device = pci_bus::device(&lab.host.view(), address.parse().expect("an address"));
            let device = device.expect("a readable tree").expect("a device");
            assert_eq!(device.driver.as_deref(), Some(driver), "{kind:?} {address}");
        }
    }
}
