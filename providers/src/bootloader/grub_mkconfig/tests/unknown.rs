//! Sources that only a shell could read, and parameters that stand in files of others.

use expect_test::expect;
use hoststate_core::mechanism::distro::Bootloader;
use hoststate_testkit::tree::Tree;

use super::{KDUMP, MAIN, OWN, centos7, check, check_on, debian};
use crate::testing::edit;

const READS: (&str, &str) = (
    "/etc/default/grub.d/50-node.cfg",
    "# a package\nif [ -f /etc/x ]; then\n    . /etc/x\n    GRUB_CMDLINE_LINUX_DEFAULT=\"$GRUB_CMDLINE_LINUX_DEFAULT $X\"\nfi\n",
);
const RUNS: (&str, &str) = (
    "/etc/default/grub.d/41_quiet.cfg",
    "\nGRUB_CMDLINE_LINUX_DEFAULT=\"$(echo \"$GRUB_CMDLINE_LINUX_DEFAULT\")\"\nGRUB_CMDLINE_LINUX_DEFAULT=\"$GRUB_CMDLINE_LINUX_DEFAULT loglevel=0\"\n",
);

fn menu(words: &str) -> String {
    format!(
        "### BEGIN /etc/grub.d/10_linux ###\nmenuentry 'x' {{\nlinux /vmlinuz-6.1 root=a ro {words}\n}}\n\
         ### END /etc/grub.d/10_linux ###\n"
    )
}

