//! Compares the boot-side formats with the real shells and GRUB tools.
//!
//! Needs dash, bash, grub-editenv and grub-script-check, and `HOSTSTATE_FIXTURES`: a directory with one
//! directory of real files per kind (`cmdline`, `default-grub`, `grub-cfg`, …).
//! Run it with `cargo test -p hoststate-testbeds --test boot_oracles`.
#![expect(clippy::disallowed_methods, reason = "runs the real tools on files of its own")]
#![expect(clippy::unwrap_used, reason = "a tool that cannot be run fails the comparison")]

use std::fs;
use std::process::Command;

use hoststate_core::formats::bls_entry::BlsEntry;
use hoststate_core::formats::grub_cfg::GrubCfg;
use hoststate_core::formats::grub_legacy::GrubLegacy;
use hoststate_core::formats::grubenv::{GrubEnv, InvalidName};
use hoststate_core::formats::kernel_cmdline::{Cmdline, CmdlineEdit, Parameter};
use hoststate_core::formats::shell_assignments::{Environment, Shell, ShellFile, Value};
use hoststate_testkit::real_files;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed, TestRunner};

const NAMES: [&str; 2] = ["GRUB_CMDLINE_LINUX", "GRUB_CMDLINE_LINUX_DEFAULT"];

fn check(cases: u32, strategy: impl Strategy<Value = String>, test: impl Fn(&str)) {
    // The same inputs on every machine: a disagreement is a bug to mend, not a matter of luck.
    let config =
        Config { failure_persistence: None, rng_seed: RngSeed::Fixed(1), ..Config::with_cases(cases) };
    let result = TestRunner::new(config).run(&strategy, |it| {
        test(&it);
        Ok(())
    });
    result.unwrap();
}

/// Returns what a real shell has in both variables after reading `text`, or the exit status with which it gives up.
fn sourced(shell: Shell, text: &str) -> Result<[String; 2], Option<i32>> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("grub");
    fs::write(&path, text).unwrap();
    let program = match shell {
        Shell::Dash => "/bin/dash",
        Shell::Bash => "/bin/bash",
    };
    let script =
        "set -e; . \"$1\"; printf '%s\\0%s\\0' \"$GRUB_CMDLINE_LINUX\" \"$GRUB_CMDLINE_LINUX_DEFAULT\"";
    let output = Command::new(program)
        .args(["-c", script, "x"])
        .arg(&path)
        .env_clear()
        .envs([("PATH", "/nonexistent"), ("LC_ALL", "C")])
        .output()
        .unwrap();
    if !output.status.success() {
        return Err(output.status.code());
    }
    let text = String::from_utf8(output.stdout).unwrap();
    // What the file itself prints would stand before the first value.
    let mut values = text.split_terminator('\0').map(str::to_owned);
    let first = values.next().unwrap();
    Ok([first, values.next().unwrap()])
}

/// Compares our reading with the shell's; returns how many values were known to us.
fn compare(text: &str, shell: Shell) -> usize {
    let mut env = Environment::default();
    ShellFile::parse(text).evaluate(&mut env, shell);
    let real = match sourced(shell, text) {
        Ok(real) => real,
        // The text names a command that does not exist here; whether one exists is not for the reader to know.
        Err(Some(127)) => return 0,
        Err(status) => {
            let unknown = |it: &&str| matches!(env.get(it), Some(Value::Unknown { .. }));
            let told = env.abort().or(env.doubt()).is_some() || NAMES.iter().any(unknown);
            assert!(told, "{shell:?} gives up with {status:?} on {text:?}");
            return 0;
        }
    };
    assert_eq!(env.abort(), None, "{shell:?} reads {text:?}");
    let mut known = 0;
    for (name, real) in NAMES.iter().zip(&real) {
        match env.get(name) {
            None => assert_eq!(real, "", "{name} in {shell:?} of {text:?}"),
            Some(Value::Known(ours)) => {
                assert_eq!(ours, real, "{name} in {shell:?} of {text:?}");
                known += 1;
            }
            Some(Value::Unknown { .. }) => {}
        }
    }
    known
}

