//! Virtual functions that come while the boot is played: the kernel offers each to what is loaded, then udev sees it.

use std::collections::BTreeSet;

use hoststate_abi::pci_address::PciAddress;

use super::coming::{Way, When};
use super::inserts::Insert;
use super::kmod::Place;
use super::moves::Rule;
use super::play::{Function, Player};
use super::takes::Takes;
use super::{Certainty, Stage};
use crate::machine::pci_bus::PciDevice;

/// How far the boot had come.
pub(super) struct Moment {
    /// The functions that had a driver.
    bound: BTreeSet<PciAddress>,
    /// How many modules were loaded.
    loaded: usize,
}

impl<'a> Player<'a> {
    /// Returns how far the boot has come.
    pub(super) fn moment(&self) -> Moment {
        Moment { bound: self.bound.keys().copied().collect(), loaded: self.loaded.len() }
    }

    /// Returns whether a function is on the bus by now.
    pub(super) fn is_here(&self, function: &Function<'_>) -> bool {
        function.ways.is_empty() || self.came.contains_key(&function.device.address)
    }

    /// Virtual functions come that something makes in this stage, which began `before`.
    pub(super) fn arrive(
        &mut self,
        place: &Place<'_>,
        stage: Stage,
        rules: &dyn Fn(&PciDevice) -> Vec<Rule>,
        before: &Moment,
    ) {
        for function in self.functions.iter().filter(|it| !it.ways.is_empty()) {
            if self.is_here(function) {
                continue;
            }
            let Some(unsure) = self.made_by(function, place, stage, before) else { continue };
            self.came.insert(function.device.address, unsure);
            self.attach(function, place, stage, rules, before.loaded);
        }
    }

    /// Returns whether a virtual function is made in a stage; inside is what makes that unsure.
    fn made_by(
        &self,
        function: &Function<'_>,
        place: &Place<'_>,
        stage: Stage,
        before: &Moment,
    ) -> Option<Option<String>> {
        let of = function.device.physfn?;
        let physical = self.functions.iter().find(|it| it.device.address == of)?;
        let bound = self.bound.get(&of).filter(|_| !self.removed.contains_key(&of))?;
        if !physical.modules.iter().any(|it| self.driver_of(it) == bound.driver) {
            return None;
        }
        let had_driver = before.bound.contains(&of);
        let in_image = place.holds.is_some();
        let makes = |way: &&Way| match way.when {
            When::Probed => way.in_image == in_image && !had_driver,
            When::Bound => way.in_image == in_image,
            When::Seen => way.in_image == in_image && had_driver,
            When::Beside | When::After => stage == Stage::RootUdev,
        };
        let way = function.ways.iter().find(makes)?;
        let may_be_late = way.when == When::Beside && !had_driver;
        let late = || format!("{} may come before {of} has its driver", way.place);
        let whether = || format!("whether {of} gets {} is not certain", bound.driver);
        Some(may_be_late.then(late).or((bound.certainty != Certainty::Certain).then(whether)))
    }

    /// The kernel offers a new function to the drivers that are loaded; if none takes it, udev loads what it asks for,
    /// while what else this stage loads may come before or after that.
    fn attach(
        &mut self,
        function: &'a Function<'a>,
        place: &Place<'_>,
        stage: Stage,
        rules: &dyn Fn(&PciDevice) -> Vec<Rule>,
        loaded_before: usize,
    ) {
        let mut earlier = self.loaded.clone();
        let beside = earlier.split_off(loaded_before);
        for insert in &earlier {
            self.offer(insert, function, stage);
        }
        let mut rebinding = Vec::new();
        let event = self.event(place, function, rules, &mut rebinding);
        if !self.bound.contains_key(&function.device.address) {
            let taker = |inserts: &[Insert]| {
                inserts.iter().find_map(|it| match self.takes(it, function) {
                    Takes::No(_) => None,
                    Takes::Yes(because) => Some((it.clone(), because, Certainty::Certain)),
                    Takes::Unknown(reason) => Some((it.clone(), Vec::new(), Certainty::Unknown { reason })),
                })
            };
            let (other, own) = (taker(&beside), taker(&event.done));
            let rival = own.as_ref().map(|it| it.0.module.clone());
            if let Some((insert, because, mut certainty)) = other.or(own) {
                if let Some(rival) = rival.filter(|it| *it != insert.module)
                    && certainty == Certainty::Certain
                {
                    certainty = Certainty::Race { with: self.driver_of(&rival) };
                }
                self.bind(&insert, function, stage, because, certainty);
            }
        }
        for insert in event.done {
            for other in self.functions {
                self.offer(&insert, other, stage);
            }
            if !self.loaded.iter().any(|it| it.module == insert.module) {
                self.loaded.push(insert);
            }
        }
        for it in rebinding {
            self.rebind(&it);
        }
    }
}
