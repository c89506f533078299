//! Files that are believed: nobody else can have written them, nor put them where they are.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::{Component, Path, PathBuf};

use hoststate_abi::host_view::HostView;
use rustix::buffer::spare_capacity;
use rustix::fs::{CWD, FileType, Mode, OFlags, Stat, fstat, getxattr, openat, readlinkat, stat};
use rustix::io::Errno;

use crate::error::{Error, Result};
use crate::formats::posix_acl::{Acl, Entry, Who};
use crate::machine::trust::refusal::{not_followed, not_run, not_started, type_is};
use crate::machine::user_text::text_of;

pub mod place;
mod refusal;

/// As many symbolic links as Linux follows in one path (`MAXSYMLINKS`).
const MAX_SYMLINKS: usize = 40;

/// `S_ISVTX`: in such a directory only its owner may rename or remove a file.
const STICKY: u32 = 0o1000;

/// As long as an extended attribute can be (`XATTR_SIZE_MAX`).
const LONGEST_LIST: usize = 65536;

/// Whose files are believed.
#[derive(Debug, Clone)]
pub struct Trust {
    owners: BTreeSet<u32>,
    what: What,
}

/// What is believed, and how strictly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
    /// A user keeps them where and as users do.
    Playbooks,
    /// A program that runs at boot, and what it reads: links lead to it, and no group may change it.
    Programs,
    /// As those, and plain files by their own names.
    Plugins,
}

/// What is wrong with a file, a directory or a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Why {
    Type,
    Owner,
    Writable,
    /// A user or group that the access control list names can write it.
    Listed(Entry),
}

impl Trust {
    /// Root's files are believed, those of `users`, and those of the owner of `root`, who can change that tree
    /// without hoststate.
    ///
    /// # Errors
    /// When the tree cannot be read.
    pub fn new(root: &Path, users: impl IntoIterator<Item = u32>) -> io::Result<Self> {
        let mut owners = BTreeSet::from([0, stat(root).map_err(|err| named(root, err))?.st_uid]);
        owners.extend(users);
        Ok(Self { owners, what: What::Playbooks })
    }

    /// What is root's, of whoever runs this or of `users` is believed: whose links lead to where something is written.
    pub fn of_links(users: impl IntoIterator<Item = u32>) -> Self {
        let mut trust = Self::own(What::Playbooks);
        trust.owners.extend(users);
        trust
    }

    /// What is root's, or of whoever runs this, is believed.
    pub(crate) fn own(what: What) -> Self {
        Self { owners: BTreeSet::from([0, rustix::process::geteuid().as_raw()]), what }
    }

    /// Returns the text of a file that is believed.
    ///
    /// # Errors
    /// When somebody else can write it or put another one in its place, or it cannot be read.
    pub fn read(&self, path: &Path) -> Result<String> {
        let found = self.open(path, FileType::RegularFile)?;
        Ok(text_of(File::from(found.ok_or(Errno::NOENT).map_err(io::Error::from)?))?)
    }

