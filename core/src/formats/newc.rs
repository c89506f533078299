//! Writing an uncompressed cpio archive in the `newc` format that the kernel unpacks
//! (Documentation/driver-api/early-userspace/buffer-format.rst).

/// A regular file, readable by everyone.
const FILE_MODE: u32 = 0o100_644;

/// Ends an archive.
const TRAILER: &str = "TRAILER!!!";

/// A symbolic link.
const LINK_MODE: u32 = 0o120_777;

/// What a path of an archive is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Member {
    /// A regular file and its bytes.
    File(Vec<u8>),
    /// A symbolic link and what it points to.
    Link(String),
}

/// Returns an archive of these files, paths without a leading `/`.
pub fn archive<P: AsRef<str>, C: AsRef<[u8]>>(files: &[(P, C)]) -> Vec<u8> {
    let files = files.iter().map(|(path, content)| (path.as_ref(), FILE_MODE, content.as_ref()));
    packed(files)
}

/// Returns an archive of these files and links, paths without a leading `/`.
pub fn archive_of(members: &[(String, Member)]) -> Vec<u8> {
    packed(members.iter().map(|(path, member)| match member {
        Member::File(content) => (path.as_str(), FILE_MODE, content.as_slice()),
        Member::Link(target) => (path.as_str(), LINK_MODE, target.as_bytes()),
    }))
}

fn packed<'a>(members: impl Iterator<Item = (&'a str, u32, &'a [u8])>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (inode, (path, mode, content)) in (1..).zip(members) {
        entry(&mut bytes, (inode, mode), path, content);
    }
    entry(&mut bytes, (0, 0), TRAILER, &[]);
    bytes
}

fn entry(bytes: &mut Vec<u8>, (inode, mode): (usize, u32), path: &str, content: &[u8]) {
    // Inode, mode, owner, group, links, time, size, two device numbers twice, length of the name, checksum.
    let fields = [inode, mode as usize, 0, 0, 1, 0, content.len(), 0, 0, 0, 0, path.len() + 1, 0];
    bytes.extend_from_slice(b"070701");
    for field in fields {
        bytes.extend_from_slice(format!("{field:08x}").as_bytes());
    }
    bytes.extend_from_slice(path.as_bytes());
    bytes.push(0);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes.extend_from_slice(content);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
}
