//! On a terminal: the question, the colours, the width; and where none is.

#![expect(clippy::disallowed_methods, reason = "somebody else changes the tree here")]
#![expect(clippy::unwrap_used, reason = "a test without its answer cannot go on")]

use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

use crate::declarations::{OPTIONS, SOFTDEP};
use crate::support::Tree;

const FILE: &str = "root/etc/modprobe.d/01-hoststate.conf";

const QUESTION: &str = "[y/N] ";

/// A command that belongs to a terminal.
struct Session {
    terminal: File,
    /// Keeps the terminal from ending before the command has opened it.
    user: Option<OwnedFd>,
    child: Child,
    /// What it showed before the last answer.
    past: String,
    seen: String,
}

impl Session {
    /// Starts `command` with the terminal as its standard streams.
    fn start(command: Command, columns: u16) -> Self {
        let mut session = Self::start_beside(command, columns, |command, user| {
            command.stdin(user.try_clone().unwrap()).stdout(user.try_clone().unwrap()).stderr(user);
        });
        session.user = None;
        session
    }

    /// Starts `command` with the terminal as its controlling one, and the streams that `connect` gives it.
    fn start_beside(command: Command, columns: u16, connect: impl FnOnce(&mut Command, OwnedFd)) -> Self {
        let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&terminal).unwrap();
        unlockpt(&terminal).unwrap();
        tcsetwinsize(&terminal, Winsize { ws_row: 24, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 }).unwrap();
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY;
        let user: OwnedFd = rustix::pty::ioctl_tiocgptpeer(&terminal, flags).unwrap();
        let name = ptsname(&terminal, Vec::new()).unwrap().into_string().unwrap();
        // The leader of a session gets the first terminal that it opens (tty_ioctl(4), TIOCSCTTY).
        let mut started = detached(&command, &[": 3<>\"$0\"; exec \"$@\"", &name]);
        connect(&mut started, user.try_clone().unwrap());
        let child = started.spawn().unwrap();
        // The command keeps its side of the terminal open: reading would never come to an end.
        drop(started);
        Self {
            terminal: File::from(terminal),
            user: Some(user),
            child,
            past: String::new(),
            seen: String::new(),
        }
    }

    /// Waits for a question. Returns all that was shown since the last answer.
    fn question(&mut self) -> &str {
        self.read_until(Some(QUESTION));
        self.user = None;
        &self.seen
    }

    /// Waits for a question and answers it.
    fn answer(&mut self, text: &str) {
        self.question();
        self.terminal.write_all(text.as_bytes()).unwrap();
        self.past.push_str(&std::mem::take(&mut self.seen));
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
        self.user = None;
        self.read_until(None);
        (self.child.wait().unwrap().code(), self.past + &self.seen)
    }
}

/// Returns `command` in a session of its own, which has no terminal, started by a shell that does what `script` says.
fn detached(command: &Command, script: &[&str]) -> Command {
    let mut detached = Command::new("setsid");
    detached.args(["sh", "-c"]).args(script).arg(command.get_program()).args(command.get_args());
    detached.env_clear().current_dir(command.get_current_dir().unwrap());
    detached.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    detached.env("PATH", "/usr/bin:/bin");
    detached.stdin(Stdio::null());
    detached
}

fn converge(tree: &Tree, words: &str) -> Session {
    Session::start(tree.command(&format!("converge playbook.json --root root {words}")), 80)
}

#[test]
fn a_yes_converges() {
    let tree = Tree::with(SOFTDEP);
    let mut session = converge(&tree, "");
    session.answer("y\n");
    let (status, seen) = session.end();
    assert_eq!(status, Some(0), "{seen}");
    assert!(tree.read(FILE).is_some() && seen.contains("Converged: 1 step done"), "{seen}");
}