    /// Opens a file or a directory; `None` when it, or a directory on the way, is not there. Owner and mode of it, of
    /// every directory above it and of every link on the way were looked at, each by its descriptor, not its name.
    ///
    /// # Errors
    /// When somebody else can write it or put another one in its place, or it cannot be opened.
    pub(crate) fn open(&self, path: &Path, kind: FileType) -> Result<Option<OwnedFd>> {
        // What is not a plain file or directory must not be opened for reading: a FIFO would wait for a writer.
        let look = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let read = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let root = || open_in(CWD, "/".as_ref(), Path::new("/"), look);
        let (mut at, mut directory, mut last) = (PathBuf::from("/"), root()?, OsString::from("."));
        let (mut rest, mut links) = (names(&std::path::absolute(path)?), MAX_SYMLINKS);
        self.check(path, &at, &directory, FileType::Directory, rest.is_empty())?;
        while let Some(name) = rest.pop() {
            let next = if name == ".." { at.parent().unwrap_or(&at).to_owned() } else { at.join(&name) };
            let found = match open_in(&directory, &name, &next, look) {
                Err(err) if matches!(err.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                    return Ok(None);
                }
                found => found?,
            };
            if self.what != What::Plugins && type_of(&status(&next, &found)?) == FileType::Symlink {
                self.check(path, &next, &found, FileType::Symlink, false)?;
                links = links.checked_sub(1).ok_or_else(|| named(path, Errno::LOOP))?;
                let target = readlinkat(&found, "", Vec::new()).map_err(|err| named(&next, err))?;
                let target = PathBuf::from(OsString::from_vec(target.into_bytes()));
                if target.is_absolute() {
                    (at, directory) = (PathBuf::from("/"), root()?);
                }
                rest.extend(names(&target));
                continue;
            }
            let is_last = rest.is_empty();
            let wanted = if is_last { kind } else { FileType::Directory };
            self.check(path, &next, &found, wanted, is_last)?;
            at = next;
            match is_last {
                true => last = name,
                false => directory = found,
            }
        }
        let opened = open_in(&directory, &last, &at, read)?;
        // Again, by what is read: it may be another file than the one that was looked at.
        self.check(path, &at, &opened, kind, true)?;
        Ok(Some(opened))
    }

    fn check(&self, path: &Path, at: &Path, found: &OwnedFd, kind: FileType, is_last: bool) -> Result<()> {
        let status = status(at, found)?;
        let Some(why) = self.objection(at, found, &status, kind, is_last)? else { return Ok(()) };
        Err(match self.what {
            What::Plugins => not_run(at, &status, kind, why),
            _ if why == Why::Type => {
                let hint = "Root follows only a plain file in plain directories.";
                Error::invalid(format!("{} {}", at.display(), type_is(&status, kind)), hint)
            }
            What::Programs => not_started(path, at, &status, why),
            What::Playbooks => not_followed(path, if is_last { path } else { at }, &status, why),
        })
    }

    fn objection(
        &self,
        at: &Path,
        opened: &OwnedFd,
        found: &Stat,
        kind: FileType,
        is_last: bool,
    ) -> io::Result<Option<Why>> {
        let mode = found.st_mode;
        let is_playbook = self.what == What::Playbooks;
        // What lies in a sticky directory belongs to somebody, and that is looked at; but who can add a file to a
        // folder of plugins adds a plugin. Everyone may do everything with a link, whatever its mode.
        let keeps = !is_last && mode & STICKY != 0 && (found.st_uid == 0 || is_playbook);
        let writable = if keeps || kind == FileType::Symlink { 0 } else { mode & 0o022 };
        Ok(if type_of(found) != kind {
            Some(Why::Type)
        } else if !self.owners.contains(&found.st_uid) {
            Some(Why::Owner)
        } else if writable & 0o002 != 0 {
            Some(Why::Writable)
        } else if writable & 0o020 != 0 {
            self.objection_to_group(at, opened, found.st_gid)?
        } else {
            None
        })
    }

    /// The group's bits of a mode are the mask where there is an access control list: without them, no entry gives
    /// the right to write.
    fn objection_to_group(&self, at: &Path, opened: &OwnedFd, owning: u32) -> io::Result<Option<Why>> {
        let is_others = |group| Ok::<_, io::Error>(self.what != What::Playbooks || !self.is_private(group)?);
        let Some(list) = access_list(at, opened)? else {
            return Ok(is_others(owning)?.then_some(Why::Writable));
        };
        for entry in list.writers() {
            let why = match entry.who {
                Who::User(user) if !self.owners.contains(&user) => Some(Why::Listed(entry)),
                Who::Group(group) if is_others(group)? => Some(Why::Listed(entry)),
                Who::OwningGroup if is_others(owning)? => Some(Why::Writable),
                _ => None,
            };
            if why.is_some() {
                return Ok(why);
            }
        }
        Ok(None)
    }

