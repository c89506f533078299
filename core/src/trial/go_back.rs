//! The return from a boot that was tried and is refused: the host reboots by itself, after a time to look at it. What
//! is lost may be the way in.

use std::path::Path;

use hoststate_abi::host_view::HostView;
use hoststate_abi::step::Step;

use super::confirm::MARK;
use crate::error::Result;
use crate::formats::kernel_cmdline::{Cmdline, Parameter};
use crate::mechanism::distro::Distro;
use crate::next_boot::Menu;

/// The timer that reboots the host. Whoever looks may stop it.
pub const TIMER: &str = "hoststate-go-back.timer";

/// Where systemd keeps the units that systemd-run(1) asked for, while they are loaded.
const TRANSIENT: &str = "/run/systemd/transient";

/// How long a refused boot stays up, in seconds.
pub const TIME_TO_LOOK: u64 = 600;

/// What becomes of a tried boot that is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IfRefused {
    /// After [`TIME_TO_LOOK`] the host reboots into the default entry.
    GoBack,
    /// It stays up until somebody reboots it.
    Stay,
}

impl IfRefused {
    /// Returns after how many seconds the host reboots by itself; `None` when it does not.
    pub fn seconds(self) -> Option<u64> {
        match self {
            Self::GoBack => Some(TIME_TO_LOOK),
            Self::Stay => None,
        }
    }
}

/// Returns whether the host is about to reboot by itself.
///
/// # Errors
/// When systemd's directory cannot be searched.
pub fn is_scheduled(host: &HostView) -> Result<bool> {
    Ok(host.exists(&Path::new(TRANSIENT).join(TIMER))?)
}

/// Returns the step after which the host reboots by itself. The service manager keeps the time: it needs no login and
/// no other daemon, which may be what the tried boot lost.
pub(crate) fn schedule(seconds: u64) -> Step {
    let argv = [
        "systemd-run",
        &format!("--unit={}", TIMER.trim_end_matches(".timer")),
        "--description=Go back to the default boot entry: the boot that was tried is refused",
        &format!("--on-active={seconds}"),
        "--timer-property=AccuracySec=1s",
        "systemctl",
        "reboot",
    ];
    Step::Run { argv: argv.map(str::to_owned).to_vec() }
}

/// Returns the step that tells whoever is logged in.
pub(crate) fn announce(text: &str) -> Step {
    Step::Run { argv: vec!["wall".to_owned(), text.to_owned()] }
}

/// Returns why a reboot would not surely go back to the default entry; `None` when it would.
pub(crate) fn obstacle(host: &HostView, distro: &Distro) -> Result<Option<String>> {
    let menu = Menu::operated(host, distro)?;
    let because = &menu.choice.because;
    let Some(entry) = menu.taken() else {
        return Ok(Some(format!("which entry boots next cannot be told: {because}")));
    };
    let is_mark = |it: &Parameter| it.same_name(MARK);
    let is_tried = Cmdline::parse(&entry.cmdline).parameters().any(is_mark);
    Ok(is_tried.then(|| format!("{:?} would boot once more: {because}", entry.title)))
}

/// Returns a time as a person says it.
pub(crate) fn in_words(seconds: u64) -> String {
    match (seconds / 60, seconds % 60) {
        (1, 0) => "1 minute".to_owned(),
        (minutes, 0) => format!("{minutes} minutes"),
        _ => format!("{seconds} seconds"),
    }
}
