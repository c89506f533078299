//! Every file system call of a converge, of a rollback, and of what comes before and after a boot, killed and failed one by one under strace.
//!
//! `cargo build -p hoststate && cargo test -p hoststate-testbeds --test faults`. Whatever happens to one call, each
//! file has its old text or its new one, the error says what failed, nothing is left that another program would
//! read, and the next run ends as if nothing had happened.
#![expect(clippy::disallowed_methods, reason = "this target breaks a host from outside the engine")]

mod besides;
mod judge;
mod machine;
mod outlived;
mod small_host;
mod trace;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use judge::{Verdict, judge};
use small_host::{Commands, SmallHost, files};
use trace::{Fault, calls, traced};

/// Faults that are tried at once; each is two processes that mostly wait.
const WORKERS: usize = 3;

/// Calls that change files, or bring them to the disk. Each gets every fault.
const CHANGING: [&str; 23] = [
    "write",
    "pwrite64",
    "writev",
    "fsync",
    "fdatasync",
    "syncfs",
    "rename",
    "renameat",
    "renameat2",
    "unlink",
    "unlinkat",
    "mkdir",
    "mkdirat",
    "chmod",
    "fchmod",
    "fchmodat",
    "fchown",
    "fsetxattr",
    "fremovexattr",
    "ftruncate",
    "flock",
    "copy_file_range",
    "symlinkat",
];

/// Those that bring files to the disk: when one fails, nothing tells whether it has them, so the run must fail.
const SYNCING: [&str; 3] = ["fsync", "fdatasync", "syncfs"];

/// Calls that look at files. Each is failed as a broken disk fails it.
const LOOKING: [&str; 10] = [
    "read",
    "pread64",
    "statx",
    "newfstatat",
    "fstatfs",
    "getdents64",
    "readlinkat",
    "readlink",
    "flistxattr",
    "fgetxattr",
];

/// What may happen to a call that changes something; it also gets one of [`STOPS`].
const FAULTS: [Fault; 4] =
    [Fault::Error("ENOSPC"), Fault::Error("EIO"), Fault::Error("EROFS"), Fault::Signal("KILL")];

/// Signals that ask to stop.
const STOPS: [Fault; 2] = [Fault::Signal("INT"), Fault::Signal("TERM")];

/// Returns every call of `commands` with what shall happen to it.
fn cases(host: &SmallHost, commands: Commands) -> Vec<(&'static str, usize, Fault)> {
    let tree = host.copy(commands);
    let lines = calls(&host.command(commands, &tree), &[&CHANGING[..], &LOOKING[..], &["openat"]].concat());
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    let mut cases = Vec::new();
    for line in &lines {
        let Some(name) = CHANGING.iter().chain(&LOOKING).chain(&["openat"]).find(|it| line.name == **it)
        else {
            continue;
        };
        let number = counts.entry(name).or_default();
        *number += 1;
        // What comes before `main` belongs to the loader: a program that cannot be loaded has done nothing.
        let changes = CHANGING.contains(name) || (line.name == "openat" && line.opens_to_write());
        if changes {
            let stop = STOPS[*number % STOPS.len()];
            cases.extend(FAULTS.into_iter().chain([stop]).map(|fault| (*name, *number, fault)));
        } else if line.is_below(tree.path()) {
            cases.push((*name, *number, Fault::Error("EIO")));
        }
    }
    cases
}

