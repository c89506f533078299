//! `hoststate why`: from the firmware to its holder, why a device is or will not be on a driver.

use std::io;

use hoststate_abi::host_view::HostView;
use hoststate_core::error::Error as EngineError;
use hoststate_core::formats::pci::PciIdPattern;
use hoststate_core::host::Host;
use hoststate_core::language::registry::Declared;
use hoststate_core::language::selector::{DeviceSelector, Found, near};
use hoststate_core::machine::pci_bus::{self, PciDevice};
use hoststate_core::plan::finding::Finding;
use hoststate_core::plan::planned::Plan;
use hoststate_core::record::history;
use hoststate_core::trial::standing;
use hoststate_core::why::chain::{self, Question};
use serde_json::{Map, Value};

use crate::args::{Format, WhyArguments};
use crate::error::{Error, Result};
use crate::exit::Exit;
use crate::render;
use crate::render::escape::visible_line;
use crate::session::{Session, say};
use crate::target::Target;

/// Runs the command.
///
/// # Errors
/// When there is no such device, or the host or the playbook cannot be read.
pub(crate) fn run(arguments: &WhyArguments, session: &Session) -> Result<Exit> {
    let target = Target::look(&arguments.host, &arguments.captured)?;
    let view = target.host.view();
    let address = match selector(&arguments.device)?.resolve(&view)? {
        Found::Device(device) => device.address,
        Found::Absent(address) => address,
    };
    let Some(device) = pci_bus::device(&view, address)? else {
        let what = format!("there is no PCI device at {address}{}", near(address, &view)?);
        return Err(Error::input(what, "`hoststate inspect devices` lists those that are there."));
    };
    let standing = standing::findings(&view, target.past().boot_id)?;
    let question = match &arguments.playbook {
        Some(path) => {
            let declared = target.playbook(path)?.declared;
            let wanted = wanted(&target, &declared, &device)?;
            Question { wanted, after_boot: about(&device, target.plan(&declared)?), standing }
        }
        None => Question { standing, ..of_last_runs(&target, &device)? },
    };
    let chain = chain::chain(&view, &target.distro, &device, question)?;
    match session.format {
        Format::Json => session.print_json(&chain)?,
        Format::Text => session.print(&render::why::text(&session.screen, &chain))?,
    }
    Ok(Exit::Success)
}

/// Reads `0000:01:00.0`, `vendor=10de,class=display`, or the name of a network interface.
fn selector(text: &str) -> Result<DeviceSelector> {
    let value = if text.contains('=') {
        let pair = |it: &str| {
            let (name, value) = it.split_once('=')?;
            Some((name.trim().to_owned(), Value::from(value.trim())))
        };
        let traits: Option<Map<String, Value>> = text.split(',').map(pair).collect();
        let hint = "Give an address (01:00.0), traits (vendor=10de,class=display), or an interface (ens1f0).";
        Value::from(traits.ok_or_else(|| Error::input(format!("{text:?} is no device"), hint))?)
    } else if text.contains(':') {
        Value::from(text)
    } else {
        Value::from(Map::from_iter([("interface".to_owned(), Value::from(text))]))
    };
    let hint = "Give an address (01:00.0), traits (vendor=10de,class=display), or an interface (ens1f0).";
    serde_json::from_value(value).map_err(|err| Error::input(format!("{text:?} is no device: {err}"), hint))
}

/// Returns what the last run of each owner wants of a device, and what the last boot did not make right of it.
fn of_last_runs(target: &Target, device: &PciDevice) -> Result<Question> {
    let mut question = Question::default();
    let runs = match history::in_effect(&target.records()?, &HostView::new("/")) {
        Ok(runs) => runs,
        // Records are for root; everybody else gets the chain without a wish.
        Err(EngineError::Io(err)) if err.kind() == io::ErrorKind::PermissionDenied => return Ok(question),
        Err(err) => return Err(Error::from(err)),
    };
    for run in runs.into_iter().map(|it| it.record) {
        // Nobody asked for that run's declarations: that they cannot be judged any more says nothing about the device.
        let Ok(declared) = target.registry.decode_all(run.declarations) else { continue };
        if question.wanted.is_none()
            && let Some(driver) = wanted(target, &declared, device)?
        {
            let text = format!("No playbook was given: {driver} is what run {} declares.", run.id);
            say(format_args!("{}\n", visible_line(&text)));
            question.wanted = Some(driver);
        }
        let after_boot = target.plan(&declared).map(|it| about(device, it)).unwrap_or_default();
        for finding in after_boot {
            if !question.after_boot.contains(&finding) {
                question.after_boot.push(finding);
            }
        }
    }
    Ok(question)
}

/// Returns what was found about a device, about the command line, and about the boot as a whole.
fn about(device: &PciDevice, plan: Plan) -> Vec<Finding> {
    let address = device.address.to_string();
    let is_about = |it: &Finding| match &it.resource {
        Some(resource) => resource.kind == "kernel_cmdline" || it.reason.contains(&address),
        None => true,
    };
    plan.after_boot.into_iter().filter(is_about).collect()
}

/// Returns the driver that declarations give a device: by address, else by id.
fn wanted(target: &Target, declared: &[Declared], device: &PciDevice) -> Result<Option<String>> {
    let view = target.host.view();
    let mut by_id = None;
    for it in declared {
        let desired = &it.declaration.desired;
        match it.declaration.kind.as_str() {
            "driver_binding" => {
                let selector = desired.get("device").cloned().map(serde_json::from_value::<DeviceSelector>);
                let Some(Ok(selector)) = selector else { continue };
                let found =
                    selector.resolve(&view).map_err(|err: EngineError| Error::planning(err, declared))?;
                let is_it = matches!(found, Found::Device(found) if found.address == device.address);
                if let Some(driver) = desired.get("driver").and_then(Value::as_str).filter(|_| is_it) {
                    return Ok(Some(driver.to_owned()));
                }
            }
            "vfio_pci_ids" => {
                let ids = desired.get("ids").and_then(Value::as_array).into_iter().flatten();
                let mut patterns = ids.filter_map(|it| it.as_str()?.parse::<PciIdPattern>().ok());
                if patterns.any(|it| it.matches(&device.id)) {
                    by_id = Some("vfio-pci".to_owned());
                }
            }
            _ => {}
        }
    }
    Ok(by_id)
}
