//! A host whose names and texts would be lines of output, if they were believed.

#![expect(clippy::disallowed_methods, reason = "tests plant links and damaged records")]
#![expect(clippy::unwrap_used, reason = "a test without its tree cannot go on")]

use std::os::unix::fs::symlink;

use crate::support::Tree;

/// Ends its line, moves the cursor up, turns the direction, and goes on as a line that hoststate writes.
const HOSTILE: &str = "x\nFAKE\r\u{1b}[1A\u{202e}\u{2028}\u{9b}1A";

/// What stands in one line and has no line end.
const LINE: &str = "x\u{1b}[1AFAKE\u{202e}\u{2028}\u{9b}1A";

const COMMANDS: [&str; 16] = [
    "inspect",
    "inspect devices",
    "inspect cmdline",
    "inspect modules",
    "plan gpu.lua",
    "plan gpu.lua -v",
    "plan gpu.lua -q",
    "verify gpu.lua",
    "why 0000:01:00.0 gpu.lua",
    "why 0000:01:00.0",
    "converge soft.lua --yes --activate skip",
    "history",
    "status",
    "verify --last",
    "rollback --check",
    "rollback --yes --activate skip",
];

const PLAYBOOK: &str = "kernel_cmdline { present = { 'iommu=pt' } }\n\
     modprobe_softdep { module = 'nouveau', pre = { 'vfio-pci' } }\n\
     modprobe_options { module = 'kvm', options = { ignore_msrs = 1 } }\n\
     modules_load { modules = { 'vfio' } }\n\
     initramfs_modules { modules = { 'vfio' } }\n\
     vfio_pci_ids { ids = { '10de:0ffc' } }\n\
     driver_binding { device = '0000:01:00.0', driver = 'vfio-pci' }\n";

fn host() -> Tree {
    let tree = Tree::with("");
    tree.write("gpu.lua", PLAYBOOK);
    tree.write("soft.lua", "modprobe_softdep { module = 'nouveau', pre = { 'vfio-pci' } }");
    let device = "root/sys/bus/pci/devices/0000:01:00.0";
    tree.write(&format!("{device}/modalias"), "pci:v000010DEd00000FFCsv000010DEsd0000094Cbc03sc00i00\n");
    tree.write(&format!("{device}/driver_override"), "(null)\n");
    tree.write("root/boot/vmlinuz-6.8.0-45-generic", "");
    tree.write(
        "root/lib/modules/6.8.0-45-generic/modules.dep",
        "a/nouveau.ko:\na/vfio-pci.ko:\na/vfio.ko:\na/kvm.ko:\n",
    );
    tree.write("root/lib/modules/6.8.0-45-generic/modules.builtin", "");
    tree.write("root/proc/sys/kernel/osrelease", "6.8.0-45-generic\n");
    tree.write("root/proc/cmdline", "BOOT_IMAGE=/vmlinuz-6.8.0-45-generic quiet\n");
    tree
}

