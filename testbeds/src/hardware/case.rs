//! A case: a machine, what is declared about it, and the machine that the next boot finds.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{
    change,
    playbook::{self, Declared},
    rack::{Card, Model, Rack},
};
use crate::{dice::Dice, error::Result};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Case {
    pub(super) name: String,
    pub(super) before: Rack,
    pub(super) declared: Vec<Declared>,
    pub(super) after: Rack,
    /// What was done to the machine.
    pub(super) done: String,
    /// Whether the image is older than the rules.
    #[serde(default)]
    pub(super) has_old_image: bool,
    /// Whether the rule knows nothing but an address, as rules of other programs: then the boot loses its root, or else this
    /// bed could show no harm.
    #[serde(default)]
    pub(super) by_address_alone: bool,
}

impl Case {
    /// Makes the case of a seed. Four have one machine: it is booted once as it was.
    pub(super) fn of(seed: u64) -> Self {
        let before = Rack::random(&mut Dice::new(seed / 4));
        let dice = &mut Dice::new(seed);
        let declared = playbook::random(&before, dice);
        let has_old_image = dice.one_in(4);
        loop {
            let (after, done) = change::change(&before, dice);
            let name = format!("seed-{seed}");
            let (before, declared) = (before.clone(), declared.clone());
            let by_address_alone = false;
            let case = Self { name, before, declared, after, done, has_old_image, by_address_alone };
            if !case.takes_the_root_for_a_twin() {
                return case;
            }
        }
    }

    /// Returns the card of a declaration, as it was when it was declared.
    pub(super) fn meant(&self, declared: &Declared) -> Option<&Card> {
        self.before.cards.iter().find(|it| it.number == declared.card)
    }

    /// Whether the drive with the root now sits where a declared drive of its kind was: QEMU's have no number, and nothing
    /// tells them apart before a driver has them.
    fn takes_the_root_for_a_twin(&self) -> bool {
        let root = self.after.cards.iter().find(|it| it.model == Model::Root);
        let is_there = |card: &Card| {
            card.model == Model::Nvme && root.is_some_and(|it| (it.slot, it.way) == (card.slot, card.way))
        };
        self.declared.iter().filter_map(|it| self.meant(it)).any(is_there)
    }

    /// Returns cases that lack one thing each.
    fn smaller(&self) -> Vec<Self> {
        let mut cases = Vec::new();
        if self.declared.len() > 1 {
            for index in 0..self.declared.len() {
                let mut it = self.clone();
                it.declared.remove(index);
                cases.push(it);
            }
        }
        let is_declared = |number: u8| self.declared.iter().any(|it| it.card == number);
        let mut spare: Vec<u8> = self
            .before
            .cards
            .iter()
            .chain(&self.after.cards)
            .filter(|it| it.model.is_spare())
            .map(|it| it.number)
            .collect();
        spare.sort_unstable();
        spare.dedup();
        for number in spare.into_iter().filter(|it| !is_declared(*it)) {
            let mut it = self.clone();
            for rack in [&mut it.before, &mut it.after] {
                rack.cards.retain(|it| it.number != number);
            }
            cases.push(it);
        }
        if self.has_old_image {
            cases.push(Self { has_old_image: false, ..self.clone() });
        }
        if self.after.reserved > 0 {
            let mut it = self.clone();
            it.after.reserved = 0;
            cases.push(it);
        }
        cases
    }

    /// Makes it smaller as long as it `differs`, at two boots for each thing that is taken away.
    pub(super) fn shrunk(&self, differs: impl Fn(&Self) -> Result<bool>) -> Result<Self> {
        let mut small = self.clone();
        'again: loop {
            for smaller in small.smaller() {
                if differs(&smaller)? {
                    small = smaller;
                    continue 'again;
                }
            }
            return Ok(small);
        }
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let image = if self.has_old_image { ", the image is older" } else { "" };
        write!(f, "{}: {}{image}", self.name, self.done)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_seed_makes_one_case_and_its_cards_share_no_slot_and_no_number() {
        for seed in 0..300 {
            let case = Case::of(seed);
            assert_eq!(case, Case::of(seed));
            for rack in [&case.before, &case.after] {
                let slots: BTreeSet<u8> = rack.cards.iter().map(|it| it.slot).collect();
                let numbers: BTreeSet<u8> = rack.cards.iter().map(|it| it.number).collect();
                assert_eq!((slots.len(), numbers.len()), (rack.cards.len(), rack.cards.len()), "{case}");
                for model in [Model::Root, Model::Network] {
                    assert_eq!(rack.cards.iter().filter(|it| it.model == model).count(), 1, "{case}");
                }
            }
            // A card that is in both is the same one.
            for card in &case.after.cards {
                let same = case.before.cards.iter().find(|it| it.number == card.number);
                assert!(same.is_none_or(|it| it.model == card.model), "{case}");
            }
            assert!(
                !case.declared.is_empty() && case.declared.iter().all(|it| case.meant(it).is_some()),
                "{case}"
            );
        }
    }

    #[test]
    fn the_cases_of_a_campaign_have_every_change_and_every_way_to_declare() {
        let cases: Vec<Case> = (0..300).map(Case::of).collect();
        for done in ["nothing", "put into", "taken out", "moved to", "swapped", "replaced", "firmware"] {
            assert!(cases.iter().any(|it| it.done.contains(done)), "{done}");
        }
        use playbook::How;
        for how in [How::Address, How::Kind, How::Path, How::Serial, How::Ids, How::Functions] {
            let count = cases.iter().flat_map(|it| &it.declared).filter(|it| it.how == how).count();
            assert!(count > 3, "{how:?}: {count}");
        }
    }

    #[test]
    fn the_cases_that_are_always_played_can_be_read() {
        let cases = include_str!("../../hardware.jsonl").lines().map(serde_json::from_str::<Case>);
        let cases: Vec<Case> = cases.collect::<Result<_, _>>().unwrap();
        let names: BTreeSet<&str> = cases.iter().map(|it| it.name.as_str()).collect();
        assert_eq!(names.len(), cases.len());
        assert_eq!(cases.iter().filter(|it| it.by_address_alone).count(), 1);
        assert!(cases.iter().all(|it| it.declared.iter().all(|declared| it.meant(declared).is_some())));
    }

    #[test]
    fn a_case_that_differs_is_made_as_small_as_it_can_be() {
        let case =
            (0..300).map(Case::of).find(|it| it.before.cards.len() > 5 && it.declared.len() > 1).unwrap();
        let kept = case.declared[1].clone();
        let small = case.shrunk(|it| Ok(it.declared.contains(&kept))).unwrap();
        assert_eq!(small.declared, [kept]);
        let spare = small.before.cards.iter().filter(|it| it.model.is_spare()).count();
        assert_eq!((spare, small.has_old_image, small.after.reserved), (1, false, 0));
        let again: Case = serde_json::from_str(&serde_json::to_string(&small).unwrap()).unwrap();
        assert_eq!(again, small);
    }
}
