//! What the boot loader will read, brought to where it reads it.
//!
//! GRUB does not replay the journal of a file system (`EXT2_DRIVER_IGNORED_INCOMPAT` in its `fs/ext2.c` has the flag
//! that asks for it). What is synced, but still in the journal only, it sees as it was before.

#![expect(unsafe_code, reason = "rustix cannot know what a number means to a file system")]

use std::io;
use std::os::fd::BorrowedFd;
use std::path::Path;

use rustix::ioctl::{Setter, ioctl, opcode};

use super::directory::Directory;

/// Where boot loaders read.
pub(super) const BOOT: &str = "/boot";

/// `EXT4_IOC_CHECKPOINT` (include/uapi/linux/ext4.h), of Linux 5.14.
const EXT4_CHECKPOINT: u32 = opcode::write::<u32>(b'f', 43);

/// Brings what tools wrote below the resolved path `boot` to the disk, and what is in an ext4 journal to its place. A
/// file system that cannot do the latter keeps it in its journal for some half a minute.
///
/// # Errors
/// When the disk does not take it.
pub(super) fn settle(root: &Path, boot: &Path) -> io::Result<()> {
    let Some(directory) = Directory::open(root, boot)? else { return Ok(()) };
    directory.sync_file_system()?;
    match checkpoint(directory.descriptor()) {
        Ok(()) | Err(_) => Ok(()),
    }
}

fn checkpoint(directory: BorrowedFd<'_>) -> rustix::io::Result<()> {
    let no_flags = 0_u32;
    // SAFETY: the opcode carries the size of what is read, a u32; whoever does not know it answers ENOTTY.
    unsafe { ioctl(directory, Setter::<EXT4_CHECKPOINT, u32>::new(no_flags)) }
}
