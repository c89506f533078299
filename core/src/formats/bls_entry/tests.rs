//! Tests of boot entries.

use expect_test::{Expect, expect};
use proptest::prelude::*;

use super::*;

fn check(text: &str, expect: Expect) {
    let entry = BlsEntry::parse(text);
    assert_eq!(entry.to_string(), text);
    let initrds: Vec<&str> = entry.initrd().collect();
    expect.assert_eq(&format!(
        "grub {:?}\nsystemd-boot {:?}\n{:?} {:?} {:?} {:?} {initrds:?}\n",
        entry.options(Reader::Grub),
        entry.options(Reader::SystemdBoot),
        entry.title(),
        entry.version(),
        entry.linux(),
        entry.id(),
    ));
}

fn check_set(text: &str, options: &str, expect: Expect) {
    let mut entry = BlsEntry::parse(text);
    entry.set_options(options);
    expect.assert_eq(&entry.to_string().replace('\r', "<CR>"));
}

#[test]
fn a_plain_entry_reads_the_same_to_both() {
    check(
        "title A (b) 9\nversion 5.14.0-1\nlinux /vmlinuz-5.14.0-1\ninitrd /a.img $tuned_initrd\n# c\n  options  root=x ro  \nid i\n",
        expect![[r#"
            grub Some("root=x ro  ")
            systemd-boot Some("root=x ro")
            Some("A (b) 9") Some("5.14.0-1") Some("/vmlinuz-5.14.0-1") Some("i") ["/a.img", "$tuned_initrd"]
        "#]],
    );
}

#[test]
fn a_blank_line_or_a_key_without_value_ends_the_file_for_grub() {
    check(
        "title a\n\noptions ro\n",
        expect![[r#"
        grub None
        systemd-boot Some("ro")
        Some("a") None None None []
    "#]],
    );
    check(
        "title a\nmachine-id\noptions ro\n",
        expect![[r#"
        grub None
        systemd-boot Some("ro")
        Some("a") None None None []
    "#]],
    );
    check(
        "title a\nmachine-id \noptions ro\n",
        expect![[r#"
        grub None
        systemd-boot Some("ro")
        Some("a") None None None []
    "#]],
    );
}

#[test]
fn grub_obeys_the_first_options_and_systemd_boot_all() {
    check(
        "options a\noptions b c\n",
        expect![[r#"
        grub Some("a")
        systemd-boot Some("a b c")
        None None None None []
    "#]],
    );
}

#[test]
fn a_tab_after_the_keyword_hides_the_options_from_grub() {
    check(
        "title\ta\noptions\troot=x quiet\n",
        expect![[r#"
        grub None
        systemd-boot Some("root=x quiet")
        Some("a") None None None []
    "#]],
    );
    check(
        "options\tquiet\n",
        expect![[r#"
        grub Some("quiet")
        systemd-boot Some("quiet")
        None None None None []
    "#]],
    );
}

#[test]
fn new_options_touch_nothing_else() {
    check_set(
        "title  a \n# c\noptions a\ninitrd\t/x\n\nid y",
        "b c",
        expect![[r#"
            title  a 
            # c
            options b c
            initrd	/x

            id y"#]],
    );
    check_set(
        "title a\noptions\ta b\nlinux /x",
        "a b",
        expect![[r#"
        title a
        options a b
        linux /x"#]],
    );
    check_set(
        "options a\ntitle a\noptions b\n",
        "a b",
        expect![[r#"
        options a b
        title a
    "#]],
    );
    check_set(
        "title a\n\n# c\noptions a\n",
        "a",
        expect![[r#"
        title a
        options a

        # c
    "#]],
    );
    check_set(
        "title a\noptions\nlinux /x\n",
        "a",
        expect![[r#"
        title a
        options a
        linux /x
    "#]],
    );
    check_set(
        "title a\r\nlinux /x\r\n\r\n",
        "a",
        expect![[r#"
            title a<CR>
            linux /x<CR>
            options a<CR>
            <CR>
        "#]],
    );
    check_set(
        "title a",
        "a",
        expect![[r#"
        title a
        options a
    "#]],
    );
    check_set(
        "title a\noptions a",
        "b",
        expect![[r#"
        title a
        options b"#]],
    );
    check_set(
        "title a\noptions   a b \n",
        "a b ",
        expect![[r#"
        title a
        options a b
    "#]],
    );
    check_set(
        "title a\noptions a\nlinux /x\n",
        " ",
        expect![[r#"
        title a
        linux /x
    "#]],
    );
    check_set(
        "",
        "root=x & | $tuned_params",
        expect![[r#"
        options root=x & | $tuned_params
    "#]],
    );
}

#[test]
fn variables_expand_as_in_grub() {
    let variables = BTreeMap::from([("kernelopts".to_owned(), "root=x ro".to_owned())]);
    let actual: Vec<String> = ["$kernelopts $tuned_params", "a$kernelopts,b $", "$kernelopts_x y"]
        .map(|it| expand(it, &variables))
        .into();
    expect![[r#"["root=x ro  ", "aroot=x ro ,b ", " y"]"#]].assert_eq(&format!("{actual:?}"));
}

proptest! {
    #[test]
    fn any_text_is_printed_as_it_was_read(text in "\\PC*|(options|title|[ \t\n\r#ab])*") {
        prop_assert_eq!(BlsEntry::parse(&text).to_string(), text);
    }

    #[test]
    fn set_options_are_read_by_everyone_and_stay(text in "(options|title|[ \t\n\r#ab])*", options in "[ab$=][ab $=]*[ab$=]") {
        let mut entry = BlsEntry::parse(&text);
        entry.set_options(&options);
        let once = entry.to_string();
        let mut again = BlsEntry::parse(&once);
        prop_assert_eq!(again.options(Reader::Grub), Some(options.clone()), "{:?}", once);
        prop_assert_eq!(again.options(Reader::SystemdBoot), Some(options.clone()), "{:?}", once);
        again.set_options(&options);
        prop_assert_eq!(again.to_string(), once.clone());
        let others = |text: &str| -> Vec<String> {
            let lines = text.lines().filter(|it| field(it).is_none_or(|it| it.0 != "options"));
            lines.map(|it| it.trim_end().to_owned()).collect()
        };
        prop_assert_eq!(others(&once), others(&text));
    }
}
