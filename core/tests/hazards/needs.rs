//! What hangs on a device beyond mounts of its disks and plain routes: servers, tunnels, VRFs, volumes of guests, pools,
//! the keyboard.

use expect_test::expect;
use hoststate_testkit::pci::SysfsDevice;
use hoststate_testkit::tree::Tree;
use serde_json::{Value, json};

use crate::sysfs::{host, with_default_route, with_nic, with_nvme};
use crate::{check, harmless};

pub(crate) const WAN: &str = "0000:03:00.0";
pub(crate) const SECOND: &str = "0000:04:00.0";
pub(crate) const FREE: &str = "0000:05:00.0";

pub(crate) fn take(address: &str) -> Value {
    json!([{ "type": "driver_binding", "device": address, "driver": "vfio-pci" }])
}

/// A host with three network cards: the first has the default route, the second a link to 10.0.3.0/24.
pub(crate) fn three_cards() -> Tree {
    let tree = host();
    with_nic(&tree, WAN, "igc", "wan0", 3);
    with_nic(&tree, SECOND, "igc", "lan0", 4);
    with_nic(&tree, FREE, "igc", "free0", 5);
    with_default_route(&tree, "wan0");
    let routes = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\n\
                  wan0\t00000000\t0102A8C0\t0003\t0\t0\t100\t00000000\n\
                  wan0\t0002A8C0\t00000000\t0001\t0\t0\t100\t00FFFFFF\n\
                  lan0\t0003000A\t00000000\t0001\t0\t0\t100\t00FFFFFF\n";
    tree.write("/proc/net/route", routes);
    tree
}

fn mounts(tree: &Tree, text: &str) {
    tree.write("/proc/mounts", text);
}

pub(crate) fn virtual_interface(tree: &Tree, name: &str) {
    tree.write(format!("/sys/devices/virtual/net/{name}/operstate"), "unknown\n");
    tree.link(format!("/sys/class/net/{name}"), format!("../../devices/virtual/net/{name}"));
}

