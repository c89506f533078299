//! Rules by the device that each is about: a host may have thousands of devices, with rules for every one.

use std::collections::HashMap;

use super::PciDevice;
use crate::formats::udev_rules::rule::{Pair, UdevRule};

/// Rules in their order, or what was made of them.
#[derive(Debug)]
pub struct RuleIndex<T> {
    all: Vec<T>,
    /// Those about nothing but what has a name: an address, or an interface.
    by_name: HashMap<String, Vec<usize>>,
    /// The others.
    any: Vec<usize>,
}

impl<T> RuleIndex<T> {
    /// Returns an index of rules; `only_name` is the name of all that one can be about, if there is one.
    pub fn new(all: Vec<T>, only_name: impl Fn(&T) -> Option<&str>) -> Self {
        let mut by_name: HashMap<String, Vec<usize>> = HashMap::new();
        let mut any = Vec::new();
        for (index, it) in all.iter().enumerate() {
            match only_name(it) {
                Some(name) => by_name.entry(name.to_owned()).or_default().push(index),
                None => any.push(index),
            }
        }
        Self { all, by_name, any }
    }

    /// Returns those that may be about a device or its interfaces, in order.
    pub fn of(&self, device: &PciDevice) -> impl DoubleEndedIterator<Item = &T> {
        let address = device.address.to_string();
        let names = device.interfaces.iter().map(|it| it.name.as_str()).chain([address.as_str()]);
        let named = names.filter_map(|it| self.by_name.get(it)).flatten();
        let mut found: Vec<usize> = named.chain(&self.any).copied().collect();
        found.sort_unstable();
        found.dedup();
        found.into_iter().map(|it| &self.all[it])
    }
}

/// Returns the name that a device, or one above it, must have for a rule to match.
pub fn exact_name(rule: &UdevRule) -> Option<&str> {
    let is_exact = |it: &&Pair| {
        let is_name = matches!(it.key.as_str(), "KERNEL" | "KERNELS") && it.operator == "==";
        is_name && !it.value.contains(['*', '?', '[', '|', '\\'])
    };
    rule.pairs.iter().find(is_exact).map(|it| it.value.as_str())
}

#[cfg(test)]
mod tests {
    use super::exact_name;
    use crate::formats::udev_rules::rule;

    #[test]
    fn only_a_name_that_must_be_met_as_it_is_leads_to_a_rule() {
        let text = "KERNEL==\"0000:3b:02.0\", ATTR{x}=\"1\"\nKERNEL!=\"a\", ATTR{x}=\"1\"\nKERNEL==\"a|b\", ATTR{x}=\"1\"\n\
                    KERNEL==\"0000:*\", KERNELS==\"0000:3b:00.0\", ATTR{x}=\"1\"\nNAME==\"a\", ATTR{x}=\"1\"\n";
        let rules = rule::parse(text);
        let names: Vec<Option<&str>> = rules.iter().map(exact_name).collect();
        assert_eq!(names, [Some("0000:3b:02.0"), None, None, Some("0000:3b:00.0"), None]);
    }
}
