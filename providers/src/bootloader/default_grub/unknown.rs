//! Sources that only a shell could read: what needs no knowledge of them is done all the same.
//!
//! A line `NAME="$NAME more"` behind everything else is right whatever stands before it, and the generated menu shows
//! what the shell made of the rest.

use std::path::{Path, PathBuf};

use hoststate_abi::host_view::HostView;
use hoststate_abi::setting::{Place, Remedy, Setting, State};
use hoststate_abi::step::Step;
use hoststate_core::error::Result;
use hoststate_core::formats::kernel_cmdline::{Cmdline, CmdlineEdit, Parameter};
use hoststate_core::formats::shell_assignments::{ShellFile, Value};

use super::{
    ALWAYS, DEFAULT_GRUB, HEADER, Habit, LoaderVariables, NORMAL, OWN_DROP_IN, Sources, blocked, host_text,
};
use crate::bootloader::grub_text::{self, Level};

/// Stands for what is not known.
const UNKNOWN: &str = "hoststate.unknown";

impl Sources {
    /// Returns the parameters that are known, though others are not.
    pub(crate) fn known(&self) -> Result<Cmdline> {
        let environment = self.evaluate_with(None, Some(UNKNOWN))?;
        let value = |name: &str| match environment.get(name) {
            Some(Value::Known(value)) => value.clone(),
            Some(Value::Unknown { .. }) | None => String::new(),
        };
        let line = grub_text::kernel_line(&format!("{} {}", value(ALWAYS), value(NORMAL)));
        let known = line.parameters().map(Parameter::raw).filter(|it| !it.contains(UNKNOWN));
        Ok(Cmdline::parse(&known.collect::<Vec<_>>().join(" ")))
    }

    /// Returns the part of a wish that entries surely get from the files as they are.
    ///
    /// # Errors
    /// When the shell would give up.
    pub(crate) fn given(&self, wish: &CmdlineEdit, loader: &LoaderVariables) -> Result<CmdlineEdit> {
        let (line, is_all) = match self.variables()? {
            Ok(variables) if variables.broken_line().is_some() => return Ok(CmdlineEdit::default()),
            Ok(variables) => (loader.expand(&variables.line()), true),
            Err(_) => (self.known()?, false),
        };
        let given = |parameters: &[Parameter]| {
            let is_given = |it: &&Parameter| line.satisfies(&of_name(wish, it.name()));
            parameters.iter().filter(is_given).cloned().collect()
        };
        let nowhere = |it: &&Parameter| {
            is_all && line.satisfies(&CmdlineEdit { absent: vec![(*it).clone()], ..CmdlineEdit::default() })
        };
        Ok(CmdlineEdit {
            present: given(&wish.present),
            additional: given(&wish.additional),
            absent: wish.absent.iter().filter(nowhere).cloned().collect(),
        })
    }

    /// Compares what can be told with a wish, and adds behind everything what is nowhere.
    pub(super) fn behind_unknown(
        &self,
        host: &HostView,
        wish: &CmdlineEdit,
        generated: &[Cmdline],
        (place, why): (Place, String),
    ) -> Result<Setting> {
        let converged = Setting::persistent(Path::new(DEFAULT_GRUB), State::Converged);
        if !generated.is_empty() && generated.iter().all(|it| it.satisfies(wish)) {
            return Ok(converged);
        }
        let known = self.known()?;
        let undecided = |parameter: &Parameter| {
            let reason =
                format!("only a shell could tell whether `{}` comes from here: {why}", parameter.name());
            Ok(blocked(Some(place.clone()), None, wish, reason))
        };
        let has = |line: &Cmdline, parameter: &Parameter| {
            line.parameters().any(|it| it.same_name(parameter.name()))
        };
        let mut added: Vec<Parameter> = Vec::new();
        for parameter in &wish.absent {
            let absent = CmdlineEdit { absent: vec![parameter.clone()], ..CmdlineEdit::default() };
            if !known.satisfies(&absent) || generated.iter().any(|it| !it.satisfies(&absent)) {
                return undecided(parameter);
            }
        }
        for parameter in wish.present.iter().chain(&wish.additional) {
            let own = of_name(wish, parameter.name());
            if known.satisfies(&own) || !generated.is_empty() && generated.iter().all(|it| it.satisfies(&own))
            {
                continue;
            }
            if has(&known, parameter) || generated.iter().any(|it| has(it, parameter)) {
                return undecided(parameter);
            }
            added.push(parameter.clone());
        }
        if added.is_empty() {
            return Ok(converged);
        }
        self.added(host, wish, added, place, &why)
    }

    fn added(
        &self,
        host: &HostView,
        wish: &CmdlineEdit,
        added: Vec<Parameter>,
        place: Place,
        why: &str,
    ) -> Result<Setting> {
        let (path, name) = match self.habit {
            Habit::Debian => (PathBuf::from(OWN_DROP_IN), NORMAL),
            Habit::Redhat => (PathBuf::from(DEFAULT_GRUB), ALWAYS),
        };
        let text = host_text(host, self, &path)?;
        let start = if text.is_empty() && self.habit == Habit::Debian { HEADER } else { text.as_str() };
        let mut file = ShellFile::parse(start);
        let alone = CmdlineEdit { present: added.clone(), ..CmdlineEdit::default() };
        let extra = grub_text::edit("", &alone, Level::Script)?.unwrap_or_default();
        let blocked = |reason: String| Ok(blocked(Some(place.clone()), None, wish, reason));
        if let Err(obstacle) = file.append_expanding(name, &extra) {
            return blocked(format!("only a shell could tell the parameters: {why}; {obstacle}"));
        }
        let text = file.to_string();
        let mut changed = self.clone();
        changed.replace(path.clone(), file);
        if !changed.known()?.satisfies(&alone) {
            return blocked(format!("only a shell could tell the parameters, and this is read last: {why}"));
        }
        let state = State::Drifted {
            actual: None,
            desired: Some(grub_text::wish(&alone)),
            remedy: Remedy::Steps(vec![Step::WriteFile { path: path.clone(), text }]),
        };
        Ok(Setting::persistent(&path, state))
    }
}

/// Returns what a wish has of one name.
fn of_name(wish: &CmdlineEdit, name: &str) -> CmdlineEdit {
    let kin = |parameters: &[Parameter]| parameters.iter().filter(|it| it.same_name(name)).cloned().collect();
    CmdlineEdit { present: kin(&wish.present), additional: kin(&wish.additional), absent: Vec::new() }
}
