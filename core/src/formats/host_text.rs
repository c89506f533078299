//! A host tree as one text that people read and edit.
//!
//! ```text
//! # Ubuntu 24.04 with a graphics card
//! == /etc/hostname
//! lab7
//! == /boot/grub/grubenv (no newline at the end)
//! # GRUB Environment Block
//! == /sys/class/iommu/
//! == /etc/grub2.cfg -> ../boot/grub2/grub.cfg
//! == /sys/devices/pci0000:00/0000:00:01.0/config (hex)
//! 86800c0c
//! == /boot/initrd.img-6.8.0-45-generic (image)
//! -- conf/modules
//! loop
//! -- usr/lib/modules/6.8.0-45-generic/kernel/drivers/block/loop.ko
//! ```
//!
//! A file has every line below its name up to the next name, blank ones too. A path that ends in `/` is an empty
//! directory, one with ` -> ` a symbolic link. Bytes that are no text are written in hexadecimal digits. An image is
//! an uncompressed newc archive of the files below it. A line of a file that would look like a name, or begins with a
//! backslash, has a backslash before it. Above the first name, lines that begin with `#` are comments.

use std::collections::BTreeMap;

use super::initramfs::{self, EntryKind};
use super::newc::{self, Member};

const FILE: &str = "== ";
const INSIDE: &str = "-- ";
const LINK: &str = " -> ";
const IMAGE: &str = " (image)";
const HEX: &str = " (hex)";
const UNENDED: &str = " (no newline at the end)";

/// Bytes in one line of hexadecimal digits.
const BYTES_IN_LINE: usize = 32;

/// What a path of a host is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Node {
    /// A regular file and its bytes.
    File(Vec<u8>),
    /// A symbolic link and what it points to.
    Link(String),
    /// A directory with nothing in it.
    EmptyDirectory,
}

/// A host, by path without a leading slash.
pub type Nodes = BTreeMap<String, Node>;

/// Why a text is no host.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what}")]
pub struct HostTextError {
    /// Line, from 1.
    pub line: usize,
    /// What is wrong there.
    pub what: String,
}

/// A name, the number of its line, and the text below it.
struct Section<'a> {
    line: usize,
    name: &'a str,
    body: String,
}

impl Section<'_> {
    fn fault(&self, what: &str) -> HostTextError {
        HostTextError { line: self.line, what: format!("{what}: `{}`", self.name) }
    }
}

/// Reads the text of a host.
///
/// # Errors
/// Names the line that cannot be understood, a path that leads out of the tree, or a file below a file.
pub fn parse(text: &str) -> Result<Nodes, HostTextError> {
    let mut nodes = Nodes::new();
    let sections = sections(text, FILE, 0)?;
    for section in &sections {
        let Some(name) = section.name.strip_prefix('/') else {
            return Err(section.fault("no absolute path"));
        };
        let (path, node) = if let Some(path) = name.strip_suffix('/') {
            (path, Node::EmptyDirectory)
        } else if let Some(path) = name.strip_suffix(IMAGE) {
            (path, Node::File(packed(section)?))
        } else {
            match member(section, name)? {
                (path, Member::File(bytes)) => (path, Node::File(bytes)),
                (path, Member::Link(target)) => (path, Node::Link(target)),
            }
        };
        if node == Node::EmptyDirectory && !section.body.is_empty() {
            return Err(section.fault("a directory has no text"));
        }
        if path.split('/').any(|it| matches!(it, "" | "." | "..")) {
            return Err(section.fault("no path of a host"));
        }
        if nodes.insert(path.to_owned(), node).is_some() {
            return Err(section.fault("named twice"));
        }
    }
    // A link may stand behind what lies below it.
    let is_directory = |it: &str| matches!(nodes.get(it), None | Some(Node::EmptyDirectory));
    for section in &sections {
        let above = section.name.match_indices('/').skip(1).map(|(at, _)| &section.name[1..at]);
        if !above.into_iter().all(is_directory) {
            return Err(section.fault("below something that is not a directory"));
        }
    }
    Ok(nodes)
}

