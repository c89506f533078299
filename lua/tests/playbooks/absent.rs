//! `ensure = "absent"` in playbooks: composites hand it on, and leave what another declaration needs.

use expect_test::{Expect, expect};

use crate::composites::machine;
use crate::support::{Machine, outcome};

fn check(machine: &Machine, text: &str, expect: Expect) {
    expect.assert_eq(&outcome(machine, text, &[]));
}

#[test]
fn an_absent_composite_hands_that_on() {
    check(
        &machine(),
        "\ngpu_passthrough { device = '01:00.0', whole_group = false, ensure = 'absent' }\niommu { vendor = 'AuthenticAMD', ensure = 'absent' }",
        expect![[r#"
            gpu.lua:2: absent kernel_cmdline "iommu" {"present":["intel_iommu=on"]}
            gpu.lua:2: absent kernel_cmdline "iommu passthrough" {"present":["iommu=pt"]}
            gpu.lua:2: absent modprobe_softdep "nvidiafb" {"file":"01-vfio-pci.conf","module":"nvidiafb","pre":["vfio-pci"]}
            gpu.lua:2: absent modprobe_softdep "nouveau" {"file":"01-vfio-pci.conf","module":"nouveau","pre":["vfio-pci"]}
            gpu.lua:2: absent modprobe_softdep "snd_hda_intel" {"file":"01-vfio-pci.conf","module":"snd_hda_intel","pre":["vfio-pci"]}
            gpu.lua:2: absent vfio_pci_ids "10de:0ffc" {"file":"01-vfio-pci.conf","ids":["10de:0ffc"]}
            gpu.lua:2: absent driver_binding "0000:01:00.0" {"device":"0000:01:00.0","driver":"vfio-pci"}
            gpu.lua:2: absent vfio_pci_ids "10de:0e1b" {"file":"01-vfio-pci.conf","ids":["10de:0e1b"]}
            gpu.lua:2: absent driver_binding "0000:01:00.1" {"device":"0000:01:00.1","driver":"vfio-pci"}
            gpu.lua:2: absent initramfs_modules "vfio" {"modules":["vfio"]}
            gpu.lua:2: absent initramfs_modules "vfio_iommu_type1" {"modules":["vfio_iommu_type1"]}
            gpu.lua:2: absent initramfs_modules "vfio_pci" {"modules":["vfio_pci"]}
        "#]],
    );
}

#[test]
fn what_cards_share_stays_with_the_one_that_is_kept() {
    let text = "gpu_passthrough { device = '01:00.0', whole_group = false, ensure = 'absent' }\n\
                gpu_passthrough { device = '0000:03:00.0' }";
    check(
        &machine(),
        text,
        expect![[r#"
            gpu.lua:1: absent modprobe_softdep "nvidiafb" {"file":"01-vfio-pci.conf","module":"nvidiafb","pre":["vfio-pci"]}
            gpu.lua:1: absent modprobe_softdep "nouveau" {"file":"01-vfio-pci.conf","module":"nouveau","pre":["vfio-pci"]}
            gpu.lua:1: absent modprobe_softdep "snd_hda_intel" {"file":"01-vfio-pci.conf","module":"snd_hda_intel","pre":["vfio-pci"]}
            gpu.lua:1: absent vfio_pci_ids "10de:0ffc" {"file":"01-vfio-pci.conf","ids":["10de:0ffc"]}
            gpu.lua:1: absent driver_binding "0000:01:00.0" {"device":"0000:01:00.0","driver":"vfio-pci"}
            gpu.lua:1: absent vfio_pci_ids "10de:0e1b" {"file":"01-vfio-pci.conf","ids":["10de:0e1b"]}
            gpu.lua:1: absent driver_binding "0000:01:00.1" {"device":"0000:01:00.1","driver":"vfio-pci"}
            gpu.lua:2: kernel_cmdline "iommu" {"present":["intel_iommu=on"]}
            gpu.lua:2: kernel_cmdline "iommu passthrough" {"present":["iommu=pt"]}
            gpu.lua:2: modprobe_softdep "amdgpu" {"file":"01-vfio-pci.conf","module":"amdgpu","pre":["vfio-pci"]}
            gpu.lua:2: vfio_pci_ids "0000:03:00.0" {"file":"01-vfio-pci.conf","ids":["1002:6995"]}
            gpu.lua:2: initramfs_modules "vfio vfio_iommu_type1 vfio_pci" {"modules":["vfio","vfio_iommu_type1","vfio_pci"]}
        "#]],
    );
}

#[test]
fn present_and_absent_of_one_thing_is_refused_with_both_lines() {
    let text = "iommu { passthrough = true }\nkernel_cmdline { name = 'iommu passthrough', present = { 'iommu=pt' }, ensure = 'absent' }\n\
                modules_load { modules = { 'loop' }, ensure = 'gone' }";
    check(
        &machine(),
        text,
        expect![[r#"
            error: modules_load: `ensure` is "gone", neither "present" nor "absent"
              at gpu.lua:3
            hint: Leave it out for what should be there.
            error: kernel_cmdline "iommu passthrough" is declared present at gpu.lua:1 and absent at gpu.lua:2
              at gpu.lua:2
            hint: Decide which of the two it should be.
        "#]],
    );
}
