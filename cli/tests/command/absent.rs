//! `ensure = "absent"`: what a declaration set goes, what it took the place of comes back, and nobody wants both.

use expect_test::{Expect, expect};

use crate::support::Tree;

const OPTIONS: &str = r#""type":"modprobe_options","module":"kvm","options":{"ignore_msrs":"1"}"#;
const CMDLINE: &str = r#""type":"kernel_cmdline","present":["intel_iommu=on"]"#;
const FILE: &str = "root/etc/modprobe.d/zz-hoststate.conf";
const GRUB: &str = "root/etc/default/grub";
const CONVERGE: &str = "converge playbook.json --root root --yes --activate skip";

fn present(it: &str) -> String {
    format!("{{{it}}}")
}

fn absent(it: &str) -> String {
    format!("{{{it},\"ensure\":\"absent\"}}")
}

fn check(playbook: &str, words: &str, expected: Expect) {
    expected.assert_eq(&Tree::with(playbook).run(words).to_string());
}

#[test]
fn what_it_took_the_place_of_comes_back_where_a_record_knows_it() {
    let tree = Tree::with(&[present(OPTIONS), present(CMDLINE)].join(","));
    let (conf, grub) =
        ("# mine\noptions kvm ignore_msrs=0 tdp_mmu=1\n", "GRUB_CMDLINE_LINUX=\"intel_iommu=off quiet\"\n");
    tree.write(FILE, conf);
    tree.write(GRUB, grub);
    tree.run(CONVERGE);
    let converged = [FILE, GRUB].map(|it| tree.read(it));
    assert_eq!(converged[0].as_deref(), Some("# mine\noptions kvm ignore_msrs=1 tdp_mmu=1\n"));
    assert!(converged[1].as_deref().is_some_and(|it| it.contains("intel_iommu=on")), "{converged:?}");
    // A run of something else in between has the value as well, and did not set it.
    tree.playbook(
        &[present(OPTIONS), present(CMDLINE), present(r#""type":"modules_load","modules":["loop"]"#)]
            .join(","),
    );
    tree.run(CONVERGE);
    tree.playbook(&[absent(OPTIONS), absent(CMDLINE)].join(","));
    let answer = tree.run(CONVERGE);
    assert_eq!(
        [FILE, GRUB].map(|it| tree.read(it)),
        [Some(conf.to_owned()), Some(grub.to_owned())],
        "{answer}"
    );
    // Who changes that afterwards is left alone: it is absent.
    tree.write(FILE, "# mine\n");
    tree.write(GRUB, "GRUB_CMDLINE_LINUX=\"quiet\"\n");
    tree.run(CONVERGE);
    assert_eq!(tree.read(FILE).as_deref(), Some("# mine\n"));
    assert_eq!(tree.read(GRUB).as_deref(), Some("GRUB_CMDLINE_LINUX=\"quiet\"\n"));
}

#[test]
fn without_a_record_it_is_only_taken_out() {
    let tree = Tree::with(&[absent(OPTIONS), absent(CMDLINE)].join(","));
    tree.write(FILE, "options kvm tdp_mmu=1 ignore_msrs=1\noptions kvm ignore_msrs=1\n");
    tree.write("root/etc/modprobe.d/50-mine.conf", "options kvm ignore_msrs=1\n");
    tree.write(GRUB, "GRUB_CMDLINE_LINUX=\"intel_iommu=on quiet\"\n");
    tree.run(CONVERGE);
    assert_eq!(tree.read(FILE).as_deref(), Some("options kvm tdp_mmu=1\n"));
    assert_eq!(tree.read("root/etc/modprobe.d/50-mine.conf").as_deref(), Some(""));
    assert_eq!(tree.read(GRUB).as_deref(), Some("GRUB_CMDLINE_LINUX=\"quiet\"\n"));
}

#[test]
fn a_plan_shows_it_as_what_goes() {
    let tree = Tree::with(&absent(OPTIONS));
    tree.write(FILE, "options kvm ignore_msrs=1\n");
    expect![[r#"
        - modprobe_options "kvm ignore_msrs"  playbook.json:1
            options kvm: ignore_msrs=1 -> (absent)

        Plan: 1 file.
        exit 0
    "#]]
    .assert_eq(&tree.run("plan playbook.json --root root -q").to_string());
}

#[test]
fn a_line_that_a_package_brings_is_named_and_kept() {
    let tree = Tree::with(&absent(OPTIONS));
    tree.write("root/usr/lib/modprobe.d/kvm.conf", "options kvm ignore_msrs=1\n");
    expect![[r#"
        Conflicts:
        ! modprobe_options "kvm ignore_msrs"  playbook.json:1
            options kvm: ignore_msrs=1 -> (absent)
            /usr/lib/modprobe.d/kvm.conf is not below /etc/modprobe.d, and says so; put an empty file of its name there, or remove that line
            decided in /usr/lib/modprobe.d/kvm.conf:1

        Plan: 1 conflict.
        exit 1
    "#]].assert_eq(&tree.run("plan playbook.json --root root -q").to_string());
}

#[test]
fn present_and_absent_of_one_thing_is_an_error_of_check() {
    let other = r#""type":"modprobe_options","name":"n","module":"kvm","options":{"ignore_msrs":true}"#;
    check(
        &[present(OPTIONS), absent(OPTIONS)].join(",\n"),
        "check playbook.json",
        expect![[r#"
        error: resources 1 and 2: modprobe_options "kvm ignore_msrs" is declared present at playbook.json:1 and absent at playbook.json:2
          at playbook.json:2
        hint: Decide which of the two it should be.
        exit 1
    "#]],
    );
    check(
        &[absent(OPTIONS), present(other)].join(",\n"),
        "check playbook.json",
        expect![[r#"
        error: parameter `ignore_msrs` of kvm: modprobe_options "kvm ignore_msrs" at playbook.json:1 wants no 1, modprobe_options "n" at playbook.json:2 wants 1
          at playbook.json:2
        hint: Decide which of the two it should be.
        exit 1
    "#]],
    );
    let modules =
        |name: &str| format!(r#""type":"modules_load","name":"{name}","modules":["loop","vfio-pci"]"#);
    check(
        &[present(&modules("a")), absent(&modules("b"))].join(",\n"),
        "check playbook.json",
        expect![[r#"
            error: modules loaded at boot: modules_load "a" at playbook.json:1 wants loop, modules_load "b" at playbook.json:2 wants no loop
              at playbook.json:2
            hint: Decide which of the two it should be.

            error: modules loaded at boot: modules_load "a" at playbook.json:1 wants vfio_pci, modules_load "b" at playbook.json:2 wants no vfio_pci
              at playbook.json:2
            hint: Decide which of the two it should be.
            exit 1
        "#]],
    );
}

#[test]
fn what_nothing_could_take_out_is_an_error_of_check() {
    let keeps_away = r#""type":"kernel_cmdline","absent":["splash"]"#;
    check(
        &absent(keeps_away),
        "check playbook.json",
        expect![[r#"
        error: resource 1 (kernel_cmdline): `absent` names splash, which hoststate would not set, so there is nothing to take out
          at playbook.json:1
        hint: Leave `ensure` out to keep it away, or `absent` out to take out the others.
        exit 1
    "#]],
    );
    let wrong = format!("{{{OPTIONS},\"ensure\":\"gone\"}}");
    check(
        &wrong,
        "check playbook.json",
        expect![[r#"
        error: resource 1: modprobe_options: `ensure` is "gone", neither "present" nor "absent"
          at playbook.json:1
        hint: Leave it out for what should be there.
        exit 1
    "#]],
    );
}

#[test]
fn a_playbook_in_lua_says_it_as_well() {
    let tree = Tree::with("");
    tree.write("p.lua", "iommu { vendor = \"GenuineIntel\", passthrough = true, ensure = \"absent\" }\n");
    expect![[r#"
        {
          "format": "hoststate.declarations/1",
          "resources": [
            {
              "composite": "iommu",
              "ensure": "absent",
              "name": "iommu",
              "playbook": {
                "file": "p.lua",
                "line": 1
              },
              "present": [
                "intel_iommu=on"
              ],
              "type": "kernel_cmdline"
            },
            {
              "composite": "iommu",
              "ensure": "absent",
              "name": "iommu passthrough",
              "playbook": {
                "file": "p.lua",
                "line": 1
              },
              "present": [
                "iommu=pt"
              ],
              "type": "kernel_cmdline"
            }
          ]
        }
        exit 0
    "#]]
    .assert_eq(&tree.run("check p.lua --format json").to_string());
}
