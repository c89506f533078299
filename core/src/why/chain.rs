//! Why a PCI device is or will not be on a driver: a chain from the firmware to who holds the device, each link with
//! its evidence.

use std::collections::BTreeMap;

use hoststate_abi::host_view::HostView;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use self::policy::Policy;
use crate::error::{Error, Result};
use crate::formats::kernel_cmdline::Cmdline;
use crate::formats::modprobe_conf::ModuleName;
use crate::formats::pci::class_name;
use crate::guards::rebinding::{self, BY_ID, Claim};
use crate::machine::kernels;
use crate::machine::pci_bus::driver_name;
use crate::machine::pci_bus::{self, PciDevice};
use crate::machine::pci_names::Names;
use crate::mechanism::distro::Distro;
use crate::next_boot::Menu;
use crate::next_boot::booted::Booted;
use crate::next_boot::fate::{self, Certainty, Fate, Stage};
use crate::plan::finding::Finding;

mod boot;
mod holders;
mod loading;
mod next;
mod policy;

/// Format of a chain.
pub const WHY_FORMAT: &str = "hoststate.why/2";

/// How a link stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// It does its part.
    Ok,
    /// It stands in the way.
    Blocks,
    /// The next boot changes it.
    Waits,
    /// It says something, and neither helps nor hinders.
    Fact,
    /// It cannot be read here.
    Unknown,
}

/// One link of the chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Link {
    /// What it is about: `firmware`, `command line`, …
    pub what: String,
    /// How it stands.
    pub standing: Standing,
    /// What is so.
    pub finding: String,
    /// What shows it: a path and its value, a file and its line.
    pub evidence: Vec<String>,
}

/// The whole chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Chain {
    /// [`WHY_FORMAT`].
    pub format: String,
    /// Address of the device.
    pub address: String,
    /// Its class and ids, and what it is called where the host has a name for it.
    pub description: String,
    /// The driver it shall have: a playbook's, or the one that something on the host gives it.
    pub wanted: Option<String>,
    /// The driver it has.
    pub now: Option<String>,
    /// The driver it will have.
    pub next_boot: NextDriver,
    /// The links, from the firmware to the holder.
    pub links: Vec<Link>,
    /// Why it is or will not be on the wanted driver, and what to do: one sentence.
    pub conclusion: String,
}

/// The driver of a device at the next boot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NextDriver {
    /// Its name; null for none. In a race, the one that usually wins.
    pub driver: Option<String>,
    /// How sure that is.
    #[serde(flatten)]
    pub certainty: Certainty,
    /// When it takes the device; null where none does.
    pub stage: Option<Stage>,
}

/// What the links are made from.
struct Case<'a> {
    host: &'a HostView,
    distro: &'a Distro,
    device: &'a PciDevice,
    wanted: Option<String>,
    /// Whether a playbook wants it.
    by_playbook: bool,
    menu: Menu,
    /// What claims it at the next boot.
    claim: Option<Claim>,
    /// What would claim it if the image held what the root file system holds.
    claim_of_root: Option<Claim>,
    /// The kernel of the next boot: that of its entry, else the running one, else the newest.
    kernel: Option<String>,
    policy: Policy,
    /// The modules of that kernel that claim it by its ids.
    rivals: Vec<ModuleName>,
    booted: Option<Booted>,
    /// The parameters of the next boot; `None` where they cannot be told.
    next: Option<(Cmdline, String)>,
}

/// What is asked of a chain, besides the host.
#[derive(Debug, Clone, Default)]
pub struct Question {
    /// The driver that a playbook gives the device.
    pub wanted: Option<String>,
    /// What the last boot was to make right for it and did not.
    pub after_boot: Vec<Finding>,
    /// What is about to happen by itself.
    pub standing: Vec<Finding>,
    /// What becomes of it at the next boot when the playbook is converged; absent where that is no other than without.
    pub planned: Option<Fate>,
}

impl NextDriver {
    fn of(fate: Fate) -> Self {
        Self { driver: fate.next, certainty: fate.certainty, stage: fate.stage }
    }
}

impl Link {
    fn new(what: &str, standing: Standing, finding: impl Into<String>, evidence: Vec<String>) -> Self {
        Self { what: what.to_owned(), standing, finding: finding.into(), evidence }
    }
}

