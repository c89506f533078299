//! What a distribution is to the engine: a value that holds its mechanisms.

use std::fmt;
use std::path::PathBuf;

use hoststate_abi::host_view::HostView;
use hoststate_abi::setting::{Place, Setting};
use hoststate_abi::step::Step;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::formats::kernel_cmdline::{Cmdline, CmdlineEdit};
use crate::formats::modprobe_conf::ModuleName;

pub mod cmdline;

/// Which kin a distribution belongs to; it decides between candidates, never alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Family {
    /// Debian, Ubuntu and what derives from them.
    Debian,
    /// CentOS, RHEL, Rocky, Alma, Oracle, Fedora.
    Redhat,
}

/// A distribution: who it is, and the mechanisms it uses.
#[derive(Debug)]
pub struct Distro {
    /// `ID` of os-release, e.g. `ubuntu`.
    pub id: String,
    /// `VERSION_ID` of os-release, e.g. `24.04`; empty where a release has none.
    pub version: String,
    /// Its kin.
    pub family: Family,
    /// How it boots.
    pub bootloader: Box<dyn Bootloader>,
    /// What shows that it boots so: of the running boot, and of its files. None where nothing was chosen among.
    pub told_by: Vec<String>,
    /// How it makes initramfs images.
    pub initramfs: Box<dyn Initramfs>,
}

/// Where the kernel command line of future boots is kept.
pub trait Bootloader: fmt::Debug {
    /// Returns its name: `grub2`, `grub2-bls`, `grub-legacy`, …
    fn name(&self) -> &str;

    /// Compares the arguments future boots will use with `wanted`, for every installed kernel.
    ///
    /// # Errors
    /// When a file cannot be read, or this host's command line must be changed by another tool.
    fn cmdline(&self, host: &HostView, wanted: &CmdlineEdit) -> Result<Vec<Setting>>;

    /// Returns the parameters that a boot entry made from the sources would have now, predicted writes included.
    ///
    /// # Errors
    /// When a file cannot be read, or the sources' value cannot be told.
    fn future(&self, host: &HostView) -> Result<Cmdline>;

    /// Returns what kernels installed later will get, predicted writes included.
    ///
    /// # Errors
    /// When a file cannot be read, or the sources' value cannot be told.
    fn later(&self, host: &HostView) -> Result<Later> {
        Ok(Later { cmdline: self.future(host)?, file: None })
    }

    /// Returns parameters in its files that reach no kernel: a line of hoststate's hides them, or they are none.
    ///
    /// # Errors
    /// When a file cannot be read, or a shell would give up on one.
    fn hidden(&self, _host: &HostView) -> Result<Vec<Hidden>> {
        Ok(Vec::new())
    }

    /// Returns every boot entry with the parameters it gives the kernel and where they come from.
    ///
    /// # Errors
    /// When a file cannot be read.
    fn entries(&self, host: &HostView) -> Result<Vec<BootEntry>>;

    /// Returns which of its [`entries`](Self::entries) the next boot takes.
    ///
    /// # Errors
    /// When a file cannot be read.
    fn next_boot(&self, host: &HostView, entries: &[BootEntry]) -> Result<EntryChoice>;

    /// Returns the file that [`Self::regenerate`] writes; `None` where nothing is generated.
    fn generated(&self) -> Option<PathBuf> {
        None
    }

    /// Returns the command that generates boot entries from their sources.
    ///
    /// # Errors
    /// When this boot loader has no such command, or the output file cannot be told.
    fn regenerate(&self, host: &HostView) -> Result<Vec<String>>;

    /// Returns what makes the next boot, and only that one, start the default entry with other parameters; the default
    /// entry and its sources stay as they are.
    ///
    /// # Errors
    /// When this boot loader cannot do so on this host, with what shows that.
    fn trial(&self, _host: &HostView, _edits: &[CmdlineEdit]) -> Result<Trial> {
        Err(Error::Unsupported {
            what: format!("{} has no entry for one boot", self.name()),
            hint: "Converge without --confirm-boot.".to_owned(),
        })
    }

    /// Returns the steps that take away what [`Self::trial`] made, whether it was booted or not.
    ///
    /// # Errors
    /// When a file cannot be read.
    fn end_trial(&self, _host: &HostView) -> Result<Vec<Step>> {
        Ok(Vec::new())
    }
}

/// An entry for one boot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trial {
    /// Title of the entry that boots by default.
    pub title: String,
    /// Its parameters.
    pub before: Cmdline,
    /// The parameters of the entry for one boot.
    pub after: Cmdline,
    /// The file with that entry.
    pub entry: TrialFile,
    /// The environment block that names it for the next boot.
    pub next: TrialFile,
}

/// A file that makes an entry for one boot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrialFile {
    /// The file.
    pub path: PathBuf,
    /// Its text.
    pub text: String,
    /// What stands there, in words.
    pub holds: String,
}

