//! The host a plan was made for, in short.

use std::path::{Path, PathBuf};

use hoststate_abi::host_view::HostView;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::machine::facts::{Firmware, IommuSummary, firmware, iommu};
use crate::machine::kernels;
use crate::mechanism::distro::{Distro, Family};

/// The host a plan was made for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HostSummary {
    /// Its name; null where it has none.
    #[serde(default)]
    pub name: Option<String>,
    /// Its distribution.
    pub distro: DistroSummary,
    /// Its kernel.
    pub kernel: KernelSummary,
    /// Name of the boot loader's mechanism.
    pub bootloader: String,
    /// Name of the initramfs generator.
    pub initramfs: String,
    /// What it was started by; null for a tree without `/sys`.
    pub firmware: Option<Firmware>,
    /// Whether an IOMMU is in use; null for a tree without `/sys`.
    pub iommu: Option<IommuSummary>,
    /// The directory that is its `/`.
    pub root: PathBuf,
}

/// A distribution by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DistroSummary {
    /// `ID` of os-release.
    pub id: String,
    /// `VERSION_ID` of os-release.
    pub version: String,
    /// Its kin.
    pub family: Family,
}

/// The kernels of a host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct KernelSummary {
    /// Release of the running kernel; null for a tree without `/proc`.
    pub release: Option<String>,
    /// Releases of the installed kernels.
    pub installed: Vec<String>,
}

impl HostSummary {
    /// Reads the summary of a host.
    ///
    /// # Errors
    /// When a file of `/proc` or `/sys` exists and cannot be read.
    pub fn read(host: &HostView, distro: &Distro) -> Result<Self> {
        Ok(Self {
            name: name(host)?,
            distro: DistroSummary {
                id: distro.id.clone(),
                version: distro.version.clone(),
                family: distro.family,
            },
            kernel: KernelSummary {
                release: kernels::running(host)?,
                installed: kernels::installed(host)?.0.clone(),
            },
            bootloader: distro.bootloader.name().to_owned(),
            initramfs: distro.initramfs.name().to_owned(),
            firmware: firmware(host)?,
            iommu: iommu(host)?,
            root: host.root().to_owned(),
        })
    }
}

/// Returns the name of a host: that of the running kernel, for the machine; of a tree, the one it boots with
/// (hostname(5)), because the kernel may be another's.
fn name(host: &HostView) -> Result<Option<String>> {
    let is_machine = host.root() == Path::new("/");
    let path = if is_machine { "/proc/sys/kernel/hostname" } else { "/etc/hostname" };
    let text = host.read_lossy(Path::new(path))?.unwrap_or_default();
    let name = text.lines().map(str::trim).find(|it| !it.is_empty() && !it.starts_with('#'));
    Ok(name.map(str::to_owned))
}
