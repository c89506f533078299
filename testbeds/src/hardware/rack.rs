//! A machine of cards that can be taken out, put in, moved and swapped: what each is, where it sits, and how it is told
//! from others of its kind.

use serde::{Deserialize, Serialize};

use crate::{
    dice::Dice,
    twins::{Identity, Seat},
};

/// Slots of the root bus that cards may be in; the console is before them. The virtual functions of an 82576 have numbers
/// that are 0x80 to 0x8e greater than its own, and the last number of a bus is 0xff.
pub(super) const SLOTS: std::ops::Range<u8> = 0x04..0x0f;
const CONSOLE: u8 = 0x02;
/// An empty port, which takes numbers of buses when the firmware says so.
const EMPTY: u8 = 0x03;

/// What a card is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Model {
    /// The drive with the root.
    Root,
    /// The host's network.
    Network,
    Nvme,
    E1000e,
    /// Makes virtual functions.
    Igb,
    Xhci,
    /// Two functions that no driver of the host asks for, with a serial number.
    Accelerator,
    /// One such function without any number.
    Board,
}

/// Cards that may come and go.
const SPARE: [Model; 6] =
    [Model::Nvme, Model::E1000e, Model::Igb, Model::Xhci, Model::Accelerator, Model::Board];

impl Model {
    /// Vendor and device of each function.
    pub(super) fn ids(self) -> &'static [(u16, u16)] {
        match self {
            Self::Root | Self::Nvme => &[(0x1b36, 0x0010)],
            Self::Network | Self::E1000e => &[(0x8086, 0x10d3)],
            Self::Igb => &[(0x8086, 0x10c9)],
            Self::Xhci => &[(0x1b36, 0x000d)],
            Self::Accelerator => &[(0x10ee, 0x5000), (0x10ee, 0x5001)],
            Self::Board => &[(0x1ac1, 0x089a)],
        }
    }

    /// The driver that it has when nobody wants another.
    pub(super) fn driver(self) -> Option<&'static str> {
        match self {
            Self::Root | Self::Nvme => Some("nvme"),
            Self::Network | Self::E1000e => Some("e1000e"),
            Self::Igb => Some("igb"),
            Self::Xhci => Some("xhci_hcd"),
            Self::Accelerator | Self::Board => None,
        }
    }

    /// The module of that driver.
    pub(super) fn module(self) -> Option<&'static str> {
        if self == Self::Xhci { Some("xhci_pci") } else { self.driver() }
    }

    /// Whether it shows a Device Serial Number.
    pub(super) fn has_serial(self) -> bool {
        matches!(self, Self::Network | Self::E1000e | Self::Accelerator)
    }

    /// Whether it may come and go.
    pub(super) fn is_spare(self) -> bool {
        SPARE.contains(&self)
    }
}

/// The way to a card from the root bus.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Way {
    Direct,
    Port,
    Switch,
}

/// A card. Its number tells it from all others of a case, wherever it sits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Card {
    pub(super) number: u8,
    pub(super) model: Model,
    pub(super) slot: u8,
    pub(super) way: Way,
}

impl Card {
    /// How many bridges are above it.
    pub(super) fn depth(&self) -> usize {
        match self.way {
            Way::Direct => 0,
            Way::Port => 1,
            Way::Switch => 3,
        }
    }
}

/// A machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Rack {
    pub(super) cards: Vec<Card>,
    /// How many there ever were.
    #[serde(default)]
    made: u8,
    /// How many numbers of buses the firmware keeps for what may come.
    #[serde(default)]
    pub(super) reserved: u8,
}

impl Rack {
    /// Makes a machine with two to five cards that may come and go.
    pub(super) fn random(dice: &mut Dice) -> Self {
        let mut rack = Self { cards: Vec::new(), made: 0, reserved: 0 };
        for model in [Model::Root, Model::Network] {
            rack.put(dice, model);
        }
        for _ in 0..2 + dice.below(4) {
            rack.put_spare(dice);
        }
        rack
    }

    /// Puts in a card that may come and go; every third is of a kind that is there.
    pub(super) fn put_spare(&mut self, dice: &mut Dice) {
        let there: Vec<Model> = self.cards.iter().map(|it| it.model).filter(|it| it.is_spare()).collect();
        let is_twin = !there.is_empty() && dice.one_in(3);
        let models = if is_twin { &there } else { SPARE.as_slice() };
        let model = models[dice.below(models.len())];
        self.put(dice, model);
    }

