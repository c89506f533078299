//! `modprobe_blacklist`: a module is not loaded by itself.

use std::path::Path;

use hoststate_abi::setting::{Setting, State};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::error::Result;
use crate::formats::modprobe_conf::{ModprobeConf, ModprobeError, ModuleName, Origin, Winner};
use crate::language::contradiction::{Claim, Governed};
use crate::language::resource::{Context, Resource, ResourceType};
use crate::machine::modprobe_d;
use crate::resources::modprobe_file::{self, ConfFile};
use crate::resources::modprobe_removal::{self, Removal};

/// Commands that load nothing, as other tools write them.
const NOTHING: [&str; 5] = ["/bin/false", "/bin/true", "/usr/bin/false", "/usr/bin/true", ":"];

/// A module that is not loaded by itself.
///
/// A `blacklist` line keeps udev from loading the module for a device; `modprobe NAME`, other modules that need it
/// and softdeps still load it. `install = true` blocks these too, `install = false` takes that back.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ModprobeBlacklist {
    /// The module, e.g. `nouveau`.
    module: ModuleName,
    /// `true`: explicit loading is blocked as well, by `install NAME /bin/false`. `false`: that line is taken out of
    /// the file that hoststate writes. Absent: it is left as it is.
    install: Option<bool>,
    /// File in `/etc/modprobe.d` for the lines; default `zz-hoststate.conf`.
    file: Option<ConfFile>,
}

impl ResourceType for ModprobeBlacklist {
    const NAME: &'static str = "modprobe_blacklist";

    fn default_name(&self) -> String {
        self.module.to_string()
    }

    fn absent(&self, cx: Context<'_>) -> Result<Vec<Setting>> {
        let own = modprobe_file::options_file(self.file.as_ref());
        let mut removal = Removal::new(cx)?;
        let mut found = Vec::new();
        while let Some(origin) = removal.view().blacklisted(&self.module) {
            found = vec!["blacklisted".to_owned()];
            if removal.change(&origin, |it| it.remove_blacklist(&self.module)).is_none() {
                break;
            }
        }
        let is_own =
            |it: &Winner<String>| it.value.trim() == NOTHING[0] && modprobe_d::place(&it.origin).file == own;
        while let Some(winner) = removal.view().install(&self.module).filter(is_own)
            && self.install == Some(true)
        {
            found.push(format!("install {}", winner.value));
            if removal.change(&winner.origin, |it| it.remove_install(&self.module)).is_none() {
                break;
            }
        }
        let mut settings = vec![removal.setting(format!("blacklist {}", self.module), &own, &found)];
        modprobe_removal::copies(cx, &own, &mut settings, |it| it.blacklisted(&self.module).is_some())?;
        Ok(settings)
    }
}

impl Resource for ModprobeBlacklist {
    fn claims(&self) -> Vec<Claim> {
        let claim = |it: bool| Claim::exactly(Governed::Install(self.module.clone()), it.to_string());
        let blacklist = Claim::exactly(Governed::Blacklist(self.module.clone()), "blacklisted");
        self.install.map(claim).into_iter().chain([blacklist]).collect()
    }

    fn inspect(&self, cx: Context<'_>) -> Result<Vec<Setting>> {
        let file = modprobe_file::options_file(self.file.as_ref());
        let (blacklisted, install) = {
            let view = modprobe_d::view(cx.host)?;
            (view.blacklisted(&self.module), view.install(&self.module))
        };
        let loading = self.loading(&file, install);
        let change = |conf: &mut ModprobeConf| match &loading {
            Some(Loading::Edit { change, .. }) => change(conf, &self.module),
            Some(Loading::Is(_)) | None => Ok(()),
        };
        let (mut effective, mut is_edited) = (file.clone(), false);
        let state = match blacklisted {
            Some(origin) => {
                effective = in_file(&origin).unwrap_or(effective);
                State::Converged
            }
            None => {
                is_edited = true;
                let wanted = (None, format!("blacklist {}", self.module));
                modprobe_file::drifted(cx.host, &file, &self.module, wanted, |conf| {
                    conf.add_blacklist(&self.module);
                    change(conf)
                })?
            }
        };
        let mut settings = vec![Setting::persistent(format!("blacklist {}", self.module), state)];
        if let Some(loading) = loading {
            let state = match loading {
                Loading::Is(state) => state,
                // The edit of the line above does both.
                Loading::Edit { wanted, .. } if is_edited => {
                    modprobe_file::drifted(cx.host, &file, &self.module, wanted, |_| Ok(()))?
                }
                Loading::Edit { wanted, change } => {
                    modprobe_file::drifted(cx.host, &file, &self.module, wanted, |it| {
                        change(it, &self.module)
                    })?
                }
            };
            settings.push(Setting::persistent(format!("install {}", self.module), state));
        }
        if effective.starts_with("/etc") {
            let images = modprobe_file::image_settings(cx, Path::new(&effective), &settings)?;
            settings.extend(images);
        }
        Ok(settings)
    }
}

/// How it is with explicit loading.
enum Loading {
    /// As wanted, or not for this declaration to change.
    Is(State),
    /// An edit of the declaration's file makes it so.
    Edit {
        wanted: (Option<String>, String),
        change: fn(&mut ModprobeConf, &ModuleName) -> Result<(), ModprobeError>,
    },
}

impl ModprobeBlacklist {
    /// Compares the `install` line that counts with what is wanted; `None` where nothing is. What `install = true` wrote is
    /// taken out again; lines of others, and other commands, are theirs to take out.
    fn loading(&self, file: &Path, install: Option<Winner<String>>) -> Option<Loading> {
        let is_blocked = |it: &Winner<String>| NOTHING.contains(&it.value.trim());
        let desired = if self.install? { NOTHING[0] } else { "loaded when asked for" }.to_owned();
        let is_as_wanted = install.as_ref().is_some_and(is_blocked) == self.install?;
        Some(match (self.install?, install) {
            _ if is_as_wanted => Loading::Is(State::Converged),
            (true, Some(winner))
                if modprobe_d::place(&winner.origin).file != file
                    && !modprobe_d::comes_before(file, &winner.origin) =>
            {
                let hint = "of several install lines for a module the first counts. Remove that line.";
                Loading::Is(modprobe_file::outweighed(&winner.origin, Some(winner.value), desired, hint))
            }
            (true, winner) => Loading::Edit {
                wanted: (winner.map(|it| it.value), desired),
                change: |conf, module| conf.set_install(module, NOTHING[0]),
            },
            (false, Some(winner))
                if modprobe_d::place(&winner.origin).file != file || winner.value.trim() != NOTHING[0] =>
            {
                let hint = "hoststate did not write that line. Remove it, or leave `install` out.";
                Loading::Is(modprobe_file::outweighed(&winner.origin, Some(winner.value), desired, hint))
            }
            (false, winner) => Loading::Edit {
                wanted: (winner.map(|it| it.value), desired),
                change: |conf, module| {
                    conf.remove_install(module);
                    Ok(())
                },
            },
        })
    }
}

fn in_file(origin: &Origin) -> Option<std::path::PathBuf> {
    match origin {
        Origin::File { path, .. } => Some(path.to_path_buf()),
        Origin::CommandLine { .. } => None,
    }
}