#[test]
fn a_parameter_that_is_nowhere_is_added_behind_what_only_a_shell_could_read() {
    let main = (MAIN, "GRUB_CMDLINE_LINUX_DEFAULT=\"quiet\"\n");
    for source in [READS, RUNS] {
        let shown = menu("quiet init_on_alloc=0");
        let tree = Tree::new(&[main, source, ("/boot/grub/grub.cfg", &shown)]);
        check_on(
            &debian(),
            &tree,
            &["iommu=pt"],
            expect![[r#"
                /etc/default/grub.d/zz-hoststate.cfg: (nothing) => iommu=pt
                  write /etc/default/grub.d/zz-hoststate.cfg (158 bytes)
                    +# Kernel arguments that hoststate was told to add. Sourced by update-grub after the others.
                    +GRUB_CMDLINE_LINUX_DEFAULT="$GRUB_CMDLINE_LINUX_DEFAULT iommu=pt"
                /boot/grub/grub.cfg: line 3 (x) lacks iommu=pt => every entry: iommu=pt
                  then boot configuration
            "#]],
        );
        // It is there, wherever it comes from.
        check_on(
            &debian(),
            &tree,
            &["init_on_alloc=0"],
            expect![[r#"
                /etc/default/grub: converged
                /boot/grub/grub.cfg: converged
            "#]],
        );
    }
}

#[test]
fn what_may_come_from_there_is_blocked_by_the_line_that_reads_or_runs() {
    let main = (MAIN, "GRUB_CMDLINE_LINUX_DEFAULT=\"quiet\"\n");
    let shown = menu("quiet");
    check(
        &[main, READS, ("/boot/grub/grub.cfg", &shown)],
        &["-quiet"],
        expect![[r#"
            /etc/default/grub: (nothing) => without quiet
              blocked by /etc/default/grub.d/50-node.cfg:3: only a shell could tell whether `quiet` comes from here: another file is read, or a command runs that may assign
        "#]],
    );
    check(
        &[main, RUNS, ("/boot/grub/grub.cfg", &shown)],
        &["-quiet"],
        expect![[r#"
            /etc/default/grub: (nothing) => without quiet
              blocked by /etc/default/grub.d/41_quiet.cfg:2: only a shell could tell whether `quiet` comes from here: its value holds a command substitution
        "#]],
    );
    let last = ("/etc/default/grub.d/zzz.cfg", RUNS.1);
    check(
        &[main, last, ("/boot/grub/grub.cfg", &shown)],
        &["iommu=pt"],
        expect![[r#"
            /etc/default/grub: (nothing) => iommu=pt
              blocked by /etc/default/grub.d/zzz.cfg:2: only a shell could tell the parameters, and this is read last: its value holds a command substitution
        "#]],
    );
}

#[test]
fn a_main_file_that_only_bash_could_read_gets_a_line_at_its_end() {
    let text = "GRUB_CMDLINE_LINUX=\"$(cat /x)\"\n";
    check_on(
        &centos7(),
        &Tree::new(&[(MAIN, text)]),
        &["iommu=pt"],
        expect![[r#"
        /etc/default/grub: (nothing) => iommu=pt
          write /etc/default/grub (81 bytes)
            +GRUB_CMDLINE_LINUX="$GRUB_CMDLINE_LINUX iommu=pt"
        /boot/grub2/grub.cfg: (nothing) => every entry: iommu=pt
          then boot configuration
    "#]],
    );
}

#[test]
fn entries_are_told_though_a_source_cannot_be_read() {
    let shown = menu("quiet");
    for text in ["GRUB_CMDLINE_LINUX=\"$(cat /x)\"\n", "GRUB_CMDLINE_LINUX=quiet splash\n"] {
        let tree = Tree::new(&[(MAIN, text), ("/boot/grub/grub.cfg", &shown)]);
        assert_eq!(debian().entries(&tree.view()).unwrap().len(), 1);
        assert!(debian().later(&tree.view()).is_err());
    }
}

#[test]
fn a_parameter_is_taken_out_where_it_stands_though_a_drop_in_comes_behind() {
    let kdump = (KDUMP, "GRUB_CMDLINE_LINUX_DEFAULT=\"$GRUB_CMDLINE_LINUX_DEFAULT crashkernel=1G\"\n");
    let main = (MAIN, "GRUB_CMDLINE_LINUX_DEFAULT=\"quiet splash\"\n");
    check(
        &[main, kdump],
        &["-quiet"],
        expect![[r#"
        /etc/default/grub: quiet splash crashkernel=1G => splash crashkernel=1G
          write /etc/default/grub (36 bytes)
            -GRUB_CMDLINE_LINUX_DEFAULT="quiet splash"
            +GRUB_CMDLINE_LINUX_DEFAULT="splash"
        /boot/grub/grub.cfg: (nothing) => every entry: without quiet
          then boot configuration
    "#]],
    );
    check(
        &[main, kdump],
        &["-quiet", "iommu=pt"],
        expect![[r#"
        /etc/default/grub, /etc/default/grub.d/zz-hoststate.cfg: quiet splash crashkernel=1G => splash crashkernel=1G iommu=pt
          write /etc/default/grub (36 bytes)
            -GRUB_CMDLINE_LINUX_DEFAULT="quiet splash"
            +GRUB_CMDLINE_LINUX_DEFAULT="splash"
          write /etc/default/grub.d/zz-hoststate.cfg (158 bytes)
            +# Kernel arguments that hoststate was told to add. Sourced by update-grub after the others.
            +GRUB_CMDLINE_LINUX_DEFAULT="$GRUB_CMDLINE_LINUX_DEFAULT iommu=pt"
        /boot/grub/grub.cfg: (nothing) => every entry: iommu=pt, without quiet
          then boot configuration
    "#]],
    );
    // What a package gives can only be hidden, and that is told.
    check(
        &[main, kdump],
        &["-crashkernel"],
        expect![[r#"
            /etc/default/grub.d/zz-hoststate.cfg: quiet splash crashkernel=1G => quiet splash (/etc/default/grub.d/kdump-tools.cfg:1 gives crashkernel=1G, hidden by /etc/default/grub.d/zz-hoststate.cfg:3)
              write /etc/default/grub.d/zz-hoststate.cfg (193 bytes)
                +# Kernel arguments that hoststate was told to add. Sourced by update-grub after the others.
                +# The next line hides what other files give this variable.
                +GRUB_CMDLINE_LINUX_DEFAULT="quiet splash"
            /boot/grub/grub.cfg: (nothing) => every entry: without crashkernel
              then boot configuration
        "#]],
    );
}

#[test]
fn what_our_own_assignment_hides_is_told_later() {
    let tree = Tree::new(&[
        (MAIN, "\nGRUB_CMDLINE_LINUX_DEFAULT=\"mitigations=auto,nosmt\"\n"),
        (OWN, "# ours\nGRUB_CMDLINE_LINUX_DEFAULT=\"quiet\"\n"),
    ]);
    let hidden = |tree: &Tree| {
        let all = debian().hidden(&tree.view()).unwrap();
        all.into_iter().map(|it| it.what).collect::<String>()
    };
    expect![
        "/etc/default/grub:2 gives mitigations=auto,nosmt, hidden by /etc/default/grub.d/zz-hoststate.cfg:2"
    ]
    .assert_eq(&hidden(&tree));
    tree.write(OWN, "GRUB_CMDLINE_LINUX_DEFAULT=\"$GRUB_CMDLINE_LINUX_DEFAULT quiet\"\n");
    assert_eq!(hidden(&tree), "");
    assert!(debian().cmdline(&tree.view(), &edit(&["quiet"])).is_ok());
}
