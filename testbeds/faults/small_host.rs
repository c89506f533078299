//! A host of a few files, all of which hoststate writes itself: boot entries, grubenv on an EFI system partition,
//! module configuration.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::{besides, machine, program};

/// Memory, where there is such a place: it has the same calls, and they take no time.
const MEMORY: &str = "/dev/shm";

const PLAYBOOK: &str = r#"
kernel_cmdline { present = { "intel_iommu=on", "iommu=pt" } }
modprobe_softdep { module = "nouveau", pre = { "vfio-pci" } }
modprobe_options { module = "kvm", options = { ignore_msrs = "1" } }
modules_load { modules = { "vfio-pci" } }
"#;

/// What a plugin does, which is a process of its own, and what comes after it.
const WITH_PLUGIN: &str = r#"
require "thp"
linux.thp { mode = "madvise" }
modules_load { modules = { "vfio-pci" } }
"#;

const FILES: &[(&str, &str)] = &[
    ("etc/os-release", "ID=\"centos\"\nID_LIKE=\"rhel fedora\"\nVERSION_ID=\"8\"\n"),
    (
        "etc/default/grub",
        "GRUB_TIMEOUT=5\nGRUB_CMDLINE_LINUX=\"crashkernel=auto\"\nGRUB_ENABLE_BLSCFG=true\n",
    ),
    ("etc/modprobe.d/zz-hoststate.conf", "# mine\noptions kvm ignore_msrs=0\n"),
    ("etc/machine-id", "0123456789abcdef0123456789abcdef\n"),
    ("boot/vmlinuz-4.18.0-80.el8.x86_64", ""),
    (
        "boot/loader/entries/0123456789abcdef0123456789abcdef-4.18.0-80.el8.x86_64.conf",
        "title CentOS\nversion 4.18.0-80.el8.x86_64\nlinux /vmlinuz-4.18.0-80.el8.x86_64\noptions root=/dev/sda1 ro \
         quiet\nid centos-1\ngrub_class kernel\n",
    ),
    (
        "boot/loader/entries/0123456789abcdef0123456789abcdef-0-rescue.conf",
        "title CentOS rescue\nversion 0-rescue\nlinux /vmlinuz-0-rescue\noptions root=/dev/sda1 ro\nid centos-0\n",
    ),
    ("boot/vmlinuz-4.18.0-147.el8.x86_64", ""),
    (
        "boot/loader/entries/0123456789abcdef0123456789abcdef-4.18.0-147.el8.x86_64.conf",
        "title CentOS\nversion 4.18.0-147.el8.x86_64\nlinux /vmlinuz-4.18.0-147.el8.x86_64\noptions $kernelopts \
         $tuned_params\nid centos-2\ngrub_class kernel\n",
    ),
    ("boot/efi/EFI/centos/grub.cfg", "insmod blscfg\nblscfg\n"),
    (
        "proc/self/mountinfo",
        "22 1 8:2 / / rw - xfs /dev/sda2 rw\n23 22 8:1 / /boot/efi rw - vfat /dev/sda1 rw\n",
    ),
    ("usr/bin/grubby", ""),
    ("usr/sbin/grub2-mkconfig", ""),
    ("sys/firmware/efi/fw_platform_size", "64\n"),
    ("sys/kernel/mm/transparent_hugepage/enabled", "always [madvise] never\n"),
];

/// What is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Commands {
    /// The playbook on a host that has nothing of it.
    Converge,
    /// One with a type of a plugin on such a host.
    Plugin,
    /// Taking a converge back.
    Rollback,
    /// A boot is to be tried, on a machine.
    Stage,
    /// That boot came up, and becomes the default.
    Finish,
    /// What is left is done after a boot that is not tried.
    AtBoot,
}

/// Every file by its path in the tree: what it is and its text, or where a link leads.
pub(crate) type Files = BTreeMap<PathBuf, String>;

/// A host to copy.
pub(crate) struct SmallHost {
    place: TempDir,
}

