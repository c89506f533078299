//! What somebody else planted: links, files that others write, escape sequences, an environment.

#![expect(clippy::disallowed_methods, reason = "what is planted is made and looked at here")]
#![expect(clippy::unwrap_used, reason = "a test without its tree cannot go on")]

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use expect_test::{Expect, expect};
use proptest::prelude::*;

use crate::declarations::SOFTDEP;
use hoststate_testkit::program::Answer;

use crate::support::Tree;

const FILE: &str = "root/etc/modprobe.d/01-hoststate.conf";

/// What lies outside the root, and must stay as it is.
const OUTSIDE: &str = "outside/secret";

const CONVERGE: &str = "converge playbook.json --root root --yes";

/// Plants a link in a tree and converges: nothing outside the root may be read, written or made.
fn planted(link: &str, target: &str) -> (Tree, Answer) {
    let tree = Tree::with(SOFTDEP);
    tree.write(OUTSIDE, "secret\n");
    let link = tree.path(link);
    std::fs::create_dir_all(link.parent().unwrap()).unwrap();
    symlink(target.replace("TREE", tree.path("").to_str().unwrap().trim_end_matches('/')), link).unwrap();
    let answer = tree.run(CONVERGE);
    assert_eq!(tree.read(OUTSIDE).as_deref(), Some("secret\n"), "{answer}");
    let names = std::fs::read_dir(tree.path("outside")).unwrap().count();
    assert_eq!(names, 1, "{answer}");
    assert!(
        !answer.to_string().lines().any(|it| it.trim_start_matches([' ', '+', '-']) == "secret"),
        "{answer}"
    );
    (tree, answer)
}

#[test]
fn a_link_inside_the_root_stays_and_what_it_leads_to_is_written() {
    let (tree, answer) = planted(FILE, "../../srv/modprobe.conf");
    assert_eq!(answer.status, Some(0), "{answer}");
    assert_eq!(tree.read("root/srv/modprobe.conf").as_deref(), Some("softdep nouveau pre: vfio-pci\n"));
    assert!(tree.path(FILE).is_symlink());
}

#[test]
fn a_link_that_would_leave_the_root_does_not() {
    for target in
        ["TREE/outside/secret", "../../../outside/secret", "/../../outside/secret", "/outside/secret"]
    {
        let (tree, answer) = planted(FILE, target);
        assert_eq!(answer.status, Some(0), "{target}: {answer}");
        assert!(tree.path(FILE).is_symlink(), "{target}");
    }
    for target in ["TREE/outside", "../../outside"] {
        let (_, answer) = planted("root/etc/modprobe.d", target);
        assert_eq!(answer.status, Some(0), "{target}: {answer}");
    }
}

#[test]
fn links_that_go_round_are_an_error() {
    let (_, answer) = planted(FILE, "01-hoststate.conf");
    assert_eq!(answer.status, Some(1), "{answer}");
    assert!(answer.stderr.contains("too many levels of symbolic links"), "{answer}");
}

#[test]
fn the_lock_and_the_records_are_not_written_through_links() {
    for link in ["lock", "runs", "runs/.new"] {
        let (tree, answer) = planted(&format!("root/var/lib/hoststate/{link}"), "TREE/outside/secret");
        let is_refused = answer.status == Some(1) && answer.stderr.contains("it is not followed");
        let is_replaced = answer.status == Some(0) && link == "runs/.new";
        assert!(is_refused || is_replaced, "{link}: {answer}");
        assert_eq!(tree.read(FILE).is_some(), is_replaced, "nothing is changed without its record: {answer}");
    }
    let (tree, answer) = planted("root/var/lib/hoststate", "TREE/outside");
    assert_eq!(answer.status, Some(0), "the state is below the root: {answer}");
    assert!(tree.read(FILE).is_some());
}

#[test]
fn what_a_new_file_is_written_into_is_no_link() {
    let (tree, answer) =
        planted("root/etc/modprobe.d/.hoststate-01-hoststate.conf.new", "TREE/outside/secret");
    assert_eq!(answer.status, Some(0), "{answer}");
    assert_eq!(tree.read(FILE).as_deref(), Some("softdep nouveau pre: vfio-pci\n"));
}

#[test]
fn something_else_than_a_file_is_not_replaced() {
    let tree = Tree::with(SOFTDEP);
    std::fs::create_dir_all(tree.path(FILE)).unwrap();
    let answer = tree.run(CONVERGE);
    assert_eq!(answer.status, Some(1), "{answer}");
    assert!(tree.path(FILE).is_dir());
}

fn modes(tree: &Tree) -> String {
    let mut lines = String::new();
    let runs = std::fs::read_dir(tree.path("root/var/lib/hoststate/runs")).unwrap();
    let mut paths: Vec<_> = runs.map(|it| it.unwrap().path()).collect();
    for path in ["root/var/lib/hoststate", "root/var/lib/hoststate/runs", "root/var/lib/hoststate/lock", FILE]
    {
        paths.push(tree.path(path));
    }
    for path in paths {
        let mode = std::fs::metadata(&path).unwrap().permissions().mode() & 0o7777;
        let name = path.extension().map_or(path.file_name().unwrap(), |it| it).to_str().unwrap().to_owned();
        lines.push_str(&format!("{mode:04o} {name}\n"));
    }
    lines
}

