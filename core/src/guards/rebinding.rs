//! Which devices a plan puts on another driver, and why: by address, by id, by a blacklist, at once or at the next
//! boot.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;
use std::rc::Rc;

use hoststate_abi::host_view::HostView;
use hoststate_abi::pci_address::PciAddress;

use crate::error::{Error, Result};
use crate::formats::kernel_cmdline::Cmdline;
use crate::formats::modprobe_conf::{ModprobeView, ModuleName};
use crate::formats::pci::PciIdPattern;
use crate::guards::boot_parameters::{self, BootParameters};
use crate::machine::guests::{self, Guest};
use crate::machine::modprobe_d;
use crate::machine::pci_bus::driver_name;
use crate::machine::pci_bus::{self, PciDevice};
use crate::next_boot::fate::{Certainty, Fate};
use crate::plan::scene::Scene;

/// What libvirt and Proxmox VE bind a device to.
const FOR_GUESTS: &str = "vfio-pci";

mod claim;
mod now;

pub use claim::{BY_ID, Claim};

/// A device that leaves the driver it has, or gets a driver where it had none.
#[derive(Debug, Clone)]
pub struct Rebinding {
    /// The device as it is.
    pub device: PciDevice,
    /// The driver it gets; `None` when it is left without one.
    pub to: Option<String>,
    /// What brings it about.
    pub causes: Vec<Cause>,
    /// Whether what the plan sets for it does not suffice: the next boot surely leaves it with the driver that it has.
    pub falls_short: bool,
}

/// Something that moves a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    /// How it finds the device.
    pub kind: Kind,
    /// Where a person can see it, e.g. `/etc/modprobe.d/x.conf:3 gives 10de:0ffc to vfio-pci`.
    pub evidence: String,
}

/// How a cause finds a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// By an id, which others may have.
    Id(PciIdPattern),
    /// By its address.
    Address,
    /// By the driver it has now, which is kept from it.
    Driver,
    /// In whatever way the next boot does, though this plan does not bring it about: by a rule that stands there already,
    /// by an image that is made anew.
    Boot,
    /// By a guest that is started at boot.
    Guest,
}

/// What becomes of the PCI devices.
#[derive(Debug)]
pub struct Rebindings {
    /// The devices that leave the driver they have, by address: by the plan, or by the next boot without it.
    pub all: Vec<Rebinding>,
    /// What every claimed device will be claimed by.
    claims: BTreeMap<PciAddress, Claim>,
}

impl Rebinding {
    /// Returns whether the plan brings it about.
    pub fn is_planned(&self) -> bool {
        self.causes.iter().any(|it| !matches!(it.kind, Kind::Boot | Kind::Guest))
    }

    /// Returns whether nothing but a guest that is started at boot takes it.
    pub fn is_of_guest(&self) -> bool {
        self.causes.iter().all(|it| it.kind == Kind::Guest)
    }

    /// Returns whether it goes to a driver that keeps it for guests.
    pub fn is_for_guests(&self) -> bool {
        self.to.as_deref().is_some_and(driver_name::is_for_guests)
    }

    /// Returns what happens, as `leaves nvme for vfio-pci`.
    pub fn what(&self) -> String {
        match (&self.device.driver, &self.to) {
            (Some(from), Some(to)) if self.falls_short => format!("is to leave {from} for {to}"),
            (Some(from), None) if self.falls_short => format!("is to lose its driver {from}"),
            (Some(from), Some(to)) => format!("leaves {from} for {to}"),
            (Some(from), None) => format!("loses its driver {from}"),
            (None, Some(to)) => format!("goes to {to}"),
            (None, None) => "stays without a driver".to_owned(),
        }
    }

    /// Returns what distinguishes it from any other: address, ids, the driver it leaves and the one it gets.
    pub fn identity(&self) -> [String; 4] {
        let id = self.device.id;
        let name = |it: &Option<String>| it.clone().unwrap_or_default();
        [
            self.device.address.to_string(),
            format!("{:04x}:{:04x}", id.vendor, id.device),
            name(&self.device.driver),
            name(&self.to),
        ]
    }

