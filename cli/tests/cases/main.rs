//! Whole hosts with a playbook each, and the plan a person sees: every directory beside this file is one case.
//!
//! | file | holds |
//! |---|---|
//! | `tree.txt` | the host, in the form that `core/src/formats/host_text.rs` describes |
//! | `host.txt` | instead of it: the name of a host of `examples/hosts`, without `.host` |
//! | `playbook.lua` | the declarations |
//! | `plan.txt` | what `hoststate plan playbook.lua --root host` shows: standard output, then standard error and the exit status, where there is something on it |
//! | `confirm.txt` | what `hoststate converge --check --confirm-boot` shows, where it is asked for |
//! | `after.txt` | the plan after `hoststate converge --yes`: there where the first plan stands against nothing |
//!
//! `UPDATE_EXPECT=1` writes the expected texts; read them before they are committed. A host has none of its tools run:
//! below `--root` they are named, so what stays in `after.txt` is what they and a reboot would do.

#![expect(clippy::disallowed_methods, reason = "cases are read from the repository, and the binary is run")]

use std::collections::BTreeSet;
use std::fs;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::thread;

use expect_test::expect_file;
use hoststate_core::formats::host_text::{self, Nodes};
use hoststate_testkit::program::{Answer, answer, program};
use hoststate_testkit::tree::Tree;
use serde_json::Value;
use tempfile::TempDir;

const FILES: [&str; 6] = ["tree.txt", "host.txt", "playbook.lua", "plan.txt", "confirm.txt", "after.txt"];

/// A copy of a case's host, in a directory of its own.
struct Case {
    source: PathBuf,
    host: Tree,
    directory: TempDir,
}

/// What a person sees, and what a script would check.
fn shown(answer: &Answer) -> String {
    let status = match answer.status {
        Some(0) => String::new(),
        Some(status) => format!("exit {status}\n"),
        None => "ended by a signal\n".to_owned(),
    };
    format!("{}{}{status}", answer.stdout, answer.stderr)
}

fn parsed(answer: &Answer) -> Value {
    serde_json::from_str(&answer.stdout).unwrap_or_else(|err| panic!("{err}: {}", answer.stdout))
}

impl Case {
    fn new(source: &Path) -> Self {
        let directory = TempDir::new().expect("a temporary directory");
        let text = |path: PathBuf| fs::read_to_string(path).ok();
        let named = |name: String| text(examples().join(format!("{}.host", name.trim())));
        let host = match (text(source.join("tree.txt")), text(source.join("host.txt"))) {
            (Some(tree), None) => Tree::captured(&tree),
            (None, Some(name)) => Tree::captured(&named(name).expect("a captured host")),
            _ => panic!("a case has a tree.txt or a host.txt"),
        };
        std::os::unix::fs::symlink(host.root(), directory.path().join("host")).expect("a link");
        let case = Self { source: source.to_owned(), host, directory };
        fs::copy(source.join("playbook.lua"), case.directory.path().join("playbook.lua"))
            .expect("playbook.lua");
        case
    }

    fn nodes(&self) -> Nodes {
        self.host.nodes()
    }

    /// Runs the binary beside the playbook, with an environment that says nothing.
    fn run(&self, command: &str, options: &[&str]) -> Answer {
        let words = format!("{command} playbook.lua --root host");
        answer(program(env!("CARGO_BIN_EXE_hoststate"), &words, self.directory.path()).args(options))
    }

    fn check(&self) {
        let before = self.nodes();
        let plan = self.run("plan", &[]);
        expect_file![self.source.join("plan.txt")].assert_eq(&shown(&plan));
        assert_eq!(shown(&self.run("plan", &[])), shown(&plan), "a second plan differs");
        let json = self.run("plan", &["--format", "json"]);
        assert_eq!(json.status, plan.status, "the form of the output changes the exit status");
        if plan.status == Some(0) {
            same_diffs(&plan.stdout, &parsed(&json));
        }
        let confirm = self.source.join("confirm.txt");
        if confirm.exists() {
            let answer = self.run("converge", &["--check", "--confirm-boot"]);
            expect_file![confirm].assert_eq(&shown(&answer));
        }
        assert!(self.nodes() == before, "planning changed the tree");
        self.check_after(plan.status == Some(0) && stands_against_nothing(&parsed(&json)));
    }

    fn check_after(&self, converges: bool) {
        let expected = self.source.join("after.txt");
        if !converges {
            assert!(!expected.exists(), "after.txt, but the plan is refused or has a conflict");
            return;
        }
        let converged = self.run("converge", &["--yes"]);
        assert_eq!(converged.status, Some(0), "{converged}");
        let plan = self.run("plan", &[]);
        expect_file![expected].assert_eq(&shown(&plan));
        let json = parsed(&self.run("plan", &["--format", "json"]));
        assert!(stands_against_nothing(&json), "converged into a conflict");
        assert_eq!(list(&json, "files").len(), 0, "files still differ");
        for change in list(&json, "changes") {
            assert_eq!(change["steps"], Value::Array(Vec::new()), "not only tools and a reboot are left");
        }
    }
}

