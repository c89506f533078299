//! What virtual machines start from: the toolbox, Debian hosts on disks, and the system of the fast bed.

use super::{Building, Image};
use crate::{
    beds::{
        Bed,
        vm::{Boot, Vm, hardware::Hardware, toolbox::Toolbox},
    },
    error::{Result, check},
    files, machine,
    process::{Call, tail},
};

/// QEMU of this release has igb, virtual functions of NVMe, and an AMD IOMMU that keeps its interrupts when emulated.
const SUITE: &str = "trixie";
/// Programs of the toolbox.
const TOOLBOX: [&str; 16] = [
    "busybox-static",
    "cpio",
    "dosfstools",
    "e2fsprogs",
    "gdisk",
    "ipxe-qemu",
    "kmod",
    "mount",
    "mtools",
    "ovmf",
    "pciutils",
    "qemu-system-x86",
    "qemu-utils",
    "seabios",
    "xz-utils",
    "zstd",
];
/// What a Debian host is made of.
const DEBIAN: [&str; 15] = [
    "busybox-static",
    "dbus",
    "dropbear-bin",
    "e2fsprogs",
    "grub-efi-amd64",
    "grub-pc-bin",
    "initramfs-tools",
    "iproute2",
    "kmod",
    "linux-image-amd64",
    "mount",
    "pciutils",
    "systemd-sysv",
    "udev",
    "zstd",
];
/// What a host of the EL family is made of, as far as Debian has it, and a second kernel for a scenario to install.
/// Its GRUB comes from elsewhere.
const EL: [&str; 14] = [
    "binutils",
    "cpio",
    "dbus",
    "dracut",
    "e2fsprogs",
    "iproute2",
    "kmod",
    "linux-image-amd64",
    "linux-image-rt-amd64",
    "mount",
    "pciutils",
    "systemd-sysv",
    "udev",
    "zstd",
];
/// The first release whose GRUB has EL's `blscfg`, by the way it reads boot entries.
const BLSCFG_SUITE: &str = "forky";
const BLSCFG: [&str; 3] = ["grub-efi-amd64-bin", "grub-pc-bin", "grub2-common"];
/// What compiles a kernel, and its source.
const COMPILER: [&str; 12] = [
    "bc",
    "bison",
    "flex",
    "gcc",
    "kmod",
    "libc6-dev",
    "libelf-dev",
    "linux-source",
    "make",
    "mount",
    "perl",
    "xz-utils",
];
/// The longest that fetching, making and the first boot may take.
const FETCH_SECONDS: u64 = 1500;
const MAKE_SECONDS: u64 = 900;
const COMPILE_SECONDS: u64 = 3600;
const FINISH_SECONDS: u64 = 600;

/// A shell script of `recipes/`: its name and its text.
pub(super) type Recipe = (&'static str, &'static str);

const AGENT: Recipe = ("agent.sh", include_str!("../../recipes/agent.sh"));
const DISK: Recipe = ("disk.sh", include_str!("../../recipes/disk.sh"));
const EL_DISK: Recipe = ("el-disk.sh", include_str!("../../recipes/el-disk.sh"));
const FAST: Recipe = ("fast.sh", include_str!("../../recipes/fast.sh"));
const FAST_INIT: Recipe = ("fast-init.sh", include_str!("../../recipes/fast-init.sh"));
const FINISH_DISK: Recipe = ("finish-disk.sh", include_str!("../../recipes/finish-disk.sh"));
const INSTALL_AGENT: Recipe = ("install-agent.sh", include_str!("../../recipes/install-agent.sh"));
const PUT_BIOS_GRUB: Recipe = ("put-bios-grub.sh", include_str!("../../recipes/put-bios-grub.sh"));
const PUT_PARTITION: Recipe = ("put-partition.sh", include_str!("../../recipes/put-partition.sh"));
pub(super) const VMLINUX: Recipe = ("vmlinux.sh", include_str!("../../recipes/vmlinux.sh"));
const VFIO_KERNEL: Recipe = ("vfio-kernel.sh", include_str!("../../recipes/vfio-kernel.sh"));