/// Edits both variables and lets the shell say whether the words are there.
fn compare_edit(text: &str, shell: Shell) {
    let Ok(before) = sourced(shell, text) else {
        return;
    };
    let parse = |it: &str| Parameter::parse(it).unwrap();
    if text.contains("$$") {
        // The number of the process differs between two runs.
        return;
    }
    let edit = CmdlineEdit {
        present: vec![parse("intel_iommu=on"), parse("memmap=4G$4G"), parse("a=\"b 'c\\ `d`\"")],
        additional: vec![],
        absent: vec![parse("quiet")],
    };
    for (index, name) in NAMES.iter().enumerate() {
        let mut cmdline = Cmdline::parse(&before[index]);
        cmdline.edit(&edit);
        let wanted = cmdline.to_string();
        let mut file = ShellFile::parse(text);
        if file.set(name, &wanted).is_err() {
            continue;
        }
        let after = sourced(shell, &file.to_string()).unwrap_or_else(|err| panic!("{err:?}: {file}"));
        assert_eq!(after[index], wanted, "{file}");
        assert_eq!(after[1 - index], before[1 - index], "{file}");
        let mut env = Environment::default();
        file.evaluate(&mut env, shell);
        assert_eq!(env.get(name), Some(&Value::Known(wanted)), "{file}");
    }
}

#[test]
fn shells_agree_on_real_files() {
    let mut known = 0;
    for (_, text) in real_files::of("default-grub").into_iter().chain(real_files::of("default-grub-d")) {
        for shell in [Shell::Dash, Shell::Bash] {
            known += compare(&text, shell);
            compare_edit(&text, shell);
        }
    }
    assert!(known > 40, "only {known} values were known");
}

fn shell_text() -> impl Strategy<Value = String> {
    let piece = r#"[a-c=.]{1,4}|'[a-c $"\\]{0,5}'|"[a-c ']{0,5}"|\\["$ a\\']|"\\[$"\\`a]"|"?\$GRUB_X"?|\$\{GRUB_CMDLINE_LINUX:[+-]x y\}|"\$\{GRUB_X[+-]y \$GRUB_Y\}"|"\\\n "|\\\n|#"#;
    let name = "(GRUB_CMDLINE_LINUX(_DEFAULT)?|GRUB_X|GRUB_Y)";
    let rare = r"if :; then |fi|\{ |\}; |: && |false \|\| |export |unset GRUB_X; |: ";
    let line = format!(
        r"(({rare})?[ \t]{{0,2}}{name}\+?=({piece}){{0,4}}( # c'|;| +)?)|(fi|\}}|: x|#'x|unset GRUB_X|)"
    );
    let plain = format!(r"((export )?{name}=({piece}){{0,4}}( # c'|;| +)?)|(#'x|)");
    let lines = |line: &str| {
        let line = proptest::string::string_regex(line).unwrap();
        proptest::collection::vec(line, 1..6).prop_map(|it| it.join("\n"))
    };
    prop_oneof![lines(&plain), lines(&line)]
}

#[test]
fn dash_agrees_on_generated_files() {
    check(400, shell_text(), |it| {
        compare(it, Shell::Dash);
    });
    check(200, shell_text(), |it| compare_edit(it, Shell::Dash));
}

#[test]
fn bash_agrees_on_generated_files() {
    check(300, shell_text(), |it| {
        compare(it, Shell::Bash);
    });
    check(100, shell_text(), |it| compare_edit(it, Shell::Bash));
}

/// Returns what `grub-editenv list` prints; `None` if it refuses the file.
fn editenv(text: &str) -> Option<String> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("grubenv");
    fs::write(&path, text).unwrap();
    let output = Command::new("grub-editenv").arg(&path).arg("list").output().unwrap();
    output.status.success().then(|| String::from_utf8(output.stdout).unwrap())
}

fn compare_editenv(text: &str) {
    let env = GrubEnv::parse(text);
    let ours = |env: &GrubEnv| -> String {
        env.variables().map(|(name, value)| format!("{name}={value}\n")).collect()
    };
    if let Some(real) = editenv(text) {
        assert_eq!(ours(&env), real, "{text:?}");
    }
    let mut env = env;
    let set: Result<(), InvalidName> = env.set("kernelopts", "root=x a\\b\n c#d");
    set.unwrap();
    let block = env.to_block().unwrap();
    assert_eq!(editenv(&block), Some(ours(&env)), "{text:?}");
}

#[test]
fn grub_editenv_agrees() {
    for (_, text) in real_files::of("grubenv") {
        assert!(editenv(&text).is_some());
        compare_editenv(&text);
    }
    let text = "([ab]{1,2}=[xy=# \\\\]{0,4}\n|#[x=]*\n|\n|a\n){0,6}#{0,9}";
    let text = proptest::string::string_regex(text).unwrap();
    let padded = text.prop_map(|it| format!("{:#<1024}", format!("# GRUB Environment Block\n{it}")));
    check(300, padded, compare_editenv);
}

