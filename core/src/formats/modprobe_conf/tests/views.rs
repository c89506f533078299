//! What several files, the kernel's softdeps and the command line mean together.

use std::path::Path;
use std::rc::Rc;

use expect_test::{Expect, expect};

use super::super::{ModprobeConf, ModprobeView, ModuleName, Origin};

fn name(text: &str) -> ModuleName {
    ModuleName::parse(text).unwrap()
}

fn conf(text: &str) -> Rc<ModprobeConf> {
    Rc::new(ModprobeConf::parse(text))
}

fn view(files: &[(usize, &str, &str)]) -> ModprobeView {
    ModprobeView::new(
        files.iter().map(|(rank, name, text)| (*rank, (*name).to_owned(), conf(text))).collect(),
    )
}

fn at(origin: &Origin) -> String {
    match origin {
        Origin::File { path, line } => format!("{}:{line}", path.display()),
        Origin::CommandLine { parameter } => format!("command line: {parameter}"),
    }
}

/// Shows everything a view says about module `m`, its parameter `p`.
fn check(view: &ModprobeView, expect: Expect) {
    let m = name("m");
    let mut shown = String::new();
    if let Some(winner) = view.softdep(&m) {
        shown += &format!("softdep {:?} {:?} {}\n", winner.value.pre, winner.value.post, at(&winner.origin));
    }
    for options in view.options(&m) {
        shown += &format!("options {} {}\n", options.value, at(&options.origin));
    }
    if let Some(winner) = view.effective_option(&m, "p-p") {
        shown += &format!("p_p = {} {}\n", winner.value, at(&winner.origin));
    }
    if let Some(origin) = view.blacklisted(&m) {
        shown += &format!("blacklisted {}\n", at(&origin));
    }
    if let Some(winner) = view.install(&m) {
        shown += &format!("install {} {}\n", winner.value, at(&winner.origin));
    }
    expect.assert_eq(&shown);
}

#[test]
fn the_first_softdep_and_the_last_option_win_across_files() {
    let files = [
        (4, "50-vendor.conf", "options m p_p=vendor\nsoftdep m pre: vendor\n"),
        (0, "01-hoststate.conf", "options m p_p=ours\nsoftdep m pre: ours\n"),
        (1, "zz.conf", "options m q p-p=last\n"),
    ];
    check(
        &view(&files),
        expect![[r#"
        softdep ["ours"] [] /etc/modprobe.d/01-hoststate.conf:2
        options p_p=ours /etc/modprobe.d/01-hoststate.conf:1
        options p_p=vendor /lib/modprobe.d/50-vendor.conf:1
        options q p-p=last /run/modprobe.d/zz.conf:1
        p_p = last /run/modprobe.d/zz.conf:1
    "#]],
    );
}

#[test]
fn the_first_directory_masks_a_basename_even_with_nothing() {
    check(&view(&[(0, "a.conf", ""), (4, "a.conf", "blacklist m"), (0, "b.txt", "blacklist m")]), expect![]);
}

#[test]
fn the_kernels_softdeps_come_before_files_that_sort_after_them() {
    let kernel = |view: ModprobeView| {
        view.with_kernel_softdep(Path::new("/lib/modules/6.1/modules.softdep"), conf("softdep m pre: kernel"))
    };
    check(
        &kernel(view(&[(0, "vfio.conf", "softdep m pre: vfio-pci")])),
        expect![[r#"
            softdep ["kernel"] [] /lib/modules/6.1/modules.softdep:1
        "#]],
    );
    check(
        &kernel(view(&[(0, "01-vfio.conf", "softdep m pre: vfio-pci")])),
        expect![[r#"
            softdep ["vfio-pci"] [] /etc/modprobe.d/01-vfio.conf:1
        "#]],
    );
}

#[test]
fn a_pattern_in_an_earlier_file_beats_a_name_in_a_later_one() {
    let files =
        [(0, "b.conf", "softdep m pre: b\ninstall m b"), (0, "a.conf", "softdep ? pre: a\ninstall * a")];
    check(
        &view(&files),
        expect![[r#"
        softdep ["a"] [] /etc/modprobe.d/a.conf:1
        install a /etc/modprobe.d/a.conf:2
    "#]],
    );
}

#[test]
fn the_command_line_beats_every_file() {
    let words = ["quiet", "m.p-p=1", "\"m.p_p=2 3\"", "m.p_p.x=4", "modprobe.blacklist=x,m", "m.flag"];
    check(
        &view(&[(0, "zz.conf", "options m p_p=file")]).with_command_line(words),
        expect![[r#"
            options p_p=file /etc/modprobe.d/zz.conf:1
            options p-p=1 command line: m.p-p=1
            options p_p="2 3" command line: "m.p_p=2 3"
            options flag command line: m.flag
            p_p = 2 3 command line: "m.p_p=2 3"
            blacklisted command line: modprobe.blacklist=x,m
        "#]],
    );
    // kmod takes these names as they are written, and module names have no dashes.
    let dashed = ModprobeView::default().with_command_line(["modprobe.blacklist=snd-hda-intel"]);
    assert_eq!(dashed.blacklisted(&name("snd-hda-intel")), None);
}

#[test]
fn a_flag_without_value_is_a_one() {
    check(
        &view(&[(0, "a.conf", "options m p_p")]),
        expect![[r#"
        options p_p /etc/modprobe.d/a.conf:1
        p_p = 1 /etc/modprobe.d/a.conf:1
    "#]],
    );
}

#[test]
fn replacing_a_file_equals_building_anew() {
    let mut view = view(&[(0, "a.conf", "options m p_p=1\nblacklist m"), (4, "b.conf", "options m p_p=2")]);
    view.replace(Path::new("/etc/modprobe.d/a.conf"), conf("softdep m post: x"));
    view.replace(Path::new("/etc/modprobe.d/b.conf"), conf("options m p_p=3\nsoftdep * pre: y"));
    assert!(!view.reads(Path::new("/etc/modprobe.d/c.conf.bak")));
    view.replace(Path::new("/etc/modprobe.d/c.conf.bak"), conf("blacklist m"));
    check(
        &view,
        expect![[r#"
        softdep [] ["x"] /etc/modprobe.d/a.conf:1
        options p_p=3 /etc/modprobe.d/b.conf:1
        p_p = 3 /etc/modprobe.d/b.conf:1
    "#]],
    );
    view.remove(Path::new("/etc/modprobe.d/b.conf"));
    view.remove(Path::new("/etc/modprobe.d/a.conf"));
    check(
        &view,
        expect![[r#"
        options p_p=2 /lib/modprobe.d/b.conf:1
        p_p = 2 /lib/modprobe.d/b.conf:1
    "#]],
    );
}
