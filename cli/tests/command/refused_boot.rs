//! A boot that was tried and is refused, on the host that is back in its old entry: every command says so, and none
//! tries it again unasked.

use expect_test::{Expect, expect};

use crate::after_boot::{PARAMETER, boot};
use crate::support::Tree;

/// A menu as update-grub writes it, as far as it lets an entry be tried once.
const MENU: &str = "load_env\nif [ \"${next_entry}\" ] ; then\n  set default=\"${next_entry}\"\n  set next_entry=\n  \
                    save_env next_entry\nelse\n  set default=\"0\"\nfi\nmenuentry 'Linux' {\n linux /vmlinuz-1 \
                    ro\n}\nsource ${config_directory}/custom.cfg\n";

const RUNS: &str = "root/var/lib/hoststate/runs";

/// A host whose boot `2` tried the parameter and was refused; it runs since boot `3`, by its old entry.
fn refused() -> Tree {
    let tree = Tree::with(PARAMETER);
    boot(&tree, "3", "1", "ro");
    tree.write("root/run/systemd/system/x", "");
    tree.menu(MENU);
    tree.write("root/proc/self/mountinfo", "22 1 253:1 / / rw - ext4 /dev/vda1 rw\n");
    tree.write("root/sys/class/block/vda1/partition", "1\n");
    tree.write("root/proc/cpuinfo", "vendor_id : GenuineIntel\n");
    tree.write("root/sys/bus/pci/drivers_probe", "");
    let modalias = "pci:v000010DEd00000FFCsv00001AF4sd00001100bc03sc00i00\n";
    tree.write("root/sys/bus/pci/devices/0000:01:00.0/modalias", modalias);
    let own = r#"{"type":"confirm_boot","name":"next boot"}"#;
    record(&tree, 1, "converge --confirm-boot", "1", own, r#""outcome":"reboot_required""#);
    let ended = r#""outcome":"failed","reason":"the boot that was tried is not confirmed: / is mounted read-only",
        "refused_boot":{"with":["intel_iommu=on"],"without":[],"because":"/ is mounted read-only"}"#;
    record(&tree, 2, "at boot", "2", PARAMETER, ended);
    tree
}

fn record(tree: &Tree, sequence: u32, command: &str, boot_id: &str, declarations: &str, ended: &str) {
    let began = format!("2026-01-01T00:0{sequence}:00Z");
    let id = began.replace(['-', ':'], "");
    let playbook = tree.path("playbook.json").display().to_string();
    let text = format!(
        r#"{{"format":"hoststate.run/2","sequence":{sequence},"id":"{id}","command":"{command}",
        "provenance":{{"began":"{began}","process":{{"pid":1,"start":null,"boot_id":"1"}},
            "who":{{"user":"ann","uid":1000,"via":null,"from":null}},"host_name":"gpu1","playbook":"{playbook}",
            "owner":"{playbook}","accepted":[],"version":"0.1.0"}},
        "boot_id":"{boot_id}","declarations":[{declarations}],
        "files":[{{"path":"/var/lib/hoststate/at-boot.json","before":null,"after":"x","diff":""}}],"activations":[],
        {ended},"steps":[]}}"#
    );
    let text = if command == "at boot" { without_files(&text) } else { text };
    tree.write(&format!("{RUNS}/{id}.json"), &text);
}