/// One entry of the boot menu.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BootEntry {
    /// Title in the menu.
    pub title: String,
    /// Release of the kernel it boots, if its file name tells.
    pub kernel: Option<String>,
    /// Whether it is a recovery or rescue entry.
    pub recovery: bool,
    /// The parameters the kernel will get.
    pub cmdline: String,
    /// Where the entry stands.
    pub place: Place,
    /// For parameters that come from elsewhere than the entry: the parameter and its source.
    pub sources: Vec<ParameterSource>,
    /// The variables among the parameters, which stand there as `${name}`: only the boot loader knows their value.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub variables: Vec<BootVariable>,
    /// The initramfs images it names, in their order, as the boot loader sees them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub images: Vec<String>,
    /// Whether [`Bootloader::regenerate`] makes it anew from its sources.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub generated: bool,
}

/// A variable of the boot loader.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BootVariable {
    /// Its name.
    pub name: String,
    /// The values that its configuration gives it, an empty one included; none where it names none.
    pub values: Vec<String>,
}

/// What kernels installed later will get.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Later {
    /// The parameters.
    pub cmdline: Cmdline,
    /// The file of their own that they come from; `None` where what makes the entries makes them.
    pub file: Option<PathBuf>,
}

/// Parameters in a file of the boot loader's that reach no kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hidden {
    /// Which they are, where they stand and why they are lost: a clause.
    pub what: String,
    /// What to do about it: a sentence without its full stop.
    pub mend: String,
    /// What a person can look at.
    pub evidence: String,
}

/// What the next boot takes, unless somebody chooses otherwise at the menu.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EntryChoice {
    /// Index of the boot entry; null where it cannot be told, and where it boots no Linux.
    pub entry: Option<usize>,
    /// Title of an entry that boots no Linux of this host: another system, a memory test.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub other: Option<String>,
    /// What decides: a line, or a variable and its file. Where the entry cannot be told, why.
    pub because: String,
    /// Whether it counts for one boot only (`next_entry`, set by `grub-reboot`).
    pub once: bool,
}

/// A parameter of the command line and the file it comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ParameterSource {
    /// The parameter as it is written.
    pub parameter: String,
    /// The line that contributes it.
    pub place: Place,
}

/// What an initramfs image must contain.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ImageContent {
    /// Files of the host, which the image must have a copy of.
    pub files: Vec<ImageFile>,
    /// Modules whose file must be inside, unless they are built into that kernel.
    pub modules: Vec<ModuleName>,
}

/// A file of the host that an image must have a copy of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageFile {
    /// Where it is.
    pub path: PathBuf,
    /// Whether it is about to be edited: what an image has is another text then.
    pub is_edited: bool,
}

/// A file of the host that an image may have a copy of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopiedFile {
    /// Where it is.
    pub path: PathBuf,
    /// Whether it is gone, or about to go.
    pub is_gone: bool,
}

/// How initramfs images are made.
pub trait Initramfs: fmt::Debug {
    /// Returns its name: `initramfs-tools`, `dracut`, …
    fn name(&self) -> &str;

    /// Compares what each installed kernel's image contains with what it must contain. Settings are
    /// persistent; a stale or absent image has the remedy [`Activation::Initramfs`] of that kernel.
    ///
    /// [`Activation::Initramfs`]: hoststate_abi::activation::Activation::Initramfs
    ///
    /// # Errors
    /// When an image or configuration cannot be read.
    fn contents(&self, host: &HostView, wanted: &ImageContent) -> Result<Vec<Setting>>;

    /// Compares the modules loaded from the initramfs with `wanted`: the generator's configuration and every
    /// image.
    ///
    /// # Errors
    /// When an image or configuration cannot be read.
    fn early_modules(&self, host: &HostView, wanted: &[ModuleName]) -> Result<Vec<Setting>>;

    /// Compares images and configuration with files of which copies may be inside: a copy is what the file is, and what is
    /// gone is neither named nor inside.
    ///
    /// # Errors
    /// When an image or configuration cannot be read.
    fn stale_copies(&self, host: &HostView, files: &[CopiedFile]) -> Result<Vec<Setting>>;

    /// Compares the modules loaded from the initramfs with none of these: the lists of the generator's configuration and
    /// every image.
    ///
    /// # Errors
    /// When an image or configuration cannot be read.
    fn without_early_modules(&self, host: &HostView, unwanted: &[ModuleName]) -> Result<Vec<Setting>>;

    /// Returns what its configuration has every image load by name, each with its arguments, in order.
    ///
    /// # Errors
    /// When the configuration cannot be read.
    fn listed(&self, _host: &HostView) -> Result<Vec<String>> {
        Ok(Vec::new())
    }

    /// Returns files below /etc, and directories of files there, that every image gets with the path they have.
    ///
    /// # Errors
    /// When the configuration cannot be read.
    fn copied(&self, _host: &HostView) -> Result<Vec<String>> {
        Ok(vec!["/etc/modprobe.d".to_owned()])
    }

    /// Returns the image of an installed kernel, whether it exists or not.
    ///
    /// # Errors
    /// When what names it cannot be read.
    fn image(&self, host: &HostView, kernel: &str) -> Result<PathBuf>;

    /// Returns the command that builds the image of one kernel.
    ///
    /// # Errors
    /// When the host cannot be read.
    fn rebuild(&self, host: &HostView, kernel: &str) -> Result<Vec<String>>;
}
