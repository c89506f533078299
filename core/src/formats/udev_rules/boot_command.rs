//! The command that boot rules of hoststate run: a device, what is to become of it, and what tells it from its twins.

use std::fmt;

use hoststate_abi::pci_address::PciAddress;

use super::rule::UdevRule;

/// What hoststate is told to do by a boot rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BootCommand {
    /// Where the device is.
    pub address: PciAddress,
    /// What is to become of it.
    pub wanted: Wanted,
    /// Which virtual function of its card it is, counted from 0, as in `virtfn0`; `None` for one that is none. The numbers
    /// are then those of its card.
    pub virtfn: Option<u16>,
    /// Its Device Serial Number, as `lspci` shows it; `None` where it has none to compare.
    pub serial: Option<String>,
    /// The hardware address that its interface was made with; `None` where it has none to compare.
    pub mac: Option<String>,
}

/// What is to become of a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// It is bound to this driver.
    Driver(String),
    /// It has virtual functions.
    Functions {
        /// How many.
        numvfs: u16,
        /// Whether drivers take them by themselves; `None` leaves that to the kernel.
        autoprobe: Option<bool>,
    },
}

impl BootCommand {
    /// The first word behind the program.
    pub const WORD: &str = "boot-device";

    /// Reads the words behind [`Self::WORD`].
    ///
    /// # Errors
    /// When they are no such command, with what is wrong.
    pub fn parse<'a>(words: impl IntoIterator<Item = &'a str>) -> Result<Self, String> {
        let mut words = words.into_iter();
        let address = words.next().ok_or("no device is named")?;
        let address = address.parse().map_err(|_| format!("{address:?} is no address of a device"))?;
        let (mut driver, mut numvfs, mut autoprobe) = (None, None, None);
        let (mut virtfn, mut serial, mut mac) = (None, None, None);
        for word in words {
            let (name, value) = word.split_once('=').ok_or_else(|| format!("{word:?} is not NAME=VALUE"))?;
            let wrong = || format!("{name}={value:?} is no number");
            match name {
                "driver" => driver = Some(value.to_owned()),
                "numvfs" => numvfs = Some(value.parse().map_err(|_| wrong())?),
                "autoprobe" => autoprobe = Some(value.parse::<u8>().map_err(|_| wrong())? != 0),
                "virtfn" => virtfn = Some(value.parse().map_err(|_| wrong())?),
                "serial" => serial = Some(value.to_owned()),
                "mac" => mac = Some(value.to_owned()),
                _ => return Err(format!("{name:?} is not known to this version of hoststate")),
            }
        }
        let wanted = match (driver, numvfs) {
            (Some(driver), None) => Wanted::Driver(driver),
            (None, Some(numvfs)) => Wanted::Functions { numvfs, autoprobe },
            _ => return Err("either driver= or numvfs= says what is wanted".to_owned()),
        };
        Ok(Self { address, wanted, virtfn, serial, mac })
    }

    /// Returns the command that a rule runs, with its program; `None` for a rule that runs none of hoststate's.
    pub fn of_rule(rule: &UdevRule) -> Option<(&str, Self)> {
        let mut runs = rule.pairs.iter().filter(|it| it.key == "RUN" && it.attribute.is_none());
        runs.find_map(|it| {
            let mut words = it.value.split_whitespace();
            let program = words.next()?;
            let is_own = words.next() == Some(Self::WORD);
            Some((program, Self::parse(words).ok().filter(|_| is_own)?))
        })
    }
}

impl fmt::Display for BootCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { address, wanted, virtfn, serial, mac } = self;
        write!(f, "{} {address}", Self::WORD)?;
        match wanted {
            Wanted::Driver(driver) => write!(f, " driver={driver}")?,
            Wanted::Functions { numvfs, autoprobe } => {
                write!(f, " numvfs={numvfs}")?;
                if let Some(autoprobe) = autoprobe {
                    write!(f, " autoprobe={}", u8::from(*autoprobe))?;
                }
            }
        }
        if let Some(virtfn) = virtfn {
            write!(f, " virtfn={virtfn}")?;
        }
        for (name, value) in [("serial", serial), ("mac", mac)] {
            if let Some(value) = value {
                write!(f, " {name}={value}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{BootCommand, Wanted};
    use crate::formats::udev_rules::rule;

    /// Some bytes as a tool writes them.
    fn number(bytes: usize, separator: &'static str) -> impl Strategy<Value = Option<String>> {
        let text = |it: Vec<u8>| it.iter().map(|it| format!("{it:02x}")).collect::<Vec<_>>();
        let bytes = proptest::collection::vec(any::<u8>(), bytes);
        proptest::option::of(bytes.prop_map(move |it| text(it).join(separator)))
    }

    fn any_command() -> impl Strategy<Value = BootCommand> {
        let names = ["vfio-pci", "igb", "snd_hda_intel", "a.b+c"];
        let driver = proptest::sample::select(names.map(str::to_owned).to_vec()).prop_map(Wanted::Driver);
        let functions = (any::<u16>(), any::<Option<bool>>())
            .prop_map(|(numvfs, autoprobe)| Wanted::Functions { numvfs, autoprobe });
        let address = (any::<u8>(), 0u8..32, 0u8..8).prop_map(|(bus, device, function)| {
            format!("0000:{bus:02x}:{device:02x}.{function}").parse().expect("an address")
        });
        (address, prop_oneof![driver, functions], any::<Option<u16>>(), number(8, "-"), number(6, ":"))
            .prop_map(|(address, wanted, virtfn, serial, mac)| BootCommand {
                address,
                wanted,
                virtfn,
                serial,
                mac,
            })
    }

    proptest! {
        #[test]
        fn a_command_is_read_from_a_rule_as_it_was_written(command in any_command()) {
            let text = format!("KERNEL==\"a\", RUN{{builtin}}+=\"kmod load x\", RUN+=\"/usr/bin/hoststate {command}\"");
            let rules = rule::parse(&text);
            prop_assert_eq!(BootCommand::of_rule(&rules[0]), Some(("/usr/bin/hoststate", command)));
        }
    }

    #[test]
    fn what_is_no_such_command_says_why() {
        for (text, why) in [
            ("", "no device"),
            ("x driver=a", "no address"),
            ("0000:01:00.0", "driver= or numvfs="),
            ("0000:01:00.0 driver=a numvfs=1", "driver= or numvfs="),
            ("0000:01:00.0 numvfs=many", "no number"),
            ("0000:01:00.0 driver=a virtfn=first", "no number"),
            ("0000:01:00.0 driver=a colour=red", "not known"),
            ("0000:01:00.0 driver", "NAME=VALUE"),
        ] {
            let err = BootCommand::parse(text.split_whitespace()).unwrap_err();
            assert!(err.contains(why), "{text}: {err}");
        }
        let others = rule::parse("RUN+=\"/bin/sh -c 'x'\"\nRUN+=\"/usr/bin/hoststate verify\"\nRUN+=\"\"\n");
        assert!(others.iter().all(|it| BootCommand::of_rule(it).is_none()));
    }
}
