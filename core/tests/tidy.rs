//! What every file of the workspace keeps to, and who may import whom inside the engine.

#![expect(clippy::disallowed_methods, reason = "this test reads the source of the workspace")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A file longer than this owns more than one thing.
const LONGEST: usize = 400;

/// Names that tell nothing about what a file owns.
const NAMELESS: [&str; 5] = ["utils.rs", "util.rs", "helpers.rs", "common.rs", "misc.rs"];

/// The wings of the engine, in their order: a wing imports only itself, those before it, and `error`. Why two of them
/// stand apart from where one would look for them is in docs/decisions.
const WINGS: [&str; 16] = [
    "formats",
    "machine",
    "mechanism",
    "language",
    "next_boot",
    "resources",
    "plan",
    "host",
    "record",
    "guards",
    "why",
    "trial",
    "verdict",
    "planner",
    "run",
    "plugins",
];

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("core lies in the workspace").to_owned()
}

/// Every Rust file of the workspace, by its path in it.
fn sources() -> BTreeMap<PathBuf, String> {
    let mut sources = BTreeMap::new();
    let mut directories = vec![workspace()];
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(&directory).expect("a directory can be read") {
            let path = entry.expect("an entry can be read").path();
            let name = path.file_name().expect("a name").to_str().expect("UTF-8").to_owned();
            if path.is_symlink() || name.starts_with('.') || name == "target" || name == "hosts" {
                continue;
            } else if path.is_dir() {
                directories.push(path);
            } else if name.ends_with(".rs") {
                let text = std::fs::read_to_string(&path).expect("source is text");
                sources.insert(path.strip_prefix(workspace()).expect("below the workspace").to_owned(), text);
            }
        }
    }
    assert!(sources.len() > 20, "the sources of the workspace were not found");
    sources
}

fn check(rule: &str, broken: impl Fn(&Path, &str) -> Option<String>) {
    let found: Vec<String> = sources()
        .iter()
        .filter_map(|(path, text)| Some(format!("{}: {}", path.display(), broken(path, text)?)))
        .collect();
    assert!(found.is_empty(), "{rule}:\n{}", found.join("\n"));
}

#[test]
fn every_file_says_in_its_first_line_what_it_owns() {
    check("the first line begins with `//! `", |_, text| {
        let first = text.lines().next().unwrap_or_default();
        (!first.starts_with("//! ") || first.len() < 16).then(|| first.to_owned())
    });
}

#[test]
fn no_file_is_longer_than_one_thing() {
    check("a file has at most 400 lines", |_, text| {
        let lines = text.lines().count();
        (lines > LONGEST).then(|| lines.to_string())
    });
}

#[test]
fn every_file_is_named_for_what_it_owns() {
    check("no file is named for its kind", |path, _| {
        let name = path.file_name()?.to_str()?;
        NAMELESS.contains(&name).then(|| name.to_owned())
    });
}

#[test]
fn lints_are_expected_with_a_reason_and_tests_are_never_left_out() {
    let forbidden = [concat!("#[", "allow("), concat!("#[", "ignore"), concat!("#[", "should_panic")];
    check("no `allow`, `ignore` or `should_panic`", |_, text| {
        forbidden.iter().find(|it| text.contains(**it)).map(|it| (*it).to_owned())
    });
}

#[test]
fn the_engine_reads_no_environment_variable() {
    check("core does not use std::env", |path, text| {
        let in_core = path.starts_with("core/src") || path.starts_with("core/abi/src");
        let uses = text.contains("env::var") || text.contains("std::env");
        (in_core && uses).then(|| "std::env".to_owned())
    });
}

#[test]
fn a_wing_of_the_engine_imports_only_wings_before_it() {
    check(
        "every module of the engine lies in a wing, which imports only the wings before it",
        |path, text| {
            let inside = path.strip_prefix("core/src").ok()?;
            let wing = inside.components().next()?.as_os_str().to_str()?;
            if ["lib.rs", "error.rs"].contains(&wing) {
                return None;
            }
            let place = |name: &str| WINGS.iter().position(|it| *it == name);
            let Some(own) = place(wing) else { return Some("lies in no wing".to_owned()) };
            if path.ends_with("tests.rs") {
                return None;
            }
            let mut used = text.match_indices("crate::").map(|(at, _)| {
                let rest = &text[at + "crate::".len()..];
                rest.split(|it: char| !it.is_ascii_alphanumeric() && it != '_').next().unwrap_or_default()
            });
            let is_wrong = |name: &str| name != "error" && place(name).is_none_or(|it| it > own);
            let wrong = used.find(|it| !it.is_empty() && is_wrong(it));
            wrong.map(|it| format!("imports `{it}`"))
        },
    );
}
