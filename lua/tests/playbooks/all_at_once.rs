//! Everything that is wrong with a playbook, told at once.

use expect_test::expect;
use hoststate_lua::facts::NoHost;

use crate::support::{Machine, check, device, outcome};

#[test]
fn a_declaration_that_cannot_be_does_not_hide_the_next() {
    check(
        "kernel_cmdline { presnt = { 'a' } }\n\
         modules_load { modules = { 'vfio' } }\n\
         local function card(address)\n  driver_binding { device = address, drver = 'vfio-pci' }\nend\n\
         card('01:00.0')\n\
         kernel_cmdline 'quiet'\n\
         iommu { passthrough = 'pt' }\n\
         modprobe_blacklist { module = 'a' }\n\
         modprobe_blacklist { module = 'a', install = true }\n\
         modprobe_blacklist { module = 'a', install = true }",
        expect![[r#"
            error: kernel_cmdline: unknown field `presnt`
              at gpu.lua:1
            hint: Did you mean `present`?
            error: driver_binding: unknown field `drver`
              at gpu.lua:4
              called at gpu.lua:6
            hint: Did you mean `driver`?
            error: kernel_cmdline takes one table, got the text "quiet"
              at gpu.lua:7
            hint: Write `kernel_cmdline { field = value }`.
            error: iommu: `passthrough` is "pt", not true or false
              at gpu.lua:8
            hint: Write it like `passthrough = true`. `true`: devices of the host bypass it; `false`: they do not; absent: as it is.
            error: modprobe_blacklist "a" is declared twice, first at gpu.lua:9, and they differ
              at gpu.lua:10
            hint: Merge the two into one declaration.
            error: modprobe_blacklist "a" is declared twice, first at gpu.lua:9, and they differ
              at gpu.lua:11
            hint: Merge the two into one declaration.
        "#]],
    );
}

#[test]
fn what_ends_the_evaluation_comes_last() {
    check(
        "kernel_cmdline { presnt = { 'a' } }\nprint(nothing)\nmodules_load { module = 'x' }",
        expect![[r#"
            error: kernel_cmdline: unknown field `presnt`
              at gpu.lua:1
            hint: Did you mean `present`?
            error: there is no `nothing`
              at gpu.lua:2
            hint: A text is written in quotes: `"nothing"`. A variable exists only after the line that sets it; `rawget(_G, "nothing")` is nil for one that may be missing.
        "#]],
    );
}

#[test]
fn a_protected_call_gets_the_error_itself() {
    check(
        "print(pcall(kernel_cmdline, { presnt = { 'a' } }))\n\
         print(xpcall(kernel_cmdline, function(it) return 'so: ' .. it end, 'x'))\n\
         modules_load { module = 'x' }",
        expect![[r#"
            > false	gpu.lua:1: kernel_cmdline: unknown field `presnt`
            > false	so: gpu.lua:2: kernel_cmdline takes one table, got the text "x"
            error: modules_load: unknown field `module`
              at gpu.lua:3
            hint: Did you mean `modules`?
        "#]],
    );
}

#[test]
fn a_hundred_errors_are_enough() {
    let all = outcome(&NoHost, "for i = 1, 1000 do kernel_cmdline { presnt = {} } end", &[]);
    assert_eq!(all.matches("error:").count(), 101, "{all}");
}

#[test]
fn cards_with_twins_on_the_host_are_taken_by_their_addresses() {
    let devices = [("0000:01:00.0", 1), ("0000:02:00.0", 2), ("0000:03:00.0", 3), ("0000:04:00.0", 4)];
    let id = |group| if group < 3 { "10de:0ffc" } else { "1002:67df" };
    let devices = devices
        .into_iter()
        .map(|(at, group)| device(at, id(group), "030000", "display", Some(group)))
        .collect();
    let machine = Machine { vendor: Some("GenuineIntel"), devices, ..Machine::default() };
    let text = "gpu_passthrough { device = '01:00.0' }\ngpu_passthrough { device = '03:00.0' }";
    expect![[r#"
        gpu.lua:1: kernel_cmdline "iommu" {"present":["intel_iommu=on"]}
        gpu.lua:1: kernel_cmdline "iommu passthrough" {"present":["iommu=pt"]}
        gpu.lua:1: driver_binding "0000:01:00.0" {"device":"0000:01:00.0","driver":"vfio-pci"}
        gpu.lua:1: initramfs_modules "vfio vfio_iommu_type1 vfio_pci" {"modules":["vfio","vfio_iommu_type1","vfio_pci"]}
        gpu.lua:2: driver_binding "0000:03:00.0" {"device":"0000:03:00.0","driver":"vfio-pci"}
    "#]].assert_eq(&outcome(&machine, text, &[]));
}
