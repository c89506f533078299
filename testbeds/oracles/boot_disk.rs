//! What a run has synced, as a boot loader reads it from the disk: without the journal. Needs root, e2fsprogs, and a
//! kernel from 5.14 on.
#![expect(clippy::disallowed_methods, reason = "makes a file system of its own")]
#![expect(clippy::unwrap_used, reason = "a tool that cannot be run fails the comparison")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use hoststate_abi::step::Step;
use hoststate_core::host::{Host, LiveHost};
use hoststate_testkit::program::succeed;

/// An ext4 file system, mounted until dropped.
struct Disk {
    image: PathBuf,
    mounted: PathBuf,
    _scratch: tempfile::TempDir,
}

impl Disk {
    fn new() -> Self {
        let scratch = tempfile::tempdir().unwrap();
        let (image, mounted) = (scratch.path().join("image"), scratch.path().join("mounted"));
        fs::create_dir(&mounted).unwrap();
        fs::File::create(&image).unwrap().set_len(64 << 20).unwrap();
        run("mke2fs", &["-q", "-t", "ext4", image.to_str().unwrap()]);
        run("mount", &["-o", "loop", image.to_str().unwrap(), mounted.to_str().unwrap()]);
        Self { image, mounted, _scratch: scratch }
    }

    /// Returns a file as debugfs finds it, which replays no journal, as GRUB does not.
    fn without_journal(&self, path: &str) -> String {
        run("debugfs", &["-R", &format!("cat {path}"), self.image.to_str().unwrap()])
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        Command::new("umount").arg(&self.mounted).status().unwrap();
    }
}

fn run(program: &str, arguments: &[&str]) -> String {
    succeed(Command::new(program).args(arguments))
}

#[test]
fn a_boot_file_is_where_the_boot_loader_reads_it() {
    let disk = Disk::new();
    let host = LiveHost::new(&disk.mounted, "/nonexistent");
    let (boot, other) = ("/boot/grub/custom.cfg", "/etc/modprobe.d/zz-hoststate.conf");
    let write = |path: &str, text: &str| {
        host.perform(&Step::WriteFile { path: PathBuf::from(path), text: text.to_owned() }).unwrap();
        host.sync().unwrap();
    };
    for text in ["first\n", "second\n"] {
        write(boot, text);
        assert_eq!(disk.without_journal(boot), text);
    }
    // What no boot loader reads needs the journal only; that it shows keeps this test honest.
    write(other, "options a b=1\n");
    assert_eq!(disk.without_journal(other), "");
    assert_eq!(
        fs::read_to_string(disk.mounted.join(Path::new(other).strip_prefix("/").unwrap())).unwrap(),
        "options a b=1\n"
    );
}
