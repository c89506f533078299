//! On a terminal: the question, the colours, the width.

#![expect(clippy::disallowed_methods, reason = "somebody else changes the tree here")]
#![expect(clippy::unwrap_used, reason = "a test without its answer cannot go on")]

use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::OwnedFd;
use std::process::{Child, Command};

use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

use crate::declarations::SOFTDEP;
use crate::support::Tree;

const FILE: &str = "root/etc/modprobe.d/01-hoststate.conf";

const QUESTION: &str = "Converge this host? [y/N] ";

/// A command whose standard streams are a terminal.
struct Session {
    terminal: File,
    child: Child,
    seen: String,
}

impl Session {
    fn start(mut command: Command, columns: u16) -> Self {
        let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&terminal).unwrap();
        unlockpt(&terminal).unwrap();
        tcsetwinsize(&terminal, Winsize { ws_row: 24, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 }).unwrap();
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY;
        let user: OwnedFd = rustix::pty::ioctl_tiocgptpeer(&terminal, flags).unwrap();
        command.stdin(user.try_clone().unwrap()).stdout(user.try_clone().unwrap()).stderr(user);
        let child = command.spawn().unwrap();
        // The command keeps its side of the terminal open: reading would never come to an end.
        drop(command);
        Self { terminal: File::from(terminal), child, seen: String::new() }
    }

    fn read_until(&mut self, end: Option<&str>) {
        let mut chunk = [0; 4096];
        while !end.is_some_and(|it| self.seen.contains(it)) {
            match self.terminal.read(&mut chunk) {
                Ok(0) => return,
                Ok(length) => self.seen.push_str(&String::from_utf8_lossy(&chunk[..length])),
                Err(err) if err.kind() == ErrorKind::Interrupted => {}
                // EIO: everyone on the other side is gone.
                Err(_) => return,
            }
        }
    }

    fn end(mut self) -> (Option<i32>, String) {
        self.read_until(None);
        (self.child.wait().unwrap().code(), self.seen)
    }
}

fn converge(tree: &Tree, words: &str) -> Session {
    Session::start(tree.command(&format!("converge playbook.json --root root {words}")), 80)
}

#[test]
fn a_yes_converges() {
    let tree = Tree::with(SOFTDEP);
    let mut session = converge(&tree, "");
    session.read_until(Some(QUESTION));
    session.terminal.write_all(b"y\n").unwrap();
    let (status, seen) = session.end();
    assert_eq!(status, Some(0), "{seen}");
    assert!(tree.read(FILE).is_some() && seen.contains("Converged: 1 step done"), "{seen}");
}

#[test]
fn anything_else_changes_nothing() {
    let tree = Tree::with(SOFTDEP);
    let mut session = converge(&tree, "");
    session.read_until(Some(QUESTION));
    session.terminal.write_all(b"\n").unwrap();
    let (status, seen) = session.end();
    assert_eq!(status, Some(1), "{seen}");
    assert!(tree.read(FILE).is_none() && seen.contains("Nothing was changed."), "{seen}");
}

#[test]
fn a_signal_at_the_question_is_an_interrupt() {
    let tree = Tree::with(SOFTDEP);
    let mut session = converge(&tree, "");
    session.read_until(Some(QUESTION));
    kill_process(Pid::from_child(&session.child), Signal::INT).unwrap();
    let (status, seen) = session.end();
    assert_eq!(status, Some(130), "{seen}");
    assert_eq!(tree.read(FILE), None);
}

#[test]
fn what_changes_while_the_question_is_open_is_not_overwritten() {
    let tree = Tree::with(SOFTDEP);
    let mut session = converge(&tree, "");
    session.read_until(Some(QUESTION));
    tree.write(FILE, "# somebody was faster\n");
    session.terminal.write_all(b"y\n").unwrap();
    let (status, seen) = session.end();
    assert_eq!(status, Some(1), "{seen}");
    // The terminal wraps the sentence.
    assert!(seen.contains("changed while this run had it"), "{seen}");
    assert!(seen.contains("Failed; nothing was changed."), "{seen}");
    assert_eq!(tree.read(FILE).as_deref(), Some("# somebody was faster\n"));
}

