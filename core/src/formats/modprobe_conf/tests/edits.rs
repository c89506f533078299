//! Edits: what they change, and what they leave.

use expect_test::{Expect, expect};
use proptest::prelude::*;

use super::super::{ModprobeConf, ModuleName};

fn name(text: &str) -> ModuleName {
    ModuleName::parse(text).unwrap()
}

fn check(before: &str, edit: impl Fn(&mut ModprobeConf), expect: Expect) {
    let mut conf = ModprobeConf::parse(before);
    edit(&mut conf);
    let once = conf.to_string();
    expect.assert_eq(&once);
    edit(&mut conf);
    assert_eq!(conf.to_string(), once);
}

fn softdep(conf: &mut ModprobeConf) {
    conf.set_softdep(&name("nouveau"), &[name("vfio-pci")], &[]);
}

fn ids(conf: &mut ModprobeConf) {
    conf.set_option(&name("vfio-pci"), "ids", "10de:0ffc").unwrap();
}

#[test]
fn a_softdep_edits_the_line_of_its_module() {
    check(
        "# GPU\nsoftdep nouveau pre: drm post: x # y\nblacklist z",
        softdep,
        expect![[r#"
            # GPU
            softdep nouveau pre: vfio-pci
            blacklist z"#]],
    );
    check(
        "softdep nouveau pre: vfio-pci   # kept as it is right\n",
        |conf| conf.set_softdep(&name("nouveau"), &["vfio-pci", "x"].map(name), &[]),
        expect![[r#"
            softdep nouveau pre: vfio-pci x
        "#]],
    );
    check(
        "softdep nouveau pre:  vfio-pci\n",
        softdep,
        expect![[r#"
        softdep nouveau pre:  vfio-pci
    "#]],
    );
    check(
        "softdep \\\n nouveau \\\n  pre: drm\nx",
        softdep,
        expect![[r#"
            softdep \
             nouveau \
            pre: vfio-pci
            x"#]],
    );
}

#[test]
fn a_softdep_goes_before_a_pattern_that_would_win() {
    check(
        "softdep nou* pre: drm\nsoftdep nouveau pre: x\n",
        softdep,
        expect![[r#"
            softdep nouveau pre: vfio-pci
            softdep nou* pre: drm
            softdep nouveau pre: x
        "#]],
    );
}

#[test]
fn a_softdep_of_nothing_is_still_a_line() {
    check("", |conf| conf.set_softdep(&name("a"), &[], &[]), expect!["softdep a pre:\n"]);
    check("", |conf| conf.set_softdep(&name("a"), &[], &[name("b")]), expect!["softdep a post: b\n"]);
}

#[test]
fn an_added_line_is_really_a_line() {
    check(
        "",
        softdep,
        expect![[r#"
        softdep nouveau pre: vfio-pci
    "#]],
    );
    check(
        "blacklist x",
        softdep,
        expect![[r#"
        blacklist x
        softdep nouveau pre: vfio-pci
    "#]],
    );
    check(
        "blacklist x\\\n",
        softdep,
        expect![[r#"
        blacklist x\

        softdep nouveau pre: vfio-pci
    "#]],
    );
    check(
        "blacklist x\\",
        softdep,
        expect![[r#"
        blacklist x\

        softdep nouveau pre: vfio-pci
    "#]],
    );
    check(
        "blacklist x\\\\",
        softdep,
        expect![[r#"
        blacklist x\\
        softdep nouveau pre: vfio-pci
    "#]],
    );
}

#[test]
fn an_option_edits_the_last_occurrence_of_its_parameter() {
    check(
        "options vfio-pci ids=1:2 disable_vga=1\noptions vfio_pci x=1 ids=3:4 y=2\n",
        ids,
        expect![[r#"
        options vfio-pci ids=1:2 disable_vga=1
        options vfio_pci x=1 ids=10de:0ffc y=2
    "#]],
    );
    check(
        "options vfio-pci ids=10de:0ffc\noptions vfio-pci x\n",
        ids,
        expect![[r#"
        options vfio-pci ids=10de:0ffc
        options vfio-pci x
    "#]],
    );
    check(
        "options vfio-pci \\\n  ids=1:2,\\\n3:4 \\\n  x=1",
        ids,
        expect![[r#"
        options vfio-pci \
          ids=10de:0ffc \
          x=1"#]],
    );
    check(
        "options vfio-pci disable-vga=0",
        |conf| conf.set_option(&name("vfio-pci"), "disable_vga", "1").unwrap(),
        expect!["options vfio-pci disable_vga=1"],
    );
    check(
        "#ids",
        ids,
        expect![[r#"
        #ids
        options vfio-pci ids=10de:0ffc
    "#]],
    );
}

#[test]
fn values_are_quoted_escaped_or_refused() {
    check(
        "",
        |conf| conf.set_option(&name("m"), "p", "a \\b").unwrap(),
        expect![[r#"
        options m p="a \\b"
    "#]],
    );
    let mut conf = ModprobeConf::default();
    let errors = [
        conf.set_option(&name("m"), "p", "a\"b"),
        conf.set_option(&name("m"), "p q", "a"),
        conf.set_option(&name("m"), "p", "a\nb"),
        conf.set_install(&name("m"), ""),
    ];
    let texts: Vec<String> = errors.into_iter().map(|outcome| outcome.unwrap_err().to_string()).collect();
    expect![[r#"
        the value "a\"b" of `p` cannot be passed to a module: it holds a quote or a control character
        `p q` is not a module parameter, expected letters, digits, `_`, `-` or `.`
        the value "a\nb" of `p` cannot be passed to a module: it holds a quote or a control character
        the command "" cannot be written to modprobe.d: it is empty or holds a line break"#]]
    .assert_eq(&texts.join("\n"));
    assert_eq!(conf.to_string(), "");
}

#[test]
fn blacklists_and_install_lines_are_added_once() {
    check(
        "blacklist snd-hda-intel",
        |conf| conf.add_blacklist(&name("snd_hda_intel")),
        expect!["blacklist snd-hda-intel"],
    );
    check("", |conf| conf.add_blacklist(&name("nouveau")), expect!["blacklist nouveau\n"]);
    check(
        "install x  /bin/true\ninstall x no\n",
        |conf| conf.set_install(&name("x"), "/bin/false").unwrap(),
        expect![[r#"
        install x /bin/false
        install x no
    "#]],
    );
}

proptest! {
    #[test]
    fn an_edit_takes_effect_and_is_idempotent(
        text in "(softdep |options |install |blacklist |m |m\\* |n |p=1 |\"|pre: |post: |#|\\\\|\n| |\r|=){0,40}",
        value in "[a-z0-9:, \\\\=-]{0,8}",
    ) {
        let (m, n) = (name("m"), name("n"));
        let mut conf = ModprobeConf::parse(&text);
        let edit = |conf: &mut ModprobeConf| {
            conf.set_softdep(&m, std::slice::from_ref(&n), &[]);
            conf.set_option(&m, "p", &value).unwrap();
            conf.add_blacklist(&m);
            conf.set_install(&m, &format!("x{value}")).unwrap();
        };
        edit(&mut conf);
        let softdep = conf.softdep(&m).unwrap();
        prop_assert_eq!((&softdep.pre, &softdep.post), (&vec!["n".to_owned()], &vec![]));
        let given: Vec<_> = conf.options(&m).iter().flat_map(|line| line.params()).filter(|(name, _)| *name == "p").collect();
        prop_assert_eq!(given.last().unwrap().1, Some(value.as_str()));
        prop_assert!(conf.blacklisted(&m).is_some());
        prop_assert_eq!(&conf.install(&m).unwrap().command, &format!("x{value}"));
        let once = conf.to_string();
        edit(&mut conf);
        prop_assert_eq!(conf.to_string(), once);
    }
}