pub(super) static IMAGES: [Image; 10] = [
    Image {
        name: "vm-toolbox",
        about: "QEMU, its firmware and the tools that make disks, of Debian 13",
        made_of: &TOOLBOX,
        needs: &[],
        build: |it| {
            fetch(it, "directory", SUITE, &TOOLBOX)?;
            Toolbox::furnish(it.file)
        },
        finish: None,
    },
    Image {
        name: "vm-debian-root",
        about: "the packages of a Debian 13 host",
        made_of: &DEBIAN,
        needs: &[],
        build: |it| fetch(it, "tar", SUITE, &DEBIAN),
        finish: None,
    },
    Image {
        name: "vm-fast",
        about: "a Debian 13 kernel with busybox, kmod and lspci",
        made_of: &[FAST.1, VMLINUX.1, FAST_INIT.1, AGENT.1],
        needs: &["vm-toolbox", "vm-debian-root"],
        build: |it| {
            make(it, &[FAST, VMLINUX, FAST_INIT, AGENT], MAKE_SECONDS)?;
            files::make_directory(it.file)?;
            for name in ["vmlinux", "initramfs"] {
                files::rename(it.work.join(name), it.file.join(name))?;
            }
            Ok(())
        },
        finish: None,
    },
    Image {
        name: "vm-debian",
        about: "Debian 13 on a SATA disk: GRUB for BIOS and EFI, initramfs-tools, systemd",
        made_of: &[DISK.1, AGENT.1, INSTALL_AGENT.1, PUT_PARTITION.1, PUT_BIOS_GRUB.1, FINISH_DISK.1],
        needs: &["vm-toolbox", "vm-debian-root"],
        build: debian_disk,
        finish: None,
    },
    Image {
        name: "vm-el-root",
        about: "the packages of a host of the EL family, by Debian",
        made_of: &EL,
        needs: &[],
        build: |it| fetch(it, "tar", SUITE, &EL),
        finish: None,
    },
    Image {
        name: "vm-el-grub",
        about: "GRUB 2.14, which reads boot entries by blscfg",
        made_of: &BLSCFG,
        needs: &[],
        build: |it| fetch(it, "tar", BLSCFG_SUITE, &BLSCFG),
        finish: None,
    },
    Image {
        name: "vm-compiler",
        about: "the source of Debian 13's kernel, and what compiles it",
        made_of: &COMPILER,
        needs: &[],
        build: |it| {
            fetch(it, "directory", SUITE, &COMPILER)?;
            Toolbox::furnish(it.file)
        },
        finish: None,
    },
    Image {
        name: "vm-vfio-kernel",
        about: "a small kernel of that source, with vfio-pci built in",
        made_of: &[VFIO_KERNEL.1],
        needs: &["vm-compiler"],
        build: |it| {
            make(it, &[VFIO_KERNEL], COMPILE_SECONDS)?;
            files::rename(it.work.join("kernel.tar"), it.file)
        },
        finish: None,
    },
    Image {
        name: "vm-vfio",
        about: "vm-debian with the kernel of vm-vfio-kernel",
        made_of: &[DISK.1, AGENT.1, INSTALL_AGENT.1, PUT_PARTITION.1, PUT_BIOS_GRUB.1, FINISH_DISK.1],
        needs: &["vm-toolbox", "vm-debian-root", "vm-vfio-kernel"],
        build: |it| {
            files::link(&it.needs[2], it.work.join("kernel.tar"))?;
            debian_disk(it)
        },
        finish: None,
    },
    Image {
        name: "vm-el",
        about: "a disk as CentOS Stream 9 sets it up: boot entries read by blscfg, dracut, BIOS and EFI",
        made_of: &[EL_DISK.1, AGENT.1, INSTALL_AGENT.1, PUT_PARTITION.1, PUT_BIOS_GRUB.1],
        needs: &["vm-toolbox", "vm-el-root", "vm-el-grub"],
        build: |it| {
            files::link(&it.needs[2], it.work.join("grub.tar"))?;
            make(it, &[EL_DISK, AGENT, INSTALL_AGENT, PUT_PARTITION, PUT_BIOS_GRUB], MAKE_SECONDS)?;
            files::rename(it.work.join("disk.raw"), it.file)
        },
        finish: None,
    },
];