#[test]
fn a_link_that_comes_while_the_question_is_open_is_not_followed() {
    for (link, target) in
        [(FILE, "../../srv/x"), (FILE, "../default/grub"), ("root/etc/modprobe.d", "../srv")]
    {
        let tree = Tree::with(SOFTDEP);
        tree.write("root/srv/y", "");
        let before = tree.files();
        let mut session = converge(&tree, "");
        session.read_until(Some(QUESTION));
        std::fs::create_dir_all(tree.path(link).parent().unwrap()).unwrap();
        std::os::unix::fs::symlink(target, tree.path(link)).unwrap();
        session.terminal.write_all(b"y\n").unwrap();
        let (status, seen) = session.end();
        assert_eq!(status, Some(1), "{seen}");
        // The terminal wraps the sentence.
        assert!(seen.contains("leads to"), "{seen}");
        std::fs::remove_file(tree.path(link)).unwrap();
        std::fs::remove_dir_all(tree.path("root/var")).unwrap();
        assert_eq!(tree.files(), before, "{seen}");
    }
}

#[test]
fn a_terminal_that_is_gone_at_the_question_is_a_no() {
    let tree = Tree::with(SOFTDEP);
    let mut session = converge(&tree, "");
    session.read_until(Some(QUESTION));
    kill_process(Pid::from_child(&session.child), Signal::HUP).unwrap();
    let (status, _) = session.end();
    assert_eq!(status, Some(130));
    assert_eq!(tree.read(FILE), None);
}

#[test]
fn a_terminal_that_goes_away_after_the_yes_stops_nothing() {
    const FILES: usize = 100;
    let declaration = |it: usize| {
        format!(r#"{{"type":"modprobe_options","module":"m{it}","options":{{"a":1}},"file":"{it:03}.conf"}}"#)
    };
    let declarations: Vec<String> = (0..FILES).map(declaration).collect();
    let tree = Tree::with(&declarations.join(","));
    let mut session = converge(&tree, "");
    session.read_until(Some(QUESTION));
    session.terminal.write_all(b"y\n").unwrap();
    while tree.read("root/etc/modprobe.d/000.conf").is_none() {
        std::thread::yield_now();
    }
    let Session { terminal, mut child, .. } = session;
    drop(terminal);
    // The kernel tells the leader of the session only; this one has none.
    kill_process(Pid::from_child(&child), Signal::HUP).unwrap();
    child.wait().unwrap();
    let written = (0..FILES).filter(|it| tree.read(&format!("root/etc/modprobe.d/{it:03}.conf")).is_some());
    assert_eq!(written.count(), FILES);
    let history = tree.run("history --root root --format json");
    let history: serde_json::Value = serde_json::from_str(&history.stdout).unwrap();
    assert_eq!(history["runs"][0]["outcome"], "converged", "{history}");
}

#[test]
fn a_yes_on_the_command_line_is_not_asked_for_again() {
    let tree = Tree::with(SOFTDEP);
    let (status, seen) = converge(&tree, "--yes").end();
    assert_eq!(status, Some(0), "{seen}");
    assert!(!seen.contains(QUESTION), "{seen}");
}

#[test]
fn colours_can_be_switched_off_by_the_environment() {
    let tree = Tree::with(SOFTDEP);
    let words = "plan playbook.json --root root";
    let (_, coloured) = Session::start(tree.command(words), 80).end();
    assert!(coloured.contains("\x1b[32m"), "{coloured}");
    let mut command = tree.command(words);
    command.env("NO_COLOR", "1");
    let (_, plain) = Session::start(command, 80).end();
    assert!(!plain.contains('\x1b'), "{plain}");
}

#[test]
fn prose_is_wrapped_and_diffs_are_not() {
    let long = format!("# {}\n", "word ".repeat(20));
    let tree = Tree::with(SOFTDEP);
    tree.write(FILE, &long);
    let (_, seen) = Session::start(tree.command("plan playbook.json --root root --color never"), 40).end();
    assert!(seen.contains(long.trim_end()), "{seen}");
    let in_blocks = seen.lines().filter(|it| it.starts_with("    "));
    assert!(in_blocks.clone().count() > 1, "{seen}");
    assert!(in_blocks.clone().all(|it| it.trim_end().chars().count() <= 40), "{seen}");
}
