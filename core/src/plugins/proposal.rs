//! What a type that is not built in may propose: its settings are checked before they become part of a plan.

use std::path::{Component, Path, PathBuf};
use std::rc::Rc;

use hoststate_abi::activation::Activation;
use hoststate_abi::host_view::HostView;
use hoststate_abi::setting::{Remedy, Setting, State};
use hoststate_abi::step::Step;
use serde_json::{Map, Value};

use crate::error::{Error, Result};
use crate::formats::fnmatch;
use crate::language::declaration::Declaration;
use crate::language::registry::Registry;
use crate::language::resource::Resource;
use crate::machine::kernels;

/// More settings than this are no declaration a person wrote.
const MOST_SETTINGS: usize = 10_000;

/// Where kernel attributes are.
const ATTRIBUTES: [&str; 2] = ["/sys", "/proc/sys"];

/// Where no file is: what is written there goes to the kernel or to a device.
const NO_FILES: [&str; 3] = ["/proc", "/sys", "/dev"];

/// Where hoststate keeps plugins, their trust and its records: no plugin decides about these.
const OWN_FILES: [&str; 3] = ["/etc/hoststate", "/usr/lib/hoststate", "/var/lib/hoststate"];

/// What one type may use.
#[derive(Debug, Clone, Copy)]
pub struct Rights<'a> {
    /// The programs that it may propose to run.
    pub runs: &'a [PathBuf],
    /// What it may propose to write, by pattern; `None` when it did not say.
    pub writes: Option<&'a [String]>,
    /// The types that it may hand a part of its declaration to: the built-in ones.
    pub base: &'a Registry,
}

impl Rights<'_> {
    /// Returns the settings of an inspection.
    ///
    /// # Errors
    /// When a step or an activation is not one that the type may propose.
    pub fn settings(self, settings: Vec<Setting>, host: &HostView) -> Result<Vec<Setting>> {
        if settings.len() > MOST_SETTINGS {
            let what = format!("{} settings are more than the {MOST_SETTINGS} of a type", settings.len());
            return Err(refused(what));
        }
        for setting in &settings {
            self.check(setting, host).map_err(|err| match err {
                Error::Invalid { what, hint } => {
                    Error::Invalid { what: format!("{}: {what}", setting.about), hint }
                }
                other => other,
            })?;
        }
        Ok(settings)
    }

    /// Returns the resources that an inspection hands over to.
    ///
    /// # Errors
    /// When one is none of the types that it may hand over to.
    pub fn parts(self, resources: Vec<Map<String, Value>>) -> Result<Vec<Rc<dyn Resource>>> {
        if resources.len() > MOST_SETTINGS {
            let what = format!("{} resources are more than the {MOST_SETTINGS} of a type", resources.len());
            return Err(refused(what));
        }
        let part = |it: Map<String, Value>| {
            let declared = self.base.decode(Declaration::try_from(it)?);
            Ok(declared.map_err(|err| err.into_first().source)?.resource)
        };
        resources.into_iter().map(part).collect()
    }

    fn check(self, setting: &Setting, host: &HostView) -> Result<()> {
        let State::Drifted { remedy, .. } = &setting.state else { return Ok(()) };
        match remedy {
            Remedy::Steps(steps) => steps.iter().try_for_each(|it| self.check_step(it, host)),
            Remedy::Activation(Activation::Initramfs { kernel }) => {
                match kernels::installed(host)?.0.contains(kernel) {
                    true => Ok(()),
                    false => {
                        Err(refused(format!("no kernel {kernel:?} is installed, so it has no initramfs")))
                    }
                }
            }
            Remedy::Activation(Activation::UdevReload | Activation::BootConfig | Activation::Reboot) => {
                Ok(())
            }
        }
    }

    fn check_step(self, step: &Step, host: &HostView) -> Result<()> {
        match step {
            Step::WriteFile { path, .. } | Step::EditFile { path, .. } | Step::RemoveFile { path } => {
                let resolved = plain(path, step, host)?;
                if let Some(no_file) = NO_FILES.iter().find(|it| resolved.starts_with(it)) {
                    return Err(refused(format!("`{step}`: below {no_file} there are no files of a host")));
                }
                if OWN_FILES.iter().any(|it| resolved.starts_with(it)) {
                    return Err(refused(format!("`{step}`: what is there decides what hoststate trusts")));
                }
                self.check_path(&resolved, step)
            }
            Step::WriteAttribute { path, .. } => {
                let resolved = plain(path, step, host)?;
                match ATTRIBUTES.iter().any(|it| resolved.starts_with(it) && path.starts_with(it)) {
                    true => self.check_path(&resolved, step),
                    false => {
                        Err(refused(format!("`{step}`: attributes are below {}", ATTRIBUTES.join(" and "))))
                    }
                }
            }
            Step::Run { argv } => {
                let program = argv.first().map(String::as_str).unwrap_or_default();
                match self.runs.iter().any(|it| it.as_path() == Path::new(program)) {
                    true => Ok(()),
                    false => Err(Error::invalid(
                        format!("`{step}`: nobody was asked whether it may run {program:?}"),
                        "A plugin names each program it may run, by absolute path, in `asks.runs`; a Lua type runs none.",
                    )),
                }
            }
        }
    }
}

impl Rights<'_> {
    /// Compares where a path leads with what the type asked for.
    fn check_path(self, resolved: &Path, step: &Step) -> Result<()> {
        let Some(patterns) = self.writes else { return Ok(()) };
        let text = resolved.to_string_lossy();
        if patterns.iter().any(|it| fnmatch::matches(it, &text)) {
            return Ok(());
        }
        Err(Error::invalid(
            format!("`{step}`: it asked to write {}, and {text} is not among these", listed(patterns)),
            "A plugin that says in `asks.writes` what it may write writes nothing else; its author adds the path, and \
             `hoststate plugin trust` shows it.",
        ))
    }
}

/// Returns what a plugin asked to write, in words.
fn listed(patterns: &[String]) -> String {
    if patterns.is_empty() { "nothing".to_owned() } else { patterns.join(", ") }
}

/// Returns where a path lies on the host; one that does not say so plainly is refused.
fn plain(path: &Path, step: &Step, host: &HostView) -> Result<PathBuf> {
    let mut parts = path.components();
    let is_plain = parts.next() == Some(Component::RootDir)
        && parts.all(|it| matches!(it, Component::Normal(_)))
        && path.file_name().is_some();
    if !is_plain {
        return Err(refused(format!("`{step}`: the path is not an absolute path of the host without `..`")));
    }
    Ok(host.resolve(path)?)
}

fn refused(what: String) -> Error {
    Error::invalid(
        what,
        "This is a mistake in the type, not in the playbook; `hoststate plugin test` finds such mistakes.",
    )
}