    fn put(&mut self, dice: &mut Dice, model: Model) {
        self.made += 1;
        let number = self.made;
        let way = [Way::Direct, Way::Port, Way::Port, Way::Switch][dice.below(4)];
        let slot = self.free_slot(dice);
        self.cards.push(Card { number, model, slot, way });
    }

    /// A slot that no card is in.
    pub(super) fn free_slot(&self, dice: &mut Dice) -> u8 {
        let free: Vec<u8> = SLOTS.filter(|slot| self.cards.iter().all(|it| it.slot != *slot)).collect();
        free[dice.below(free.len())]
    }

    /// QEMU's arguments but for the cards that it does not have itself, which are the others; `root` is the root's disk as
    /// QEMU sees it.
    pub(super) fn arguments(&self, root: &str) -> (Vec<String>, Vec<(Identity, Seat)>) {
        let (mut words, mut twins) = (Vec::new(), Vec::new());
        let mut add = |option: &str, value: String| words.extend([option.to_owned(), value]);
        add("-device", "intel-iommu,intremap=on,caching-mode=on".into());
        add("-device", format!("VGA,addr={CONSOLE:x}.0"));
        let reserve =
            if self.reserved > 0 { format!(",bus-reserve={}", self.reserved) } else { String::new() };
        add("-device", format!("pcie-root-port,id=empty,chassis=99,slot=99,addr={EMPTY:x}.0{reserve}"));
        let mut cards: Vec<&Card> = self.cards.iter().collect();
        cards.sort_by_key(|it| it.slot);
        for card in cards {
            let (number, slot) = (card.number, card.slot);
            let port =
                || format!("pcie-root-port,id=p{number},chassis={number},slot={number},addr={slot:x}.0");
            let (bus, at) = match card.way {
                Way::Direct => ("pcie.0".to_owned(), slot),
                Way::Port => {
                    add("-device", port());
                    (format!("p{number}"), 0)
                }
                Way::Switch => {
                    add("-device", port());
                    add("-device", format!("x3130-upstream,id=u{number},bus=p{number},addr=0.0"));
                    let below = u16::from(number) + 100;
                    add(
                        "-device",
                        format!(
                            "xio3130-downstream,id=d{number},bus=u{number},addr=0.0,chassis={below},slot={below}"
                        ),
                    );
                    (format!("d{number}"), 0)
                }
            };
            let seat = format!("bus={bus},addr={at:x}.0");
            let mac = format!("mac=52:54:00:00:00:{number:02x},romfile=");
            match card.model {
                Model::Root => {
                    add("-drive", format!("if=none,id=root,file={root},format=raw,snapshot=on"));
                    add("-device", format!("nvme,drive=root,serial=ROOT,{seat}"));
                }
                Model::Nvme => {
                    add("-drive", format!("if=none,id=n{number},driver=null-co,read-zeroes=on,size=64M"));
                    add("-device", format!("nvme,drive=n{number},serial=N{number},{seat}"));
                }
                Model::Network => {
                    add("-netdev", "user,id=host,restrict=on".into());
                    add("-device", format!("e1000e,netdev=host,{mac},{seat}"));
                }
                Model::E1000e => add("-device", format!("e1000e,{mac},{seat}")),
                Model::Igb => add("-device", format!("igb,{mac},{seat}")),
                Model::Xhci => add("-device", format!("qemu-xhci,{seat}")),
                Model::Accelerator | Model::Board => {
                    let ids = card.model.ids();
                    for (function, (vendor, device)) in (0..).zip(ids) {
                        twins.push((
                            Identity {
                                vendor: *vendor,
                                device: *device,
                                subsystem: (*vendor, 1),
                                class: 0x12_0000,
                                revision: 1,
                                express: true,
                                serial: card
                                    .model
                                    .has_serial()
                                    .then(|| 0x0011_2200_0000_0000 + u64::from(number)),
                            },
                            Seat { bus: bus.clone(), slot: at, function, multifunction: ids.len() > 1 },
                        ));
                    }
                }
            }
        }
        (words, twins)
    }
}
