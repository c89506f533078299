//! What the files of a tree are besides their text: owners, modes, attributes.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::Path;

use rustix::fs::XattrFlags;

/// Rights of single users.
const ACL: &str = "system.posix_acl_access";

/// User 1234 may write, the group may nothing, and the mask, which the mode shows in its place, is `rw`
/// (`linux/posix_acl_xattr.h`).
const MASKED: [u8; 44] = [
    2, 0, 0, 0, // version
    1, 0, 6, 0, 255, 255, 255, 255, // owner
    2, 0, 6, 0, 210, 4, 0, 0, // user 1234
    4, 0, 0, 0, 255, 255, 255, 255, // group
    16, 0, 6, 0, 255, 255, 255, 255, // mask
    32, 0, 0, 0, 255, 255, 255, 255, // others
];

/// Makes a file somebody else's, with an ACL and attributes.
pub(crate) fn furnish(path: &Path) {
    chown(path, Some(33), Some(44)).unwrap();
    let attributes: [(&str, &[u8]); 3] = [
        ("security.selinux", b"system_u:object_r:modules_conf_t:s0\0"),
        ("trusted.backup", b"id7"),
        (ACL, &MASKED),
    ];
    for (name, value) in attributes {
        rustix::fs::setxattr(path, name, value, XattrFlags::empty()).unwrap();
    }
}

/// Gives a copy of a file what the file is besides its text.
pub(crate) fn copy(from: &Path, to: &Path) {
    let status = fs::metadata(from).unwrap();
    chown(to, Some(status.uid()), Some(status.gid())).unwrap();
    for (name, value) in attributes(from) {
        rustix::fs::setxattr(to, &name[..], &value, XattrFlags::empty()).unwrap();
    }
    fs::set_permissions(to, status.permissions()).unwrap();
}

/// Returns owner, mode and attributes in one line.
pub(crate) fn shown(path: &Path) -> String {
    let status = fs::metadata(path).unwrap();
    let mut shown = format!("{:o} {}:{}", status.mode(), status.uid(), status.gid());
    for (name, value) in attributes(path) {
        shown.push_str(&format!(" {}={}", name.escape_ascii(), value.escape_ascii()));
    }
    shown
}

/// Returns whether a file gives its group what only the mask of an ACL may allow.
pub(crate) fn gives_the_mask_away(path: &Path) -> bool {
    let mode = fs::metadata(path).unwrap().permissions().mode();
    mode & 0o070 == 0o060 && !attributes(path).iter().any(|(name, _)| name == ACL.as_bytes())
}

fn attributes(path: &Path) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut room = [0; 4096];
    let length = rustix::fs::listxattr(path, &mut room).unwrap();
    let mut names: Vec<Vec<u8>> =
        room[..length].split(|it| *it == 0).filter(|it| !it.is_empty()).map(Vec::from).collect();
    names.sort();
    let value = |name: &Vec<u8>| {
        let mut room = [0; 4096];
        let length = rustix::fs::getxattr(path, &name[..], &mut room).unwrap();
        room[..length].to_vec()
    };
    names.iter().map(|it| (it.clone(), value(it))).collect()
}
