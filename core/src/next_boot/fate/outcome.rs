//! What became of each function when the boot has been played, and what has brought it about.

use super::play::{Function, Player};
use super::takes::{BY_ID, Takes};
use super::{Certainty, Fate, Stage};
use crate::formats::modprobe_conf::ModuleName;
use crate::formats::pci::parse_id_list;

impl Player<'_> {
    /// Returns what became of every function.
    pub(super) fn fates(self) -> Vec<Fate> {
        self.functions.iter().map(|it| self.fate(it)).collect()
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
        let claimed = self.loaded.iter().any(|it| BY_ID.contains(&it.module.as_str()) && it.ids.is_some());
        let unclear = self.unclear.as_ref().filter(|_| claimed || self.overrides.contains_key(&address));
        if let Some(bound) = self.bound.get(&address) {
            let certainty = match (unclear, &bound.certainty) {
                (Some(why), Certainty::Certain)
                    if function.modules.iter().any(|it| why.contains(it.as_str())) =>
                {
                    Certainty::Unknown { reason: why.clone() }
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
        let refused = self.refused.iter().filter(|it| function.modules.contains(&it.module));
        let kept_away = !because.is_empty() || refused.clone().any(|it| !it.is_missing);
        because.extend(refused.map(|it| it.why.clone()));
        let unclear = self
            .unclear
            .as_ref()
            .filter(|it| function.modules.iter().any(|module| it.contains(module.as_str())));
        let certainty = match unclear {
            Some(why) => Certainty::Unknown { reason: why.clone() },
            None => Certainty::Certain,
        };
        Fate { address, now, next: None, certainty, stage: None, kept_away, because }
    }

    /// Returns the fate of a function that a script names, unless that does what happens without it.
    fn by_script(&self, function: &Function<'_>) -> Option<Fate> {
        let device = function.device;
        let (driver, place) = self.scripted.get(&device.address)?;
        let bound = self.bound.get(&device.address).map(|it| it.driver.clone());
        if bound.is_some() && bound == *driver {
            return None;
        }
        let reason =
            format!("{place} names {}, and what a script does only running it tells", device.address);
        Some(Fate {
            address: device.address,
            now: device.driver.clone(),
            next: driver.clone().or(bound),
            certainty: Certainty::Unknown { reason: reason.clone() },
            stage: None,
            kept_away: false,
            because: vec![reason],
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
        let is_it = |module: &ModuleName| self.driver_of(module) == driver;
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
