//! Captured hosts, changed into others that people have: what they are told, and what they are not.

#![expect(
    clippy::disallowed_methods,
    reason = "captured hosts are read from the repository, and the binary is run"
)]

use std::path::PathBuf;
use std::process::Command;

use hoststate_testkit::tree::Tree;

/// A captured host with other files; where the text is `None` the file, link or directory is gone.
pub(crate) fn host(name: &str, changes: &[(&str, Option<&str>)]) -> Tree {
    let file = PathBuf::from(format!("{}/../examples/hosts/{name}.host", env!("CARGO_MANIFEST_DIR")));
    let tree = Tree::captured(&std::fs::read_to_string(file).expect("a captured host"));
    for (path, text) in changes {
        match text {
            Some(_) if path.ends_with('/') => tree.directory(path),
            Some(text) => tree.write(path, text),
            None => tree.remove(path),
        }
    }
    tree
}

/// Returns what a command says about a Lua playbook on the host, and its exit status.
pub(crate) fn run(tree: &Tree, command: &str, playbook: &str) -> (String, Option<i32>) {
    answer(tree, &[command, "playbook.lua", "--detailed-exitcode"], playbook)
}

/// Returns why a device is on its driver, and the exit status.
pub(crate) fn why(tree: &Tree, device: &str, playbook: &str) -> (String, Option<i32>) {
    answer(tree, &["why", device, "playbook.lua"], playbook)
}

/// Returns what a command says, and its exit status.
pub(crate) fn answer(tree: &Tree, words: &[&str], playbook: &str) -> (String, Option<i32>) {
    let directory = tempfile::TempDir::new().expect("a temporary directory");
    std::fs::write(directory.path().join("playbook.lua"), playbook).expect("a playbook");
    let mut process = Command::new(env!("CARGO_BIN_EXE_hoststate"));
    process.args(words).arg("--root").arg(tree.root());
    let output = process.current_dir(directory.path()).env_clear().output().expect("the binary starts");
    let text = [output.stdout, output.stderr].concat();
    (String::from_utf8(text).expect("UTF-8"), output.status.code())
}

const ARM: (&str, Option<&str>) =
    ("/proc/cpuinfo", Some("processor\t: 0\nCPU implementer\t: 0x41\nCPU part\t: 0xd0b\n"));
const POWER: (&str, Option<&str>) =
    ("/proc/cpuinfo", Some("processor\t: 0\ncpu\t\t: POWER9, altivec supported\n"));
const XEN: [(&str, Option<&str>); 3] = [
    ("/proc/xen/capabilities", Some("control_d\n")),
    ("/proc/cmdline", Some("placeholder root=/dev/nvme0n1p2 ro quiet\n")),
    ("/sys/kernel/iommu_groups", None),
];

#[test]
fn a_gpu_of_arm_and_power_needs_no_parameter_of_x86() {
    for cpu in [ARM, POWER] {
        let tree = host("ubuntu-24.04", &[cpu]);
        let (text, status) = run(&tree, "plan", "gpu_passthrough { device = '01:00.0' }");
        assert_eq!(status, Some(2), "{text}");
        assert!(text.contains("vfio_pci_ids") && !text.contains("kernel_cmdline"), "{text}");
        let (text, _) = run(&tree, "plan", "iommu {}");
        assert!(text.contains("declares nothing") || text.contains("Nothing to do"), "{text}");
    }
}

#[test]
fn parameters_of_x86_are_warned_of_on_arm() {
    let tree = host("ubuntu-24.04", &[ARM]);
    let (text, status) = run(&tree, "plan", "kernel_cmdline { present = { 'iommu=pt', 'intel_iommu=on' } }");
    assert_eq!(status, Some(2), "{text}");
    for word in ["iommu=pt", "intel_iommu=on"] {
        let warning = format!(
            "warning: {word} does not do what it seems to: it is a parameter of x86, and this machine is Arm"
        );
        assert!(text.contains(&warning) && text.contains("iommu.passthrough=1"), "{text}");
    }
    let (text, _) = run(&tree, "plan", "kernel_cmdline { present = { 'iommu.passthrough=1' } }");
    assert!(!text.contains("warning"), "{text}");
}

