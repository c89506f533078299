//! What rules, scripts and their commands do to functions: they name drivers, rebind, and take off the bus.

use hoststate_abi::pci_address::PciAddress;

use super::inserts::Insert;
use super::play::{Function, Player};
use super::takes::Takes;
use super::{Certainty, Stage, scripts};
use crate::formats::modprobe_conf::ModuleName;

/// A udev rule about one function.
#[derive(Debug, Clone, Default)]
pub(super) struct Rule {
    /// The driver it names in `driver_override`.
    pub(super) driver: Option<String>,
    /// The module that it has kmod load, by name, and whether the blacklist counts.
    pub(super) loads: Option<(String, bool)>,
    /// The command by which it takes the function from another driver and has it probed again.
    pub(super) rebinds: Option<String>,
    /// Whether that command gives the function back to its own driver instead.
    pub(super) gives_back: bool,
    /// Whether it takes the function off the bus.
    pub(super) removes: bool,
    /// A command it runs that moves the function in its own way, and whether the rule is about the function or names it.
    pub(super) runs: Option<String>,
    /// Where it stands.
    pub(super) place: String,
}

/// A function that a rule rebinds, with what is loaded when its command runs.
pub(super) struct Rebinding<'a> {
    pub(super) function: &'a Function<'a>,
    pub(super) command: String,
    pub(super) gives_back: bool,
    pub(super) place: String,
    pub(super) loaded: Vec<ModuleName>,
}

/// A function that something moves by commands of its own.
#[derive(Debug, Clone)]
pub(super) struct Moved {
    /// The driver that it names.
    pub(super) driver: Option<String>,
    /// What moves it.
    pub(super) why: String,
}

impl Player<'_> {
    /// Takes note of what a rule sets before udev runs anything.
    pub(super) fn obey(&mut self, rule: &Rule, function: &Function<'_>) {
        let address = function.device.address;
        if let Some(driver) = &rule.driver {
            self.overrides.insert(address, (driver.clone(), rule.place.clone()));
            self.asked.insert(address, (driver.clone(), rule.place.clone()));
        }
        if rule.removes {
            self.remove(address, format!("{} takes {address} off the bus", rule.place));
        }
        if let Some(command) = &rule.runs {
            self.command(command, address, &rule.place);
        }
    }

    /// Something takes a function off the bus.
    pub(super) fn remove(&mut self, address: PciAddress, because: String) {
        self.removed.insert(address, because);
    }

    /// A script runs: it may bind the functions that it names.
    pub(super) fn script(&mut self, text: &str, place: &str, driver: Option<&str>) {
        let words = scripts::words(text);
        for function in self.functions {
            let address = function.device.address;
            if scripts::are_about(&words, address) {
                let why = format!("{place} names {address}, and only running a script tells what it does");
                self.moved.insert(address, Moved { driver: driver.map(str::to_owned), why });
            }
        }
    }

    /// A rule runs a command that moves a function in its own way.
    fn command(&mut self, command: &str, address: PciAddress, place: &str) {
        let why = format!("{place} runs a command that moves {address}, and only running it tells where to");
        self.moved.insert(address, Moved { driver: scripts::driver(command), why });
    }

    /// A rule has the function leave its driver for the one that it names, and go back when that does not take it.
    pub(super) fn rebind(&mut self, it: &Rebinding<'_>) {
        let Rebinding { function, command, gives_back, place, loaded } = it;
        let address = function.device.address;
        if *gives_back {
            let named = self.overrides.get(&address).map(|it| it.0.clone());
            self.bound.retain(|bound, it| *bound != address || Some(&it.driver) != named.as_ref());
            return self.give_back(function);
        }
        let Some((driver, _)) = self.overrides.get(&address).cloned() else {
            // Where no rule names a driver, the command does.
            return self.command(command, address, place);
        };
        let is_it = |it: &&Insert| self.registers(&it.module, &driver);
        let is_bound = self.bound.get(&address).is_some_and(|it| it.driver == driver);
        if is_bound && self.loaded.iter().any(|it| is_it(&it) && loaded.contains(&it.module)) {
            return;
        }
        let taking = self.loaded.iter().find(is_it).map(|it| (it.clone(), self.takes(it, function)));
        match taking {
            Some((insert, Takes::Yes(mut because))) => {
                because.insert(0, format!("{place} rebinds it"));
                // The command runs before udev loads what the function itself asks for.
                let is_there = loaded.contains(&insert.module);
                let certainty = match self.without_override(function).filter(|_| !is_there) {
                    Some(with) => Certainty::Race { with },
                    None => Certainty::Certain,
                };
                self.bound.remove(&address);
                self.bind(&insert, function, Stage::Rule, because, certainty);
            }
            Some((insert, Takes::Unknown(reason))) => {
                self.bound.remove(&address);
                let because = vec![format!("{place} rebinds it")];
                self.bind(&insert, function, Stage::Rule, because, Certainty::Unknown { reason });
            }
            Some((_, Takes::No(why))) => {
                self.declined.extend(why.map(|it| (address, it)));
                self.give_back(function);
            }
            None => self.give_back(function),
        }
    }

    /// The driver that takes a function when no rule names one.
    fn without_override(&mut self, function: &Function<'_>) -> Option<String> {
        let address = function.device.address;
        let named = self.overrides.remove(&address);
        let takes = |it: &&Insert| matches!(self.takes(it, function), Takes::Yes(_));
        let driver = self.loaded.iter().find(takes).map(|it| self.driver_of(&it.module, function));
        self.overrides.extend(named.map(|it| (address, it)));
        driver
    }

    /// A rule found that nobody took the function.
    fn give_back(&mut self, function: &Function<'_>) {
        // The override is taken away again, and the bus is asked once more.
        self.overrides.remove(&function.device.address);
        self.ask_loaded(function, Stage::Rule, self.loaded.len());
    }
}
