//! Text for people: help, plans, errors.

use expect_test::{Expect, expect};

use crate::declarations::{MISSPELT, OPTIONS, OTHER_OPTIONS, SOFTDEP};
use crate::support::Tree;

fn check(tree: &Tree, words: &str, expected: Expect) {
    expected.assert_eq(&tree.run(words).to_string());
}

#[test]
fn help_names_the_commands_and_the_exit_status() {
    check(
        &Tree::with(""),
        "-h",
        expect![[r#"
            Makes this Linux host match a playbook: kernel command line, module policy, PCI passthrough, SR-IOV

            Usage: hoststate [OPTIONS] <COMMAND>

            Commands:
              plan         Show every difference between the host and a playbook; change nothing
              converge     Show every difference, make the changes, read the host again, say what is left
              verify       Check strictly whether the host is in the desired state: one line per setting
              status       Sum up in three lines: the last run, what waits for a reboot, what has drifted since
              check        Evaluate and validate a playbook without looking at any host
              inspect      Show what is there now
              why          Explain why a PCI device is on its driver and not on another, from the firmware to
                           whoever holds it
              rollback     Undo what a recorded run changed, and make that take effect
              history      List the recorded runs, or show one of them
              unpack       Unpack a captured host into a directory, to converge it with --root
              schema       Print the JSON Schema of declarations, or of what another command prints
              plugin       List, try out and trust plugins
              completions  Print the completions of a shell
              man          Print a manual page, or write them all
              help         Print this message or the help of the given subcommand(s)

            Options:
                  --format <FORMAT>  Text for people, one JSON object, or metrics (verify only) [default: text]
                                     [possible values: text, json, prometheus]
                  --color <WHEN>     Colour; NO_COLOR is honoured [default: auto] [possible values: auto,
                                     always, never]
              -v, --verbose          Show more: every step, and what is in the desired state
              -q, --quiet            Show less: no diffs, only what needs attention
              -h, --help             Print help (see more with '--help')
              -V, --version          Print version

            Exit status: 0 success, 1 error, 4 refused by a guard, 130 interrupted.
            With --detailed-exitcode, and always for verify: 0 in the desired state, 2 changes to make or made,
            3 nothing left to do but a reboot, 5 done except for tools of the distribution that were not run.
            exit 0
        "#]],
    );
}

#[test]
fn long_help_describes_the_error_object() {
    let help = Tree::with("").run("--help").stdout;
    assert!(help.contains("hoststate.error/1"), "{help}");
}

#[test]
fn help_of_a_command_names_its_options() {
    check(
        &Tree::with(""),
        "converge -h",
        expect![[r#"
            Show every difference, make the changes, read the host again, say what is left

            Usage: hoststate converge [OPTIONS] [PLAYBOOK]

            Arguments:
              [PLAYBOOK]  A .lua file, a .json file of declarations, a saved plan, or - for JSON on standard
                          input

            Options:
              -y, --yes                Do not ask
                  --check              Only plan
                  --at-boot            Finish after the next boot what must wait for it; without a playbook:
                                       finish now what was left for this boot
                  --confirm-boot       Try the new kernel command line in the next boot only; it becomes the
                                       default when that boot holds
                  --stay               Keep a tried boot running although it does not hold, instead of rebooting
                                       into the old entry
                  --owner <NAME>       Whose declarations these are: what earlier runs of the same owner set is
                                       remembered; by default the playbook's
                  --prune              Also take out what earlier runs of the owner set and the playbook no
                                       longer declares
                  --root <DIR>         The host is the tree below DIR: an image, a chroot, a captured host
                  --activate <HOW>     How the distribution's tools are run: auto runs them on /, and only names
                                       them under --root [default: auto] [possible values: auto, chroot, skip]
                  --detailed-exitcode  Let the exit status tell changes (2), a pending reboot (3) and tools not
                                       run (5) from the desired state (0)
                  --accept <ID>        Override one guard, by the id it shows; may be repeated
                  --plugin-dir <DIR>   Also use the trusted plugins in this folder; may be repeated
                  --format <FORMAT>    Text for people, one JSON object, or metrics (verify only) [default:
                                       text] [possible values: text, json, prometheus]
                  --color <WHEN>       Colour; NO_COLOR is honoured [default: auto] [possible values: auto,
                                       always, never]
              -v, --verbose            Show more: every step, and what is in the desired state
              -q, --quiet              Show less: no diffs, only what needs attention
              -h, --help               Print help (see more with '--help')

            With --at-boot and --confirm-boot the unit hoststate-at-boot.service runs once, after the next
            boot; the diff shows its files. `hoststate history` shows its verdict, the journal its report.
            With --confirm-boot nothing else is changed before that boot: the default entry, its sources and
            the images stay as they are. The playbook is converged if that boot has the new parameters, the
            same root, writable, and the same way to the network (the card and the router, whatever the card
            is called). If not, the host reboots into the old default entry after 10 minutes; `systemctl stop
            hoststate-go-back.timer` keeps it up, and so does --stay. After a panic or a power cycle the old
            entry boots at once. `hoststate rollback` takes back a boot that was not tried yet.

            Examples:
              # Show the diff, ask, do it, and say what is left
              sudo hoststate converge gpu.lua
              # From a program: no question, and an exit status that tells what happened
              sudo hoststate converge gpu.lua --yes --detailed-exitcode --format json
              # On a host in another city: let one boot try it
              sudo hoststate converge gpu.lua --confirm-boot
              # An image below a directory, with that system's own tools
              sudo hoststate converge gpu.lua --root /mnt/image --activate chroot
              # A plan that somebody has read
              sudo hoststate converge gpu.plan.json
            exit 0
        "#]],
    );
}

#[test]
fn a_plan_shows_the_difference_the_files_and_a_summary() {
    let tree = Tree::with(&format!("{SOFTDEP},{OPTIONS}"));
    tree.write("root/etc/modprobe.d/zz-hoststate.conf", "# mine\noptions kvm ignore_msrs=0\n");
    check(
        &tree,
        "plan playbook.json --root root",
        expect![[r#"
            ubuntu 24.04, grub2

            + modprobe_softdep "nouveau"  gpu.lua:3
                softdep nouveau: (absent) -> pre: vfio-pci
            ~ modprobe_options "kvm"  gpu.lua:4
                options kvm: ignore_msrs=0 -> ignore_msrs=1

            --- /dev/null
            +++ b/etc/modprobe.d/01-hoststate.conf
            @@ -0,0 +1 @@
            +softdep nouveau pre: vfio-pci

            --- a/etc/modprobe.d/zz-hoststate.conf
            +++ b/etc/modprobe.d/zz-hoststate.conf
            @@ -1,2 +1,2 @@
             # mine
            -options kvm ignore_msrs=0
            +options kvm ignore_msrs=1

            Plan: 2 files.
            exit 0
        "#]],
    );
}

#[test]
fn less_is_shown_on_demand() {
    let tree = Tree::with(SOFTDEP);
    check(
        &tree,
        "plan playbook.json --root root -q",
        expect![[r#"
            + modprobe_softdep "nouveau"  gpu.lua:3
                softdep nouveau: (absent) -> pre: vfio-pci

            Plan: 1 file.
            exit 0
        "#]],
    );
}

#[test]
fn a_run_shows_its_plan_its_steps_and_how_it_ended() {
    let tree = Tree::with(SOFTDEP);
    check(
        &tree,
        "converge playbook.json --root root --yes",
        expect![[r#"
            ubuntu 24.04, grub2

            + modprobe_softdep "nouveau"  gpu.lua:3
                softdep nouveau: (absent) -> pre: vfio-pci

            --- /dev/null
            +++ b/etc/modprobe.d/01-hoststate.conf
            @@ -0,0 +1 @@
            +softdep nouveau pre: vfio-pci

            Plan: 1 file.

              done    write /etc/modprobe.d/01-hoststate.conf

            Converged: 1 step done, in the desired state.
            Run RUN: `hoststate rollback RUN` undoes it.
            exit 0
        "#]],
    );
    check(
        &tree,
        "converge playbook.json --root root --yes",
        expect![[r#"
        In the desired state: 1 setting, nothing was done.
        exit 0
    "#]],
    );
    check(
        &tree,
        "verify playbook.json --root root",
        expect![[r#"
        ok       modprobe_softdep "nouveau" (gpu.lua:3)
        In the desired state: 1 setting.
        exit 0
    "#]],
    );
}

#[test]
fn a_check_has_one_line_for_each_setting() {
    let tree = Tree::with(&format!("{SOFTDEP},{OPTIONS}"));
    tree.write("root/etc/modprobe.d/zz-hoststate.conf", "options kvm ignore_msrs=1\n");
    check(
        &tree,
        "verify playbook.json --root root",
        expect![[r#"
            drift    modprobe_softdep "nouveau" (gpu.lua:3): softdep nouveau: (absent) -> pre: vfio-pci
            ok       modprobe_options "kvm" (gpu.lua:4)
            Not in the desired state: 1 of 2 settings differ.
            exit 2
        "#]],
    );
}

#[test]
fn a_conflict_names_both_places() {
    let tree = Tree::with(&format!("{OPTIONS},{OTHER_OPTIONS}"));
    check(
        &tree,
        "converge playbook.json --root root -q --yes",
        expect![[r#"
            + modprobe_options "kvm"  gpu.lua:4
                options kvm: (absent) -> ignore_msrs=1
            ~ modprobe_options "other"  gpu.lua:9
                options kvm: ignore_msrs=1 -> ignore_msrs=0

            Conflicts:
            ! modprobe_options "kvm"  gpu.lua:4
                options kvm: ignore_msrs=0 -> ignore_msrs=1
                modprobe_options "kvm" and modprobe_options "other" undo each other
                against modprobe_options "other" (gpu.lua:9)

            Plan: 1 file; 1 conflict.
            Refused; nothing was changed.
            exit 1
        "#]],
    );
}

#[test]
fn an_error_says_what_where_and_how_to_mend_it() {
    check(
        &Tree::with(MISSPELT),
        "plan playbook.json --root root",
        expect![[r#"
            error: resource 1 (modprobe_softdep): unknown field `per`
              at gpu.lua:3
            hint: Did you mean `pre`?
            exit 1
        "#]],
    );
}

#[test]
fn other_errors_say_how_to_mend_them_too() {
    let tree = Tree::with(SOFTDEP);
    check(
        &tree,
        "plan absent.json --root root",
        expect![[r#"
            error: cannot read the playbook absent.json
              because: No such file or directory (os error 2)
            exit 1
        "#]],
    );
    check(
        &tree,
        "plan playbook.json --root nowhere",
        expect![[r#"
        error: --root nowhere: there is no such directory
        hint: --root takes the directory that is the host's `/`.
        exit 1
    "#]],
    );
    check(
        &tree,
        "plna playbook.json",
        expect![[r#"
        error: unrecognized subcommand 'plna'

          tip: a similar subcommand exists: 'plan'

        Usage: hoststate [OPTIONS] <COMMAND>

        For more information, try '--help'.
        exit 1
    "#]],
    );
    tree.write("broken.json", "{\n  \"format\": 1\n");
    check(
        &tree,
        "check broken.json",
        expect![[r#"
            error: this is not JSON: EOF while parsing an object
              at broken.json:3
            hint: It ends before everything that was opened is closed.
            exit 1
        "#]],
    );
}

#[test]
fn declarations_come_from_standard_input_too() {
    let tree = Tree::with(SOFTDEP);
    let input = tree.read("playbook.json").unwrap();
    expect![[r#"
        -: 1 declaration, valid
        exit 0
    "#]]
    .assert_eq(&tree.run_with_input("check -", &input).to_string());
}

#[test]
fn what_a_file_holds_never_reaches_the_terminal_raw() {
    let tree = Tree::with(OPTIONS);
    tree.write(
        "root/etc/modprobe.d/zz-hoststate.conf",
        "# \x1b]0;owned\x07 \u{202e}evil\noptions kvm a=\x1b[31m\n",
    );
    for words in ["plan playbook.json --root root", "plan playbook.json --root root --color always"] {
        let answer = tree.run(words);
        let foreign = answer.stdout.replace("\x1b[0m", "").replace("\x1b[1m", "").replace("\x1b[3", "");
        assert!(!answer.stdout.contains("\x1b]") && !foreign.contains(['\x07', '\u{202e}']), "{answer}");
        assert!(answer.stdout.contains(r"\x1b]0;owned\x07 \u{202e}evil"), "{answer}");
    }
    let answer = tree.run("inspect modules --root root");
    assert!(!answer.stdout.contains('\x1b'), "{answer}");
}

#[test]
fn colours_are_for_terminals_and_for_who_asks() {
    let tree = Tree::with(SOFTDEP);
    let words = "plan playbook.json --root root";
    assert!(!tree.run(words).stdout.contains('\x1b'));
    assert!(tree.run(&format!("{words} --color always")).stdout.contains("\x1b[32m"));
    let mut command = tree.command(&format!("{words} --color always"));
    command.env("NO_COLOR", "1");
    // Who writes it on the command line knows what they want.
    assert!(tree.answer(command).stdout.contains("\x1b[32m"));
}

#[test]
fn the_changed_words_of_a_line_are_set_off() {
    let tree = Tree::with(OPTIONS);
    tree.write("root/etc/modprobe.d/zz-hoststate.conf", "options kvm ignore_msrs=0\n");
    let answer = tree.run("plan playbook.json --root root --color always");
    assert!(answer.stdout.contains("\x1b[32;7m"), "{answer}");
}

#[test]
fn completions_and_the_manual_come_from_the_same_definitions() {
    let tree = Tree::with("");
    for shell in ["bash", "zsh", "fish"] {
        let answer = tree.run(&format!("completions {shell}"));
        assert!(
            answer.status == Some(0) && answer.stdout.contains("_HOSTSTATE_COMPLETE"),
            "{shell}: {answer}"
        );
    }
    let manual = tree.run("man plan").stdout;
    assert!(manual.contains(".TH") && manual.contains("activate"), "{manual}");
    let definitions = tree.run("schema --luals").stdout;
    assert!(definitions.contains("function modprobe_softdep(desired) end"), "{definitions}");
}
