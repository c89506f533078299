//! Who gets each PCI function at the next boot, compared with boots of real systems that were recorded.
//!
//! A system has a host, which is the same before each of its boots, with the images that its generator made, and boots
//! as `cargo testbed boots --record` writes them:
//!
//! ```text
//! boot NAME
//! holds                       the image has vfio-pci
//! graphics                    and the drivers of the cards
//! words PARAMETERS            beside root= ro quiet
//! file PATH                   in the root, and in the image where that is not said to be older
//!   TEXT
//! image PATH                  the file in the image, where it differs or is there alone
//! link PATH TARGET
//! ADDRESS DRIVER              what a function had after the boot, where that is not what it had before; `gone`
//! ```

#![expect(clippy::unwrap_used, reason = "a test without its host cannot go on")]

use std::collections::BTreeMap;

use hoststate_core::formats::host_text::{self, Node};
use hoststate_core::next_boot::Menu;
use hoststate_core::next_boot::fate::{self, Certainty, Fate};
use hoststate_testkit::initramfs::image;
use hoststate_testkit::tree::Tree;

const ROOT: &str = "root=UUID=0b7c5d2e-91a4-4f60-8d3b-6a2c17e9f508 ro quiet";

/// Where initramfs-tools and dracut are told what to load.
const LISTS: [&str; 2] = ["/etc/initramfs-tools/modules", "/etc/cmdline.d/"];

/// One boot of a list.
#[derive(Debug, Default)]
struct Boot {
    name: String,
    parameters: String,
    holds: (bool, bool),
    root: BTreeMap<String, String>,
    image: BTreeMap<String, String>,
    links: Vec<(String, String)>,
    /// The driver of a function, or nothing where it is gone.
    after: BTreeMap<String, Option<String>>,
}

fn boots(text: &str) -> Vec<Boot> {
    let mut boots: Vec<Boot> = Vec::new();
    let mut open: Option<(bool, String)> = None;
    for line in text.lines().filter(|it| !it.starts_with('#') && !it.is_empty()) {
        if let Some(name) = line.strip_prefix("boot ") {
            boots.push(Boot { name: name.to_owned(), ..Boot::default() });
            continue;
        }
        let boot = boots.last_mut().unwrap();
        if let (Some(text), Some((in_image, path))) = (line.strip_prefix("  "), &open) {
            let files = if *in_image { &mut boot.image } else { &mut boot.root };
            files.entry(path.clone()).or_default().push_str(&format!("{text}\n"));
            continue;
        }
        open = None;
        match line.split_once(' ') {
            Some(("words", parameters)) => boot.parameters = parameters.to_owned(),
            Some((kind @ ("file" | "image"), path)) => {
                let in_image = kind == "image";
                let files = if in_image { &mut boot.image } else { &mut boot.root };
                files.insert(path.to_owned(), String::new());
                open = Some((in_image, path.to_owned()));
            }
            Some(("link", link)) => {
                let (path, target) = link.split_once(' ').unwrap();
                boot.links.push((path.to_owned(), target.to_owned()));
            }
            Some((address, driver)) => {
                let driver = Some(driver).filter(|it| !matches!(*it, "-" | "gone"));
                boot.after.insert(address.to_owned(), driver.map(str::to_owned));
            }
            None if line == "holds" => boot.holds.0 = true,
            None => boot.holds.1 = true,
        }
    }
    boots
}

/// A host that boots are laid over, one after the other.
struct System {
    tree: Tree,
    /// The images that its generator made, by name.
    images: BTreeMap<String, Vec<u8>>,
    kernel: String,
    has_dracut: bool,
}

impl System {
    fn new(host: &str) -> Self {
        let mut images = BTreeMap::new();
        for (path, node) in host_text::parse(host).unwrap() {
            if let (Some(name), Node::File(bytes)) = (path.strip_prefix("images/"), node) {
                images.insert(name.to_owned(), bytes);
            }
        }
        let tree = Tree::captured(host);
        let kernel = tree.read("/proc/sys/kernel/osrelease").unwrap().trim().to_owned();
        let has_dracut = tree.read("/usr/bin/dracut").is_some();
        Self { tree, images, kernel, has_dracut }
    }

