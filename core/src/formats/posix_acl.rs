//! POSIX access control lists as the kernel gives them: the extended attribute `system.posix_acl_access`
//! (include/uapi/linux/posix_acl_xattr.h).

use std::fmt::{self, Display, Formatter};

/// `POSIX_ACL_XATTR_VERSION`.
const VERSION: u32 = 2;

/// `ACL_WRITE`.
const WRITE: u16 = 2;

/// An access control list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Acl {
    entries: Vec<Entry>,
}

/// What one entry gives to whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// Who has the right.
    pub who: Who,
    /// Read 4, write 2, execute 1.
    permissions: u16,
}

/// Whom an entry is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    /// The owner of the file.
    Owner,
    /// A user, by number.
    User(u32),
    /// The group of the file.
    OwningGroup,
    /// A group, by number.
    Group(u32),
    /// Nobody: the most that named users and all groups may.
    Mask,
    /// Everyone else.
    Other,
}

impl Acl {
    /// Reads the attribute's value; `None` when it is not one of this version.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let (version, entries) = bytes.split_first_chunk()?;
        if u32::from_le_bytes(*version) != VERSION || entries.len() % 8 != 0 {
            return None;
        }
        let entries = entries.chunks_exact(8).map(|it| {
            let &[tag, more, low, high, a, b, c, d] = it else { return None };
            let id = u32::from_le_bytes([a, b, c, d]);
            let who = match u16::from_le_bytes([tag, more]) {
                0x01 => Who::Owner,
                0x02 => Who::User(id),
                0x04 => Who::OwningGroup,
                0x08 => Who::Group(id),
                0x10 => Who::Mask,
                0x20 => Who::Other,
                _ => return None,
            };
            Some(Entry { who, permissions: u16::from_le_bytes([low, high]) })
        });
        Some(Self { entries: entries.collect::<Option<_>>()? })
    }

    /// Returns the entries of named users and of groups that give the right to write, which the mask must leave.
    pub fn writers(&self) -> impl Iterator<Item = Entry> + '_ {
        let mask = self.entries.iter().find(|it| it.who == Who::Mask);
        let is_left = mask.is_none_or(|it| it.permissions & WRITE != 0);
        let named = |it: &&Entry| matches!(it.who, Who::User(_) | Who::OwningGroup | Who::Group(_));
        self.entries.iter().filter(named).filter(move |it| is_left && it.permissions & WRITE != 0).copied()
    }
}

impl Display for Who {
    /// As `setfacl -x` takes it.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Owner => f.write_str("user:"),
            Self::User(id) => write!(f, "user:{id}"),
            Self::OwningGroup => f.write_str("group:"),
            Self::Group(id) => write!(f, "group:{id}"),
            Self::Mask => f.write_str("mask:"),
            Self::Other => f.write_str("other:"),
        }
    }
}

impl Display for Entry {
    /// As `getfacl -n` shows it.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let letter = |bit, letter| if self.permissions & bit != 0 { letter } else { '-' };
        write!(f, "{}:{}{}{}", self.who, letter(4, 'r'), letter(WRITE, 'w'), letter(1, 'x'))
    }
}

#[cfg(test)]
mod tests {
    use super::Acl;

    /// Builds an attribute of these tags, rights and ids.
    fn check(entries: &[(u16, u16, u32)], expected: &str) {
        let mut bytes = 2_u32.to_le_bytes().to_vec();
        for (tag, permissions, id) in entries {
            bytes.extend(tag.to_le_bytes());
            bytes.extend(permissions.to_le_bytes());
            bytes.extend(id.to_le_bytes());
        }
        let shown = Acl::parse(&bytes).map(|it| it.writers().map(|it| it.to_string()).collect::<Vec<_>>());
        assert_eq!(shown.map_or("none".to_owned(), |it| it.join(" ")), expected);
    }

    const NONE: u32 = u32::MAX;

    #[test]
    fn who_may_write_is_named_and_the_mask_takes_the_right_from_all_of_them() {
        check(&[(1, 6, NONE), (4, 4, NONE), (32, 4, NONE)], "");
        let named = [(1, 6, NONE), (2, 6, 1234), (2, 4, 7), (4, 6, NONE), (8, 7, 50)];
        let with_mask = |mask| [&named[..], &[(16, mask, NONE), (32, 4, NONE)]].concat();
        check(&with_mask(7), "user:1234:rw- group::rw- group:50:rwx");
        check(&with_mask(5), "");
    }

    #[test]
    fn what_is_no_list_is_not_read_as_one() {
        assert_eq!(Acl::parse(b""), None);
        assert_eq!(Acl::parse(&[3, 0, 0, 0]), None);
        assert_eq!(Acl::parse(&[2, 0, 0, 0, 1]), None);
        check(&[(3, 6, NONE)], "none");
        check(&[], "");
    }
}