#[test]
fn anything_else_changes_nothing() {
    for answer in ["\n", "n\n", "yep\n", "j\n", "\u{4}", "y\u{4}\u{4}", "\u{fffd}\n"] {
        let tree = Tree::with(SOFTDEP);
        let before = tree.files();
        let mut session = converge(&tree, "");
        session.answer(answer);
        let (status, seen) = session.end();
        assert_eq!(status, Some(1), "{answer:?}: {seen}");
        assert!(seen.contains("Nothing was changed."), "{answer:?}: {seen}");
        assert_eq!(tree.files(), before, "{answer:?}: {seen}");
    }
}

#[test]
fn the_question_names_the_host_and_what_is_done_to_it() {
    let tree = Tree::with(&format!("{SOFTDEP},{OPTIONS}"));
    let root = tree.path("root").canonicalize().unwrap();
    let root = root.display();
    let mut session = Session::start(tree.command("converge playbook.json --root root"), 200);
    assert!(session.question().ends_with(&format!("Change {root}: 2 files? [y/N] ")), "{}", session.seen);
    session.answer("y\n");
    assert_eq!(session.end().0, Some(0));
    let mut session = Session::start(tree.command("rollback --root root"), 200);
    assert!(session.question().ends_with(&format!("Put back {root}: 2 files? [y/N] ")), "{}", session.seen);
    session.answer("n\n");
    assert_eq!(session.end().0, Some(1));
    assert!(tree.read(FILE).is_some());
}

#[test]
fn the_terminal_is_asked_wherever_the_output_goes_and_shown_what_it_is_asked_about() {
    let tree = Tree::with(SOFTDEP);
    let playbook = tree.read("playbook.json").unwrap();
    let check = |words: &str, is_json: bool, is_there: bool| {
        let before = tree.read(FILE);
        let mut session = Session::start_beside(tree.command(words), 80, |command, _| {
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        });
        // Both fit into a pipe.
        session.child.stdin.take().unwrap().write_all(playbook.as_bytes()).unwrap();
        let seen = session.question().to_owned();
        assert!(seen.contains("softdep nouveau pre: vfio-pci"), "{words}: {seen}");
        assert_eq!(tree.read(FILE), before, "{words}");
        session.answer("n\n");
        let mut printed = String::new();
        session.child.stdout.take().unwrap().read_to_string(&mut printed).unwrap();
        let (status, seen) = session.end();
        assert_eq!(status, Some(1), "{words}: {seen}");
        if is_json {
            let report: serde_json::Value = serde_json::from_str(&printed).unwrap();
            assert_eq!(report["outcome"], "declined", "{words}: {printed}");
            assert_eq!(report["changed"], false, "{words}: {printed}");
        } else {
            assert!(printed.contains("Nothing was changed."), "{words}: {printed}");
        }
        assert_eq!(tree.read(FILE).is_some(), is_there, "{words}");
    };
    check("converge playbook.json --root root", false, false);
    check("converge playbook.json --root root --format json", true, false);
    check("converge - --root root --format json", true, false);
    assert_eq!(tree.run("converge playbook.json --root root --yes").status, Some(0));
    check("rollback --root root", false, true);
    check("rollback --root root --format json", true, true);
}

#[test]
fn where_no_terminal_is_nothing_is_done_without_a_yes() {
    let tree = Tree::with(SOFTDEP);
    let run = |words: &str| {
        let mut command = detached(&tree.command(words), &["exec \"$0\" \"$@\""]);
        let output = command.output().unwrap();
        tree.answer_of(output)
    };
    let before = tree.files();
    for format in ["text", "json"] {
        let answer = run(&format!("converge playbook.json --root root --format {format}"));
        assert_eq!(answer.status, Some(1), "{answer}");
        assert!(answer.stderr.contains("nobody can be asked"), "{answer}");
        assert!(answer.stderr.contains("hint: Use --yes"), "{answer}");
        assert_eq!(tree.files(), before, "{answer}");
        if format == "json" {
            let report: serde_json::Value = serde_json::from_str(&answer.stdout).unwrap();
            assert_eq!(report["outcome"], "declined", "{answer}");
            assert!(report["error"]["hint"].as_str().unwrap().contains("--yes"), "{answer}");
        }
    }
    assert_eq!(run("converge playbook.json --root root --yes").status, Some(0));
    let before = tree.files();
    for words in ["rollback --root root", "rollback --root root --format json"] {
        let answer = run(words);
        assert_eq!((answer.status, tree.files() == before), (Some(1), true), "{words}: {answer}");
    }
    let shown = run("rollback --root root --check --detailed-exitcode");
    assert_eq!((shown.status, tree.files() == before), (Some(2), true), "{shown}");
    assert!(shown.stdout.contains("-softdep nouveau pre: vfio-pci"), "{shown}");
    assert_eq!(run("rollback --root root --yes").status, Some(0));
}

