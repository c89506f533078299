//! A configuration that is booted, and its text in the form of the boots that the tests ask again.

use std::{collections::BTreeMap, fmt::Write};

use super::FUNCTIONS;

/// Where initramfs-tools is told what to load, in a root and in an image.
pub(super) const LIST: &str = "/etc/initramfs-tools/modules";
/// The same of dracut, in an image only.
pub(super) const DRACUT_LIST: &str = "/etc/cmdline.d/20-force_driver.conf";
/// What every image has of the machine's drivers.
const IN_IMAGE: [&str; 11] = [
    "8139cp",
    "8139too",
    "e1000",
    "e1000e",
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
pub(super) struct Host {
    pub(super) name: String,
    /// Kernel parameters.
    pub(super) words: Vec<String>,
    /// Files of the root. Those that a generator copies are in the image, too.
    pub(super) root: BTreeMap<String, String>,
    /// Files of the image that are not as in the root: it is older.
    pub(super) older: BTreeMap<String, String>,
}

impl Host {
    /// Files that the image was made from, by the paths of the root.
    pub(super) fn image(&self) -> BTreeMap<&str, &str> {
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
    pub(super) fn holds(&self) -> (bool, bool) {
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

    /// Its text, with the drivers that the functions had after the boot.
    pub(super) fn recorded(&self, became: &[Option<String>]) -> String {
        let mut text = format!("boot {}\n", self.name);
        let (graphics, vfio) = self.holds();
        for (holds, word) in [(vfio, "holds"), (graphics, "graphics")] {
            if holds {
                text.push_str(word);
                text.push('\n');
            }
        }
        if !self.words.is_empty() {
            writeln!(text, "words {}", self.words.join(" ")).expect("writing to a String does not fail");
        }
        for (kind, files) in [("file", &self.root), ("image", &self.older)] {
            for (path, content) in files {
                writeln!(text, "{kind} {path}").expect("writing to a String does not fail");
                content.lines().for_each(|line| {
                    writeln!(text, "  {line}").expect("writing to a String does not fail");
                });
            }
        }
        for (function, driver) in FUNCTIONS.iter().zip(became) {
            let driver = driver.as_deref().unwrap_or("-");
            writeln!(text, "{} {driver}", function.address).expect("writing to a String does not fail");
        }
        text
    }
}

/// Returns the words of each line that is no comment.
fn lines_of_words(text: &str) -> impl Iterator<Item = Vec<&str>> {
    text.lines().filter(|it| !it.starts_with('#')).map(|it| it.split_whitespace().collect())
}
