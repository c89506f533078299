//! What is declared about the cards of a machine, and what a boot may therefore do to those of another.

use serde::{Deserialize, Serialize};

use super::rack::{Card, Model, Rack, Way};
use crate::dice::Dice;

/// How a card is declared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum How {
    /// For vfio-pci, by its address.
    Address,
    /// For vfio-pci, as the only one of its kind.
    Kind,
    /// For vfio-pci, by the bridges above it.
    Path,
    /// For vfio-pci, by its serial number.
    Serial,
    /// For vfio-pci, with all that have its ids.
    Ids,
    /// With two virtual functions.
    Functions,
}

/// A declaration about one function of a card.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Declared {
    pub(super) card: u8,
    pub(super) function: u8,
    pub(super) how: How,
}

/// What a boot makes of a function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    /// Nothing was agreed to about it: it is as it is without hoststate.
    Own,
    /// It was agreed to, and a rule brings it there.
    Vfio,
    /// It was agreed to for all of its kind, whatever loads first.
    Either,
}

pub(super) const FUNCTIONS: u16 = 2;

/// Declares one to three functions of the cards that may come and go.
pub(super) fn random(rack: &Rack, dice: &mut Dice) -> Vec<Declared> {
    let mut cards: Vec<&Card> = rack.cards.iter().filter(|it| it.model.is_spare()).collect();
    let mut declared = Vec::new();
    for _ in 0..1 + dice.below(3).min(cards.len() - 1) {
        let card = cards.remove(dice.below(cards.len()));
        let function = dice.below(card.model.ids().len()) as u8;
        let is_alone = rack.cards.iter().filter(|it| it.model.ids() == card.model.ids()).count() == 1;
        let mut ways = vec![How::Address, How::Address, How::Path];
        if is_alone {
            // A drive with the root is not given away with its kind.
            ways.extend([How::Kind, How::Ids]);
        }
        if card.model.has_serial() {
            ways.push(How::Serial);
        }
        if card.model == Model::Igb {
            ways.extend([How::Functions; 4]);
        }
        declared.push(Declared { card: card.number, function, how: ways[dice.below(ways.len())] });
    }
    declared
}

impl Declared {
    /// The text of the declaration; `address` is where the function is.
    pub(super) fn text(&self, card: &Card, address: &str) -> String {
        let (vendor, device) = card.model.ids()[usize::from(self.function)];
        let bound = |device: &str| format!("driver_binding {{ device = {device}, driver = \"vfio-pci\" }}\n");
        match self.how {
            How::Address => bound(&format!("\"{address}\"")),
            How::Kind => bound(&format!("{{ vendor = \"{vendor:04x}\", device = \"{device:04x}\" }}")),
            How::Path => bound(&format!("{{ path = \"{}\" }}", path(card, self.function))),
            How::Serial => {
                bound(&format!("{{ serial = \"{}\", [\"function\"] = {} }}", serial(card), self.function))
            }
            How::Ids => {
                let before = card.model.module().map(|it| {
                    format!("modprobe_softdep {{ module = \"{it}\", pre = {{ \"vfio-pci\" }} }}\n")
                });
                format!(
                    "vfio_pci_ids {{ ids = {{ \"{vendor:04x}:{device:04x}\" }} }}\n\
                     initramfs_modules {{ modules = {{ \"vfio_pci\" }} }}\n{}",
                    before.unwrap_or_default()
                )
            }
            How::Functions => format!("sriov_numvfs {{ device = \"{address}\", numvfs = {FUNCTIONS} }}\n"),
        }
    }

    /// Whether a rule of this declaration, written for a card at an address, is for what is at an address now.
    fn is_for(&self, meant: &Card, address: &str, card: &Card, function: u8, now: &str) -> bool {
        let is_it = card.number == meant.number;
        // Nothing tells cards of a kind without a number apart, but the bridges above them.
        let is_known = meant.model.has_serial() || self.how == How::Functions;
        let is_there = address == now && path(card, function) == path(meant, self.function);
        function == self.function && card.model.ids() == meant.model.ids() && is_there && (is_it || !is_known)
    }
}

/// What a boot may do to a function of a card that is at an address now. `plan` has each declaration with the card that was
/// meant and the address where it was.
pub(super) fn wanted(plan: &[(&Declared, &Card, String)], card: &Card, function: u8, now: &str) -> Wanted {
    let of_driver = || plan.iter().filter(|it| it.0.how != How::Functions);
    if of_driver()
        .any(|(it, meant, address)| it.how != How::Ids && it.is_for(meant, address, card, function, now))
    {
        return Wanted::Vfio;
    }
    let ids = card.model.ids()[usize::from(function)];
    let by_ids = |it: &&(&Declared, &Card, String)| {
        it.0.how == How::Ids && it.1.model.ids()[usize::from(it.0.function)] == ids
    };
    if of_driver().any(|it| by_ids(&it)) { Wanted::Either } else { Wanted::Own }
}

/// How many virtual functions a boot makes of a card.
pub(super) fn functions(plan: &[(&Declared, &Card, String)], card: &Card, now: &str) -> u16 {
    let mut of_functions = plan.iter().filter(|it| it.0.how == How::Functions);
    let is_meant = of_functions.any(|(it, meant, address)| it.is_for(meant, address, card, 0, now));
    if is_meant { FUNCTIONS } else { 0 }
}

/// The way to a function over the bridges above it, as hoststate writes it.
fn path(card: &Card, function: u8) -> String {
    let slot = card.slot;
    match card.way {
        Way::Direct => format!("0000:00:{slot:02x}.{function}"),
        Way::Port => format!("0000:00:{slot:02x}.0/00.{function}"),
        Way::Switch => format!("0000:00:{slot:02x}.0/00.0/00.0/00.{function}"),
    }
}

/// Its Device Serial Number, as lspci(8) writes it: that of a network card is made of its hardware address.
pub(super) fn serial(card: &Card) -> String {
    let number = card.number;
    match card.model {
        Model::Accelerator => format!("00-11-22-00-00-00-00-{number:02x}"),
        _ => format!("52-54-00-ff-ff-00-00-{number:02x}"),
    }
}
