//! `kernel_cmdline`: the kernel command line of every installed and future kernel.

use std::path::Path;

use hoststate_abi::setting::Setting;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::error::{Error, Result};
use crate::formats::kernel_cmdline::{Cmdline, CmdlineEdit, Parameter};
use crate::language::contradiction::{Claim, Governed, Wish};
use crate::language::resource::{Context, Resource, ResourceType};
use crate::machine::iommu;
use crate::mechanism::distro::cmdline::running;

/// The kernel command line of every installed and future kernel.
///
/// `-` and `_` are the same in the name of a parameter, not in its value. Parameters are put before a `--`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KernelCmdline {
    /// Parameters such as `intel_iommu=on`: each key has exactly the given values, in the given order
    /// (`console=tty0`, `console=ttyS0`).
    #[serde(default)]
    present: Vec<Parameter>,
    /// Parameters that exist; other parameters of the same key stay.
    #[serde(default)]
    additional: Vec<Parameter>,
    /// `key` removes all parameters of that key, `key=value` that parameter.
    #[serde(default)]
    absent: Vec<Parameter>,
}

impl KernelCmdline {
    fn edit(&self) -> CmdlineEdit {
        CmdlineEdit {
            present: self.present.clone(),
            additional: self.additional.clone(),
            absent: self.absent.clone(),
        }
    }

    fn removal(&self) -> CmdlineEdit {
        let absent = self.present.iter().chain(&self.additional).cloned().collect();
        CmdlineEdit { absent, ..CmdlineEdit::default() }
    }
}

/// Compares the entries and their sources, and the running kernel.
fn settings(cx: Context<'_>, edit: &CmdlineEdit) -> Result<Vec<Setting>> {
    let mut settings = cx.distro.bootloader.cmdline(cx.host, edit)?;
    if let Some(text) = cx.host.attribute(Path::new("/proc/cmdline"))? {
        settings.push(running(&Cmdline::parse(&text), edit));
    }
    Ok(settings)
}

impl ResourceType for KernelCmdline {
    const NAME: &'static str = "kernel_cmdline";

    fn default_name(&self) -> String {
        let with = self.present.iter().chain(&self.additional).map(Parameter::to_string);
        let without = self.absent.iter().map(|it| format!("-{it}"));
        with.chain(without).collect::<Vec<_>>().join(" ")
    }

    fn validate(&self) -> Result<()> {
        let edit = self.edit();
        if edit == CmdlineEdit::default() {
            return Err(Error::invalid("no parameter is named", "Give `present`, `additional` or `absent`."));
        }
        match edit.conflict() {
            Some(what) => Err(Error::invalid(what, "Decide which of the two it should be.")),
            None => Ok(()),
        }
    }

    fn absent(&self, cx: Context<'_>) -> Result<Vec<Setting>> {
        let removal = self.removal();
        let Some(before) = cx.before else { return settings(cx, &removal) };
        // What a parameter of ours took the place of comes back in that place.
        let now = cx.distro.bootloader.future(cx.host)?;
        let was = cx.distro.bootloader.future(before)?;
        let mut edit = CmdlineEdit::default();
        for parameter in removal.absent {
            let replaced = was.parameters().filter(|it| it.same_name(parameter.name()));
            let replaced: Vec<Parameter> = replaced.cloned().collect();
            let is_ours = self.present.iter().any(|it| it.same(&parameter));
            let is_there = now.parameters().any(|it| it.same(&parameter));
            let was_other = !replaced.is_empty() && !replaced.iter().any(|it| it.same(&parameter));
            if !(is_ours && is_there && was_other) {
                edit.absent.push(parameter);
            } else if !edit.present.iter().any(|it| it.same_name(parameter.name())) {
                edit.present.extend(replaced);
            }
        }
        edit.absent.retain(|it| !edit.present.iter().any(|other| other.same_name(it.name())));
        settings(cx, &edit)
    }

    fn validate_absent(&self) -> Result<()> {
        let Some(parameter) = self.absent.first() else { return Ok(()) };
        Err(Error::invalid(
            format!(
                "`absent` names {parameter}, which hoststate would not set, so there is nothing to take out"
            ),
            "Leave `ensure` out to keep it away, or `absent` out to take out the others.",
        ))
    }

    fn absent_cmdline(&self, _: Context<'_>) -> Result<Option<CmdlineEdit>> {
        Ok(Some(self.removal()))
    }
}

impl Resource for KernelCmdline {
    /// The values of one key in `present` are one thing; what is kept away sets nothing.
    fn items(&self, _: &Map<String, Value>) -> Vec<Map<String, Value>> {
        let mut keys: Vec<Vec<&Parameter>> = Vec::new();
        for parameter in &self.present {
            match keys.iter_mut().find(|it| it[0].same_name(parameter.name())) {
                Some(key) => key.push(parameter),
                None => keys.push(vec![parameter]),
            }
        }
        let item = |field: &str, of: &[&Parameter]| Map::from_iter([(field.to_owned(), json!(of))]);
        let present = keys.iter().map(|it| item("present", it));
        present.chain(self.additional.iter().map(|it| item("additional", &[it]))).collect()
    }

    fn inspect(&self, cx: Context<'_>) -> Result<Vec<Setting>> {
        settings(cx, &self.edit())
    }

    fn claims(&self) -> Vec<Claim> {
        // The kernel takes `-` and `_` in a name for one character.
        let folded = |parameter: &Parameter| parameter.name().replace('-', "_");
        let subject = |parameter: &Parameter| Governed::KernelParameter(folded(parameter));
        let spelled = |parameter: &Parameter| match parameter.value() {
            Some(value) => format!("{}={value}", folded(parameter)),
            None => folded(parameter),
        };
        let mut exact: Vec<(Governed, Vec<String>)> = Vec::new();
        for parameter in &self.present {
            match exact.iter_mut().find(|(it, _)| *it == subject(parameter)) {
                Some((_, parameters)) => parameters.push(spelled(parameter)),
                None => exact.push((subject(parameter), vec![spelled(parameter)])),
            }
        }
        let exact =
            exact.into_iter().map(|(subject, parameters)| Claim { subject, wish: Wish::Exactly(parameters) });
        let additional = self
            .additional
            .iter()
            .map(|it| Claim { subject: subject(it), wish: Wish::Including(spelled(it)) });
        let absent = self.absent.iter().map(|it| {
            let wish = if it.value().is_some() { Wish::Without(spelled(it)) } else { Wish::Nothing };
            Claim { subject: subject(it), wish }
        });
        let is_off =
            |it: &Parameter| iommu::turns_off(it) || it.same_name("iommu") && it.value() == Some("soft");
        let off = self.present.iter().chain(&self.additional).any(is_off).then(Claim::iommu_off);
        exact.chain(additional).chain(absent).chain(off).collect()
    }

    fn parameters(&self) -> Vec<&Parameter> {
        self.present.iter().chain(&self.additional).collect()
    }

    fn cmdline(&self, _: Context<'_>) -> Result<Option<CmdlineEdit>> {
        Ok(Some(self.edit()))
    }
}
