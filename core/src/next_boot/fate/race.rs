//! Who is first where udev has modules loaded for many functions at once.

use std::collections::BTreeMap;

use super::inserts::Insert;
use super::play::{Function, Player};
use super::takes::{BY_ID, Takes};
use super::{Certainty, Stage};
use crate::formats::modprobe_conf::ModuleName;

/// The events of one stage, one for each function. Those that come to the same are kept once: a host may have thousands
/// of virtual functions.
#[derive(Default)]
pub(super) struct Events {
    /// What is inserted, in the order in which functions ask for it first.
    different: Vec<Vec<Insert>>,
    /// Which of them is that of each function.
    of: Vec<usize>,
    /// Which of them insert a module.
    by_module: BTreeMap<String, Vec<usize>>,
}

/// A driver that may have a function: its module, what shows it, and why it cannot be told.
pub(super) type Candidate = (Insert, Vec<String>, Option<String>);

impl Events {
    /// Adds the event of the next function.
    pub(super) fn push(&mut self, done: Vec<Insert>) {
        let known = match done.first() {
            Some(first) => {
                let same = self.by_module.get(first.module.as_str()).into_iter().flatten();
                same.copied().find(|it| self.different[*it] == done)
            }
            None => self.different.iter().position(Vec::is_empty),
        };
        let index = known.unwrap_or_else(|| {
            for insert in &done {
                self.by_module
                    .entry(insert.module.as_str().to_owned())
                    .or_default()
                    .push(self.different.len());
            }
            self.different.push(done);
            self.different.len() - 1
        });
        self.of.push(index);
    }

    /// Returns which of them can bring a driver that takes a function, in order.
    fn concerning(&self, function: &Function<'_>, player: &Player<'_>) -> Vec<usize> {
        if player.overrides.contains_key(&function.device.address) {
            return (0..self.different.len()).collect();
        }
        let modules = function.modules.iter().map(ModuleName::as_str).chain(BY_ID);
        let mut found: Vec<usize> =
            modules.filter_map(|it| self.by_module.get(it)).flatten().copied().collect();
        found.sort_unstable();
        found.dedup();
        found
    }

    /// Returns what is inserted.
    pub(super) fn into_inserts(self) -> impl Iterator<Item = Insert> {
        self.different.into_iter().flatten()
    }
}

impl Player<'_> {
    /// Binds a function to the first driver of its event, unless another event may be first with another driver.
    pub(super) fn race(
        &mut self,
        function: &Function<'_>,
        index: usize,
        events: &Events,
        listed: &[Insert],
        stage: Stage,
    ) {
        if self.bound.contains_key(&function.device.address) || !self.is_here(function) {
            return;
        }
        // A driver that was there before looks at no function again, whatever a rule sets.
        let own = events.of[index];
        let others = events.concerning(function, self).into_iter().filter(|it| *it != own);
        let by_udev = [own].into_iter().chain(others).map(|it| (events.different[it].as_slice(), stage));
        let all = [(listed, Stage::ModulesLoad)].into_iter().chain(by_udev);
        let candidates = all.filter_map(|(inserts, stage)| Some((self.first_of(inserts, function)?, stage)));
        let candidates: Vec<(Candidate, Stage)> = candidates.collect();
        self.settle(function, candidates);
    }

    /// Binds a function to the first of the drivers that may have it, which another may outrun.
    pub(super) fn settle(
        &mut self,
        function: &Function<'_>,
        candidates: impl IntoIterator<Item = (Candidate, Stage)>,
    ) {
        let mut candidates = candidates.into_iter();
        let Some(((insert, because, unknown), stage)) = candidates.next() else { return };
        let rival = candidates.find(|it| it.0.0.module != insert.module);
        let certainty = match (unknown, rival) {
            (Some(reason), _) => Certainty::Unknown { reason },
            (None, Some(((rival, ..), _))) => {
                Certainty::Race { with: self.driver_of(&rival.module, function) }
            }
            (None, None) => Certainty::Certain,
        };
        self.bind(&insert, function, stage, because, certainty);
    }

    /// The bus asks the first `count` drivers that were loaded, in their order, whether they take a function.
    pub(super) fn ask_loaded(&mut self, function: &Function<'_>, stage: Stage, count: usize) {
        if self.bound.contains_key(&function.device.address) || !self.is_here(function) {
            return;
        }
        let first = self.first_of(&self.loaded[..count], function);
        self.settle(function, first.map(|it| (it, stage)));
    }

    /// Returns the first of some modules that takes a function, or may.
    pub(super) fn first_of(&self, inserts: &[Insert], function: &Function<'_>) -> Option<Candidate> {
        inserts.iter().find_map(|it| match self.takes(it, function) {
            Takes::No(_) => None,
            Takes::Yes(because) => Some((it.clone(), because, None)),
            Takes::Unknown(why) => Some((it.clone(), Vec::new(), Some(why))),
        })
    }
}
