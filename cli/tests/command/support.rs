//! Host trees in temporary directories, and the binary run on them.

#![expect(clippy::disallowed_methods, reason = "tests build the trees and start the binary")]
#![expect(clippy::unwrap_used, reason = "a test without its tree cannot go on")]

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use hoststate_testkit::program::{Answer, program};
use hoststate_testkit::tree::UBUNTU;
use tempfile::TempDir;

/// A host below a temporary directory, with a playbook beside it.
pub(crate) struct Tree {
    directory: TempDir,
}

impl Tree {
    /// An Ubuntu without a kernel, so that no image is out of date, and these declarations as its playbook.
    pub(crate) fn with(declarations: &str) -> Self {
        Self::made_in(TempDir::new().unwrap(), declarations)
    }

    /// The same where the sources are built: the place of temporary files may be in memory, which has no attributes of
    /// users before Linux 6.6.
    pub(crate) fn on_disk(declarations: &str) -> Self {
        Self::made_in(TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap(), declarations)
    }

    fn made_in(directory: TempDir, declarations: &str) -> Self {
        let tree = Self { directory };
        for (path, text) in UBUNTU {
            tree.write(&format!("root{path}"), text);
        }
        tree.playbook(declarations);
        tree
    }

    pub(crate) fn playbook(&self, declarations: &str) {
        let text = format!("{{\"format\":\"hoststate.declarations/1\",\"resources\":[{declarations}]}}");
        self.write("playbook.json", &text);
    }

    /// Writes a boot menu as update-grub does, with the mark of a script: behind the entries, where it moves no line.
    pub(crate) fn menu(&self, text: &str) {
        let script = "### BEGIN /etc/grub.d/41_custom ###\n### END /etc/grub.d/41_custom ###\n";
        self.write("root/boot/grub/grub.cfg", &format!("{text}{script}"));
    }

    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.directory.path().join(path)
    }

    pub(crate) fn write(&self, path: &str, text: &str) {
        self.write_bytes(path, text.as_bytes());
    }

    pub(crate) fn write_bytes(&self, path: &str, bytes: &[u8]) {
        let path = self.path(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }

    pub(crate) fn read(&self, path: &str) -> Option<String> {
        std::fs::read_to_string(self.path(path)).ok()
    }

    /// Every file of the host with its text.
    pub(crate) fn files(&self) -> BTreeMap<PathBuf, String> {
        let mut files = BTreeMap::new();
        let mut directories = vec![self.path("root")];
        while let Some(directory) = directories.pop() {
            for entry in std::fs::read_dir(directory).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    directories.push(path);
                } else {
                    files.insert(path.clone(), std::fs::read_to_string(path).unwrap());
                }
            }
        }
        files
    }

    /// The binary in the directory of the tree, with an environment that says nothing.
    pub(crate) fn command(&self, words: &str) -> Command {
        let mut command = program(env!("CARGO_BIN_EXE_hoststate"), words, self.directory.path());
        command.env("TZ", "UTC");
        command
    }

    /// Runs the binary.
    pub(crate) fn run(&self, words: &str) -> Answer {
        self.answer(self.command(words))
    }

    /// Runs the binary with this text as its standard input.
    pub(crate) fn run_with_input(&self, words: &str, input: &str) -> Answer {
        let mut command = self.command(words);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        self.answer_of(child.wait_with_output().unwrap())
    }

    pub(crate) fn answer(&self, mut command: Command) -> Answer {
        self.answer_of(command.output().unwrap())
    }

    /// Returns what a run of the binary answered. Paths of the tree read `TREE`, ids of runs `RUN`.
    pub(crate) fn answer_of(&self, output: Output) -> Answer {
        Answer::of(output).map(|it| without_runs(&it.replace(&shown(self.directory.path()), "TREE")))
    }
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

/// Ids of runs are the second they began: `20250102T030405Z`, and `-2` for the next in one second.
fn without_runs(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("Z") {
        let (before, after) = rest.split_at(at + 1);
        let start = before.len().saturating_sub(16);
        match before.get(start..).filter(|it| is_run(it)) {
            Some(_) => {
                out.push_str(&before[..start]);
                out.push_str("RUN");
                rest = without_number(after);
                continue;
            }
            None => out.push_str(before),
        }
        rest = after;
    }
    out + rest
}

/// Whether a run has a number depends on the clock.
fn without_number(text: &str) -> &str {
    match text.strip_prefix('-') {
        Some(number) => number.trim_start_matches(|it: char| it.is_ascii_digit()),
        None => text,
    }
}

fn is_run(text: &str) -> bool {
    let digit = |it: u8| it.is_ascii_digit();
    let bytes = text.as_bytes();
    bytes.len() == 16
        && bytes[..8].iter().copied().all(digit)
        && bytes[8] == b'T'
        && bytes[9..15].iter().copied().all(digit)
}
