//! Help, manual pages and the reference of the language.
#![expect(clippy::disallowed_methods, reason = "the pages are looked for where the command wrote them")]

use std::collections::BTreeSet;

use expect_test::expect_file;

use crate::declarations::SOFTDEP;
use crate::support::Tree;

/// The commands, as they are typed.
const COMMANDS: [&str; 16] = [
    "plan",
    "converge",
    "verify",
    "status",
    "check",
    "inspect",
    "why",
    "rollback",
    "history",
    "unpack",
    "schema",
    "plugin list",
    "plugin test",
    "plugin trust",
    "completions",
    "man",
];

fn printed(words: &str) -> String {
    let answer = Tree::with(SOFTDEP).run(words);
    assert_eq!(answer.status, Some(0), "{words}: {answer}");
    answer.stdout
}

#[test]
fn the_help_of_each_command_has_examples_of_it() {
    for command in COMMANDS {
        let help = printed(&format!("{command} --help"));
        let (_, examples) = help.split_once("Examples:\n").unwrap_or_else(|| panic!("{command}: {help}"));
        let line = |it: &&str| it.contains(&format!("hoststate {command}"));
        assert!(examples.lines().any(|it| line(&it)), "{command}: {examples}");
        assert!(help.lines().all(|it| it.len() <= 120), "{command}: {help}");
    }
}

#[test]
fn every_example_is_a_command_line_that_is_understood() {
    let tree = Tree::with(SOFTDEP);
    for command in COMMANDS {
        let help = printed(&format!("{command} --help"));
        let examples = help.split_once("Examples:\n").expect("examples").1;
        for line in
            examples.lines().map(str::trim).filter(|it| it.contains("hoststate ") && !it.starts_with('#'))
        {
            let words = line.split([' ']).skip_while(|it| *it != "hoststate").skip(1);
            let words: Vec<&str> = words.take_while(|it| !["|", ">"].contains(it)).collect();
            // Behind `--help` nothing is done, and what stands before it has been read.
            let answer = tree.run(&format!("{} --help", words.join(" ")));
            assert_eq!(answer.status, Some(0), "{line}: {answer}");
        }
    }
}

#[test]
fn there_is_a_manual_page_for_each_command_and_every_page_that_is_named_is_there() {
    let tree = Tree::with(SOFTDEP);
    assert_eq!(tree.run("man --out pages").status, Some(0));
    let read = |section: &str| {
        let folder = std::fs::read_dir(tree.path(&format!("pages/man{section}"))).expect("a folder");
        let names = folder.map(|it| it.expect("a page").file_name().into_string().expect("UTF-8"));
        names.map(|it| it.trim_end_matches(&format!(".{section}")).to_owned()).collect::<BTreeSet<_>>()
    };
    let (commands, formats) = (read("1"), read("5"));
    let expected: BTreeSet<String> =
        COMMANDS.iter().map(|it| format!("hoststate-{}", it.replace(' ', "-"))).collect();
    let expected =
        expected.into_iter().chain(["hoststate".to_owned(), "hoststate-plugin".to_owned()]).collect();
    assert_eq!(commands, expected);
    assert_eq!(formats, BTreeSet::from(["hoststate.lua".to_owned()]));
    for page in &commands {
        let text = tree.read(&format!("pages/man1/{page}.1")).expect("a page");
        for section in
            ["NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "EXIT STATUS", "FILES", "ENVIRONMENT", "EXAMPLES"]
        {
            let heading = |it: &str| {
                it.trim_end() == format!(".SH {section}") || it.trim_end() == format!(".SH \"{section}\"")
            };
            assert!(text.lines().any(heading), "{page} has no {section}:\n{text}");
        }
        let plain = text.replace('\\', "");
        for word in plain.split([' ', ',', '\n']).filter(|it| it.starts_with("hoststate") && it.contains('('))
        {
            let (name, section) = word.split_once('(').expect("a section");
            let known = if section.starts_with('1') { &commands } else { &formats };
            assert!(known.contains(name), "{page} names {word}");
        }
    }
}

#[test]
fn a_page_is_named_by_its_command_or_by_itself() {
    let plan = printed("man plan");
    assert!(plan.contains(".TH HOSTSTATE-PLAN 1"), "{plan}");
    assert_eq!(printed("man hoststate-plan"), plan);
    assert!(printed("man plugin list").contains(".TH HOSTSTATE-PLUGIN-LIST 1"));
    assert!(printed("man").contains(".TH HOSTSTATE 1"));
    let language = printed("man hoststate.lua");
    assert!(language.contains(".TH HOSTSTATE.LUA 5") && language.contains("sriov_numvfs"), "{language}");
    let answer = Tree::with(SOFTDEP).run("man plans");
    assert!(answer.stderr.contains("there is no manual page \"plans\""), "{answer}");
}

/// `UPDATE_EXPECT=1` writes it.
#[test]
fn the_reference_of_the_language_is_what_the_program_prints() {
    expect_file!["../../../docs/playbook.md"].assert_eq(&printed("schema --reference"));
}

#[test]
fn help_is_a_command_too_and_shows_no_option_without_a_meaning() {
    assert_eq!(printed("help plan"), printed("plan --help"));
    for command in ["status", "inspect", "why", "history"] {
        let help = printed(&format!("{command} --help"));
        for option in ["--accept", "--activate", "--detailed-exitcode"] {
            assert!(!help.contains(option), "{command}: {help}");
        }
    }
    // What is shared by the commands that read a host is taken all the same.
    assert_eq!(Tree::with(SOFTDEP).run("inspect devices --root root --activate skip").status, Some(0));
}
