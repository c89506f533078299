//! `hoststate inspect`: what is there now, read and not changed.

mod cmdline;
mod devices;
mod host;
mod modules;

use hoststate_core::error::Error as EngineError;
use hoststate_core::host::Host;
use hoststate_core::next_boot::fate::Fate;
use schemars::JsonSchema;
use serde::Serialize;

use crate::args::{InspectArguments, Inspected};
use crate::error::{Error, Result};
use crate::exit::Exit;
use crate::render::plan::{gap, title};
use crate::render::screen::Screen;
use crate::render::shown::Shown;
use crate::session::Session;
use crate::target::Target;

/// Format of what `inspect` prints.
const INSPECT_FORMAT: &str = "hoststate.inspect/2";

/// What was asked for.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Inspection {
    format: &'static str,
    host: host::Host,
    #[serde(skip_serializing_if = "Option::is_none")]
    devices: Option<Vec<devices::Device>>,
    /// What becomes of virtual functions that are not there yet and that the next boot makes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    to_come: Vec<Fate>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cmdline: Option<cmdline::CommandLines>,
    /// Why the command lines are not there: the boot loader is one that hoststate does not operate.
    #[serde(skip_serializing_if = "Option::is_none")]
    cmdline_refused: Option<Refused>,
    #[serde(skip_serializing_if = "Option::is_none")]
    modules: Option<Vec<modules::Line>>,
}

/// What hoststate does not operate, and what the host wants instead.
#[derive(Debug, Serialize, JsonSchema)]
struct Refused {
    error: String,
    hint: Option<String>,
}

/// Runs the command.
///
/// # Errors
/// When the host cannot be read.
pub(crate) fn run(arguments: &InspectArguments, session: &Session) -> Result<Exit> {
    let target = Target::look(&arguments.host, &arguments.captured)?;
    let view = target.host.view();
    let wants = |what: Inspected| arguments.what.is_none_or(|it| it == what);
    let read = wants(Inspected::Cmdline).then(|| cmdline::read(&view, &target.distro));
    let (cmdline, cmdline_refused) = match read {
        // Devices and modules are there all the same.
        Some(Err(Error::Engine(err)))
            if arguments.what.is_none() && matches!(*err, EngineError::Unsupported { .. }) =>
        {
            (None, Some(Refused { error: err.to_string(), hint: err.hint().map(|it| it.to_string()) }))
        }
        read => (read.transpose()?, None),
    };
    let devices = wants(Inspected::Devices).then(|| devices::read(&view, &target.distro)).transpose()?;
    let (devices, to_come) = devices.unzip();
    let inspection = Inspection {
        format: INSPECT_FORMAT,
        host: host::read(&view, &target.distro)?,
        devices,
        to_come: to_come.unwrap_or_default(),
        cmdline,
        cmdline_refused,
        modules: wants(Inspected::Modules).then(|| modules::read(&view)).transpose()?,
    };
    session.show(&inspection)?;
    Ok(Exit::Success)
}

impl Shown for Inspection {
    fn text(&self, screen: &Screen) -> String {
        text(self, screen)
    }
}

fn text(inspection: &Inspection, screen: &Screen) -> String {
    let mut out = host::text(&inspection.host);
    let mut section = |name: &str, body: String| {
        gap(&mut out);
        title(&mut out, screen, name);
        out.push_str(&body);
    };
    if let Some(devices) = &inspection.devices {
        section("PCI devices", devices::text(devices, &inspection.to_come, screen));
    }
    if let Some(cmdline) = &inspection.cmdline {
        section("Kernel command line", cmdline::text(cmdline, screen));
    }
    if let Some(Refused { error, hint }) = &inspection.cmdline_refused {
        let hint = hint.as_ref().map(|it| format!("hint: {it}\n")).unwrap_or_default();
        section("Kernel command line", format!("{error}\n{hint}"));
    }
    if let Some(modules) = &inspection.modules {
        section("Module configuration", modules::text(modules, screen));
    }
    out
}