fn survive(commands: Commands) {
    let host = SmallHost::make();
    let (old, new) = host.before_and_after(commands);
    let cases = cases(&host, commands);
    let next = AtomicUsize::new(0);
    let broken = Mutex::new(Vec::new());
    let kinds = Mutex::new(BTreeMap::<String, usize>::new());
    std::thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                while let Some((call, number, fault)) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let tree = host.copy(commands);
                    let answer = traced(&host.command(commands, &tree), call, *number, *fault);
                    let mut verdict = judge(&host, commands, tree.path(), &answer, *fault, &old, &new);
                    // What a run set is done without a memory of it, and that is said.
                    let is_told = answer.said.contains("cannot be remembered");
                    let not_synced = SYNCING.contains(call) && matches!(fault, Fault::Error(_)) && !is_told;
                    if not_synced && matches!(verdict, Verdict::Holds("succeeded")) {
                        verdict = Verdict::Broken("it succeeded, and nothing was synced".to_owned());
                    }
                    let kind = match verdict {
                        Verdict::Holds(kind) => kind,
                        Verdict::Broken(why) => {
                            let what = format!("{call} #{number} {fault}: {why}\n{answer}");
                            broken.lock().unwrap_or_else(PoisonError::into_inner).push(what);
                            continue;
                        }
                    };
                    *kinds
                        .lock()
                        .unwrap()
                        .entry(format!("{fault}: {kind}{}", if kind == "succeeded" { call } else { "" }))
                        .or_default() += 1;
                }
            });
        }
    });
    let (broken, kinds) = (broken.into_inner().unwrap(), kinds.into_inner().unwrap());
    println!("{commands:?}: {} faults, {} broken\n{kinds:#?}", cases.len(), broken.len());
    let shown: Vec<&str> = broken.iter().take(12).map(String::as_str).collect();
    assert!(broken.is_empty(), "{} of {} faults:\n{}", broken.len(), cases.len(), shown.join("\n---\n"));
    assert!(cases.len() > 300, "only {} calls were found", cases.len());
    let reached = |word: &str| kinds.keys().any(|it| it.contains(word));
    let attributes = ["fchown", "fchmod", "fsetxattr", "fremovexattr", "flistxattr", "fgetxattr"];
    if matches!(commands, Commands::Converge | Commands::Rollback) {
        let missing = attributes.iter().find(|it| !cases.iter().any(|(call, ..)| call == *it));
        assert_eq!(missing, None, "no such call was made");
    }
    assert!(reached("KILL: cut") && reached("EROFS: failed") && reached(": interrupted"), "{kinds:#?}");
}

#[test]
fn a_label_that_is_refused_is_named_and_the_file_stays() {
    let host = SmallHost::make();
    let begin = host.copy(Commands::Converge);
    let before = files(begin.path());
    let lines = calls(&host.command(Commands::Converge, &begin), &["fsetxattr"]);
    let number = 1 + lines.iter().position(|it| it.names("security.selinux")).expect("the label is set");
    for refused in ["EACCES", "EPERM", "EOPNOTSUPP"] {
        let tree = host.copy(Commands::Converge);
        let command = host.command(Commands::Converge, &tree);
        let answer = traced(&command, "fsetxattr", number, Fault::Error(refused));
        assert_eq!(answer.status, 1, "{answer}");
        for says in
            ["etc/modprobe.d/zz-hoststate.conf: its attribute security.selinux cannot be kept", "restorecon"]
        {
            assert!(answer.said.contains(says), "{answer}");
        }
        let now = files(tree.path());
        for (path, text) in before.iter().filter(|(path, _)| path.ends_with("zz-hoststate.conf")) {
            assert_eq!(now.get(path), Some(text), "{answer}");
        }
        let left = now.keys().find(|it| it.to_string_lossy().ends_with(".new"));
        assert_eq!(left, None, "{answer}");
    }
}

#[test]
fn every_fault_of_a_converge_is_survived() {
    survive(Commands::Converge);
}

#[test]
fn every_fault_of_a_converge_with_a_plugin_is_survived() {
    survive(Commands::Plugin);
}

#[test]
fn every_fault_of_a_rollback_is_survived() {
    survive(Commands::Rollback);
}

#[test]
fn every_fault_of_staging_a_boot_is_survived() {
    survive(Commands::Stage);
}

#[test]
fn every_fault_after_a_boot_that_is_tried_is_survived() {
    survive(Commands::Finish);
}

#[test]
fn every_fault_after_a_boot_with_something_left_is_survived() {
    survive(Commands::AtBoot);
}

/// Returns the program under test: what `HOSTSTATE_TESTBEDS_PROGRAM` names, or what `cargo build -p hoststate` puts
/// beside this one.
fn program() -> std::path::PathBuf {
    let beside = || {
        let this = std::env::current_exe().unwrap();
        this.parent().and_then(Path::parent).unwrap().join("hoststate")
    };
    let program = std::env::var_os("HOSTSTATE_TESTBEDS_PROGRAM").map_or_else(beside, Into::into);
    assert!(program.exists(), "{} is not there: cargo build -p hoststate makes one", program.display());
    program
}
