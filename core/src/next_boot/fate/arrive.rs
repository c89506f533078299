//! Virtual functions that come while the boot is played: the kernel offers each to what is loaded, then udev sees it.

use std::collections::BTreeSet;

use hoststate_abi::pci_address::PciAddress;

use super::coming::{Way, When};
use super::kmod::Place;
use super::moves::Rule;
use super::play::{Function, Player};
use super::race::Candidate;
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
        function.coming.is_none() || self.came.contains_key(&function.device.address)
    }

    /// Virtual functions come that something makes in this stage, which began `before`.
    pub(super) fn arrive(
        &mut self,
        place: &Place<'_>,
        stage: Stage,
        rules: &dyn Fn(&PciDevice) -> Vec<Rule>,
        before: &Moment,
    ) {
        let loaded = self.loaded.len();
        for function in self.functions.iter().filter(|it| it.coming.is_some()) {
            if self.is_here(function) {
                continue;
            }
            let Some(unsure) = self.made_by(function, place, stage, before) else { continue };
            self.came.insert(function.device.address, unsure);
            self.attach(function, place, stage, rules, before.loaded);
        }
        self.outrun(before, loaded);
    }

    /// What the new functions had loaded may have been there before the driver of another function of this stage.
    fn outrun(&mut self, before: &Moment, loaded: usize) {
        let (new, functions) = (self.loaded.split_off(loaded), self.functions);
        for function in functions.iter().filter(|it| it.coming.is_none() && !new.is_empty()) {
            let address = function.device.address;
            let Some(driver) = self.bound.get(&address).map(|it| it.driver.clone()) else { continue };
            let rival = self.first_of(&new, function).map(|it| self.driver_of(&it.0.module, function));
            let rival = rival.filter(|it| *it != driver && !before.bound.contains(&address));
            if let Some(bound) = self.bound.get_mut(&address).filter(|it| it.certainty == Certainty::Certain)
                && let Some(with) = rival
            {
                bound.certainty = Certainty::Race { with };
            }
        }
        self.loaded.extend(new);
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
        let physical = self.function(of)?;
        let bound = self.bound.get(&of).filter(|_| !self.removed.contains_key(&of))?;
        if !physical.modules.iter().any(|it| self.registers(it, &bound.driver)) {
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
        let way = function.coming?.ways.iter().find(makes)?;
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
        self.ask_loaded(function, stage, loaded_before);
        let mut rebinding = Vec::new();
        let event = self.event(place, function, rules, &mut rebinding);
        if !self.bound.contains_key(&function.device.address) {
            // What another function of this stage has loaded may be there before or after, whichever of them came first;
            // what one request loads comes in its order.
            let beside = self.requested_since(loaded_before).filter_map(|it| self.first_of(it, function));
            let candidates: Vec<Candidate> = beside.chain(self.first_of(&event.done, function)).collect();
            self.settle(function, candidates.into_iter().map(|it| (it, stage)));
        }
        self.insert(event.done, stage);
        for it in rebinding {
            self.rebind(&it);
        }
    }
}
