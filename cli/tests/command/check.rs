//! `check` on JSON declarations: all that is wrong, whatever the host.

use expect_test::{Expect, expect};

use crate::declarations::SOFTDEP;
use crate::support::Tree;

fn check(resources: &str, expect: Expect) {
    let tree = Tree::with("");
    let text = format!("{{\"format\":\"hoststate.declarations/1\",\"resources\":[\n{resources}\n]}}");
    tree.write("play.json", &text);
    expect.assert_eq(&tree.run("check play.json").to_string());
}

#[test]
fn each_error_has_the_number_the_type_the_name_the_field_and_the_line() {
    check(
        r#"{"type":"kernel_cmdline","present":["iommu=pt"]},
        {"type":"vfio_pci_ids",
         "ids":"10de:0ffc"},
        {"type":"sriov_numvfs","name":"lan","device":"0000:3b:00.0",
         "numvfs":"4"},
        {"type":"gpu_passthrough",
         "device":"0000:01:00.0",
         "drivers":"nouveau", "name":"x"},
        {"type":"kernel_cmdlin"}"#,
        expect![[r#"
            error: resource 2 (vfio_pci_ids): `ids` is "10de:0ffc", not a list
              at play.json:4
            hint: Write `"ids": ["10de:0ffc"]`.

            error: resource 3 (sriov_numvfs "lan"): `numvfs` is "4", not a whole number from 0 to 65535
              at play.json:6
            hint: Write `"numvfs": 4`.

            error: resource 4 (gpu_passthrough "x"): unknown field `name`
              at play.json:9
            hint: Its fields are: device, drivers, ensure, file, whole_group.

            error: resource 4 (gpu_passthrough "x"): `drivers` is "nouveau", not a list
              at play.json:9
            hint: Write `"drivers": ["nouveau"]`.

            error: resource 5 (kernel_cmdlin): there is no resource type "kernel_cmdlin"
              at play.json:10
            hint: Did you mean `kernel_cmdline`?
            exit 1
        "#]],
    );
}

#[test]
fn declarations_that_contradict_each_other_are_errors() {
    check(
        r#"{"type":"kernel_cmdline","name":"a","present":["iommu=pt", "quiet"]},
        {"type":"kernel_cmdline","name":"b","present":["iommu=nopt"],"absent":["quiet"]},
        {"type":"driver_binding","device":"0000:01:00.0","driver":"vfio-pci"},
        {"type":"driver_binding","name":"x","device":"01:00.0","driver":"nouveau"},
        {"type":"sriov_numvfs","device":"0000:3b:00.0","numvfs":4},
        {"type":"sriov_numvfs","name":"x","device":"0000:3b:00.0","numvfs":8},
        {"type":"modprobe_options","module":"kvm","options":{"ignore_msrs":1}},
        {"type":"modprobe_options","name":"again","module":"kvm","options":{"ignore_msrs":"0x1"}},
        {"type":"modprobe_options","name":"other","module":"kvm","options":{"ignore_msrs":0}}"#,
        expect![[r#"
            error: kernel parameter `iommu`: kernel_cmdline "a" at play.json:2 wants iommu=pt, kernel_cmdline "b" at play.json:3 wants iommu=nopt
              at play.json:3
            hint: Decide which of the two it should be.

            error: kernel parameter `quiet`: kernel_cmdline "a" at play.json:2 wants quiet, kernel_cmdline "b" at play.json:3 wants none
              at play.json:3
            hint: Decide which of the two it should be.

            error: driver of 0000:01:00.0: driver_binding "0000:01:00.0" at play.json:4 wants vfio-pci, driver_binding "x" at play.json:5 wants nouveau
              at play.json:5
            hint: Decide which of the two it should be.

            error: number of virtual functions of 0000:3b:00.0: sriov_numvfs "0000:3b:00.0" at play.json:6 wants 4, sriov_numvfs "x" at play.json:7 wants 8
              at play.json:7
            hint: Decide which of the two it should be.

            error: parameter `ignore_msrs` of kvm: modprobe_options "kvm ignore_msrs" at play.json:8 wants 1, modprobe_options "other" at play.json:10 wants 0
              at play.json:10
            hint: Decide which of the two it should be.
            exit 1
        "#]],
    );
}

#[test]
fn the_same_thing_twice_is_an_error_with_both_numbers_unless_it_is_the_same() {
    check(
        r#"{"type":"modprobe_blacklist","module":"nouveau"},{"type":"modprobe_blacklist","module":"nouveau"},
        {"type":"modprobe_blacklist","module":"nouveau","install":true}"#,
        expect![[r#"
            error: resources 1 and 2 and 3: modprobe_blacklist "nouveau" is declared twice, first at play.json:2, and they differ
              at play.json:3
            hint: Merge the two into one declaration.
            exit 1
        "#]],
    );
}

#[test]
fn composites_are_valid_in_json_and_standard_input_has_a_name() {
    let tree = Tree::with(r#"{"type":"iommu","passthrough":true,"vendor":"GenuineIntel"}"#);
    let answer = tree.run("check playbook.json --format json").stdout;
    assert!(answer.contains(r#""composite": "iommu""#), "{answer}");
    let answer = tree.run_with_input("check -", "[]");
    expect![[r#"
        error: the declarations are a list, and not in an object with their format
          at standard input:1
        hint: Put the list into {"format":"hoststate.declarations/1","resources":[…]}.
        exit 1
    "#]]
    .assert_eq(&answer.to_string());
}

#[test]
fn a_composite_says_on_a_host_what_it_says_in_lua() {
    let tree = Tree::with(r#"{"type":"gpu_passthrough","device":"0000:01:00.0"}"#);
    tree.write("gpu.lua", "gpu_passthrough { device = \"0000:01:00.0\" }");
    let host = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/hosts/ubuntu-24.04.host");
    let plan = |playbook: &str| {
        let answer = tree.run(&format!("plan {playbook} --capture {host} --format json")).stdout;
        let mut plan: serde_json::Value = serde_json::from_str(&answer).expect("a plan");
        let declarations = plan["declarations"].as_array_mut().expect("a list");
        declarations.iter_mut().for_each(|it| it["playbook"] = serde_json::Value::Null);
        (plan["declarations"].clone(), plan["files"].clone())
    };
    assert_eq!(plan("playbook.json"), plan("gpu.lua"));
    assert!(
        plan("gpu.lua")
            .0
            .as_array()
            .is_some_and(|it| it.iter().all(|it| it["composite"] == "gpu_passthrough"))
    );
}

#[test]
fn a_captured_host_gives_a_check_its_facts() {
    let tree = Tree::with(SOFTDEP);
    let playbook = "if host.available then modprobe_blacklist { module = \"of_\" .. host.distro.id } end\n";
    tree.write("facts.lua", playbook);
    tree.write("some.host", "== /etc/os-release\nID=debian\nVERSION_ID=\"12\"\n");
    assert!(tree.run("check facts.lua").stdout.contains("facts.lua: 0 declarations"));
    let told = tree.run("check facts.lua --capture some.host -v");
    assert!(told.stdout.contains("modprobe_blacklist \"of_debian\""), "{told}");
    let absent = tree.run("check facts.lua --capture none.host");
    assert_eq!(absent.status, Some(1), "{absent}");
}
