//! Roots for containers that are laid out as CentOS 6 and 7 are: the files and names of those releases, around the
//! tools of the Debian root that they are made of.
//!
//! GRUB's scripts are the real ones under the names and paths of the Red Hat family; what its own patches add to them,
//! and grubby, are not here.

use std::path::Path;

use super::{Building, Image};
use crate::{beds::container::mounts::Mounts, error::Result, process::Call};

/// Images of dracut have other names there, and Debian's own tools are not there.
const COMMON: &str = r#"
set -eu
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
for kernel in $(ls /lib/modules); do mv /boot/initrd.img-$kernel /boot/initramfs-$kernel.img; done
rm -f /etc/debian_version /etc/os-release /usr/lib/os-release /usr/sbin/update-grub
"#;

/// What CentOS 7 has: `grub2-mkconfig` for `/boot/grub2`.
const CENTOS_7: &str = r#"
cat > /etc/os-release <<'END'
NAME="CentOS Linux"
VERSION="7 (Core)"
ID="centos"
ID_LIKE="rhel fedora"
VERSION_ID="7"
PRETTY_NAME="CentOS Linux 7 (Core)"
END
echo 'CentOS Linux release 7.9.2009 (Core)' > /etc/centos-release
ln -s centos-release /etc/system-release
mv /boot/grub /boot/grub2
mv /usr/sbin/grub-mkconfig /usr/sbin/grub2-mkconfig
sed -i 's,/boot/grub\b,/boot/grub2,g; s,grub-mkconfig\b,grub2-mkconfig,g' /usr/sbin/grub2-mkconfig
sed -i 's,/boot/grub\b,/boot/grub2,g' /etc/grub.d/[0-9]*
sed -i 's,/boot/grub\b,/boot/grub2,g' /usr/share/grub/grub-mkconfig_lib
cat > /etc/default/grub <<'END'
GRUB_TIMEOUT=5
GRUB_DISTRIBUTOR="$(sed 's, release .*$,,g' /etc/system-release)"
GRUB_DISABLE_SUBMENU=true
GRUB_TERMINAL_OUTPUT="console"
GRUB_CMDLINE_LINUX="crashkernel=auto rhgb quiet"
GRUB_DISABLE_RECOVERY="true"
END
mkdir -p /etc/sysconfig
ln -s /etc/default/grub /etc/sysconfig/grub
grub2-mkconfig -o /boot/grub2/grub.cfg
"#;

/// What CentOS 6 has: legacy GRUB, whose `grub.conf` is read at boot and by no tool before it.
const CENTOS_6: &str = r#"
echo 'CentOS release 6.10 (Final)' > /etc/centos-release
ln -s centos-release /etc/redhat-release
ln -s centos-release /etc/system-release
rm -rf /boot/grub /etc/default/grub /etc/grub.d /usr/sbin/grub* /usr/bin/grub*
mkdir /boot/grub
{
	printf '# written by anaconda\ndefault=0\ntimeout=5\nhiddenmenu\n'
	for kernel in $(ls /lib/modules | sort -rV); do
		printf 'title CentOS (%s)\n\troot (hd0,0)\n' $kernel
		printf '\tkernel /boot/vmlinuz-%s ro root=/dev/vda rhgb quiet\n' $kernel
		printf '\tinitrd /boot/initramfs-%s.img\n' $kernel
	done
} > /boot/grub/grub.conf
ln -s ../boot/grub/grub.conf /etc/grub.conf
"#;

pub(super) static IMAGES: [Image; 2] = [
    Image {
        name: "centos-7-like",
        about: "the layout of CentOS 7: grub2-mkconfig and dracut",
        made_of: &[COMMON, CENTOS_7],
        needs: &["debian-dracut"],
        build: copy,
        finish: Some(|work, file| finish(work, file, CENTOS_7)),
    },
    Image {
        name: "centos-6-like",
        about: "the layout of CentOS 6: legacy GRUB and dracut",
        made_of: &[COMMON, CENTOS_6],
        needs: &["debian-dracut"],
        build: copy,
        finish: Some(|work, file| finish(work, file, CENTOS_6)),
    },
];

fn copy(building: &Building<'_>) -> Result<()> {
    Call::new(["cp", "--sparse=always", "--reflink=auto"])
        .args([&building.needs[0]])
        .args([building.file])
        .succeed()?;
    Ok(())
}

fn finish(work: &Path, file: &Path, script: &str) -> Result<()> {
    let root = Mounts::make(work)?.mount(file)?;
    root.call(["sh", "-c", &format!("{COMMON}{script}")]).within(500).succeed()?;
    root.unmount()
}
