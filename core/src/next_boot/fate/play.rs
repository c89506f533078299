//! The boot itself: drivers are inserted, and a function keeps the first one that takes it until a rule moves it.

use std::collections::BTreeMap;

use hoststate_abi::pci_address::PciAddress;

use super::coming::Coming;
use super::inserts::{Doubt, Insert, Inserts, Refused};
use super::kmod::Place;
use super::moves::{Moved, Rebinding, Rule};
use super::race::Events;
use super::takes::Takes;
use super::{Certainty, Stage};
use crate::formats::kernel_cmdline::Cmdline;
use crate::formats::modprobe_conf::ModuleName;
use crate::machine::pci_bus::PciDevice;
use crate::next_boot::iommu::Iommu;

/// A function and what claims it.
pub(super) struct Function<'a> {
    pub(super) device: &'a PciDevice,
    /// The modules whose ids are its, in the order of the index.
    pub(super) modules: Vec<ModuleName>,
    /// The driver it has, where that is part of the kernel and names no module: `pcieport`, and those of old kernels.
    pub(super) built_in: Option<String>,
    /// Whether its header is that of a bridge between buses.
    pub(super) is_bridge: bool,
    /// What makes it, for a virtual function to come; the others are there from the start.
    pub(super) coming: Option<&'a Coming>,
}

/// What has taken a function.
#[derive(Debug, Clone)]
pub(super) struct Bound {
    pub(super) driver: String,
    pub(super) stage: Stage,
    pub(super) because: Vec<String>,
    pub(super) certainty: Certainty,
}

/// The names of drivers by their modules; most modules have one.
pub(super) type Registered = BTreeMap<ModuleName, Vec<String>>;

/// The boot as far as it was played.
pub(super) struct Player<'a> {
    pub(super) functions: &'a [Function<'a>],
    by_address: BTreeMap<PciAddress, &'a Function<'a>>,
    pub(super) parameters: &'a Cmdline,
    pub(super) iommu: &'a Iommu,
    /// Names that drivers register, by module, as the running kernel shows them.
    pub(super) names: &'a Registered,
    /// The release of the kernel.
    pub(super) release: &'a str,
    pub(super) loaded: Vec<Insert>,
    /// Where in it what one request loads begins: that comes in its order.
    requests: Vec<usize>,
    pub(super) bound: BTreeMap<PciAddress, Bound>,
    pub(super) overrides: BTreeMap<PciAddress, (String, String)>,
    /// The drivers that were ever asked for by address, and by whom.
    pub(super) asked: BTreeMap<PciAddress, (String, String)>,
    /// The ids that vfio-pci is given in the root, and by whom, whether it is loaded or not.
    pub(super) asked_by_id: Option<(String, String)>,
    /// Why a driver that a rule gave a function did not take it.
    pub(super) declined: BTreeMap<PciAddress, String>,
    /// The functions that scripts and commands of rules move.
    pub(super) moved: BTreeMap<PciAddress, Moved>,
    pub(super) removed: BTreeMap<PciAddress, String>,
    /// The functions to come that have come, and what makes that unsure.
    pub(super) came: BTreeMap<PciAddress, Option<String>>,
    pub(super) refused: Vec<Refused>,
    pub(super) doubts: Vec<Doubt>,
}

