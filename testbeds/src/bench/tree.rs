//! Host trees and playbooks for the benchmark, made by formula.

use std::{fmt::Write, path::Path};

use crate::{error::Result, files};

const KERNEL: &str = "6.1.0-50-amd64";

/// What the small host is asked for; `floor_check.c` compares the same lines.
pub(super) const SMALL_PLAYBOOK: &str = r#"kernel_cmdline { present = { "intel_iommu=on", "iommu=pt" } }
for _, module in ipairs { "nouveau", "nvidiafb", "snd_hda_intel" } do
  modprobe_softdep { module = module, pre = { "vfio-pci" } }
end
vfio_pci_ids { ids = { "10de:0ffc", "10de:0e1b" }, file = "zz-hoststate.conf" }
for _, module in ipairs { "nouveau", "nvidiafb" } do
  modprobe_blacklist { module = module, file = "zz-hoststate.conf" }
end
modules_load { modules = { "vfio_pci" } }
"#;

/// A Debian-like host with one kernel and GRUB, and no initramfs generator: images are not what is timed.
pub(super) fn bare_host(root: &Path) -> Result<()> {
    write_host(root, "quiet")
}

/// The bare host, already as `SMALL_PLAYBOOK` wants it.
pub(super) fn small_host(root: &Path) -> Result<()> {
    write_host(root, "quiet intel_iommu=on iommu=pt")?;
    files::write(
        root.join("etc/modprobe.d/01-hoststate.conf"),
        "softdep nouveau pre: vfio-pci\nsoftdep nvidiafb pre: vfio-pci\nsoftdep snd_hda_intel pre: vfio-pci\n",
    )?;
    files::write(
        root.join("etc/modprobe.d/zz-hoststate.conf"),
        "options vfio-pci ids=10de:0ffc,10de:0e1b\nblacklist nouveau\nblacklist nvidiafb\n",
    )?;
    files::write(root.join("etc/modules-load.d/hoststate.conf"), "vfio_pci\n")
}

fn write_host(root: &Path, words: &str) -> Result<()> {
    files::write(
        root.join("etc/os-release"),
        "ID=debian\nVERSION_ID=\"12\"\nPRETTY_NAME=\"Debian GNU/Linux 12\"\n",
    )?;
    files::write(
        root.join("etc/default/grub"),
        &format!(
            "GRUB_DEFAULT=0\nGRUB_TIMEOUT=5\nGRUB_DISABLE_RECOVERY=true\nGRUB_CMDLINE_LINUX_DEFAULT=\"{words}\"\nGRUB_CMDLINE_LINUX=\"\"\n"
        ),
    )?;
    files::write(
        root.join("boot/grub/grub.cfg"),
        &format!(
            "set default=\"0\"\nmenuentry 'Debian' --class debian --class gnu-linux {{\n\tlinux\t/boot/vmlinuz-{KERNEL} root=/dev/vda1 ro {words}\n}}\n"
        ),
    )?;
    files::write(
        root.join("proc/cmdline"),
        &format!("BOOT_IMAGE=/boot/vmlinuz-{KERNEL} root=/dev/vda1 ro {words}\n"),
    )?;
    files::write(root.join(format!("boot/vmlinuz-{KERNEL}")), "")?;
    files::write(root.join(format!("boot/config-{KERNEL}")), "CONFIG_VFIO_PCI=m\n")?;
    let modules = root.join("lib/modules").join(KERNEL);
    files::write(modules.join("modules.builtin"), "kernel/fs/binfmt_script.ko\n")?;
    files::write(modules.join("modules.dep"), "kernel/drivers/vfio/pci/vfio-pci.ko:\n")?;
    files::write_program(root.join("usr/sbin/update-grub"), "#!/bin/sh\n")?;
    files::write_program(root.join("usr/sbin/grub-mkconfig"), "#!/bin/sh\n")?;
    files::make_directory(root.join("etc/modprobe.d"))
}

/// Writes the lines that `options_playbook` wants and `floor_options.c` looks for.
pub(super) fn options(root: &Path, declarations: usize, file_count: usize) -> Result<()> {
    for file in 0..file_count {
        let mut text = String::new();
        for number in (file..declarations).step_by(file_count) {
            writeln!(text, "options bench{number} p={number}").expect("writing to a String does not fail");
        }
        files::write(root.join(format!("etc/modprobe.d/bench-{file}.conf")), &text)?;
    }
    Ok(())
}

/// A playbook of `declarations` module options over `file_count` files.
pub(super) fn options_playbook(declarations: usize, file_count: usize) -> String {
    format!(
        "for number = 0, {last} do\n  modprobe_options {{\n    module = \"bench\" .. number, options = {{ p = number }},\n    file = \"bench-\" .. number % {file_count} .. \".conf\",\n  }}\nend\n",
        last = declarations - 1
    )
}
