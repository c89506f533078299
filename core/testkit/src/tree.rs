//! A host as a directory: files and symbolic links, built from text and thrown away after the test.

#![expect(clippy::disallowed_methods, reason = "trees are made here, below a temporary directory")]

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use hoststate_abi::host_view::HostView;
use hoststate_core::formats::host_text::{self, Node, Nodes};
use tempfile::TempDir;

/// Separates a link from its target in a path given to [`Tree::new`].
const LINK: &str = " -> ";

/// An Ubuntu without a kernel, so that no image is out of date; its tools are there and are not run.
pub const UBUNTU: [(&str, &str); 6] = [
    ("/etc/os-release", "NAME=\"Ubuntu\"\nID=ubuntu\nID_LIKE=debian\nVERSION_ID=\"24.04\"\n"),
    ("/etc/default/grub", "GRUB_CMDLINE_LINUX=\"\"\n"),
    ("/boot/grub/grub.cfg", ""),
    ("/etc/initramfs-tools/initramfs.conf", "MODULES=most\n"),
    ("/usr/sbin/update-grub", ""),
    ("/usr/sbin/update-initramfs", ""),
];

/// A directory that is a host's `/`; removed when dropped.
#[derive(Debug)]
pub struct Tree {
    root: TempDir,
    /// How many files were written. It is their time as well: a test is faster than the clock of a file system.
    written: Cell<u64>,
}

impl Tree {
    /// Makes a host of files `(path, text)`. A path `link -> target` makes a symbolic link, a path that ends in `/`
    /// an empty directory; the text of both is ignored.
    ///
    /// # Panics
    /// When a path cannot be made.
    pub fn new(entries: &[(&str, &str)]) -> Self {
        let tree = Self { root: TempDir::new().expect("a temporary directory"), written: Cell::new(0) };
        for (path, text) in entries {
            match path.split_once(LINK) {
                Some((link, target)) => tree.link(link, target),
                None if path.ends_with('/') => tree.directory(path),
                None => tree.write(path, text),
            }
        }
        tree
    }

    /// Makes the host that a text in the form of `host_text` stands for.
    ///
    /// # Panics
    /// When the text is no host, or a path cannot be made.
    pub fn captured(text: &str) -> Self {
        let nodes = host_text::parse(text).expect("the text of a host");
        let tree = Self::new(&[]);
        // What stands below a link is refused above, so links are followed nowhere.
        for (path, node) in &nodes {
            match node {
                Node::File(bytes) => tree.write(path, bytes),
                Node::Link(target) => tree.link(path, target),
                Node::EmptyDirectory => tree.directory(path),
            }
        }
        tree
    }

    /// Returns every file, link and empty directory; no link is followed.
    ///
    /// # Panics
    /// When something cannot be read, or its name is no UTF-8.
    pub fn nodes(&self) -> Nodes {
        let mut nodes = Nodes::new();
        collect(self.root(), "", &mut nodes);
        nodes
    }

    /// Returns the directory that is the host's `/`.
    pub fn root(&self) -> &Path {
        self.root.path()
    }

    /// Returns a view of the host.
    pub fn view(&self) -> HostView {
        HostView::new(self.root())
    }

    /// Returns where a path of the host lies on this machine. Links are not followed.
    pub fn real(&self, path: impl AsRef<Path>) -> PathBuf {
        let path = path.as_ref();
        self.root().join(path.strip_prefix("/").unwrap_or(path))
    }

    /// Writes a file and the directories above it. Links to directories on the way are followed below the root.
    ///
    /// # Panics
    /// When it cannot be written.
    pub fn write(&self, path: impl AsRef<Path>, text: impl AsRef<[u8]>) {
        let real = self.followed(path.as_ref());
        fs_err::create_dir_all(real.parent().expect("a file has a directory")).expect("directories");
        fs_err::write(&real, text).expect("a file");
        self.written.set(self.written.get() + 1);
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(self.written.get());
        let file = fs_err::OpenOptions::new().write(true).open(real).expect("a file");
        file.set_modified(time).expect("a time");
    }