/// Compares the diffs of a plan's JSON with those in its text.
fn same_diffs(text: &str, json: &Value) {
    let files = list(json, "files");
    for file in files {
        let diff = file["diff"].as_str().expect("a diff is a text");
        assert!(text.contains(diff), "only in the JSON:\n{diff}");
    }
    assert_eq!(text.lines().filter(|it| it.starts_with("@@ ")).count(), hunks(files), "{text}");
}

fn hunks(files: &[Value]) -> usize {
    let diffs = files.iter().filter_map(|it| it["diff"].as_str());
    diffs.flat_map(str::lines).filter(|it| it.starts_with("@@ ")).count()
}

fn stands_against_nothing(plan: &Value) -> bool {
    let refuses = |it: &Value| it["severity"] == "refuse" && it["accepted"] == false;
    list(plan, "conflicts").is_empty() && !list(plan, "guards").iter().any(refuses)
}

fn list<'a>(plan: &'a Value, name: &str) -> &'a [Value] {
    plan[name].as_array().unwrap_or_else(|| panic!("a plan lists its {name}"))
}

fn beside() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases")
}

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/hosts")
}

fn names(directory: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(directory).expect("a readable directory");
    entries.map(|it| it.expect("an entry").file_name().to_string_lossy().into_owned()).collect()
}

fn cases() -> Vec<PathBuf> {
    let all = names(&beside()).into_iter().map(|it| beside().join(it));
    all.filter(|it| it.is_dir()).collect()
}

#[test]
fn every_host_gets_the_plan_that_was_read_and_accepted() {
    let queue = Mutex::new(cases());
    let faults = Mutex::new(BTreeSet::new());
    let work = || {
        while let Some(source) = { queue.lock().expect("no poison").pop() } {
            // One wrong plan must not hide those of the other hosts.
            if catch_unwind(|| Case::new(&source).check()).is_err() {
                let name = source.strip_prefix(beside()).unwrap_or(&source).display().to_string();
                faults.lock().expect("no poison").insert(name);
            }
        }
    };
    let workers = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| (0..workers).for_each(|_| drop(scope.spawn(work))));
    let faults = faults.into_inner().expect("no poison");
    assert!(faults.is_empty(), "wrong: {faults:?}");
}

/// What these refuse, no ordinary plan does.
const UNASKED: [&str; 2] = ["precious-file", "root-parameter"];

#[test]
fn no_ordinary_plan_is_refused_for_what_no_plan_should_do_unasked() {
    for case in cases() {
        let plan = fs::read_to_string(case.join("plan.txt")).expect("plan.txt");
        assert!(!UNASKED.iter().any(|it| plan.contains(it)), "{}", case.display());
    }
    let mut plans = 0;
    for host in names(&examples()).iter().filter(|it| it.ends_with(".host")) {
        let host = fs::read_to_string(examples().join(host)).expect("a captured host");
        let tree = Tree::captured(&host);
        for example in names(&examples().join("..")).iter().filter(|it| it.ends_with(".lua")) {
            let words = format!("plan ../{example} --root");
            let mut process = program(env!("CARGO_BIN_EXE_hoststate"), &words, &examples());
            let said = answer(process.arg(tree.root())).to_string();
            assert!(!UNASKED.iter().any(|it| said.contains(it)), "{example}: {said}");
            plans += usize::from(said.contains("Plan: "));
        }
    }
    assert!(plans > 20, "{plans} plans of examples");
}

#[test]
fn a_case_has_a_host_a_playbook_and_a_plan_and_nothing_unknown() {
    for case in cases() {
        let found = names(&case);
        let unknown: Vec<&String> = found.iter().filter(|it| !FILES.contains(&it.as_str())).collect();
        assert!(unknown.is_empty(), "{}: unknown {unknown:?}", case.display());
        assert!(found.contains("playbook.lua") && found.contains("plan.txt"), "{}", case.display());
        assert!(found.contains("tree.txt") != found.contains("host.txt"), "{}", case.display());
    }
}

#[test]
fn the_trees_of_the_cases_are_written_in_order_and_lose_nothing() {
    for case in cases() {
        let Ok(text) = fs::read_to_string(case.join("tree.txt")) else { continue };
        let nodes = host_text::parse(&text).expect("tree.txt");
        assert!(Tree::captured(&text).nodes() == nodes, "{}", case.display());
    }
}