#[test]
fn a_kernel_before_groups_and_before_its_option_was_renamed_is_in_the_desired_state() {
    let line = "ro root=/dev/mapper/vg_oldvirt3-lv_root quiet intel_iommu=on\n";
    let conf = format!(
        "default=0\ntitle CentOS\n\troot (hd0,0)\n\tkernel /vmlinuz-2.6.32-754.el6.x86_64 {line}\tinitrd /i\n\
         title Old\n\troot (hd0,0)\n\tkernel /vmlinuz-2.6.32-696.el6.x86_64 {line}\tinitrd /i\n"
    );
    let common = [("/boot/grub/grub.conf", Some(conf.as_str())), ("/proc/cmdline", Some(line))];
    let intel = host("centos-6", &common);
    let playbook = "kernel_cmdline { present = { 'intel_iommu=on' } }";
    for command in ["verify", "plan"] {
        let (text, status) = run(&intel, command, playbook);
        assert_eq!(status, Some(0), "{text}");
        assert!(!text.contains("CONFIG_INTEL_IOMMU"), "{text}");
    }
    let (text, _) = run(&intel, "why", "");
    assert!(!text.contains("CONFIG_INTEL_IOMMU"), "{text}");
    let amd = ("/proc/cpuinfo", Some("vendor_id\t: AuthenticAMD\n"));
    let (text, status) = run(&host("centos-6", &[common[0], common[1], amd]), "verify", playbook);
    assert_eq!(status, Some(0), "{text}");
    // A kernel that has groups and shows none is off.
    let newer = ("/proc/sys/kernel/osrelease", Some("3.10.0-1160.el7.x86_64\n"));
    let (text, status) = run(&host("centos-6", &[common[0], common[1], newer]), "verify", playbook);
    assert_eq!(status, Some(2), "{text}");
}

#[test]
fn a_kernel_before_sriov_numvfs_is_told_the_parameter() {
    let tree = host("centos-6", &[]);
    for playbook in [
        "sriov_nic { device = '01:00.0', numvfs = 2, driver = 'vfio-pci' }",
        "sriov_numvfs { device = '0000:01:00.0', numvfs = 2 }",
    ] {
        let (text, status) = run(&tree, "plan", playbook);
        assert_eq!(status, Some(1), "{text}");
        assert!(text.contains("older than Linux 3.8") && !text.contains("firmware"), "{text}");
        assert!(
            text.contains("modprobe_options { module = \"igb\", options = { max_vfs = \"2\" } }"),
            "{text}"
        );
    }
}

#[test]
fn a_dom0_of_xen_is_told_what_xen_wants() {
    let tree = host("ubuntu-24.04", &XEN);
    for playbook in [
        "gpu_passthrough { device = '01:00.0' }",
        "iommu { passthrough = true, vendor = 'GenuineIntel' }",
        "kernel_cmdline { present = { 'vfio-pci.ids=10de:0ffc' } }",
        "modprobe_softdep { module = 'nouveau', pre = { 'vfio-pci' } }",
    ] {
        let (text, status) = run(&tree, "plan", playbook);
        assert_eq!(status, Some(4), "{playbook}: {text}");
        assert!(
            text.contains("this host is the dom0 of Xen") && text.contains("xen-pciback.hide="),
            "{text}"
        );
        assert!(!text.contains("VT-d"), "{text}");
    }
    let (text, status) = run(&tree, "plan", "kernel_cmdline { present = { 'nosmt' } }");
    assert_eq!(status, Some(2), "{text}");
    // The same host without Xen.
    let (text, status) = run(&host("ubuntu-24.04", &[]), "plan", "gpu_passthrough { device = '01:00.0' }");
    assert!(status == Some(2) && !text.contains("Xen"), "{text}");
}

