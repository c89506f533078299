//! What a file is besides its text: owner, mode, and extended attributes with ACLs, labels and capabilities among them.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io;
use std::path::Path;

use rustix::fs::{Gid, Mode, Stat, Uid, XattrFlags};
use rustix::io::Errno;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::machine::metadata::hexadecimal::{Name, Octal, Value};

mod hexadecimal;

/// Rights of single users and groups. With it the group bits of the mode are its mask (acl(5)).
const ACL: &str = "system.posix_acl_access";

/// Capabilities that a program gets. The kernel takes them away at every write and every change of the owner.
const CAPABILITY: &str = "security.capability";

/// What vouches for a text or for an inode, which the new one is not: the kernel makes these itself where it wants
/// them (Documentation/ABI/testing/evm).
const VOUCHERS: [&str; 2] = ["security.ima", "security.evm"];

/// Which file of a lower layer this very inode was copied from; a new one comes from none
/// (Documentation/filesystems/overlayfs.rst).
const LAYERS: [&str; 2] = ["trusted.overlay.", "user.overlay."];

/// Owner, mode and extended attributes of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Metadata {
    /// Number of the owner.
    pub owner: u32,
    /// Number of the group.
    pub group: u32,
    /// Permissions, with the bits for setuid, setgid and sticky: octal, `0640`.
    #[schemars(with = "String")]
    mode: Octal,
    /// Values of the extended attributes in hexadecimal, as `getfattr --encoding=hex` shows them, by their names.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(with = "BTreeMap<String, String>")]
    attributes: BTreeMap<Name, Value>,
}

impl fmt::Display for Metadata {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "owner {}:{}, mode {}", self.owner, self.group, self.mode)?;
        self.attributes.keys().try_for_each(|name| write!(f, ", {name}"))
    }
}

impl Metadata {
    /// Reads what `file` has that a new file in its place must have. The error does not name the file.
    ///
    /// # Errors
    /// When it cannot be read, or changed meanwhile.
    pub(crate) fn of(file: &File) -> io::Result<Self> {
        let before = rustix::fs::fstat(file)?;
        let mut attributes = BTreeMap::new();
        for name in names(file)? {
            if !is_of_the_inode(&name)
                && let Some(value) = value(file, &name)?
            {
                attributes.insert(name, value);
            }
        }
        let status = rustix::fs::fstat(file)?;
        // A mode from before an ACL and attributes from after it would give the group what the mask is.
        if changed_at(&before) != changed_at(&status) {
            return Err(io::Error::other("its mode or attributes are being changed right now; run again"));
        }
        Ok(Self {
            owner: status.st_uid,
            group: status.st_gid,
            mode: Octal(status.st_mode & 0o7777),
            attributes,
        })
    }

    /// Gives `file`, which has no text yet, every attribute that does not depend on one. `path` is what it will be.
    ///
    /// # Errors
    /// When one cannot be given.
    pub(crate) fn label(&self, file: &File, path: &Path) -> Result<()> {
        for (name, value) in &self.attributes {
            if !name.is(ACL) && !name.is(CAPABILITY) {
                give(file, name, value).map_err(|err| lost(path, name, err))?;
            }
        }
        Ok(())
    }

    /// Gives `file`, which has its text and is for its owner only, owner, ACL, mode and capabilities, in this order: a
    /// change of the owner takes capabilities and setuid away, and without the ACL the mode would give the group what
    /// is only the mask. `path` is what it will be.
    ///
    /// # Errors
    /// When something cannot be given.
    pub(crate) fn complete(&self, file: &File, path: &Path) -> Result<()> {
        let Self { owner, group, mode, .. } = self;
        let ownership = || format!("its owner {owner}:{group}");
        let permissions = || format!("its mode {mode}");
        let acl = Name::from(ACL);
        rustix::fs::fchown(file, Some(Uid::from_raw(*owner)), Some(Gid::from_raw(*group)))
            .map_err(|err| lost_right(path, ownership(), err.into()))?;
        match self.attributes.get(&acl) {
            Some(value) => give(file, &acl, value),
            // The directory gave the new file one of its own: the mode would become its mask.
            None => without_acl(file),
        }
        .map_err(|err| lost(path, &acl, err))?;
        rustix::fs::fchmod(file, Mode::from_raw_mode(mode.0))
            .map_err(|err| lost_right(path, permissions(), err.into()))?;
        let capability = Name::from(CAPABILITY);
        if let Some(value) = self.attributes.get(&capability) {
            give(file, &capability, value).map_err(|err| lost(path, &capability, err))?;
        }
        let status = rustix::fs::fstat(file).map_err(io::Error::from)?;
        let ignored = || io::Error::other("the file system ignored it");
        if (status.st_uid, status.st_gid) != (*owner, *group) {
            return Err(lost_right(path, ownership(), ignored()));
        }
        match status.st_mode & 0o7777 == mode.0 {
            true => Ok(()),
            false => Err(lost_right(path, permissions(), ignored())),
        }
    }
}

/// Returns whether an attribute is true of this inode only.
fn is_of_the_inode(name: &Name) -> bool {
    VOUCHERS.iter().any(|it| name.is(it)) || LAYERS.iter().any(|it| name.starts_with(it))
}

