//! The manual pages: one for each command, and one about the playbook language.

use std::io;

use clap::Command;
use clap_mangen::Man;

use crate::manual::document::{Block, Term, heading, manual, text};
use crate::manual::examples::{self, Example};
use crate::manual::language;

/// A manual page.
#[derive(Debug)]
pub(crate) struct Page {
    /// Its name: `hoststate-plan`.
    pub(crate) name: String,
    /// The section it belongs to.
    pub(crate) section: &'static str,
    /// Its text.
    pub(crate) text: Vec<u8>,
}

/// The page about the language.
const LANGUAGE: &str = "hoststate.lua";

/// Pages of others that belong to the subject.
const OTHERS: &str = "modprobe.d(5), modules-load.d(5), udev(7), lspci(8)";

/// Returns all pages.
///
/// # Errors
/// When one cannot be written into memory.
pub(crate) fn all() -> io::Result<Vec<Page>> {
    let mut command = examples::plain().disable_help_subcommand(true);
    command.build();
    let mut pages = Vec::new();
    let names = names(&command);
    add(&mut pages, &command, "", &names)?;
    pages.push(of_language(&names)?);
    Ok(pages)
}

fn names(command: &Command) -> Vec<String> {
    let own = [name_of(command)];
    own.into_iter().chain(command.get_subcommands().flat_map(names)).collect()
}

fn name_of(command: &Command) -> String {
    command.get_display_name().unwrap_or_else(|| command.get_name()).to_owned()
}

/// Adds the page of a command, and those of its own commands. `words` are what is typed behind `hoststate`.
fn add(pages: &mut Vec<Page>, command: &Command, words: &str, names: &[String]) -> io::Result<()> {
    let name = name_of(command);
    let is_root = words.is_empty();
    let shown = match is_root {
        true => command
            .clone()
            .override_usage("hoststate COMMAND [OPTION]... [ARGUMENT]...")
            .subcommand_help_heading("Commands"),
        false => command.clone(),
    };
    let man = Man::new(shown).title(name.to_uppercase()).section("1").source(source()).manual("hoststate");
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    if command.has_subcommands() {
        man.render_subcommands_section(&mut page)?;
    }
    man.render_options_section(&mut page)?;
    let mut blocks = Vec::new();
    if let Some(notes) = command.get_after_help().filter(|_| !is_root) {
        blocks.extend([heading(2, "Notes"), text(&notes.to_string())]);
    }
    blocks.extend([heading(2, "Exit status"), Block::Terms(exit_status(command))]);
    blocks.extend([heading(2, "Files"), Block::Terms(files(command))]);
    blocks.extend([heading(2, "Environment"), Block::Terms(environment(command))]);
    blocks.push(heading(2, "Examples"));
    for (what, line) in examples_of(command, words) {
        blocks.extend([text(&format!("{what}:")), Block::Code { language: "sh", text: line.to_owned() }]);
    }
    let own: Vec<String> = match is_root {
        true => names[1..].iter().map(|it| format!("{it}(1)")).collect(),
        false => vec!["hoststate(1)".to_owned()],
    };
    let all = format!("{}, {LANGUAGE}(5), {OTHERS}", own.join(", "));
    blocks.extend([heading(2, "See also"), text(&all)]);
    manual(&blocks).to_writer(&mut page)?;
    pages.push(Page { name, section: "1", text: page });
    for it in command.get_subcommands() {
        add(pages, it, format!("{words} {}", it.get_name()).trim_start(), names)?;
    }
    Ok(())
}

fn of_language(names: &[String]) -> io::Result<Page> {
    let about = "what a hoststate playbook can say";
    let command = Command::new(LANGUAGE).about(about);
    let man =
        Man::new(command).title(LANGUAGE.to_uppercase()).section("5").source(source()).manual("hoststate");
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    let mut blocks = vec![heading(2, "Description")];
    blocks.extend(language::document());
    let own: Vec<String> = names.iter().map(|it| format!("{it}(1)")).collect();
    blocks.extend([heading(2, "See also"), text(&format!("{}, {OTHERS}", own.join(", ")))]);
    manual(&blocks).to_writer(&mut page)?;
    Ok(Page { name: LANGUAGE.to_owned(), section: "5", text: page })
}

