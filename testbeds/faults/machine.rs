//! A machine of a few files, entered by chroot(1): a boot is staged on it, it is booted, and what was left is finished.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use crate::program;
use crate::small_host::write;

/// Where the program lies in the machine.
pub(crate) const PROGRAM: &str = "/usr/bin/hoststate";

const KERNEL: &str = "5.14.0-503.el9.x86_64";

/// Words of the default entry.
const WORDS: &str = "root=/dev/sda3 ro quiet";

/// The machine's own entry.
const ENTRY: &str = "boot/loader/entries/5e1f0c7ab2d94836a17f0e4b9c8d2a63-5.14.0-503.el9.x86_64.conf";

/// The entry that is tried once.
const TRIAL: &str = "boot/loader/entries/~hoststate-0-trial.conf";

/// The environment block, 1024 bytes with its padding.
const GRUBENV: &str = "boot/grub2/grubenv";

const PLAYBOOK: &str = r#"
kernel_cmdline { present = { "intel_iommu=on", "iommu=pt" } }
modules_load { modules = { "vfio-pci" } }
"#;

const FILES: &[(&str, &str)] = &[
    ("etc/os-release", "ID=\"rhel\"\nID_LIKE=\"fedora\"\nVERSION_ID=\"9.4\"\n"),
    ("etc/machine-id", "5e1f0c7ab2d94836a17f0e4b9c8d2a63\n"),
    ("etc/default/grub", "GRUB_DEFAULT=saved\nGRUB_CMDLINE_LINUX=\"quiet\"\nGRUB_ENABLE_BLSCFG=true\n"),
    (
        "boot/grub2/grub.cfg",
        "load_env\nif [ \"${next_entry}\" ] ; then\n   set default=\"${next_entry}\"\n   set next_entry=\n   save_env \
         next_entry\n   set boot_once=true\nelse\n   set default=\"${saved_entry}\"\nfi\ninsmod blscfg\nblscfg\n",
    ),
    ("boot/vmlinuz-5.14.0-503.el9.x86_64", "kernel\n"),
    ("usr/lib/modules/5.14.0-503.el9.x86_64/modules.builtin", "kernel/fs/ext4/ext4.ko\n"),
    ("usr/lib/modules/5.14.0-503.el9.x86_64/modules.dep", "kernel/vfio-pci.ko.xz:\n"),
    ("proc/cpuinfo", "vendor_id\t: GenuineIntel\n"),
    ("proc/net/route", "Iface\tDestination\tGateway\tFlags\nenp1s0\t00000000\t0102A8C0\t0003\n"),
    ("proc/self/mountinfo", "22 1 8:3 / / rw - xfs /dev/sda3 rw\n31 22 8:2 / /boot rw - xfs /dev/sda2 rw\n"),
    ("sys/class/block/sda2/partition", "2\n"),
    ("run/systemd/system/x", ""),
    ("dev/null", ""),
    ("usr/bin/dracut", ""),
    ("usr/sbin/grub2-mkconfig", ""),
];

/// Makes the machine, up since its first boot, and the program in it.
pub(crate) fn make(root: &Path) {
    for (path, text) in FILES {
        write(&root.join(path), text);
    }
    let entry = format!(
        "title Linux\nversion {KERNEL}\nlinux /vmlinuz-{KERNEL}\noptions {WORDS} $tuned_params\ngrub_class kernel\n"
    );
    write(&root.join(ENTRY), &entry);
    write(&root.join("root/playbook.lua"), PLAYBOOK);
    symlink("usr/lib", root.join("lib")).unwrap();
    install(root);
    started(root, WORDS, 1);
}

/// Boots the machine: GRUB takes the entry for one boot out of its block, and starts it if it was named.
pub(crate) fn boot(root: &Path) {
    let block = fs::read_to_string(root.join(GRUBENV)).unwrap();
    let entry = if block.contains("next_entry=") { TRIAL } else { ENTRY };
    let entry = fs::read_to_string(root.join(entry)).unwrap();
    let words = entry.lines().find_map(|it| it.strip_prefix("options ")).expect("an entry has options");
    started(root, &words.replace(" $tuned_params", ""), 2);
}

fn started(root: &Path, words: &str, number: u32) {
    let environment =
        "# GRUB Environment Block\nsaved_entry=5e1f0c7ab2d94836a17f0e4b9c8d2a63-5.14.0-503.el9.x86_64\n";
    let padding = "#".repeat(1024 - environment.len());
    write(&root.join(GRUBENV), &format!("{environment}{padding}"));
    write(&root.join("proc/cmdline"), &format!("BOOT_IMAGE=(hd0,gpt2)/vmlinuz-{KERNEL} {words}\n"));
    write(&root.join("proc/sys/kernel/osrelease"), &format!("{KERNEL}\n"));
    write(&root.join("proc/sys/kernel/random/boot_id"), &format!("00000000-0000-4000-8000-{number:012}\n"));
}

/// Puts the program with its libraries into the machine.
fn install(root: &Path) {
    let put = |from: &Path, to: &str| {
        let to = root.join(to.trim_start_matches('/'));
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(from, to).unwrap();
    };
    put(&program(), PROGRAM);
    symlink(PROGRAM, root.join("proc/self/exe")).unwrap();
    let listed = Command::new("ldd").arg(program()).output().unwrap();
    for library in String::from_utf8_lossy(&listed.stdout).split_whitespace().filter(|it| it.starts_with('/'))
    {
        put(Path::new(library), library);
    }
}

/// Returns whether a file of the machine is the program or one of its libraries: many copies of it can share it.
pub(crate) fn is_program(path: &Path) -> bool {
    let name = path.to_string_lossy();
    name.ends_with(PROGRAM) || name.contains(".so")
}

/// Returns the program with these words, inside the machine at `root`.
pub(crate) fn command(root: &Path, words: &[&str]) -> Command {
    let mut command = Command::new("/usr/sbin/chroot");
    command.arg(root).arg(PROGRAM).args(words).env_clear();
    command
}
