//! A configuration that is booted, and its text in the form of the boots that the tests ask again.

use std::collections::BTreeMap;

use super::Drivers;

/// Where initramfs-tools is told what to load, in a root and in an image.
pub(crate) const LIST: &str = "/etc/initramfs-tools/modules";
/// The same of dracut, in an image only.
pub(crate) const DRACUT_LIST: &str = "/etc/cmdline.d/20-force_driver.conf";
/// What every image has of the machine's drivers.
const IN_IMAGE: [&str; 13] = [
    "8139cp",
    "8139too",
    "e1000",
    "e1000e",
    "igb",
    "igbvf",
    "mii",
    "nvme",
    "nvme_core",
    "ptp",
    "usbcore",
    "xhci_hcd",
    "xhci_pci",
];
const GRAPHICS: [&str; 8] =
    ["bochs", "cirrus", "drm", "drm_kms_helper", "snd", "snd_hda_codec", "snd_hda_intel", "snd_pcm"];

/// What one boot has of its own.
#[derive(Debug, Clone, Default)]
pub(crate) struct Host {
    pub(crate) name: String,
    /// Kernel parameters.
    pub(crate) words: Vec<String>,
    /// Files of the root. Those that a generator copies are in the image, too.
    pub(crate) root: BTreeMap<String, String>,
    /// Files of the image that are not as in the root: it is older.
    pub(crate) older: BTreeMap<String, String>,
    /// Links of the root, with their targets.
    pub(crate) links: BTreeMap<String, String>,
}

impl Host {
    /// Files that the image was made from, by the paths of the root.
    pub(crate) fn image(&self) -> BTreeMap<&str, &str> {
        let copied = |path: &str| {
            ["/etc/modprobe.d/", "/etc/udev/rules.d/"].iter().any(|it| path.starts_with(it))
                || path == LIST
                || path == DRACUT_LIST
        };
        let files = self.root.iter().filter(|(path, _)| copied(path)).chain(&self.older);
        files.map(|(path, text)| (path.as_str(), text.as_str())).collect()
    }

    /// Modules that the image's list names, in the kernel's spelling.
    fn listed(&self) -> Vec<String> {
        let image = self.image();
        let text = image.get(LIST).or_else(|| image.get(DRACUT_LIST)).copied().unwrap_or_default();
        let lines = lines_of_words(text);
        lines
            .filter_map(|line| {
                line.first().map(|it| it.trim_start_matches("rd.driver.pre=").replace('-', "_"))
            })
            .collect()
    }

    /// Whether a generator would have put drivers of graphics into the image, and vfio-pci.
    pub(crate) fn holds(&self) -> (bool, bool) {
        let listed = self.listed();
        let graphics = listed.iter().any(|it| ["bochs", "cirrus", "snd_hda_intel"].contains(&it.as_str()));
        let mut inside: Vec<&str> = IN_IMAGE.to_vec();
        inside.extend(listed.iter().map(String::as_str));
        if graphics {
            inside.extend(GRAPHICS);
        }
        let mut vfio = listed.iter().any(|it| it.starts_with("vfio"));
        for (_, text) in self.image().iter().filter(|it| it.0.starts_with("/etc/modprobe.d/")) {
            // A generator takes what a module of the image is said to need before or after it.
            vfio |= lines_of_words(text).any(|line| match line.as_slice() {
                ["softdep", module, rest @ ..] => {
                    inside.contains(&module.replace('-', "_").as_str())
                        && rest.iter().any(|it| it.replace('-', "_") == "vfio_pci")
                }
                _ => false,
            });
        }
        (graphics, vfio)
    }

    /// Its text, with the drivers that functions had after the boot; those that are as `before` are left out.
    pub(crate) fn recorded(&self, before: &Drivers, became: &Drivers) -> String {
        let mut lines = vec![format!("boot {}", self.name)];
        let (graphics, vfio) = self.holds();
        lines.extend(vfio.then(|| "holds".to_owned()));
        lines.extend(graphics.then(|| "graphics".to_owned()));
        if !self.words.is_empty() {
            lines.push(format!("words {}", self.words.join(" ")));
        }
        for (kind, files) in [("file", &self.root), ("image", &self.older)] {
            for (path, content) in files {
                lines.push(format!("{kind} {path}"));
                lines.extend(content.lines().map(|it| format!("  {it}")));
            }
        }
        lines.extend(self.links.iter().map(|(path, target)| format!("link {path} {target}")));
        for (address, driver) in became.iter().filter(|it| before.get(it.0) != Some(it.1)) {
            lines.push(format!("{address} {}", driver.as_deref().unwrap_or("-")));
        }
        lines.extend(before.keys().filter(|it| !became.contains_key(*it)).map(|it| format!("{it} gone")));
        lines.join("\n") + "\n"
    }

    /// Reads recorded boots: each with the drivers that functions had after it.
    pub(crate) fn parse_all(text: &str, before: &Drivers) -> Vec<(Self, Drivers)> {
        let mut boots: Vec<(Self, Drivers)> = Vec::new();
        let mut open: Option<(bool, &str)> = None;
        for line in text.lines() {
            if let Some(name) = line.strip_prefix("boot ") {
                boots.push((Self { name: name.to_owned(), ..Self::default() }, before.clone()));
                continue;
            }
            let Some((host, became)) = boots.last_mut() else { continue };
            if let (Some(text), Some((is_older, path))) = (line.strip_prefix("  "), open) {
                let files = if is_older { &mut host.older } else { &mut host.root };
                files.entry(path.to_owned()).or_default().push_str(&format!("{text}\n"));
                continue;
            }
            open = None;
            match line.split_once(' ') {
                Some(("words", words)) => host.words = words.split(' ').map(str::to_owned).collect(),
                Some((kind @ ("file" | "image"), path)) => {
                    let files = if kind == "file" { &mut host.root } else { &mut host.older };
                    files.insert(path.to_owned(), String::new());
                    open = Some((kind == "image", path));
                }
                Some(("link", link)) => {
                    let (path, target) = link.split_once(' ').unwrap_or((link, ""));
                    host.links.insert(path.to_owned(), target.to_owned());
                }
                Some((address, "gone")) => drop(became.remove(address)),
                Some((address, driver)) => {
                    became.insert(address.to_owned(), (driver != "-").then(|| driver.to_owned()));
                }
                None => {}
            }
        }
        boots
    }
}

/// Returns the words of each line that is no comment.
fn lines_of_words(text: &str) -> impl Iterator<Item = Vec<&str>> {
    text.lines().filter(|it| !it.starts_with('#')).map(|it| it.split_whitespace().collect())
}
