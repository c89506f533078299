//! Sources of grub.cfg and its entries, compared by effect.

use expect_test::{Expect, expect};
use hoststate_core::mechanism::distro::Bootloader;

use super::GrubMkconfig;
use crate::bootloader::default_grub::Habit;
use hoststate_testkit::tree::Tree;

use crate::testing::{edit, predict, show};

mod entries;
mod stopped;
mod unknown;
mod variables;

const MAIN: &str = "/etc/default/grub";
const CLOUD: &str = "/etc/default/grub.d/50-cloudimg-settings.cfg";
const KDUMP: &str = "/etc/default/grub.d/kdump-tools.cfg";
const OWN: &str = "/etc/default/grub.d/zz-hoststate.cfg";

fn debian() -> GrubMkconfig {
    let command = Some(vec!["update-grub".to_owned()]);
    GrubMkconfig { habit: Habit::Debian, output: "/boot/grub/grub.cfg".into(), command }
}

fn centos7() -> GrubMkconfig {
    GrubMkconfig { habit: Habit::Redhat, output: "/boot/grub2/grub.cfg".into(), command: None }
}

/// Compares, writes, and compares again: what was written must have the effect, and a second time change nothing.
fn check_on(grub: &GrubMkconfig, tree: &Tree, words: &[&str], expect: Expect) {
    let mut view = tree.view();
    let wanted = edit(words);
    let settings = grub.cmdline(&view, &wanted);
    let shown = show(&view, &settings);
    expect.assert_eq(&shown);
    if let Ok(settings) = settings {
        predict(&mut view, &settings);
        let again = show(&view, &grub.cmdline(&view, &wanted));
        assert!(shown.contains("blocked") || !again.contains("write "), "{again}");
        assert!(shown.contains("blocked") || grub.future(&view).unwrap().satisfies(&wanted));
    }
}

fn check(files: &[(&str, &str)], words: &[&str], expect: Expect) {
    check_on(&debian(), &Tree::new(files), words, expect);
}

