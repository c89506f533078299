//! Tests of reading and evaluating shell files.

use expect_test::{Expect, expect};

use super::*;

mod edits;
mod statuses;

fn show(env: &Environment) -> String {
    let names = ["GRUB_CMDLINE_LINUX", "GRUB_CMDLINE_LINUX_DEFAULT", "A", "B", "C", "D"];
    let mut lines = String::new();
    for name in names {
        match env.get(name) {
            None => {}
            Some(Value::Known(it)) => lines += &format!("{name} = {it:?}\n"),
            Some(Value::Unknown { line, why, .. }) => lines += &format!("{name}: line {line}: {why}\n"),
        }
    }
    if let Some(Abort { line, why, .. }) = env.abort() {
        lines += &format!("aborts in line {line}: {why}\n");
    }
    lines
}

fn check(text: &str, shell: Shell, expect: Expect) {
    let file = ShellFile::parse(text);
    assert_eq!(file.to_string(), text);
    let mut env = Environment::default();
    file.evaluate(&mut env, shell);
    expect.assert_eq(&show(&env));
}

#[test]
fn quotes_and_escapes_are_taken_off() {
    check(
        "A=\"a\\\"b \\$x \\y\"\nB=a\"b\"'c $d'\\ e # not f\nC='a\n#b'\nD=\"a \\\n  b\"\t \n",
        Shell::Dash,
        expect![[r#"
            A = "a\"b $x \\y"
            B = "abc $d e"
            C = "a\n#b"
            D = "a   b"
        "#]],
    );
    check(
        "A=x#y\nB= #y\nexport C=\"c d\" D=e",
        Shell::Dash,
        expect![[r#"
            A = "x#y"
            B = ""
            C = "c d"
            D = "e"
        "#]],
    );
    check(
        "A=1 B=2; C=$A$B; D=${C}x",
        Shell::Dash,
        expect![[r#"
        A = "1"
        B = "2"
        C = "12"
        D = "12x"
    "#]],
    );
}

#[test]
fn expansions_of_known_variables_are_known() {
    check(
        "GRUB_CMDLINE_LINUX_DEFAULT=\"quiet\"\nGRUB_CMDLINE_LINUX_DEFAULT=\"${GRUB_CMDLINE_LINUX_DEFAULT:+$GRUB_CMDLINE_LINUX_DEFAULT }\\$tuned_params\"\n",
        Shell::Dash,
        expect![[r#"
            GRUB_CMDLINE_LINUX_DEFAULT = "quiet $tuned_params"
        "#]],
    );
    check(
        "GRUB_CMDLINE_LINUX_DEFAULT=\"$GRUB_CMDLINE_LINUX_DEFAULT crashkernel=1\"\nA=${GRUB_X:-d e}\nB=${GRUB_X-'f'}\nC=x${GRUB_X+y}\nD=\"${A:+\"in\"}\"",
        Shell::Dash,
        expect![[r#"
            GRUB_CMDLINE_LINUX_DEFAULT = " crashkernel=1"
            A = "d e"
            B = "f"
            C = "x"
            D: line 5: its value holds quotes or escapes inside a quoted expansion
        "#]],
    );
}

#[test]
fn what_only_a_shell_can_tell_is_unknown() {
    check(
        "A=`echo \\`date\\` \"x`\nB=\"$(lsb_release -i 2> /dev/null || echo \"a)b\" # )\n)\"\nC=$HOME\nD=~/x\n",
        Shell::Dash,
        expect![[r#"
            A: line 1: its value holds a command substitution
            B: line 2: its value holds a command substitution
            C: line 4: `$HOME` is not set in the file
            D: line 5: its value holds a home directory
        "#]],
    );
    check(
        "A=$((1+(2)))\nB=${A#x}\nC=$1\nD=$'x'",
        Shell::Dash,
        expect![[r#"
            A: line 1: its value holds arithmetic
            B: line 2: its value holds an expansion other than `-`, `+`, `=` and `?`
            C: line 3: its value holds a parameter of the shell
            D: line 4: its value holds quoting that only bash knows
        "#]],
    );
    check(
        "A=$(case x in y) echo z;; esac)\nB=1\n. /etc/other\nC=$B\n",
        Shell::Dash,
        expect![[r#"
            GRUB_CMDLINE_LINUX: line 3: another file is read, or a command runs that may assign
            GRUB_CMDLINE_LINUX_DEFAULT: line 3: another file is read, or a command runs that may assign
            A: line 3: another file is read, or a command runs that may assign
            B: line 3: another file is read, or a command runs that may assign
            C: line 3: another file is read, or a command runs that may assign
            D: line 3: another file is read, or a command runs that may assign
        "#]],
    );
    check(
        ": \"${A:=x}\"\nread B\nunset C\nf() { D=1; }\nD=2",
        Shell::Dash,
        expect![[r#"
            A: line 1: assigned by `${name=word}`
            B: line 2: read while the file runs
            D = "2"
        "#]],
    );
    check(
        "f() { D=1; }\nD=2\nf\n",
        Shell::Dash,
        expect![[r#"
        GRUB_CMDLINE_LINUX: line 3: a function of the file is called
        GRUB_CMDLINE_LINUX_DEFAULT: line 3: a function of the file is called
        A: line 3: a function of the file is called
        B: line 3: a function of the file is called
        C: line 3: a function of the file is called
        D: line 3: a function of the file is called
    "#]],
    );
}

#[test]
fn what_only_bash_knows_aborts_dash() {
    let table = [
        (
            "A=1\nA+=2\nB=3\n",
            expect![[r#"
            "A=1\nA+=2\nB=3\n"
            dash:
            A = "1"
            aborts in line 2: dash does not know `+=` (on `A`)
            bash:
            A = "12"
            B = "3"
        "#]],
        ),
        (
            "A=1\nsource /etc/x\n",
            expect![[r#"
            "A=1\nsource /etc/x\n"
            dash:
            A = "1"
            aborts in line 2: dash does not know `source`
            bash:
            GRUB_CMDLINE_LINUX: line 2: another file is read, or a command runs that may assign
            GRUB_CMDLINE_LINUX_DEFAULT: line 2: another file is read, or a command runs that may assign
            A: line 2: another file is read, or a command runs that may assign
            B: line 2: another file is read, or a command runs that may assign
            C: line 2: another file is read, or a command runs that may assign
            D: line 2: another file is read, or a command runs that may assign
        "#]],
        ),
        (
            "A=(1 2)\n",
            expect![[r#"
            "A=(1 2)\n"
            dash:
            aborts in line 1: dash does not know the array `A`
            bash:
            A: line 1: an array
        "#]],
        ),
        (
            "A=1\nexport A+=2",
            expect![[r#"
            "A=1\nexport A+=2"
            dash:
            A = "1"
            aborts in line 2: dash does not know `+=` on `A`
            bash:
            A = "12"
        "#]],
        ),
        (
            "A=1\n[[ a ]] && A=2\nB=3",
            expect![[r#"
            "A=1\n[[ a ]] && A=2\nB=3"
            dash:
            A: line 2: it is assigned only under a condition
            B = "3"
            bash:
            A: line 2: it is assigned only under a condition
            B = "3"
        "#]],
        ),
        (
            "[[ $A == (x|y) ]]\nB=1",
            expect![[r#"
            "[[ $A == (x|y) ]]\nB=1"
            dash:
            aborts in line 1: dash does not know `[[`
            bash:
            B = "1"
        "#]],
        ),
    ];
    for (text, expect) in table {
        let show = |shell| {
            let mut env = Environment::default();
            ShellFile::parse(text).evaluate(&mut env, shell);
            show(&env)
        };
        let (dash, bash) = (show(Shell::Dash), show(Shell::Bash));
        expect.assert_eq(&format!("{text:?}\ndash:\n{dash}bash:\n{bash}"));
    }
}

#[test]
fn conditional_assignments_make_a_name_unknown() {
    check(
        "A=1\nif [ -e /x ]; then A=2; B=1; fi\nC=3\n",
        Shell::Dash,
        expect![[r#"
            A: line 2: it is assigned only under a condition
            B: line 2: it is assigned only under a condition
            C = "3"
        "#]],
    );
    check(
        "A=1\nif true; then A=1; fi\n",
        Shell::Dash,
        expect![[r#"
        A = "1"
    "#]],
    );
    check(
        "A=1\n[ -e /x ] && A=2\nB=1 && C=2 || D=3\n",
        Shell::Dash,
        expect![[r#"
            A: line 2: it is assigned only under a condition
            B = "1"
            C: line 3: it is assigned only under a condition
            D: line 3: it is assigned only under a condition
        "#]],
    );
    check(
        "for A in 1 2; do B=$A; done\ncase $A in\n (1|2) C=1 ;;\n *) D=2\nesac\n",
        Shell::Dash,
        expect![[r#"
            A: line 1: set by a loop
            B: line 1: set by a loop
            C: line 3: it is assigned only under a condition
            D: line 4: it is assigned only under a condition
        "#]],
    );
    check(
        "(A=1)\nB=2 | cat\nC=3 &\n{ D=4; }\n",
        Shell::Dash,
        expect![[r#"
            A: line 1: it is assigned only under a condition
            B: line 2: it is assigned only under a condition
            C: line 3: it is assigned only under a condition
            D: line 4: it is assigned only under a condition
        "#]],
    );
    check(
        "A=1\n[ -e /x ] || return\nA=2\nB=3\nexit\nC=1\n",
        Shell::Dash,
        expect![[r#"
            A: line 3: it is assigned only under a condition
            B: line 4: it is assigned only under a condition
            C: line 6: it is assigned only under a condition
        "#]],
    );
}

#[test]
fn assignments_before_a_command_do_not_persist() {
    check(
        "A=1 cmd\nB=1 2>/dev/null\nC=1 export D=2\n",
        Shell::Dash,
        expect![[r#"
            B = "1"
            C: line 3: assigned before a builtin, which shells treat differently
            D = "2"
        "#]],
    );
}

#[test]
fn here_documents_are_data() {
    check(
        "cat <<EOF; A=1\nB=2\nEOF\ncat <<-'X Y'\n\tC=3\n\tX Y\nD=4\n",
        Shell::Dash,
        expect![[r#"
            A = "1"
            D = "4"
        "#]],
    );
}

#[test]
fn what_is_no_shell_aborts() {
    check(
        "A=1\nB=\"x\n",
        Shell::Bash,
        expect![[r#"
        A = "1"
        aborts in line 2: a quote, brace or substitution is not closed, or nested too deeply
    "#]],
    );
    check(
        "A=1\nfi\nB=2\n",
        Shell::Bash,
        expect![[r#"
        A = "1"
        aborts in line 2: a reserved word outside its block
    "#]],
    );
    check(
        &"A=$(".repeat(1000),
        Shell::Dash,
        expect![[r#"
        aborts in line 1: a quote, brace or substitution is not closed, or nested too deeply
    "#]],
    );
}

#[test]
fn a_name_broken_over_two_lines_is_not_guessed() {
    check(
        "A=x\nB=$A\\\nC\nC=\"$A\\\n y\"\n",
        Shell::Dash,
        expect![[r#"
            A = "x"
            B: line 2: its value holds a name broken over two lines
            C: line 4: its value holds a name broken over two lines
        "#]],
    );
}

#[test]
fn variables_that_double_and_commands_without_end_meet_a_limit() {
    let abort = |text: &str| {
        let mut env = Environment::default();
        ShellFile::parse(text).evaluate(&mut env, Shell::Dash);
        env.abort().map(|it| (it.line, it.why.clone(), it.is_limit))
    };
    let doubled = format!("A=xxxxxxxxxxxxxxxx\n{}", "A=\"$A$A\"\n".repeat(40));
    assert_eq!(abort(&doubled), Some((19, "the variables expand to more than 4 MiB".to_owned(), true)));
    let many = |count: usize| (0..count).map(|it| format!("A{it}={it}\n")).collect::<String>();
    assert_eq!(abort(&many(10_000)), None);
    let why = "more than 10000 commands change variables".to_owned();
    assert_eq!(abort(&many(100_000)), Some((10_001, why, true)));
}
