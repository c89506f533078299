//! How the functions of a host hang together, and which of them a request cannot be told apart from.

use std::collections::BTreeMap;
use std::path::Path;

use hoststate_abi::host_view::HostView;
use hoststate_abi::pci_address::PciAddress;

use super::quirks::{self, Asked};
use crate::error::Result;
use crate::formats::acpi::{self, Alias};
use crate::machine::iommu;
use crate::machine::pci_bus::config_space::{self, Express};
use crate::machine::pci_bus::{self, PciDevice};

/// Where the chipset of Intel shows whether its registers can be reached (`INTEL_LPC_RCBA_REG`), the bit that says so, and
/// which device of the bus has it (1f.0).
const CHIPSET_REGISTERS: usize = 0xf0;
const CHIPSET_REGISTERS_ON: u8 = 1;
const CHIPSET: u16 = 0x1f << 3;

/// Domains from here on are made by a controller that has a root of its own behind it (drivers/pci/controller/vmd.c).
const MADE_DOMAINS: u32 = 0x1_0000;

/// A function, and what its group depends on.
#[derive(Debug)]
struct Function {
    device: PciDevice,
    express: Option<Express>,
    is_multifunction: bool,
    /// Whether it keeps what it forwards, or its functions, apart.
    is_apart: bool,
    /// Whether the kernel's tables say so, and not the device.
    by_table: bool,
    /// Whether it answers.
    is_dead: bool,
    /// The controller whose requests its own are.
    behind: Option<PciAddress>,
}

/// All functions of a host.
#[derive(Debug)]
pub(super) struct Topology {
    functions: BTreeMap<PciAddress, Function>,
    /// The bridge to each bus, by domain and bus.
    bridges: BTreeMap<(u32, u8), PciAddress>,
    /// Ids that the firmware of an AMD says stand for others.
    aliases: Vec<Alias>,
}

impl Topology {
    /// Reads it; the inner error says why the groups cannot be told.
    pub(super) fn read(host: &HostView) -> Result<std::result::Result<Self, String>> {
        let devices = pci_bus::devices(host)?;
        let mut configs = BTreeMap::new();
        let mut bridges = BTreeMap::new();
        for device in devices.iter() {
            let (address, path) = (device.address, pci_bus::directory(device.address).join("config"));
            let Some(config) = host.read_bytes(&path)? else {
                return Ok(Err(format!("{} is not there", path.display())));
            };
            if !config_space::is_whole(&config) {
                return Ok(Err(format!(
                    "{} ends behind its header: only root sees the rest",
                    path.display()
                )));
            }
            if let Some(bus) = config_space::secondary_bus(&config).filter(|it| *it != 0) {
                bridges.insert((address.domain(), bus), address);
            }
            configs.insert(address, config);
        }
        let ivrs = host.read_bytes(&Path::new(iommu::TABLES).join("IVRS"))?;
        let mut functions = BTreeMap::new();
        for device in devices.iter() {
            let function = Function::read(host, device, &configs, &bridges, ivrs.is_some())?;
            functions.insert(device.address, function);
        }
        let aliases = ivrs.map_or(Vec::new(), |it| acpi::aliases_of_ivrs(&it));
        Ok(Ok(Self { functions, bridges, aliases }))
    }

    pub(super) fn addresses(&self) -> impl Iterator<Item = PciAddress> {
        self.functions.keys().copied()
    }

    /// Returns the functions about which the device or the kernel does not tell enough, and why.
    pub(super) fn doubts(&self, is_old: bool) -> BTreeMap<PciAddress, String> {
        let mut doubts = BTreeMap::new();
        for (address, function) in &self.functions {
            let id = &function.device.id;
            if function.is_dead {
                doubts.insert(
                    *address,
                    format!("{address} does not answer, its configuration space reads as ff"),
                );
            } else if is_old && function.by_table {
                let why = "keeps its requests apart by the kernel's tables only, and those of this kernel are not known";
                doubts.insert(*address, format!("{address} ({:04x}:{:04x}) {why}", id.vendor, id.device));
            }
        }
        doubts
    }

    /// Returns pairs of functions that will be in one group.
    pub(super) fn pairs(&self) -> impl Iterator<Item = (PciAddress, PciAddress)> {
        self.functions.values().flat_map(|it| {
            let others = match self.group_above(it) {
                Some(other) => vec![other],
                None => self.beside(it),
            };
            others.into_iter().map(|other| (it.device.address, other))
        })
    }

