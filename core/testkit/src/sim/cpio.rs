//! Writing an uncompressed cpio archive in the `newc` format the kernel unpacks
//! (Documentation/driver-api/early-userspace/buffer-format.rst).

/// A regular file, readable by everyone.
const FILE_MODE: u32 = 0o100_644;

/// Returns an archive of these files, paths without a leading `/`.
pub(super) fn archive(files: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (number, (path, content)) in (1_u32..).zip(files) {
        entry(&mut bytes, number, FILE_MODE, path, content);
    }
    entry(&mut bytes, 0, 0, "TRAILER!!!", &[]);
    bytes
}

fn entry(bytes: &mut Vec<u8>, inode: u32, mode: u32, path: &str, content: &[u8]) {
    let size = u32::try_from(content.len()).expect("a small file");
    let name_size = u32::try_from(path.len() + 1).expect("a short path");
    // Inode, mode, uid, gid, links, mtime, size, two device numbers twice, length of the name, checksum.
    let fields = [inode, mode, 0, 0, 1, 0, size, 0, 0, 0, 0, name_size, 0];
    bytes.extend_from_slice(b"070701");
    for field in fields {
        bytes.extend_from_slice(format!("{field:08x}").as_bytes());
    }
    bytes.extend_from_slice(path.as_bytes());
    bytes.push(0);
    pad(bytes);
    bytes.extend_from_slice(content);
    pad(bytes);
}

fn pad(bytes: &mut Vec<u8>) {
    while !bytes.len().is_multiple_of(4) {
        bytes.push(0);
    }
}
