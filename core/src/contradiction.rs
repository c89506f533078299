//! Declarations that no host can follow at once: what two of them want of one subject.

use std::collections::BTreeMap;

use crate::error::Error;
use crate::registry::{Declared, Rejected};

/// What a resource wants of a subject, whatever the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// What is governed, in words: `driver of 0000:01:00.0`.
    pub subject: String,
    /// What it shall be.
    pub wish: Wish,
}

/// What a subject shall be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wish {
    /// These values and no other.
    Exactly(Vec<String>),
    /// This value, maybe beside others.
    Including(String),
    /// Any value but this.
    Without(String),
    /// None at all.
    Nothing,
}

impl Claim {
    /// Returns the claim of one value and no other.
    pub fn exactly(subject: impl Into<String>, value: impl Into<String>) -> Self {
        Self { subject: subject.into(), wish: Wish::Exactly(vec![value.into()]) }
    }
}

impl Wish {
    fn contradicts(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Exactly(left), Self::Exactly(right)) => left != right,
            (Self::Exactly(all), Self::Including(one)) | (Self::Including(one), Self::Exactly(all)) => {
                !all.contains(one)
            }
            (Self::Exactly(all), Self::Without(one)) | (Self::Without(one), Self::Exactly(all)) => {
                all.contains(one)
            }
            (Self::Including(with), Self::Without(without))
            | (Self::Without(without), Self::Including(with)) => with == without,
            (Self::Exactly(_) | Self::Including(_), Self::Nothing)
            | (Self::Nothing, Self::Exactly(_) | Self::Including(_)) => true,
            (Self::Including(_), Self::Including(_)) => false,
            (Self::Without(_) | Self::Nothing, Self::Without(_) | Self::Nothing) => false,
        }
    }

    fn shown(&self) -> String {
        match self {
            Self::Exactly(all) => all.join(" "),
            Self::Including(one) => one.clone(),
            Self::Without(one) => format!("no {one}"),
            Self::Nothing => "none".to_owned(),
        }
    }
}

/// Returns each declaration that wants something else than an earlier one.
pub fn contradictions(declared: &[Declared]) -> Vec<Rejected> {
    // Wishes that are the same are one, so that many declarations of one thing stay few comparisons.
    let mut wishes: BTreeMap<String, Vec<(Wish, &Declared)>> = BTreeMap::new();
    let mut rejected = Vec::new();
    for later in declared {
        for Claim { subject, wish } in later.resource.claims() {
            let known = wishes.entry(subject.clone()).or_default();
            if known.iter().any(|(it, _)| *it == wish) {
                continue;
            }
            if let Some((other, earlier)) = known.iter().find(|(it, _)| it.contradicts(&wish)) {
                rejected.push(Rejected {
                    declaration: later.declaration.clone(),
                    path: None,
                    source: contradiction(&subject, (earlier, other), (later, &wish)),
                });
            }
            known.push((wish, later));
        }
    }
    rejected
}

fn contradiction(subject: &str, earlier: (&Declared, &Wish), later: (&Declared, &Wish)) -> Error {
    let said = |(declared, wish): (&Declared, &Wish)| {
        let at = declared.declaration.playbook.as_ref().map_or_else(String::new, |it| format!(" at {it}"));
        format!("{}{at} wants {}", declared.id, wish.shown())
    };
    let what = format!("{subject}: {}, {}", said(earlier), said(later));
    Error::invalid(what, "Decide which of the two it shall be.")
}
