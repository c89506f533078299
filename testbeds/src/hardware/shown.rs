//! What a machine showed of itself after a boot.

use std::{collections::BTreeMap, path::Path};

use super::rack::{Card, Rack};
use crate::{
    error::{Error, Result},
    files,
    process::tail,
};

/// What a machine showed, as its console says it.
#[derive(Debug, Default)]
pub(super) struct Shown {
    links: BTreeMap<String, String>,
    texts: BTreeMap<String, Vec<String>>,
    configs: BTreeMap<String, Vec<u8>>,
    pub(super) root_works: bool,
}

const DEVICES: &str = "/sys/bus/pci/devices/";

impl Shown {
    /// Reads a console; what is before and behind the lines about the machine is the kernel's.
    ///
    /// # Errors
    ///
    /// When the machine did not come to its end.
    pub(super) fn read(console: &str) -> Result<Self> {
        let lines = console.split_once("hardware: begin\n").and_then(|it| it.1.split_once("hardware: done"));
        let Some((lines, _)) = lines else {
            return Err(Error::Unexpected {
                what: "a machine".into(),
                expected: "hardware: done".into(),
                found: tail(console).into(),
            });
        };
        let mut shown = Self::default();
        for line in lines.lines() {
            let (kind, rest) = line.split_once(' ').unwrap_or((line, ""));
            let (path, value) = rest.split_once(' ').unwrap_or((rest, ""));
            match kind {
                "link" => drop(shown.links.insert(path.into(), value.into())),
                "text" => shown.texts.entry(path.into()).or_default().push(value.into()),
                "config" => drop(shown.configs.insert(path.into(), bytes(value))),
                "root" => shown.root_works = true,
                _ => {}
            }
        }
        Ok(shown)
    }

    /// Addresses of all functions.
    pub(super) fn addresses(&self) -> impl Iterator<Item = &str> {
        self.links.keys().filter_map(|it| it.strip_prefix(DEVICES)).filter(|it| !it.contains('/'))
    }

    /// The directory of a function.
    fn directory(&self, address: &str) -> Option<String> {
        let target = self.links.get(&format!("{DEVICES}{address}"))?;
        Some(format!("/sys/{}", target.trim_start_matches("../")))
    }

    fn attribute(&self, address: &str, name: &str) -> Option<&str> {
        let lines = self.texts.get(&format!("{}/{name}", self.directory(address)?))?;
        lines.first().map(String::as_str)
    }

    /// The driver of a function.
    pub(super) fn driver(&self, address: &str) -> Option<&str> {
        let target = self.links.get(&format!("{}/driver", self.directory(address)?))?;
        target.rsplit('/').next()
    }

    /// The physical function of a virtual one.
    pub(super) fn physical(&self, address: &str) -> Option<&str> {
        let target = self.links.get(&format!("{}/physfn", self.directory(address)?))?;
        target.rsplit('/').next()
    }

    /// How many virtual functions there are.
    pub(super) fn virtual_functions(&self, address: &str) -> Option<u16> {
        self.attribute(address, "sriov_numvfs")?.parse().ok()
    }

    /// Vendor and device.
    pub(super) fn ids(&self, address: &str) -> Option<(u16, u16)> {
        let number = |name| {
            let text = self.attribute(address, name)?;
            u16::from_str_radix(text.trim_start_matches("0x"), 16).ok()
        };
        Some((number("vendor")?, number("device")?))
    }

    /// Whether a function has a network interface.
    pub(super) fn has_interface(&self, address: &str) -> bool {
        let Some(directory) = self.directory(address) else { return false };
        let below = format!("{directory}/net/");
        self.texts.range(below.clone()..).next().is_some_and(|it| it.0.starts_with(&below))
    }

    /// Where a function of a card is, by the bridges above it.
    pub(super) fn address(&self, card: &Card, function: u8) -> Option<&str> {
        let first = format!("0000:00:{:02x}.{}", card.slot, if card.depth() == 0 { function } else { 0 });
        self.addresses().find(|address| {
            let Some(directory) = self.directory(address) else { return false };
            let way: Vec<&str> =
                directory.split('/').skip_while(|it| !it.starts_with("pci")).skip(1).collect();
            let is_function = address.ends_with(&format!(".{function}"));
            way.len() == card.depth() + 1
                && way[0] == first
                && is_function
                && self.physical(address).is_none()
        })
    }

    /// Whether the machine shows every function of its cards, and what they are.
    pub(super) fn missing(&self, rack: &Rack) -> Option<String> {
        rack.cards.iter().find_map(|card| {
            (0..).zip(card.model.ids()).find_map(|(function, ids)| {
                let found = self.address(card, function).and_then(|it| self.ids(it));
                (found != Some(*ids))
                    .then(|| format!("{:?} {} function {function}: {found:x?}", card.model, card.number))
            })
        })
    }

    /// Lays it out below a root.
    pub(super) fn lay(&self, tree: &Path) -> Result<()> {
        let inside = |path: &str| tree.join(path.trim_start_matches('/'));
        for place in ["sys", "proc"] {
            files::remove_tree(tree.join(place))?;
        }
        for (path, lines) in &self.texts {
            files::write(inside(path), &(lines.join("\n") + "\n"))?;
        }
        for (directory, config) in &self.configs {
            files::make_directory(inside(directory))?;
            files::write_bytes(inside(&format!("{directory}/config")), config)?;
        }
        for (path, target) in &self.links {
            files::link_to(target, inside(path))?;
        }
        Ok(())
    }
}

fn bytes(hexadecimal: &str) -> Vec<u8> {
    let pair =
        |it: &[u8]| u8::from_str_radix(std::str::from_utf8(it).unwrap_or_default(), 16).unwrap_or_default();
    hexadecimal.as_bytes().chunks(2).map(pair).collect()
}
