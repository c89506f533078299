//! The boot itself: drivers are inserted, and a function keeps the first one that takes it until a rule moves it.

use std::collections::BTreeMap;

use hoststate_abi::pci_address::PciAddress;

use super::inserts::{Doubt, Insert, Inserts, Refused, Switches};
use super::kmod::{Kernel, Place, is_true};
use super::moves::{Moved, Rule};
use super::takes::{BY_ID, Takes};
use super::{Certainty, Stage};
use crate::formats::kernel_cmdline::{Cmdline, Parameter};
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
    /// Whether only a driver that its override names may have it.
    pub(super) needs_override: bool,
}

/// What has taken a function.
#[derive(Debug, Clone)]
pub(super) struct Bound {
    pub(super) driver: String,
    pub(super) stage: Stage,
    pub(super) because: Vec<String>,
    pub(super) certainty: Certainty,
}

/// The boot as far as it was played.
pub(super) struct Player<'a> {
    pub(super) functions: &'a [Function<'a>],
    pub(super) parameters: &'a Cmdline,
    pub(super) iommu: &'a Iommu,
    /// Names that drivers register, by module, as the running kernel shows them.
    pub(super) names: &'a BTreeMap<ModuleName, String>,
    /// The release of the kernel.
    pub(super) release: &'a str,
    pub(super) loaded: Vec<Insert>,
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
    pub(super) refused: Vec<Refused>,
    pub(super) doubts: Vec<Doubt>,
}

