//! Boots set-ups with `grub-emu`, a GRUB that runs as a program, and reads from its screen what it would start.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use hoststate_testkit::program::{answer, succeed};
use tempfile::TempDir;

use crate::set_up::{BOOT, ENDS, SetUp};

/// What the emulator lacks: its loaders. They print what they would load. A failure that is not 1 is shown for ten seconds.
const LOADERS: &str = r#"function linux { if [ -f "$1" ]; then echo -n "@@loader"; for hoststate_it in "$@"; do echo -n "[$hoststate_it]"; done; echo "@"; hoststate_loaded=1; export hoststate_loaded; else return 1; fi; }
function linux16 { linux "$@"; }
function linuxefi { linux "$@"; }
function multiboot2 { linux "$@"; }
function chainloader { if [ "$1" = "+1" ]; then echo "@@loader[+1]@"; hoststate_loaded=1; export hoststate_loaded; else linux "$@"; fi; }
function initrd { if [ "$hoststate_loaded" != 1 ]; then return 1; fi; for hoststate_it in "$@"; do if [ ! -f "$hoststate_it" ]; then return 1; fi; done; echo -n "@@initrd"; for hoststate_it in "$@"; do echo -n "[$hoststate_it]"; done; echo "@"; }
function initrd16 { initrd "$@"; }
function initrdefi { initrd "$@"; }
function module2 { if [ "$1" = --nounzip ]; then shift; fi; if [ "$hoststate_loaded" != 1 -o ! -f "$1" ]; then return 1; fi; echo -n "@@module"; for hoststate_it in "$@"; do echo -n "[$hoststate_it]"; done; echo "@"; }
function hoststate_boot { if [ "$hoststate_loaded" = 1 ]; then echo "@@boot"; halt; fi; }
"#;

/// What was seen of a boot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    /// Titles of the entries that were started, in their order.
    pub(crate) titles: Vec<String>,
    /// Arguments of `linux` or the like, each in brackets.
    pub(crate) loader: String,
    /// Those of `initrd` or the like.
    pub(crate) modules: String,
    pub(crate) end: String,
}

/// Drives of a set-up as the emulator reads them.
pub(crate) struct Emulator {
    directory: TempDir,
    prefix: String,
    images: Vec<PathBuf>,
}

impl Emulator {
    pub(crate) fn new(set_up: &SetUp) -> Emulator {
        let directory = tempfile::tempdir().unwrap();
        let mut images = Vec::new();
        let mut map = String::new();
        for (index, drive) in set_up.drives.iter().enumerate() {
            let tree = directory.path().join(format!("tree{index}"));
            fs::create_dir(&tree).unwrap();
            for (path, text) in &drive.files {
                let path = tree.join(&path[1..]);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, text.replace(BOOT, "hoststate_boot").replace(ENDS, "hoststate_boot"))
                    .unwrap();
            }
            let first = tree.join(&set_up.prefix[1..]).join("grub.cfg");
            if index == 0 && first.exists() {
                let text = fs::read_to_string(&first).unwrap();
                fs::write(first, format!("{LOADERS}{text}")).unwrap();
            }
            let image = directory.path().join(format!("hd{index}"));
            map += &format!("(hd{index}) {}\n", image.display());
            succeed(
                Command::new("mke2fs")
                    .args(["-q", "-t", "ext2", "-U", &drive.uuid, "-L", &drive.label, "-d"])
                    .args([&tree, &image])
                    .arg("2M"),
            );
            images.push(image);
        }
        fs::write(directory.path().join("map"), map).unwrap();
        Emulator { directory, prefix: set_up.prefix.clone(), images }
    }

    /// Returns a file as it is on a drive.
    pub(crate) fn file(&self, drive: usize, path: &str) -> String {
        answer(Command::new("debugfs").args(["-R", &format!("cat {path}")]).arg(&self.images[drive])).stdout
    }

    pub(crate) fn boot(&self) -> Seen {
        read(&self.screen())
    }

    fn screen(&self) -> String {
        let map = self.directory.path().join("map");
        screen(&["-r", "hd0", "-d", &self.prefix, "-m", map.to_str().unwrap()], self.directory.path())
    }
}

/// Runs the emulator until it ends, or waits for a person.
fn screen(arguments: &[&str], directory: &Path) -> String {
    let mut emulator = Command::new("timeout")
        .args(["60", "grub-emu"])
        .args(arguments)
        .current_dir(directory)
        .env("TERM", "dumb")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut output = emulator.stdout.take().unwrap();
    let (mut shown, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        let length = output.read(&mut buffer).unwrap();
        shown.extend_from_slice(&buffer[..length]);
        let text = String::from_utf8_lossy(&shown);
        let waits = ["Failed to boot both", "grub> ", "Enter username", "Use the "];
        if length == 0 || waits.iter().any(|it| text.contains(it)) {
            break;
        }
    }
    // It waits for keys that never come.
    if emulator.try_wait().unwrap().is_none() {
        let id = rustix::process::Pid::from_child(&emulator);
        rustix::process::kill_process(id, rustix::process::Signal::TERM).unwrap();
    }
    emulator.wait().unwrap();
    String::from_utf8_lossy(&shown).into_owned()
}

fn read(screen: &str) -> Seen {
    let plain = without_escapes(screen);
    let mut seen = Seen::default();
    let mut rest = plain.as_str();
    let marks = [
        ("Booting `", "'\n"),
        ("Falling back to `", "'\n"),
        ("@@loader", "@\n"),
        ("@@module", "@\n"),
        ("@@initrd", "@\n"),
    ];
    loop {
        let found = marks.iter().filter_map(|it| rest.find(it.0).map(|at| (at, it)));
        let Some((at, (mark, end))) = found.min_by_key(|it| it.0) else {
            break;
        };
        rest = &rest[at + mark.len()..];
        // An `@` of an argument may stand at the edge of the screen; behind the last one is a bracket.
        let is_end = |it: &usize| *end != "@\n" || rest[..*it].trim_end_matches('\n').ends_with(']');
        let length = rest.match_indices(end).map(|it| it.0).find(is_end).unwrap_or(rest.len());
        let text = rest[..length].replace('\n', "");
        match *mark {
            "@@loader" => (seen.loader, seen.modules) = (text, String::new()),
            "@@module" => seen.modules += &text,
            // A second one takes the place of the first.
            "@@initrd" => seen.modules = text,
            _ => seen.titles.push(text),
        }
        rest = &rest[length..];
    }
    let ends = [
        ("@@boot", "boot"),
        ("Failed to boot both", "menu"),
        ("Enter username", "password"),
        ("grub> ", "prompt"),
    ];
    let end = ends.iter().find(|it| plain.contains(it.0)).map_or("leave", |it| it.1);
    seen.end = if plain.contains("Use the ") { "waits".to_owned() } else { end.to_owned() };
    seen
}

fn without_escapes(screen: &str) -> String {
    let mut plain = String::new();
    let mut chars = screen.chars();
    while let Some(it) = chars.next() {
        match it {
            '\u{1b}' => {
                chars.find(|it| it.is_ascii_alphabetic());
            }
            '\r' => {}
            it => plain.push(it),
        }
    }
    plain
}