/// A refused boot changes nothing that is recorded.
fn without_files(text: &str) -> String {
    let (before, rest) = text.split_once(r#""files":["#).expect("files");
    let (_, after) = rest.split_once("],").expect("their end");
    format!(r#"{before}"files":[],{after}"#)
}

fn check(tree: &Tree, words: &str, expected: Expect) {
    expected.assert_eq(&tree.run(words).to_string());
}

fn id(tree: &Tree) -> String {
    let json = tree.run("plan playbook.json --root root --format json").stdout;
    let plan: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    let guards = plan["guards"].as_array().expect("guards");
    let ids = guards.iter().filter_map(|it| it["id"].as_str());
    ids.filter(|it| it.starts_with("refused-boot-")).map(str::to_owned).next().expect("a refusal")
}

#[test]
fn verify_names_the_refusal_and_waits_for_no_boot() {
    check(
        &refused(),
        "verify playbook.json --root root",
        expect![[r#"
        drift    kernel_cmdline "iommu" (playbook.json:1): /etc/default/grub.d/zz-hoststate.cfg:  -> intel_iommu=on
        drift    kernel_cmdline "iommu" (playbook.json:1): /boot/grub/grub.cfg: line 10 (Linux) lacks intel_iommu=on -> every entry: intel_iommu=on
        drift    kernel_cmdline "iommu" (playbook.json:1): /proc/cmdline: (absent) -> intel_iommu=on
        Boot refused: the boot with intel_iommu=on was tried at 2026-01-01 00:02 UTC and refused: / is mounted read-only (run RUN). Change what the playbook wants of the kernel command line, or let it be tried once more: `hoststate converge --confirm-boot --accept refused-boot-6f052f`.
        Not in the desired state: 3 of 3 settings differ.
        exit 2
    "#]],
    );
}

#[test]
fn plan_and_converge_refuse_what_was_refused() {
    let tree = refused();
    check(
        &tree,
        "plan playbook.json --root root",
        expect![[r#"
            ubuntu 24.04, Linux 1, grub2

            ~ kernel_cmdline "iommu"  playbook.json:1
                /etc/default/grub.d/zz-hoststate.cfg:  -> intel_iommu=on

            --- /dev/null
            +++ b/etc/default/grub.d/zz-hoststate.cfg
            @@ -0,0 +1,2 @@
            +# Kernel arguments that hoststate was told to add. Sourced by update-grub after the others.
            +GRUB_CMDLINE_LINUX_DEFAULT="intel_iommu=on"

            Then run this yourself, in this order (see --activate):
                update-grub
                    /boot/grub/grub.cfg: line 10 (Linux) lacks intel_iommu=on

            refused: the boot with intel_iommu=on was tried at 2026-01-01 00:02 UTC and refused: / is mounted read-only. Change what the playbook wants of the kernel command line.
                `hoststate history RUN` shows the run
                To go ahead anyway: --accept refused-boot-6f052f

            Plan: 1 file, 1 command left to you; 1 setting not as wanted after a boot; 1 refused.
            exit 4
        "#]],
    );
    for words in [
        "converge playbook.json --root root --yes --detailed-exitcode",
        "converge --check playbook.json --root root --confirm-boot --detailed-exitcode",
        "plan playbook.json --root root --confirm-boot --detailed-exitcode",
    ] {
        let answer = tree.run(words);
        assert_eq!(answer.status, Some(4), "{answer}");
        assert!(answer.stdout.contains("and refused: / is mounted read-only"), "{answer}");
    }
    let id = id(&tree);
    let asked = tree.run(&format!("plan playbook.json --root root --confirm-boot --accept {id}"));
    assert_eq!(asked.status, Some(0), "{asked}");
    assert!(asked.stdout.contains("hoststate.trial="), "{asked}");
    let done = tree.run(&format!("converge playbook.json --root root --yes --accept {id}"));
    assert_eq!(done.status, Some(0), "{done}");
    let after = tree.run("verify playbook.json --root root");
    assert!(after.stdout.contains("Not rebooted yet"), "made permanent, it is no trial any more: {after}");
}

#[test]
fn status_why_and_history_name_the_refusal() {
    let tree = refused();
    for words in ["status --root root", "why 01:00.0 --root root"] {
        let answer = tree.run(words);
        let said = "the boot with intel_iommu=on was tried at 2026-01-01 00:02 UTC and refused: / is mounted";
        let text = answer.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(text.contains(said), "{answer}");
    }
    let list = tree.run("history --root root").stdout;
    assert!(list.contains("tried and REFUSED by RUN"), "{list}");
    assert!(list.contains("REFUSED: the boot with intel_iommu=on"), "{list}");
    let json: serde_json::Value =
        serde_json::from_str(&tree.run("history --root root --format json").stdout).expect("JSON");
    assert_eq!(json["runs"][1]["refused_boot"]["because"], "/ is mounted read-only");
}

#[test]
fn history_marks_a_boot_that_is_to_be_tried() {
    let tree = refused();
    let other = r#"{"type":"confirm_boot","name":"next boot"}"#;
    record(&tree, 3, "converge --confirm-boot", "3", other, r#""outcome":"reboot_required""#);
    let list = tree.run("history --root root").stdout;
    let last = list.lines().last().expect("a run");
    assert!(last.ends_with("to be tried by the next boot"), "{list}");
    assert!(list.contains("tried and REFUSED by RUN"), "{list}");
}
