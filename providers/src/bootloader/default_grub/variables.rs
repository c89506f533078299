//! The two variables of `/etc/default/grub` as one line, and what the boot loader's own variables add to it.

use std::collections::BTreeMap;
use std::path::Path;

use hoststate_abi::setting::Place;
use hoststate_core::error::Result;
use hoststate_core::formats::grub_cfg::GrubCfg;
use hoststate_core::formats::grubenv::GrubEnv;
use hoststate_core::formats::kernel_cmdline::{Cmdline, CmdlineEdit};

use super::{ALWAYS, Habit, NORMAL};
use crate::bootloader::grub_text::{self, Level, Unclear};

/// Parts the text of the two variables while they are edited as one line.
const SEAM: &str = "hoststate.seam";

/// The two variables, as far as reading can tell.
pub(super) struct Variables {
    pub(super) always: String,
    pub(super) normal: String,
}

impl Variables {
    /// Returns what normal entries get, as the kernel reads it.
    pub(super) fn line(&self) -> Cmdline {
        grub_text::kernel_line(&format!("{} {}", self.always, self.normal))
    }

    /// Says where a value ends the kernel's line, so that what is written behind it would be lost.
    pub(super) fn broken_line(&self) -> Option<(&'static str, String)> {
        [(ALWAYS, &self.always), (NORMAL, &self.normal)].into_iter().find_map(|(name, value)| {
            let (_, lost) = value.split_once('\n')?;
            let lost = lost.lines().next().unwrap_or_default();
            let lost = if lost.trim().is_empty() { String::new() } else { format!("`{lost}` and ") };
            let why = "the value has a line break, and GRUB ends the kernel's line there";
            Some((name, format!("{why}: {lost}what is added is lost; put it on one line")))
        })
    }

    /// Returns the variables changed as wanted; each parameter is changed in the variable that has it.
    pub(super) fn edited(&self, edit: &CmdlineEdit, habit: Habit) -> Result<Result<Self, Unclear>> {
        let joined = |first: &str, second: &str| -> Result<Result<(String, String), Unclear>> {
            let text =
                [first, SEAM, second].into_iter().filter(|it| !it.is_empty()).collect::<Vec<_>>().join(" ");
            Ok(grub_text::edit(&text, edit, Level::Script)?.map(|edited| {
                let (first, second) = edited.split_once(SEAM).unwrap_or((&edited, ""));
                let first = first.strip_suffix(' ').unwrap_or(first);
                (first.to_owned(), second.strip_prefix(' ').unwrap_or(second).to_owned())
            }))
        };
        if habit == Habit::Redhat {
            // New parameters go to the end of the line, so the variable that shall get them is put there.
            let edited = joined(&self.normal, &self.always)?;
            match edited.map(|(normal, always)| Self { always, normal }) {
                Ok(edited) if edited.line().satisfies(edit) => return Ok(Ok(edited)),
                Ok(_) => {}
                Err(unclear) => return Ok(Err(unclear)),
            }
        }
        Ok(joined(&self.always, &self.normal)?.map(|(always, normal)| Self { always, normal }))
    }
}

/// Variables of GRUB's own that have one value, whatever is booted: `tuned_params` of `00_tuned`.
#[derive(Debug, Default)]
pub(crate) struct LoaderVariables {
    values: BTreeMap<String, (String, Place)>,
}

impl LoaderVariables {
    /// Reads those that a menu sets.
    pub(crate) fn read(cfg: Option<&GrubCfg>, file: &Path, environment: &GrubEnv) -> Self {
        let mut values: BTreeMap<String, (String, Place)> = BTreeMap::new();
        let mut doubtful = Vec::new();
        for set in cfg.iter().flat_map(|it| &it.sets) {
            let place = Place { file: file.to_owned(), line: Some(set.line) };
            let before = values.insert(set.name.clone(), (set.value.clone(), place));
            if set.conditional || set.value.contains('$') || before.is_some_and(|it| it.0 != set.value) {
                doubtful.push(set.name.clone());
            }
        }
        let stored = |it: &String, value: &str| environment.get(it).is_some_and(|it| it != value);
        values.retain(|name, (value, _)| !doubtful.contains(name) && !stored(name, value));
        Self { values }
    }

    /// Returns a line with their values in their place.
    pub(crate) fn expand(&self, line: &Cmdline) -> Cmdline {
        let mut text = line.to_string();
        if text.contains("${") {
            for (name, (value, _)) in &self.values {
                text = text.replace(&format!("${{{name}}}"), value);
            }
        }
        Cmdline::parse(&text)
    }

    /// Returns what they alone give to a line.
    pub(super) fn given(&self, line: &Cmdline) -> Cmdline {
        let values = self.within(line).map(|it| it.1.0.as_str());
        Cmdline::parse(&values.collect::<Vec<_>>().join(" "))
    }

    /// Says which of them holds what stands against a wish.
    pub(super) fn obstacle(&self, line: &Cmdline, wanted: &CmdlineEdit) -> Option<(Place, String)> {
        self.within(line).find_map(|(name, (value, place))| {
            let value = Cmdline::parse(value);
            let parameter = wanted.surplus(&value).first()?.clone();
            let owner = if name == "tuned_params" { "; tuned owns it: change its profile" } else { "" };
            Some((place.clone(), format!("`${name}` gives every entry `{parameter}`{owner}")))
        })
    }

    fn within(&self, line: &Cmdline) -> impl Iterator<Item = (&String, &(String, Place))> {
        let text = line.to_string();
        self.values.iter().filter(move |it| text.contains(&format!("${{{}}}", it.0)))
    }
}