fn source() -> String {
    format!("hoststate {}", env!("CARGO_PKG_VERSION"))
}

fn has(command: &Command, option: &str) -> bool {
    command.get_arguments().any(|it| it.get_long() == Some(option))
}

fn terms(all: &[(&str, &str)]) -> Vec<Term> {
    all.iter().map(|(name, about)| Term::new(*name, *about)).collect()
}

fn exit_status(command: &Command) -> Vec<Term> {
    let mut all = vec![
        ("0", "Success. With `--detailed-exitcode`: the host is in the desired state, and nothing was done."),
        (
            "1",
            "An error: a playbook that is wrong, a host that cannot be read, a step that failed, no terminal to ask.",
        ),
    ];
    if command.has_subcommands() || has(command, "detailed-exitcode") {
        all.extend([
            (
                "2",
                "There are changes to make, or `converge` made them: from `verify` always, from other \
                   commands with `--detailed-exitcode`.",
            ),
            (
                "3",
                "Nothing is left to do but a reboot, which is expected to help; from the same commands as \
                   2.",
            ),
            ("4", "A guard refused, and nothing was changed."),
            (
                "5",
                "Done except for tools of the distribution that were not run and are named; with \
                   `--detailed-exitcode`.",
            ),
        ]);
    } else {
        all[0].1 = "Success.";
    }
    all.push(("130", "Interrupted by a signal; nothing is half-written."));
    terms(&all)
}

fn files(command: &Command) -> Vec<Term> {
    let plugins = [
        ("/etc/hoststate/plugins, /usr/lib/hoststate/plugins", "Plugins."),
        ("/etc/hoststate/plugins.lock", "Which plugins are trusted, and what they were then."),
    ];
    if command.get_name() == "hoststate" || has(command, "root") {
        let mut all = vec![
            (
                "/var/lib/hoststate/runs",
                "What each run changed, with the text of every file before and after.",
            ),
            ("/var/lib/hoststate/lock", "Held while a run changes the host."),
            ("/var/lib/hoststate/images.json", "What initramfs images hold, so that each is read only once."),
            ("/var/lib/hoststate/at-boot.json", "What is left for after the next boot."),
            ("/etc/modprobe.d/01-hoststate.conf", "Softdeps; the first line wins."),
            ("/etc/modprobe.d/zz-hoststate.conf", "Options and ids; the last line wins."),
            ("/etc/modules-load.d/hoststate.conf", "Modules that are loaded at boot."),
            ("/etc/udev/rules.d", "Rules that set functions and drivers after every boot."),
        ];
        all.extend(plugins);
        return terms(&all);
    }
    match command.get_name() {
        "completions" => terms(&[("/usr/share/bash-completion/completions", "Where bash looks for them.")]),
        "man" => terms(&[("/usr/share/man", "Where man(1) looks for pages.")]),
        "unpack" => terms(&[("examples/hosts", "Captured hosts, in the source.")]),
        _ => terms(&plugins),
    }
}

fn environment(command: &Command) -> Vec<Term> {
    let mut all = vec![
        ("NO_COLOR", "Not empty: no colour."),
        ("LC_ALL, LC_CTYPE, LANG", "Whether the terminal is UTF-8; otherwise only ASCII is written."),
    ];
    if command.get_name() == "hoststate" || has(command, "root") {
        all.extend([
            (
                "SUDO_UID, PKEXEC_UID",
                "Whose files root trusts besides its own: those of the user who became \
                                      root.",
            ),
            ("SUDO_USER, SSH_CONNECTION", "Who started a run, and from where, for `hoststate history`."),
            ("TZ", "The time zone of the times that are shown."),
        ]);
    }
    terms(&all)
}

/// Returns the examples of a command; of one that has commands, the first of each.
fn examples_of(command: &Command, words: &str) -> Vec<Example> {
    let below = |it: &Command| {
        let words = format!("{words} {}", it.get_name());
        examples_of(it, words.trim_start()).into_iter().next()
    };
    match command.has_subcommands() {
        true => command.get_subcommands().filter_map(below).collect(),
        false => examples::of(words).to_vec(),
    }
}