    /// Makes a symbolic link and the directories above it; one that is there is replaced.
    ///
    /// # Panics
    /// When it cannot be made.
    pub fn link(&self, path: impl AsRef<Path>, target: impl AsRef<Path>) {
        let parent = path.as_ref().parent().expect("a link has a directory");
        let real = self.followed(parent).join(path.as_ref().file_name().expect("a link has a name"));
        fs_err::create_dir_all(real.parent().expect("a link has a directory")).expect("directories");
        self.remove_real(&real);
        fs_err::os::unix::fs::symlink(target, real).expect("a link");
    }

    /// Makes a directory and those above it.
    ///
    /// # Panics
    /// When it cannot be made.
    pub fn directory(&self, path: impl AsRef<Path>) {
        fs_err::create_dir_all(self.followed(path.as_ref())).expect("a directory");
    }

    /// Removes a file, link or directory; what is not there is no mistake.
    ///
    /// # Panics
    /// When it cannot be removed.
    pub fn remove(&self, path: impl AsRef<Path>) {
        let path = path.as_ref();
        let parent = path.parent().expect("not the root");
        self.remove_real(&self.followed(parent).join(path.file_name().expect("not the root")));
    }

    /// Returns the text of a file, `None` when it is not there. Links are followed below the root.
    ///
    /// # Panics
    /// When it cannot be read.
    pub fn read(&self, path: impl AsRef<Path>) -> Option<String> {
        self.view().read(path.as_ref()).expect("a readable file")
    }

    /// Returns every file and link below a directory with its text or target, sorted, one line each.
    ///
    /// # Panics
    /// When something there cannot be read.
    pub fn listing(&self, path: impl AsRef<Path>) -> String {
        let mut lines = Vec::new();
        self.list_into(path.as_ref(), &mut lines);
        lines.join("\n")
    }

    fn list_into(&self, path: &Path, lines: &mut Vec<String>) {
        let view = self.view();
        for name in view.list(path).expect("a readable directory") {
            let path = path.join(name);
            match view.link_target(&path).expect("a readable link") {
                Some(target) => lines.push(format!("{} -> {}", path.display(), target.display())),
                None if view.is_dir(&path).expect("a searchable directory") => self.list_into(&path, lines),
                None => lines.push(format!("{}: {:?}", path.display(), self.read(&path).unwrap_or_default())),
            }
        }
    }

    fn followed(&self, path: &Path) -> PathBuf {
        let absolute = Path::new("/").join(path);
        let view = self.view();
        view.below_root(&view.resolve(&absolute).expect("no circle of links"))
    }

    fn remove_real(&self, real: &Path) {
        match fs_err::symlink_metadata(real) {
            Ok(found) if found.is_dir() => fs_err::remove_dir_all(real).expect("a removable directory"),
            Ok(_) => fs_err::remove_file(real).expect("a removable file"),
            Err(_) => {}
        }
    }
}

fn collect(root: &Path, directory: &str, nodes: &mut Nodes) {
    let mut is_empty = true;
    for entry in fs_err::read_dir(root.join(directory)).expect("a readable directory") {
        let entry = entry.expect("an entry");
        is_empty = false;
        let name = entry.file_name().into_string().expect("a name in UTF-8");
        let path = if directory.is_empty() { name } else { format!("{directory}/{name}") };
        let kind = entry.file_type().expect("a kind");
        if kind.is_dir() {
            collect(root, &path, nodes);
        } else if kind.is_symlink() {
            let target = fs_err::read_link(entry.path()).expect("a link");
            nodes.insert(path, Node::Link(target.to_string_lossy().into_owned()));
        } else {
            nodes.insert(path, Node::File(fs_err::read(entry.path()).expect("a file")));
        }
    }
    if is_empty && !directory.is_empty() {
        nodes.insert(directory.to_owned(), Node::EmptyDirectory);
    }
}
