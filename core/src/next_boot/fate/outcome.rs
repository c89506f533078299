//! What became of each function when the boot has been played, and what has brought it about.

use super::inserts::Doubt;
use super::moves::Moved;
use super::play::{Function, Player};
use super::takes::{BY_ID, Takes};
use super::{Certainty, Fate, Stage};
use crate::formats::modprobe_conf::ModuleName;
use crate::formats::pci::parse_id_list;

impl Player<'_> {
    /// Returns what became of every function; `unread` is why the image or the menu could not be read.
    pub(super) fn fates(self, unread: Option<&str>) -> Vec<Fate> {
        let fate = |it: &Function<'_>| {
            let fate = self.fate(it);
            // Where one driver alone claims a function it does not matter who loads it.
            let is_alone = it.modules.len() <= 1 && fate.next == fate.now;
            let came = self.came.get(&it.device.address).cloned().flatten();
            match unread.filter(|_| !is_alone).map(str::to_owned).or(came) {
                Some(reason) => Fate { certainty: Certainty::Unknown { reason }, ..fate },
                None => fate,
            }
        };
        let is_told = |it: &&Function<'_>| self.is_here(it) || it.coming.is_some_and(|it| it.is_there_now);
        self.functions.iter().filter(is_told).map(fate).collect()
    }

    fn fate(&self, function: &Function<'_>) -> Fate {
        let device = function.device;
        let (address, now) = (device.address, device.driver.clone());
        if let Some(place) = self.removed.get(&address) {
            let because = vec![place.clone()];
            return Fate {
                address,
                now,
                next: None,
                certainty: Certainty::Certain,
                stage: Some(Stage::Rule),
                kept_away: true,
                because,
            };
        }
        if let Some(fate) = self.by_script(function) {
            return fate;
        }
        if let Some(of) = device.physfn.filter(|_| !self.is_here(function)) {
            let because = vec![format!("{of} will not have the driver that makes it")];
            let (certainty, stage) = (Certainty::Certain, None);
            return Fate { address, now, next: None, certainty, stage, kept_away: true, because };
        }
        let doubt = self.doubts.iter().find(|it| self.is_about(it, function));
        if let Some(bound) = self.bound.get(&address) {
            let certainty = match (doubt, &bound.certainty) {
                // What the kernel has itself takes a function before anything is loaded.
                (Some(doubt), Certainty::Certain) if bound.stage != Stage::BuiltIn => {
                    Certainty::Unknown { reason: doubt.why.clone() }
                }
                (_, certainty) => certainty.clone(),
            };
            let (next, stage) = (Some(bound.driver.clone()), Some(bound.stage));
            let mut because = bound.because.clone();
            because.extend(self.not_asked(function, &bound.driver));
            return Fate { address, now, next, certainty, stage, kept_away: false, because };
        }
        let mut because = Vec::new();
        for insert in &self.loaded {
            if let Takes::No(Some(why)) = self.takes(insert, function) {
                because.push(why);
            }
        }
        // What one place lacks another may have had.
        let is_loaded = |module: &ModuleName| self.loaded.iter().any(|it| it.module == *module);
        let refused = self
            .refused
            .iter()
            .filter(|it| function.modules.contains(&it.module) && !(it.is_missing && is_loaded(&it.module)));
        let given = self.overrides.get(&address);
        let kept_away = !because.is_empty() || given.is_some() || refused.clone().any(|it| !it.is_missing);
        if given.is_some() {
            because.extend(self.not_asked(function, ""));
        }
        because.extend(refused.map(|it| it.why.clone()));
        let certainty = match doubt {
            Some(doubt) => Certainty::Unknown { reason: doubt.why.clone() },
            None => Certainty::Certain,
        };
        Fate { address, now, next: None, certainty, stage: None, kept_away, because }
    }

    /// Returns whether a line may bring the function another driver: by a module that claims it, or by one that takes
    /// what it is given, which the line's own commands may do to any function.
    fn is_about(&self, doubt: &Doubt, function: &Function<'_>) -> bool {
        let names = |name: &str| doubt.names.iter().any(|it| it.as_str() == name);
        BY_ID.contains(&doubt.of.as_str()) && !function.is_bridge
            || function.modules.iter().any(|it| doubt.names.contains(it))
            || self.is_claimed(function) && BY_ID.into_iter().any(names)
    }

    /// Returns whether the function is meant for a driver by its ids or by an override.
    fn is_claimed(&self, function: &Function<'_>) -> bool {
        let loaded = self.loaded.iter().filter(|it| BY_ID.contains(&it.module.as_str()));
        let mut ids = loaded.filter_map(|it| it.ids.as_ref()).chain(self.asked_by_id.as_ref());
        self.overrides.contains_key(&function.device.address)
            || ids.any(|it| parse_id_list(&it.0).patterns.iter().any(|it| it.matches(&function.device.id)))
    }

    /// Returns the fate of a function that a script or a command moves, unless that does what happens without it.
    fn by_script(&self, function: &Function<'_>) -> Option<Fate> {
        let device = function.device;
        let Moved { driver, why } = self.moved.get(&device.address)?;
        let bound = self.bound.get(&device.address).map(|it| it.driver.clone());
        if bound.is_some() && bound == *driver {
            return None;
        }
        Some(Fate {
            address: device.address,
            now: device.driver.clone(),
            next: driver.clone().or(bound),
            certainty: Certainty::Unknown { reason: why.clone() },
            stage: None,
            kept_away: false,
            because: vec![why.clone()],
        })
    }

    /// Says why a driver that was asked for does not have the function.
    fn not_asked(&self, function: &Function<'_>, bound: &str) -> Option<String> {
        let device = function.device;
        let by_id = || {
            let (ids, place) = self.asked_by_id.as_ref()?;
            let is_its = parse_id_list(ids).patterns.iter().any(|it| it.matches(&device.id));
            is_its.then(|| ("vfio-pci".to_owned(), place.clone()))
        };
        let (driver, place) = self.asked.get(&device.address).cloned().or_else(by_id)?;
        if driver == bound {
            return None;
        }
        if let Some(why) = self.declined.get(&device.address) {
            return Some(format!("{place} wants {driver}: {why}"));
        }
        let is_it = |module: &ModuleName| self.registers(module, &driver);
        if let Some(refused) = self.refused.iter().find(|it| is_it(&it.module)) {
            return Some(format!("{place} wants {driver}, which is not loaded: {}", refused.why));
        }
        match self.loaded.iter().find(|it| is_it(&it.module)).map(|it| self.takes(it, function)) {
            Some(Takes::No(Some(why))) => Some(format!("{place} wants {driver}: {why}")),
            Some(_) => Some(format!("{place} wants {driver}, which comes later")),
            None => Some(format!("{place} wants {driver}, which nothing loads")),
        }
    }
}