/// Returns the chain of a device.
///
/// # Errors
/// When the host cannot be read.
pub fn chain(host: &HostView, distro: &Distro, device: &PciDevice, question: Question) -> Result<Chain> {
    let mut case = Case::new(host, distro, device, question.wanted)?;
    let mut fates = fate::of(host, distro, &case.menu)?.into_iter();
    let fate = fates.find(|it| it.address == device.address);
    let fate = fate.unwrap_or_else(|| Fate::unknown(device, "nothing is known of this boot"));
    if case.wanted.is_none() && fate.is_certain() && fate.changes() {
        case.wanted.clone_from(&fate.next);
    }
    let mut links = vec![boot::firmware(&case)?];
    links.extend(boot::command_line(&case));
    links.extend(boot::last_boot(&case, &question.after_boot));
    links.extend(boot::standing(&question.standing));
    links.push(holders::group(&case)?);
    links.extend(loading::modules(&case)?);
    let is_sure = fate.is_certain() && fate.next.is_some() && fate.next == case.wanted;
    links.extend(loading::first(&case)?.filter(|it| !is_sure || it.standing == Standing::Ok));
    links.push(loading::claim(&case)?);
    let behind = [vec![holders::driver(&case)?], holders::holders(&case)?.into_iter().collect()].concat();
    // What stands in the way besides what the boot itself makes of it.
    let besides = [links.as_slice(), behind.as_slice()].concat();
    let conclusion = next::conclusion(&case, &besides, &fate, question.planned.as_ref());
    links.push(next::boot(&case, &fate));
    links.extend(behind);
    let id = device.id;
    let name = Names::read(host).device(id.vendor, id.device).map(|it| format!(" {it}")).unwrap_or_default();
    let description = format!("{} {:04x}:{:04x}{name}", class_name(id.class), id.vendor, id.device);
    Ok(Chain {
        format: WHY_FORMAT.to_owned(),
        address: device.address.to_string(),
        description,
        conclusion,
        wanted: case.wanted,
        now: device.driver.clone(),
        next_boot: NextDriver::of(question.planned.unwrap_or(fate)),
        links,
    })
}

/// Says what bound a device to the driver it has.
///
/// # Errors
/// When the host cannot be read.
pub fn bound_by(host: &HostView, distro: &Distro, device: &PciDevice) -> Result<String> {
    let Some(driver) = &device.driver else { return Ok("nothing bound it".to_owned()) };
    if device.driver_override.as_ref() == Some(driver) {
        let path = pci_bus::directory(device.address).join("driver_override");
        return Ok(format!("{} names it", path.display()));
    }
    let case = Case::new(host, distro, device, None)?;
    if let Some(claim) = case.claim.as_ref().filter(|it| it.to.as_ref() == Some(driver)) {
        return Ok(evidence_of(claim).join("; "));
    }
    loading::origin(&case, driver)
}

fn evidence_of(claim: &Claim) -> Vec<String> {
    claim.causes.iter().map(|it| it.evidence.clone()).collect()
}

impl<'a> Case<'a> {
    fn new(
        host: &'a HostView,
        distro: &'a Distro,
        device: &'a PciDevice,
        wanted: Option<String>,
    ) -> Result<Self> {
        // A boot loader that hoststate does not operate has no entries to show; the rest of the chain has.
        let menu = Menu::read(host, distro)?;
        let entry = menu.taken();
        let next = entry.map(|it| (Cmdline::parse(&it.cmdline), format!("{} ({:?})", it.place, it.title)));
        let booted = Booted::read(host, &menu.entries)?;
        let running = booted.as_ref().map(|it| it.cmdline.clone()).unwrap_or_default();
        let parameters = next.as_ref().map_or(&running, |it| &it.0);
        let of_entry = entry.and_then(|it| it.kernel.clone());
        let kernel = of_entry.or(kernels::running(host)?).or(kernels::installed(host)?.0.last().cloned());
        let by_playbook = wanted.is_some();
        let named = wanted.clone().or_else(|| device.driver_override.clone());
        let claimers = BY_ID.into_iter().chain(named.as_deref()).filter_map(|it| ModuleName::parse(it).ok());
        let claimers: Vec<ModuleName> = claimers.collect();
        let rivals = match &kernel {
            Some(release) => pci_bus::modules(host, release, device)?,
            None => Vec::new(),
        };
        let candidates = [claimers.as_slice(), &rivals].concat();
        let policy = Policy::read(host, distro, kernel.as_deref(), parameters, &candidates)?;
        let by_policy = |module: &ModuleName| match claimers.contains(module) {
            true => policy.of_claimer(module),
            false => policy.of_driver(module),
        };
        let claim = rebinding::claim_of(host, device, parameters, &by_policy)?;
        let claim_of_root = rebinding::claim_of(host, device, parameters, &|_| policy.written())?;
        let by_claim = claim.as_ref().or(claim_of_root.as_ref()).and_then(|it| it.to.clone());
        let wanted = wanted.or(by_claim).or_else(|| device.driver_override.clone());
        Ok(Self {
            host,
            distro,
            device,
            wanted,
            by_playbook,
            menu,
            claim,
            claim_of_root,
            kernel,
            policy,
            rivals,
            booted,
            next,
        })
    }

    fn wants_vfio(&self) -> bool {
        self.wanted.as_deref().is_some_and(driver_name::is_for_guests)
    }
}

/// Turns what hoststate does not operate into an absence.
pub(crate) fn supported<T>(result: Result<T>) -> Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(Error::Unsupported { .. }) => Ok(None),
        Err(err) => Err(err),
    }
}

/// Parameters grouped by what they say, for evidence: `text: a, b`.
fn grouped(pairs: impl Iterator<Item = (String, String)>) -> Vec<String> {
    let mut groups: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (text, name) in pairs {
        groups.entry(text).or_default().push(name);
    }
    groups.into_iter().map(|(text, names)| format!("{text}: {}", names.join(", "))).collect()
}