impl SmallHost {
    pub(crate) fn make() -> Self {
        // A plugin without rights reads the host.
        let mut builder = tempfile::Builder::new();
        builder.permissions(PermissionsExt::from_mode(0o755));
        let place = match Path::new(MEMORY).is_dir() {
            true => builder.tempdir_in(MEMORY).unwrap(),
            false => builder.tempdir().unwrap(),
        };
        let host = Self { place };
        let root = host.path("fresh");
        for (path, text) in FILES {
            write(&root.join(path), text);
        }
        let environment = format!("# GRUB Environment Block\nkernelopts=root=/dev/sda1 ro quiet\n");
        let padding = "#".repeat(1024 - environment.len());
        write(&root.join("boot/efi/EFI/centos/grubenv"), &format!("{environment}{padding}"));
        fs::create_dir_all(root.join("boot/grub2")).unwrap();
        symlink("../efi/EFI/centos/grubenv", root.join("boot/grub2/grubenv")).unwrap();
        fs::set_permissions(root.join("etc/default/grub"), PermissionsExt::from_mode(0o600)).unwrap();
        besides::furnish(&root.join("etc/modprobe.d/zz-hoststate.conf"));
        write(&host.path("playbook.lua"), PLAYBOOK);
        write(&host.path("plugin.lua"), WITH_PLUGIN);
        write(&host.path("thp.lua"), include_str!("../../examples/plugins/thp.lua"));
        let converged = host.path("converged");
        copy(&root, &converged);
        host.do_on(Commands::Converge, &converged);
        let machine = host.path("machine");
        machine::make(&machine);
        let staged = host.path("staged");
        copy(&machine, &staged);
        host.do_on(Commands::Stage, &staged);
        machine::boot(&staged);
        let left = host.path("left");
        copy(&machine, &left);
        let words = ["converge", "/root/playbook.lua", "--at-boot", "--yes"];
        let done = machine::command(&left, &words).output().unwrap();
        assert_eq!(done.status.code(), Some(0), "{done:?}");
        machine::boot(&left);
        host
    }

    fn do_on(&self, commands: Commands, root: &Path) {
        let done = self.command_on(commands, root).output().unwrap();
        assert_eq!(done.status.code(), Some(0), "{done:?}");
    }

    /// Returns a copy of the host that a command begins with.
    pub(crate) fn copy(&self, commands: Commands) -> TempDir {
        let copied = TempDir::new_in(self.place.path()).unwrap();
        copy(&self.begin(commands), copied.path());
        copied
    }

    fn begin(&self, commands: Commands) -> PathBuf {
        match commands {
            Commands::Converge | Commands::Plugin => self.path("fresh"),
            Commands::Rollback => self.path("converged"),
            Commands::Stage => self.path("machine"),
            Commands::Finish => self.path("staged"),
            Commands::AtBoot => self.path("left"),
        }
    }

    /// Returns the files that a command begins with, and those it ends with.
    pub(crate) fn before_and_after(&self, commands: Commands) -> (Files, Files) {
        let tree = self.copy(commands);
        let before = files(tree.path());
        let done = self.command(commands, &tree).output().unwrap();
        assert_eq!(done.status.code(), Some(0), "{done:?}");
        let after = files(tree.path());
        assert_ne!(before, after);
        (before, after)
    }

    /// Returns the command on a copy.
    pub(crate) fn command(&self, commands: Commands, tree: &TempDir) -> Command {
        self.command_on(commands, tree.path())
    }

    /// Returns the command on the tree at `root`.
    pub(crate) fn command_on(&self, commands: Commands, root: &Path) -> Command {
        let mut command = Command::new(program());
        match commands {
            Commands::Converge => command.arg("converge").arg(self.path("playbook.lua")),
            Commands::Plugin => command.arg("converge").arg(self.path("plugin.lua")),
            Commands::Rollback => command.arg("rollback"),
            Commands::Stage => {
                let words = ["converge", "/root/playbook.lua", "--confirm-boot", "--yes"];
                return machine::command(root, &words);
            }
            Commands::Finish | Commands::AtBoot => {
                return machine::command(root, &["converge", "--at-boot"]);
            }
        };
        command.args(["--yes", "--activate", "skip", "--root"]).arg(root);
        command.env_clear().stdin(Stdio::null());
        command
    }

    fn path(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }
}

pub(crate) fn write(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    fs::set_permissions(to, fs::metadata(from).unwrap().permissions()).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let from = entry.unwrap().path();
        let to = to.join(from.file_name().unwrap());
        if from.is_symlink() {
            symlink(fs::read_link(&from).unwrap(), to).unwrap();
        } else if from.is_dir() {
            copy(&from, &to);
        } else if machine::is_program(&from) {
            fs::hard_link(&from, to).unwrap();
        } else {
            fs::copy(&from, &to).unwrap();
            besides::copy(&from, &to);
        }
    }
}

/// Returns the files of a tree without hoststate's own state.
pub(crate) fn files(root: &Path) -> Files {
    let mut files = Files::new();
    let mut directories = vec![root.to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(root).unwrap().to_owned();
            if path.is_symlink() {
                files.insert(name, format!("-> {}", fs::read_link(&path).unwrap().display()));
            } else if path.is_dir() {
                if name != Path::new("var/lib/hoststate") {
                    directories.push(path);
                }
            } else if !machine::is_program(&path) {
                let text = fs::read_to_string(&path).unwrap();
                files.insert(name, format!("{}\n{text}", besides::shown(&path)));
            }
        }
    }
    files
}
