//! What a tool of the distribution makes, and whether that was written again since it was last looked at.

use std::path::PathBuf;

use hoststate_abi::about::About;
use hoststate_abi::activation::Activation;
use hoststate_abi::host_view::HostView;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::machine::image_contents;
use crate::mechanism::distro::Distro;

/// The file that an activation makes, as it was at some time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Output {
    /// The activation.
    pub activation: Activation,
    /// The file; absent where the activation makes none that is known.
    pub path: Option<PathBuf>,
    /// Its size in bytes and when it was written, in seconds and nanoseconds since 1970; absent when it was not there.
    pub found: Option<(u64, i64, u32)>,
}

/// Returns what an activation makes as it is now.
///
/// # Errors
/// When the host cannot be read.
pub fn output(host: &HostView, distro: &Distro, activation: &Activation) -> Result<Output> {
    let path = match activation {
        Activation::Initramfs { kernel } => Some(distro.initramfs.image(host, kernel)?),
        Activation::BootConfig => distro.bootloader.generated(),
        Activation::UdevReload | Activation::Reboot => None,
    };
    let status = match &path {
        Some(path) => host.status(path)?,
        None => None,
    };
    let found = status.map(|it| (it.size, it.modified.0, it.modified.1));
    Ok(Output { activation: activation.clone(), path, found })
}

impl Output {
    /// Returns whether it was not written since: no clock is compared with another, so it does not matter whether they go
    /// right. What is not there was not written.
    pub fn is_as_in(&self, now: &Output) -> bool {
        self.path.is_some() && (now.found.is_none() || self.found == now.found)
    }

    /// Returns whether it can be read as what it shall be, as far as that is known.
    ///
    /// # Errors
    /// When the host cannot be read.
    pub fn is_readable(&self, host: &HostView) -> Result<bool> {
        match (&self.activation, &self.path) {
            (Activation::Initramfs { .. }, Some(path)) => {
                Ok(matches!(image_contents::read(host, path)?, Some(Ok(_))))
            }
            _ => Ok(true),
        }
    }

    /// Returns what is compared.
    pub fn about(&self) -> About {
        match (&self.path, &self.activation) {
            (Some(path), Activation::Initramfs { .. }) => About::Image(path.clone()),
            (Some(path), _) => About::File(path.clone()),
            (None, activation) => About::Named(activation.to_string()),
        }
    }
}
