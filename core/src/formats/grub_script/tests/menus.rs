//! Tests of which entry is started, and of the boot after it.

use expect_test::expect;

use super::*;

const MENU: &str = "set timeout=0\nmenuentry A --id a { linux /k a\n}\nsubmenu 'S > T' --id s {\nmenuentry B { linux /k b $default $chosen\n}\nmenuentry 'C > D' --id c { linux /k c\n}\n}\nmenuentry 2x { linux /k 2x\n}\n";

#[test]
fn default_names_an_entry_as_grub_understands_it() {
    let mut shown = String::new();
    let defaults =
        ["", "1", "s", "S >> T>C >> D", "1>1", "s>c", "s>9", "2x", "02", "0x2", " 2 y", "99", "-1", "A"];
    for default in defaults {
        let mut disk = TestDisk::default();
        disk.0.insert("(hd0)/grub/grub.cfg".to_owned(), format!("set default='{default}'\n{MENU}"));
        let played = play(&start(Family::Upstream), &disk);
        let line = played.certain().and_then(|it| match &it.end {
            End::Boot(boot) => Some(boot.command_line()),
            _ => None,
        });
        shown += &format!("{default:?}: {line:?}\n");
    }
    expect![[r#"
        "": Some("a")
        "1": Some("b s>B")
        "s": Some("b s>B")
        "S >> T>C >> D": Some("c")
        "1>1": Some("c")
        "s>c": Some("c")
        "s>9": Some("b s>B")
        "2x": Some("2x")
        "02": Some("2x")
        "0x2": Some("2x")
        " 2 y": Some("2x")
        "99": Some("a")
        "-1": Some("a")
        "A": Some("a")
    "#]]
    .assert_eq(&shown);
}

#[test]
fn fedora_looks_for_an_id_first_and_takes_for_a_number_only_what_is_one() {
    let config = |default: &str| format!("set default='{default}'\n{MENU}");
    check_with(
        Family::RedHat,
        &config("2x"),
        &[],
        expect![[r#"
        "2x" :11 by default "2x" of :1
        :11 linux [/k] [2x]
    "#]],
    );
    check_with(
        Family::RedHat,
        &config("1>1"),
        &[],
        expect![[r#"
        if this GRUB takes `1>1` for a path (:1):
        "S > T" :5 by default "1>1" of :1
        "C > D" :8 by default "1" of :1
        :8 linux [/k] [c]
        if this GRUB does not take `1>1` for a path (:1):
        "A" :3 by first for "1>1" of :1
        :3 linux [/k] [a]
    "#]],
    );
    check_with(
        Family::RedHat,
        &config("2y"),
        &[],
        expect![[r#"
        "A" :3 by first for "2y" of :1
        :3 linux [/k] [a]
    "#]],
    );
}

#[test]
fn an_entry_that_starts_nothing_is_followed_by_the_fallback() {
    check(
        "set timeout=0\nset fallback='1 2'\nmenuentry A { linux /nope\n}\nmenuentry B { linux /nope\n}\nmenuentry C { linux /k\n}\n",
        expect![[r#"
        "A" :3 by first
        "B" :5 by fallback "1 2" of :2
        "C" :7 by fallback "2" of :2
        failed :3 `linux` finds no file `/nope`
        failed :5 `linux` finds no file `/nope`
        :7 linux [/k]
    "#]],
    );
    check(
        "set timeout=0\nmenuentry A { linux /nope\n}\n",
        expect![[r#"
        "A" :2 by first
        failed :2 `linux` finds no file `/nope`
        stays at the menu
    "#]],
    );
    check(
        "set timeout=0\nmenuentry A { linux /k\ninitrd /nope\n}\n",
        expect![[r#"
        "A" :2 by first
        failed :3 `initrd` finds no file `/nope`
        :2 linux [/k]
    "#]],
    );
}

#[test]
fn only_exported_variables_are_known_in_a_submenu() {
    check(
        "set timeout=0\nx=1\ny=2\nexport y\nsubmenu S {\nmenuentry A { linux /k x$x y$y\n}\n}\n",
        expect![[r#"
        "S" :5 by first
        "A" :6 by first
        :6 linux [/k] [x] [y2]
    "#]],
    );
}

#[test]
fn fedora_takes_all_variables_into_a_submenu() {
    let config = "set timeout=0\nx=1\nset default='s>b'\nsubmenu S --id s {\nmenuentry A --id a { linux /k\n}\nmenuentry B --id b { linux /k x$x\n}\n}\n";
    check_with(
        Family::RedHat,
        config,
        &[],
        expect![[r#"
        "S" :4 by default "s>b" of :3
        "B" :7 by default "b" of :3
        :7 linux [/k] [x1]
    "#]],
    );
}

#[test]
fn blscfg_of_other_grubs_is_not_known() {
    check(
        "blscfg\nmenuentry A { linux /k\n}\n",
        expect![[r#"
        unknown :1 which entries `blscfg` of this GRUB makes is not known
    "#]],
    );
}

#[test]
fn a_stub_leads_to_the_menu_and_the_files_are_told() {
    let stub = "search.fs_uuid hd1 root\nset prefix=($root)'/boot/grub'\nconfigfile $prefix/grub.cfg\n";
    let menu = "set timeout=0\nsource $config_directory/custom.cfg\nmenuentry A { linux /k a\n}\n";
    let custom = "set default=Z\nmenuentry Z { linux ($root)/k z\n initrd /i\n}\n";
    let disk = TestDisk::new(&[
        ("(hd0)/grub/grub.cfg", stub),
        ("(hd1)/boot/grub/grub.cfg", menu),
        ("(hd1)/boot/grub/custom.cfg", custom),
    ]);
    let played = play(&start(Family::Upstream), &disk);
    let visits = &played.worlds[0].visits;
    let visits = visits.iter().map(|it| format!("{} {:?}\n", it.file, it.from.as_ref().map(place)));
    expect![[r#"
        (hd0)/grub/grub.cfg None
        (hd1)/boot/grub/grub.cfg Some(":3")
        (hd1)/boot/grub/custom.cfg Some("(hd1)/boot/grub/grub.cfg:2")
    "#]]
    .assert_eq(&visits.collect::<String>());
    expect![[r#"
        "Z" (hd1)/boot/grub/custom.cfg:2 by default "Z" of (hd1)/boot/grub/custom.cfg:1
        (hd1)/boot/grub/custom.cfg:2 linux [(hd1)/k] [z]
        (hd1)/boot/grub/custom.cfg:3 initrd [/i]
    "#]]
    .assert_eq(&all(&played));
}

#[test]
fn slashes_in_a_row_are_one() {
    let files = [("(hd0)/grub/other.cfg", "set timeout=0\nmenuentry A { linux (hd0)//k a\n}\n")];
    check_with(
        Family::Upstream,
        "set prefix=($root)/\nconfigfile $prefix//grub//other.cfg\n",
        &files,
        expect![[r#"
        "A" (hd0)/grub/other.cfg:2 by first
        (hd0)/grub/other.cfg:2 linux [(hd0)//k] [a]
    "#]],
    );
}

const ONE_SHOT: &str = "set timeout=0\nload_env\nif [ \"${next_entry}\" ] ; then\n set default=\"${next_entry}\"\n set next_entry=\n save_env next_entry\n set boot_once=true\nelse\n set default=\"${saved_entry}\"\nfi\nfunction savedefault {\n if [ -z \"${boot_once}\" ]; then\n  saved_entry=\"${chosen}\"\n  save_env saved_entry\n fi\n}\nmenuentry A { savedefault\nlinux /k a\n}\nmenuentry B { savedefault\nlinux /k b\n}\n";

#[test]
fn a_one_shot_entry_boots_once() {
    let environment = block("next_entry=B\nsaved_entry=A\n");
    let disk = TestDisk::new(&[("(hd0)/grub/grub.cfg", ONE_SHOT), ("(hd0)/grub/grubenv", &environment)]);
    let first = start(Family::Upstream);
    let played = play(&first, &disk);
    expect![[r#"
        "B" :20 by default "B" of (hd0)/grub/grubenv:2 next_entry
        :21 linux [/k] [b]
        (hd0)/grub/grubenv Some("next_entry=\nsaved_entry=A\n")
    "#]]
    .assert_eq(&all(&played));
    let second = played.certain().expect("nothing is unknown").next(&first);
    expect![[r#"
        "A" :17 by default "A" of (hd0)/grub/grubenv:3 saved_entry
        :18 linux [/k] [a]
        (hd0)/grub/grubenv Some("next_entry=\nsaved_entry=A\n")
    "#]]
    .assert_eq(&all(&play(&second, &disk)));
}

#[test]
fn what_is_unknown_is_played_both_ways_and_only_the_difference_counts() {
    let same = "set timeout=0\nif [ -f (dark)/x ]; then set x=1; fi\nmenuentry A { linux /k a\n}\n";
    check(
        same,
        expect![[r#"
        "A" :3 by first
        :3 linux [/k] [a]
    "#]],
    );
    let other = "set timeout=0\nsearch --set=root --label unknown\nif hwmatch x; then set default=1; fi\nmenuentry A { linux (hd0)/k a\n}\nmenuentry B { linux /k b\n}\n";
    check(
        other,
        expect![[r#"
        if a device has the label unknown (:2):
        if `hwmatch x` succeeds (:3):
        if /k exists (:6):
        "B" :6 by default "1" of :3
        :6 linux [/k] [b]
        if a device has the label unknown (:2):
        if `hwmatch x` succeeds (:3):
        if /k does not exist (:6):
        "B" :6 by default "1" of :3
        failed :6 `linux` finds no file `/k`
        stays at the menu
        if a device has the label unknown (:2):
        if `hwmatch x` fails (:3):
        "A" :4 by first
        :4 linux [(hd0)/k] [a]
    "#]],
    );
    check(
        "load_env -f (dark)/grubenv\nmenuentry A { linux /k a\n}\n",
        expect![[r#"
        if (dark)/grubenv exists (:1):
        unknown :1 `(dark)/grubenv` cannot be read
        if (dark)/grubenv does not exist (:1):
        "A" :2 by first
        :2 linux [/k] [a]
    "#]],
    );
    check(
        "source (dark)/x\nmenuentry A { linux /k a\n}\n",
        expect![[r#"
        if (dark)/x exists (:1):
        unknown :1 `(dark)/x` cannot be read
        if (dark)/x does not exist (:1):
        "A" :2 by first
        :2 linux [/k] [a]
    "#]],
    );
}

#[test]
fn parameters_know_the_lines_of_their_variables() {
    let config =
        "set timeout=0\nload_env\nset x=\"a $kernelopts\"\nexport x\nmenuentry A {\n linux /k root=$x c\n}\n";
    let environment = block("kernelopts=b\n");
    let disk = TestDisk::new(&[("(hd0)/grub/grub.cfg", config), ("(hd0)/grub/grubenv", &environment)]);
    let played = play(&start(Family::Upstream), &disk);
    let End::Boot(boot) = &played.worlds[0].end else {
        panic!("{played:?}");
    };
    let shown = boot.parameters().iter().map(|it| format!("{} of {}\n", it.text, origins(&it.origins)));
    expect![[r#"
        root=a of :6, :3
        b of (hd0)/grub/grubenv:2 kernelopts
        c of :6
    "#]]
    .assert_eq(&shown.collect::<String>());
}

#[test]
fn a_long_menu_is_played_once_through() {
    let entries: String =
        (0..20_000).map(|it| format!("menuentry 'E{it}' --id e{it} {{\n linux /k {it}\n}}\n")).collect();
    check(
        &format!("set timeout=0\nset default=e19999\n{entries}"),
        expect![[r#"
        "E19999" :60000 by default "e19999" of :2
        :60001 linux [/k] [19999]
    "#]],
    );
}

#[test]
fn a_menu_with_superusers_asks_for_a_password_unless_the_entry_is_unrestricted() {
    let config =
        |option: &str| format!("set timeout=0\nset superusers=root\nmenuentry A {option} {{ linux /k\n}}\n");
    check(
        &config(""),
        expect![[r#"
        "A" :3 by first
        asks for a password :3
    "#]],
    );
    check(
        &config("--unrestricted"),
        expect![[r#"
        "A" :3 by first
        :3 linux [/k]
    "#]],
    );
    check(
        "set superusers=root\n",
        expect![[r#"
        asks for a password :1
    "#]],
    );
}

#[test]
fn a_fallback_that_the_menu_does_not_have_is_unknown() {
    check(
        "set timeout=0\nset fallback=7\nmenuentry A { linux /nope\n}\n",
        expect![[r#"
        "A" :3 by first
        failed :3 `linux` finds no file `/nope`
        unknown :2 `fallback` names entry 7, which the menu does not have
    "#]],
    );
}

#[test]
fn a_menu_without_timeout_waits_for_a_person() {
    let mut disk = TestDisk::default();
    disk.0.insert("(hd0)/grub/grub.cfg".to_owned(), "menuentry A { linux /k\n}\n".to_owned());
    let played = play(&start(Family::Upstream), &disk);
    assert!(played.worlds[0].menus[0].waits);
}
