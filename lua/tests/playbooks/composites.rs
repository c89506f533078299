//! The composites on machines of both CPU vendors.

use expect_test::{Expect, expect};

use crate::support::{Machine, device, outcome};
use hoststate_lua::facts::NoHost;

pub(crate) fn machine() -> Machine {
    Machine {
        vendor: Some("GenuineIntel"),
        devices: vec![
            device("0000:00:01.0", "8086:1901", "060400", "bridge", Some(1)),
            device("0000:00:1f.3", "8086:a170", "040300", "multimedia", Some(9)),
            device("0000:01:00.0", "10de:0ffc", "030000", "display", Some(1)),
            device("0000:01:00.1", "10de:0e1b", "040300", "multimedia", Some(1)),
            device("0000:02:00.0", "1b21:1242", "0c0330", "serial", Some(1)),
            device("0000:03:00.0", "1002:6995", "030000", "display", Some(2)),
        ],
        modules: vec![
            ("0000:01:00.0", vec!["nvidiafb", "nouveau"]),
            ("0000:01:00.1", vec!["snd_hda_intel"]),
            ("0000:02:00.0", vec!["xhci_pci"]),
            ("0000:03:00.0", vec!["amdgpu"]),
        ],
    }
}

fn check(machine: &Machine, text: &str, expect: Expect) {
    expect.assert_eq(&outcome(machine, text, &[]));
}

