//! `modprobe_blacklist`: a module is not loaded by itself.

use std::path::Path;

use hoststate_abi::setting::{Setting, State};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::error::Result;
use crate::formats::modprobe_conf::{ModuleName, Origin};
use crate::modprobe_d::{self, ConfFile};
use crate::resource::{Context, Resource, ResourceType};

/// Commands that load nothing, as other tools write them.
const NOTHING: [&str; 5] = ["/bin/false", "/bin/true", "/usr/bin/false", "/usr/bin/true", ":"];

/// A module that is not loaded by itself.
///
/// A `blacklist` line keeps udev from loading the module for a device; `modprobe NAME`, other modules that need it
/// and softdeps still load it. `install = true` blocks these too.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ModprobeBlacklist {
    /// The module, e.g. `nouveau`.
    module: ModuleName,
    /// Whether explicit loading is blocked as well, by `install NAME /bin/false`.
    #[serde(default)]
    install: bool,
    /// File in `/etc/modprobe.d` for the lines; default `zz-hoststate.conf`.
    file: Option<ConfFile>,
}

impl ResourceType for ModprobeBlacklist {
    const NAME: &'static str = "modprobe_blacklist";

    fn default_name(&self) -> String {
        self.module.to_string()
    }
}

impl Resource for ModprobeBlacklist {
    fn inspect(&self, cx: Context<'_>) -> Result<Vec<Setting>> {
        let file = modprobe_d::options_file(self.file.as_ref());
        let (blacklisted, install) = {
            let view = modprobe_d::view(cx.host)?;
            (view.blacklisted(&self.module), view.install(&self.module))
        };
        let mut effective = file.clone();
        let state = match blacklisted {
            Some(origin) => {
                effective = in_file(&origin).unwrap_or(effective);
                State::Converged
            }
            None => {
                modprobe_d::drifted(cx.host, &file, None, format!("blacklist {}", self.module), |conf| {
                    conf.add_blacklist(&self.module);
                    if self.install && install.is_none() {
                        conf.set_install(&self.module, NOTHING[0])
                    } else {
                        Ok(())
                    }
                })?
            }
        };
        let mut settings = vec![Setting::persistent(format!("blacklist {}", self.module), state)];
        if self.install {
            let desired = NOTHING[0].to_owned();
            let state = match install {
                Some(winner) if NOTHING.contains(&winner.value.trim()) => State::Converged,
                Some(winner)
                    if modprobe_d::place(&winner.origin).file != file
                        && !modprobe_d::comes_before(&file, &winner.origin) =>
                {
                    let hint = "of several install lines for a module the first counts. Remove that line.";
                    modprobe_d::outweighed(&winner.origin, Some(winner.value), desired, hint)
                }
                winner => {
                    let actual = winner.map(|it| it.value);
                    modprobe_d::drifted(cx.host, &file, actual, desired, |conf| {
                        conf.add_blacklist(&self.module);
                        conf.set_install(&self.module, NOTHING[0])
                    })?
                }
            };
            settings.push(Setting::persistent(format!("install {}", self.module), state));
        }
        if effective.starts_with("/etc") {
            let images = modprobe_d::image_settings(cx, Path::new(&effective), &settings)?;
            settings.extend(images);
        }
        Ok(settings)
    }
}

fn in_file(origin: &Origin) -> Option<std::path::PathBuf> {
    match origin {
        Origin::File { path, .. } => Some(path.to_path_buf()),
        Origin::CommandLine { .. } => None,
    }
}
