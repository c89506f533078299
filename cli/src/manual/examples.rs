//! The examples of each command, for its help and its manual page.

use clap::{Command, CommandFactory};

use crate::args::Arguments;

/// A command line, and what it is for.
pub(crate) type Example = (&'static str, &'static str);

/// The examples, by the words of the command; none for `hoststate` itself, whose page has those of all.
const EXAMPLES: [(&str, &[Example]); 16] = [
    (
        "plan",
        &[
            ("What would be done to this host, as a diff", "hoststate plan gpu.lua"),
            (
                "What would be done to a captured host, without being root",
                "hoststate plan gpu.lua --capture examples/hosts/ubuntu-24.04.host",
            ),
            (
                "For somebody else to read, and to carry out as it is",
                "hoststate plan gpu.lua --out gpu.plan.json",
            ),
        ],
    ),
    (
        "converge",
        &[
            ("Show the diff, ask, do it, and say what is left", "sudo hoststate converge gpu.lua"),
            ("From a program: no question, and an exit status that tells what happened", CONVERGE_UNATTENDED),
            (
                "On a host in another city: let one boot try it",
                "sudo hoststate converge gpu.lua --confirm-boot",
            ),
            ("An image below a directory, with that system's own tools", CONVERGE_IMAGE),
            ("A plan that somebody has read", "sudo hoststate converge gpu.plan.json"),
        ],
    ),
    (
        "verify",
        &[
            ("After the reboot, and for a monitor", "hoststate verify gpu.lua --quiet"),
            ("What the last run wanted, whichever playbook it had", "sudo hoststate verify --last"),
        ],
    ),
    ("status", &[("Last run, reboot, drift", "sudo hoststate status")]),
    (
        "check",
        &[
            ("Before a playbook is committed, on any machine", "hoststate check gpu.lua"),
            (
                "What it declares for a host whose facts it asks for",
                "hoststate check gpu.lua --capture examples/hosts/ubuntu-24.04.host --format json",
            ),
        ],
    ),
    (
        "inspect",
        &[
            ("Which devices share an IOMMU group, and who drives them", "hoststate inspect devices"),
            ("What each boot entry gives the kernel, and which line says so", "hoststate inspect cmdline"),
        ],
    ),
    (
        "why",
        &[
            ("Why a card is still on nouveau", "hoststate why 01:00.0 gpu.lua"),
            ("By what it is, or by its interface", "hoststate why vendor=10de,class=display"),
        ],
    ),
    (
        "rollback",
        &[
            ("What would be put back", "sudo hoststate rollback --check"),
            ("Undo the newest run", "sudo hoststate rollback"),
            ("Undo one that `hoststate history` names", "sudo hoststate rollback 20261101T120000Z"),
        ],
    ),
    (
        "history",
        &[
            ("The newest runs, and where each of them stands now", "sudo hoststate history"),
            ("What one of them changed, and every step", "sudo hoststate history 20261101T120000Z"),
        ],
    ),
    (
        "unpack",
        &[(
            "A captured host as a directory, to converge it",
            "hoststate unpack examples/hosts/ubuntu-24.04.host host",
        )],
    ),
    (
        "schema",
        &[
            ("The fields of one type", "hoststate schema sriov_numvfs"),
            ("What an editor needs to complete and check Lua playbooks", "hoststate schema --luals"),
            ("The whole language on one page, in Markdown", "hoststate schema --reference"),
        ],
    ),
    ("plugin list", &[("What is there, and what is trusted", "hoststate plugin list")]),
    ("plugin test", &[("Whether a plugin keeps the laws", "hoststate plugin test ./journald.py")]),
    (
        "plugin trust",
        &[(
            "What it asks for, and a question",
            "sudo hoststate plugin trust /etc/hoststate/plugins/journald.py",
        )],
    ),
    (
        "completions",
        &[(
            "For bash, in every shell of this user",
            "hoststate completions bash > ~/.local/share/bash-completion/completions/hoststate",
        )],
    ),
    (
        "man",
        &[
            ("Read the page of one command", "hoststate man plan | man -l -"),
            ("Read about the playbook language", "hoststate man hoststate.lua | man -l -"),
            ("Write all pages, for a package", "hoststate man --out /usr/local/share/man"),
        ],
    ),
];

const CONVERGE_UNATTENDED: &str = "sudo hoststate converge gpu.lua --yes --detailed-exitcode --format json";

const CONVERGE_IMAGE: &str = "sudo hoststate converge gpu.lua --root /mnt/image --activate chroot";

/// Returns the examples of the command with these words, such as `plugin list`.
pub(crate) fn of(words: &str) -> &'static [Example] {
    EXAMPLES.iter().find(|it| it.0 == words).map_or(&[], |it| it.1)
}

/// Commands that run no tool, change nothing and have one way to end well; options about that are taken and tell nothing.
const LOOKING: [&str; 4] = ["status", "inspect", "why", "history"];

/// Those options.
const UNUSED: [&str; 3] = ["activate", "detailed_exitcode", "accept"];

/// Commands that know no types; folders of plugins tell them nothing either.
const WITHOUT_TYPES: [&str; 2] = ["inspect", "history"];

/// Returns the commands with their options, those without a meaning not shown.
pub(crate) fn plain() -> Command {
    let hidden = |command: Command, names: &[&str], options: &[&str]| {
        names.iter().fold(command, |command, name| {
            command.mut_subcommand(name, |it| {
                options.iter().fold(it, |it, option| it.mut_arg(option, |it| it.hide(true)))
            })
        })
    };
    hidden(hidden(Arguments::command(), &LOOKING, &UNUSED), &WITHOUT_TYPES, &["plugin_dir"])
}

/// Returns the commands with their options, and examples in the help of each.
pub(crate) fn command() -> Command {
    furnished(plain(), "")
}

fn furnished(mut command: Command, words: &str) -> Command {
    let names: Vec<String> = command.get_subcommands().map(|it| it.get_name().to_owned()).collect();
    for name in names {
        let own = format!("{words} {name}").trim_start().to_owned();
        command = command.mut_subcommand(name, |it| furnished(it, &own));
    }
    let examples = of(words);
    if examples.is_empty() {
        return command;
    }
    let lines = examples.iter().map(|(what, line)| format!("  # {what}\n  {line}\n"));
    let notes = command.get_after_help().map(|it| format!("{it}\n\n")).unwrap_or_default();
    let text = format!("{notes}Examples:\n{}", lines.collect::<String>());
    command.after_help(text.trim_end().to_owned())
}
