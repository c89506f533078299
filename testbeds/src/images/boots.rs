//! What `boots` starts again and again with other files: a root that reports its drivers, images, and its tree.

use super::{
    Building, Image,
    vm::{self, Archive, Recipe, VMLINUX},
};
use crate::{
    beds::vm::{once::Once, toolbox::Toolbox},
    boots::rack::RACK,
    error::{Result, check},
    files, machine,
    process::{Call, tail},
};

/// Packages of every root.
const PACKAGES: [&str; 7] = ["busybox-static", "driverctl", "kmod", "mount", "systemd-sysv", "udev", "zstd"];
const DEBIAN_KERNEL: &str = "linux-image-amd64";
/// The first kernel of Ubuntu 22.04: the packages that name the newest one bring the firmware of everything.
const UBUNTU_KERNEL: [&str; 2] = ["linux-image-5.15.0-25-generic", "linux-modules-extra-5.15.0-25-generic"];
/// What its initramfs-tools wants besides.
const UBUNTU: [&str; 2] = ["e2fsprogs", "initramfs-tools"];
/// The keys of that archive, which Debian 12 does not have, and the sum of the package.
const UBUNTU_KEYRING: (&str, &str) = (
    "pool/main/u/ubuntu-keyring/ubuntu-keyring_2021.03.26_all.deb",
    "SHA256:0d0e7ed6b112f5d03eabf3c7eb01ebdacf9c57714b279e90495cfc58c8c4520f",
);
const UBUNTU_ROOT: &str = "boots-ubuntu-22.04-root";
/// The longest that making the images of a root may take, and its first boot.
const MAKE_SECONDS: u64 = 1800;
const BOOT_SECONDS: u64 = 600;
/// Where the second disk sits.
const PACKED: &str = "0000:00:11.0";

const BOOTS: Recipe = ("boots.sh", include_str!("../../recipes/boots.sh"));
const REPORT: Recipe = ("boots-report.sh", include_str!("../../recipes/boots-report.sh"));

const MADE_OF: &[&str] =
    &[include_str!("boots.rs"), include_str!("../boots/rack.rs"), BOOTS.1, REPORT.1, VMLINUX.1];

pub(super) static IMAGES: [Image; 8] = [
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
    Image {
        name: UBUNTU_ROOT,
        about: "the packages of an Ubuntu 22.04 root with initramfs-tools, as its installer lays it out",
        made_of: &PACKAGES,
        needs: &[],
        build: fetch_ubuntu,
        finish: None,
    },
    Image {
        name: "boots-ubuntu-22.04",
        about: "the same as a disk that reports its drivers; vfio-pci is built into its kernel",
        made_of: MADE_OF,
        needs: &["vm-toolbox", UBUNTU_ROOT],
        build,
        finish: None,
    },
];

fn fetch(building: &Building<'_>, suite: &str, generator: &str) -> Result<()> {
    vm::fetch(building, "tar", suite, &[&PACKAGES[..], &[DEBIAN_KERNEL, generator]].concat())
}

fn fetch_ubuntu(building: &Building<'_>) -> Result<()> {
    let (package, sum) = UBUNTU_KEYRING;
    let mirror = machine::ubuntu_mirror()?;
    let (file, keys) = (building.work.join("keyring.deb"), building.work.join("keyring"));
    Call::new(["/usr/lib/apt/apt-helper", "download-file"])
        .args([format!("{mirror}/{package}")])
        .args([&file])
        .args([sum])
        .within(MAKE_SECONDS)
        .succeed()?;
    Call::new(["dpkg-deb", "-x"]).args([&file, &keys]).succeed()?;
    let keyring = keys.join("usr/share/keyrings/ubuntu-archive-keyring.gpg");
    let options = vec![
        "--components=main,universe".into(),
        format!("--keyring={}", keyring.display()),
        // As its installer does; its packages alone do not.
        "--setup-hook=for it in bin sbin lib lib32 lib64 libx32; do mkdir -p \"$1/usr/$it\" && ln -s \"usr/$it\" \
         \"$1/$it\"; done"
            .into(),
    ];
    let archive = Archive { mirror, options };
    let packages = [&PACKAGES[..], &UBUNTU_KERNEL, &UBUNTU].concat();
    vm::fetch_from(&archive, building, "tar", "jammy", &packages)
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
        processors: 1,
        seconds: BOOT_SECONDS,
    }
    .console(&Toolbox::new(&building.needs[0]), building.work)?;
    check(console.contains("boots: done"), "the first boot", "boots: done", tail(&console))?;
    let tree = system.join("tree");
    Call::new(["tar", "-x", "-f"]).args([&packed]).args(["-C"]).args([&tree]).succeed()?;
    // The disk that it was packed onto is there this once.
    files::remove(tree.join("sys/bus/pci/devices").join(PACKED))?;
    files::rename(system, building.file)
}
