//! What `check` finds without a host, and says all at once.

use expect_test::{Expect, expect};
use serde_json::Value;

use crate::support::Tree;

fn check(playbook: &str, expected: Expect) {
    let tree = Tree::with("");
    tree.write("gpu.lua", playbook);
    expected.assert_eq(&tree.run("check gpu.lua").to_string());
}

#[test]
fn contradictions_are_told_with_both_lines() {
    check(
        "kernel_cmdline { name = 'a', present = { 'iommu=pt', 'console=tty0', 'console=ttyS0' } }\n\
         kernel_cmdline { name = 'b', present = { 'iommu=nopt' } }\n\
         kernel_cmdline { name = 'c', additional = { 'console=ttyS1' } }\n\
         kernel_cmdline { name = 'd', absent = { 'iommu' } }\n\
         driver_binding { device = '01:00.0', driver = 'vfio-pci' }\n\
         driver_binding { name = 'x', device = '0000:01:00.0', driver = 'nouveau' }\n\
         driver_binding { name = 'y', device = '0000:01:00.0', driver = 'vfio_pci' }\n\
         sriov_numvfs { device = '3b:00.0', numvfs = 4 }\n\
         sriov_numvfs { name = 'z', device = '3b:00.0', numvfs = 8 }\n\
         modprobe_options { module = 'kvm', options = { ignore_msrs = 1 } }\n\
         modprobe_options { name = 'k', module = 'kvm', options = { ['ignore-msrs'] = 0, nested = 1 } }",
        expect![[r#"
            error: kernel parameter `iommu`: kernel_cmdline "a" at gpu.lua:1 wants iommu=pt, kernel_cmdline "b" at gpu.lua:2 wants iommu=nopt
              at gpu.lua:2
            hint: Decide which of the two it should be.

            error: kernel parameter `console`: kernel_cmdline "a" at gpu.lua:1 wants console=tty0 console=ttyS0, kernel_cmdline "c" at gpu.lua:3 wants console=ttyS1
              at gpu.lua:3
            hint: Decide which of the two it should be.

            error: kernel parameter `iommu`: kernel_cmdline "a" at gpu.lua:1 wants iommu=pt, kernel_cmdline "d" at gpu.lua:4 wants none
              at gpu.lua:4
            hint: Decide which of the two it should be.

            error: driver of 0000:01:00.0: driver_binding "0000:01:00.0" at gpu.lua:5 wants vfio-pci, driver_binding "x" at gpu.lua:6 wants nouveau
              at gpu.lua:6
            hint: Decide which of the two it should be.

            error: driver of 0000:01:00.0: driver_binding "x" at gpu.lua:6 wants nouveau, driver_binding "y" at gpu.lua:7 wants vfio-pci
              at gpu.lua:7
            hint: Decide which of the two it should be.

            error: number of virtual functions of 0000:3b:00.0: sriov_numvfs "0000:3b:00.0" at gpu.lua:8 wants 4, sriov_numvfs "z" at gpu.lua:9 wants 8
              at gpu.lua:9
            hint: Decide which of the two it should be.

            error: parameter `ignore_msrs` of kvm: modprobe_options "kvm ignore_msrs" at gpu.lua:10 wants 1, modprobe_options "k" at gpu.lua:11 wants 0
              at gpu.lua:11
            hint: Decide which of the two it should be.
            exit 1
        "#]],
    );
}

#[test]
fn what_agrees_is_no_contradiction() {
    check(
        "kernel_cmdline { name = 'a', present = { 'iommu=pt', 'console=tty0' }, absent = { 'quiet=1' } }\n\
         kernel_cmdline { name = 'b', present = { 'iommu=pt' }, additional = { 'console=tty0' } }\n\
         kernel_cmdline { name = 'c', absent = { 'iommu=off', 'iommu=soft' }, present = { 'quiet' } }\n\
         modprobe_options { name = 'k', module = 'kvm', options = { ignore_msrs = 1 } }\n\
         modprobe_options { name = 'l', module = 'kvm_intel', options = { ignore_msrs = 0 } }\n\
         driver_binding { device = '01:00.0', driver = 'vfio-pci' }\n\
         driver_binding { device = '01:00.1', driver = 'nouveau' }",
        expect![[r#"
            gpu.lua: 7 declarations, valid
            exit 0
        "#]],
    );
}

#[test]
fn an_iommu_that_is_off_contradicts_vfio() {
    check(
        "kernel_cmdline { present = { 'intel_iommu=off' } }\n\
         vfio_pci_ids { ids = { '10de:0ffc' } }\n\
         kernel_cmdline { name = 'b', additional = { 'iommu=soft' } }\n\
         kernel_cmdline { name = 'c', present = { 'amd_iommu=off' } }",
        expect![[r#"
            error: IOMMU: kernel_cmdline "intel_iommu=off" at gpu.lua:1 wants off, vfio_pci_ids "10de:0ffc" at gpu.lua:2 wants on, for vfio-pci
              at gpu.lua:2
            hint: Decide which of the two it should be.

            error: IOMMU: vfio_pci_ids "10de:0ffc" at gpu.lua:2 wants on, for vfio-pci, kernel_cmdline "b" at gpu.lua:3 wants off
              at gpu.lua:3
            hint: Decide which of the two it should be.

            error: IOMMU: vfio_pci_ids "10de:0ffc" at gpu.lua:2 wants on, for vfio-pci, kernel_cmdline "c" at gpu.lua:4 wants off
              at gpu.lua:4
            hint: Decide which of the two it should be.
            exit 1
        "#]],
    );
}

#[test]
fn a_misspelt_kernel_parameter_is_warned_of_and_nothing_declared_is_said() {
    let misspelt = "kernel_cmdline { present = { 'intel_iomu=on', '--iommu=pt', 'acme=1' } }";
    check(
        misspelt,
        expect![[r#"
        gpu.lua: 1 declaration, valid
        warning: the kernel does not know a parameter `intel_iomu`
          at gpu.lua:1
        hint: Did you mean `intel_iommu=on`?
        warning: the kernel parameter `--iommu=pt` begins with a dash
          at gpu.lua:1
        hint: Did you mean `iommu=pt`?
        exit 0
    "#]],
    );
    check(
        "-- nothing yet",
        expect![[r#"
        gpu.lua: 0 declarations, valid
        warning: gpu.lua declares nothing
        exit 0
    "#]],
    );
    let tree = Tree::with("");
    for (playbook, count) in [(misspelt, 2), ("", 1)] {
        tree.write("gpu.lua", playbook);
        let value = |words: &str| -> Value { serde_json::from_str(&tree.run(words).stdout).unwrap() };
        let checked = value("check gpu.lua --format json");
        assert_eq!(checked["warnings"].as_array().map(Vec::len), Some(count), "{checked}");
        for command in ["plan gpu.lua", "verify gpu.lua"] {
            let plan = value(&format!("{command} --root root --format json"));
            assert_eq!(plan["guards"].as_array().map(Vec::len), Some(count), "{plan}");
        }
        let report = value("converge gpu.lua --root root --yes --format json");
        assert_eq!(report["plan"]["guards"].as_array().map(Vec::len), Some(count), "{report}");
    }
    for command in ["plan", "verify", "converge --yes"] {
        let answer = tree.run(&format!("{command} gpu.lua --root root"));
        assert_eq!(answer.stderr, "warning: gpu.lua declares nothing\n", "{answer}");
        assert!(!answer.stdout.contains("declares nothing"), "{answer}");
    }
}

#[test]
fn a_file_of_another_encoding_is_named_with_its_line() {
    let tree = Tree::with("");
    for (name, bytes) in [
        ("utf16.lua", b"\xff\xfek\0e\0r\0n\0".as_slice()),
        ("latin1.lua", b"-- a\n-- f\xfcr die Karte\n"),
        ("latin1.json", b"{\n\"f\xfcr\": 1 }\n"),
    ] {
        tree.write_bytes(name, bytes);
    }
    tree.write("requires.lua", "\nrequire 'latin1'");
    let names = ["utf16.lua", "latin1.lua", "latin1.json", "requires.lua"];
    let all: String = names.iter().map(|it| tree.run(&format!("check {it}")).to_string()).collect();
    expect![[r#"
        error: the file is UTF-16, not UTF-8
          at utf16.lua:1
        hint: Save it as UTF-8: `iconv -f UTF-16 -t UTF-8 utf16.lua`.
        exit 1
        error: byte 0xfc is no UTF-8 text
          at latin1.lua:2
        hint: Save it as UTF-8; if it is Latin-1: `iconv -f LATIN1 -t UTF-8 latin1.lua`.
        exit 1
        error: byte 0xfc is no UTF-8 text
          at latin1.json:2
        hint: Save it as UTF-8; if it is Latin-1: `iconv -f LATIN1 -t UTF-8 latin1.json`.
        exit 1
        error: module "latin1": byte 0xfc is no UTF-8 text at latin1.lua:2
          at requires.lua:2
        hint: Save it as UTF-8.
        exit 1
    "#]]
    .assert_eq(&all);
}

#[test]
fn a_tab_that_a_playbook_prints_stays_one() {
    check(
        "print('a', 1)\nprint('b\\nerror: c')\nlog.warn('\\27[2K')\nkernel_cmdline { present = { 'quiet' } }",
        expect![[r#"
            gpu.lua: 1 declaration, valid
            a	1
            b\nerror: c
            warning: \x1b[2K
            exit 0
        "#]],
    );
}

/// A text that would look like an error, its place, its hint, a warning and a result of its own, if it were believed.
const HOSTILE: &str = "x\\nerror: fake\\n  at fake.lua:1\\nhint: fake\\nwarning: fake\\ngpu.lua: 7 fakes, valid\\27[1A\\u{202e}";

#[test]
fn no_name_or_value_of_a_playbook_looks_like_a_line_of_output() {
    let playbooks = [
        "error('TEXT')",
        "error('TEXT', 0)",
        "kernel_cmdline { ['TEXT'] = 1 }",
        "kernel_cmdline { present = { 'TEXT' } }",
        "kernel_cmdline { name = 'TEXT', present = { 'intel_iomu=on' } }",
        "kernel_cmdline { name = 'TEXT', present = { 'quiet' } } kernel_cmdline { name = 'y', absent = { 'quiet' } }",
        "kernel_cmdline { name = 'TEXT', present = { 'quiet' } } kernel_cmdline { name = 'TEXT', present = { 'a' } }",
        "kernel_cmdline 'TEXT'",
        "modprobe_softdep { module = 'TEXT' }",
        "modprobe_softdep { module = 'a', pre = { 'b' }, file = 'TEXT' }",
        "modprobe_options { module = 'kvm', options = { ['TEXT'] = 'TEXT' } }",
        "vfio_pci_ids { ids = { 'TEXT' } }",
        "driver_binding { device = 'TEXT', driver = 'vfio-pci' }",
        "driver_binding { device = { slot = 'TEXT' }, driver = 'vfio-pci' }",
        "driver_binding { device = '01:00.0', driver = 'TEXT' }",
        "gpu_passthrough { device = 'TEXT' }",
        "gpu_passthrough { ['TEXT'] = 1 }",
        "iommu { vendor = 'TEXT' }",
        "print('TEXT') log.warn('TEXT')",
        "print(_G['TEXT'])",
        "_G['TEXT']()",
        "_G['TEXT'] = nil + 1",
        "host['TEXT'] = 1",
        "print(host['TEXT'])",
        "host.pci:find { ['TEXT'] = 1 }",
        "require 'TEXT'",
        "log.info(pcall(error, 'TEXT'))",
    ];
    let tree = Tree::with("");
    for text in playbooks {
        tree.write("gpu.lua", &text.replace("TEXT", HOSTILE));
        for command in ["check -v gpu.lua", "plan gpu.lua --root root", "verify gpu.lua --root root"] {
            let answer = tree.run(command);
            for line in answer.stdout.lines().chain(answer.stderr.lines()) {
                assert!(!line.starts_with("  at fake"), "{command}, {text}:\n{answer}");
                for fake in ["error: fake", "hint: fake", "warning: fake", "gpu.lua: 7"] {
                    assert!(!line.starts_with(fake), "{command}, {text}:\n{answer}");
                }
                assert!(!line.contains(['\x1b', '\u{202e}']), "{command}, {text}:\n{answer}");
            }
        }
        let answer = tree.run("check gpu.lua --format json");
        let value: Value = serde_json::from_str(&answer.stdout).unwrap();
        assert!(value.is_object(), "{answer}");
        assert!(!answer.stdout.contains(['\x1b', '\u{202e}']), "{text}:\n{answer}");
    }
}