impl<'a> Player<'a> {
    pub(super) fn new(
        functions: &'a [Function<'a>],
        parameters: &'a Cmdline,
        iommu: &'a Iommu,
        names: &'a Registered,
        release: &'a str,
    ) -> Self {
        Self {
            functions,
            by_address: functions.iter().map(|it| (it.device.address, it)).collect(),
            parameters,
            iommu,
            names,
            release,
            loaded: Vec::new(),
            requests: Vec::new(),
            bound: BTreeMap::new(),
            overrides: BTreeMap::new(),
            asked: BTreeMap::new(),
            asked_by_id: None,
            declined: BTreeMap::new(),
            moved: BTreeMap::new(),
            removed: BTreeMap::new(),
            came: BTreeMap::new(),
            refused: Vec::new(),
            doubts: Vec::new(),
        }
    }

    /// A list is loaded, one after the other; where `heeds` is set the blacklist counts.
    pub(super) fn list(
        &mut self,
        place: &Place<'_>,
        (stage, heeds): (Stage, bool),
        list: &[(String, Option<String>, String)],
    ) {
        for (name, arguments, because) in list {
            let done = place.by_name(name, (arguments.as_deref(), heeds), because.clone(), &self.loaded);
            self.take_in(&done);
            self.insert(done.done, stage);
        }
    }

    /// Drivers are inserted: each is offered every function, and those that were there before look at none again.
    pub(super) fn insert(&mut self, inserts: Vec<Insert>, stage: Stage) {
        self.requests.push(self.loaded.len());
        for insert in inserts {
            for function in self.functions {
                self.offer(&insert, function, stage);
            }
            if !self.loaded.iter().any(|it| it.module == insert.module) {
                self.loaded.push(insert);
            }
        }
    }

    /// Returns what was loaded since, by request; what udev had loaded for all functions at once, one by one.
    pub(super) fn requested_since(&self, loaded: usize) -> impl Iterator<Item = &[Insert]> {
        let starts = self.requests.iter().copied().filter(move |it| *it >= loaded);
        let ends = starts.clone().skip(1).chain([self.loaded.len()]);
        let at_once = starts.clone().next().unwrap_or(self.loaded.len());
        let requested = starts.zip(ends).map(|(start, end)| &self.loaded[start..end]);
        self.loaded[loaded..at_once].chunks(1).chain(requested)
    }

    /// Returns the function at an address.
    pub(super) fn function(&self, address: PciAddress) -> Option<&'a Function<'a>> {
        self.by_address.get(&address).copied()
    }

    /// udev looks at every function, at all of them at once, while `beside` is loaded by somebody else.
    pub(super) fn udev(
        &mut self,
        place: &Place<'_>,
        stage: Stage,
        rules: &dyn Fn(&PciDevice) -> Vec<Rule>,
        beside: &[(String, Option<String>, String)],
    ) {
        let mut events = Events::default();
        let mut rebinding = Vec::new();
        let before = self.moment();
        for function in self.functions {
            events.push(match self.is_here(function) {
                true => self.event(place, function, rules, &mut rebinding).done,
                false => Vec::new(),
            });
        }
        let mut listed = Inserts::default();
        for (name, arguments, because) in beside {
            let loaded = [self.loaded.as_slice(), &listed.done].concat();
            let asked = (arguments.as_deref(), true);
            merge(&mut listed, place.by_name(name, asked, because.clone(), &loaded));
        }
        self.take_in(&listed);
        for (index, function) in self.functions.iter().enumerate() {
            self.race(function, index, &events, &listed.done, stage);
        }
        for insert in events.into_inserts().chain(listed.done) {
            if !self.loaded.iter().any(|it| it.module == insert.module) {
                self.loaded.push(insert);
            }
        }
        for it in rebinding {
            self.rebind(&it);
        }
        self.arrive(place, stage, rules, &before);
    }

    /// udev sees a function: its rules are obeyed, and what they and then its modalias ask for is loaded.
    pub(super) fn event(
        &mut self,
        place: &Place<'_>,
        function: &'a Function<'a>,
        rules: &dyn Fn(&PciDevice) -> Vec<Rule>,
        rebinding: &mut Vec<Rebinding<'a>>,
    ) -> Inserts {
        let mut event = Inserts::default();
        for rule in rules(function.device) {
            self.obey(&rule, function);
            if let Some((name, heeds)) = &rule.loads {
                let because = format!("{}: loads {name}", rule.place);
                merge(&mut event, place.by_name(name, (None, *heeds), because, &self.loaded));
            }
            if let Some(command) = rule.rebinds {
                let modules = self.loaded.iter().chain(&event.done).map(|it| it.module.clone());
                let loaded = modules.collect();
                let (gives_back, place) = (rule.gives_back, rule.place.clone());
                rebinding.push(Rebinding { function, command, gives_back, place, loaded });
            }
        }
        merge(&mut event, place.by_alias(&function.device.modalias, &function.modules, &self.loaded));
        self.take_in(&event);
        event
    }

    pub(super) fn take_in(&mut self, inserts: &Inserts) {
        for it in &inserts.refused {
            if !self.refused.contains(it) {
                self.refused.push(it.clone());
            }
        }
        for it in &inserts.doubts {
            if !self.doubts.contains(it) {
                self.doubts.push(it.clone());
            }
        }
    }

    /// Offers a function to a driver that is new, or that looks again.
    pub(super) fn offer(&mut self, insert: &Insert, function: &Function<'_>, stage: Stage) {
        if self.bound.contains_key(&function.device.address) || !self.is_here(function) {
            return;
        }
        match self.takes(insert, function) {
            Takes::Yes(because) => self.bind(insert, function, stage, because, Certainty::Certain),
            Takes::Unknown(reason) => {
                self.bind(insert, function, stage, Vec::new(), Certainty::Unknown { reason });
            }
            Takes::No(_) => {}
        }
    }

    pub(super) fn bind(
        &mut self,
        insert: &Insert,
        function: &Function<'_>,
        stage: Stage,
        how: Vec<String>,
        certainty: Certainty,
    ) {
        let mut because = insert.because.clone();
        because.extend(how);
        let driver = self.driver_of(&insert.module, function);
        self.bound.insert(function.device.address, Bound { driver, stage, because, certainty });
    }
}

fn merge(into: &mut Inserts, more: Inserts) {
    for it in more.done {
        if !into.done.iter().any(|known| known.module == it.module) {
            into.done.push(it);
        }
    }
    into.refused.extend(more.refused);
    into.doubts.extend(more.doubts);
}
