#!/bin/sh
# Makes /work/kernel.tar inside the compiler: boot/ and usr/lib/modules/ of a small kernel with vfio-pci and the Intel IOMMU built
# in, the IOMMU off until `intel_iommu=on` says otherwise.
set -eu
cd /work
tar -xf /usr/src/linux-source-*.tar.xz
cd linux-source-*
cat >wanted <<'EOF'
CONFIG_LOCALVERSION="-vfio"
CONFIG_64BIT=y
CONFIG_SMP=y
CONFIG_HIGH_RES_TIMERS=y
CONFIG_MODULES=y
CONFIG_MODULE_UNLOAD=y
CONFIG_BLK_DEV_INITRD=y
CONFIG_RD_ZSTD=y
CONFIG_BINFMT_ELF=y
CONFIG_BINFMT_SCRIPT=y
CONFIG_SYSVIPC=y
CONFIG_CGROUPS=y
CONFIG_CGROUP_PIDS=y
CONFIG_NAMESPACES=y
CONFIG_SECCOMP=y
CONFIG_INOTIFY_USER=y
CONFIG_FHANDLE=y
CONFIG_AUTOFS_FS=y
CONFIG_PROC_FS=y
CONFIG_TMPFS=y
CONFIG_TMPFS_POSIX_ACL=y
CONFIG_TMPFS_XATTR=y
CONFIG_DEVTMPFS=y
CONFIG_DEVTMPFS_MOUNT=y
CONFIG_PARTITION_ADVANCED=y
CONFIG_EFI_PARTITION=y
CONFIG_EXT4_FS=y
CONFIG_EXT4_FS_POSIX_ACL=y
CONFIG_VFAT_FS=y
CONFIG_NLS_CODEPAGE_437=y
CONFIG_NLS_ISO8859_1=y
CONFIG_NLS_UTF8=y
CONFIG_NET=y
CONFIG_UNIX=y
CONFIG_INET=y
CONFIG_TTY=y
CONFIG_VT=y
CONFIG_UNIX98_PTYS=y
CONFIG_SERIAL_8250=y
CONFIG_SERIAL_8250_CONSOLE=y
CONFIG_RTC_CLASS=y
CONFIG_ACPI=y
CONFIG_PCI=y
CONFIG_PCI_MSI=y
CONFIG_PCIEPORTBUS=y
CONFIG_VIRTIO_MENU=y
CONFIG_VIRTIO_PCI=y
CONFIG_VIRTIO_CONSOLE=y
CONFIG_BLK_DEV=y
CONFIG_SCSI=y
CONFIG_BLK_DEV_SD=y
CONFIG_ATA=y
CONFIG_SATA_AHCI=y
CONFIG_IOMMU_SUPPORT=y
CONFIG_IRQ_REMAP=y
CONFIG_INTEL_IOMMU=y
CONFIG_INTEL_IOMMU_DEFAULT_OFF=y
CONFIG_VFIO=y
CONFIG_VFIO_GROUP=y
CONFIG_VFIO_CONTAINER=y
CONFIG_VFIO_IOMMU_TYPE1=y
CONFIG_VFIO_PCI=y
CONFIG_DRM=m
CONFIG_DRM_FBDEV_EMULATION=y
CONFIG_DRM_BOCHS=m
CONFIG_DRM_CIRRUS_QEMU=m
CONFIG_FB=m
CONFIG_FB_DEVICE=y
CONFIG_SOUND=m
CONFIG_SND=m
CONFIG_SND_PCI=y
CONFIG_SND_HDA_INTEL=m
EOF
KCONFIG_ALLCONFIG=wanted make -s allnoconfig
while read -r line; do
	grep -qxF "$line" .config || { echo "the kernel's configuration lacks $line"; exit 1; }
done <wanted
make -s "-j$(nproc)" bzImage modules
version=$(make -s kernelrelease)
mkdir -p ../kernel/boot
make -s modules_install INSTALL_MOD_PATH="$(readlink -f ../kernel)/usr" DEPMOD=true
rm -f "../kernel/usr/lib/modules/$version/build"
cp arch/x86/boot/bzImage "../kernel/boot/vmlinuz-$version"
cp .config "../kernel/boot/config-$version"
cp System.map "../kernel/boot/System.map-$version"
tar -C ../kernel --numeric-owner --owner=0 --group=0 -cf ../kernel.tar boot usr
