//! Tests of parameters and lines.

use expect_test::{Expect, expect};

use super::*;

mod edits;
mod hugepages;

fn check_split(text: &str, expect: Expect) {
    let cmdline = Cmdline::parse(text);
    assert_eq!(cmdline.to_string(), text);
    let show = |it: &Parameter| format!("{:?} {:?}\n", it.name(), it.value());
    let init: Vec<&str> = cmdline.init_parameters().map(Parameter::raw).collect();
    let kernel: String = cmdline.parameters().map(show).collect();
    expect.assert_eq(&format!("{kernel}init {init:?}\n"));
}

#[test]
fn parameters_are_split_as_the_kernel_splits_them() {
    check_split(
        "ro \"a b=c d\" a=\"b\"c d h=x\"y z\"w e= =f =g=h i=\"j k\"",
        expect![[r#"
            "ro" None
            "a b" Some("c d")
            "a" Some("b\"c")
            "d" None
            "h" Some("x\"y z\"w")
            "e" Some("")
            "=f" None
            "=g" Some("h")
            "i" Some("j k")
            init []
        "#]],
    );
}

#[test]
fn an_open_quote_swallows_the_rest() {
    check_split(
        "a b=\"c d -- e\n",
        expect![[r#"
        "a" None
        "b" Some("c d -- e\n")
        init []
    "#]],
    );
}

#[test]
fn two_dashes_end_the_kernels_part() {
    check_split(
        "\tquiet  splash\u{b}---  --\tsingle --\n",
        expect![[r#"
            "quiet" None
            "splash" None
            "---" None
            init ["single", "--"]
        "#]],
    );
}

#[test]
fn a_word_is_refused_when_it_is_not_exactly_one() {
    let inputs =
        ["", " ", "a b", "a=\"b c\" ", "a\n", "a=\"b\nc\"", "a\0b", "a=\"b", "--", "\"--\"", "ok=\"a b\""];
    let lines: String = inputs
        .iter()
        .map(|it| match Parameter::parse(it) {
            Ok(parameter) => format!("{it:?}: {parameter}\n"),
            Err(err) => format!("{it:?}: {err}\n"),
        })
        .collect();
    expect![[r#"
        "": a kernel parameter is empty
        " ": a kernel parameter has a blank outside double quotes
        "a b": a kernel parameter has a blank outside double quotes
        "a=\"b c\" ": a kernel parameter has a blank outside double quotes
        "a\n": a kernel parameter has a control character
        "a=\"b\nc\"": a kernel parameter has a control character
        "a\0b": a kernel parameter has a control character
        "a=\"b": a kernel parameter has an unterminated double quote
        "--": `--` is not a parameter: it ends the kernel's part of the line
        "\"--\"": `--` is not a parameter: it ends the kernel's part of the line
        "ok=\"a b\"": ok="a b"
    "#]]
    .assert_eq(&lines);
}

#[test]
fn names_fold_dashes_and_values_do_not() {
    let same = |a: &str, b: &str| Parameter::parse(a).unwrap().same(&Parameter::parse(b).unwrap());
    assert!(same("log-buf-len=1M", "log_buf_len=1M"));
    assert!(same("a=\"b c\"", "\"a=b c\""));
    assert!(!same("modprobe.blacklist=snd-hda-intel", "modprobe.blacklist=snd_hda_intel"));
    assert!(!same("foo", "foo="));
    assert!(!same("Foo", "foo"));
}

#[test]
fn plain_words_need_no_escaping_anywhere() {
    assert!(Parameter::parse("vfio-pci.ids=10de:0ffc,10de:0e1b").unwrap().is_plain());
    for raw in ["memmap=4G$4G", "a=\"b\"", "pci=x;y", "a&b", "a*", "it's", "a\\b", "ä"] {
        assert!(!Parameter::parse(raw).unwrap().is_plain(), "{raw}");
    }
}

#[test]
fn parameters_are_strings_to_serde_and_to_the_schema() {
    let edit: CmdlineEdit = serde_json::from_str(r#"{"present":["a=b"]}"#).unwrap();
    assert_eq!(serde_json::to_string(&edit).unwrap(), r#"{"present":["a=b"],"additional":[],"absent":[]}"#);
    let err = serde_json::from_str::<CmdlineEdit>(r#"{"present":["a b"]}"#).unwrap_err();
    assert!(err.to_string().contains("a blank outside double quotes"), "{err}");
    let schema = schemars::schema_for!(CmdlineEdit);
    assert_eq!(schema.pointer("/properties/present/items/type").unwrap(), "string");
}