    /// Returns the device above whose group a function belongs to.
    fn group_above(&self, function: &Function) -> Option<PciAddress> {
        if function.behind.is_some() {
            return function.behind;
        }
        let above = self.above(&function.device);
        // A bridge to conventional PCI puts its own id on what it forwards.
        for bridge in &above {
            if quirks::has_own_iommu(&bridge.device) {
                break;
            }
            if matches!(bridge.express, None | Some(Express::ToConventional | Express::FromConventional)) {
                return Some(bridge.device.address);
            }
        }
        // What a port does not send up to the IOMMU reaches its neighbours untranslated.
        let keeps_apart = above.iter().all(|it| it.is_apart);
        (!keeps_apart).then(|| above[0].device.address)
    }

    /// Returns the bridges above a function, the nearest first. A virtual function is on the bus of its physical one.
    fn above(&self, device: &PciDevice) -> Vec<&Function> {
        let mut above = Vec::new();
        let mut below = device.physfn.unwrap_or(device.address);
        while let Some(bridge) = self.bridges.get(&(below.domain(), below.bus())) {
            // A damaged space may name a bus above itself.
            if above.len() > usize::from(u8::MAX) {
                break;
            }
            above.extend(self.functions.get(bridge));
            below = *bridge;
        }
        above
    }

    /// Returns the functions on the same bus that a function's requests cannot be told from.
    fn beside(&self, function: &Function) -> Vec<PciAddress> {
        let own = function.device.address;
        let bus = own.routing_id() & 0xff00;
        let place = |id: u16| PciAddress::of_routing_id(own.domain(), bus | id);
        let is_beside = |(other, it): &(&PciAddress, &Function)| {
            let is_alias = quirks::stands_for(&function.device, (other.device(), other.function()));
            let is_in_slot = other.device() == own.device() && function.is_multifunction;
            is_alias || self.is_alias(own, **other) || (is_in_slot && !function.is_apart && !it.is_apart)
        };
        let on_bus = self.functions.range(place(0)..=place(0xff));
        on_bus.filter(is_beside).map(|it| *it.0).collect()
    }

    /// Returns whether the firmware says that requests of one carry the id of another on its bus.
    fn is_alias(&self, own: PciAddress, other: PciAddress) -> bool {
        let id = own.routing_id();
        let is_of = |it: &&Alias| own.domain() == 0 && it.of.first <= id && id <= it.of.last;
        self.aliases.iter().filter(is_of).any(|it| it.to == other.routing_id())
    }
}

impl Function {
    fn read(
        host: &HostView,
        device: &PciDevice,
        configs: &BTreeMap<PciAddress, Vec<u8>>,
        bridges: &BTreeMap<(u32, u8), PciAddress>,
        has_ivrs: bool,
    ) -> Result<Self> {
        let address = device.address;
        let config = &configs[&address];
        let express = config_space::express(config);
        // The kernel takes every function but the first for one of several; a virtual one is in no slot.
        let is_later = address.function() > 0 && device.physfn.is_none();
        let is_multifunction = is_later || config_space::is_multifunction(config);
        let is_its_own = match express {
            None | Some(Express::ToConventional | Express::FromConventional | Express::EventCollector) => {
                false
            }
            Some(Express::RootPort | Express::DownstreamPort) => config_space::has_access_control(config),
            Some(Express::Endpoint | Express::UpstreamPort | Express::Integrated) => {
                !is_multifunction || config_space::has_access_control(config)
            }
            Some(Express::Other) => true,
        };
        let chipset = PciAddress::of_routing_id(address.domain(), address.routing_id() & 0xff00 | CHIPSET);
        let registers = configs.get(&chipset).and_then(|it| it.get(CHIPSET_REGISTERS));
        let asked = Asked {
            express,
            is_multifunction,
            is_on_root_bus: !bridges.contains_key(&(address.domain(), address.bus())),
            has_ivrs,
            has_chipset_registers: registers.is_some_and(|it| it & CHIPSET_REGISTERS_ON != 0),
        };
        let by_table = quirks::is_isolated(device, &asked);
        let behind = match address.domain() >= MADE_DOMAINS {
            true => pci_bus::above(host, &pci_bus::directory(address))?,
            false => Vec::new(),
        };
        Ok(Self {
            device: device.clone(),
            express,
            is_multifunction,
            is_apart: by_table.unwrap_or(is_its_own),
            by_table: by_table == Some(true) && !is_its_own,
            is_dead: config_space::is_dead(config),
            behind: behind.into_iter().find(|it| it.domain() != address.domain()),
        })
    }
}
