//! Ordinary hosts with nothing wrong, made from a seed: whatever is given away that nobody needs, no guard has anything
//! to say.

use hoststate_testkit::pci::SysfsDevice;
use hoststate_testkit::tree::Tree;
use serde_json::{Value, json};

use crate::sysfs::{host, with_gpu, with_igpu, with_interface, with_nic, with_nvme};

const SEED: u64 = 20;
const HOSTS: usize = 200;

/// A sequence that is the same on every machine (Marsaglia, Xorshift RNGs).
struct Dice(u64);

impl Dice {
    fn below(&mut self, count: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % count
    }

    fn flip(&mut self) -> bool {
        self.below(2) == 0
    }
}

const ROOT_DISK: &str = "0000:02:00.0";
const FREE_DISK: &str = "0000:05:00.0";
const WAY_IN: &str = "0000:03:00.0";
const FREE_NIC: &str = "0000:04:00.0";
const KEYBOARD: &str = "0000:00:14.0";
const FREE_USB: &str = "0000:07:00.0";

const MODULES: &str = "kernel/vfio/vfio.ko:\nkernel/vfio/vfio-pci-core.ko: kernel/vfio/vfio.ko\n\
    kernel/vfio/vfio-pci.ko: kernel/vfio/vfio-pci-core.ko kernel/vfio/vfio.ko\nkernel/drm.ko:\n\
    kernel/nouveau.ko: kernel/drm.ko\nkernel/i915.ko: kernel/drm.ko\nkernel/ast.ko: kernel/drm.ko\n\
    kernel/snd-hda-intel.ko:\nkernel/nvme.ko:\nkernel/igc.ko:\nkernel/igb.ko:\nkernel/kvm.ko:\nkernel/nct6775.ko:\n";

const ALIASES: &str = "alias pci:v000010DEd*sv*sd*bc03sc*i* nouveau\nalias pci:v00008086d*sv*sd*bc03sc*i* i915\n\
    alias pci:v00001A03d*sv*sd*bc03sc*i* ast\nalias pci:v*d*sv*sd*bc04sc03i* snd_hda_intel\n\
    alias pci:v*d*sv*sd*bc01sc08i02* nvme\nalias pci:v00008086d00001533sv*sd*bc*sc*i* igc\n\
    alias pci:v00008086d000010C9sv*sd*bc*sc*i* igb\n";

fn plain(dice: &mut Dice) -> Tree {
    let tree = host();
    let modules = "/lib/modules/6.8.0";
    tree.remove("/boot/initrd.img-6.8.0");
    tree.write(format!("{modules}/modules.dep"), MODULES);
    tree.write(format!("{modules}/modules.alias"), ALIASES);
    tree.write(
        format!("{modules}/modules.builtin"),
        "kernel/drivers/usb/host/xhci-pci.ko\nkernel/drivers/ata/ahci.ko\n",
    );
    if dice.flip() {
        with_igpu(&tree);
    } else {
        SysfsDevice::new("0000:08:00.0", 0x1a03, 0x2000, 0x03_0000)
            .driver("ast")
            .group(8)
            .boot_vga(true)
            .write(&tree);
    }
    with_gpu(&tree, 1, 1);
    with_nvme(&tree, ROOT_DISK, "nvme0", 12);
    with_nvme(&tree, FREE_DISK, "nvme1", 15);
    with_nic(&tree, WAY_IN, "igc", "wan0", 13);
    SysfsDevice::igb(FREE_NIC).group(14).write(&tree);
    with_interface(&tree, FREE_NIC, "free0");
    for (address, group) in [(KEYBOARD, 4), (FREE_USB, 7)] {
        SysfsDevice::new(address, 0x8086, 0xa36d, 0x0c_0330).driver("xhci_hcd").group(group).write(&tree);
    }
    storage(&tree, dice);
    network(&tree, dice);
    let keyboard = format!(
        "I: Bus=0003\nN: Name=\"Keyboard\"\nS: Sysfs=/devices/pci0000:00/{KEYBOARD}/usb1/1-2/input/input5\nB: EV=120013\n"
    );
    tree.write("/proc/bus/input/devices", keyboard);
    if dice.flip() {
        tree.write("/etc/crypttab", "root UUID=1234 none luks,discard\n");
    }
    for (chance, path, text) in [
        (2, "/etc/modprobe.d/blacklist.conf", "blacklist pcspkr\nblacklist nvidiafb\n"),
        (2, "/etc/modprobe.d/kvm.conf", "options kvm_intel nested=1\n"),
        (2, "/etc/modules-load.d/sensors.conf", "nct6775\n"),
        (
            3,
            "/usr/lib/udev/rules.d/60-pm.rules",
            "ACTION==\"add\", SUBSYSTEM==\"pci\", ATTR{power/control}=\"auto\"\n",
        ),
        (
            3,
            "/etc/udev/rules.d/10-names.rules",
            "SUBSYSTEM==\"net\", ATTR{address}==\"02:00:5e:00:53:01\", NAME=\"wan0\"\n",
        ),
        (
            3,
            "/etc/initramfs-tools/scripts/init-top/keymap",
            "#!/bin/sh\n[ \"$1\" = prereqs ] && exit 0\nloadkeys de\n",
        ),
        (3, "/usr/lib/tmpfiles.d/x.conf", "w /sys/module/pcie_aspm/parameters/policy - - - - default\n"),
        (3, "/proc/900/comm", "Xorg\n"),
        (3, "/etc/pve/qemu-server/100.conf", "name: web\nonboot: 1\nnet0: virtio,bridge=br0\n"),
        (4, "/etc/systemd/system/backup.service", "[Service]\nExecStart=/usr/local/bin/backup\n"),
    ] {
        if dice.below(chance) == 0 {
            tree.write(path, text);
        }
    }
    if dice.below(3) == 0 {
        // The free card belongs to a guest that is started at boot.
        let source = "<source><address domain='0x0000' bus='0x01' slot='0x00' function='0x0'/></source>";
        let xml = format!(
            "<domain><name>win</name><hostdev type='pci' managed='yes'>{source}</hostdev></domain>\n"
        );
        tree.write("/etc/libvirt/qemu/autostart/win.xml", xml);
    }
    tree
}

