//! `hoststate why`: from the firmware to its holder, why a device is or will not be on a driver.

use std::collections::BTreeSet;
use std::io;

use hoststate_abi::host_view::HostView;
use hoststate_core::error::Error as EngineError;
use hoststate_core::host::Host;
use hoststate_core::language::declaration::ResourceId;
use hoststate_core::language::parts;
use hoststate_core::language::registry::Declared;
use hoststate_core::language::resource::Context;
use hoststate_core::language::selector::{DeviceSelector, Found, near};
use hoststate_core::machine::pci_bus::{self, PciDevice};
use hoststate_core::plan::finding::Finding;
use hoststate_core::plan::planned::Plan;
use hoststate_core::record::history;
use hoststate_core::trial::pending;
use hoststate_core::why::chain::{self, Question};
use serde_json::{Map, Value};

use crate::args::WhyArguments;
use crate::error::{Error, Result};
use crate::exit::Exit;
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
        return Err(Error::input(what, "`hoststate inspect devices` lists the devices of this host."));
    };
    let standing = pending::findings(&view, target.past().boot_id)?;
    let question = match &arguments.playbook {
        Some(path) => {
            let declared = target.playbook(path)?.declared;
            let Wish { driver, of_cmdline } = Wish::of(&target, &declared, &device)?;
            let plan = target.plan(&declared)?;
            let planned = plan.next_boot.devices.iter().find(|it| it.address == address).cloned();
            Question { wanted: driver, after_boot: about(&device, &of_cmdline, plan), standing, planned }
        }
        None => Question { standing, ..of_last_runs(&target, &device)? },
    };
    let chain = chain::chain(&view, &target.distro, &device, question)?;
    session.show(&chain)?;
    Ok(Exit::Success)
}

/// Reads `0000:01:00.0`, `10de:0ffc`, `vendor=10de,class=display`, or the name of a network interface.
fn selector(text: &str) -> Result<DeviceSelector> {
    let value = if text.contains('=') {
        let pair = |it: &str| {
            let (name, value) = it.split_once('=')?;
            Some((name.trim().to_owned(), Value::from(value.trim())))
        };
        let traits: Option<Map<String, Value>> = text.split(',').map(pair).collect();
        let hint = "Give an address (01:00.0), ids (10de:0ffc), traits (vendor=10de,class=display), or an interface (ens1f0).";
        Value::from(traits.ok_or_else(|| Error::input(format!("{text:?} is not a device"), hint))?)
    } else if let Some((vendor, device)) =
        text.split_once(':').filter(|it| it.0.len() == 4 && it.1.len() == 4)
    {
        Value::from(Map::from_iter(
            [("vendor", vendor), ("device", device)].map(|it| (it.0.to_owned(), it.1.into())),
        ))
    } else if text.contains(':') {
        Value::from(text)
    } else {
        Value::from(Map::from_iter([("interface".to_owned(), Value::from(text))]))
    };
    let hint = "Give an address (01:00.0), ids (10de:0ffc), traits (vendor=10de,class=display), or an interface (ens1f0).";
    serde_json::from_value(value)
        .map_err(|err| Error::input(format!("{text:?} is not a device: {err}"), hint))
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
        let Wish { driver, of_cmdline } = Wish::of(target, &declared, device)?;
        if let (None, Some(driver)) = (&question.wanted, driver) {
            let text = format!("No playbook was given: {driver} is what run {} declares.", run.id);
            say(format_args!("{}\n", visible_line(&text)));
            question.wanted = Some(driver);
        }
        let after_boot = target.plan(&declared).map(|it| about(device, &of_cmdline, it)).unwrap_or_default();
        for finding in after_boot {
            if !question.after_boot.contains(&finding) {
                question.after_boot.push(finding);
            }
        }
    }
    Ok(question)
}

/// Returns what was found about a device, about the command line, and about the boot as a whole.
fn about(device: &PciDevice, of_cmdline: &BTreeSet<ResourceId>, plan: Plan) -> Vec<Finding> {
    let is_about = |it: &Finding| match &it.resource {
        Some(resource) => of_cmdline.contains(resource) || it.device == Some(device.address),
        None => true,
    };
    plan.after_boot.into_iter().filter(is_about).collect()
}

/// What declarations, and what they hand over, want of a device and of the boot.
struct Wish {
    /// The driver: by address, else by id.
    driver: Option<String>,
    /// The declarations that want something of the kernel command line.
    of_cmdline: BTreeSet<ResourceId>,
}

impl Wish {
    fn of(target: &Target, declared: &[Declared], device: &PciDevice) -> Result<Self> {
        let host = &target.host.view();
        let cx = Context::new(host, &target.distro);
        let failed = |err: EngineError| Error::planning(err, declared);
        let (mut of_device, mut by_id, mut of_cmdline) = (None, None, BTreeSet::new());
        let all = parts::expanded(declared, cx).map_err(failed)?;
        for Declared { id, resource, .. } in all.iter() {
            if resource.cmdline(cx).map_err(failed)?.is_some() {
                of_cmdline.insert(id.clone());
            }
            if let (None, Some(selector), Some(driver)) = (&of_device, resource.device(), resource.driver()) {
                let found = selector.resolve(host).map_err(failed)?;
                let is_it = matches!(found, Found::Device(found) if found.address == device.address);
                of_device = is_it.then(|| driver.to_string());
            }
            if resource.ids().iter().any(|it| it.matches(&device.id)) {
                by_id = Some("vfio-pci".to_owned());
            }
        }
        Ok(Self { driver: of_device.or(by_id), of_cmdline })
    }
}
