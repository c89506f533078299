//! What udev does with the two kinds of rules hoststate writes for PCI devices, and nothing else of udev.

use std::path::Path;

use hoststate_abi::host_view::HostView;
use hoststate_abi::pci_address::PciAddress;
use hoststate_abi::step::Step;
use hoststate_core::error::Result;
use hoststate_core::formats::udev_rules::assigned_attributes;
use hoststate_core::formats::udev_rules::boot_command::BootCommand;
use hoststate_core::formats::udev_rules::rule;
use hoststate_core::host::{Done, Host};
use hoststate_core::machine::pci_bus::rule_values;
use hoststate_core::run::boot_device;

use super::{SimHost, kernel, modules};
use crate::pci::BUS;

const RULES: &str = "/etc/udev/rules.d";

/// A device was added: the rules for it run, and the distribution's rule loads the module that knows its ids.
pub(super) fn added(host: &SimHost, address: PciAddress) {
    if !host.has_udev {
        return;
    }
    apply(host, address, "add");
    let Some(device) = kernel::find(host, &address.to_string()) else { return };
    if let (None, Some(driver)) = (&device.driver, kernel::native(host, &device)) {
        modules::load_for_device(host, &driver);
    }
    apply(host, address, "bind");
}

/// Applies the rules for one event of one device, in the order of files and lines.
fn apply(host: &SimHost, address: PciAddress, action: &str) {
    let view = host.tree.view();
    let mut run = Vec::new();
    for name in view.list(Path::new(RULES)).expect("readable rules") {
        let text = host.tree.read(Path::new(RULES).join(name)).unwrap_or_default();
        for rule in text.lines().filter(|it| matches(host, it, address, action)) {
            for assignment in assigned_attributes(rule) {
                let (attribute, value) = assignment.split_once('=').expect("name=value");
                let path = format!("{BUS}/{address}/{attribute}");
                match kernel::write(host, Path::new(&path), value) {
                    // What the kernel refuses udev writes into its log, and goes on.
                    Ok(()) | Err(_) => {}
                }
            }
            run.extend(rule.split("RUN").skip(1).map(str::to_owned));
        }
    }
    for command in run {
        if let Some(module) = command.strip_prefix("{builtin}+=\"kmod load ") {
            modules::modprobe(host, module.trim_end_matches(['"', ' ', ',']));
        } else if command.contains(BootCommand::WORD) {
            for (_, command) in rule::parse(&format!("RUN{command}")).iter().filter_map(BootCommand::of_rule)
            {
                boot_device::carry_out(&command, &Event(host)).expect("a readable device");
            }
        } else if command.contains("/unbind") && command.contains("drivers_probe") {
            rebind(host, address);
        }
    }
}

fn matches(host: &SimHost, rule: &str, address: PciAddress, action: &str) -> bool {
    let Some(device) = kernel::find(host, &address.to_string()) else { return false };
    let known = |key: &str, name: Option<&str>| match key {
        "ACTION" => Some(vec![action.to_owned()]),
        "SUBSYSTEM" => Some(vec!["pci".to_owned()]),
        _ => rule_values::of(&device, key, name),
    };
    rule::parse(rule).iter().any(|it| it.may_match(known))
}

/// The host as a program sees it that udev runs.
struct Event<'a>(&'a SimHost);

impl Host for Event<'_> {
    fn view(&self) -> HostView {
        self.0.tree.view()
    }

    fn perform(&self, step: &Step) -> Result<Done> {
        let Step::WriteAttribute { path, value } = step else { panic!("a boot rule does this: {step}") };
        let resolved = self.view().resolve(path)?;
        kernel::write(self.0, &resolved, value).map_err(|errno| SimHost::refuse(path, value, errno))?;
        Ok(Done::default())
    }

    fn sync(&self) -> Result<()> {
        Ok(())
    }

    fn wait_for_devices(&self, _attempt: u32) -> bool {
        false
    }
}

/// What the shell in a rule of an earlier version's `driver_binding` does.
fn rebind(host: &SimHost, address: PciAddress) {
    let Some(device) = kernel::find(host, &address.to_string()) else { return };
    if device.driver_override.is_none() || device.driver == device.driver_override {
        return;
    }
    if let Some(driver) = &device.driver {
        let path = format!("/sys/bus/pci/drivers/{driver}/unbind");
        kernel::write(host, Path::new(&path), &address.to_string()).expect("it is bound to that driver");
    }
    kernel::probe(host, address);
    if kernel::find(host, &address.to_string()).is_some_and(|it| it.driver.is_none()) {
        let path = format!("{BUS}/{address}/driver_override");
        kernel::write(host, Path::new(&path), "\n").expect("the device is there");
        kernel::probe(host, address);
    }
}