#[test]
fn records_are_for_root_whatever_was_there_and_whatever_the_umask() {
    let expected = "0600 json\n0700 hoststate\n0700 runs\n0600 lock\n0644 conf\n";
    for mode in [None, Some(0o755), Some(0o777), Some(0o500)] {
        for umask in ["000", "022", "077"] {
            let tree = Tree::with(SOFTDEP);
            if let Some(mode) = mode {
                let directory = tree.path("root/var/lib/hoststate");
                std::fs::create_dir_all(directory.join("runs")).unwrap();
                std::fs::set_permissions(&directory, PermissionsExt::from_mode(mode | 0o200)).unwrap();
                std::fs::set_permissions(directory.join("runs"), PermissionsExt::from_mode(mode | 0o200))
                    .unwrap();
            }
            let mut command = std::process::Command::new("/bin/sh");
            let line = format!("umask {umask}; exec {} {CONVERGE}", env!("CARGO_BIN_EXE_hoststate"));
            command.args(["-c", &line]).current_dir(tree.path("")).env_clear();
            let answer = tree.answer(command);
            assert_eq!(answer.status, Some(0), "{answer}");
            assert_eq!(modes(&tree), expected, "mode {mode:?}, umask {umask}");
        }
    }
}

/// Runs `words` on a tree after `change`: as root it must answer so, as anybody else it must not care.
fn distrusted(change: impl FnOnce(&Tree), words: &str, expected: Expect) {
    let tree = Tree::with(SOFTDEP);
    change(&tree);
    let answer = tree.run(words);
    if rustix::process::geteuid().is_root() {
        expected.assert_eq(&answer.to_string());
        assert_eq!(tree.read(FILE), None);
    } else {
        assert_eq!(answer.status, Some(0), "{answer}");
    }
}

fn open(path: &Path, mode: u32) {
    std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
}

