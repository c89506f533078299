//! What was said of one function, and whether a boot bears it out.

use std::fmt;

use serde::Deserialize;

use super::Drivers;
use crate::error::{Error, Result, check};

/// An answer beside a boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Told {
    Right,
    Wrong,
    /// Either of two was possible, and one of them came.
    Race,
    Unknown,
}

/// What `inspect devices` said of the next boot of a function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) address: String,
    next: Next,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct Next {
    next: Option<String>,
    certainty: String,
    #[serde(default)]
    with: Option<String>,
    #[serde(default)]
    reason: Option<String>,
    #[serde(default)]
    because: Vec<String>,
}

#[derive(Deserialize)]
struct Inspected {
    devices: Vec<Device>,
    #[serde(default)]
    to_come: Vec<Coming>,
}

#[derive(Deserialize)]
struct Device {
    address: String,
    driver: Option<String>,
    next: Option<Next>,
}

/// A function that is not there yet.
#[derive(Deserialize)]
struct Coming {
    address: String,
    #[serde(flatten)]
    next: Next,
}

/// What `why` says of the same.
#[derive(Deserialize)]
struct Why {
    next_boot: WhyNext,
}

#[derive(Deserialize)]
struct WhyNext {
    driver: Option<String>,
    certainty: String,
}

impl Answer {
    /// Reads the answers about all functions, those to come behind those that are there.
    pub(super) fn of(json: &str) -> Result<Vec<Answer>> {
        let found = inspected(json)?;
        let mut answers = Vec::new();
        for Device { address, next, .. } in found.devices {
            match next {
                Some(next) => answers.push(Answer { address, next }),
                None => check(false, WHAT, format!("the next boot of {address}"), json)?,
            }
        }
        answers.extend(found.to_come.into_iter().map(|it| Answer { address: it.address, next: it.next }));
        Ok(answers)
    }

    /// Reads the drivers that functions have now.
    pub(super) fn now(json: &str) -> Result<Drivers> {
        Ok(inspected(json)?.devices.into_iter().map(|it| (it.address, it.driver)).collect())
    }

    /// Fails unless `why` says the same.
    pub(super) fn agrees(&self, why: &str) -> Result<()> {
        let what = format!("why {}", self.address);
        let said: Why =
            serde_json::from_str(why).map_err(|source| Error::Json { what: what.clone(), source })?;
        let same = said.next_boot.certainty == self.next.certainty && said.next_boot.driver == self.next.next;
        check(same, what, format!("{self}"), why)
    }

    /// Judges it by the drivers that functions had after the boot. One that is gone has none; one to come must be there.
    pub(super) fn holds(&self, became: &Drivers) -> Told {
        let driver = became.get(&self.address).cloned().flatten();
        match self.next.certainty.as_str() {
            "certain" if self.next.next == driver => Told::Right,
            "race" if self.next.next == driver || self.next.with == driver => Told::Race,
            "unknown" => Told::Unknown,
            _ => Told::Wrong,
        }
    }

    /// Returns whether the function surely or maybe gets another driver than it has `before`.
    pub(super) fn moves(&self, before: Option<&str>) -> bool {
        self.next.certainty != "certain" || self.next.next.as_deref() != before
    }

    /// Returns whether it is a race.
    pub(super) fn is_race(&self) -> bool {
        self.next.certainty == "race"
    }
}

const WHAT: &str = "inspect devices";

fn inspected(json: &str) -> Result<Inspected> {
    serde_json::from_str(json).map_err(|source| Error::Json { what: WHAT.into(), source })
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Next { next, certainty, with, reason, because } = &self.next;
        write!(f, "{} {} {certainty}", self.address, next.as_deref().unwrap_or("-"))?;
        for it in with.iter().chain(reason) {
            write!(f, " ({it})")?;
        }
        write!(f, ": {}", because.join("; "))
    }
}
