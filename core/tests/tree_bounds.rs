//! What may lie in a host's tree, and must make nobody wait, fill the memory or read elsewhere.

#![expect(clippy::disallowed_methods, reason = "files that no tree of a test has are made here")]

use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::Path;

use expect_test::expect;
use hoststate_abi::host_view::HostView;
use hoststate_testkit::tree::Tree;
use rustix::fs::{CWD, FileType, Mode, mknodat};

const PATH: &str = "/etc/a.conf";

/// Reads a file in every way after `change`, and returns the errors, each once.
fn errors(change: impl FnOnce(&Path)) -> String {
    let tree = Tree::new(&[("/etc/", "")]);
    change(&tree.root().join("etc/a.conf"));
    let (view, path) = (tree.view(), Path::new(PATH));
    let all = [
        view.read(path).map(|_| ()),
        view.read_lossy(path).map(|_| ()),
        view.attribute(path).map(|_| ()),
        view.parsed(path, str::to_owned).map(|_| ()),
    ];
    let mut texts: Vec<String> = all.into_iter().filter_map(|it| Some(it.err()?.to_string())).collect();
    texts.dedup();
    texts.join("\n").replace(&tree.root().display().to_string(), "")
}

#[test]
fn only_plain_files_are_read_and_nothing_is_waited_for() {
    expect!["/etc/a.conf: is a named pipe (FIFO); only a plain file is read"].assert_eq(&errors(|path| {
        mknodat(CWD, path, FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
    }));
    expect!["/etc/a.conf: is a socket; only a plain file is read"].assert_eq(&errors(|path| {
        drop(UnixListener::bind(path).unwrap());
    }));
    expect!["/etc/a.conf: is a directory; only a plain file is read"].assert_eq(&errors(|path| {
        std::fs::create_dir(path).unwrap();
    }));
}

#[test]
fn a_link_to_a_pipe_is_no_way_round() {
    expect!["/etc/pipe: is a named pipe (FIFO); only a plain file is read"].assert_eq(&errors(|path| {
        let pipe = path.with_file_name("pipe");
        mknodat(CWD, &pipe, FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
        symlink("pipe", path).unwrap();
    }));
}

#[test]
fn a_sparse_file_is_refused_before_it_is_read() {
    expect!["/etc/a.conf: larger than 16 MiB, the most that is read of it"].assert_eq(&errors(|path| {
        File::create(path).unwrap().set_len(10 << 30).unwrap();
    }));
}

#[test]
fn the_machine_itself_is_read_with_the_same_care() {
    let tree = Tree::new(&[("/etc/", "")]);
    let path = tree.root().join("pipe");
    mknodat(CWD, &path, FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
    let told = HostView::new("/").read(&path).unwrap_err().to_string();
    assert!(told.ends_with("/pipe: is a named pipe (FIFO); only a plain file is read"), "{told}");
    assert!(HostView::new("/").attribute(Path::new("/proc/self/comm")).unwrap().is_some(), "its size is 0");
    assert_eq!(HostView::new("/").read(Path::new("/dev/null")).unwrap().as_deref(), Some(""));
}

#[test]
fn bytes_that_are_not_utf_8_are_shown_and_an_edit_names_the_line() {
    let tree = Tree::new(&[("/etc/", "")]);
    std::fs::write(tree.root().join("etc/a.conf"), b"one\n# caf\xe9\n").unwrap();
    let (view, path) = (tree.view(), Path::new(PATH));
    assert_eq!(view.read_lossy(path).unwrap().as_deref(), Some("one\n# caf\\xe9\n"));
    assert_eq!(*view.parsed(path, str::to_owned).unwrap().unwrap(), "one\n# caf\\xe9\n");
    expect!["/etc/a.conf:2: not UTF-8 text (byte 0xe9 at offset 9); what is edited must be UTF-8, iconv(1) converts it"]
        .assert_eq(&view.read(path).unwrap_err().to_string());
}

#[test]
fn a_name_that_is_not_utf_8_is_listed_and_read() {
    let tree = Tree::new(&[("/etc/d/", "")]);
    let name = OsStr::from_bytes(b"z\xff.conf");
    std::fs::write(tree.root().join("etc/d").join(name), "text").unwrap();
    let (view, directory) = (tree.view(), Path::new("/etc/d"));
    assert_eq!(view.list(directory).unwrap(), ["z\\xff.conf"]);
    assert_eq!(view.names(directory).unwrap(), [name]);
    assert_eq!(view.read(&directory.join(name)).unwrap().as_deref(), Some("text"));
}

#[test]
fn a_directory_that_becomes_a_link_after_it_was_resolved_leads_nowhere() {
    let tree = Tree::new(&[("/etc/default/grub", "inside"), ("/secret/", "")]);
    let outside = Tree::new(&[("/grub", "outside")]);
    let (view, path) = (tree.view(), Path::new("/etc/default/grub"));
    view.resolve(path).unwrap();
    std::fs::rename(tree.root().join("etc/default"), tree.root().join("etc/old")).unwrap();
    symlink(outside.root(), tree.root().join("etc/default")).unwrap();
    let told = match view.read(path) {
        Ok(text) => format!("{text:?}"),
        Err(err) => err.to_string().replace(&tree.root().display().to_string(), ""),
    };
    // Either the directory was still open, or the link is seen.
    expect![[r#"Some("inside")"#]].assert_eq(&told);
    let later = tree.view();
    later.resolve(Path::new("/etc")).unwrap();
    assert_eq!(later.read(path).unwrap(), None, "links resolve below the root");
}