/// Puts root on the first disk, in one of the ways in which it lies on disks.
fn storage(tree: &Tree, dice: &mut Dice) {
    let part = format!("/sys/devices/pci0000:00/{ROOT_DISK}/nvme/nvme0/nvme0n1/nvme0n1p2");
    let volume = |name: &str, label: &str, below: &str| {
        let directory = format!("/sys/devices/virtual/block/{name}");
        if !label.is_empty() {
            tree.write(format!("{directory}/dm/name"), format!("{label}\n"));
        }
        tree.directory(format!("{directory}/slaves"));
        tree.link(format!("/sys/class/block/{name}"), format!("../../devices/virtual/block/{name}"));
        tree.link(format!("{directory}/slaves/{below}"), format!("/sys/class/block/{below}"));
        let holders = match below {
            "nvme0n1p2" => format!("{part}/holders/{name}"),
            other => format!("/sys/devices/virtual/block/{other}/holders/{name}"),
        };
        tree.link(holders, directory);
    };
    let root = match dice.below(6) {
        0 => "/dev/nvme0n1p2 / ext4 rw 0 0\n",
        1 => {
            volume("dm-0", "vg-root", "nvme0n1p2");
            "/dev/mapper/vg-root / xfs rw 0 0\n"
        }
        2 => {
            volume("dm-0", "luks-1234", "nvme0n1p2");
            volume("dm-1", "vg-root", "dm-0");
            "/dev/mapper/vg-root / ext4 rw 0 0\n"
        }
        3 => {
            volume("md0", "", "nvme0n1p2");
            "/dev/md0 / ext4 rw 0 0\n"
        }
        4 => {
            for (index, kind) in
                [(2, "E:ID_FS_TYPE=zfs_member\nE:ID_FS_LABEL=rpool\n"), (1, "E:ID_FS_TYPE=vfat\n")]
            {
                tree.write(format!("/sys/class/block/nvme0n1p{index}/dev"), format!("259:{index}\n"));
                tree.write(format!("/run/udev/data/b259:{index}"), kind);
            }
            tree.write("/proc/spl/kstat/zfs/rpool/state", "ONLINE\n");
            "rpool/ROOT/pve-1 / zfs rw 0 0\n"
        }
        _ => "/dev/nvme0n1p2 / btrfs rw,subvol=/@ 0 0\n/dev/nvme0n1p2 /home btrfs rw,subvol=/@home 0 0\n",
    };
    let server = if dice.below(3) == 0 { "192.168.2.9:/srv /srv nfs4 rw,addr=192.168.2.9 0 0\n" } else { "" };
    tree.write(
        "/proc/mounts",
        format!("proc /proc proc rw 0 0\n{root}/dev/nvme0n1p1 /boot/efi vfat rw 0 0\n{server}"),
    );
    if dice.flip() {
        tree.write("/proc/swaps", "Filename\tType\tSize\tUsed\tPriority\n/dev/nvme0n1p3 partition 8 0 -2\n");
    }
}