impl<'a> Player<'a> {
    pub(super) fn new(
        functions: &'a [Function<'a>],
        parameters: &'a Cmdline,
        iommu: &'a Iommu,
        names: &'a BTreeMap<ModuleName, String>,
        release: &'a str,
    ) -> Self {
        Self {
            functions,
            parameters,
            iommu,
            names,
            release,
            loaded: Vec::new(),
            bound: BTreeMap::new(),
            overrides: BTreeMap::new(),
            asked: BTreeMap::new(),
            asked_by_id: None,
            declined: BTreeMap::new(),
            moved: BTreeMap::new(),
            removed: BTreeMap::new(),
            refused: Vec::new(),
            doubts: Vec::new(),
        }
    }

    /// Drivers that are part of the kernel take what is theirs, in the order in which they were linked.
    pub(super) fn built_in(&mut self, kernel: &Kernel, rank: &dyn Fn(&ModuleName) -> usize) {
        let is_by_id = |it: &&ModuleName| BY_ID.contains(&it.as_str());
        let mut drivers: Vec<Insert> = Vec::new();
        for module in kernel.builtin.iter().filter(is_by_id) {
            let driver = module.as_str().replace('_', "-");
            let parameter = self.parameters.parameters().rfind_named(&format!("{driver}.ids"));
            let ids = parameter.and_then(|it| {
                Some((it.value()?.to_owned(), format!("the kernel command line: {}", it.raw())))
            });
            let denylist = self.parameters.parameters().rfind_named(&format!("{driver}.disable_denylist"));
            let unsafe_mode = self.parameters.parameters().rfind_named("vfio.enable_unsafe_noiommu_mode");
            let is_on = |it: Option<&Parameter>| it.is_some_and(|it| is_true(it.value()));
            let switches = Switches { takes_denied: is_on(denylist), without_iommu: is_on(unsafe_mode) };
            drivers.push(Insert {
                module: module.clone(),
                ids,
                switches,
                because: vec![format!("{module} is built in")],
            });
        }
        for function in self.functions {
            if let Some(driver) = &function.built_in {
                let because = vec![format!("{driver} is built in")];
                let (stage, certainty) = (Stage::BuiltIn, Certainty::Certain);
                let bound = Bound { driver: driver.clone(), stage, because, certainty };
                self.bound.insert(function.device.address, bound);
                continue;
            }
            let own = function.modules.iter().filter(|it| kernel.builtin.contains(*it));
            let own = own.map(|it| Insert {
                module: it.clone(),
                ids: None,
                switches: Switches::default(),
                because: vec![format!("{it} is built in")],
            });
            let mut all: Vec<Insert> = own.chain(drivers.iter().cloned()).collect();
            all.sort_by_key(|it| rank(&it.module));
            for insert in all {
                self.offer(&insert, function, Stage::BuiltIn);
            }
        }
        self.loaded.extend(drivers);
    }

    /// A list is loaded, one after the other.
    pub(super) fn list(
        &mut self,
        place: &Place<'_>,
        stage: Stage,
        list: &[(String, Option<String>, String)],
    ) {
        for (name, arguments, because) in list {
            let done = place.by_name(name, arguments.as_deref(), because.clone(), &self.loaded);
            self.take_in(&done);
            for insert in done.done {
                for function in self.functions {
                    self.offer(&insert, function, stage);
                }
                self.loaded.push(insert);
            }
        }
    }

    /// udev looks at every function, at all of them at once, while `beside` is loaded by somebody else.
    pub(super) fn udev(
        &mut self,
        place: &Place<'_>,
        stage: Stage,
        rules: &dyn Fn(&PciDevice) -> Vec<Rule>,
        beside: &[(String, Option<String>, String)],
    ) {
        let mut events: Vec<Inserts> = Vec::new();
        let mut rebinding = Vec::new();
        for function in self.functions {
            let mut event = Inserts::default();
            for rule in rules(function.device) {
                self.obey(&rule, function);
                if let Some(name) = &rule.loads {
                    let because = format!("{}: loads {name}", rule.place);
                    merge(&mut event, place.by_name(name, None, because, &self.loaded));
                }
                if let Some(command) = rule.rebinds {
                    rebinding.push((function, command, rule.place.clone()));
                }
            }
            merge(&mut event, place.by_alias(&function.device.modalias, &function.modules, &self.loaded));
            self.take_in(&event);
            events.push(event);
        }
        let mut listed = Inserts::default();
        for (name, arguments, because) in beside {
            let loaded = [self.loaded.as_slice(), &listed.done].concat();
            merge(&mut listed, place.by_name(name, arguments.as_deref(), because.clone(), &loaded));
        }
        self.take_in(&listed);
        for (index, function) in self.functions.iter().enumerate() {
            self.race(function, index, &events, &listed, stage);
        }
        for insert in events.into_iter().chain([listed]).flat_map(|it| it.done) {
            if !self.loaded.iter().any(|it| it.module == insert.module) {
                self.loaded.push(insert);
            }
        }
        for (function, command, place) in rebinding {
            self.rebind(function, &command, &place);
        }
    }

    fn take_in(&mut self, inserts: &Inserts) {
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

    /// Binds a function to the first driver of its event, unless another event may be first with another driver.
    fn race(
        &mut self,
        function: &Function<'_>,
        own: usize,
        events: &[Inserts],
        listed: &Inserts,
        stage: Stage,
    ) {
        let address = function.device.address;
        if self.bound.contains_key(&address) {
            return;
        }
        let first_of = |inserts: &Inserts| {
            inserts.done.iter().find_map(|it| match self.takes(it, function) {
                Takes::No(_) => None,
                Takes::Yes(because) => Some((it.clone(), because, None)),
                Takes::Unknown(why) => Some((it.clone(), Vec::new(), Some(why))),
            })
        };
        // What is loaded already and did not take it before, may after its rule.
        let there = Inserts { done: self.loaded.clone(), ..Inserts::default() };
        let mut candidates = Vec::new();
        candidates.extend(first_of(&there).map(|it| (it, stage)));
        if candidates.is_empty() {
            candidates.extend(first_of(listed).map(|it| (it, Stage::ModulesLoad)));
            candidates.extend(first_of(&events[own]).map(|it| (it, stage)));
            let others = events.iter().enumerate().filter(|it| it.0 != own);
            candidates.extend(others.filter_map(|it| first_of(it.1)).map(|it| (it, stage)));
        }
        let Some(((insert, because, unknown), stage)) = candidates.first().cloned() else { return };
        let rival = candidates.iter().find(|it| it.0.0.module != insert.module);
        let certainty = match (unknown, rival) {
            (Some(reason), _) => Certainty::Unknown { reason },
            (None, Some(rival)) => Certainty::Race { with: self.driver_of(&rival.0.0.module) },
            (None, None) => Certainty::Certain,
        };
        self.bind(&insert, function, stage, because, certainty);
    }

    /// Offers a function to a driver that is new, or that looks again.
    pub(super) fn offer(&mut self, insert: &Insert, function: &Function<'_>, stage: Stage) {
        if self.bound.contains_key(&function.device.address) {
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
        let driver = self.driver_of(&insert.module);
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

/// Finding the last parameter of a name, the one that counts for most parameters.
trait LastNamed<'a> {
    fn rfind_named(self, name: &str) -> Option<&'a Parameter>;
}

impl<'a, I: Iterator<Item = &'a Parameter>> LastNamed<'a> for I {
    fn rfind_named(self, name: &str) -> Option<&'a Parameter> {
        self.filter(|it| it.same_name(name)).last()
    }
}