#[test]
fn the_card_over_which_root_comes_by_iscsi_is_not_taken() {
    let tree = three_cards();
    mounts(&tree, "/dev/sda2 / ext4 rw 0 0\n");
    let session = "/sys/devices/platform/host6/session1";
    tree.write(format!("{session}/target6:0:0/6:0:0:0/block/sda/sda2/partition"), "2\n");
    tree.link(
        "/sys/class/block/sda2",
        "../../devices/platform/host6/session1/target6:0:0/6:0:0:0/block/sda/sda2",
    );
    tree.write("/sys/class/iscsi_connection/connection1:0/address", "10.0.3.20\n");
    tree.write("/sys/class/iscsi_connection/connection7:0/address", "192.168.2.9\n");
    check(
        &tree,
        take(SECOND),
        expect![[r#"
        refuse root-storage-f290b8: 0000:04:00.0 leaves igc for vfio-pci, and / is on it
            /proc/mounts: / is on /dev/sda2 (ext4)
            /sys/class/iscsi_connection/connection1:0/address is 10.0.3.20
            the route to 10.0.3.20 goes over lan0
            /sys/class/net/lan0 is on 0000:04:00.0
            /sys/bus/pci/devices/0000:04:00.0/driver is igc
            /etc/udev/rules.d/70-hoststate-driver.rules:2 gives 0000:04:00.0 to vfio-pci
            "0000:04:00.0" is written to /sys/bus/pci/devices/0000:04:00.0/driver/unbind
            /sys/bus/pci/devices/0000:04:00.0/driver_override names vfio-pci
    "#]],
    );
    harmless(&tree, take(FREE));
    // So it is where the card is only reset, when its virtual functions are made.
    let sriov = hoststate_testkit::pci::SysfsSriov { total: 8, offset: 16, stride: 1, device: 0x154c };
    SysfsDevice::new(SECOND, 0x8086, 0x1572, 0x02_0000).driver("i40e").group(4).sriov(sriov).write(&tree);
    let four = json!([{ "type": "sriov_numvfs", "device": SECOND, "numvfs": 4 }]);
    let plan = crate::plan(&tree, &four, &[]);
    let found: Vec<&str> = plan.guards.iter().map(|it| it.message.as_str()).collect();
    let what =
        "0000:04:00.0 gets 4 virtual functions: its driver resets the card for that, and / goes over it";
    assert_eq!(found, [what]);
}

#[test]
fn the_card_over_which_a_server_is_mounted_is_not_taken() {
    for row in [
        "10.0.3.9:/srv /srv nfs4 rw,vers=4.2,addr=10.0.3.9 0 0\n",
        "filer:/srv /srv nfs rw,addr=10.0.3.9 0 0\n",
        "//10.0.3.9/share /srv cifs rw,vers=3.1.1 0 0\n",
        "10.0.3.9:6789,10.0.3.10:6789:/ /srv ceph rw 0 0\n",
    ] {
        let tree = three_cards();
        mounts(&tree, row);
        let plan = crate::plan(&tree, &take(SECOND), &[]);
        let found: Vec<&str> = plan.guards.iter().map(|it| it.message.as_str()).collect();
        assert_eq!(found, ["0000:04:00.0 leaves igc for vfio-pci, and /srv is on it"], "{row}");
        harmless(&tree, take(FREE));
    }
}

#[test]
fn the_card_over_which_a_disk_of_the_network_comes_is_not_taken() {
    let fabric = |tree: &Tree| {
        tree.write("/sys/class/nvme/nvme0/address", "traddr=10.0.3.20,trsvcid=4420\n");
        tree.write("/sys/devices/virtual/nvme-subsystem/nvme-subsys0/nvme0n1/dev", "259:0\n");
        tree.link("/sys/class/block/nvme0n1", "../../devices/virtual/nvme-subsystem/nvme-subsys0/nvme0n1");
        mounts(tree, "/dev/nvme0n1 / xfs rw 0 0\n");
    };
    let nbd = |tree: &Tree| {
        tree.write("/sys/devices/virtual/block/nbd0/dev", "43:0\n");
        tree.link("/sys/class/block/nbd0", "../../devices/virtual/block/nbd0");
        // 10.0.3.7:40000 to 10.0.3.20:10809.
        let row = "   0: 0703000A:9C40 1403000A:2A39 01 0:0 0:0 0 0 0 0\n";
        tree.write("/proc/net/tcp", format!("  sl  local_address rem_address   st\n{row}"));
        mounts(tree, "/dev/nbd0 / ext4 rw 0 0\n");
    };
    for with in [&fabric as &dyn Fn(&Tree), &nbd] {
        let tree = three_cards();
        with(&tree);
        let plan = crate::plan(&tree, &take(SECOND), &[]);
        let found: Vec<&str> = plan.guards.iter().map(|it| it.message.as_str()).collect();
        assert_eq!(found, ["0000:04:00.0 leaves igc for vfio-pci, and / is on it"]);
        harmless(&tree, take(FREE));
    }
}

#[test]
fn the_card_under_a_tunnel_is_not_taken() {
    let tree = three_cards();
    virtual_interface(&tree, "ppp0");
    with_default_route(&tree, "ppp0");
    tree.write(
        "/proc/net/pppoe",
        "Id       Address              Device\n00000011 02:00:5E:00:53:20    wan0  \n",
    );
    check(
        &tree,
        take(WAN),
        expect![[r#"
        refuse network-path-8791c0: 0000:03:00.0 leaves igc for vfio-pci, and the default route goes over it
            /proc/net/route: the default route goes over ppp0
            /proc/net/pppoe: a session goes over wan0
            /sys/class/net/ppp0 is made of wan0
            /sys/class/net/wan0 is on 0000:03:00.0
            /sys/bus/pci/devices/0000:03:00.0/driver is igc
            /etc/udev/rules.d/70-hoststate-driver.rules:2 gives 0000:03:00.0 to vfio-pci
            "0000:03:00.0" is written to /sys/bus/pci/devices/0000:03:00.0/driver/unbind
            /sys/bus/pci/devices/0000:03:00.0/driver_override names vfio-pci
    "#]],
    );
    harmless(&tree, take(FREE));
    tree.remove("/proc/net/pppoe");
    tree.write("/etc/ppp/peers/line", "# nic-free0\nplugin rp-pppoe.so nic-wan0\ndefaultroute\n");
    check(
        &tree,
        take(WAN),
        expect![[r#"
        refuse network-path-8791c0: 0000:03:00.0 leaves igc for vfio-pci, and the default route goes over it
            /proc/net/route: the default route goes over ppp0
            /etc/ppp/peers/line names wan0
            /sys/class/net/ppp0 is made of wan0
            /sys/class/net/wan0 is on 0000:03:00.0
            /sys/bus/pci/devices/0000:03:00.0/driver is igc
            /etc/udev/rules.d/70-hoststate-driver.rules:2 gives 0000:03:00.0 to vfio-pci
            "0000:03:00.0" is written to /sys/bus/pci/devices/0000:03:00.0/driver/unbind
            /sys/bus/pci/devices/0000:03:00.0/driver_override names vfio-pci
    "#]],
    );
    harmless(&tree, take(FREE));
}

#[test]
fn a_tunnel_that_shows_no_card_makes_every_running_card_suspect() {
    let tree = three_cards();
    virtual_interface(&tree, "wg0");
    with_default_route(&tree, "wg0");
    tree.write("/sys/devices/pci0000:00/0000:03:00.0/net/wan0/operstate", "up\n");
    check(
        &tree,
        take(WAN),
        expect![[r#"
        refuse network-path-5cca16: 0000:03:00.0 leaves igc for vfio-pci, and the default route may go over it
            /proc/net/route: the default route goes over wg0
            nothing shows which card wg0 goes over
            wan0 has a running link, and may be it
            /sys/class/net/wan0 is on 0000:03:00.0
            /sys/bus/pci/devices/0000:03:00.0/driver is igc
            /etc/udev/rules.d/70-hoststate-driver.rules:2 gives 0000:03:00.0 to vfio-pci
            "0000:03:00.0" is written to /sys/bus/pci/devices/0000:03:00.0/driver/unbind
            /sys/bus/pci/devices/0000:03:00.0/driver_override names vfio-pci
    "#]],
    );
    harmless(&tree, take(FREE));
}

#[test]
fn the_card_of_a_connection_in_a_vrf_is_not_taken() {
    let tree = three_cards();
    virtual_interface(&tree, "mgmt");
    tree.write("/sys/devices/virtual/net/mgmt/uevent", "DEVTYPE=vrf\nINTERFACE=mgmt\n");
    tree.link("/sys/devices/virtual/net/mgmt/lower_lan0", "../../../pci0000:00/0000:04:00.0/net/lan0");
    // 192.0.2.7:22 from 192.0.2.9, in no route but the default one.
    let row = "   0: 070200C0:0016 090200C0:C350 01 0:0 0:0 0 0 0 0\n";
    tree.write("/proc/net/tcp", format!("  sl  local_address rem_address   st\n{row}"));
    check(
        &tree,
        take(SECOND),
        expect![[r#"
        refuse network-path-06978a: 0000:04:00.0 leaves igc for vfio-pci, and an SSH connection goes over it
            /proc/net/tcp: an SSH connection from 192.0.2.9 to port 22, whose address 192.0.2.7 is in no route of the main table; lan0 is in the VRF mgmt
            /sys/class/net/lan0 is on 0000:04:00.0
            /sys/bus/pci/devices/0000:04:00.0/driver is igc
            /etc/udev/rules.d/70-hoststate-driver.rules:2 gives 0000:04:00.0 to vfio-pci
            "0000:04:00.0" is written to /sys/bus/pci/devices/0000:04:00.0/driver/unbind
            /sys/bus/pci/devices/0000:04:00.0/driver_override names vfio-pci
    "#]],
    );
    harmless(&tree, take(FREE));
}

#[test]
fn a_disk_under_volumes_of_guests_is_not_taken() {
    let tree = host();
    with_nvme(&tree, SECOND, "nvme1", 4);
    with_nvme(&tree, FREE, "nvme2", 5);
    let part = format!("/sys/devices/pci0000:00/{SECOND}/nvme/nvme1/nvme1n1/nvme1n1p1");
    tree.link(format!("{part}/holders/dm-2"), "../../../../../../../virtual/block/dm-2");
    for (name, label) in [("dm-2", "data-pool"), ("dm-3", "data-vm--100")] {
        tree.write(format!("/sys/devices/virtual/block/{name}/dm/name"), format!("{label}\n"));
        tree.link(format!("/sys/class/block/{name}"), format!("../../devices/virtual/block/{name}"));
    }
    tree.link("/sys/devices/virtual/block/dm-2/holders/dm-3", "../../dm-3");
    check(
        &tree,
        take(SECOND),
        expect![[r#"
        refuse root-storage-42694b: 0000:04:00.0 leaves nvme for vfio-pci, and data-vm--100 is on it
            /sys/class/block/nvme1n1p1/holders has dm-2 (data-pool)
            /sys/class/block/dm-2/holders has dm-3 (data-vm--100)
            /sys/class/block/nvme1n1p1 is below 0000:04:00.0
            /sys/bus/pci/devices/0000:04:00.0/driver is nvme
            /etc/udev/rules.d/70-hoststate-driver.rules:2 gives 0000:04:00.0 to vfio-pci
            "0000:04:00.0" is written to /sys/bus/pci/devices/0000:04:00.0/driver/unbind
            /sys/bus/pci/devices/0000:04:00.0/driver_override names vfio-pci
    "#]],
    );
    harmless(&tree, take(FREE));
    // An array that runs is in use as well.
    tree.remove(format!("{part}/holders/dm-2"));
    tree.link(format!("{part}/holders/md0"), "../../../../../../../virtual/block/md0");
    tree.directory("/sys/devices/virtual/block/md0");
    tree.link("/sys/class/block/md0", "../../devices/virtual/block/md0");
    check(
        &tree,
        take(SECOND),
        expect![[r#"
        refuse root-storage-1394fb: 0000:04:00.0 leaves nvme for vfio-pci, and md0 is on it
            /sys/class/block/nvme1n1p1/holders has md0
            /sys/class/block/nvme1n1p1 is below 0000:04:00.0
            /sys/bus/pci/devices/0000:04:00.0/driver is nvme
            /etc/udev/rules.d/70-hoststate-driver.rules:2 gives 0000:04:00.0 to vfio-pci
            "0000:04:00.0" is written to /sys/bus/pci/devices/0000:04:00.0/driver/unbind
            /sys/bus/pci/devices/0000:04:00.0/driver_override names vfio-pci
    "#]],
    );
}

#[test]
fn a_pool_is_on_the_disks_that_udev_knows_as_its_members() {
    let tree = host();
    with_nvme(&tree, SECOND, "nvme1", 4);
    with_nvme(&tree, FREE, "nvme2", 5);
    mounts(&tree, "rpool/ROOT / zfs rw 0 0\n");
    for (disk, minor, record) in [
        ("nvme1", 11, "E:ID_FS_TYPE=zfs_member\nE:ID_FS_LABEL=rpool\n"),
        ("nvme2", 21, "E:ID_FS_TYPE=ext4\n"),
    ] {
        for part in 1..4 {
            let minor = minor + part;
            tree.write(format!("/sys/class/block/{disk}n1p{part}/dev"), format!("259:{minor}\n"));
            tree.write(format!("/run/udev/data/b259:{minor}"), record);
        }
    }
    check(
        &tree,
        take(SECOND),
        expect![[r#"
        refuse root-storage-5c2d8d: 0000:04:00.0 leaves nvme for vfio-pci, and / is on it
            /proc/mounts: / is on rpool/ROOT (zfs)
            /run/udev/data/b259:12: nvme1n1p1 is a member of rpool
            /sys/class/block/nvme1n1p1 is below 0000:04:00.0
            /run/udev/data/b259:13: nvme1n1p2 is a member of rpool
            /sys/class/block/nvme1n1p2 is below 0000:04:00.0
            /run/udev/data/b259:14: nvme1n1p3 is a member of rpool
            /sys/class/block/nvme1n1p3 is below 0000:04:00.0
            /sys/bus/pci/devices/0000:04:00.0/driver is nvme
            /etc/udev/rules.d/70-hoststate-driver.rules:2 gives 0000:04:00.0 to vfio-pci
            "0000:04:00.0" is written to /sys/bus/pci/devices/0000:04:00.0/driver/unbind
            /sys/bus/pci/devices/0000:04:00.0/driver_override names vfio-pci
    "#]],
    );
    harmless(&tree, take(FREE));
    // A pool of volumes of guests is mounted nowhere.
    mounts(&tree, "/dev/sda1 / ext4 rw 0 0\n");
    tree.write("/proc/spl/kstat/zfs/rpool/state", "ONLINE\n");
    check(
        &tree,
        take(SECOND),
        expect![[r#"
        refuse root-storage-66627b: 0000:04:00.0 leaves nvme for vfio-pci, and the pool rpool is on it
            /proc/spl/kstat/zfs/rpool is there: the pool is imported
            /run/udev/data/b259:12: nvme1n1p1 is a member of rpool
            /sys/class/block/nvme1n1p1 is below 0000:04:00.0
            /run/udev/data/b259:13: nvme1n1p2 is a member of rpool
            /sys/class/block/nvme1n1p2 is below 0000:04:00.0
            /run/udev/data/b259:14: nvme1n1p3 is a member of rpool
            /sys/class/block/nvme1n1p3 is below 0000:04:00.0
            /sys/bus/pci/devices/0000:04:00.0/driver is nvme
            /etc/udev/rules.d/70-hoststate-driver.rules:2 gives 0000:04:00.0 to vfio-pci
            "0000:04:00.0" is written to /sys/bus/pci/devices/0000:04:00.0/driver/unbind
            /sys/bus/pci/devices/0000:04:00.0/driver_override names vfio-pci
    "#]],
    );
    harmless(&tree, take(FREE));
}

#[test]
fn the_controller_of_the_only_keyboard_stays_where_a_passphrase_is_typed() {
    let tree = host();
    SysfsDevice::new(SECOND, 0x8086, 0xa36d, 0x0c_0330).driver("xhci_hcd").group(4).write(&tree);
    SysfsDevice::new(FREE, 0x1b21, 0x1242, 0x0c_0330).driver("xhci_hcd").group(5).write(&tree);
    let keyboard = |address: &str| {
        format!(
            "I: Bus=0003\nN: Name=\"Keyboard\"\nS: Sysfs=/devices/pci0000:00/{address}/usb1/1-2/input/input5\n\
             H: Handlers=sysrq kbd event5 leds\nB: EV=120013\n"
        )
    };
    let button =
        "I: Bus=0019\nN: Name=\"Power Button\"\nS: Sysfs=/devices/LNXSYSTM:00/input/input0\nB: EV=3\n";
    tree.write("/proc/bus/input/devices", format!("{button}\n{}\n", keyboard(SECOND)));
    harmless(&tree, take(SECOND));
    tree.write("/etc/crypttab", "# name device key\nroot UUID=1234 none luks,discard\n");
    check(
        &tree,
        take(SECOND),
        expect![[r#"
        refuse keyboard-51aaba: 0000:04:00.0 leaves xhci_hcd for vfio-pci, and the only keyboard is on it: no passphrase can be typed when the host boots
            /proc/bus/input/devices: /sys/devices/pci0000:00/0000:04:00.0/usb1/1-2/input/input5 is a keyboard, below 0000:04:00.0
            /etc/crypttab:2: root is opened with a passphrase
            /sys/bus/pci/devices/0000:04:00.0/driver is xhci_hcd
            /etc/udev/rules.d/70-hoststate-driver.rules:2 gives 0000:04:00.0 to vfio-pci
            "0000:04:00.0" is written to /sys/bus/pci/devices/0000:04:00.0/driver/unbind
            /sys/bus/pci/devices/0000:04:00.0/driver_override names vfio-pci
    "#]],
    );
    harmless(&tree, take(FREE));
    tree.write("/etc/crypttab", "root UUID=1234 none luks,tpm2-device=auto\nhome UUID=5 /etc/key luks\n");
    harmless(&tree, take(SECOND));
    tree.write("/etc/crypttab", "root UUID=1234\n");
    tree.write("/proc/bus/input/devices", format!("{}\n{}\n", keyboard(SECOND), keyboard(FREE)));
    harmless(&tree, take(SECOND));
}

#[test]
fn a_card_that_does_not_answer_is_told_and_is_no_bridge() {
    let tree = three_cards();
    tree.write("/sys/devices/pci0000:00/0000:05:00.0/power_state", "D3cold\n");
    tree.write("/sys/devices/pci0000:00/0000:05:00.0/config", [0xff; 64]);
    check(
        &tree,
        take(FREE),
        expect![[r#"
        warn dead-card-cf97d4: 0000:05:00.0 does not answer (its configuration space reads ff): it is asleep, or needs a reset or a power cycle
            /sys/bus/pci/devices/0000:05:00.0/config is ff
            /sys/bus/pci/devices/0000:05:00.0/power_state is D3cold
    "#]],
    );
}
