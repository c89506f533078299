//! `modprobe_blacklist`: a module is not loaded by itself.

use std::path::Path;

use hoststate_abi::host_view::HostView;
use hoststate_abi::setting::{Remedy, Setting, State};
use hoststate_abi::step::Step;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::error::Result;
use crate::formats::modprobe_conf::{ModprobeConf, ModuleName, Origin, Winner};
use crate::language::contradiction::Claim;
use crate::language::resource::{Context, Resource, ResourceType};
use crate::machine::modprobe_d;
use crate::resources::modprobe_file::{self, ConfFile};

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
}

impl Resource for ModprobeBlacklist {
    fn claims(&self) -> Vec<Claim> {
        let claim =
            |it: bool| Claim::exactly(format!("`install` of {}", self.module.as_str()), it.to_string());
        self.install.map(claim).into_iter().collect()
    }

    fn inspect(&self, cx: Context<'_>) -> Result<Vec<Setting>> {
        let file = modprobe_file::options_file(self.file.as_ref());
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
                modprobe_file::drifted(cx.host, &file, None, format!("blacklist {}", self.module), |conf| {
                    conf.add_blacklist(&self.module);
                    if self.install == Some(true) && install.is_none() {
                        conf.set_install(&self.module, NOTHING[0])
                    } else {
                        Ok(())
                    }
                })?
            }
        };
        let mut settings = vec![Setting::persistent(format!("blacklist {}", self.module), state)];
        if self.install == Some(false) {
            settings.push(self.explicit_loading(cx.host, &file, &settings, install)?);
        } else if self.install == Some(true) {
            let desired = NOTHING[0].to_owned();
            let state = match install {
                Some(winner) if NOTHING.contains(&winner.value.trim()) => State::Converged,
                Some(winner)
                    if modprobe_d::place(&winner.origin).file != file
                        && !modprobe_d::comes_before(&file, &winner.origin) =>
                {
                    let hint = "of several install lines for a module the first counts. Remove that line.";
                    modprobe_file::outweighed(&winner.origin, Some(winner.value), desired, hint)
                }
                winner => {
                    let actual = winner.map(|it| it.value);
                    modprobe_file::drifted(cx.host, &file, actual, desired, |conf| {
                        conf.add_blacklist(&self.module);
                        conf.set_install(&self.module, NOTHING[0])
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

impl ModprobeBlacklist {
    /// Takes out the line that `install = true` wrote. Lines of others, and other commands, are theirs to take out.
    fn explicit_loading(
        &self,
        host: &HostView,
        file: &Path,
        settings: &[Setting],
        install: Option<Winner<String>>,
    ) -> Result<Setting> {
        let desired = "loaded when asked for".to_owned();
        let state = match install {
            None => State::Converged,
            Some(winner) if !NOTHING.contains(&winner.value.trim()) => State::Converged,
            Some(winner)
                if modprobe_d::place(&winner.origin).file == file && winner.value.trim() == NOTHING[0] =>
            {
                // The file with what the settings before this one write into it.
                let text = match settings.iter().rev().find_map(|it| modprobe_file::written(it, file)) {
                    Some(text) => text.to_owned(),
                    None => host.read(file)?.unwrap_or_default(),
                };
                let mut conf = ModprobeConf::parse(&text);
                conf.remove_install(&self.module);
                let write = Step::WriteFile { path: file.to_owned(), text: conf.as_str().to_owned() };
                let remedy = Remedy::Steps(vec![write]);
                State::Drifted { actual: Some(winner.value), desired: Some(desired), remedy }
            }
            Some(winner) => {
                let hint = "hoststate did not write that line. Remove it, or leave `install` out.";
                modprobe_file::outweighed(&winner.origin, Some(winner.value), desired, hint)
            }
        };
        Ok(Setting::persistent(format!("install {}", self.module), state))
    }
}

fn in_file(origin: &Origin) -> Option<std::path::PathBuf> {
    match origin {
        Origin::File { path, .. } => Some(path.to_path_buf()),
        Origin::CommandLine { .. } => None,
    }
}
