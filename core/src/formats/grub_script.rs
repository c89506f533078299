//! GRUB's script language: what a `grub.cfg` boots, with which line, and what the boot after that.
//!
//! Plays a boot as GRUB 2.06 does (grub-core/script, grub-core/normal, grub-core/commands), with nobody at the
//! keyboard. Where a file cannot tell how something ends, it plays all ways it may end.

use std::collections::BTreeMap;
use std::sync::Arc;

mod boot_entries;
mod commands;
mod condition;
mod control;
mod env_block;
mod env_commands;
mod expand;
mod files;
pub(super) mod lexer;
mod loaders;
mod machine;
mod menu;
mod number;
mod options;
mod regexp;
mod script_commands;
mod search;
mod selection;
mod source;
mod syntax;
#[cfg(test)]
mod tests;
mod text;
mod variables;
mod worlds;

pub use worlds::play;

/// What GRUB can reach while it boots. Devices are named as in `$root`, without parentheses.
pub trait Disk {
    /// Returns the file at an absolute path of a device, which has no two slashes in a row; a device that does not
    /// exist holds no files.
    fn file(&self, device: &str, path: &str) -> File;
    /// Returns the names in a directory, in any order.
    fn list(&self, device: &str, path: &str) -> Listing;
    /// Returns the device that `search` finds.
    fn search(&self, by: SearchBy, what: &str, hints: &[&str]) -> Found;
    /// Returns whether GRUB can write into a file that exists, as `save_env` does: not on btrfs, LVM, RAID or ZFS.
    /// `None`: it cannot be told.
    fn is_writable(&self, device: &str, path: &str) -> Option<bool>;
}

/// A file as GRUB finds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum File {
    /// Its text.
    Text(Arc<str>),
    /// It has some content that nobody needs to read as text, such as a kernel.
    Data,
    /// It is a directory.
    Directory,
    /// There is none.
    Absent,
    /// It cannot be told whether there is one, or what it holds.
    Unknown,
}

/// What a directory holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listing {
    /// Names of its files.
    Names(Vec<String>),
    /// There is no such directory.
    Absent,
    /// It cannot be told.
    Unknown,
}

/// What `search` looks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SearchBy {
    /// The UUID of a file system.
    Uuid,
    /// Its label.
    Label,
    /// A file on it.
    File,
}

/// What `search` finds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// A device.
    Device(String),
    /// Nothing.
    Absent,
    /// It cannot be told.
    Unknown,
}

/// Whose GRUB it is: those of the RHEL family choose entries by other rules and have `blscfg`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// GRUB as released, and as Debian, Ubuntu, SUSE and Arch build it.
    Upstream,
    /// Fedora, RHEL 8 and later, and their kin.
    RedHat,
}

/// A boot that begins.
#[derive(Clone, Debug)]
pub struct Start {
    /// Whose GRUB it is.
    pub family: Family,
    /// `$grub_cpu`, e.g. `x86_64`; BIOS has `i386`.
    pub cpu: String,
    /// `$grub_platform`, e.g. `pc` or `efi`.
    pub platform: String,
    /// The first script it reads, `(device)/path`.
    pub config: String,
    /// Variables that are set and exported before: `prefix` (`(device)/path`), `root`, on EFI `cmdpath`.
    pub variables: BTreeMap<String, String>,
    /// Environment blocks that an earlier boot has changed, by `(device)/path`; others are read from the disk.
    pub blocks: BTreeMap<String, Arc<str>>,
}

/// A line of a file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// `(device)/path`; of a file on a device that cannot be known, its path.
    pub file: Arc<str>,
    /// Line, from 1.
    pub line: usize,
}

/// Where a text was written.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Origin {
    /// The line.
    pub place: Place,
    /// The variable of the environment block, if it is one.
    pub variable: Option<Arc<str>>,
}