#[test]
fn grub_script_check_agrees_on_quoting() {
    for (path, text) in real_files::of("grub-cfg") {
        let output = Command::new("grub-script-check").arg(&path).output().unwrap();
        let cfg = GrubCfg::parse(&text);
        if output.status.success() {
            assert_eq!(cfg.broken_line, None, "{}", path.display());
        }
        let commands = ["linux", "linux16", "linuxefi"];
        let first = |it: &&str| it.split_whitespace().next().is_some_and(|it| commands.contains(&it));
        let plain = text.lines().filter(first).count();
        assert_eq!(cfg.entries.len(), plain, "{}", path.display());
    }
}

/// Reads a text and prints it.
type Print = fn(&str) -> String;

#[test]
fn every_real_file_is_printed_as_it_was_read() {
    let kinds: [(&[&str], Print); 6] = [
        (&["cmdline", "cmdline-kmod", "kernel-cmdline-file"], |it| Cmdline::parse(it).to_string()),
        (&["default-grub", "default-grub-d", "sysconfig"], |it| ShellFile::parse(it).to_string()),
        (&["grub-cfg"], |it| GrubCfg::parse(it).to_string()),
        (&["grub-legacy", "grub-legacy-golden"], |it| GrubLegacy::parse(it).to_string()),
        (&["grubenv"], |it| GrubEnv::parse(it).to_block().unwrap()),
        (&["bls"], |it| BlsEntry::parse(it).to_string()),
    ];
    for (kinds, print) in kinds {
        for (path, text) in kinds.iter().flat_map(|it| real_files::of(it)) {
            assert_eq!(print(&text), text, "{}", path.display());
        }
    }
}

/// The kernel's tokenizer as a state machine over bytes, written for this comparison.
fn kernel_words(line: &str) -> Vec<(String, Option<String>)> {
    let bytes = line.as_bytes();
    let blank = |it: u8| matches!(it, b' ' | b'\t'..=b'\r');
    let (mut words, mut at) = (Vec::new(), 0);
    loop {
        while at < bytes.len() && blank(bytes[at]) {
            at += 1;
        }
        if at == bytes.len() {
            return words;
        }
        let quoted = bytes[at] == b'"';
        at += usize::from(quoted);
        let (start, mut inside, mut equals) = (at, quoted, 0);
        while at < bytes.len() && (inside || !blank(bytes[at])) {
            if equals == 0 && bytes[at] == b'=' {
                equals = at - start;
            }
            inside ^= bytes[at] == b'"';
            at += 1;
        }
        // Quotes are removed by overwriting them with the end of the string.
        let mut word: Vec<u8> = bytes[start..at].to_vec();
        word.push(0);
        let last = at - start;
        let string = |from: usize, word: &[u8]| {
            let end = word[from..].iter().position(|it| *it == 0).unwrap();
            String::from_utf8(word[from..from + end].to_vec()).unwrap()
        };
        let mut value_at = None;
        if equals > 0 {
            word[equals] = 0;
            let mut value = equals + 1;
            if word[value] == b'"' {
                value += 1;
                if word[last - 1] == b'"' {
                    word[last - 1] = 0;
                }
            }
            value_at = Some(value);
        }
        if quoted && last > 0 && word[last - 1] == b'"' {
            word[last - 1] = 0;
        }
        words.push((string(0, &word), value_at.map(|it| string(it, &word))));
    }
}

#[test]
fn words_are_those_of_the_kernels_rules() {
    let compare = |text: &str| {
        let cmdline = Cmdline::parse(text);
        let mut real = kernel_words(text).into_iter();
        let ours = |it: &Parameter| (it.name().to_owned(), it.value().map(str::to_owned));
        let dashes = ("--".to_owned(), None);
        let kernel: Vec<_> = real.by_ref().take_while(|it| *it != dashes).collect();
        assert_eq!(cmdline.parameters().map(ours).collect::<Vec<_>>(), kernel, "{text:?}");
        assert_eq!(
            cmdline.init_parameters().map(ours).collect::<Vec<_>>(),
            real.collect::<Vec<_>>(),
            "{text:?}"
        );
    };
    for (_, text) in real_files::of("cmdline").into_iter().chain(real_files::of("cmdline-kmod")) {
        compare(&text);
    }
    let text = proptest::string::string_regex("[ab=\" \t\n.-]{0,24}").unwrap();
    check(20000, text, compare);
}