    /// Asks who gets each function at the next boot, with the files of a boot.
    fn fates(&self, boot: &Boot) -> Vec<Fate> {
        let (tree, kernel) = (&self.tree, &self.kernel);
        tree.write(
            "/boot/grub/grub.cfg",
            format!(
                "### BEGIN /etc/grub.d/10_linux ###\nmenuentry 'Linux' {{\n linux /boot/vmlinuz-{kernel} {ROOT} {}\n \
                 initrd /boot/initrd.img-{kernel}\n}}\n### END /etc/grub.d/10_linux ###\n",
                boot.parameters
            ),
        );
        let is_list = |path: &str| LISTS.iter().any(|it| path.starts_with(it));
        let is_copied = |path: &str| {
            is_list(path) || path.starts_with("/etc/modprobe.d/") || path.starts_with("/etc/udev/rules.d/")
        };
        let mut inside: BTreeMap<&str, &str> = BTreeMap::new();
        for (path, text) in &boot.root {
            if !path.starts_with("/etc/cmdline.d/") {
                tree.write(path, text);
            }
            if is_copied(path) {
                inside.insert(path, text);
            }
        }
        boot.links.iter().for_each(|(path, target)| tree.link(path, target));
        inside.extend(boot.image.iter().map(|(path, text)| (path.as_str(), text.as_str())));
        let inside: Vec<(String, &str)> =
            inside.into_iter().map(|(path, text)| (self.in_image(path), text)).collect();
        let inside: Vec<(&str, &str)> = inside.iter().map(|(path, text)| (path.as_str(), *text)).collect();
        let made = match boot.holds {
            (false, false) => "plain",
            (true, false) => "vfio",
            (false, true) => "graphics",
            (true, true) => "both",
        };
        // The kernel unpacks both, one over the other.
        tree.write(format!("/boot/initrd.img-{kernel}"), [&self.images[made][..], &image(&inside)].concat());
        let view = tree.view();
        let distro = hoststate_providers::detect(&view).unwrap();
        let fates = fate::of(&view, &distro, &Menu::read(&view, &distro).unwrap()).unwrap();
        for path in boot.root.keys().filter(|it| !it.starts_with("/etc/cmdline.d/")) {
            tree.remove(path);
        }
        boot.links.iter().for_each(|(path, _)| tree.remove(path));
        fates
    }

    /// Where the generator puts a file.
    fn in_image(&self, path: &str) -> String {
        match path.strip_prefix("/etc/udev/rules.d/") {
            _ if path == LISTS[0] => "conf/modules".to_owned(),
            Some(name) if !self.has_dracut => format!("usr/lib/udev/rules.d/{name}"),
            _ => path.trim_start_matches('/').to_owned(),
        }
    }
}

fn told(fate: &Fate) -> String {
    let driver = fate.next.as_deref().unwrap_or("-");
    match &fate.certainty {
        Certainty::Certain => driver.to_owned(),
        Certainty::Race { with } => format!("{driver} or {with}"),
        Certainty::Unknown { reason } => format!("unknown: {reason}"),
    }
}

/// A race is one where either may come first: there a promise is wrong, and the recorded driver is one of the two.
fn check(host: &str, recorded: &str) {
    let system = System::new(host);
    let (mut faults, mut races, mut functions) = (Vec::new(), 0, 0);
    for boot in boots(recorded) {
        let fates = system.fates(&boot);
        for fate in &fates {
            functions += 1;
            let recorded = boot.after.get(&fate.address.to_string());
            let driver = recorded.cloned().unwrap_or_else(|| fate.now.clone());
            let expected = driver.as_deref().unwrap_or("-");
            let told = told(fate);
            if told.split(" or ").count() == 2 && told.split(" or ").any(|it| it == expected) {
                races += 1;
            } else if told != expected {
                let because = &fate.because;
                faults.push(format!(
                    "{} {}: {told}, and it was {expected}: {because:?}",
                    boot.name, fate.address
                ));
            }
        }
        let is_told = |it: &&String| fates.iter().any(|fate| fate.address.to_string() == **it);
        let untold = boot.after.keys().filter(|it| !is_told(it));
        faults.extend(untold.map(|it| format!("{} {it}: nothing is said of it", boot.name)));
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert!(functions > 100 && races * 100 <= functions * 3, "{races} races of {functions} functions");
}

#[test]
fn every_recorded_boot_of_debian_12_is_told_as_it_was() {
    check(include_str!("debian-12.host"), include_str!("debian-12.txt"));
}

#[test]
fn every_recorded_boot_of_debian_12_with_dracut_is_told_as_it_was() {
    check(include_str!("debian-12-dracut.host"), include_str!("debian-12-dracut.txt"));
}

#[test]
fn every_recorded_boot_of_debian_13_is_told_as_it_was() {
    check(include_str!("debian-13.host"), include_str!("debian-13.txt"));
}

#[test]
fn every_recorded_boot_of_ubuntu_22_04_is_told_as_it_was() {
    check(include_str!("ubuntu-22.04.host"), include_str!("ubuntu-22.04.txt"));
}
