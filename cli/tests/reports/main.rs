//! Hosts after public reports, and what is right on each: files of this directory, a report of some lines each.
//!
//! ```text
//! @@ what is right, as a sentence
//! from STEM                    a tree `@@ STEM` of the same file, or a host of examples/hosts
//! line TEXT                    what stands for {LINE} in the stem; `quiet` without it
//! edit /PATH: OLD => NEW       changes a file of it everywhere; `\n` is a line break, `\t` a tab
//! gone /PATH                   takes a file, link or directory away
//! crlf /PATH                   ends its lines as another system does
//! env /PATH: NAME=VALUE …      writes GRUB's environment block
//! == /PATH                     files, in the form of core/src/formats/host_text.rs
//! >> kernel_cmdline { … }      the playbook
//! $ plan 2                     a command on the host, with its exit status, one after the other
//! + TEXT                       stands in what it says; `\n` as above
//! - TEXT                       does not
//! ```

#![expect(clippy::disallowed_methods, reason = "reports are read from the repository, and the binary is run")]

use std::fs;
use std::path::{Path, PathBuf};

use hoststate_core::formats::host_text::{self, Node};
use hoststate_testkit::program::{answer, program};
use hoststate_testkit::tree::Tree;
use tempfile::TempDir;

/// What of a report makes its host, up to the playbook.
struct Report<'a> {
    name: &'a str,
    head: Vec<&'a str>,
    tree: String,
    playbook: String,
    expected: Vec<&'a str>,
}

impl<'a> Report<'a> {
    fn parse(text: &'a str) -> Self {
        let mut lines = text.split_inclusive('\n').peekable();
        let name = lines.next().unwrap_or_default().trim_end();
        let mut report = Self {
            name,
            head: Vec::new(),
            tree: String::new(),
            playbook: String::new(),
            expected: Vec::new(),
        };
        while let Some(line) = lines.next_if(|it| !it.starts_with("== ") && !it.starts_with(">> ")) {
            report.head.push(line.trim_end_matches('\n'));
        }
        while let Some(line) = lines.next_if(|it| !it.starts_with(">> ")) {
            report.tree.push_str(line);
        }
        while let Some(line) = lines.next_if(|it| it.starts_with(">> ")) {
            report.playbook.push_str(&line[3..]);
        }
        report.expected = lines.map(str::trim_end).filter(|it| !it.is_empty()).collect();
        report
    }

    fn said(&self, key: &str) -> impl Iterator<Item = &'a str> {
        let key = format!("{key} ");
        self.head.iter().filter_map(move |it| it.strip_prefix(key.as_str()))
    }

    /// Makes the host of a report whose stem is one of `stems`.
    fn host(&self, stems: &[Report<'_>]) -> Tree {
        let from = self.said("from").next().unwrap_or_else(|| panic!("{}: from what?", self.name));
        let tree = match stems.iter().find(|it| it.name == from) {
            Some(stem) => {
                let line = self.said("line").next().unwrap_or("quiet");
                Tree::captured(&stem.tree.replace("{LINE}", line))
            }
            None => {
                let path = here().join(format!("../../../examples/hosts/{from}.host"));
                Tree::captured(&fs::read_to_string(path).expect("a captured host"))
            }
        };
        self.said("gone").for_each(|it| tree.remove(it));
        for (path, node) in host_text::parse(&self.tree).expect("the files of a report") {
            let path = format!("/{path}");
            match node {
                Node::File(bytes) => tree.write(path, bytes),
                Node::Link(target) => tree.link(path, target),
                Node::EmptyDirectory => tree.directory(path),
            }
        }
        let text = |path: &str| tree.read(path).unwrap_or_else(|| panic!("{}: no {path}", self.name));
        for edit in self.said("edit") {
            let (path, change) = edit.split_once(": ").expect("a path and a change");
            let (old, new) = change.split_once(" => ").expect("what becomes what");
            assert!(text(path).contains(old), "{}: {path} has no {old:?}", self.name);
            tree.write(path, text(path).replace(old, &unescaped(new)));
        }
        for it in self.said("env") {
            let (path, variables) = it.split_once(": ").expect("a path and variables");
            let variables = variables.split_whitespace().map(|it| format!("{it}\n")).collect::<String>();
            tree.write(path, format!("{:#<1024}", format!("# GRUB Environment Block\n{variables}")));
        }
        for path in self.said("crlf") {
            tree.write(path, text(path).replace('\n', "\r\n"));
        }
        tree
    }

    /// Returns what is otherwise than it should be.
    fn faults(&self, stems: &[Report<'_>]) -> Vec<String> {
        let tree = self.host(stems);
        let directory = TempDir::new().expect("a temporary directory");
        fs::write(directory.path().join("playbook.lua"), &self.playbook).expect("a playbook");
        let mut faults = Vec::new();
        let (mut command, mut said) = (String::new(), String::new());
        for line in &self.expected {
            let (kind, text) = line.split_once(' ').unwrap_or((line, ""));
            let text = &unescaped(text);
            let mut fault = |what: &str| {
                faults.push(format!("{}: {command}: {what}\n{said}", self.name));
            };
            match kind {
                "$" => {
                    let (words, status) = text.rsplit_once(' ').expect("a command and its status");
                    command.clone_from(text);
                    let playbook = if words.starts_with(['p', 'v', 'c']) { " playbook.lua" } else { "" };
                    let detail = if words.starts_with(['p', 'c']) { " --detailed-exitcode" } else { "" };
                    let words = format!("{words}{playbook}{detail} --root");
                    let mut process = program(env!("CARGO_BIN_EXE_hoststate"), &words, directory.path());
                    let answer = answer(process.arg(tree.root()));
                    said = format!("{}{}", answer.stdout, answer.stderr);
                    if answer.status != status.parse().ok() {
                        faults.push(format!("{}: {command}: {answer}", self.name));
                    }
                }
                "+" if !said.contains(text.as_str()) => fault(&format!("does not say {text:?}")),
                "-" if said.contains(text.as_str()) => fault(&format!("says {text:?}")),
                "+" | "-" => {}
                _ => panic!("{}: what is {line:?}?", self.name),
            }
        }
        assert!(!command.is_empty(), "{}: no command", self.name);
        faults
    }
}

/// Makes the line breaks and tabs of a text.
fn unescaped(text: &str) -> String {
    text.replace("\\n", "\n").replace("\\t", "\t")
}

fn here() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reports")
}

/// Checks every report of a file.
fn check(file: &str) {
    let text = fs::read_to_string(here().join(file)).expect("a file of reports");
    let (stems, reports): (Vec<_>, Vec<_>) =
        text.split("@@ ").skip(1).map(Report::parse).partition(|it| it.playbook.is_empty());
    let faults: Vec<String> = reports.iter().flat_map(|it| it.faults(&stems)).collect();
    assert!(faults.is_empty(), "{} faults\n{}", faults.len(), faults.join("\n"));
    assert!(reports.len() > 5, "{} reports", reports.len());
}

#[test]
fn reports_about_the_files_that_update_grub_reads() {
    check("default-grub.txt");
}

#[test]
fn reports_about_the_entry_that_boots_next() {
    check("menus.txt");
}

#[test]
fn reports_about_entries_of_the_boot_loader_specification() {
    check("bls.txt");
}

#[test]
fn reports_about_the_drivers_of_devices() {
    check("devices.txt");
}

#[test]
fn reports_about_hosts_that_are_misjudged() {
    check("hosts.txt");
}

#[test]
fn reports_about_virtual_functions() {
    check("sriov.txt");
}