#[test]
fn a_card_takes_its_functions_and_its_group_along() {
    check(
        &machine(),
        "\ngpu_passthrough { device = '01:00.0' }",
        expect![[r#"
        gpu.lua:2: kernel_cmdline "iommu" {"present":["intel_iommu=on"]}
        gpu.lua:2: kernel_cmdline "iommu passthrough" {"present":["iommu=pt"]}
        gpu.lua:2: modprobe_softdep "nvidiafb" {"file":"01-vfio-pci.conf","module":"nvidiafb","pre":["vfio-pci"]}
        gpu.lua:2: modprobe_softdep "nouveau" {"file":"01-vfio-pci.conf","module":"nouveau","pre":["vfio-pci"]}
        gpu.lua:2: modprobe_softdep "snd_hda_intel" {"file":"01-vfio-pci.conf","module":"snd_hda_intel","pre":["vfio-pci"]}
        gpu.lua:2: modprobe_softdep "xhci_pci" {"file":"01-vfio-pci.conf","module":"xhci_pci","pre":["vfio-pci"]}
        gpu.lua:2: vfio_pci_ids "0000:01:00.0" {"file":"01-vfio-pci.conf","ids":["10de:0ffc","10de:0e1b","1b21:1242"]}
        gpu.lua:2: initramfs_modules "vfio vfio_iommu_type1 vfio_pci" {"modules":["vfio","vfio_iommu_type1","vfio_pci"]}
    "#]],
    );
}

#[test]
fn a_card_can_leave_its_group_behind_and_name_its_drivers() {
    let text = r#"
local function card(address)
  return gpu_passthrough {
    device = address, whole_group = false, drivers = { "snd-hda-intel", "nvidia" }, file = "vfio.conf",
  }
end
return card { vendor = "10de", class = "display" }
"#;
    check(
        &machine(),
        text,
        expect![[r#"
        gpu.lua:3: kernel_cmdline "iommu" {"present":["intel_iommu=on"]}
        gpu.lua:3: kernel_cmdline "iommu passthrough" {"present":["iommu=pt"]}
        gpu.lua:3: modprobe_softdep "snd_hda_intel" {"file":"vfio.conf","module":"snd_hda_intel","pre":["vfio-pci"]}
        gpu.lua:3: modprobe_softdep "nvidia" {"file":"vfio.conf","module":"nvidia","pre":["vfio-pci"]}
        gpu.lua:3: vfio_pci_ids "0000:01:00.0" {"file":"vfio.conf","ids":["10de:0ffc","10de:0e1b"]}
        gpu.lua:3: initramfs_modules "vfio vfio_iommu_type1 vfio_pci" {"modules":["vfio","vfio_iommu_type1","vfio_pci"]}
    "#]],
    );
}

#[test]
fn two_cards_compose() {
    let text = "gpu_passthrough { device = '01:00.0' }\ngpu_passthrough { device = '0000:03:00.0' }";
    check(
        &machine(),
        text,
        expect![[r#"
        gpu.lua:1: kernel_cmdline "iommu" {"present":["intel_iommu=on"]}
        gpu.lua:1: kernel_cmdline "iommu passthrough" {"present":["iommu=pt"]}
        gpu.lua:1: modprobe_softdep "nvidiafb" {"file":"01-vfio-pci.conf","module":"nvidiafb","pre":["vfio-pci"]}
        gpu.lua:1: modprobe_softdep "nouveau" {"file":"01-vfio-pci.conf","module":"nouveau","pre":["vfio-pci"]}
        gpu.lua:1: modprobe_softdep "snd_hda_intel" {"file":"01-vfio-pci.conf","module":"snd_hda_intel","pre":["vfio-pci"]}
        gpu.lua:1: modprobe_softdep "xhci_pci" {"file":"01-vfio-pci.conf","module":"xhci_pci","pre":["vfio-pci"]}
        gpu.lua:1: vfio_pci_ids "0000:01:00.0" {"file":"01-vfio-pci.conf","ids":["10de:0ffc","10de:0e1b","1b21:1242"]}
        gpu.lua:1: initramfs_modules "vfio vfio_iommu_type1 vfio_pci" {"modules":["vfio","vfio_iommu_type1","vfio_pci"]}
        gpu.lua:2: modprobe_softdep "amdgpu" {"file":"01-vfio-pci.conf","module":"amdgpu","pre":["vfio-pci"]}
        gpu.lua:2: vfio_pci_ids "0000:03:00.0" {"file":"01-vfio-pci.conf","ids":["1002:6995"]}
    "#]],
    );
}

#[test]
fn one_of_two_twins_is_taken_by_its_address_and_both_by_their_id() {
    let mut machine = machine();
    machine.devices.push(device("0000:04:00.0", "10de:0ffc", "030000", "display", Some(3)));
    check(
        &machine,
        "\ngpu_passthrough { device = '01:00.0' }\nprint('end')",
        expect![[r#"
            > end
            gpu.lua:2: kernel_cmdline "iommu" {"present":["intel_iommu=on"]}
            gpu.lua:2: kernel_cmdline "iommu passthrough" {"present":["iommu=pt"]}
            gpu.lua:2: modprobe_softdep "nvidiafb" {"file":"01-vfio-pci.conf","module":"nvidiafb","pre":["vfio-pci"]}
            gpu.lua:2: modprobe_softdep "nouveau" {"file":"01-vfio-pci.conf","module":"nouveau","pre":["vfio-pci"]}
            gpu.lua:2: modprobe_softdep "snd_hda_intel" {"file":"01-vfio-pci.conf","module":"snd_hda_intel","pre":["vfio-pci"]}
            gpu.lua:2: modprobe_softdep "xhci_pci" {"file":"01-vfio-pci.conf","module":"xhci_pci","pre":["vfio-pci"]}
            gpu.lua:2: vfio_pci_ids "0000:01:00.0" {"file":"01-vfio-pci.conf","ids":["10de:0e1b","1b21:1242"]}
            gpu.lua:2: driver_binding "0000:01:00.0" {"device":"0000:01:00.0","driver":"vfio-pci"}
            gpu.lua:2: initramfs_modules "vfio vfio_iommu_type1 vfio_pci" {"modules":["vfio","vfio_iommu_type1","vfio_pci"]}
        "#]],
    );
    let both =
        "gpu_passthrough { device = '01:00.0', whole_group = false }\ngpu_passthrough { device = '04:00.0' }";
    check(
        &machine,
        both,
        expect![[r#"
        gpu.lua:1: kernel_cmdline "iommu" {"present":["intel_iommu=on"]}
        gpu.lua:1: kernel_cmdline "iommu passthrough" {"present":["iommu=pt"]}
        gpu.lua:1: modprobe_softdep "nvidiafb" {"file":"01-vfio-pci.conf","module":"nvidiafb","pre":["vfio-pci"]}
        gpu.lua:1: modprobe_softdep "nouveau" {"file":"01-vfio-pci.conf","module":"nouveau","pre":["vfio-pci"]}
        gpu.lua:1: modprobe_softdep "snd_hda_intel" {"file":"01-vfio-pci.conf","module":"snd_hda_intel","pre":["vfio-pci"]}
        gpu.lua:1: vfio_pci_ids "0000:01:00.0" {"file":"01-vfio-pci.conf","ids":["10de:0ffc","10de:0e1b"]}
        gpu.lua:1: initramfs_modules "vfio vfio_iommu_type1 vfio_pci" {"modules":["vfio","vfio_iommu_type1","vfio_pci"]}
        gpu.lua:2: vfio_pci_ids "0000:04:00.0" {"file":"01-vfio-pci.conf","ids":["10de:0ffc"]}
    "#]],
    );
}

#[test]
fn without_an_iommu_group_the_slot_goes_and_the_playbook_is_told() {
    let mut machine = machine();
    machine.vendor = Some("AuthenticAMD");
    for device in &mut machine.devices {
        device.iommu_group = None;
    }
    check(
        &machine,
        "gpu_passthrough { device = '01:00.0' }",
        expect![[r#"
            > gpu_passthrough: 0000:01:00.0 is in no IOMMU group; only its own functions are known to go with it; plan again when the IOMMU is on
            > iommu: AMD's IOMMU is on by itself; the kernel does not know `amd_iommu=on`, which is left out
            gpu.lua:1: kernel_cmdline "iommu" {"absent":["amd_iommu=off"]}
            gpu.lua:1: kernel_cmdline "iommu passthrough" {"present":["iommu=pt"]}
            gpu.lua:1: modprobe_softdep "nvidiafb" {"file":"01-vfio-pci.conf","module":"nvidiafb","pre":["vfio-pci"]}
            gpu.lua:1: modprobe_softdep "nouveau" {"file":"01-vfio-pci.conf","module":"nouveau","pre":["vfio-pci"]}
            gpu.lua:1: modprobe_softdep "snd_hda_intel" {"file":"01-vfio-pci.conf","module":"snd_hda_intel","pre":["vfio-pci"]}
            gpu.lua:1: vfio_pci_ids "0000:01:00.0" {"file":"01-vfio-pci.conf","ids":["10de:0ffc","10de:0e1b"]}
            gpu.lua:1: initramfs_modules "vfio vfio_iommu_type1 vfio_pci" {"modules":["vfio","vfio_iommu_type1","vfio_pci"]}
        "#]],
    );
}

#[test]
fn a_group_that_is_foretold_goes_as_a_whole() {
    let mut machine = machine();
    let group = vec!["0000:01:00.0".to_owned(), "0000:02:00.0".to_owned()];
    for device in &mut machine.devices {
        device.iommu_group = None;
        if group.contains(&device.address) {
            device.foretold_group = Some(group.clone());
        }
    }
    let written = outcome(&machine, "host.pci[3].foretold_group[1] = 'x'", &[]);
    assert!(written.contains("read-only"), "{written}");
    check(
        &machine,
        "gpu_passthrough { device = '01:00.0' }",
        expect![[r#"
        gpu.lua:1: kernel_cmdline "iommu" {"present":["intel_iommu=on"]}
        gpu.lua:1: kernel_cmdline "iommu passthrough" {"present":["iommu=pt"]}
        gpu.lua:1: modprobe_softdep "nvidiafb" {"file":"01-vfio-pci.conf","module":"nvidiafb","pre":["vfio-pci"]}
        gpu.lua:1: modprobe_softdep "nouveau" {"file":"01-vfio-pci.conf","module":"nouveau","pre":["vfio-pci"]}
        gpu.lua:1: modprobe_softdep "snd_hda_intel" {"file":"01-vfio-pci.conf","module":"snd_hda_intel","pre":["vfio-pci"]}
        gpu.lua:1: modprobe_softdep "xhci_pci" {"file":"01-vfio-pci.conf","module":"xhci_pci","pre":["vfio-pci"]}
        gpu.lua:1: vfio_pci_ids "0000:01:00.0" {"file":"01-vfio-pci.conf","ids":["10de:0ffc","10de:0e1b","1b21:1242"]}
        gpu.lua:1: initramfs_modules "vfio vfio_iommu_type1 vfio_pci" {"modules":["vfio","vfio_iommu_type1","vfio_pci"]}
    "#]],
    );
}

#[test]
fn a_wrong_card_is_an_error_at_the_callers_line() {
    for (text, expected) in [
        (
            "\ngpu_passthrough { devise = '01:00.0' }",
            expect![[r#"
            error: gpu_passthrough: unknown field `devise`
              at gpu.lua:2
            hint: Did you mean `device`?
        "#]],
        ),
        (
            "\ngpu_passthrough { device = '01:00.0', whole_group = 1 }",
            expect![[r#"
                error: gpu_passthrough: `whole_group` is 1, not true or false
                  at gpu.lua:2
                hint: Write `whole_group = true`.
            "#]],
        ),
        (
            "\ngpu_passthrough { device = '01:00.0', drivers = 'nouveau' }",
            expect![[r#"
                error: gpu_passthrough: `drivers` is "nouveau", not a list
                  at gpu.lua:2
                hint: Write `drivers = { "nouveau" }`.
            "#]],
        ),
        (
            "\ngpu_passthrough {}",
            expect![[r#"
                error: gpu_passthrough: missing field `device`
                  at gpu.lua:2
                hint: Write it like `device = "0000:01:00.0"`. The graphics card: an address such as `0000:01:00.0`, or a description of exactly one device.
            "#]],
        ),
        (
            "\ngpu_passthrough '01:00.0'",
            expect![[r#"
                error: gpu_passthrough takes one table, got the text "01:00.0"
                  at gpu.lua:2
                hint: Write `gpu_passthrough { field = value }`.
            "#]],
        ),
        (
            "\ngpu_passthrough { device = '01:00' }",
            expect![[r#"
                error: gpu_passthrough: `device`: `01:00` is not a PCI address, expected `DDDD:BB:DD.F` in hexadecimal such as `0000:01:00.0`
                  at gpu.lua:2
                hint: Did you mean 0000:01:00.0? Write `device = "0000:01:00.0"`.
            "#]],
        ),
        (
            "\ngpu_passthrough { device = '09:00.0' }",
            expect![[r#"
                error: gpu_passthrough: there is no device 0000:09:00.0 on this host; nearest: 0000:03:00.0 display 1002:6995; 0000:02:00.0 serial 1b21:1242; 0000:01:00.1 multimedia 10de:0e1b
                  at gpu.lua:2
                hint: `hoststate inspect devices` lists them.
            "#]],
        ),
        (
            "\ngpu_passthrough { device = { class = 'display' } }",
            expect![[r#"
            error: gpu_passthrough: the selector matches 2 devices: 0000:01:00.0 display 10de:0ffc; 0000:03:00.0 display 1002:6995
              at gpu.lua:2
            hint: Add a field to the selector, or give the address.
        "#]],
        ),
        (
            "\ngpu_passthrough { device = { vendor = 'ffff' } }",
            expect![[r#"
            error: gpu_passthrough: no device matches the selector
              at gpu.lua:2
            hint: `hoststate inspect devices` lists them.
        "#]],
        ),
        (
            "\ngpu_passthrough { device = '00:1f.3' }",
            expect![[r#"
                error: gpu_passthrough: 0000:00:1f.3 multimedia 8086:a170 is not a graphics card
                  at gpu.lua:2
                hint: Name the function that is one, or declare `vfio_pci_ids` for another kind of device.
            "#]],
        ),
        (
            "\ngpu_passthrough { device = '01:00.0', file = '../x' }",
            expect![[r#"
                error: gpu_passthrough: `file`: "../x" is not a file that kmod reads; give a name such as "01-vfio-pci.conf"
                  at gpu.lua:2
                hint: Write it like `file = "01-vfio-pci.conf"`. File in `/etc/modprobe.d`; default `01-vfio-pci.conf`.
            "#]],
        ),
    ] {
        check(&machine(), text, expected);
    }
}

#[test]
fn the_iommu_gets_the_words_of_its_cpu() {
    let amd = Machine { vendor: Some("AuthenticAMD"), ..machine() };
    check(
        &machine(),
        "iommu { passthrough = true }",
        expect![[r#"
        gpu.lua:1: kernel_cmdline "iommu" {"present":["intel_iommu=on"]}
        gpu.lua:1: kernel_cmdline "iommu passthrough" {"present":["iommu=pt"]}
    "#]],
    );
    check(
        &amd,
        "iommu { passthrough = true }",
        expect![[r#"
        > iommu: AMD's IOMMU is on by itself; the kernel does not know `amd_iommu=on`, which is left out
        gpu.lua:1: kernel_cmdline "iommu" {"absent":["amd_iommu=off"]}
        gpu.lua:1: kernel_cmdline "iommu passthrough" {"present":["iommu=pt"]}
    "#]],
    );
    check(
        &amd,
        "iommu { passthrough = false }",
        expect![[r#"
        > iommu: AMD's IOMMU is on by itself; the kernel does not know `amd_iommu=on`, which is left out
        gpu.lua:1: kernel_cmdline "iommu" {"absent":["amd_iommu=off"]}
        gpu.lua:1: kernel_cmdline "iommu without passthrough" {"absent":["iommu=off","iommu=soft","iommu=pt"]}
    "#]],
    );
    check(
        &amd,
        "iommu {}\niommu { passthrough = true }",
        expect![[r#"
        > iommu: AMD's IOMMU is on by itself; the kernel does not know `amd_iommu=on`, which is left out
        > iommu: AMD's IOMMU is on by itself; the kernel does not know `amd_iommu=on`, which is left out
        gpu.lua:1: kernel_cmdline "iommu" {"absent":["amd_iommu=off"]}
        gpu.lua:1: kernel_cmdline "iommu without passthrough" {"absent":["iommu=off","iommu=soft"]}
        gpu.lua:2: kernel_cmdline "iommu passthrough" {"present":["iommu=pt"]}
    "#]],
    );
    for vendor in ["ARM", "POWER", "IBM/S390"] {
        check(
            &Machine { vendor: Some(vendor), ..machine() },
            "iommu {}",
            expect![[r#"
                > iommu: the IOMMU of this CPU is on by itself and needs no kernel parameter
            "#]],
        );
    }
    check(
        &Machine { vendor: Some("ARM"), ..machine() },
        "iommu { passthrough = true }",
        expect![[r#"
            > iommu: the IOMMU of this CPU is on by itself and needs no kernel parameter
            gpu.lua:1: kernel_cmdline "iommu passthrough" {"present":["iommu.passthrough=1"]}
        "#]],
    );
    check(
        &Machine { vendor: Some("POWER"), ..machine() },
        "gpu_passthrough { device = '03:00.0', whole_group = false }",
        expect![[r#"
            > iommu: the IOMMU of this CPU is on by itself and needs no kernel parameter
            gpu.lua:1: modprobe_softdep "amdgpu" {"file":"01-vfio-pci.conf","module":"amdgpu","pre":["vfio-pci"]}
            gpu.lua:1: vfio_pci_ids "0000:03:00.0" {"file":"01-vfio-pci.conf","ids":["1002:6995"]}
            gpu.lua:1: initramfs_modules "vfio vfio_iommu_type1 vfio_pci" {"modules":["vfio","vfio_iommu_type1","vfio_pci"]}
        "#]],
    );
    check(
        &Machine { vendor: None, ..machine() },
        "iommu {}",
        expect![[r#"
        error: iommu: the CPU's vendor is unknown: this tree has no /proc/cpuinfo that names it
          at gpu.lua:1
        hint: Give `vendor = "GenuineIntel"` or `vendor = "AuthenticAMD"`.
    "#]],
    );
    check(
        &machine(),
        "iommu { passthru = true }",
        expect![[r#"
        error: iommu: unknown field `passthru`
          at gpu.lua:1
        hint: Did you mean `passthrough`?
    "#]],
    );
    check(
        &machine(),
        "iommu { vendor = 'Acme' }",
        expect![[r#"
        error: iommu: a CPU of "Acme" is neither Intel's nor AMD's
          at gpu.lua:1
        hint: Declare the parameters with `kernel_cmdline`.
    "#]],
    );
    expect![[r#"
        > iommu: what it declares depends on the host and is not checked here
        > gpu_passthrough: what it declares depends on the host and is not checked here
    "#]]
    .assert_eq(&outcome(&NoHost, "iommu {}\ngpu_passthrough { device = '01:00.0' }", &[]));
}

#[test]
fn an_address_where_an_id_is_meant_is_answered_with_the_id_of_the_host() {
    check(
        &machine(),
        "vfio_pci_ids { ids = { '01:00.0' } }",
        expect![[r#"
        error: vfio_pci_ids: item 1 of `ids`: `01:00.0` is not a PCI id, expected `vendor:device[:subvendor[:subdevice[:class[:mask]]]]` in hexadecimal such as `10de:0ffc`
          at gpu.lua:1
        hint: That is the address of a device, and its id is 10de:0ffc. Write `ids = { "10de:0ffc" }`.
    "#]],
    );
}