/// Returns the sections of a text whose names begin with `mark`; `before` lines stand above the text.
fn sections<'a>(text: &'a str, mark: &str, before: usize) -> Result<Vec<Section<'a>>, HostTextError> {
    let mut sections: Vec<Section<'_>> = Vec::new();
    for (line, text) in (before + 1..).zip(text.split_inclusive('\n')) {
        match (text.strip_prefix(mark), sections.last_mut()) {
            (Some(name), _) => {
                sections.push(Section { line, name: name.trim_end_matches('\n'), body: String::new() });
            }
            (None, Some(section)) => section.body.push_str(text),
            (None, None) if mark == FILE && (text.starts_with('#') || text.trim().is_empty()) => {}
            (None, None) => {
                return Err(HostTextError { line, what: "a text without a name above it".to_owned() });
            }
        }
    }
    Ok(sections)
}

/// Returns the path of a file or link and what it holds.
fn member<'a>(section: &Section<'_>, name: &'a str) -> Result<(&'a str, Member), HostTextError> {
    if let Some((path, target)) = name.split_once(LINK) {
        return match section.body.is_empty() {
            true => Ok((path, Member::Link(target.to_owned()))),
            false => Err(section.fault("a link has no text")),
        };
    }
    if let Some(path) = name.strip_suffix(HEX) {
        return Ok((path, Member::File(bytes(section)?)));
    }
    let lines = section.body.split_inclusive('\n');
    // A backslash keeps a line from being a name.
    let text: String = lines.map(|line| line.strip_prefix('\\').unwrap_or(line)).collect();
    match name.strip_suffix(UNENDED) {
        None => Ok((name, Member::File(text.into_bytes()))),
        Some(path) => match text.strip_suffix('\n') {
            Some(text) => Ok((path, Member::File(text.as_bytes().to_vec()))),
            None => Err(section.fault("an empty file cannot lack a newline")),
        },
    }
}

fn bytes(section: &Section<'_>) -> Result<Vec<u8>, HostTextError> {
    let mut bytes = Vec::new();
    for (line, text) in (section.line + 1..).zip(section.body.lines()) {
        let digits: Vec<u8> = text.bytes().filter(|it| !it.is_ascii_whitespace()).collect();
        let values: Option<Vec<u8>> = digits.chunks(2).map(byte).collect();
        let what = || "not pairs of hexadecimal digits".to_owned();
        bytes.extend(values.ok_or_else(|| HostTextError { line, what: what() })?);
    }
    Ok(bytes)
}

fn byte(digits: &[u8]) -> Option<u8> {
    let digit = |it: u8| char::from(it).to_digit(16);
    match digits {
        [high, low] => u8::try_from(digit(*high)? * 16 + digit(*low)?).ok(),
        _ => None,
    }
}

/// Returns an image of what stands below its name.
fn packed(section: &Section<'_>) -> Result<Vec<u8>, HostTextError> {
    let mut members = Vec::new();
    for inside in sections(&section.body, INSIDE, section.line)? {
        let (path, member) = member(&inside, inside.name)?;
        members.push((path.to_owned(), member));
    }
    Ok(newc::archive_of(&members))
}

/// Writes a host as text.
pub fn print(nodes: &Nodes) -> String {
    let mut out = String::new();
    for (path, node) in nodes {
        let name = format!("{FILE}/{path}");
        match node {
            Node::Link(target) => print_link(&mut out, &name, target),
            Node::EmptyDirectory => line(&mut out, &[&name, "/"]),
            Node::File(bytes) => match image(bytes) {
                None => print_file(&mut out, &name, bytes),
                Some(members) => {
                    line(&mut out, &[&name, IMAGE]);
                    for (path, member) in members {
                        let name = format!("{INSIDE}{path}");
                        match member {
                            Member::File(bytes) => print_file(&mut out, &name, &bytes),
                            Member::Link(target) => print_link(&mut out, &name, &target),
                        }
                    }
                }
            },
        }
    }
    out
}

/// Returns what an image holds that is not packed further, if that can be written below its name.
fn image(bytes: &[u8]) -> Option<Vec<(String, Member)>> {
    if !bytes.starts_with(b"070701") {
        return None;
    }
    let image = initramfs::list_with(bytes, |_| true).ok()?;
    let members = image.entries.iter().map(|it| match &it.kind {
        EntryKind::File => Some((it.path.clone(), Member::File(image.read(&it.path)?.to_vec()))),
        EntryKind::Symlink { target } => Some((it.path.clone(), Member::Link(target.clone()))),
        EntryKind::Directory | EntryKind::Special => None,
    });
    members.collect()
}