#[test]
fn the_last_literal_assignment_is_edited_where_it_stands() {
    let text = "# mine\nGRUB_CMDLINE_LINUX_DEFAULT='quiet splash' # keep\nGRUB_CMDLINE_LINUX=\"\"";
    check(
        &[(MAIN, text)],
        &["intel_iommu=on", "iommu=pt"],
        expect![[r#"
        /etc/default/grub: quiet splash => quiet splash intel_iommu=on iommu=pt
          write /etc/default/grub (101 bytes)
            -GRUB_CMDLINE_LINUX_DEFAULT='quiet splash' # keep
            +GRUB_CMDLINE_LINUX_DEFAULT='quiet splash intel_iommu=on iommu=pt' # keep
        /boot/grub/grub.cfg: (nothing) => every entry: intel_iommu=on iommu=pt
          then boot configuration
    "#]],
    );
    check(
        &[(MAIN, text)],
        &["quiet", "-nomodeset"],
        expect![[r#"
        /etc/default/grub: converged
        /boot/grub/grub.cfg: (nothing) => every entry: quiet, without nomodeset
          then boot configuration
    "#]],
    );
    check(
        &[(MAIN, "GRUB_CMDLINE_LINUX=\"iommu=pt nouveau.modeset=0\"\n")],
        &["-nouveau.modeset", "iommu=pt"],
        expect![[r#"
            /etc/default/grub: iommu=pt nouveau.modeset=0 => iommu=pt
              write /etc/default/grub (30 bytes)
                -GRUB_CMDLINE_LINUX="iommu=pt nouveau.modeset=0"
                +GRUB_CMDLINE_LINUX="iommu=pt"
            /boot/grub/grub.cfg: (nothing) => every entry: iommu=pt, without nouveau.modeset
              then boot configuration
        "#]],
    );
    check(
        &[(MAIN, "GRUB_CMDLINE_LINUX=\"iommu=soft\"\n")],
        &["iommu=pt"],
        expect![[r#"
        /etc/default/grub: iommu=soft => iommu=pt
          write /etc/default/grub (30 bytes)
            -GRUB_CMDLINE_LINUX="iommu=soft"
            +GRUB_CMDLINE_LINUX="iommu=pt"
        /boot/grub/grub.cfg: (nothing) => every entry: iommu=pt
          then boot configuration
    "#]],
    );
    check(
        &[],
        &["iommu=pt"],
        expect![[r#"
            /etc/default/grub.d/zz-hoststate.cfg:  => iommu=pt
              write /etc/default/grub.d/zz-hoststate.cfg (130 bytes)
                +# Kernel arguments that hoststate was told to add. Sourced by update-grub after the others.
                +GRUB_CMDLINE_LINUX_DEFAULT="iommu=pt"
            /boot/grub/grub.cfg: (nothing) => every entry: iommu=pt
              then boot configuration
        "#]],
    );
}

#[test]
fn a_drop_in_that_assigns_later_moves_the_edit_into_an_own_drop_in() {
    let main = (MAIN, "GRUB_CMDLINE_LINUX_DEFAULT=\"quiet\"\n");
    let cloud = (CLOUD, "GRUB_CMDLINE_LINUX_DEFAULT=\"console=tty1 console=ttyS0\"\n");
    check(
        &[main, cloud],
        &["iommu=pt"],
        expect![[r#"
        /etc/default/grub.d/zz-hoststate.cfg: console=tty1 console=ttyS0 => console=tty1 console=ttyS0 iommu=pt
          write /etc/default/grub.d/zz-hoststate.cfg (158 bytes)
            +# Kernel arguments that hoststate was told to add. Sourced by update-grub after the others.
            +GRUB_CMDLINE_LINUX_DEFAULT="$GRUB_CMDLINE_LINUX_DEFAULT iommu=pt"
        /boot/grub/grub.cfg: (nothing) => every entry: iommu=pt
          then boot configuration
    "#]],
    );
    check(
        &[main, cloud],
        &["-console=tty1"],
        expect![[r#"
            /etc/default/grub.d/zz-hoststate.cfg: console=tty1 console=ttyS0 => console=ttyS0 (/etc/default/grub.d/50-cloudimg-settings.cfg:1 gives console=tty1, hidden by /etc/default/grub.d/zz-hoststate.cfg:3)
              write /etc/default/grub.d/zz-hoststate.cfg (194 bytes)
                +# Kernel arguments that hoststate was told to add. Sourced by update-grub after the others.
                +# The next line hides what other files give this variable.
                +GRUB_CMDLINE_LINUX_DEFAULT="console=ttyS0"
            /boot/grub/grub.cfg: (nothing) => every entry: without console=tty1
              then boot configuration
        "#]],
    );
    let kdump =
        (KDUMP, "GRUB_CMDLINE_LINUX_DEFAULT=\"$GRUB_CMDLINE_LINUX_DEFAULT crashkernel=384M-:128M\"\n");
    check(
        &[main, kdump],
        &["iommu=pt"],
        expect![[r#"
        /etc/default/grub.d/zz-hoststate.cfg: quiet crashkernel=384M-:128M => quiet crashkernel=384M-:128M iommu=pt
          write /etc/default/grub.d/zz-hoststate.cfg (158 bytes)
            +# Kernel arguments that hoststate was told to add. Sourced by update-grub after the others.
            +GRUB_CMDLINE_LINUX_DEFAULT="$GRUB_CMDLINE_LINUX_DEFAULT iommu=pt"
        /boot/grub/grub.cfg: (nothing) => every entry: iommu=pt
          then boot configuration
    "#]],
    );
    let own = (OWN, "# x\nGRUB_CMDLINE_LINUX_DEFAULT=\"$GRUB_CMDLINE_LINUX_DEFAULT iommu=pt\"\n");
    check(
        &[main, cloud, own],
        &["intel_iommu=on"],
        expect![[r#"
        /etc/default/grub.d/zz-hoststate.cfg: console=tty1 console=ttyS0 iommu=pt => console=tty1 console=ttyS0 iommu=pt intel_iommu=on
          write /etc/default/grub.d/zz-hoststate.cfg (85 bytes)
            -GRUB_CMDLINE_LINUX_DEFAULT="$GRUB_CMDLINE_LINUX_DEFAULT iommu=pt"
            +GRUB_CMDLINE_LINUX_DEFAULT="$GRUB_CMDLINE_LINUX_DEFAULT iommu=pt intel_iommu=on"
        /boot/grub/grub.cfg: (nothing) => every entry: intel_iommu=on
          then boot configuration
    "#]],
    );
    check(
        &[main, cloud, own],
        &["-iommu"],
        expect![[r#"
        /etc/default/grub.d/zz-hoststate.cfg: console=tty1 console=ttyS0 iommu=pt => console=tty1 console=ttyS0
          write /etc/default/grub.d/zz-hoststate.cfg (4 bytes)
            -GRUB_CMDLINE_LINUX_DEFAULT="$GRUB_CMDLINE_LINUX_DEFAULT iommu=pt"
        /boot/grub/grub.cfg: (nothing) => every entry: without iommu
          then boot configuration
    "#]],
    );
}

#[test]
fn a_file_read_after_the_own_drop_in_wins_and_is_named() {
    let last = ("/etc/default/grub.d/zzz.cfg", "\nGRUB_CMDLINE_LINUX_DEFAULT=quiet\n");
    check(
        &[last],
        &["iommu=pt"],
        expect![[r#"
            /etc/default/grub: quiet => iommu=pt
              blocked by /etc/default/grub.d/zzz.cfg:2: this assignment of `GRUB_CMDLINE_LINUX_DEFAULT` is read last and wins
        "#]],
    );
    let cfg = "### BEGIN /etc/grub.d/10_linux ###\nmenuentry x {\n\tlinux /vmlinuz-6.1 quiet\n}\n";
    check(
        &[last, ("/boot/grub/grub.cfg", cfg)],
        &["iommu=pt"],
        expect![[r#"
        /etc/default/grub: quiet => iommu=pt
          blocked by /etc/default/grub.d/zzz.cfg:2: this assignment of `GRUB_CMDLINE_LINUX_DEFAULT` is read last and wins
    "#]],
    );
    check(
        &[last, (MAIN, "GRUB_CMDLINE_LINUX=nosmt\n"), ("/boot/grub/grub.cfg", cfg)],
        &["iommu=pt", "nosmt", "-splash"],
        expect![[r#"
            /etc/default/grub: nosmt quiet => iommu=pt nosmt, without splash
              blocked by /etc/default/grub.d/zzz.cfg:2: this assignment of `GRUB_CMDLINE_LINUX_DEFAULT` is read last and wins
            /boot/grub/grub.cfg: line 3 (x) lacks nosmt => every entry: nosmt, without splash
              then boot configuration
        "#]],
    );
}

#[test]
fn what_makes_dash_give_up_is_an_error_at_its_line() {
    check(
        &[(MAIN, "A=1\nGRUB_CMDLINE_LINUX+=\" x\"\n")],
        &["iommu=pt"],
        expect![[r#"
            error: /etc/default/grub:2: dash does not know `+=` (on `GRUB_CMDLINE_LINUX`): update-grub stops here; fix this line first
            hint: update-grub keeps the old boot configuration until this line is fixed.
        "#]],
    );
    check(
        &[(MAIN, "source /etc/x\n")],
        &["iommu=pt"],
        expect![[r#"
            error: /etc/default/grub:1: dash does not know `source`: update-grub stops here; fix this line first
            hint: update-grub keeps the old boot configuration until this line is fixed.
        "#]],
    );
}

#[test]
fn a_value_only_a_shell_can_tell_is_left_alone() {
    check(
        &[(MAIN, "GRUB_CMDLINE_LINUX=\"$(cat /x)\"\n")],
        &["iommu=pt"],
        expect![[r#"
            /etc/default/grub.d/zz-hoststate.cfg: (nothing) => iommu=pt
              write /etc/default/grub.d/zz-hoststate.cfg (158 bytes)
                +# Kernel arguments that hoststate was told to add. Sourced by update-grub after the others.
                +GRUB_CMDLINE_LINUX_DEFAULT="$GRUB_CMDLINE_LINUX_DEFAULT iommu=pt"
            /boot/grub/grub.cfg: (nothing) => every entry: iommu=pt
              then boot configuration
        "#]],
    );
}

#[test]
fn words_pass_both_levels_of_quoting() {
    let main = (MAIN, "GRUB_CMDLINE_LINUX_DEFAULT=\"quiet\"\n");
    check(
        &[main],
        &["memmap=4G$4G"],
        expect![[r#"
        /etc/default/grub: quiet => quiet memmap=4G$4G
          write /etc/default/grub (51 bytes)
            -GRUB_CMDLINE_LINUX_DEFAULT="quiet"
            +GRUB_CMDLINE_LINUX_DEFAULT="quiet memmap=4G\\\$4G"
        /boot/grub/grub.cfg: (nothing) => every entry: memmap=4G$4G
          then boot configuration
    "#]],
    );
    check(
        &[main],
        &["pci=disable_acs_redir=a;b"],
        expect![[r#"
        /etc/default/grub: quiet => quiet pci=disable_acs_redir=a;b
          write /etc/default/grub (63 bytes)
            -GRUB_CMDLINE_LINUX_DEFAULT="quiet"
            +GRUB_CMDLINE_LINUX_DEFAULT="quiet pci=disable_acs_redir=a\\;b"
        /boot/grub/grub.cfg: (nothing) => every entry: pci=disable_acs_redir=a;b
          then boot configuration
    "#]],
    );
    check(
        &[main],
        &["x='a'"],
        expect![[r#"
        error: the kernel parameter `x='a'` cannot be given through GRUB: GRUB changes it
        hint: Write the parameter without quotes, backslashes and dollar signs, if its meaning allows.
    "#]],
    );
    check(
        &[main],
        &["root=/dev/sda1"],
        expect![[r#"
        /boot/grub/grub.cfg: (nothing) => root=/dev/sda1
          blocked by /etc/grub.d/10_linux: `root` is written into every boot entry by this script
    "#]],
    );
    let long = format!("x={}", "y".repeat(2040));
    let cfg =
        ("/boot/grub/grub.cfg", "menuentry 'Linux' {\nlinux /boot/vmlinuz-1 root=/dev/sda1 ro quiet\n}\n");
    check(
        &[main, cfg],
        &[&long],
        expect![[r#"
        error: the command line of `Linux` would have 2094 bytes, the kernel keeps 2048
        hint: Shorten it: the kernel cuts off the end without a message, and that is where new parameters are.
    "#]],
    );
}

#[test]
fn red_hat_reads_with_bash_and_has_no_drop_ins() {
    let check = |files: &[(&str, &str)], words: &[&str], expect| {
        check_on(&centos7(), &Tree::new(files), words, expect);
    };
    let main = "GRUB_CMDLINE_LINUX=\"crashkernel=auto rhgb quiet\"\nGRUB_DISABLE_RECOVERY=\"true\"\n";
    check(
        &[(MAIN, main), (CLOUD, "GRUB_CMDLINE_LINUX=x\n")],
        &["intel_iommu=on"],
        expect![[r#"
        /etc/default/grub: crashkernel=auto rhgb quiet => crashkernel=auto rhgb quiet intel_iommu=on
          write /etc/default/grub (93 bytes)
            -GRUB_CMDLINE_LINUX="crashkernel=auto rhgb quiet"
            +GRUB_CMDLINE_LINUX="crashkernel=auto rhgb quiet intel_iommu=on"
        /boot/grub2/grub.cfg: (nothing) => every entry: intel_iommu=on
          then boot configuration
    "#]],
    );
    let tuned = "GRUB_CMDLINE_LINUX=\"quiet\"\nGRUB_CMDLINE_LINUX_DEFAULT=\"${GRUB_CMDLINE_LINUX_DEFAULT:+$GRUB_CMDLINE_LINUX_DEFAULT }\\$tuned_params\"\n";
    check(
        &[(MAIN, tuned)],
        &["intel_iommu=on"],
        expect![[r#"
        /etc/default/grub: quiet ${tuned_params} => quiet intel_iommu=on ${tuned_params}
          write /etc/default/grub (145 bytes)
            -GRUB_CMDLINE_LINUX="quiet"
            +GRUB_CMDLINE_LINUX="quiet intel_iommu=on"
        /boot/grub2/grub.cfg: (nothing) => every entry: intel_iommu=on
          then boot configuration
    "#]],
    );
    check(
        &[(MAIN, "GRUB_CMDLINE_LINUX=\"a\"\nGRUB_CMDLINE_LINUX+=\" b\"\n")],
        &["iommu=pt", "-a"],
        expect![[r#"
            /etc/default/grub: a b => b iommu=pt
              write /etc/default/grub (80 bytes)
                +GRUB_CMDLINE_LINUX="b iommu=pt"
            /boot/grub2/grub.cfg: (nothing) => every entry: iommu=pt, without a
              then boot configuration
        "#]],
    );
}