    /// Returns the driver it has and every cause.
    pub fn evidence(&self) -> Vec<String> {
        let link = pci_bus::directory(self.device.address).join("driver");
        let mut evidence: Vec<String> =
            self.device.driver.iter().map(|it| format!("{} is {it}", link.display())).collect();
        evidence.extend(self.causes.iter().map(|it| it.evidence.clone()));
        evidence
    }
}

impl Rebindings {
    /// Adds a device that a guest takes from a driver of the host when it is started.
    fn add_guest(&mut self, device: &PciDevice, guest: &Guest) {
        let is_free = device.driver.as_deref().is_none_or(driver_name::is_for_guests);
        if is_free || self.of(device.address).is_some() {
            return;
        }
        let evidence = taken_by(guest, device.address);
        let causes = vec![Cause { kind: Kind::Guest, evidence }];
        let to = Some(FOR_GUESTS.to_owned());
        self.all.push(Rebinding { device: device.clone(), to, causes, falls_short: false });
    }

    /// Returns the driver a device will have after the next boot, as far as it can be told.
    pub fn driver_of<'a>(&'a self, device: &'a PciDevice) -> Option<&'a str> {
        if let Some(rebinding) = self.of(device.address) {
            return rebinding.to.as_deref();
        }
        match self.claims.get(&device.address) {
            Some(claim) => claim.to.as_deref(),
            None => device.driver.as_deref(),
        }
    }

    /// Returns the rebinding of a device.
    pub fn of(&self, address: PciAddress) -> Option<&Rebinding> {
        self.all.iter().find(|it| it.device.address == address)
    }
}

/// Returns what claims a device at a boot with these parameters; `policy` is the modprobe.d that a module is loaded
/// with.
///
/// # Errors
/// When the host cannot be read.
pub fn claim_of<'a>(
    host: &HostView,
    device: &PciDevice,
    parameters: &Cmdline,
    policy: &dyn Fn(&ModuleName) -> &'a ModprobeView,
) -> Result<Option<Claim>> {
    Ok(claim::all(host, std::slice::from_ref(device), parameters, policy)?.remove(&device.address))
}

/// Finds the devices that a plan moves, once per plan.
///
/// # Errors
/// When the host cannot be read.
pub fn rebindings(scene: Scene<'_>) -> Result<Rc<Rebindings>> {
    scene.made(find)
}

fn find(scene: Scene<'_>) -> Result<Rebindings, Error> {
    let mut rebindings = Rebindings { all: Vec::new(), claims: BTreeMap::new() };
    let devices = pci_bus::devices(scene.before)?;
    if devices.is_empty() {
        return Ok(rebindings);
    }
    if scene.steps().next().is_some() {
        rebindings = planned(scene, &devices)?;
    }
    let others = scene.fates.iter().filter(|it| rebindings.of(it.address).is_none()).filter_map(|fate| {
        let at = devices.binary_search_by_key(&fate.address, |it| it.address).ok()?;
        by_boot(&devices[at], fate)
    });
    let others: Vec<Rebinding> = others.collect();
    rebindings.all.extend(others);
    for guest in guests::started_at_boot(scene.after)? {
        for address in &guest.devices {
            let Ok(at) = devices.binary_search_by_key(address, |it| it.address) else { continue };
            rebindings.add_guest(&devices[at], &guest);
        }
    }
    rebindings.all.sort_by_key(|it| it.device.address);
    Ok(rebindings)
}

/// Says that a guest takes a device when the host boots.
pub fn taken_by(guest: &Guest, address: PciAddress) -> String {
    format!("{}: the guest {} is started at boot, and takes {address}", guest.file.display(), guest.name)
}

/// Returns what the next boot takes a device for, though the plan does not.
fn by_boot(device: &PciDevice, fate: &Fate) -> Option<Rebinding> {
    let for_guests = |it: &&str| driver_name::is_for_guests(it);
    let next = fate.next.as_deref();
    let to = match &fate.certainty {
        Certainty::Certain if fate.kept_away => None,
        Certainty::Race { with } => Some(next.filter(for_guests).or(Some(with.as_str()).filter(for_guests))?),
        Certainty::Certain | Certainty::Unknown { .. } => Some(next.filter(for_guests)?),
    };
    if to == device.driver.as_deref() {
        return None;
    }
    let evidence = fate.because.iter().map(|it| format!("the next boot: {it}"));
    let causes = evidence.map(|evidence| Cause { kind: Kind::Boot, evidence }).collect();
    Some(Rebinding { device: device.clone(), to: to.map(str::to_owned), causes, falls_short: false })
}

