//! A boot that is tried once: an entry for the next boot, and what must hold before its parameters become the default.

use std::path::{Path, PathBuf};

use hoststate_abi::about::About;
use hoststate_abi::activation::Activation;
use hoststate_abi::host_view::HostView;
use hoststate_abi::setting::{Disruption, Remedy, Setting, State};
use hoststate_abi::step::Step;
use serde::{Deserialize, Serialize};

use super::go_back::{IfRefused, TIME_TO_LOOK, in_words};
use super::witness::Witness;
use super::{AtBoot, own, require_systemd};
use crate::error::{Error, Result};
use crate::formats::kernel_cmdline::{Cmdline, CmdlineEdit, Parameter};
use crate::language::parts;
use crate::language::registry::Declared;
use crate::language::resource::{Context, Resource};
use crate::mechanism::distro::{Distro, Trial, TrialFile};
use crate::next_boot::Menu;

/// A parameter that only the tried entry has. The kernel keeps parameters with a dot that it does not know to itself.
pub(super) const MARK: &str = "hoststate.trial";

/// A kernel that panics reboots after so many seconds, to the default entry.
const PANIC: &str = "panic=10";

/// What is known about a boot that is tried.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrialRecord {
    /// The parameter by which the boot is known.
    pub mark: String,
    /// What the host had before, and must have again.
    pub witness: Witness,
    /// After how many seconds a host whose boot is refused reboots by itself; null when it stays up.
    #[serde(default = "time_to_look")]
    pub back_after: Option<u64>,
}

fn time_to_look() -> Option<u64> {
    Some(TIME_TO_LOOK)
}

/// Returns, as one declaration, the boot that tries what these declarations want of the kernel command line. `None`
/// when the default entry has it all.
///
/// # Errors
/// When no boot can be tried on this host, or the declarations want nothing of the command line.
pub fn declared(
    host: &HostView,
    distro: &Distro,
    wanted: &[Declared],
    record: AtBoot,
    program: &Path,
    if_refused: IfRefused,
) -> Result<Option<Declared>> {
    require_systemd(host)?;
    let edits = edits(host, distro, wanted)?;
    if edits.is_empty() {
        let what = "the playbook wants nothing of the kernel command line, so there is no boot to try";
        return Err(Error::invalid(what, "Converge without --confirm-boot."));
    }
    let trial = distro.bootloader.trial(host, &edits)?;
    if trial.before == trial.after {
        return Ok(None);
    }
    require_taken_once(host, distro, &trial)?;
    let id = record.boot_id.as_deref().unwrap_or_default().split('-').next().unwrap_or_default();
    let mark = format!("{MARK}={}", if id.is_empty() { "1" } else { id });
    let witness = Witness::read(host)?;
    let back_after = if_refused.seconds();
    let record = AtBoot { trial: Some(TrialRecord { mark: mark.clone(), witness, back_after }), ..record };
    let mut edits = edits;
    edits.push(adding(&mark)?);
    let is_panic = |it: &Parameter| it.same_name("panic");
    let mentions_panic =
        |it: &CmdlineEdit| it.present.iter().chain(&it.additional).chain(&it.absent).any(is_panic);
    if !trial.after.parameters().any(is_panic) && !edits.iter().any(mentions_panic) {
        edits.push(adding(PANIC)?);
    }
    let resource = Tried { edits, record, program: program.to_owned() };
    Ok(Some(own("confirm_boot", "next boot", Box::new(resource))))
}

/// Makes sure that the next boot is the one that is tried, and the boot after it is not, as far as files tell.
fn require_taken_once(host: &HostView, distro: &Distro, trial: &Trial) -> Result<()> {
    let mut view = host.without_predictions();
    for TrialFile { path, text, .. } in [&trial.entry, &trial.next] {
        view.predict_step(&Step::WriteFile { path: path.clone(), text: text.clone() })?;
    }
    let Menu { entries, choice, .. } = Menu::operated(&view, distro)?;
    let is_tried = choice.entry.is_some_and(|it| entries[it].place.file == trial.entry.path);
    let is_told = choice.entry.is_some() || choice.other.is_some();
    let why = match (is_tried, choice.once) {
        (true, true) => return Ok(()),
        (false, _) if !is_told => return Ok(()),
        (true, false) => "every boot after it would take that entry as well",
        (false, _) => "the next boot would not take its entry",
    };
    let what = format!("no boot can be tried once on this host: {why} ({})", choice.because);
    Err(Error::Unsupported { what, hint: "Converge without --confirm-boot.".to_owned() })
}

/// Returns what declarations want of the command line, in their order.
///
/// # Errors
/// When the host cannot be read.
pub fn edits(host: &HostView, distro: &Distro, wanted: &[Declared]) -> Result<Vec<CmdlineEdit>> {
    let (mut edits, cx) = (Vec::new(), Context::new(host, distro));
    for it in parts::expanded(wanted, cx)?.iter() {
        edits.extend(it.resource.cmdline(cx).map_err(|err| err.of(&it.id))?);
    }
    Ok(edits)
}

fn adding(parameter: &str) -> Result<CmdlineEdit> {
    let parameter =
        Parameter::parse(parameter).map_err(|err| Error::Invalid { what: err.to_string(), hint: None })?;
    Ok(CmdlineEdit { present: vec![parameter], ..CmdlineEdit::default() })
}

/// The entry for one boot, and the unit that decides after it.
#[derive(Debug)]
struct Tried {
    edits: Vec<CmdlineEdit>,
    record: AtBoot,
    program: PathBuf,
}

impl Resource for Tried {
    fn inspect(&self, cx: Context<'_>) -> Result<Vec<Setting>> {
        let Trial { after, entry, next, .. } = cx.distro.bootloader.trial(cx.host, &self.edits)?;
        let mut settings = vec![part(cx.host, entry)?];
        settings.extend(self.record.settings(cx, &self.program)?);
        // Last: until this is written, the next boot is like any other.
        settings.push(part(cx.host, next)?);
        let running = Cmdline::parse(&cx.host.attribute(Path::new("/proc/cmdline"))?.unwrap_or_default());
        let parameters: Vec<&str> =
            running.parameters().map(Parameter::raw).filter(|it| !it.starts_with("BOOT_IMAGE=")).collect();
        let is_ours = self.edits.iter().flat_map(|it| &it.present).any(|it| it.raw() == PANIC);
        let panic =
            if is_ours { "; a kernel that panics reboots after 10 s, to the default entry" } else { "" };
        let back = match self.record.trial.as_ref().and_then(|it| it.back_after) {
            Some(seconds) => {
                format!("; a boot that is refused goes back by itself after {}", in_words(seconds))
            }
            None => "; a boot that is refused stays up".to_owned(),
        };
        let desired = Some(format!("{after} (for one boot{panic}{back})"));
        let remedy = Remedy::Activation(Activation::Reboot);
        let state = State::Drifted { actual: Some(parameters.join(" ")), desired, remedy };
        settings.push(Setting::runtime(About::RunningParameters, Disruption::Reboot, state));
        Ok(settings)
    }
}

/// Compares a file that holds more than what is tried: what is found there is that it is not tried yet.
fn part(host: &HostView, file: TrialFile) -> Result<Setting> {
    Ok(super::written(host.read(&file.path)?, file.path, file.text, None, &file.holds))
}