/// Where packages come from.
pub(super) struct Archive {
    pub(super) mirror: String,
    /// What mmdebstrap must be told of it.
    pub(super) options: Vec<String>,
}

/// Fetches packages of Debian with all they depend on.
pub(super) fn fetch(building: &Building<'_>, format: &str, suite: &str, packages: &[&str]) -> Result<()> {
    let archive = Archive { mirror: machine::debian_mirror()?, options: Vec::new() };
    fetch_from(&archive, building, format, suite, packages)
}

/// Fetches packages with all they depend on (mmdebstrap(1)).
pub(super) fn fetch_from(
    archive: &Archive,
    building: &Building<'_>,
    format: &str,
    suite: &str,
    packages: &[&str],
) -> Result<()> {
    building.progress.line("fetching packages");
    Call::new([
        "mmdebstrap",
        "--mode=root",
        "--variant=apt",
        // The machine's clock may be ahead of what a moving suite says of itself.
        "--aptopt=Acquire::Check-Valid-Until \"false\"",
        "--aptopt=Acquire::Languages \"none\"",
        "--aptopt=APT::Install-Recommends \"false\"",
        "--dpkgopt=path-exclude=/usr/share/doc/*",
        "--dpkgopt=path-exclude=/usr/share/man/*",
        "--dpkgopt=path-exclude=/usr/share/locale/*",
        "--customize-hook=rm -f \"$1\"/var/cache/apt/archives/*.deb",
    ])
    .args([format!("--format={format}"), format!("--include={}", packages.join(","))])
    .args(&archive.options)
    .args([suite])
    .args([building.file])
    .args([&archive.mirror])
    .env("DEBIAN_FRONTEND", "noninteractive")
    .within(FETCH_SECONDS)
    .succeed()?;
    Ok(())
}

/// Makes a disk of the packages of a Debian host, in the toolbox and in its first boot.
fn debian_disk(building: &Building<'_>) -> Result<()> {
    make(building, &[DISK, AGENT, INSTALL_AGENT, PUT_PARTITION, PUT_BIOS_GRUB], MAKE_SECONDS)?;
    first_boot(building, FINISH_DISK)?;
    files::rename(building.work.join("disk.raw"), building.file)
}

/// Runs the first recipe in the first of the needed images, in a directory with all recipes and the second as root.
pub(super) fn make(building: &Building<'_>, recipes: &[Recipe], seconds: u64) -> Result<()> {
    building.progress.line("making it");
    for (name, text) in recipes {
        files::write(building.work.join(name), text)?;
    }
    if let Some(root) = building.needs.get(1) {
        files::link(root, building.work.join("root.tar"))?;
    }
    let first = recipes.first().map_or("", |(name, _)| name);
    Toolbox::new(&building.needs[0]).make(building.work, first).within(seconds).succeed()?;
    Ok(())
}

/// Boots the new disk once and runs the recipe in it.
fn first_boot(building: &Building<'_>, (name, text): Recipe) -> Result<()> {
    building.progress.line("its first boot");
    let boot = Boot::Original { image: building.work.join("disk.raw") };
    let mut vm = Vm::new(&Toolbox::new(&building.needs[0]), Hardware::default(), boot, building.work)?;
    vm.start()?;
    let finished = vm.call(&["sh", "-c", text], None, FINISH_SECONDS)?;
    check(finished.status == 0, name, "success", tail(&finished.stderr))?;
    vm.turn_off()
}