/// Finds the devices that the plan itself moves.
fn planned(scene: Scene<'_>, devices: &[PciDevice]) -> Result<Rebindings, Error> {
    let mut rebindings = Rebindings { all: Vec::new(), claims: BTreeMap::new() };
    let parameters = boot_parameters::read(scene)?;
    let before = {
        let policy = modprobe_d::view(scene.before)?;
        claim::all(scene.before, devices, &parameters.before, &|_| &policy)?
    };
    let after = {
        let policy = modprobe_d::view(scene.after)?;
        claim::all(scene.after, devices, &parameters.after, &|_| &policy)?
    };
    let moved = now::moves(scene, devices);
    let sooner = loads_sooner(scene, &parameters)?;
    for device in devices.iter() {
        let address = device.address;
        let mut rebinding =
            Rebinding { device: device.clone(), to: None, causes: Vec::new(), falls_short: false };
        if let Some(claim) = after.get(&address).filter(|it| it.to != device.driver) {
            let old = before.get(&address).filter(|it| it.to == claim.to);
            if old.is_none() {
                rebinding.to.clone_from(&claim.to);
                rebinding.causes.clone_from(&claim.causes);
            } else if let (Some(why), true) = (&sooner, claim.is_by_id()) {
                rebinding.to.clone_from(&claim.to);
                rebinding.causes.clone_from(&claim.causes);
                rebinding.causes.push(Cause { kind: Kind::Driver, evidence: why.clone() });
            }
        }
        if let Some(moved) = moved.get(&address).filter(|it| it.to != device.driver) {
            rebinding.to.clone_from(&moved.to);
            rebinding.causes.extend(moved.causes.iter().cloned());
        }
        if !rebinding.causes.is_empty() {
            let stays = |it: &&Fate| it.address == address && it.is_certain() && it.next == device.driver;
            rebinding.falls_short = !moved.contains_key(&address) && scene.fates.iter().any(|it| stays(&it));
            rebindings.all.push(rebinding);
        }
    }
    rebindings.claims = after;
    Ok(rebindings)
}

/// Returns what makes vfio-pci load earlier than it does now: devices with its ids, that their own drivers got until
/// now because they were loaded first, are then lost to them.
fn loads_sooner(scene: Scene<'_>, parameters: &BootParameters) -> Result<Option<String>> {
    let names_vfio = |text: &str| text.contains("vfio-pci") || text.contains("vfio_pci");
    let udev = Path::new("/etc/udev");
    for path in scene.changed_files()?.iter().filter(|it| !it.starts_with(udev)) {
        let text = scene.after.read_lossy(path)?.unwrap_or_default();
        let old = scene.before.read_lossy(path)?.unwrap_or_default();
        let old: HashSet<&str> = old.lines().collect();
        let is_new = |line: &&str| names_vfio(line) && !old.contains(line);
        // An `options` line gives ids; it makes nothing load.
        let mut lines =
            text.lines().filter(|it| !it.trim_start().starts_with('#') && !it.starts_with("options"));
        // A boot loader's file is seen through its parameters.
        if let Some(line) = lines.find(is_new).filter(|_| !names_boot_parameters(parameters, &text)) {
            return Ok(Some(format!("{} makes vfio-pci load sooner: {line:?}", path.display())));
        }
    }
    let sooner = parameters
        .added
        .iter()
        .find(|it| it.same_name("rd.driver.pre") && it.value().is_some_and(names_vfio));
    Ok(sooner.map(|it| format!("the kernel command line makes vfio-pci load sooner: {it}")))
}

fn names_boot_parameters(parameters: &BootParameters, text: &str) -> bool {
    parameters.added.iter().any(|it| text.contains(it.raw()))
}
