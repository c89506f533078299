//! Where a shell stops under `set -e`, and where nobody can tell.

use expect_test::expect;

use crate::formats::shell_assignments::*;

/// Reads files in their order; shows where the shell stops, or where it may.
fn course(files: &[&str], shell: Shell) -> String {
    let mut env = Environment::default();
    for file in files {
        ShellFile::parse(file).evaluate(&mut env, shell);
    }
    match (env.abort(), env.doubt()) {
        (Some(Abort { line, why, .. }), _) => format!("stops in line {line}: {why}"),
        (None, Some(Abort { line, why, .. })) => format!("may stop in line {line}: {why}"),
        (None, None) => "goes on".to_owned(),
    }
}

#[test]
fn the_status_of_each_command_tells_whether_the_shell_goes_on() {
    let mut shown = String::new();
    for files in [
        &["A=1\n\r\nB=2\n"][..],
        &["GRUB_A=quiet splash\n"],
        &["GRUB_A=quiet sed\n"],
        &["GRUB_A= \"$GRUB_B quiet\"\n"],
        &["A= \"$B quiet\"\n"],
        &["false || iommu=pt x.y\n"],
        &["x.y | cat\n:\n"],
        &["if x.y; then A=1; fi\n"],
        &["if true; then x.y; fi\n"],
        &["! true\n"],
        &["! true\nA=1\n"],
        &["false && A=2\n"],
        &["false && A=2\nB=1\n"],
        &["false &&\nA=2\n"],
        &["A=1 &&\n"],
        &["return\n", "x.y\n"],
        &["[ -e /x ] || return\n"],
        &["set +e\nx.y\n", "x.y\n"],
        &["set +e\n", "set -e\n", "x.y\n"],
        &["A=$(true)\n"],
        &["A=1 > /x\n"],
        &["A=1 > /dev/null 2>&1\n"],
        &["readonly A=1\n", "A=2\n"],
        &["readonly \"A=1 2\"\n"],
        &["f() { x.y; }\nA=1\n"],
        &["x.y &\n"],
    ] {
        let [dash, bash] = [Shell::Dash, Shell::Bash].map(|it| course(files, it));
        shown += &format!("{files:?}\n    {dash}\n");
        if bash != dash {
            shown += &format!("    bash {bash}\n");
        }
    }
    expect![[r#"
        ["A=1\n\r\nB=2\n"]
            stops in line 2: `\r` is no command
        ["GRUB_A=quiet splash\n"]
            stops in line 1: `splash` is no command
        ["GRUB_A=quiet sed\n"]
            stops in line 1: `sed` is no command
        ["GRUB_A= \"$GRUB_B quiet\"\n"]
            stops in line 1: `"$GRUB_B quiet"` is no command
        ["A= \"$B quiet\"\n"]
            stops in line 1: `"$B quiet"` is no command
        ["false || iommu=pt x.y\n"]
            may stop in line 1: `x.y` is no command
        ["x.y | cat\n:\n"]
            may stop in line 1: a command may fail here
        ["if x.y; then A=1; fi\n"]
            goes on
        ["if true; then x.y; fi\n"]
            may stop in line 1: `x.y` is no command
        ["! true\n"]
            may stop in line 1: the file ends with a command that may fail
        ["! true\nA=1\n"]
            goes on
        ["false && A=2\n"]
            may stop in line 1: the file ends with a command that may fail
        ["false && A=2\nB=1\n"]
            goes on
        ["false &&\nA=2\n"]
            may stop in line 1: the file ends with a command that may fail
        ["A=1 &&\n"]
            stops in line 2: a block, substitution or here-document is not closed
        ["return\n", "x.y\n"]
            stops in line 1: `x.y` is no command
        ["[ -e /x ] || return\n"]
            may stop in line 1: a command may fail here
        ["set +e\nx.y\n", "x.y\n"]
            goes on
        ["set +e\n", "set -e\n", "x.y\n"]
            stops in line 1: `x.y` is no command
        ["A=$(true)\n"]
            may stop in line 1: a command may fail here
        ["A=1 > /x\n"]
            may stop in line 1: a command may fail here
        ["A=1 > /dev/null 2>&1\n"]
            goes on
        ["readonly A=1\n", "A=2\n"]
            stops in line 1: `A` is read only
        ["readonly \"A=1 2\"\n"]
            may stop in line 1: a command may fail here
        ["f() { x.y; }\nA=1\n"]
            may stop in line 1: `x.y` is no command
        ["x.y &\n"]
            goes on
    "#]]
    .assert_eq(&shown);
}

#[test]
fn a_syntax_error_ends_bash_only_where_failures_do() {
    let files = ["set +e\n", "A=\"x\n"];
    assert_eq!(course(&files, Shell::Bash), "goes on");
    assert!(course(&files, Shell::Dash).starts_with("stops in line 1"));
    assert!(course(&files[1..], Shell::Bash).starts_with("stops in line 1"));
}

#[test]
fn what_was_an_array_is_not_exported_whatever_is_assigned_later() {
    let mut env = Environment::default();
    ShellFile::parse("A=(a b)\nA=c\nB=(a)\nunset B\nB=c\n").evaluate(&mut env, Shell::Bash);
    assert!(matches!(env.get("A"), Some(Value::Unknown { line: 2, .. })), "{:?}", env.get("A"));
    assert_eq!(env.get("B"), Some(&Value::Known("c".to_owned())));
}