fn changed_at(status: &Stat) -> (i64, u64) {
    (status.st_ctime, status.st_ctime_nsec)
}

/// Returns the names of the attributes of `file` that this process may see.
fn names(file: &File) -> io::Result<Vec<Name>> {
    let list = grown(|room| match room {
        None => rustix::fs::flistxattr_query(file).map(|length| vec![0; length]),
        Some(mut list) => {
            let length = rustix::fs::flistxattr(file, &mut list[..])?;
            list.truncate(length);
            Ok(list)
        }
    });
    match list {
        Ok(list) => Ok(list.split(|it| *it == 0).filter(|it| !it.is_empty()).map(Name::from).collect()),
        Err(Errno::OPNOTSUPP) => Ok(Vec::new()),
        Err(err) => {
            Err(io::Error::new(io::Error::from(err).kind(), format!("listing its attributes: {err}")))
        }
    }
}

/// Returns the value of an attribute; `None` when it is gone, or listed by a file system that has no such attributes.
fn value(file: &File, name: &Name) -> io::Result<Option<Value>> {
    let value = grown(|room| match room {
        None => rustix::fs::fgetxattr_query(file, name.bytes()).map(|length| vec![0; length]),
        Some(mut value) => {
            let length = rustix::fs::fgetxattr(file, name.bytes(), &mut value[..])?;
            value.truncate(length);
            Ok(value)
        }
    });
    match value {
        Ok(value) => Ok(Some(Value(value))),
        Err(Errno::NODATA | Errno::OPNOTSUPP) => Ok(None),
        Err(err) => Err(io::Error::new(io::Error::from(err).kind(), format!("reading {name}: {err}"))),
    }
}

/// Asks how much room an answer needs and then for the answer, and again while it grows in between.
fn grown(mut ask: impl FnMut(Option<Vec<u8>>) -> Result<Vec<u8>, Errno>) -> Result<Vec<u8>, Errno> {
    loop {
        let room = ask(None)?;
        // Into a buffer of no length the kernel writes nothing, and answers how long it would be.
        if room.is_empty() {
            return Ok(room);
        }
        match ask(Some(room)) {
            Err(Errno::RANGE) => {}
            answer => return answer,
        }
    }
}

/// Sets an attribute, unless it is so already: what a file system says of all its files nobody can set, a label that
/// comes with the mount for example.
fn give(file: &File, name: &Name, wanted: &Value) -> io::Result<()> {
    if value(file, name)?.as_ref() == Some(wanted) {
        return Ok(());
    }
    Ok(rustix::fs::fsetxattr(file, name.bytes(), &wanted.0, XattrFlags::empty())?)
}

fn without_acl(file: &File) -> io::Result<()> {
    match rustix::fs::fremovexattr(file, ACL) {
        Ok(()) | Err(Errno::NODATA | Errno::OPNOTSUPP) => Ok(()),
        Err(err) => Err(err.into()),
    }
}

fn lost(path: &Path, name: &Name, why: io::Error) -> Error {
    let shown = path.display();
    let mend = match name.to_string().as_str() {
        "security.selinux" => format!(
            "`restorecon -v {shown}` gives the file the label of the policy; run again then, where relabelling is \
             allowed."
        ),
        ACL => format!("`getfacl {shown}` shows the ACL; `setfacl --remove-all {shown}` removes it."),
        CAPABILITY => {
            format!("`setcap -r {shown}` removes the capabilities; only root of the machine can give them.")
        }
        name => format!("`setfattr --remove={name} {shown}` removes it, if nobody needs it."),
    };
    Error::Kept { path: path.to_owned(), what: format!("its attribute {name}"), why, hint: mend }
}

fn lost_right(path: &Path, what: String, why: io::Error) -> Error {
    let hint = "Run as root of the machine, on a file system that has owners and modes.".to_owned();
    Error::Kept { path: path.to_owned(), what, why, hint }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::path::Path;

    use expect_test::{Expect, expect};

    use super::{Name, lost};

    fn check(name: &str, expected: Expect) {
        let why = io::Error::from_raw_os_error(13);
        let err = lost(Path::new("/etc/default/grub"), &Name::from(name), why);
        expected.assert_eq(&format!("{err}\n{}", err.hint().unwrap()));
    }

    #[test]
    fn an_attribute_that_cannot_be_kept_is_named_with_what_mends_it() {
        check(
            "security.selinux",
            expect![[r#"
                /etc/default/grub: its attribute security.selinux cannot be kept: Permission denied (os error 13); the file stays as it is
                `restorecon -v /etc/default/grub` gives the file the label of the policy; run again then, where relabelling is allowed."#]],
        );
        check(
            "system.posix_acl_access",
            expect![[r#"
                /etc/default/grub: its attribute system.posix_acl_access cannot be kept: Permission denied (os error 13); the file stays as it is
                `getfacl /etc/default/grub` shows the ACL; `setfacl --remove-all /etc/default/grub` removes it."#]],
        );
        check(
            "user.x",
            expect![[r#"
                /etc/default/grub: its attribute user.x cannot be kept: Permission denied (os error 13); the file stays as it is
                `setfattr --remove=user.x /etc/default/grub` removes it, if nobody needs it."#]],
        );
    }
}
