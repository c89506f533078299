//! Debian roots for containers: two kernels, GRUB and one initramfs generator each, as an ext4 file system.

use std::path::Path;

use super::{Building, Image};
use crate::{beds::container::mounts::Mounts, error::Result, files, machine, process::Call};

/// The release the images hold.
const SUITE: &str = "bookworm";
/// The second kernel: a copy of the first under an older version, so that "every kernel" is more than one
/// and the newest is not the only one that a tool looks at.
const OLDER_KERNEL: &str = "6.1.0-1-amd64";
/// Makes it.
const SECOND_KERNEL: &str = "real=$(ls /lib/modules)
cp -a /lib/modules/$real /lib/modules/$older
for kind in vmlinuz config; do cp -a /boot/$kind-$real /boot/$kind-$older; done
depmod $older
";
/// Room for the root, a second set of images and their temporary copies; the file is sparse.
const FILE_SYSTEM_SIZE: &str = "900M";
/// Directories of kernel modules that stay; the others are most of a root's size and nothing here needs them.
const KEPT_MODULES: [&str; 16] = [
    "arch/x86/crypto",
    "arch/x86/kvm",
    "crypto",
    "drivers/block/virtio_blk",
    "drivers/gpu/drm/tiny",
    "drivers/iommu",
    "drivers/net/net_failover",
    "drivers/net/virtio_net",
    "drivers/vfio",
    "drivers/virtio",
    "fs/ext4",
    "fs/jbd2",
    "fs/mbcache",
    "lib",
    "sound",
    "virt",
];
/// Packages of every root.
const PACKAGES: [&str; 7] = ["linux-image-amd64", "grub-efi-amd64", "kmod", "udev", "mount", "cpio", "zstd"];

/// A fleet's host has no links to its disks: its menu names the disk from the beginning, as it does later.
const DEVICE_NAMES: &str = "echo GRUB_DISABLE_LINUX_UUID=true >> /etc/default/grub\n";

/// `grub-probe` of a host whose root is an overlay: the real one wants a block device. The rest of GRUB is real.
const GRUB_PROBE: &str = r#"
dpkg-divert --quiet --rename --add /usr/sbin/grub-probe
cat > /usr/sbin/grub-probe <<END
#!/bin/sh
for word; do case \$word in --target=*) target=\${word#--target=} ;; esac; done
[ "\$1" != -t ] || target=\$2
case \$target in
device) echo /dev/vda ;;
fs) echo ext2 ;;
fs_uuid) echo $(grub-probe.distrib --target=fs_uuid /) ;;
partmap | abstraction | fs_label | msdos_parttype | partuuid) ;;
*_hint* | hints_string) ;;
*) exit 1 ;;
esac
END
chmod +x /usr/sbin/grub-probe
ssh-keygen -A
"#;

pub(super) static IMAGES: [Image; 3] = [
    Image {
        name: "debian-initramfs-tools",
        about: "Debian 12 with GRUB and initramfs-tools",
        made_of: &[include_str!("debian.rs")],
        needs: &[],
        build: |it| build(it, &["initramfs-tools", "busybox-static"]),
        finish: Some(|work, file| {
            finish(work, file, &format!("{SECOND_KERNEL}update-initramfs -c -k \"$older\"\nupdate-grub\n"))
        }),
    },
    Image {
        name: "debian-dracut",
        about: "Debian 12 with GRUB and dracut",
        made_of: &[include_str!("debian.rs")],
        needs: &[],
        build: |it| build(it, &["dracut", "busybox-static"]),
        // dracut copies /etc/modprobe.d in hostonly mode only; the family it comes from has that on by default.
        finish: Some(|work, file| {
            let script = "echo 'hostonly=\"yes\"' > /etc/dracut.conf.d/10-hostonly.conf\n\
                          dracut --regenerate-all --force\nupdate-grub\n";
            finish(work, file, &format!("{SECOND_KERNEL}{script}"))
        }),
    },
    Image {
        name: "fleet-host",
        about: "Debian 12 with one kernel, GRUB, initramfs-tools, sshd and Python",
        made_of: &[include_str!("debian.rs")],
        needs: &[],
        build: |it| build(it, &["initramfs-tools", "busybox-static", "openssh-server", "python3"]),
        finish: Some(|work, file| finish(work, file, &format!("{DEVICE_NAMES}update-grub\n{GRUB_PROBE}"))),
    },
];

fn build(building: &Building<'_>, packages: &[&str]) -> Result<()> {
    let root = building.work.join("unpacked");
    building.progress.line("fetching and unpacking packages");
    fetch(&root, packages)?;
    building.progress.line("making the file system");
    Call::new(["mke2fs", "-q", "-t", "ext4", "-U", "random", "-d"])
        .args([&root, building.file])
        .args([FILE_SYSTEM_SIZE])
        .within(300)
        .succeed()?;
    files::remove_tree(&root)?;
    building.progress.line("second kernel, initramfs images, boot configuration");
    Ok(())
}

/// Unpacks the packages below `root` (mmdebstrap(1)).
fn fetch(root: &Path, packages: &[&str]) -> Result<()> {
    let modules = "/lib/modules/*/kernel";
    let mut call = Call::new([
        "mmdebstrap",
        "--mode=root",
        "--variant=apt",
        "--format=directory",
        "--aptopt=Acquire::Languages \"none\"",
        "--aptopt=APT::Install-Recommends \"false\"",
        "--dpkgopt=path-exclude=/usr/share/doc/*",
        "--dpkgopt=path-exclude=/usr/share/man/*",
        "--dpkgopt=path-exclude=/usr/share/locale/*",
        "--dpkgopt=path-exclude=/boot/System.map*",
    ])
    .args([format!("--dpkgopt=path-exclude={modules}/*")]);
    for kept in KEPT_MODULES {
        call = call.args([format!("--dpkgopt=path-include={modules}/{kept}*")]);
    }
    call.args([format!("--include={},{}", PACKAGES.join(","), packages.join(","))])
        .args([SUITE])
        .args([root])
        .args([machine::debian_mirror()?])
        .env("DEBIAN_FRONTEND", "noninteractive")
        .within(1200)
        .succeed()?;
    Ok(())
}

/// Brings the fetched root into the state an installer leaves.
fn finish(work: &Path, file: &Path, last: &str) -> Result<()> {
    let root = Mounts::make(work)?.mount(file)?;
    let script = format!(
        "set -eu\nexport PATH=/usr/sbin:/usr/bin:/sbin:/bin\n\
         older={OLDER_KERNEL}\n\
         echo \"UUID=$(grub-probe --target=fs_uuid /) / ext4 errors=remount-ro 0 1\" > /etc/fstab\n\
         rm -rf /var/cache/apt/archives/*.deb /var/lib/apt/lists/*\n{last}",
    );
    root.call(["sh", "-c", &script]).within(500).succeed()?;
    root.unmount()
}
