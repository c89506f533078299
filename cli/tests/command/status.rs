//! How it is with a host, and what the last run wanted, without its playbook.

#![expect(clippy::disallowed_methods, reason = "the record of a run that goes on is made up here")]
#![expect(clippy::unwrap_used, reason = "a test without its records cannot go on")]

use expect_test::expect;
use serde_json::Value;

use crate::declarations::{OPTIONS, SOFTDEP};
use crate::support::Tree;

const FILE: &str = "root/etc/modprobe.d/01-hoststate.conf";

/// The last two of the three lines; the first has the time in it.
fn status(tree: &Tree) -> (String, Option<i32>) {
    let answer = tree.run("status --root root");
    let (first, rest) = answer.stdout.split_once('\n').unwrap_or_default();
    assert!(first.starts_with("Last run  "), "{answer}");
    (rest.to_owned(), answer.status)
}

#[test]
fn three_lines_say_the_last_run_what_waits_for_a_boot_and_what_drifted() {
    let tree = Tree::with(SOFTDEP);
    let nothing = "Reboot    nothing waits for one\nDrift     none, nothing is declared\n".to_owned();
    assert_eq!(status(&tree), (nothing.clone(), Some(0)));
    assert_eq!(tree.run("converge playbook.json --root root --yes").status, Some(0));
    let settled = "Reboot    nothing waits for one\nDrift     none, 1 setting\n".to_owned();
    assert_eq!(status(&tree), (settled, Some(0)));
    assert!(tree.run("status --root root").stdout.contains("converge TREE/playbook.json: done\n"));
    tree.write(FILE, "");
    let (lines, exit) = status(&tree);
    assert!(lines.contains("\nDrift     1: softdep nouveau"), "{lines}");
    assert_eq!(exit, Some(2));
    tree.write(FILE, "softdep nouveau pre: vfio-pci\n");
    assert_eq!(tree.run("rollback --root root --yes --force").status, Some(0));
    assert_eq!(status(&tree), (nothing, Some(0)));
}

/// Two declarations that want the same image, menu and running kernel.
const TWO_OF_ONE: &str = r#"{"type":"kernel_cmdline","name":"a","present":["iommu=pt"]},{"type":"kernel_cmdline","name":"b","present":["quiet"]}"#;

