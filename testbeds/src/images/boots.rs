//! What `boots` starts again and again with other files: a root that reports its drivers, images, and its tree.

use super::{
    Building, Image,
    vm::{self, Recipe, VMLINUX},
};
use crate::{
    beds::vm::{once::Once, toolbox::Toolbox},
    boots::RACK,
    error::{Result, check},
    files,
    process::{Call, tail},
};

/// Packages of every root.
const PACKAGES: [&str; 7] =
    ["busybox-static", "kmod", "linux-image-amd64", "mount", "systemd-sysv", "udev", "zstd"];
/// The longest that making the images of a root may take, and its first boot.
const MAKE_SECONDS: u64 = 1800;
const BOOT_SECONDS: u64 = 600;

const BOOTS: Recipe = ("boots.sh", include_str!("../../recipes/boots.sh"));
const REPORT: Recipe = ("boots-report.sh", include_str!("../../recipes/boots-report.sh"));

const MADE_OF: &[&str] = &[include_str!("boots.rs"), BOOTS.1, REPORT.1, VMLINUX.1];

pub(super) static IMAGES: [Image; 6] = [
    Image {
        name: "boots-debian-12-root",
        about: "the packages of a Debian 12 root with initramfs-tools",
        made_of: &PACKAGES,
        needs: &[],
        build: |it| fetch(it, "bookworm", "initramfs-tools"),
        finish: None,
    },
    Image {
        name: "boots-debian-12",
        about: "the same as a disk that reports its drivers, with images and what hoststate reads",
        made_of: MADE_OF,
        needs: &["vm-toolbox", "boots-debian-12-root"],
        build,
        finish: None,
    },
    Image {
        name: "boots-debian-12-dracut-root",
        about: "the packages of a Debian 12 root with dracut",
        made_of: &PACKAGES,
        needs: &[],
        build: |it| fetch(it, "bookworm", "dracut"),
        finish: None,
    },
    Image {
        name: "boots-debian-12-dracut",
        about: "the same as a disk that reports its drivers",
        made_of: MADE_OF,
        needs: &["vm-toolbox", "boots-debian-12-dracut-root"],
        build,
        finish: None,
    },
    Image {
        name: "boots-debian-13-root",
        about: "the packages of a Debian 13 root with initramfs-tools",
        made_of: &PACKAGES,
        needs: &[],
        build: |it| fetch(it, "trixie", "initramfs-tools"),
        finish: None,
    },
    Image {
        name: "boots-debian-13",
        about: "the same as a disk that reports its drivers",
        made_of: MADE_OF,
        needs: &["vm-toolbox", "boots-debian-13-root"],
        build,
        finish: None,
    },
];

fn fetch(building: &Building<'_>, suite: &str, generator: &str) -> Result<()> {
    vm::fetch(building, "tar", suite, &[&PACKAGES[..], &[generator]].concat())
}

fn build(building: &Building<'_>) -> Result<()> {
    vm::make(building, &[BOOTS, REPORT, VMLINUX], MAKE_SECONDS)?;
    let system = building.work.join("system");
    building.progress.line("its first boot");
    let packed = building.work.join("packed.tar");
    files::write(&packed, "")?;
    Call::new(["truncate", "-s", "32M"]).args([&packed]).succeed()?;
    let console = Once {
        kernel: &system.join("vmlinux"),
        image: &system.join("graphics"),
        cmdline: "console=ttyS0 panic=-1 no_timer_check root=/dev/vda rw quiet systemd.unit=boots.target intel_iommu=on",
        memory: 768,
        disks: &[(&system.join("root.ext4"), "root"), (&packed, "boots")],
        keeps: true,
        devices: RACK,
        seconds: BOOT_SECONDS,
    }
    .console(&Toolbox::new(&building.needs[0]), building.work)?;
    check(console.contains("boots: done"), "the first boot", "boots: done", tail(&console))?;
    Call::new(["tar", "-x", "-f"]).args([&packed]).args(["-C"]).args([system.join("tree")]).succeed()?;
    files::rename(system, building.file)
}