/// Has the default route and an SSH connection go over the first card.
fn network(tree: &Tree, dice: &mut Dice) {
    let on = match dice.below(4) {
        0 => {
            tree.directory("/sys/devices/virtual/net/br0/brif/wan0");
            tree.link("/sys/class/net/br0", "../../devices/virtual/net/br0");
            "br0"
        }
        1 => {
            tree.write("/sys/devices/virtual/net/bond0/bonding/slaves", "wan0\n");
            tree.link("/sys/class/net/bond0", "../../devices/virtual/net/bond0");
            "bond0"
        }
        _ => "wan0",
    };
    let routes = format!(
        "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\n{on}\t00000000\t0102A8C0\t0003\t0\t0\t100\t00000000\n\
         {on}\t0002A8C0\t00000000\t0001\t0\t0\t100\t00FFFFFF\n"
    );
    tree.write("/proc/net/route", routes);
    if dice.flip() {
        // 192.168.2.7:22 from 192.168.2.50.
        let row = "   0: 0702A8C0:0016 3202A8C0:C350 01 0:0 0:0 0 0 0 0\n";
        tree.write("/proc/net/tcp", format!("  sl  local_address rem_address   st\n{row}"));
    }
    tree.write("/sys/devices/pci0000:00/0000:03:00.0/net/wan0/operstate", "up\n");
}

fn playbook(dice: &mut Dice) -> Value {
    let bind = |address: &str| json!({ "type": "driver_binding", "device": address, "driver": "vfio-pci" });
    match dice.below(8) {
        0 => json!([bind("0000:01:00.0"), bind("0000:01:00.1")]),
        1 => json!([bind(FREE_NIC)]),
        2 => json!([bind(FREE_DISK)]),
        3 => json!([bind(FREE_USB)]),
        4 => json!([{ "type": "sriov_numvfs", "device": FREE_NIC, "numvfs": 1 + dice.below(7) }]),
        5 => json!([{ "type": "kernel_cmdline", "present": ["mitigations=auto"] }]),
        6 => json!([{ "type": "modprobe_options", "module": "kvm", "options": { "ignore_msrs": "1" } }]),
        _ => json!([
            { "type": "vfio_pci_ids", "ids": ["10de:0ffc", "10de:0e1b"] },
            { "type": "modprobe_softdep", "module": "nouveau", "pre": ["vfio-pci"] },
            { "type": "modprobe_softdep", "module": "snd_hda_intel", "pre": ["vfio-pci"] },
        ]),
    }
}

#[test]
fn no_guard_fires_on_an_ordinary_host() {
    let mut dice = Dice(SEED);
    for number in 0..HOSTS {
        let tree = plain(&mut dice);
        let playbook = playbook(&mut dice);
        let plan = crate::plan(&tree, &playbook, &[]);
        let told: Vec<&str> = plan.guards.iter().map(|it| it.message.as_str()).collect();
        assert!(told.is_empty(), "host {number}, {playbook}: {told:#?}\n{:#?}", plan.guards);
        assert!(plan.conflicts.is_empty(), "host {number}, {playbook}: {:#?}", plan.conflicts);
        assert!(!plan.changes.is_empty(), "host {number}, {playbook}: nothing is planned");
        if number % 10 == 0 {
            // The boot of these hosts is really played: what takes the disk of root there is seen.
            let rule = format!(
                "ACTION==\"add\", KERNEL==\"{ROOT_DISK}\", ATTR{{driver_override}}=\"vfio-pci\", \
                 RUN{{builtin}}+=\"kmod load vfio-pci\"\n"
            );
            tree.write("/run/udev/rules.d/10-left.rules", rule);
            let plan = crate::plan(&tree, &playbook, &[]);
            assert!(plan.guards.iter().any(|it| it.id.starts_with("root-storage-")), "host {number}");
        }
    }
}