/// Returns what people can read.
fn text(bytes: &[u8]) -> Option<&str> {
    let is_text = |it: &&str| !it.contains(|it: char| it.is_control() && !"\n\t".contains(it));
    std::str::from_utf8(bytes).ok().filter(is_text)
}

fn print_link(out: &mut String, name: &str, target: &str) {
    line(out, &[name, LINK, target]);
}

fn print_file(out: &mut String, name: &str, bytes: &[u8]) {
    let Some(text) = text(bytes) else {
        line(out, &[name, HEX]);
        for bytes in bytes.chunks(BYTES_IN_LINE) {
            let digits: Vec<String> = bytes.iter().map(|it| format!("{it:02x}")).collect();
            line(out, &[&digits.concat()]);
        }
        return;
    };
    let unended = !text.is_empty() && !text.ends_with('\n');
    line(out, &[name, if unended { UNENDED } else { "" }]);
    for line in text.split_inclusive('\n') {
        let is_escaped = ["\\", FILE, INSIDE].iter().any(|it| line.starts_with(it));
        out.push_str(if is_escaped { "\\" } else { "" });
        out.push_str(line);
    }
    out.push_str(if unended { "\n" } else { "" });
}

fn line(out: &mut String, parts: &[&str]) {
    parts.iter().for_each(|it| out.push_str(it));
    out.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_written_as_text_is_the_same_host_when_read() {
        let file = |text: &str| Node::File(text.as_bytes().to_vec());
        let image = newc::archive_of(&[
            ("bin".to_owned(), Member::Link("usr/bin".to_owned())),
            ("etc/a".to_owned(), Member::File(b"x\n-- y\n".to_vec())),
            ("lib/z.bin".to_owned(), Member::File(vec![0, 1, 255])),
        ]);
        let nodes = Nodes::from([
            ("boot/initrd".to_owned(), Node::File(image)),
            ("etc/a".to_owned(), file("\n== /etc/b\n-- c\n\\d\n\n")),
            ("etc/empty".to_owned(), file("")),
            ("etc/latin1".to_owned(), Node::File(vec![b'c', 0xe9, b'\n'])),
            ("etc/line".to_owned(), file("\n")),
            ("etc/link".to_owned(), Node::Link("../run/x".to_owned())),
            ("etc/unended".to_owned(), file("a\n\\b")),
            ("sys/class/iommu".to_owned(), Node::EmptyDirectory),
            ("sys/config".to_owned(), Node::File((0..=127).collect())),
        ]);
        assert_eq!(parse(&print(&nodes)), Ok(nodes));
    }

    #[test]
    fn a_text_that_is_no_host_is_refused_with_its_line() {
        let refused = |text: &str| parse(text).expect_err(text).to_string();
        assert_eq!(refused("# one\nx\n"), "line 2: a text without a name above it");
        assert_eq!(refused("== etc/x\n"), "line 1: no absolute path: `etc/x`");
        assert_eq!(refused("== /a\nx\n== /a\n"), "line 3: named twice: `/a`");
        assert_eq!(refused("== /a -> b\nx\n"), "line 1: a link has no text: `/a -> b`");
        assert_eq!(
            refused("== /a (no newline at the end)\n"),
            "line 1: an empty file cannot lack a newline: `/a (no newline at the end)`"
        );
        assert_eq!(refused("== /a/../../b\n"), "line 1: no path of a host: `/a/../../b`");
        assert_eq!(
            refused("== /a -> /b\n== /a/c\nx\n"),
            "line 2: below something that is not a directory: \
             `/a/c`"
        );
        assert_eq!(
            refused("== /a/c\nx\n== /a -> /b\n"),
            "line 1: below something that is not a directory: \
             `/a/c`"
        );
        assert_eq!(refused("== /a (hex)\n00\n0g\n"), "line 3: not pairs of hexadecimal digits");
        assert_eq!(refused("== /a (image)\nx\n"), "line 2: a text without a name above it");
    }
}
