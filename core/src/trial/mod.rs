//! What hoststate does by itself after the next boot: the record that says so, and the unit that reads it.

use std::path::{Path, PathBuf};

use hoststate_abi::about::About;
use hoststate_abi::host_view::HostView;
use hoststate_abi::setting::{Remedy, Setting, State};
use hoststate_abi::step::Step;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::error::{Error, Result};
use crate::language::declaration::{Declaration, ResourceId};
use crate::language::ensure::Ensure;
use crate::language::registry::Declared;
use crate::language::resource::{Context, Resource};

pub mod confirm;
mod exec_start;
pub mod go_back;
pub mod pending;
pub mod witness;

use confirm::TrialRecord;
use exec_start::exec_start;

/// Format of the record.
pub const AT_BOOT_FORMAT: &str = "hoststate.at_boot/1";

/// The record, in the directory of the run records, which only root can enter.
pub const RECORD: &str = "/var/lib/hoststate/at-boot.json";

/// Name of the unit.
pub const UNIT: &str = "hoststate-at-boot.service";

/// The unit as packages ship it.
const SHIPPED: &str = include_str!("../../../packaging/hoststate-at-boot.service");

/// The program that the shipped unit starts.
pub const SHIPPED_PROGRAM: &str = "/usr/bin/hoststate";

/// What the unit tells it.
const ARGUMENTS: &str = "converge --at-boot";

/// Where packages put units.
const PACKAGED: [&str; 2] = ["/usr/lib/systemd/system", "/lib/systemd/system"];

/// Where the host's own units are.
const OWN: &str = "/etc/systemd/system";

/// A drop-in enables the unit: unlike the link that `systemctl enable` makes, it is a file that a diff shows whole.
const ENABLED: &str = "/etc/systemd/system/multi-user.target.d/hoststate-at-boot.conf";

const ENABLED_TEXT: &str = "# hoststate made this for one boot, and takes it away after that.\n[Unit]\nWants=hoststate-at-boot.service\n";

/// What is to be done after the next boot. This record is what the user consented to: no playbook is read again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AtBoot {
    /// [`AT_BOOT_FORMAT`].
    pub format: String,
    /// Boot id of the kernel it was recorded under: nothing is done before another one runs.
    pub boot_id: Option<String>,
    /// Boot id of the kernel under which it was begun. It is begun once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub begun: Option<String>,
    /// Hazards the user accepted.
    pub accepted: Vec<String>,
    /// What the host shall be, as evaluated.
    pub declarations: Vec<Declaration>,
    /// For a boot that is tried: what must hold before anything is made permanent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trial: Option<TrialRecord>,
}

impl AtBoot {
    /// Returns a record for the declarations of a playbook.
    pub fn new(boot_id: Option<String>, declared: &[Declared], accepted: &[String]) -> Self {
        Self {
            format: AT_BOOT_FORMAT.to_owned(),
            boot_id,
            begun: None,
            accepted: accepted.to_vec(),
            declarations: declared.iter().map(|it| it.declaration.clone()).collect(),
            trial: None,
        }
    }

    /// Returns the record's text.
    ///
    /// # Errors
    /// When it cannot be written as JSON.
    pub fn text(&self) -> Result<String> {
        Ok(serde_json::to_string_pretty(self).map_err(std::io::Error::from)? + "\n")
    }

    /// Returns the settings that make the next boot do what the record says.
    fn settings(&self, cx: Context<'_>, program: &Path) -> Result<Vec<Setting>> {
        let mut settings = Vec::new();
        if packaged(cx.host)?.is_none() {
            let shipped = exec_start(Path::new(SHIPPED_PROGRAM), ARGUMENTS);
            let text = SHIPPED.replace(&shipped, &exec_start(program, ARGUMENTS));
            settings.push(file(cx.host, Path::new(OWN).join(UNIT), text, "the unit that runs once")?);
        }
        settings.push(file(cx.host, ENABLED.into(), ENABLED_TEXT.to_owned(), "the unit is wanted at boot")?);
        settings.push(file(cx.host, RECORD.into(), self.text()?, "what that unit does")?);
        Ok(settings)
    }
}

