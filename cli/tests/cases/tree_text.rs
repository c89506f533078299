//! A host tree as one text, to be read and edited by people, and the directory it stands for.
//!
//! ```text
//! == /etc/hostname
//! lab7
//! == /boot/grub/grubenv (no newline at the end)
//! # GRUB Environment Block
//! == /sys/class/iommu/
//! == /etc/grub2.cfg -> ../boot/grub2/grub.cfg
//! == /boot/initrd.img-6.8.0-45-generic (image)
//! -- conf/modules
//! loop
//! -- usr/lib/modules/6.8.0-45-generic/kernel/drivers/block/loop.ko
//! ```
//!
//! A file has every line below its name up to the next name, blank ones too. A path that ends in `/` is an empty
//! directory, one with ` -> ` a symbolic link. An image is packed into an uncompressed newc archive of the files below
//! it. A line of a file that would look like a name, or begins with a backslash, has a backslash before it.

#![expect(clippy::disallowed_methods, reason = "trees are made and read below a temporary directory")]

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

const FILE: &str = "== ";
const INSIDE: &str = "-- ";
const LINK: &str = " -> ";
const IMAGE: &str = " (image)";
const UNENDED: &str = " (no newline at the end)";

/// What a path of a host is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Node {
    File(Vec<u8>),
    Link(String),
    EmptyDirectory,
}

/// A host, by path without a leading slash.
pub(crate) type Nodes = BTreeMap<String, Node>;

/// Reads the text of a tree.
///
/// # Errors
/// A text names the line that cannot be understood.
pub(crate) fn parse(text: &str) -> Result<Nodes, String> {
    let mut nodes = Nodes::new();
    for (line, name, body) in sections(text, FILE)? {
        let fault = |what: &str| Err(format!("line {line}: {what}: `{name}`"));
        let Some(name) = name.strip_prefix('/') else { return fault("no absolute path") };
        let (path, node) = if let Some((path, target)) = name.split_once(LINK) {
            (path, Node::Link(target.to_owned()))
        } else if let Some(path) = name.strip_suffix('/') {
            (path, Node::EmptyDirectory)
        } else if let Some(path) = name.strip_suffix(IMAGE) {
            (path, Node::File(packed(&body)?))
        } else {
            let (path, text) = file(name, &body)?;
            (path, Node::File(text.into_bytes()))
        };
        if !matches!(node, Node::File(_)) && !body.is_empty() {
            return fault("only a file has a text");
        }
        if nodes.insert(path.to_owned(), node).is_some() {
            return fault("named twice");
        }
    }
    Ok(nodes)
}

/// Returns each name with the number of its line and the text below it.
fn sections<'a>(text: &'a str, mark: &str) -> Result<Vec<(usize, &'a str, String)>, String> {
    let mut sections: Vec<(usize, &str, String)> = Vec::new();
    for (number, line) in (1..).zip(text.split_inclusive('\n')) {
        match (line.strip_prefix(mark), sections.last_mut()) {
            (Some(name), _) => sections.push((number, name.trim_end_matches('\n'), String::new())),
            (None, Some(section)) => section.2.push_str(line),
            (None, None) => return Err(format!("line {number}: a text without a name above it")),
        }
    }
    Ok(sections)
}

/// Returns the path and the text of a file, without the backslashes that keep its lines from being names.
fn file<'a>(name: &'a str, body: &str) -> Result<(&'a str, String), String> {
    let text: String =
        body.split_inclusive('\n').map(|line| line.strip_prefix('\\').unwrap_or(line)).collect();
    match name.strip_suffix(UNENDED) {
        None => Ok((name, text)),
        Some(path) => match text.strip_suffix('\n') {
            Some(text) => Ok((path, text.to_owned())),
            None => Err(format!("{path} is empty and cannot lack a newline")),
        },
    }
}

/// Returns an image of the files in the text below its name.
fn packed(body: &str) -> Result<Vec<u8>, String> {
    let mut files = Vec::new();
    for (_, name, body) in sections(body, INSIDE)? {
        let (path, text) = file(name, &body)?;
        files.push((path.to_owned(), text));
    }
    files.push(("TRAILER!!!".to_owned(), String::new()));
    let mut image = Vec::new();
    for (path, text) in files {
        // Inode, mode, owner, group, links, time, size, device twice two, length of the name, no checksum.
        let fields = [1, 0o100_644, 0, 0, 1, 0, text.len(), 0, 0, 0, 0, path.len() + 1, 0];
        image.extend_from_slice(b"070701");
        fields.iter().for_each(|it| image.extend_from_slice(format!("{it:08X}").as_bytes()));
        for part in [path + "\0", text] {
            image.extend_from_slice(part.as_bytes());
            image.resize(image.len().next_multiple_of(4), 0);
        }
    }
    Ok(image)
}

