//! What was said of one function, and whether a boot bears it out.

use std::fmt;

use serde::Deserialize;

use super::FUNCTIONS;
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
    pub(super) address: &'static str,
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
}

#[derive(Deserialize)]
struct Device {
    address: String,
    next: Option<Next>,
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
    /// Reads the answers about the machine's functions, in their order.
    pub(super) fn of(json: &str) -> Result<Vec<Answer>> {
        let what = "inspect devices".to_owned();
        let found: Inspected =
            serde_json::from_str(json).map_err(|source| Error::Json { what: what.clone(), source })?;
        let mut answers = Vec::new();
        for function in &FUNCTIONS {
            let device = found.devices.iter().find(|it| it.address == function.address);
            match device.and_then(|it| it.next.clone()) {
                Some(next) => answers.push(Answer { address: function.address, next }),
                None => check(false, &what, format!("the next boot of {}", function.address), json)?,
            }
        }
        Ok(answers)
    }

    /// Fails unless `why` says the same.
    pub(super) fn agrees(&self, why: &str) -> Result<()> {
        let what = format!("why {}", self.address);
        let said: Why =
            serde_json::from_str(why).map_err(|source| Error::Json { what: what.clone(), source })?;
        let same = said.next_boot.certainty == self.next.certainty && said.next_boot.driver == self.next.next;
        check(same, what, format!("{self}"), why)
    }

    /// Judges it by the driver that the function had after the boot.
    pub(super) fn holds(&self, became: Option<&str>) -> Told {
        match self.next.certainty.as_str() {
            "certain" if self.next.next.as_deref() == became => Told::Right,
            "race" if self.next.next.as_deref() == became || self.next.with.as_deref() == became => {
                Told::Race
            }
            "unknown" => Told::Unknown,
            _ => Told::Wrong,
        }
    }
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
