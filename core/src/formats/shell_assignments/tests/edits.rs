//! Tests of editing shell files, and properties of any text.

use expect_test::{Expect, expect};
use proptest::prelude::*;

use super::show;
use crate::formats::shell_assignments::*;

fn check_set(text: &str, name: &str, value: &str, expect: Expect) {
    let mut file = ShellFile::parse(text);
    let result = match file.set(name, value) {
        Ok(()) => file.to_string(),
        Err(err) => {
            assert_eq!(file.to_string(), text);
            err.to_string()
        }
    };
    expect.assert_eq(&result);
}

#[test]
fn assignments_are_listed_with_their_kind() {
    let text = "#A=0\nA=1\nif x; then\n A+=\"$B\"\nfi\nexport AB='2'\n";
    let file = ShellFile::parse(text);
    let lines: String = file
        .assignments()
        .map(|it| {
            let Assignment { name, line, append, literal, conditional } = it;
            format!("{line} {name} append={append} {literal:?} conditional={conditional}\n")
        })
        .collect();
    expect![[r#"
        2 A append=false Some("1") conditional=false
        4 A append=true None conditional=true
        6 AB append=false Some("2") conditional=false
    "#]]
    .assert_eq(&lines);
}

#[test]
fn an_edit_keeps_quotes_comments_and_spacing() {
    let name = "GRUB_CMDLINE_LINUX";
    check_set(
        "GRUB_CMDLINE_LINUX=\"a\"  # why\n",
        name,
        "a b",
        expect![[r#"
            GRUB_CMDLINE_LINUX="a b"  # why
        "#]],
    );
    check_set("GRUB_CMDLINE_LINUX='a' ; X=1", name, "a $b", expect!["GRUB_CMDLINE_LINUX='a $b' ; X=1"]);
    check_set("GRUB_CMDLINE_LINUX='a'", name, "it's", expect![[r#"GRUB_CMDLINE_LINUX="it's""#]]);
    check_set("  export GRUB_CMDLINE_LINUX=a", name, "b=c", expect!["  export GRUB_CMDLINE_LINUX=b=c"]);
    check_set(
        "GRUB_CMDLINE_LINUX=a\n",
        name,
        "a b",
        expect![[r#"
        GRUB_CMDLINE_LINUX="a b"
    "#]],
    );
    check_set(
        "GRUB_CMDLINE_LINUX=a\"b\"'c'\n",
        name,
        "d",
        expect![[r#"
        GRUB_CMDLINE_LINUX="d"
    "#]],
    );
    check_set(
        "GRUB_CMDLINE_LINUX=\n",
        name,
        "a",
        expect![[r#"
        GRUB_CMDLINE_LINUX="a"
    "#]],
    );
    check_set(
        "GRUB_CMDLINE_LINUX=\"a \\\n b\"\n",
        name,
        "a  b",
        expect![[r#"
            GRUB_CMDLINE_LINUX="a \
             b"
        "#]],
    );
    check_set(
        "GRUB_CMDLINE_LINUX=\"x\"\nGRUB_CMDLINE_LINUX=\"y\"\n",
        name,
        "z",
        expect![[r#"
            GRUB_CMDLINE_LINUX="x"
            GRUB_CMDLINE_LINUX="z"
        "#]],
    );
}

#[test]
fn a_new_line_is_not_joined_to_the_last() {
    check_set(
        "B=1 \\\n",
        "A",
        "x",
        expect![[r#"
        B=1 \

        A="x"
    "#]],
    );
}

#[test]
fn names_that_only_begin_alike_are_others() {
    let text = "GRUB_CMDLINE_LINUX_DEFAULT=\"d\"\n#GRUB_CMDLINE_LINUX=\"c\"\nMY_GRUB_CMDLINE_LINUX=m";
    check_set(
        text,
        "GRUB_CMDLINE_LINUX",
        "memmap=4G\\$4G",
        expect![[r#"
        GRUB_CMDLINE_LINUX_DEFAULT="d"
        #GRUB_CMDLINE_LINUX="c"
        MY_GRUB_CMDLINE_LINUX=m
        GRUB_CMDLINE_LINUX="memmap=4G\\\$4G"
    "#]],
    );
}

#[test]
fn what_is_not_a_plain_literal_is_not_edited() {
    for (text, why) in [
        ("A=\"$B\"\n", expect!["line 1: the value of `A` has expansions"]),
        ("A=1\nA+=2\n", expect!["line 2: `A` is extended with `+=`"]),
        ("A=1\nif x; then A=2; fi\n", expect!["line 2: `A` is changed only under a condition"]),
        ("A=1\nB='\n", expect!["line 2: a quote, brace or substitution is not closed, or nested too deeply"]),
        (
            "A=1\n. /etc/x\n",
            expect![
                "line 2: `A` may be changed here: another file is read, or a command runs that may assign"
            ],
        ),
        ("exit\nA=1\n", expect!["line 1: the file may end before the assignment"]),
        ("A=1\nunset A\n", expect!["line 2: `A` is changed by a command"]),
        ("B=1\\", expect!["line 1: the last line is continued"]),
        ("exit 0\n", expect!["line 1: the file may end here"]),
    ] {
        check_set(text, "A", "new", why);
    }
}

#[test]
fn a_drop_in_extends_what_is_set_before_it() {
    let mut file = ShellFile::parse("# ours");
    file.append_expanding("GRUB_CMDLINE_LINUX_DEFAULT", "a=\"b $c\"").unwrap();
    expect![[r##"
        # ours
        GRUB_CMDLINE_LINUX_DEFAULT="$GRUB_CMDLINE_LINUX_DEFAULT a=\"b \$c\""
    "##]]
    .assert_eq(&file.to_string());
    let mut env = Environment::default();
    env.define("GRUB_CMDLINE_LINUX_DEFAULT", "quiet");
    file.evaluate(&mut env, Shell::Dash);
    expect![[r#"
        GRUB_CMDLINE_LINUX_DEFAULT = "quiet a=\"b $c\""
    "#]]
    .assert_eq(&show(&env));
}

proptest! {
    #[test]
    fn any_text_is_printed_as_it_was_read(text in "\\PC*|[AB=\"'`$(){}\\\\ \n#;&|<xif-]*") {
        let file = ShellFile::parse(&text);
        let mut env = Environment::default();
        file.evaluate(&mut env, Shell::Dash);
        file.evaluate(&mut Environment::default(), Shell::Bash);
        prop_assert_eq!(file.to_string(), text);
    }

    #[test]
    fn an_edited_value_is_read_back(
        text in "([AB]=([xy]|'[xy$ ]*'|\"[xy ]*\")*[\n;]|#[xA=]*\n| )*",
        value in "[xy'\"\\\\$` \n!#é]*",
    ) {
        let mut file = ShellFile::parse(&text);
        file.set("A", &value).unwrap();
        let mut env = Environment::default();
        file.evaluate(&mut env, Shell::Dash);
        prop_assert_eq!(env.get("A"), Some(&Value::Known(value.clone())));
        let once = file.to_string();
        file.set("A", &value).unwrap();
        prop_assert_eq!(file.to_string(), once);
    }
}
