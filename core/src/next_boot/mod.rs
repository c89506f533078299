//! What the next boot will be, as far as files tell: one answer, which everything else reads.

use std::path::{Path, PathBuf};

use hoststate_abi::host_view::HostView;
use hoststate_abi::setting::Place;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use self::fate::Fate;
use crate::error::{Error, Result};
use crate::formats::kernel_cmdline::{Cmdline, CmdlineEdit, Parameter};
use crate::mechanism::distro::{BootEntry, Distro, EntryChoice, ParameterSource};

pub mod booted;
pub mod fate;
pub mod iommu;
pub mod lack;

/// Where boot loaders have their menus.
const MENUS: [&str; 5] = ["/boot/grub", "/boot/grub2", "/boot/loader", "/boot/efi", "/efi"];

/// What the machine will be after its next boot.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NextBoot {
    /// The entry that the boot loader takes; null where it cannot be told, or boots no Linux.
    pub entry: Option<NextEntry>,
    /// Why no entry is named; absent where one is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unknown: Option<String>,
    /// Release of the kernel, if its file name tells.
    pub kernel: Option<String>,
    /// The initramfs image, as the boot loader sees its path: the last it names, which lies over the others.
    pub image: Option<String>,
    /// What the kernel gets, in its order. A variable of the boot loader stands there as `${name}`.
    pub parameters: Vec<GivenParameter>,
    /// The PCI functions whose driver will differ from now, and those that are declared. Where no declaration is about
    /// devices or modules nobody looks.
    #[serde(default)]
    pub devices: Vec<Fate>,
}

/// The entry of the next boot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NextEntry {
    /// Its title in the menu.
    pub title: String,
    /// The file it stands in.
    pub file: PathBuf,
    /// The line there, from 1.
    pub line: Option<usize>,
    /// What decides that it is this one: a line, or a variable and its file.
    pub decided_by: String,
    /// Whether that holds for one boot only.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub once: bool,
}

/// A kernel parameter of the next boot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct GivenParameter {
    /// As it is written.
    pub text: String,
    /// The file and line it comes from, as `/etc/default/grub:3`.
    pub origin: String,
}

/// The boot menu of a host, and which of its entries boots next.
#[derive(Debug, Clone)]
pub struct Menu {
    /// The entries that boot Linux.
    pub entries: Vec<BootEntry>,
    /// Which of them is taken.
    pub choice: EntryChoice,
    /// Whether it is not known because it may not be read.
    pub is_withheld: bool,
}

impl Menu {
    /// Reads the menu; what hoststate does not operate has none.
    ///
    /// # Errors
    /// When a file of the boot loader cannot be read.
    pub fn read(host: &HostView, distro: &Distro) -> Result<Self> {
        match Self::operated(host, distro) {
            Err(Error::Unsupported { what, .. }) => {
                let choice = EntryChoice { entry: None, other: None, because: what, once: false };
                Ok(Self { entries: Vec::new(), choice, is_withheld: false })
            }
            read => read,
        }
    }

    /// Reads the menu of a boot loader that hoststate operates.
    ///
    /// # Errors
    /// As [`Self::read`], and for any other boot loader.
    pub fn operated(host: &HostView, distro: &Distro) -> Result<Self> {
        let entries = distro.bootloader.entries(host)?;
        let mut choice = distro.bootloader.next_boot(host, &entries)?;
        let unread = MENUS.iter().find(|it| host.is_withheld(Path::new(it)));
        let unread = unread.filter(|_| choice.entry.is_none() && choice.other.is_none());
        if let Some(menu) = unread {
            choice.because = format!("{menu}, where the boot menu is, cannot be read: permission denied");
        }
        Ok(Self { entries, choice, is_withheld: unread.is_some() })
    }

    /// Returns the menu as the tool of the distribution leaves it, whose sources hold what `edits` want.
    #[must_use]
    pub fn regenerated(mut self, edits: &[CmdlineEdit]) -> Self {
        for entry in self.entries.iter_mut().filter(|it| it.generated && !it.recovery) {
            let mut line = Cmdline::parse(&entry.cmdline);
            edits.iter().for_each(|it| line.edit(it));
            entry.cmdline = line.to_string();
        }
        self
    }

    /// Returns the entry of the next boot.
    pub fn taken(&self) -> Option<&BootEntry> {
        self.choice.entry.and_then(|it| self.entries.get(it))
    }

    /// Returns what the next boot is.
    pub fn next_boot(&self) -> NextBoot {
        let Some(entry) = self.taken() else {
            return NextBoot { unknown: Some(self.choice.because.clone()), ..NextBoot::default() };
        };
        let line = Cmdline::parse(&entry.cmdline);
        let origin = |parameter: &Parameter| {
            let is_it = |it: &&ParameterSource| it.parameter == parameter.raw();
            let place: &Place = entry.sources.iter().find(is_it).map_or(&entry.place, |it| &it.place);
            GivenParameter { text: parameter.raw().to_owned(), origin: place.to_string() }
        };
        NextBoot {
            entry: Some(NextEntry {
                title: entry.title.clone(),
                file: entry.place.file.clone(),
                line: entry.place.line,
                decided_by: self.choice.because.clone(),
                once: self.choice.once,
            }),
            unknown: None,
            kernel: entry.kernel.clone(),
            image: entry.images.last().cloned(),
            parameters: line.parameters().map(origin).collect(),
            devices: Vec::new(),
        }
    }
}
