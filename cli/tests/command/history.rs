//! The list of runs: what became of each, in the order in which they were, whatever is damaged.

#![expect(clippy::disallowed_methods, reason = "records are damaged and made up here")]
#![expect(clippy::unwrap_used, reason = "a test without its records cannot go on")]

use serde_json::{Value, json};

use crate::declarations::{OPTIONS, SOFTDEP};
use crate::support::Tree;

const RUNS: &str = "root/var/lib/hoststate/runs";

/// Two runs, and their ids.
fn two_runs() -> (Tree, String, String) {
    let tree = Tree::with(SOFTDEP);
    assert_eq!(tree.run("converge playbook.json --root root --yes").status, Some(0));
    tree.playbook(OPTIONS);
    assert_eq!(tree.run("converge playbook.json --root root --yes").status, Some(0));
    let mut ids: Vec<String> = std::fs::read_dir(tree.path(RUNS))
        .unwrap()
        .map(|it| it.unwrap().file_name().to_string_lossy().replace(".json", ""))
        .collect();
    ids.sort();
    let second = ids.pop().unwrap();
    (tree, ids.pop().unwrap(), second)
}

fn history(tree: &Tree) -> Value {
    // The support of the tests takes the ids out of the answers.
    let output = tree.command("history --root root --format json").output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn column(history: &Value, name: &str) -> Vec<Value> {
    history["runs"].as_array().unwrap().iter().map(|it| it[name].clone()).collect()
}

/// Rewrites a record.
fn edit(tree: &Tree, id: &str, edit: impl FnOnce(&mut Value)) {
    let path = format!("{RUNS}/{id}.json");
    let mut record: Value = serde_json::from_str(&tree.read(&path).unwrap()).unwrap();
    edit(&mut record);
    tree.write(&path, &record.to_string());
}

#[test]
fn a_record_that_cannot_be_read_hides_no_other_and_is_named() {
    type Damage = fn(&Tree, &str);
    let damages: [(&str, bool, Damage); 6] = [
        ("EOF while parsing", false, |tree, id| tree.write(&format!("{RUNS}/{id}.json"), "{\"format\":")),
        ("EOF while parsing", false, |tree, id| tree.write(&format!("{RUNS}/{id}.json"), "")),
        ("hoststate.run/3", true, |tree, id| edit(tree, id, |it| it["format"] = json!("hoststate.run/3"))),
        ("hoststate.run/9", true, |tree, id| {
            tree.write(&format!("{RUNS}/{id}.json"), r#"{"format":"hoststate.run/9","actions":[]}"#);
        }),
        ("UTF-8", false, |tree, id| {
            std::fs::write(tree.path(&format!("{RUNS}/{id}.json")), b"\xff\xfe").unwrap()
        }),
        ("not a plain file", false, |tree, id| {
            let path = tree.path(&format!("{RUNS}/{id}.json"));
            std::fs::remove_file(&path).unwrap();
            std::fs::create_dir(path).unwrap();
        }),
    ];
    for (what, is_newer, damage) in damages {
        for newest in [false, true] {
            let (tree, first, second) = two_runs();
            let (damaged, whole) = if newest { (&second, &first) } else { (&first, &second) };
            damage(&tree, damaged);
            let history = history(&tree);
            assert_eq!(column(&history, "run"), [json!(whole)], "{what}");
            let unreadable = &history["unreadable"][0];
            assert_eq!(unreadable["file"], json!(format!("/var/lib/hoststate/runs/{damaged}.json")));
            assert_eq!(unreadable["is_newer"], is_newer, "{what}");
            assert!(unreadable["what"].as_str().unwrap().contains(what), "{what}: {unreadable}");
            let text = tree.run("history --root root").stdout;
            assert!(text.contains(if is_newer { "\nnewer   /var" } else { "\ndamaged /var" }), "{text}");
            let run = tree.command(&format!("history {damaged} --root root")).output().unwrap();
            assert_eq!(run.status.code(), Some(1), "{what}");
        }
    }
}

#[test]
fn a_copy_of_a_record_is_no_run_and_a_backup_of_an_editor_nothing() {
    let (tree, first, _) = two_runs();
    let text = tree.read(&format!("{RUNS}/{first}.json")).unwrap();
    tree.write(&format!("{RUNS}/copy of {first}.json"), &text);
    tree.write(&format!("{RUNS}/{first}.json~"), &text);
    let history = history(&tree);
    assert_eq!(column(&history, "run").len(), 2);
    assert_eq!(history["unreadable"].as_array().unwrap().len(), 1);
    assert!(history["unreadable"][0]["what"].as_str().unwrap().starts_with("it is a copy"));
}

#[test]
fn runs_are_in_the_order_of_their_numbers_when_the_clock_went_back() {
    let (tree, first, second) = two_runs();
    let text = tree.read(&format!("{RUNS}/{first}.json")).unwrap();
    tree.write(&format!("{RUNS}/20991130T120000Z.json"), &text.replace(&first, "20991130T120000Z"));
    std::fs::remove_file(tree.path(&format!("{RUNS}/{first}.json"))).unwrap();
    let told = history(&tree);
    assert_eq!(column(&told, "run"), [json!("20991130T120000Z"), json!(second)]);
    assert_eq!(column(&told, "sequence"), [json!(1), json!(2)]);
    tree.playbook(SOFTDEP);
    tree.write("root/etc/modprobe.d/01-hoststate.conf", "");
    assert_eq!(tree.run("converge playbook.json --root root --yes").status, Some(0));
    assert_eq!(column(&history(&tree), "sequence"), [json!(1), json!(2), json!(3)]);
}

#[test]
fn a_record_without_its_number_is_damaged_and_never_the_newest() {
    let (tree, first, second) = two_runs();
    edit(&tree, &first, |it| {
        it.as_object_mut().unwrap().remove("sequence");
    });
    let told = history(&tree);
    assert_eq!(column(&told, "run"), [json!(second)]);
    assert_eq!(told["unreadable"][0]["what"], "its number is missing");
    let undone = tree.command("rollback --check --root root").output().unwrap();
    let said = String::from_utf8_lossy(&undone.stderr);
    assert!(!said.contains("Skipped"), "an older record is of no interest: {said}");
    assert!(String::from_utf8_lossy(&undone.stdout).contains(&second));
}

#[test]
fn records_of_the_old_format_come_first_and_the_tenth_of_a_second_after_the_second() {
    let (tree, first, second) = two_runs();
    let old = |id: &str| {
        let mut record: Value =
            serde_json::from_str(&tree.read(&format!("{RUNS}/{first}.json")).unwrap()).unwrap();
        let fields = record.as_object_mut().unwrap();
        fields.retain(|key, _| !["sequence", "provenance", "left"].contains(&key.as_str()));
        fields.insert("format".to_owned(), json!("hoststate.run/1"));
        fields.insert("id".to_owned(), json!(id));
        tree.write(&format!("{RUNS}/{id}.json"), &record.to_string());
    };
    let names = ["20990101T000000Z", "20990101T000000Z-2", "20990101T000000Z-10"];
    names.into_iter().rev().for_each(old);
    let runs = [names[0], names[1], names[2], &first, &second];
    assert_eq!(column(&history(&tree), "run"), runs.map(|it| json!(it)));
}

#[test]
fn a_run_says_who_ran_it_also_behind_sudo_where_and_with_what() {
    let tree = Tree::with(SOFTDEP);
    let mut command = tree.command("converge playbook.json --root root --yes --accept a:b");
    command
        .env("SUDO_UID", "4242")
        .env("SUDO_USER", "ann")
        .env("SSH_CONNECTION", "192.0.2.7 5000 192.0.2.1 22");
    assert_eq!(command.output().unwrap().status.code(), Some(0));
    let history = history(&tree);
    let it = &history["runs"][0]["provenance"];
    let who = json!({ "user": "ann", "uid": 4242, "via": "sudo", "from": "192.0.2.7" });
    assert_eq!(it["who"], who);
    let playbook = tree.path("playbook.json").display().to_string();
    assert_eq!((&it["playbook"], &it["owner"]), (&json!(playbook), &json!(playbook)));
    assert_eq!((&it["accepted"], &it["version"]), (&json!(["a:b"]), &json!(env!("CARGO_PKG_VERSION"))));
    assert!(it["host_name"].is_string() && it["process"]["start"].is_u64(), "{it}");
    let text = tree.run("history --root root").stdout;
    assert!(text.contains("ann via sudo, ssh from 192.0.2.7  converge TREE/playbook.json  done"), "{text}");
}

#[test]
fn a_run_is_running_while_its_process_lives_and_else_was_cut() {
    let (tree, _, second) = two_runs();
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let start: u64 = stat.rsplit_once(')').unwrap().1.split_whitespace().nth(19).unwrap().parse().unwrap();
    let pid = std::process::id();
    edit(&tree, &second, |it| {
        it["outcome"] = Value::Null;
        it["provenance"]["process"]["pid"] = json!(pid);
        it["provenance"]["process"]["start"] = json!(start);
    });
    assert_eq!(history(&tree)["runs"][1]["state"], json!({ "kind": "running", "pid": pid }));
    let text = tree.run("history --root root").stdout;
    assert!(text.contains(&format!("running, process {pid}\n")), "{text}");
    edit(&tree, &second, |it| it["provenance"]["process"]["start"] = json!(start + 1));
    assert_eq!(history(&tree)["runs"][1]["state"], json!({ "kind": "cut" }));
    let text = tree.run("history --root root").stdout;
    assert!(
        text.contains("CUT: `hoststate converge TREE/playbook.json --root TREE/root` continues it\n"),
        "{text}"
    );
}

#[test]
fn one_run_is_shown_with_its_diff_and_every_step() {
    let (tree, first, _) = two_runs();
    let text = tree.run(&format!("history {first} --root root")).stdout;
    for part in [
        "Run       RUN, number 1\n",
        "What      converge TREE/playbook.json\n",
        "Now       done\n",
        "+softdep nouveau pre: vfio-pci\n",
        "  done    write /etc/modprobe.d/01-hoststate.conf\n",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    let output = tree.command(&format!("history {first} --root root --format json")).output().unwrap();
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(told["runs"][0]["record"]["files"][0]["before"], Value::Null);
    assert_eq!(told["runs"][0]["record"]["steps"][0]["status"], "done");
}

#[test]
fn a_person_sees_the_newest_runs_and_how_many_there_are_a_program_all() {
    let (tree, first, _) = two_runs();
    let text = tree.read(&format!("{RUNS}/{first}.json")).unwrap();
    for number in 0..30 {
        let id = format!("19991231T2359{number:02}Z");
        let text = text.replace(&first, &id).replace("hoststate.run/2", "hoststate.run/1");
        tree.write(&format!("{RUNS}/{id}.json"), &text);
    }
    let lines = |words: &str| tree.run(words).stdout.lines().count();
    assert_eq!(lines("history --root root"), 1 + 20 + 1);
    assert!(tree.run("history --root root").stdout.ends_with("12 older: `hoststate history --all`.\n"));
    assert_eq!(lines("history --all --root root"), 1 + 32);
    assert_eq!(column(&history(&tree), "run").len(), 32);
}
