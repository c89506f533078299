//! `initramfs_modules`: modules contained in and loaded from the initramfs of every installed kernel.

use hoststate_abi::setting::Setting;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::error::{Error, Result};
use crate::formats::modprobe_conf::ModuleName;
use crate::language::contradiction::{Claim, Governed};
use crate::language::item::one_by_one;
use crate::language::resource::{Context, Resource, ResourceType};
use crate::machine::modprobe_d;
use crate::resources::modprobe_file;

/// Modules contained in and loaded from the initramfs of every installed kernel, before udev starts there.
///
/// A module that is built into a kernel counts as contained.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct InitramfsModules {
    /// The modules, loaded in this order.
    modules: Vec<ModuleName>,
}

impl ResourceType for InitramfsModules {
    const NAME: &'static str = "initramfs_modules";

    fn default_name(&self) -> String {
        self.modules.iter().map(ModuleName::to_string).collect::<Vec<_>>().join(" ")
    }

    fn validate(&self) -> Result<()> {
        if self.modules.is_empty() {
            return Err(Error::invalid("`modules` is empty", "Name at least one module."));
        }
        Ok(())
    }

    fn absent(&self, cx: Context<'_>) -> Result<Vec<Setting>> {
        cx.distro.initramfs.without_early_modules(cx.host, &self.modules)
    }
}

impl Resource for InitramfsModules {
    fn items(&self, desired: &Map<String, Value>) -> Vec<Map<String, Value>> {
        one_by_one(desired, "modules")
    }

    fn claims(&self) -> Vec<Claim> {
        self.modules.iter().map(|it| Claim::including(Governed::InitramfsModules, it.as_str())).collect()
    }

    fn inspect(&self, cx: Context<'_>) -> Result<Vec<Setting>> {
        let mut settings = cx.distro.initramfs.early_modules(cx.host, &self.modules)?;
        let policy = modprobe_d::view(cx.host)?;
        for module in &self.modules {
            // An image loads its list by modprobe as well, with the lines of the host.
            if let Some(install) = policy.never_loaded(module) {
                let state = modprobe_file::never_loaded(module, &install, "loaded from the initramfs");
                settings.push(Setting::persistent(format!("initramfs: {module}"), state));
            }
        }
        Ok(settings)
    }
}
