//! `hoststate inspect`: what is there now, read and not changed.

mod cmdline;
mod devices;
mod modules;

use hoststate_core::host::Host;
use schemars::JsonSchema;
use serde::Serialize;

use crate::args::{Format, InspectArguments, Inspected};
use crate::error::Result;
use crate::exit::Exit;
use crate::render::plan::{gap, title};
use crate::session::Session;
use crate::target::Target;

/// Format of what `inspect` prints.
const INSPECT_FORMAT: &str = "hoststate.inspect/1";

/// What was asked for.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Inspection {
    format: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    devices: Option<Vec<devices::Device>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cmdline: Option<cmdline::CommandLines>,
    #[serde(skip_serializing_if = "Option::is_none")]
    modules: Option<Vec<modules::Line>>,
}

/// Runs the command.
///
/// # Errors
/// When the host cannot be read.
pub(crate) fn run(arguments: &InspectArguments, session: &Session) -> Result<Exit> {
    let target = Target::look(&arguments.host, &arguments.captured)?;
    let view = target.host.view();
    let wants = |what: Inspected| arguments.what.is_none_or(|it| it == what);
    let inspection = Inspection {
        format: INSPECT_FORMAT,
        devices: wants(Inspected::Devices).then(|| devices::read(&view, &target.distro)).transpose()?,
        cmdline: wants(Inspected::Cmdline).then(|| cmdline::read(&view, &target.distro)).transpose()?,
        modules: wants(Inspected::Modules).then(|| modules::read(&view)).transpose()?,
    };
    match session.format {
        Format::Json => session.print_json(&inspection)?,
        Format::Text => session.print(&text(&inspection, session))?,
    }
    Ok(Exit::Success)
}

fn text(inspection: &Inspection, session: &Session) -> String {
    let mut out = String::new();
    let mut section = |name: &str, body: String| {
        gap(&mut out);
        title(&mut out, &session.screen, name);
        out.push_str(&body);
    };
    if let Some(devices) = &inspection.devices {
        section("PCI devices", devices::text(devices, session.screen.amount));
    }
    if let Some(cmdline) = &inspection.cmdline {
        section("Kernel command line", cmdline::text(cmdline));
    }
    if let Some(modules) = &inspection.modules {
        section("Module configuration", modules::text(modules));
    }
    out
}
