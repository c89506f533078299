//! Playbooks as people get them wrong, one after the other, and what each is told.

use std::fmt::Write;

use expect_test::{Expect, expect};

use crate::support::{Machine, device, outcome, shown};

fn check(texts: &[&str], expect: Expect) {
    let mut nic = device("0000:3b:00.0", "8086:1592", "020000", "network", Some(20));
    nic.sriov_totalvfs = Some(64);
    let machine = Machine {
        vendor: Some("GenuineIntel"),
        devices: vec![device("0000:01:00.0", "10de:0ffc", "030000", "display", Some(1)), nic],
        ..Machine::default()
    };
    let mut all = String::new();
    for text in texts {
        writeln!(all, "{}\n{}", shown(text), outcome(&machine, text, &[]))
            .expect("a String takes every text");
    }
    expect.assert_eq(&all);
}

#[test]
fn names_of_types_and_fields() {
    check(
        &[
            "kernel_cmdlin { present = { 'quiet' } }",
            "-- a\nkernel_cmdline { presnt = { 'quiet' } }",
            "kernel_cmdline('intel_iommu=on iommu=pt')",
            "kernel_cmdline { 'intel_iommu=on' }",
            "local function card(a)\n  driver_binding { device = a, drver = 'vfio-pci' }\nend\n\ncard('01:00.0')",
            "modprobe_blacklist { module = 'nouveau', install = True }",
            "gpu_passthru { device = '01:00.0' }",
            "gpu_passthrough { device = '01:00.0', whole_grp = true }",
            "gpu_passthrough { device = '01:00.0', drivers = 'nouveau' }",
            "iommu { passthrough = 'pt' }",
            "iommu()",
            "kernel_cmdline = { present = { 'quiet' } }",
            "kernel_cmdline:present { 'quiet' }",
        ],
        expect![[r#"
            kernel_cmdlin { present = { 'quiet' } }
            error: there is no function `kernel_cmdlin`
              at gpu.lua:1
            hint: Did you mean `kernel_cmdline`?

            -- a
            kernel_cmdline { presnt = { 'quiet' } }
            error: kernel_cmdline: unknown field `presnt`
              at gpu.lua:2
            hint: Did you mean `present`?

            kernel_cmdline('intel_iommu=on iommu=pt')
            error: kernel_cmdline takes one table, got the text "intel_iommu=on iommu=pt"
              at gpu.lua:1
            hint: Write `kernel_cmdline { field = value }`.

            kernel_cmdline { 'intel_iommu=on' }
            error: kernel_cmdline has a value without a field name, [1]
              at gpu.lua:1
            hint: Write `field = value`, or a list in a field of its own.

            local function card(a)
              driver_binding { device = a, drver = 'vfio-pci' }
            end

            card('01:00.0')
            error: driver_binding: unknown field `drver`
              at gpu.lua:2
              called at gpu.lua:5
            hint: Did you mean `driver`?

            modprobe_blacklist { module = 'nouveau', install = True }
            error: there is no `True`
              at gpu.lua:1
            hint: Did you mean `true`?

            gpu_passthru { device = '01:00.0' }
            error: there is no function `gpu_passthru`
              at gpu.lua:1
            hint: Did you mean `gpu_passthrough`?

            gpu_passthrough { device = '01:00.0', whole_grp = true }
            error: gpu_passthrough: unknown field `whole_grp`
              at gpu.lua:1
            hint: Did you mean `whole_group`?

            gpu_passthrough { device = '01:00.0', drivers = 'nouveau' }
            error: gpu_passthrough: `drivers` is "nouveau", not a list
              at gpu.lua:1
            hint: Write `drivers = { "nouveau" }`.

            iommu { passthrough = 'pt' }
            error: iommu: `passthrough` is "pt", not true or false
              at gpu.lua:1
            hint: Write it like `passthrough = true`. `true`: devices of the host bypass it; `false`: they do not; absent: as it is.

            iommu()
            error: iommu takes one table, got nothing
              at gpu.lua:1
            hint: Write `iommu { field = value }`.

            kernel_cmdline = { present = { 'quiet' } }
            error: `kernel_cmdline` is a function that declares, and cannot be set
              at gpu.lua:1
            hint: Write `kernel_cmdline { … }` to declare. A variable needs another name, or a `local` before it.

            kernel_cmdline:present { 'quiet' }
            error: `kernel_cmdline` is a function and has no fields
              at gpu.lua:1
            hint: Write `kernel_cmdline { field = … }`, with neither `:` nor `.` after the name.

        "#]],
    );
}

#[test]
fn lists_and_kernel_parameters() {
    check(
        &[
            "kernel_cmdline { present = { intel_iommu=on } }",
            "local x\nkernel_cmdline { present = { 'a', x, 'iommu=pt' } }",
            "kernel_cmdline { present = { 'a=\"b c\"' } }",
        ],
        expect![[r#"
            kernel_cmdline { present = { intel_iommu=on } }
            error: there is no `on`
              at gpu.lua:1
            hint: A text is written in quotes: `"on"`. A variable exists only after the line that sets it; `rawget(_G, "on")` is nil for one that may be missing.

            local x
            kernel_cmdline { present = { 'a', x, 'iommu=pt' } }
            error: kernel_cmdline: `present` has a hole: [3] is there, [2] is nil
              at gpu.lua:2
            hint: A variable in that list is nil; leave it out or give it a value.

            kernel_cmdline { present = { 'a="b c"' } }
            gpu.lua:1: kernel_cmdline "a=\"b c\"" {"present":["a=\"b c\""]}

        "#]],
    );
}

#[test]
fn ids_addresses_and_selectors() {
    check(
        &[
            "local x\ndriver_binding { device = x, driver = 'vfio-pci' }",
            "local gpu = host.pci:find { vendor = '1002' }\ndriver_binding { device = gpu.address, driver = 'vfio-pci' }",
            "local gpu = host.pci:find { vendor = '1002' }[1]\ndriver_binding { device = gpu.address, driver = 'vfio-pci' }",
            "local gpu = host.pci.find { vendor = '10de' }\ndriver_binding { device = gpu[1].address, driver = 'vfio-pci' }",
            "local gpu = host.pci:find { vendor = '10de' }\ndriver_binding { device = gpu, driver = 'vfio-pci' }",
            "local gpu = host.pci:find { vendor = '10de' }\nvfio_pci_ids { ids = { gpu.vendor .. ':' .. gpu.device } }",
            "if host.distro.name == 'ubuntu' then end",
            "if hots.distro.id == 'ubuntu' then end",
        ],
        expect![[r#"
            local x
            driver_binding { device = x, driver = 'vfio-pci' }
            error: driver_binding: `device` is nil
              at gpu.lua:2
            hint: `x` has no value there. Give it one, or leave the declaration out.

            local gpu = host.pci:find { vendor = '1002' }
            driver_binding { device = gpu.address, driver = 'vfio-pci' }
            error: `host.pci:find` gives a list, and a list has no `address`
              at gpu.lua:2
            hint: Take one of it: `host.pci:find { … }[1]`.

            local gpu = host.pci:find { vendor = '1002' }[1]
            driver_binding { device = gpu.address, driver = 'vfio-pci' }
            error: `gpu` is nil, and nil has no fields
              at gpu.lua:2
            hint: `host.pci:find` at gpu.lua:1 found nothing: `hoststate inspect devices` lists the devices

            local gpu = host.pci.find { vendor = '10de' }
            driver_binding { device = gpu[1].address, driver = 'vfio-pci' }
            error: `host.pci.find` is called without the list
              at gpu.lua:1
            hint: Write `host.pci:find { … }`, with a colon.

            local gpu = host.pci:find { vendor = '10de' }
            driver_binding { device = gpu, driver = 'vfio-pci' }
            error: driver_binding: `device` is what `host.pci:find` gives, a list of 1 device
              at gpu.lua:2
            hint: Take one device of it: the first is `[1]`.

            local gpu = host.pci:find { vendor = '10de' }
            vfio_pci_ids { ids = { gpu.vendor .. ':' .. gpu.device } }
            error: `host.pci:find` gives a list, and a list has no `vendor`
              at gpu.lua:2
            hint: Take one of it: `host.pci:find { … }[1]`.

            if host.distro.name == 'ubuntu' then end
            error: `host.distro` has no `name`
              at gpu.lua:1
            hint: It has: family, id, version.

            if hots.distro.id == 'ubuntu' then end
            error: there is no `hots`
              at gpu.lua:1
            hint: Did you mean `host`?

        "#]],
    );
}

#[test]
fn numbers_modules_and_files() {
    check(
        &[
            "sriov_numvfs { device = '0000:3b:00.0', numvfs = 4.0 }",
            "sriov_nic { device = '01:00.0', numvfs = 4 }",
            "sriov_nic { device = '3b:00.0', numvfs = 65 }",
        ],
        expect![[r#"
            sriov_numvfs { device = '0000:3b:00.0', numvfs = 4.0 }
            gpu.lua:1: sriov_numvfs "0000:3b:00.0" {"device":"0000:3b:00.0","numvfs":4}

            sriov_nic { device = '01:00.0', numvfs = 4 }
            error: sriov_nic: 0000:01:00.0 display 10de:0ffc offers no virtual functions
              at gpu.lua:1
            hint: Enable SR-IOV in the firmware of the card and of the machine, or give another device.

            sriov_nic { device = '3b:00.0', numvfs = 65 }
            error: sriov_nic: 0000:3b:00.0 offers 64 virtual functions, the playbook wants 65
              at gpu.lua:1
            hint: Lower `numvfs` to 64, or raise the limit in the card's firmware.

        "#]],
    );
}

#[test]
fn what_a_playbook_does_not_have() {
    check(
        &[
            "require 'gpus'",
            "os.execute('lspci')",
            "local f = io.open('/etc/hostname')",
            "error('this host is not ours')",
            "while true do end",
            "",
            "-- nothing yet",
        ],
        expect![[r#"
            require 'gpus'
            error: there is no module "gpus": no gpus.lua beside the playbook
              at gpu.lua:1
            hint: Write `require "name"` for `name.lua` beside the playbook, `require "folder.name"` below it.

            os.execute('lspci')
            error: there is no `os` in a playbook
              at gpu.lua:1
            hint: A playbook reads no files, starts no programs and knows no clock; `host` has the facts it may use.

            local f = io.open('/etc/hostname')
            error: there is no `io` in a playbook
              at gpu.lua:1
            hint: A playbook reads no files, starts no programs and knows no clock; `host` has the facts it may use.

            error('this host is not ours')
            error: this host is not ours
              at gpu.lua:1

            while true do end
            error: the playbook does too much, or does not end: it was stopped after 50000000 instructions
              at gpu.lua:1
            hint: Look for a loop that never ends, or for a very long text.



            -- nothing yet

        "#]],
    );
}