/// An argument of a command, with what its variables held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Argument {
    /// Its text; a variable that cannot be known stands in it as `$name`.
    pub text: String,
    /// Where its parts were written, in their order.
    pub origins: Vec<Origin>,
    /// Why the text is not certain.
    pub unknown: Option<String>,
}

/// A command that GRUB ran.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// Its name, e.g. `linux`.
    pub name: String,
    /// Where it stands.
    pub place: Place,
    /// What follows.
    pub arguments: Vec<Argument>,
}

/// Every way a boot may take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Play {
    /// The ways that differ in how they end, the likeliest first; never empty.
    pub worlds: Vec<World>,
    /// Why there may be more.
    pub limit: Option<&'static str>,
}

/// One way a boot may take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct World {
    /// What is supposed to be so in it, in the order in which it was asked.
    pub assumptions: Vec<Assumption>,
    /// The scripts that were read, in their order.
    pub visits: Vec<Visit>,
    /// The menus that were entered, each inside the one before.
    pub menus: Vec<Menu>,
    /// Commands that failed and were passed over, such as `initrd` without its file.
    pub failures: Vec<Failure>,
    /// How it ends.
    pub end: End,
    /// The environment blocks after it that GRUB has changed, by `(device)/path`.
    pub blocks: BTreeMap<String, Arc<str>>,
}

/// Something that cannot be told from files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assumption {
    /// What is supposed, as a sentence without full stop.
    pub what: String,
    /// The command that depends on it.
    pub place: Place,
}

/// A script that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Visit {
    /// `(device)/path`.
    pub file: Arc<str>,
    /// The line that led to it; none for the first.
    pub from: Option<Place>,
}

/// A menu and what was taken from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Menu {
    /// Its lines.
    pub entries: Vec<MenuEntry>,
    /// What was started, in this order; more than one where a start failed and `fallback` names another.
    pub picks: Vec<Pick>,
    /// Whether it waits for a person because `timeout` is not set, or negative.
    pub waits: bool,
}

/// A line of a menu.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MenuEntry {
    /// What the menu shows.
    pub title: String,
    /// What `default` may call it by; its title where it has none of its own.
    pub id: String,
    /// Its `menuentry` or `submenu` command, or the boot entry file it was made from.
    pub place: Place,
    /// Whether it leads into a menu of its own.
    pub is_submenu: bool,
    /// Whether it asks for a password where `superusers` is set.
    pub is_restricted: bool,
}

/// What was taken from a menu, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pick {
    /// Index of the entry.
    pub entry: usize,
    /// Why this one.
    pub by: Decider,
}

/// What decides which entry is started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decider {
    /// `default` names it.
    Default(Setting),
    /// It is the first: `default` is not set, or names none of the menu.
    First(Option<Setting>),
    /// `fallback` names it, after others failed.
    Fallback(Setting),
}

/// The value of a variable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// The value.
    pub value: String,
    /// The command that set it.
    pub set_at: Option<Place>,
    /// Where its parts were written, such as `saved_entry` in the environment block.
    pub origins: Vec<Origin>,
}

/// A command that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Where it stands.
    pub place: Place,
    /// What failed, as a sentence without full stop.
    pub what: String,
}

/// How a boot ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// GRUB starts something.
    Boot(Boot),
    /// It leaves by `exit`, `reboot`, `halt` or `fwsetup`.
    Leave(Command),
    /// It stays at the menu because nothing could be started.
    Menu,
    /// It stays at its command line, because the script makes no menu.
    Prompt,
    /// It asks for a user and password.
    Password(Place),
    /// It cannot be told.
    Unknown {
        /// Why, as a sentence without full stop.
        why: String,
        /// The line that matters.
        place: Option<Place>,
    },
}

/// What GRUB starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Boot {
    /// `linux`, `multiboot2`, `chainloader` or the like.
    pub loader: Command,
    /// What is loaded with it: `initrd`, `module2`.
    pub modules: Vec<Command>,
}