#[test]
fn a_question_that_waits_keeps_no_other_run_out() {
    let tree = Tree::with(SOFTDEP);
    let mut session = converge(&tree, "");
    session.question();
    assert_eq!(tree.run("converge playbook.json --root root --yes").status, Some(0));
    session.answer("y\n");
    let (status, seen) = session.end();
    // The other run did all of it.
    assert_eq!(status, Some(0), "{seen}");
    assert!(seen.contains("In the desired state"), "{seen}");
}

#[test]
fn a_signal_at_the_question_is_an_interrupt() {
    let tree = Tree::with(SOFTDEP);
    let mut session = converge(&tree, "");
    session.question();
    kill_process(Pid::from_child(&session.child), Signal::INT).unwrap();
    let (status, seen) = session.end();
    assert_eq!(status, Some(130), "{seen}");
    assert_eq!(tree.read(FILE), None);
}

#[test]
fn what_changes_while_the_question_is_open_is_shown_and_asked_for_again() {
    for (second, expected) in [
        ("n\n", "# somebody was faster\n"),
        ("y\n", "# somebody was faster\nsoftdep nouveau pre: vfio-pci\n"),
    ] {
        let tree = Tree::with(SOFTDEP);
        let mut session = converge(&tree, "");
        session.question();
        tree.write(FILE, "# somebody was faster\n");
        session.answer("y\n");
        let seen = session.question().to_owned();
        assert!(seen.contains("The host changed while the question waited."), "{seen}");
        assert!(seen.contains(" # somebody was faster"), "{seen}");
        session.answer(second);
        let (status, seen) = session.end();
        assert_eq!(status, Some(i32::from(second == "n\n")), "{seen}");
        assert_eq!(tree.read(FILE).as_deref(), Some(expected));
    }
}

#[test]
fn a_saved_plan_that_is_no_longer_true_after_the_question_is_refused() {
    let tree = Tree::with(SOFTDEP);
    assert_eq!(tree.run("plan playbook.json --root root --out plan.json").status, Some(0));
    let mut session = Session::start(tree.command("converge plan.json --root root"), 80);
    session.question();
    tree.write(FILE, "# somebody was faster\n");
    session.answer("y\n");
    let (status, seen) = session.end();
    assert!(status == Some(1) && seen.contains("# somebody was faster"), "{seen}");
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
        session.question();
        std::fs::create_dir_all(tree.path(link).parent().unwrap()).unwrap();
        std::os::unix::fs::symlink(target, tree.path(link)).unwrap();
        session.answer("y\n");
        session.answer("n\n");
        let (status, seen) = session.end();
        assert_eq!(status, Some(1), "{seen}");
        assert!(seen.contains("The host changed while the question waited."), "{seen}");
        std::fs::remove_file(tree.path(link)).unwrap();
        std::fs::remove_dir_all(tree.path("root/var")).unwrap();
        assert_eq!(tree.files(), before, "{seen}");
    }
}

#[test]
fn a_terminal_that_is_gone_at_the_question_is_a_no() {
    let tree = Tree::with(SOFTDEP);
    let mut session = converge(&tree, "");
    session.question();
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
    session.answer("y\n");
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
