//! What the simulated tools and a simulated boot leave behind.

use expect_test::{Expect, expect};
use hoststate_abi::step::Step;
use hoststate_core::formats::initramfs;
use hoststate_core::host::Host;

use super::SimHost;
use crate::pci::SysfsDevice;
use crate::tree::Tree;

fn run(host: &SimHost, command: &str) -> String {
    let argv = command.split(' ').map(str::to_owned).collect();
    match host.perform(&Step::Run { argv }) {
        Ok(done) => format!("{done:?}"),
        Err(err) => err.to_string(),
    }
}

fn check_image(command: &str, image: &str, expect: Expect) {
    let host = SimHost::new(Tree::new(&[
        ("/etc/modprobe.d/vfio.conf", "options vfio-pci ids=10de:0ffc\n"),
        ("/etc/modprobe.d/README", "no configuration\n"),
        ("/etc/initramfs-tools/modules", "# early\nvfio_pci\n"),
        ("/etc/dracut.conf.d/vfio.conf", "force_drivers+=\" vfio-pci \"\n"),
        (
            "/lib/modules/6.8.0/modules.dep",
            "kernel/vfio-pci.ko: kernel/vfio.ko\nkernel/vfio.ko:\nkernel/x.ko:\n",
        ),
    ]));
    run(&host, command);
    let bytes = host.view().read_bytes(image.as_ref()).unwrap().unwrap();
    let image = initramfs::list_with(bytes.as_slice(), |_| true).unwrap();
    let mut text = String::new();
    for entry in &image.entries {
        let content = image.read(&entry.path).unwrap_or_default();
        text.push_str(&format!("{}: {:?}\n", entry.path, String::from_utf8_lossy(content)));
    }
    expect.assert_eq(&text);
}

#[test]
fn an_image_holds_the_configuration_and_the_modules() {
    check_image(
        "update-initramfs -u -k 6.8.0",
        "/boot/initrd.img-6.8.0",
        expect![[r#"
        etc/modprobe.d/vfio.conf: "options vfio-pci ids=10de:0ffc\n"
        conf/modules: "vfio_pci\n"
        usr/lib/modules/6.8.0/kernel/vfio-pci.ko: ""
        usr/lib/modules/6.8.0/kernel/vfio.ko: ""
    "#]],
    );
    check_image(
        "dracut --force /boot/initramfs-6.8.0.img 6.8.0",
        "/boot/initramfs-6.8.0.img",
        expect![[r#"
        etc/modprobe.d/vfio.conf: "options vfio-pci ids=10de:0ffc\n"
        etc/cmdline.d/20-force_driver.conf: "rd.driver.pre=vfio-pci\n"
        usr/lib/modules/6.8.0/kernel/vfio-pci.ko: ""
        usr/lib/modules/6.8.0/kernel/vfio.ko: ""
    "#]],
    );
}

#[test]
fn a_boot_takes_the_first_entry_and_forgets_what_was_only_in_the_kernel() {
    let tree = Tree::new(&[
        ("/boot/vmlinuz-6.8.0", ""),
        ("/etc/default/grub", "GRUB_CMDLINE_LINUX_DEFAULT=\"$(uname)\"\n"),
        ("/etc/default/grub.d/x.cfg", "GRUB_CMDLINE_LINUX=\"intel_iommu=on\"\n"),
    ]);
    SysfsDevice::igb("0000:01:00.0").write(&tree);
    let host = SimHost::new(tree).native("8086:10c9", "igb");
    run(&host, "update-grub");
    let numvfs = "/sys/bus/pci/devices/0000:01:00.0/sriov_numvfs";
    host.perform(&Step::WriteAttribute { path: numvfs.into(), value: "3".to_owned() }).unwrap();
    host.reboot();
    let read = |path: &str| host.tree().read(path).unwrap_or_default();
    expect![[r#"
        BOOT_IMAGE=/boot/vmlinuz-6.8.0 root=/dev/vda1 ro intel_iommu=on printed
    "#]]
    .assert_eq(&read("/proc/cmdline"));
    expect![[r#"
        00000000-0000-4000-8000-000000000001
    "#]]
    .assert_eq(&read("/proc/sys/kernel/random/boot_id"));
    assert_eq!(read(numvfs), "0\n");
    assert!(!host.tree().view().exists("/sys/bus/pci/devices/0000:01:10.0".as_ref()).unwrap());
}

#[test]
fn an_unknown_tool_and_a_cut_are_failures() {
    let host = SimHost::new(Tree::new(&[])).cut_after(1);
    expect!["`update-bootloader` cannot be run: No such file or directory"]
        .assert_eq(&run(&host, "update-bootloader"));
    expect!["the power is cut"].assert_eq(&run(&host, "modprobe vfio-pci"));
    host.mend();
    expect![[r#"Done { status: Some(0), stderr: "" }"#]].assert_eq(&run(&host, "modprobe vfio_pci"));
    assert!(host.tree().read("/sys/bus/pci/drivers/vfio-pci/bind").is_some());
    assert_eq!(host.performed().len(), 1);
}