#[test]
fn what_several_declarations_want_made_anew_is_one_line_and_counted_once() {
    let tree = Tree::with(TWO_OF_ONE);
    tree.menu("menuentry 'a' {\n linux /vmlinuz-1 ro\n}\n");
    tree.write("root/boot/vmlinuz-1", "");
    tree.write("root/lib/modules/1/modules.dep", "");
    let converged = tree.run("converge playbook.json --root root --yes");
    assert_eq!(converged.status, Some(0), "{converged}");
    let verified = tree.run("verify playbook.json --root root").stdout;
    let of_menu: Vec<&str> = verified.lines().filter(|it| it.contains("/boot/grub/grub.cfg")).collect();
    expect![[r#"drift    kernel_cmdline "a" (playbook.json:1) and 1 other: /boot/grub/grub.cfg: line 2 (a) lacks iommu=pt, line 2 (a) lacks quiet -> every entry: iommu=pt, every entry: quiet"#]].assert_eq(&of_menu.join("\n"));
    let lines = verified.lines().filter(|it| it.starts_with("drift ") || it.starts_with("reboot ")).count();
    assert!(verified.contains(&format!("{lines} of ")), "{verified}");
    expect![[r#"
        Reboot    nothing waits for one
        Drift     1: /boot/grub/grub.cfg: line 2 (a) lacks iommu=pt, line 2 (a) lacks quiet
    "#]]
    .assert_eq(&status(&tree).0);
}

#[test]
fn the_last_run_is_verified_without_its_playbook() {
    let tree = Tree::with(SOFTDEP);
    let none = tree.run("verify --last --root root");
    assert_eq!(none.status, Some(1), "{none}");
    assert!(none.stderr.contains("no recorded run is left"), "{none}");
    assert_eq!(tree.run("converge playbook.json --root root --yes").status, Some(0));
    assert_eq!(tree.run("verify --last --root root").status, Some(0));
    tree.write(FILE, "");
    assert_eq!(tree.run("verify --last --root root").status, Some(2));
}

#[test]
fn what_is_left_for_after_a_boot_stands_in_the_line_of_the_reboot() {
    let tree = Tree::with(SOFTDEP);
    assert_eq!(tree.run("converge playbook.json --root root --yes").status, Some(0));
    tree.write("root/proc/sys/kernel/random/boot_id", "1\n");
    let record =
        r#"{"format":"hoststate.at-boot/1","boot_id":"1","declarations":[],"accepted":[],"begun":null}"#;
    tree.write("root/var/lib/hoststate/at-boot.json", record);
    let (lines, exit) = status(&tree);
    assert!(lines.starts_with("Reboot    waits: Left for after a boot: "), "{lines}");
    assert_eq!((lines.lines().count(), exit), (2, Some(0)));
}

/// Converges to two playbooks, the first of which has drifted since.
fn two_owners() -> Tree {
    let tree = Tree::with(SOFTDEP);
    let text = tree.read("playbook.json").unwrap();
    tree.write("gpu.json", &text);
    tree.playbook(OPTIONS);
    for playbook in ["gpu.json", "playbook.json"] {
        assert_eq!(tree.run(&format!("converge {playbook} --root root --yes")).status, Some(0));
    }
    tree.write(FILE, "");
    tree
}

#[test]
fn the_drift_of_each_playbook_is_counted_and_the_last_run_is_one_of_them() {
    let tree = two_owners();
    let (lines, exit) = status(&tree);
    assert_eq!(exit, Some(2));
    assert!(lines.contains("\nDrift     1 (TREE/playbook.json 0, TREE/gpu.json 1): softdep"), "{lines}");
    assert_eq!(lines.lines().count(), 2, "{lines}");
    let told: Value = serde_json::from_str(&tree.run("status --root root --format json").stdout).unwrap();
    let counts: Vec<_> = told["owners"].as_array().unwrap().iter().map(|it| &it["drift"]).collect();
    assert_eq!(counts, [0, 1]);
    assert_eq!(tree.run("verify --last --root root").status, Some(0), "the last run has not drifted");
    tree.write(FILE, "softdep nouveau pre: vfio-pci\n");
    assert!(status(&tree).0.ends_with("Drift     none, 2 settings of 2 owners\n"));
}

#[test]
fn while_a_run_goes_on_nothing_is_said_of_drift() {
    let tree = two_owners();
    let directory = tree.path("root/var/lib/hoststate/runs");
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let start: u64 = stat.rsplit_once(')').unwrap().1.split_whitespace().nth(19).unwrap().parse().unwrap();
    for file in std::fs::read_dir(directory).unwrap().map(|it| it.unwrap().path()) {
        let mut record: Value = serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
        if record["sequence"] == 2 {
            record["outcome"] = Value::Null;
            record["provenance"]["process"]["pid"] = std::process::id().into();
            record["provenance"]["process"]["start"] = start.into();
            std::fs::write(file, record.to_string()).unwrap();
        }
    }
    let answer = tree.run("status --root root");
    let running = format!("running, process {}\n", std::process::id());
    assert!(
        answer.stdout.lines().next().is_some_and(|it| running.starts_with(it.rsplit(": ").next().unwrap())),
        "{answer}"
    );
    assert_eq!(answer.status, Some(0), "{answer}");
    assert!(answer.stdout.contains("Drift     not checked: a run is in progress\n"), "{answer}");
}

#[test]
fn why_without_a_playbook_takes_what_the_last_runs_declared() {
    const IDS: &str = r#"{"type":"vfio_pci_ids","name":"card","ids":["8086:1572"]}"#;
    let tree = Tree::with(IDS);
    let device = "root/sys/bus/pci/devices/0000:01:00.0";
    for (name, text) in [("vendor", "0x8086\n"), ("device", "0x1572\n"), ("class", "0x020000\n")] {
        tree.write(&format!("{device}/{name}"), text);
    }
    let wish = |tree: &Tree| {
        let told = tree.run("why 0000:01:00.0 --root root --format json");
        serde_json::from_str::<Value>(&told.stdout).unwrap_or_else(|err| panic!("{err}: {told}"))["wanted"]
            .clone()
    };
    assert_eq!(wish(&tree), Value::Null);
    let done = tree.run("converge playbook.json --root root --yes");
    assert_eq!(wish(&tree), "vfio-pci", "{done}");
    assert!(tree.run("why 0000:01:00.0 --root root").stderr.contains("vfio-pci is what run RUN declares"));
}

/// What of metrics does not depend on the clock.
fn metrics(text: &str) -> String {
    let is_still = |it: &&str| !it.starts_with('#') && !it.contains("_seconds ") && !it.contains("run=");
    text.lines().filter(is_still).map(|it| format!("{it}\n")).collect()
}

#[test]
fn metrics_tell_a_collector_how_it_is_with_the_host_and_the_last_run() {
    let tree = Tree::with(SOFTDEP);
    let before = tree.run("verify playbook.json --root root --format prometheus");
    assert!(!before.stdout.contains("last_run"), "{before}");
    expect![[r#"
        hoststate_settings{state="in_desired_state"} 0
        hoststate_settings{state="drifted"} 1
        hoststate_settings{state="waits_for_reboot"} 0
        hoststate_settings{state="deferred"} 0
        hoststate_settings{state="conflict"} 0
        hoststate_guards{severity="refuse"} 0
        hoststate_guards{severity="warn"} 0
        hoststate_in_desired_state 0
        hoststate_reboot_required 0
        hoststate_boot_in_vain 0
        hoststate_no_longer_declared 0
    "#]]
    .assert_eq(&metrics(&before.stdout));
    assert_eq!(before.status, Some(2));
    assert_eq!(tree.run("converge playbook.json --root root --yes").status, Some(0));
    let after = tree.run("verify --last --root root --format prometheus");
    assert!(metrics(&after.stdout).contains("hoststate_in_desired_state 1\n"), "{after}");
    let value = |name: &str| {
        let line = after.stdout.lines().find_map(|it| it.strip_prefix(name)?.trim().parse::<i64>().ok());
        line.unwrap()
    };
    let (began, looked) =
        (value("hoststate_last_run_timestamp_seconds "), value("hoststate_verify_timestamp_seconds "));
    assert_eq!(value("hoststate_last_run_age_seconds "), looked - began);
    let info = after.stdout.lines().find(|it| it.starts_with("hoststate_last_run_info{run=")).unwrap();
    assert!(info.ends_with(",command=\"converge\",outcome=\"converged\"} 1"), "{info}");
    let families = after.stdout.lines().filter(|it| it.starts_with("# TYPE ")).count();
    assert_eq!(families, after.stdout.lines().filter(|it| it.starts_with("# HELP ")).count());
}

#[test]
fn a_command_without_metrics_says_so_and_does_nothing() {
    let tree = Tree::with(SOFTDEP);
    let answer = tree.run("converge playbook.json --root root --yes --format prometheus");
    assert_eq!((answer.stdout.as_str(), answer.status), ("", Some(1)));
    assert!(answer.stderr.starts_with("error: only `hoststate verify` has metrics\n"), "{answer}");
    assert!(!tree.run("status --root root").stdout.contains("converge"), "it did not run");
}
