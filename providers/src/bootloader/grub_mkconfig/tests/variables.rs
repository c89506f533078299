//! Parameters that reach the menu from elsewhere than the two variables.

use expect_test::expect;
use hoststate_testkit::tree::Tree;

use super::{MAIN, centos7, check_on, debian};

const TUNED: &str = "GRUB_CMDLINE_LINUX_DEFAULT=\"\\$tuned_params\"\n";

/// A host with this in `GRUB_CMDLINE_LINUX`, and in `tuned_params`.
fn tuned(main: &str, params: &str) -> Tree {
    let cfg = format!(
        "### BEGIN /etc/grub.d/00_tuned ###\nset tuned_params=\"{params}\"\n### END /etc/grub.d/00_tuned ###\n\
         ### BEGIN /etc/grub.d/10_linux ###\nmenuentry 'CentOS' {{\n\tlinux16 /vmlinuz-3.10.0 root=a ro {main} \
         $tuned_params\n}}\n### END /etc/grub.d/10_linux ###\n"
    );
    let source = format!("GRUB_CMDLINE_LINUX=\"{main}\"\n{TUNED}");
    Tree::new(&[(MAIN, &source), ("/boot/grub2/grub.cfg", &cfg)])
}

#[test]
fn what_tuned_gives_every_entry_counts() {
    let words = ["intel_iommu=on", "iommu=pt"];
    check_on(
        &centos7(),
        &tuned("quiet", "nohz=on intel_iommu=on iommu=pt"),
        &words,
        expect![[r#"
        /etc/default/grub: converged
        /boot/grub2/grub.cfg: converged
    "#]],
    );
    check_on(
        &centos7(),
        &tuned("quiet intel_iommu=on iommu=pt", "intel_iommu=on iommu=pt"),
        &words,
        expect![[r#"
            /etc/default/grub: quiet intel_iommu=on iommu=pt ${tuned_params} => quiet ${tuned_params}
              write /etc/default/grub (71 bytes)
                -GRUB_CMDLINE_LINUX="quiet intel_iommu=on iommu=pt"
                +GRUB_CMDLINE_LINUX="quiet"
            /boot/grub2/grub.cfg: line 6 (CentOS) has intel_iommu=on iommu=pt => every entry: intel_iommu=on iommu=pt
              then boot configuration
        "#]],
    );
    // Half of it.
    check_on(
        &centos7(),
        &tuned("quiet", "intel_iommu=on"),
        &words,
        expect![[r#"
        /etc/default/grub: quiet ${tuned_params} => quiet iommu=pt ${tuned_params}
          write /etc/default/grub (80 bytes)
            -GRUB_CMDLINE_LINUX="quiet"
            +GRUB_CMDLINE_LINUX="quiet iommu=pt"
        /boot/grub2/grub.cfg: line 6 (CentOS) lacks iommu=pt => every entry: intel_iommu=on iommu=pt
          then boot configuration
    "#]],
    );
}

#[test]
fn what_tuned_gives_against_a_wish_is_named_with_its_owner() {
    check_on(
        &centos7(),
        &tuned("quiet", "iommu=off"),
        &["iommu=pt"],
        expect![[r#"
            /etc/default/grub: quiet ${tuned_params} => iommu=pt
              blocked by /boot/grub2/grub.cfg:2: `$tuned_params` gives every entry `iommu=off`; tuned owns it: change its profile
        "#]],
    );
    check_on(
        &centos7(),
        &tuned("quiet", "nosoftlockup"),
        &["-nosoftlockup"],
        expect![[r#"
            /etc/default/grub: quiet ${tuned_params} => without nosoftlockup
              blocked by /boot/grub2/grub.cfg:2: `$tuned_params` gives every entry `nosoftlockup`; tuned owns it: change its profile
        "#]],
    );
}

#[test]
fn a_variable_of_several_values_gives_nothing_for_sure() {
    let cfg = "### BEGIN /etc/grub.d/10_linux ###\nif [ x = y ]; then\nset a=iommu=pt\nfi\nmenuentry 'x' {\n\
               linux /vmlinuz-6.1 root=a ro $a\n}\n### END /etc/grub.d/10_linux ###\n";
    let tree = Tree::new(&[(MAIN, "GRUB_CMDLINE_LINUX='$a'\n"), ("/boot/grub/grub.cfg", cfg)]);
    check_on(
        &debian(),
        &tree,
        &["iommu=pt"],
        expect![[r#"
        /etc/default/grub.d/zz-hoststate.cfg: ${a} => ${a} iommu=pt
          write /etc/default/grub.d/zz-hoststate.cfg (130 bytes)
            +# Kernel arguments that hoststate was told to add. Sourced by update-grub after the others.
            +GRUB_CMDLINE_LINUX_DEFAULT="iommu=pt"
        /boot/grub/grub.cfg: line 6 (x) lacks iommu=pt => every entry: iommu=pt
          then boot configuration
    "#]],
    );
}

#[test]
fn what_ten_linux_adds_for_a_partition_id_is_no_wish_of_a_source() {
    let tree = Tree::new(&[
        (MAIN, "GRUB_CMDLINE_LINUX=\"\"\n"),
        ("/etc/default/grub.d/40-force-partuuid.cfg", "\nGRUB_FORCE_PARTUUID=1fd1ba22-02\n"),
    ]);
    check_on(
        &debian(),
        &tree,
        &["panic=10"],
        expect![[r#"
        /boot/grub/grub.cfg: (nothing) => panic=10
          blocked by /etc/default/grub.d/40-force-partuuid.cfg:2: `panic` is written by /etc/grub.d/10_linux while GRUB_FORCE_PARTUUID is set (/etc/default/grub.d/40-force-partuuid.cfg:2), after every other
    "#]],
    );
    check_on(
        &debian(),
        &tree,
        &["-panic"],
        expect![[r#"
        /boot/grub/grub.cfg: (nothing) => without panic
          blocked by /etc/default/grub.d/40-force-partuuid.cfg:2: `panic` is written by /etc/grub.d/10_linux while GRUB_FORCE_PARTUUID is set (/etc/default/grub.d/40-force-partuuid.cfg:2), after every other
    "#]],
    );
    check_on(
        &debian(),
        &Tree::new(&[(MAIN, "GRUB_FORCE_PARTUUID=\n")]),
        &["panic=10"],
        expect![[r#"
        /etc/default/grub.d/zz-hoststate.cfg:  => panic=10
          write /etc/default/grub.d/zz-hoststate.cfg (130 bytes)
            +# Kernel arguments that hoststate was told to add. Sourced by update-grub after the others.
            +GRUB_CMDLINE_LINUX_DEFAULT="panic=10"
        /boot/grub/grub.cfg: (nothing) => every entry: panic=10
          then boot configuration
    "#]],
    );
}

#[test]
fn entries_of_the_machine_that_built_the_image_are_told() {
    let cfg = "### BEGIN /etc/grub.d/10_linux ###\nmenuentry 'x' {\nlinux /vmlinuz-6.1 root=/dev/loop0p1 ro quiet\n}\n\
               ### END /etc/grub.d/10_linux ###\n";
    let tree = Tree::new(&[
        (MAIN, "GRUB_CMDLINE_LINUX='quiet'\n"),
        ("/boot/grub/grub.cfg", cfg),
        ("/etc/fstab", "# /dev/loop0p1 / ext4\nUUID=1-2 / ext4 defaults 0 1\n"),
    ]);
    check_on(
        &debian(),
        &tree,
        &["quiet"],
        expect![[r#"
        /etc/default/grub: converged
        /boot/grub/grub.cfg: line 3 (x) has root=/dev/loop0p1, and /etc/fstab mounts UUID=1-2 at / => every entry: quiet
          then boot configuration
    "#]],
    );
    // A live system has its root there.
    tree.write("/etc/fstab", "/dev/loop0p1 / ext4 defaults 0 1\n");
    check_on(
        &debian(),
        &tree,
        &["quiet"],
        expect![[r#"
        /etc/default/grub: converged
        /boot/grub/grub.cfg: converged
    "#]],
    );
}

#[test]
fn what_stands_only_in_another_order_is_told_as_that() {
    let words = "hugepagesz=1G hugepagesz=2M hugepages=16 hugepages=512";
    let cfg = format!(
        "### BEGIN /etc/grub.d/10_linux ###\nmenuentry 'x' {{\nlinux /vmlinuz-6.1 root=a ro {words}\n}}\n\
         ### END /etc/grub.d/10_linux ###\n"
    );
    let source = format!("GRUB_CMDLINE_LINUX='{words}'\n");
    let tree = Tree::new(&[(MAIN, &source), ("/boot/grub/grub.cfg", &cfg)]);
    check_on(
        &debian(),
        &tree,
        &["hugepagesz=1G", "hugepages=16", "hugepagesz=2M", "hugepages=512"],
        expect![[r#"
            /etc/default/grub: hugepagesz=1G hugepagesz=2M hugepages=16 hugepages=512 => hugepagesz=1G hugepages=16 hugepagesz=2M hugepages=512
              write /etc/default/grub (76 bytes)
                -GRUB_CMDLINE_LINUX='hugepagesz=1G hugepagesz=2M hugepages=16 hugepages=512'
                +GRUB_CMDLINE_LINUX='hugepagesz=1G hugepages=16 hugepagesz=2M hugepages=512'
            /boot/grub/grub.cfg: line 3 (x) has the same parameters in another order: hugepagesz=1G hugepagesz=2M hugepages=16 hugepages=512 -> hugepagesz=1G hugepages=16 hugepagesz=2M hugepages=512 => every entry: hugepagesz=1G hugepages=16 hugepagesz=2M hugepages=512
              then boot configuration
        "#]],
    );
}
