//! Host trees and playbooks for the benchmark, made by formula.

use std::{fmt::Write, path::Path};

use crate::{error::Result, files};

const KERNEL: &str = "6.1.0-50-amd64";

/// Cards of a host with many virtual functions.
const CARDS: usize = 8;

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

/// Gives the host images of a size that Debian's have with `MODULES=most`: some 1,600 modules, 75 MB unpacked.
/// They hold what [`IMAGE_PLAYBOOK`] wants of them.
pub(super) fn images(root: &Path, count: usize) -> Result<()> {
    files::write_program(root.join("usr/sbin/mkinitramfs"), "#!/bin/sh\n")?;
    let image = zstd::encode_all(&archive()[..], 1)?;
    for number in 0..count {
        let kernel = format!("6.1.0-{number}-amd64");
        files::write(root.join(format!("boot/vmlinuz-{kernel}")), "")?;
        files::write(
            root.join(format!("lib/modules/{kernel}/modules.dep")),
            "kernel/drivers/vfio/pci/vfio-pci.ko:\n",
        )?;
        files::write_bytes(root.join(format!("boot/initrd.img-{kernel}")), &image)?;
    }
    files::write_bytes(root.join(format!("boot/initrd.img-{KERNEL}")), &image)?;
    files::write(root.join("etc/modprobe.d/zz-hoststate.conf"), IMAGE_OPTIONS)
}

/// Gives a host with [`images`] what Debian's kernels have beside them: the indexes of some 4,000 modules, and PCI
/// functions that are looked up in them, as many as `functions`. The next boot is played with that.
pub(super) fn modules_tree(root: &Path, count: usize, functions: usize) -> Result<()> {
    let write = |text: &mut String, line: String| {
        text.push_str(&line);
        text.push('\n');
    };
    let (mut dep, mut alias) = (String::new(), String::new());
    write(&mut dep, "kernel/drivers/vfio/pci/vfio-pci.ko: kernel/drivers/vfio/vfio.ko".into());
    write(&mut dep, "kernel/drivers/vfio/vfio.ko:".into());
    for number in 0..4_000 {
        write(&mut dep, format!("kernel/drivers/net/bench{number}.ko: kernel/drivers/vfio/vfio.ko"));
        for device in 0..5 {
            let id = number * 5 + device;
            write(&mut alias, format!("alias pci:v00008086d{id:08X}sv*sd*bc*sc*i* bench{number}"));
        }
    }
    let numbered = (0..count).map(|it| format!("6.1.0-{it}-amd64"));
    for kernel in numbered.chain([KERNEL.to_owned()]) {
        let modules = root.join("lib/modules").join(kernel);
        files::write(modules.join("modules.dep"), &dep)?;
        files::write(modules.join("modules.alias"), &alias)?;
    }
    for device in 0..functions {
        let address = format!("0000:{:02x}:{:02x}.{}", device / 256, device / 8 % 32, device % 8);
        let directory = root.join("sys/bus/pci/devices").join(address);
        let id = device % 200 * 100;
        for (name, text) in [
            ("vendor", "0x8086\n".to_owned()),
            ("device", format!("0x{id:04x}\n")),
            ("subsystem_vendor", "0x8086\n".to_owned()),
            ("subsystem_device", "0x0000\n".to_owned()),
            ("class", "0x020000\n".to_owned()),
            ("modalias", format!("pci:v00008086d{id:08X}sv00008086sd00000000bc02sc00i00\n")),
        ] {
            files::write(directory.join(name), &text)?;
        }
    }
    Ok(())
}

/// Adds eight cards without virtual functions yet, each of which may have 256, in groups of an IOMMU that is on.
pub(super) fn cards(root: &Path) -> Result<()> {
    for card in 0..CARDS {
        let directory = root.join("sys/bus/pci/devices").join(format!("0000:{:02x}:00.0", 0x10 + card * 2));
        for (name, text) in [
            ("vendor", "0x8086"),
            ("device", "0x1572"),
            ("subsystem_vendor", "0x8086"),
            ("subsystem_device", "0x0000"),
            ("class", "0x020000"),
            ("modalias", "pci:v00008086d00001572sv00008086sd00000000bc02sc00i00"),
            ("sriov_totalvfs", "256"),
            ("sriov_numvfs", "0"),
            ("sriov_offset", "16"),
            ("sriov_stride", "1"),
            ("sriov_drivers_autoprobe", "1"),
            ("sriov_vf_device", "154c"),
        ] {
            files::write(directory.join(name), &format!("{text}\n"))?;
        }
        let driver = root.join("sys/bus/pci/drivers/i40e");
        files::write(driver.join("bind"), "")?;
        files::link_to("../../drivers/i40e", directory.join("driver"))?;
        files::write(root.join(format!("sys/kernel/iommu_groups/{card}/type")), "DMA\n")?;
    }
    Ok(())
}

/// A playbook that makes so many virtual functions of the [`cards`] for guests.
pub(super) fn cards_playbook(functions: usize) -> String {
    let each = functions / CARDS;
    format!(
        "for card = 0, {} do\n  sriov_nic {{ device = string.format(\"0000:%02x:00.0\", 0x10 + card * 2), numvfs = \
         {each}, driver = \"vfio-pci\" }}\nend\n",
        CARDS - 1
    )
}

/// What hosts with [`images`] are asked for. Of the second line they have nothing before they are converged.
pub(super) const IMAGE_PLAYBOOK: &str = r#"vfio_pci_ids { ids = { "10de:0ffc" }, file = "zz-hoststate.conf" }
modules_load { modules = { "loop" } }
"#;

const IMAGE_OPTIONS: &str = "options vfio-pci ids=10de:0ffc\n";

/// A newc archive of modules that pack as well as real ones do, to about a third.
fn archive() -> Vec<u8> {
    let mut archive = Vec::new();
    let mut state = 1_u64;
    let mut module = || {
        let mut module = Vec::new();
        while module.len() < 46 << 10 {
            // xorshift64: no pattern for the packer in these eight bytes, and nothing but pattern in the next sixteen.
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            module.extend_from_slice(&state.to_le_bytes());
            module.extend_from_slice(&[0; 16]);
        }
        module
    };
    let mut add = |path: &str, content: &[u8]| {
        let fields = [1, 0o100_644, 0, 0, 1, 0, content.len(), 0, 0, 0, 0, path.len() + 1, 0];
        archive.extend_from_slice(b"070701");
        fields.iter().for_each(|it| archive.extend_from_slice(format!("{it:08X}").as_bytes()));
        archive.extend_from_slice(path.as_bytes());
        archive.push(0);
        archive.resize(archive.len().next_multiple_of(4), 0);
        archive.extend_from_slice(content);
        archive.resize(archive.len().next_multiple_of(4), 0);
    };
    for number in 0..1600 {
        add(&format!("usr/lib/modules/{KERNEL}/kernel/drivers/net/bench{number}.ko"), &module());
    }
    add(&format!("usr/lib/modules/{KERNEL}/kernel/drivers/vfio/pci/vfio-pci.ko"), &module());
    add("etc/modprobe.d/zz-hoststate.conf", IMAGE_OPTIONS.as_bytes());
    add("TRAILER!!!", b"");
    archive
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
            "### BEGIN /etc/grub.d/10_linux ###\nset default=\"0\"\nmenuentry 'Debian' --class debian --class gnu-linux {{\n\tlinux\t/boot/vmlinuz-{KERNEL} root=/dev/vda1 ro {words}\n}}\n"
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