    /// Returns whether only users whose files are believed are in a group: Ubuntu and Fedora give each user a group
    /// of its own and a umask that lets it write.
    fn is_private(&self, group: u32) -> io::Result<bool> {
        let machine = HostView::new("/");
        let read = |path: &str| Ok::<_, io::Error>(machine.read_lossy(Path::new(path))?.unwrap_or_default());
        Ok(is_private(group, &self.owners, &read("/etc/passwd")?, &read("/etc/group")?))
    }
}

/// Refuses a file that somebody else than root, or than this process's user, could change or replace.
///
/// # Errors
/// When somebody could: the error names the file or directory, its owner and mode.
pub fn require_own(path: &Path) -> Result<()> {
    match Trust::own(What::Programs).open(path, FileType::RegularFile)? {
        Some(_) => Ok(()),
        None => Err(named(path, Errno::NOENT).into()),
    }
}

fn open_in(directory: impl AsFd, name: &OsStr, at: &Path, flags: OFlags) -> io::Result<OwnedFd> {
    openat(directory, name, flags, Mode::empty()).map_err(|err| named(at, err))
}

fn status(at: &Path, found: &OwnedFd) -> io::Result<Stat> {
    fstat(found).map_err(|err| named(at, err))
}

/// Returns the access control list of an open file; `None` where it has none beyond its mode.
fn access_list(at: &Path, opened: &OwnedFd) -> io::Result<Option<Acl>> {
    // A descriptor that only looks (O_PATH) gives no attributes; by this name the kernel gives those of what it opened.
    let name = format!("/proc/self/fd/{}", opened.as_raw_fd());
    let mut value = Vec::with_capacity(LONGEST_LIST);
    match getxattr(name, "system.posix_acl_access", spare_capacity(&mut value)) {
        Ok(_) => {}
        Err(Errno::NODATA | Errno::OPNOTSUPP) => return Ok(None),
        Err(err) => return Err(named(at, err)),
    }
    let unknown = || io::Error::other(format!("{}: its access control list cannot be read", at.display()));
    Acl::parse(&value).ok_or_else(unknown).map(Some)
}

fn type_of(found: &Stat) -> FileType {
    FileType::from_raw_mode(found.st_mode)
}

/// Returns an error of the system with the path it is about.
pub(crate) fn named(path: &Path, err: impl Into<io::Error>) -> io::Error {
    let err = err.into();
    io::Error::new(err.kind(), format!("{}: {err}", path.display()))
}

fn is_private(group: u32, owners: &BTreeSet<u32>, passwd: &str, groups: &str) -> bool {
    let table = |text| str::lines(text).map(|it| it.split(':').collect()).collect::<Vec<Vec<_>>>();
    let (users, groups, number) = (table(passwd), table(groups), group.to_string());
    let is_it = |line: &Vec<&str>, at: usize| line.get(at) == Some(&number.as_str());
    let id = |user: &Vec<&str>| user.get(2)?.parse().ok();
    let id_of = |name| users.iter().find(|it| it.first() == Some(&name)).and_then(id);
    let listed = groups.iter().filter(|it| is_it(it, 2)).filter_map(|it| it.get(3));
    let names = listed.flat_map(|it| it.split(',')).filter(|it| !it.is_empty());
    let of_passwd = users.iter().filter(|it| is_it(it, 3)).map(id);
    let members: Vec<Option<u32>> = of_passwd.chain(names.map(id_of)).collect();
    let is_known = |it: &Option<u32>| it.is_some_and(|it| owners.contains(&it));
    // A group that the files do not know may have any members, unless it has the number of its only user.
    if members.is_empty() { owners.contains(&group) } else { members.iter().all(is_known) }
}

/// Returns the names of a path, the last one first.
fn names(path: &Path) -> Vec<OsString> {
    let names = path.components().filter_map(|it| match it {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
    });
    names.rev().collect()
}

#[cfg(test)]
mod tests;