/// Puts something hostile into a host.
fn plant(tree: &Tree, what: &str) {
    let device = "root/sys/bus/pci/devices/0000:01:00.0";
    match what {
        "name in modprobe.d" => {
            tree.write(&format!("root/etc/modprobe.d/{HOSTILE}.conf"), "options kvm ignore_msrs=0\nblacklist nouveau\n");
            tree.write(&format!("root/etc/modprobe.d/{HOSTILE}"), "options kvm ignore_msrs=0\n");
        }
        "line in modprobe.d" => tree.write(
            "root/etc/modprobe.d/zzz.conf",
            &format!("options kvm ignore_msrs={LINE}\nsoftdep nouveau pre: {LINE}\nblacklist {LINE}\n# {LINE}\ninstall nouveau {LINE}\noptions vfio-pci ids={LINE}\n"),
        ),
        "file of ours" => tree.write(
            "root/etc/modprobe.d/zz-hoststate.conf",
            &format!("# {LINE}\noptions kvm ignore_msrs={LINE}\n"),
        ),
        "title of GRUB" => tree.write(
            "root/boot/grub/grub.cfg",
            &format!("menuentry '{HOSTILE}' {{\n linux /boot/vmlinuz-6.8.0-45-generic root=UUID=1 {LINE}\n}}\nsubmenu \"{HOSTILE}\" {{\nmenuentry '{LINE}' {{\n linux /boot/vmlinuz-6.8.0-45-generic root=UUID=1\n}}\n}}\n"),
        ),
        "defaults of GRUB" => tree.write(
            "root/etc/default/grub",
            &format!("GRUB_DEFAULT='{HOSTILE}'\nGRUB_CMDLINE_LINUX='quiet a=\"{LINE}\"'\nGRUB_CMDLINE_LINUX_DEFAULT=\"{HOSTILE}\"\n"),
        ),
        "defaults of GRUB beside it" => tree.write(
            &format!("root/etc/default/grub.d/{HOSTILE}.cfg"),
            "GRUB_CMDLINE_LINUX='iommu=nopt'\n",
        ),
        "command line" => tree.write("root/proc/cmdline", &format!("quiet a=\"{HOSTILE}\" iommu={LINE}\n")),
        "release of the kernel" => {
            tree.write("root/proc/sys/kernel/osrelease", &format!("{LINE}\n"));
            tree.write(&format!("root/boot/vmlinuz-{HOSTILE}"), "");
            tree.write(&format!("root/lib/modules/{HOSTILE}/modules.dep"), "a/kvm.ko:\n");
        }
        "modules of the kernel" => {
            tree.write("root/lib/modules/6.8.0-45-generic/modules.dep", &format!("a/{LINE}.ko:\na/vfio.ko: a/{LINE}.ko\n"));
            tree.write("root/lib/modules/6.8.0-45-generic/modules.alias", &format!("alias pci:v000010DEd*sv*sd*bc*sc*i* {LINE}\n"));
            tree.write("root/lib/modules/6.8.0-45-generic/modules.softdep", &format!("softdep nouveau pre: {LINE}\n"));
        }
        "os-release" => tree.write(
            "root/etc/os-release",
            &format!("NAME=\"{HOSTILE}\"\nID=ubuntu\nID_LIKE=debian\nVERSION_ID=\"{HOSTILE}\"\nPRETTY_NAME='{HOSTILE}'\n"),
        ),
        "unknown distribution" => tree.write("root/etc/os-release", &format!("NAME=\"{HOSTILE}\"\nID=\"{HOSTILE}\"\nID_LIKE='{HOSTILE}'\n")),
        "driver of a device" => {
            tree.write(&format!("root/sys/bus/pci/drivers/{HOSTILE}/bind"), "");
            symlink(format!("../../drivers/{HOSTILE}"), tree.path(&format!("{device}/driver"))).unwrap();
            tree.write(&format!("{device}/driver_override"), &format!("{LINE}\n"));
        }
        "interface of a device" => {
            tree.write(&format!("{device}/net/{HOSTILE}/address"), &format!("{LINE}\n"));
            tree.write(&format!("{device}/sriov_totalvfs"), &format!("{LINE}\n"));
        }
        "device" => {
            tree.write(&format!("root/sys/bus/pci/devices/{HOSTILE}/modalias"), "pci:v0\n");
        }
        "modalias of a device" => tree.write(&format!("{device}/modalias"), &format!("pci:{LINE}\n")),
        "list of modules" => {
            tree.write(&format!("root/etc/modules-load.d/{HOSTILE}.conf"), &format!("{LINE}\nvfio\n"));
            tree.write("root/etc/modules", &format!("{LINE}\n"));
            tree.write("root/etc/initramfs-tools/modules", &format!("{LINE}\n"));
            tree.write("root/etc/initramfs-tools/initramfs.conf", &format!("MODULES=\"{HOSTILE}\"\n"));
        }
        "rules of udev" => {
            tree.write(&format!("root/etc/udev/rules.d/{HOSTILE}.rules"), "ACTION==\"add\", ATTR{driver_override}=\"vfio-pci\"\n");
            tree.write("root/etc/udev/rules.d/70-hoststate-driver.rules", &format!("# hoststate: driver_binding 0000:01:00.0\nACTION==\"{LINE}\"\n"));
        }
        "fstab" => {
            tree.write("root/etc/fstab", &format!("{LINE} /{LINE} ext4 {LINE} 0 0\n"));
            tree.write("root/proc/mounts", &format!("/dev/{LINE} / ext4 ro 0 0\n"));
        }
        "link" => {
            std::fs::create_dir_all(tree.path("root/etc/modprobe.d")).unwrap();
            symlink(format!("/{HOSTILE}"), tree.path("root/etc/modprobe.d/zz-hoststate.conf")).unwrap();
        }
        "record" => {
            let answer = tree.run("converge soft.lua --root root --yes --activate skip");
            assert_eq!(answer.status, Some(0), "{answer}");
            let runs = tree.path("root/var/lib/hoststate/runs");
            for file in std::fs::read_dir(&runs).unwrap() {
                let path = file.unwrap().path();
                let text = std::fs::read_to_string(&path).unwrap();
                let name = text.replace("soft.lua", "x\\nFAKE\\u001b[1A\\u202e");
                std::fs::write(&path, name.replace("\"nouveau", "\"x\\nFAKE\\u001b")).unwrap();
            }
            tree.write(&format!("root/var/lib/hoststate/runs/{HOSTILE}.json"), "{}");
        }
        other => panic!("{other}"),
    }
}

const PLANTS: [&str; 20] = [
    "name in modprobe.d",
    "line in modprobe.d",
    "file of ours",
    "title of GRUB",
    "defaults of GRUB",
    "defaults of GRUB beside it",
    "command line",
    "release of the kernel",
    "modules of the kernel",
    "os-release",
    "unknown distribution",
    "driver of a device",
    "interface of a device",
    "device",
    "modalias of a device",
    "list of modules",
    "rules of udev",
    "fstab",
    "link",
    "record",
];

#[test]
fn no_text_of_a_host_looks_like_a_line_of_output() {
    let mut faked = String::new();
    for what in PLANTS {
        let tree = host();
        plant(&tree, what);
        for command in COMMANDS {
            let answer = tree.run(&format!("{command} --root root"));
            // Further lines of a text stand deeper than every label: those of errors at two blanks, of others at four.
            let shown =
                answer.stdout.lines().map(|it| (8, it)).chain(answer.stderr.lines().map(|it| (4, it)));
            for (depth, line) in shown {
                let words = line.trim_start();
                let is_label = words.starts_with("FAKE") && line.len() - words.len() < depth;
                let acts = line.contains(['\r', '\u{1b}', '\u{202e}', '\u{2028}', '\u{9b}']);
                if is_label || acts {
                    faked.push_str(&format!("{what}, {command}: {line:?}\n"));
                }
            }
        }
    }
    assert!(faked.is_empty(), "{faked}");
}
