//! What is kept of a boot that was tried and is refused: which parameters it had, and what was wrong with it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::formats::kernel_cmdline::{CmdlineEdit, Parameter};

/// A boot that was tried and is refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RefusedBoot {
    /// The kernel parameters that the playbook wanted.
    pub with: Vec<String>,
    /// Those that it wanted taken out.
    pub without: Vec<String>,
    /// What the boot lost, or why it was no boot at all.
    pub because: String,
}

impl RefusedBoot {
    /// Returns what is kept of a boot that tried these edits.
    pub fn new(edits: &[CmdlineEdit], because: String) -> Self {
        let (with, without) = parameters(edits);
        Self { with, without, because }
    }

    /// Returns whether a boot with these edits would be the same once more. In which order declarations stand makes no
    /// other boot.
    pub fn is_of(&self, edits: &[CmdlineEdit]) -> bool {
        let sorted = |it: &[String]| {
            let mut sorted = it.to_vec();
            sorted.sort();
            sorted
        };
        let (with, without) = parameters(edits);
        sorted(&self.with) == sorted(&with) && sorted(&self.without) == sorted(&without)
    }

    /// Returns which boot it was: `the boot with intel_iommu=on, without nomodeset`.
    pub fn named(&self) -> String {
        let part = |word: &str, it: &[String]| (!it.is_empty()).then(|| format!("{word} {}", it.join(" ")));
        let parts: Vec<String> =
            part("with", &self.with).into_iter().chain(part("without", &self.without)).collect();
        format!("the boot {}", parts.join(", "))
    }
}

fn parameters(edits: &[CmdlineEdit]) -> (Vec<String>, Vec<String>) {
    let raw = |of: fn(&CmdlineEdit) -> &[Parameter]| {
        let mut all: Vec<String> = Vec::new();
        for it in edits.iter().flat_map(of).map(Parameter::raw) {
            if !all.iter().any(|known| known == it) {
                all.push(it.to_owned());
            }
        }
        all
    };
    let mut with = raw(|it| &it.present);
    with.extend(raw(|it| &it.additional));
    (with, raw(|it| &it.absent))
}