/// Writes a tree as text; what is no text, such as an image, is left out.
pub(crate) fn print(nodes: &Nodes) -> String {
    let mut out = String::new();
    for (path, node) in nodes {
        match node {
            Node::Link(target) => out.push_str(&format!("{FILE}/{path}{LINK}{target}\n")),
            Node::EmptyDirectory => out.push_str(&format!("{FILE}/{path}/\n")),
            Node::File(bytes) => {
                let Ok(text) = std::str::from_utf8(bytes) else { continue };
                let unended = !text.is_empty() && !text.ends_with('\n');
                let suffix = if unended { UNENDED } else { "" };
                out.push_str(&format!("{FILE}/{path}{suffix}\n"));
                for line in text.split_inclusive('\n') {
                    let is_escaped = ["\\", FILE, INSIDE].iter().any(|it| line.starts_with(it));
                    out.push_str(if is_escaped { "\\" } else { "" });
                    out.push_str(line);
                }
                out.push_str(if unended { "\n" } else { "" });
            }
        }
    }
    out
}

/// Makes the directory that a tree stands for.
///
/// # Errors
/// When something cannot be made, such as a file below a file.
pub(crate) fn make(root: &Path, nodes: &Nodes) -> io::Result<()> {
    std::fs::create_dir_all(root)?;
    for (path, node) in nodes {
        let path = root.join(path);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)?;
        }
        match node {
            Node::File(bytes) => std::fs::write(path, bytes)?,
            Node::Link(target) => std::os::unix::fs::symlink(target, path)?,
            Node::EmptyDirectory => std::fs::create_dir_all(path)?,
        }
    }
    Ok(())
}

/// Reads a directory; no link is followed.
///
/// # Errors
/// When something there cannot be read.
pub(crate) fn read(root: &Path) -> io::Result<Nodes> {
    let mut nodes = Nodes::new();
    read_into(root, "", &mut nodes)?;
    Ok(nodes)
}

fn read_into(root: &Path, directory: &str, nodes: &mut Nodes) -> io::Result<()> {
    let mut is_empty = true;
    for entry in std::fs::read_dir(root.join(directory))? {
        let entry = entry?;
        is_empty = false;
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = if directory.is_empty() { name } else { format!("{directory}/{name}") };
        let kind = entry.file_type()?;
        if kind.is_dir() {
            read_into(root, &path, nodes)?;
        } else if kind.is_symlink() {
            let target = std::fs::read_link(entry.path())?;
            nodes.insert(path, Node::Link(target.to_string_lossy().into_owned()));
        } else {
            nodes.insert(path, Node::File(std::fs::read(entry.path())?));
        }
    }
    if is_empty && !directory.is_empty() {
        nodes.insert(directory.to_owned(), Node::EmptyDirectory);
    }
    Ok(())
}

#[test]
fn a_tree_written_as_text_is_the_same_tree_when_read() {
    let file = |text: &str| Node::File(text.as_bytes().to_vec());
    let nodes = Nodes::from([
        ("etc/a".to_owned(), file("\n== /etc/b\n-- c\n\\d\n\n")),
        ("etc/empty".to_owned(), file("")),
        ("etc/line".to_owned(), file("\n")),
        ("etc/unended".to_owned(), file("a\n\\b")),
        ("etc/link".to_owned(), Node::Link("../run/x".to_owned())),
        ("sys/class/iommu".to_owned(), Node::EmptyDirectory),
    ]);
    assert_eq!(parse(&print(&nodes)), Ok(nodes));
}

#[test]
fn a_text_that_is_no_tree_is_refused_with_its_line() {
    let refused = |text: &str| parse(text).expect_err(text);
    assert_eq!(refused("x\n"), "line 1: a text without a name above it");
    assert_eq!(refused("== etc/x\n"), "line 1: no absolute path: `etc/x`");
    assert_eq!(refused("== /a\nx\n== /a\n"), "line 3: named twice: `/a`");
    assert_eq!(refused("== /a -> b\nx\n"), "line 1: only a file has a text: `/a -> b`");
    assert_eq!(refused("== /a (no newline at the end)\n"), "a is empty and cannot lack a newline");
}