#[test]
fn root_does_not_converge_to_what_others_can_write() {
    distrusted(
        |tree| open(&tree.path("playbook.json"), 0o666),
        CONVERGE,
        expect![[r#"
            error: playbook.json can be written by everyone (mode 0666), and root does not follow it
            hint: Whoever can write to it can do what root can. Check what it says, then make it root's alone: `chown root playbook.json; chmod go-w playbook.json`. With sudo, the files of the user who calls it are trusted as well.
            exit 1
        "#]],
    );
    distrusted(
        |tree| {
            tree.write("play/gpu.lua", "require 'cards'\nmodprobe_softdep { module = 'a', pre = { 'b' } }\n");
            tree.write("play/cards.lua", "return 1\n");
            open(&tree.path("play/cards.lua"), 0o606);
        },
        "converge play/gpu.lua --root root --yes",
        expect![[r#"
            error: module "cards": play/cards.lua can be written by everyone (mode 0606), and root does not follow it
              at play/gpu.lua:1
            hint: Make the file readable, and writable for its owner only.
            exit 1
        "#]],
    );
    distrusted(
        |tree| {
            assert_eq!(tree.run("plan playbook.json --root root --out plan.json").status, Some(0));
            open(&tree.path("plan.json"), 0o666);
        },
        "converge plan.json --root root --yes",
        expect![[r#"
            error: plan.json can be written by everyone (mode 0666), and root does not follow it
            hint: Whoever can write to it can do what root can. Check what it says, then make it root's alone: `chown root plan.json; chmod go-w plan.json`. With sudo, the files of the user who calls it are trusted as well.
            exit 1
        "#]],
    );
}

#[test]
fn planning_asks_nobody_who_wrote_the_playbook() {
    let tree = Tree::with(SOFTDEP);
    open(&tree.path("playbook.json"), 0o666);
    for words in ["plan playbook.json --root root", "verify playbook.json --root root", "check playbook.json"]
    {
        let answer = tree.run(words);
        assert!(matches!(answer.status, Some(0 | 2)), "{answer}");
    }
    assert!(matches!(tree.run(&format!("{CONVERGE} --check")).status, Some(0)));
}

/// Everything a terminal acts on, or that hides or turns text, in one word.
const HOSTILE: &str = "a\x1b]0;x\x07\x1b[2J\u{9b}31m\u{202e}\u{200b}\u{7f}\r\u{2066}z";

fn is_harmless(text: &str) -> bool {
    let turns = ['\u{202e}', '\u{2066}', '\u{200b}'];
    !text.contains(|it: char| (it.is_control() && it != '\n' && it != '\t') || turns.contains(&it))
}

#[test]
fn no_escape_sequence_of_anybody_reaches_the_terminal() {
    let tree = Tree::with(SOFTDEP);
    let device = "root/sys/devices/pci0000:00/0000:00:02.0";
    let attributes = [
        ("vendor", "0x8086"),
        ("device", "0x10c9"),
        ("class", "0x020000"),
        ("subsystem_vendor", "0x1"),
        ("subsystem_device", "0x2"),
        ("modalias", "pci:v1"),
    ];
    for (name, value) in attributes {
        tree.write(&format!("{device}/{name}"), &format!("{value}\n"));
    }
    tree.write(&format!("{device}/net/{HOSTILE}/address"), HOSTILE);
    std::fs::create_dir_all(tree.path("root/sys/bus/pci/devices")).unwrap();
    symlink("../../../devices/pci0000:00/0000:00:02.0", tree.path("root/sys/bus/pci/devices/0000:00:02.0"))
        .unwrap();
    symlink(format!("../../../bus/pci/drivers/{HOSTILE}"), tree.path(&format!("{device}/driver"))).unwrap();
    tree.write(FILE, &format!("# {HOSTILE}\nsoftdep nouveau pre: {HOSTILE}\noptions x y={HOSTILE}\n"));
    tree.write(&format!("root/etc/modprobe.d/{HOSTILE}.conf"), "softdep nouveau pre: x\n");
    tree.write("root/proc/cmdline", &format!("quiet {HOSTILE}\n"));
    tree.write(
        "root/boot/grub/grub.cfg",
        &format!("### BEGIN /etc/grub.d/10_linux ###\nmenuentry '{HOSTILE}' {{\n linux /vmlinuz-1 x={HOSTILE}\n}}\n"),
    );
    tree.write("says.lua", &format!("print('{HOSTILE}')\nlog.warn('{HOSTILE}')\n"));
    tree.write("fails.lua", &format!("error('{HOSTILE}')\n"));
    tree.write("fields.lua", &format!("modprobe_softdep {{ ['{HOSTILE}'] = 1, name = '{HOSTILE}' }}\n"));
    tree.write("not.json", &format!("{{\"{HOSTILE}\": 1}}"));
    tree.write(
        "values.lua",
        &format!("modprobe_options {{ name = '{HOSTILE}', module = 'kvm', options = {{ a = 'b' }} }}\n"),
    );
    let device = "sriov_numvfs { device = { interface = 'none' }, numvfs = 1 }\n";
    tree.write("device.lua", device);
    for format in ["text", "json"] {
        for command in ["inspect", "inspect devices", "inspect cmdline", "inspect modules", "history"] {
            let answer = tree.run(&format!("{command} --root root --format {format} --color never"));
            assert!(is_harmless(&answer.stdout) && is_harmless(&answer.stderr), "{command}: {answer:?}");
        }
        for playbook in
            ["playbook.json", "says.lua", "fails.lua", "fields.lua", "not.json", "values.lua", "device.lua"]
        {
            for command in ["plan", "verify", "converge", "check"] {
                let root = if command == "check" { "" } else { "--root root" };
                let answer =
                    tree.run(&format!("{command} {playbook} {root} --format {format} --color never -v"));
                assert!(
                    is_harmless(&answer.stdout) && is_harmless(&answer.stderr),
                    "{command} {playbook}: {answer:?}"
                );
            }
        }
        let answer = tree.run(&format!("rollback --root root --format {format} --color never --yes"));
        assert!(is_harmless(&answer.stdout) && is_harmless(&answer.stderr), "{answer:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn no_variable_of_the_environment_changes_a_plan(
        values in proptest::collection::vec(
            prop_oneof!["[ -~]{0,12}", Just("/nowhere".to_owned()), Just("1".to_owned()), Just("é;\u{202e}".to_owned())],
            VARIABLES.len(),
        ),
    ) {
        let tree = Tree::with(SOFTDEP);
        tree.write("gpu.lua", "local m = require 'm'\nmodprobe_softdep { module = m, pre = { 'vfio-pci' } }\n");
        tree.write("m.lua", "return 'nouveau'\n");
        for words in ["plan gpu.lua --root root --format json", "plan playbook.json --root root"] {
            let plain = tree.run(words).to_string();
            let mut command = tree.command(words);
            command.envs(VARIABLES.iter().zip(&values));
            prop_assert_eq!(tree.answer(command).to_string(), plain);
        }
    }
}

/// What programs, Lua, shells and the C library listen to.
const VARIABLES: [&str; 22] = [
    "LUA_PATH",
    "LUA_CPATH",
    "LUA_INIT",
    "LUA_PATH_5_4",
    "LUA_INIT_5_4",
    "TMPDIR",
    "HOME",
    "PATH",
    "LC_ALL",
    "LANG",
    "TZ",
    "IFS",
    "ENV",
    "BASH_ENV",
    "TERM",
    "COLUMNS",
    "SUDO_UID",
    "PKEXEC_UID",
    "RUST_LOG",
    "SHELL",
    "PWD",
    "USER",
];