/// Returns what is to be done after the next boot; `None` when nothing is.
///
/// # Errors
/// When the record cannot be read.
pub fn pending(host: &HostView) -> Result<Option<AtBoot>> {
    let Some(text) = host.read(Path::new(RECORD))? else { return Ok(None) };
    let record: AtBoot = serde_json::from_str(&text).map_err(|err| Error::Malformed {
        path: RECORD.into(),
        line: err.line(),
        what: err.to_string(),
        hint: Some("`hoststate rollback` of the run that wrote it removes it.".to_owned()),
    })?;
    if record.format == AT_BOOT_FORMAT {
        return Ok(Some(record));
    }
    let what = format!("{RECORD} has the format {:?}, not {AT_BOOT_FORMAT:?}", record.format);
    Err(Error::invalid(what, "It was written by another version of hoststate; use that one."))
}

/// Returns the steps that leave nothing to be done after the next boot.
///
/// # Errors
/// When a file cannot be read.
pub fn disarm(host: &HostView) -> Result<Vec<Step>> {
    let mut paths = vec![PathBuf::from(ENABLED)];
    if packaged(host)?.is_none() {
        paths.push(Path::new(OWN).join(UNIT));
    }
    // The record goes last: while it is there, the unit is.
    paths.push(RECORD.into());
    let mut steps = Vec::new();
    for path in paths {
        if host.exists(&path)? {
            steps.push(Step::RemoveFile { path });
        }
    }
    Ok(steps)
}

/// Returns, as a declaration of its own, that the declarations of a playbook are finished after the next boot.
///
/// # Errors
/// When the host has no systemd that could do so.
pub fn declared(host: &HostView, record: AtBoot, program: &Path) -> Result<Declared> {
    require_systemd(host)?;
    let resource = Enabled { record, program: program.to_owned() };
    Ok(own("at_boot", UNIT, Box::new(resource)))
}

/// The unit is enabled and knows what to do.
#[derive(Debug)]
struct Enabled {
    record: AtBoot,
    program: PathBuf,
}

impl Resource for Enabled {
    fn inspect(&self, cx: Context<'_>) -> Result<Vec<Setting>> {
        self.record.settings(cx, &self.program)
    }
}

fn own(kind: &str, name: &str, resource: Box<dyn Resource>) -> Declared {
    let declaration = Declaration {
        kind: kind.to_owned(),
        name: Some(name.to_owned()),
        ensure: Ensure::Present,
        playbook: None,
        composite: None,
        desired: Map::<String, Value>::new(),
    };
    let id = ResourceId { kind: kind.to_owned(), name: name.to_owned() };
    Declared { id, declaration, resource: resource.into() }
}

fn require_systemd(host: &HostView) -> Result<()> {
    if host.exists(Path::new("/run/systemd/system"))? {
        return Ok(());
    }
    Err(Error::Unsupported {
        what: "this host was not booted by systemd (there is no /run/systemd/system), so no unit can run after the boot"
            .to_owned(),
        hint: "Converge without --at-boot and --confirm-boot, and again after the reboot.".to_owned(),
    })
}

/// Returns the unit that a package brought.
fn packaged(host: &HostView) -> Result<Option<PathBuf>> {
    for directory in PACKAGED {
        let path = Path::new(directory).join(UNIT);
        if host.exists(&path)? {
            return Ok(Some(path));
        }
    }
    Ok(None)
}

/// Compares a whole file that is hoststate's own.
fn file(host: &HostView, path: PathBuf, text: String, holds: &str) -> Result<Setting> {
    let found = host.read(&path)?;
    let actual = found.as_ref().map(|_| "another text".to_owned());
    Ok(written(found, path, text, actual, holds))
}

/// Compares the text of a file.
fn written(
    found: Option<String>,
    path: PathBuf,
    text: String,
    actual: Option<String>,
    holds: &str,
) -> Setting {
    let about = About::File(path.clone());
    let state = if found.as_ref() == Some(&text) {
        State::Converged
    } else {
        let remedy = Remedy::Steps(vec![Step::WriteFile { path, text }]);
        State::Drifted { actual, desired: Some(holds.to_owned()), remedy }
    };
    Setting::persistent(about, state)
}