#[test]
fn an_efi_partition_that_is_not_mounted_is_refused_where_the_menu_is_made_anew() {
    let mounts = "/dev/mapper/centos-root / xfs rw,relatime 0 0\n/dev/sda2 /boot xfs rw,relatime 0 0\n";
    let efi = ("/sys/firmware/efi/fw_platform_size", Some("64\n"));
    let fstab = "/dev/mapper/centos-root / xfs defaults 0 0\nUUID=1111-2222 /boot/efi vfat umask=0077 0 0\n";
    let playbook = "kernel_cmdline { present = { 'intel_iommu=on', 'iommu=pt' } }";
    let tree = host("centos-7", &[efi, ("/etc/fstab", Some(fstab)), ("/proc/mounts", Some(mounts))]);
    tree.remove("/boot/grub2/grub.cfg");
    tree.link("/etc/grub2-efi.cfg", "../boot/efi/EFI/centos/grub.cfg");
    let (text, status) = run(&tree, "plan", playbook);
    assert_eq!(status, Some(4), "{text}");
    assert!(text.contains("refused: /boot/efi is not mounted"), "{text}");
    assert!(text.contains("grub2-mkconfig -o /boot/efi/EFI/centos/grub.cfg"), "{text}");
    let fstab = fstab.replace("umask=0077", "noauto");
    tree.write("/etc/fstab", fstab);
    assert_eq!(run(&tree, "plan", playbook).1, Some(2));
    // Debian's family has its stub there.
    let plain = "/dev/nvme0n1p2 / ext4 rw,relatime 0 0\n";
    let ubuntu = host("ubuntu-24.04", &[("/proc/mounts", Some(plain)), ("/boot/efi/EFI", None)]);
    let (text, status) = run(&ubuntu, "plan", "kernel_cmdline { present = { 'nosmt' } }");
    assert!(status == Some(4) && text.contains("refused: /boot/efi is not mounted"), "{text}");
}

/// The first line of `inspect`, and its JSON.
fn inspected(tree: &Tree) -> (String, serde_json::Value) {
    let run = |words: &[&str]| {
        let mut process = Command::new(env!("CARGO_BIN_EXE_hoststate"));
        process.arg("inspect").args(words).arg("--root").arg(tree.root()).env_clear();
        let output = process.output().expect("the binary starts");
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("UTF-8")
    };
    let json = serde_json::from_str(&run(&["--format", "json"])).expect("JSON");
    (run(&[]), json)
}

#[test]
fn inspect_begins_with_the_host_and_how_its_loader_was_told() {
    let (text, json) = inspected(&host("ubuntu-24.04", &[]));
    let line = text.lines().next().unwrap_or_default();
    assert_eq!(
        line,
        "ubuntu 24.04, Linux 6.8.0-45-generic, grub2 (BOOT_IMAGE= in /proc/cmdline; /boot/grub/grub.cfg is there), \
         initramfs-tools, EFI, no hypervisor"
    );
    let host_of = |json: &serde_json::Value| {
        let host = &json["host"];
        (host["bootloader"].clone(), host["bootloader_told_by"].clone(), host["secure_boot"].clone())
    };
    let told = ["BOOT_IMAGE= in /proc/cmdline", "/boot/grub/grub.cfg is there"];
    assert_eq!(host_of(&json), ("grub2".into(), serde_json::json!(told), serde_json::Value::Null));
    let variable = "/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c";
    let flags = ("/proc/cpuinfo", Some("vendor_id\t: GenuineIntel\nflags\t\t: fpu hypervisor\n"));
    let vendor = ("/sys/class/dmi/id/sys_vendor", Some("QEMU\n"));
    let (text, json) =
        inspected(&host("ubuntu-24.04", &[(variable, Some("\u{6}\0\0\0\u{1}")), flags, vendor]));
    assert!(
        text.lines().next().is_some_and(|it| it.ends_with("EFI, Secure Boot on, hypervisor KVM")),
        "{text}"
    );
    assert_eq!((&json["host"]["secure_boot"], &json["host"]["hypervisor"]), (&true.into(), &"KVM".into()));
    let (text, _) = inspected(&host("ubuntu-24.04", &XEN));
    assert!(text.lines().next().is_some_and(|it| it.ends_with("hypervisor Xen (dom0)")), "{text}");
}

#[test]
fn inspect_shows_devices_where_the_boot_loader_is_not_operated() {
    let refind = ("/boot/refind_linux.conf", Some("\"x\" \"ro\"\n"));
    let line = ("/proc/cmdline", Some("root=UUID=1 ro initrd=boot\\initrd.img\n"));
    let (text, json) = inspected(&host("ubuntu-24.04", &[refind, line]));
    assert!(text.contains("\n0000:00:00.0 ") || text.contains("0000:01:00.0"), "{text}");
    assert!(
        text.contains("hint: Add the kernel parameters to the lines of /boot/refind_linux.conf."),
        "{text}"
    );
    assert_eq!(json["cmdline"], serde_json::Value::Null);
    assert!(
        json["cmdline_refused"]["error"].as_str().is_some_and(|it| it.contains("booted by rEFInd")),
        "{json}"
    );
}
