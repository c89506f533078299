//! How a run ended: the outcome of the report, the exit status, the text and the record say the same.

use serde_json::{Value, json};

use crate::declarations::SOFTDEP;
use hoststate_testkit::program::Answer;

use crate::support::Tree;

const PARAMETER: &str = r#"{"type":"kernel_cmdline","name":"iommu","present":["intel_iommu=on"]}"#;

/// A host whose boot menu is out of date as soon as its source changes.
fn bootable(declarations: &str) -> Tree {
    let tree = Tree::with(declarations);
    tree.write("root/boot/vmlinuz-1", "");
    tree.write("root/lib/modules/1/modules.dep", "");
    tree.menu("menuentry 'Ubuntu' {\n linux /vmlinuz-1 ro\n}\n");
    tree
}

fn parsed(answer: &Answer) -> Value {
    serde_json::from_str(&answer.stdout).unwrap_or_else(|err| panic!("{err}\n{answer}"))
}

#[test]
fn tools_that_were_not_run_are_an_outcome_of_their_own_and_named() {
    for command in ["converge playbook.json", "rollback"] {
        let run = |words: &str| {
            let tree = bootable(PARAMETER);
            if command == "rollback" {
                assert_eq!(tree.run("converge playbook.json --root root --yes").status, Some(0));
            }
            let answer = tree.run(&format!("{command} --root root --yes {words}"));
            (tree, answer)
        };
        let (tree, text) = run("");
        assert_eq!(text.status, Some(0), "{text}");
        assert!(text.stdout.contains("this has run: update-grub."), "{text}");
        let history = tree.run("history --root root");
        assert!(history.stdout.contains("tools not run"), "{history}");

        let (tree, answer) = run("--format json --detailed-exitcode");
        assert_eq!(answer.status, Some(5), "{answer}");
        let report = parsed(&answer);
        assert_eq!(report["format"], "hoststate.report/2");
        assert_eq!(report["outcome"], "activation_required", "{answer}");
        assert_eq!(report["left"]["activations"][0]["argv"], json!(["update-grub"]), "{answer}");
        let history = parsed(&tree.run("history --root root --format json"));
        assert_eq!(history["runs"].as_array().unwrap().last().unwrap()["outcome"], "activation_required");
    }
}

#[test]
fn a_rollback_whose_tools_were_run_by_hand_is_whole_once_it_is_called_again() {
    let tree = bootable(PARAMETER);
    assert_eq!(tree.run("converge playbook.json --root root --yes").status, Some(0));
    let menu = |words: &str| {
        tree.menu(&format!("menuentry 'Ubuntu' {{\n linux /vmlinuz-1 ro{words}\n}}\n"));
    };
    menu(" intel_iommu=on");
    assert_eq!(tree.run("rollback --root root --yes").status, Some(0));
    let runs = || parsed(&tree.run("history --root root --format json"))["runs"].clone();
    assert_eq!(runs()[0]["state"]["kind"], "partly_undone");
    // Nobody ran the tool yet.
    assert_eq!(tree.run("rollback --root root --yes").status, Some(0));
    assert_eq!(runs()[0]["state"]["kind"], "partly_undone");
    menu("");
    assert_eq!(tree.run("rollback --check --root root").status, Some(0));
    assert_eq!(runs()[0]["state"]["kind"], "partly_undone", "who only looks records nothing");
    assert_eq!(tree.run("rollback --root root --yes").status, Some(0));
    assert_eq!(runs()[0]["state"]["kind"], "undone", "{}", runs());
    let count = runs().as_array().unwrap().len();
    let again = tree.run("rollback --root root --yes");
    assert!(again.stdout.contains("there is nothing newer to undo"), "{again}");
    assert_eq!(runs().as_array().unwrap().len(), count, "it is recorded once");
}

#[test]
fn a_second_run_does_not_forget_the_tools_that_the_first_left() {
    let tree = bootable(PARAMETER);
    let words = "converge playbook.json --root root --yes --detailed-exitcode --format json";
    let first = tree.run(words);
    let second = tree.run(words);
    assert_eq!((first.status, second.status), (Some(5), Some(5)), "{second}");
    let report = parsed(&second);
    assert_eq!((&report["outcome"], &report["changed"]), (&"activation_required".into(), &false.into()));
}

#[test]
fn what_went_wrong_is_an_object_with_its_hint() {
    let tree = Tree::with(SOFTDEP);
    // The directory cannot be made where there is a file.
    tree.write("root/etc/modprobe.d", "");
    let answer = tree.run("converge playbook.json --root root --yes --format json");
    assert_eq!(answer.status, Some(1), "{answer}");
    let report = parsed(&answer);
    assert_eq!((&report["outcome"], &report["changed"]), (&"failed".into(), &false.into()), "{answer}");
    assert!(report["error"]["what"].as_str().unwrap().contains("/etc/modprobe.d"), "{answer}");
}

#[test]
fn a_record_of_an_older_version_stays_readable() {
    let tree = Tree::with(SOFTDEP);
    assert_eq!(tree.run("converge playbook.json --root root --yes").status, Some(0));
    let runs = tree.path("root/var/lib/hoststate/runs");
    let name = tree.files().into_keys().find(|it| it.starts_with(&runs)).unwrap();
    let name = format!("root/var/lib/hoststate/runs/{}", name.file_name().unwrap().to_str().unwrap());
    let record: Value = serde_json::from_str(&tree.read(&name).unwrap()).unwrap();
    let mut old = record.clone();
    old["outcome"] = "failed".into();
    old["reason"] = "interrupted".into();
    tree.write(&name, &old.to_string());
    let history = tree.run("history --root root");
    assert!(history.status == Some(0) && history.stdout.contains("interrupted"), "{history}");
    assert_eq!(tree.run("rollback --root root --yes").status, Some(0));
}
