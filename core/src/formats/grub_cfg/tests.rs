//! Tests of reading grub.cfg.

use expect_test::{Expect, expect};
use proptest::prelude::*;

use super::*;

fn check(text: &str, expect: Expect) {
    let cfg = GrubCfg::parse(text);
    assert_eq!(cfg.to_string(), text);
    let mut lines = String::new();
    for it in &cfg.entries {
        lines += &format!("line {} {:?} id {:?} in {:?}\n", it.line, it.title, it.id, it.submenu);
        lines += &format!("  {} {} |{}|\n", it.linux, it.kernel, it.cmdline);
        lines +=
            &format!("  initrd {:?} recovery {} unresolved {:?}\n", it.initrds, it.recovery, it.unresolved);
    }
    for it in cfg.sets.iter().filter(|it| it.conditional) {
        lines += &format!("line {} perhaps {}={}\n", it.line, it.name, it.value);
    }
    let GrubCfg { blscfg, stub_target, broken_line, .. } = &cfg;
    expect.assert_eq(&format!("{lines}blscfg {blscfg} stub {stub_target:?} broken {broken_line:?}\n"));
}

#[test]
fn entries_are_found_with_their_submenus_and_ids() {
    check(
        "set default=\"0\"\nfunction gfxmode {\n\tset gfxpayload=\"${1}\"\n}\nmenuentry 'U' --class u $menuentry_id_option 'gnulinux-simple' {\n\tlinux\t/boot/vmlinuz root=UUID=1 ro  quiet\n\tinitrd\t/boot/i1 /boot/i2\n}\nsubmenu 'More {x}' --id=adv {\n  menuentry \"U (recovery mode)\" --id r { linux16 /v ro single; initrd16 /i; }\n  menuentry 'W' {\n    chainloader +1\n  }\n}\nmenuentry E { linuxefi /v recovery\n}\n",
        expect![[r#"
            line 6 "U" id Some("gnulinux-simple") in []
              linux /boot/vmlinuz |root=UUID=1 ro quiet|
              initrd ["/boot/i1", "/boot/i2"] recovery false unresolved []
            line 10 "U (recovery mode)" id Some("r") in ["More {x}"]
              linux16 /v |ro single|
              initrd ["/i"] recovery true unresolved []
            line 15 "E" id None in []
              linuxefi /v |recovery|
              initrd [] recovery true unresolved []
            line 3 perhaps gfxpayload=$1
            blscfg false stub None broken None
        "#]],
    );
}

#[test]
fn words_are_quoted_again_for_the_kernel() {
    check(
        "linux /v memmap=4G\\$4G x=\"a b\" 'c\"d' e\\;f g#h '' \"i\\\nj\\k\" # no\nlinux /w a\\\n b",
        expect![[r#"
            line 1 "" id None in []
              linux /v |memmap=4G$4G "x=a b" c\"d e;f g#h  ij\\k|
              initrd [] recovery false unresolved []
            line 3 "" id None in []
              linux /w |a b|
              initrd [] recovery false unresolved []
            blscfg false stub None broken None
        "#]],
    );
}

#[test]
fn variables_come_from_certain_sets_only() {
    check(
        "set a=\"x y\"\nset b=${a}z\nif [ $c ]; then set c=1; else set a=2; fi\nset d=\nlinux /v $a \"$b\" q$b $c $d \"$d\" ${e}f\n",
        expect![[r#"
            line 5 "" id None in []
              linux /v |$a "x yz" qx yz $c  $ef|
              initrd [] recovery false unresolved ["a", "c", "e"]
            line 3 perhaps c=1
            line 3 perhaps a=2
            blscfg false stub None broken None
        "#]],
    );
    check(
        "menuentry A {\n set p=1\n linux /v $p\n}\nmenuentry B {\n linux /v $p\n}\n",
        expect![[r#"
            line 3 "A" id None in []
              linux /v |1|
              initrd [] recovery false unresolved []
            line 6 "B" id None in []
              linux /v |$p|
              initrd [] recovery false unresolved ["p"]
            blscfg false stub None broken None
        "#]],
    );
}

#[test]
fn boot_entry_files_and_stubs_are_seen() {
    check(
        "if [ -z \"${kernelopts}\" ]; then\n  set kernelopts=\"root=x ro \"\nfi\ninsmod blscfg\nblscfg\n",
        expect![[r#"
            line 2 perhaps kernelopts=root=x ro 
            blscfg true stub None broken None
        "#]],
    );
    check(
        "search.fs_uuid 1 root hd0,gpt2\nset prefix=($root)'/boot/grub'\nconfigfile $prefix/grub.cfg\n",
        expect![[r#"
            blscfg false stub Some("$prefix/grub.cfg") broken None
        "#]],
    );
    check(
        "# blscfg\nmenuentry x { configfile /other.cfg }\n",
        expect![[r#"
            blscfg false stub None broken None
        "#]],
    );
}

#[test]
fn a_quote_that_is_not_closed_is_noted() {
    check(
        "linux /v a\n\nlinux /w 'b\nlinux /x\n",
        expect![[r#"
        line 1 "" id None in []
          linux /v |a|
          initrd [] recovery false unresolved []
        blscfg false stub None broken Some(3)
    "#]],
    );
}

proptest! {
    #[test]
    fn any_text_is_printed_as_it_was_read(text in "\\PC*|(linux|initrd|menuentry|submenu|set|if|fi|[ \n'\"\\\\${}a=;#é])*") {
        prop_assert_eq!(GrubCfg::parse(&text).to_string(), text);
    }
}

#[test]
fn an_entry_knows_the_lines_of_its_block() {
    let cfg = GrubCfg::parse(
        "# c\nmenuentry A {\n  linux /a\n}\nsubmenu M {\n\n  menuentry B {\n    linux /b\n  }\n}\n",
    );
    let blocks: Vec<(usize, usize)> = cfg.entries.iter().map(|it| it.block).collect();
    assert_eq!(blocks, [(2, 4), (7, 9)]);
}

#[test]
fn entries_and_variables_without_end_meet_a_limit() {
    let entries = "menuentry x {\n  linux /k\n}\n";
    assert_eq!(GrubCfg::parse(&entries.repeat(5000)).limit, None);
    let cfg = GrubCfg::parse(&entries.repeat(20_000));
    assert_eq!(cfg.limit, Some("there are more than 5000 menu entries"));
    assert!(cfg.broken_line.is_some_and(|it| it < 15_010));
    let cfg = GrubCfg::parse(&"set a=1\n".repeat(100_000));
    assert_eq!((cfg.limit, cfg.broken_line), (Some("more than 50000 variables are set"), Some(50_001)));
}

#[test]
fn variables_that_double_and_blocks_without_end_meet_a_limit() {
    let doubled = format!("set a=xxxxxxxxxxxxxxxx\n{}", "set a=\"$a$a\"\n".repeat(40));
    let cfg = GrubCfg::parse(&doubled);
    assert_eq!(cfg.limit, Some("the variables expand to more than 16 MiB"));
    assert!(cfg.broken_line.is_some_and(|it| it < 30));
    let cfg = GrubCfg::parse(&"submenu a {\n".repeat(5000));
    assert_eq!((cfg.limit, cfg.broken_line), (Some("blocks are nested more than 100 deep"), Some(101)));
}

#[test]
fn what_an_entry_sets_holds_in_it_only() {
    let text = "set a=1\nmenuentry x { set a=2\nset b=3\nlinux /k a=$a b=$b\n}\nmenuentry y { linux /k a=$a b=$b\n}\n";
    let lines: Vec<String> = GrubCfg::parse(text).entries.iter().map(|it| it.cmdline.to_string()).collect();
    assert_eq!(lines, ["a=2 b=3", "a=1 b=$b"]);
}
