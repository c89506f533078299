//! How lines are joined and read.

use std::fmt::Write;

use expect_test::{Expect, expect};
use proptest::prelude::*;

use super::super::{Directive, ModprobeConf, ModuleName, params};

fn check(text: &str, expect: Expect) {
    let conf = ModprobeConf::parse(text);
    assert_eq!(conf.to_string(), text);
    let mut shown = String::new();
    for (line, directive) in conf.directives() {
        match directive {
            Directive::Bad { reason } => writeln!(shown, "{line}: bad: {reason}"),
            Directive::Softdep { module, softdep } => {
                writeln!(shown, "{line}: softdep {module} {:?} {:?}", softdep.pre, softdep.post)
            }
            other => writeln!(shown, "{line}: {other:?}"),
        }
        .unwrap();
    }
    expect.assert_eq(&shown);
}

#[test]
fn lines_end_in_a_backslash_are_joined_even_in_comments() {
    check(
        "# secret \\\nblacklist swallowed\nblacklist a\\\nb\noptions x\\ y a=1\\\n b=2\n",
        expect![[r#"
            3: Blacklist { module: "ab" }
            5: Options { module: "x", text: "y a=1 b=2" }
        "#]],
    );
}

#[test]
fn comments_start_in_the_very_first_byte_only() {
    check(
        "# whole\n #indented\noptions vfio-pci ids=1:2 #GPU\n",
        expect![[r#"
            2: bad: unknown command
            3: Options { module: "vfio_pci", text: "ids=1:2 #GPU" }
        "#]],
    );
}

#[test]
fn a_blacklist_line_has_one_name_and_keeps_a_carriage_return() {
    check(
        "blacklist a b\nblacklist foo\r\nblacklist\nblacklist a]\nblacklist a[-]b-c\n",
        expect![[r#"
            1: Blacklist { module: "a" }
            2: Blacklist { module: "foo\r" }
            3: bad: module name missing
            4: bad: unbalanced bracket in the module name
            5: Blacklist { module: "a[-]b_c" }
        "#]],
    );
}

#[test]
fn softdeps_need_blanks_around_their_words() {
    check(
        "softdep a pre: x y post: z\nsoftdep b pre:x\nsoftdep c pre: a,b\nsoftdep d  pre: x\nsoftdep e   pre: x\nsoftdep f x pre: y\t\nsoftdep g \nsoftdep h post: z\r\n",
        expect![[r#"
            1: softdep a ["x", "y"] ["z"]
            2: softdep b [] []
            3: softdep c ["a,b"] []
            4: softdep d [] []
            5: softdep e ["x"] []
            6: softdep f ["y"] []
            7: bad: modules missing
            8: softdep h [] ["z"]
        "#]],
    );
}

#[test]
fn other_commands_keep_their_text() {
    check(
        "alias pci:v1-* foo-bar\ninstall x  /bin/true --x\nremove y z\nweakdep a b\ninclude /x\noptions foo \toptions\n",
        expect![[r#"
            1: Alias { pattern: "pci:v1_*", module: "foo_bar" }
            2: Install { module: "x", command: " /bin/true --x" }
            3: Remove { module: "y", command: "z" }
            4: Weakdep { module: "a", text: "b" }
            5: bad: command no longer supported
            6: Options { module: "foo", text: " options" }
        "#]],
    );
}

fn check_params(text: &str, expect: Expect) {
    expect.assert_eq(&format!("{:?}", params(text)));
}

#[test]
fn parameters_are_split_with_the_quoting_of_the_kernel() {
    check_params("a=1  b c=", expect![[r#"[("a", Some("1")), ("b", None), ("c", Some(""))]"#]]);
    check_params(
        r#"a="b c" "d=e f" g=x"y z"w"#,
        expect![[r#"[("a", Some("b c")), ("d", Some("e f")), ("g", Some("x\"y z\"w"))]"#]],
    );
    check_params(r#"a="b"c d"#, expect![[r#"[("a", Some("b\"c")), ("d", None)]"#]]);
    check_params(r#""a b=c d" "x" a="#, expect![[r#"[("a b", Some("c d")), ("x", None), ("a", Some(""))]"#]]);
    check_params(r#"a="b c d=1"#, expect![[r#"[("a", Some("b c d=1"))]"#]]);
    check_params(r#"=a=b x -- y"#, expect![[r#"[("=a", Some("b")), ("x", None)]"#]]);
}

#[test]
fn names_fold_and_are_checked() {
    assert_eq!(ModuleName::parse("snd-hda-intel"), ModuleName::parse("snd_hda_intel"));
    let long = "x".repeat(56);
    for wrong in ["", "a b", "a,b", "a/b", "ä", long.as_str()] {
        assert!(ModuleName::parse(wrong).is_err(), "{wrong}");
    }
}

proptest! {
    #[test]
    fn every_file_is_kept_byte_for_byte(text in any::<String>(), lines in "([a-z# \\\\\n\t:\"=-]|pre: |options |softdep ){0,60}") {
        for text in [text, lines] {
            let conf = ModprobeConf::parse(&text);
            prop_assert_eq!(conf.to_string(), text);
            for (_, directive) in conf.directives() {
                if let Directive::Options { text, .. } = directive {
                    params(&text);
                }
            }
        }
    }
}
