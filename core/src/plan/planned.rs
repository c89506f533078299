//! The plan: what differs between a host and its declarations, and what would be done about it. Data, nothing else.

use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;

use hoststate_abi::about::About;
use hoststate_abi::activation::Activation;
use hoststate_abi::setting::{Disruption, Place, Scope};
use hoststate_abi::step::Step;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::language::declaration::{Declaration, Origin, ResourceId};
use crate::language::ensure::Ensure;
use crate::machine::metadata::Metadata;
use crate::mechanism::host_summary::HostSummary;
use crate::next_boot::NextBoot;
use crate::plan::declared_device::DeclaredDevice;
use crate::plan::finding::{Finding, Verdict};
use crate::plan::no_longer_declared::NoLongerDeclared;
use crate::plan::parameter_change::ParameterChange;
use crate::plan::scene::{Hazard, Severity};

/// Format of a plan.
pub const PLAN_FORMAT: &str = "hoststate.plan/2";

/// What differs, what would be done, and why.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Plan {
    /// [`PLAN_FORMAT`].
    pub format: String,
    /// The host the plan was made for.
    pub host: HostSummary,
    /// Whose declarations these are: the path of the playbook unless another name was given; absent where nobody is
    /// remembered for them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// Whether what earlier runs of the owner set is taken out, and files are written as if they had never been.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub prune: bool,
    /// The declarations, as evaluated, and what `--prune` takes out: the only input of a plan.
    pub declarations: Vec<Declaration>,
    /// What earlier runs of the owner set, what is still there, and what is no longer declared.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub no_longer_declared: Vec<NoLongerDeclared>,
    /// The PCI devices that they are about and that are there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub devices: Vec<DeclaredDevice>,
    /// The settings that differ, in the order of the declarations.
    pub changes: Vec<Change>,
    /// The files that would be written, whole.
    pub files: Vec<FileChange>,
    /// The activations that the changes call for, in the order in which they run; a reboot is not among them.
    pub activations: Vec<PlannedActivation>,
    /// What the next boot will be, when all this is done.
    #[serde(default)]
    pub next_boot: NextBoot,
    /// The parameters of the command line in which running kernel, next boot and declarations differ.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cmdline: Vec<ParameterChange>,
    /// Whether a boot is expected to make right what waits for one. After a boot that did not help it is not.
    pub reboot: Reboot,
    /// What the last boot was to make right and did not, with the reason.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub after_boot: Vec<Finding>,
    /// The hazards that guards found.
    pub guards: Vec<Hazard>,
    /// Settings that cannot be read until other changes are made.
    pub deferred: Vec<Deferred>,
    /// Settings that cannot become as wanted.
    pub conflicts: Vec<Conflict>,
    /// Files of which nothing is known: whoever looked may not read them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unread: Vec<Unread>,
    /// Counts of settings.
    pub summary: Summary,
    /// For a boot that is tried once: what is done by itself after that boot, if it holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub once_confirmed: Option<Box<Plan>>,
}

/// A setting that differs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Change {
    /// The resource it belongs to.
    pub resource: ResourceId,
    /// Where that was declared.
    pub playbook: Option<Origin>,
    /// The composite whose part it is, if it is one's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub composite: Option<String>,
    /// Whether what the resource describes shall be there.
    #[serde(default, skip_serializing_if = "Ensure::is_present")]
    pub ensure: Ensure,
    /// When the setting is true.
    pub scope: Scope,
    /// What is compared.
    #[serde(flatten)]
    pub about: About,
    /// As found; absent when there is nothing.
    pub actual: Option<String>,
    /// As wanted; absent when there shall be nothing.
    pub desired: Option<String>,
    /// What is done; empty where an activation is the remedy.
    pub steps: Vec<Step>,
    /// The activation that is the remedy, if one is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub activation: Option<Activation>,
    /// What the change interrupts.
    pub disruption: Disruption,
    /// Whether a boot was to make it so and did not. Another one is not expected to.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub in_vain: bool,
}

impl Change {
    /// Returns whether nothing but a reboot makes this setting as wanted.
    pub fn waits_for_reboot(&self) -> bool {
        self.activation == Some(Activation::Reboot)
    }

    /// Returns whether a reboot is expected to make this setting as wanted.
    pub fn expects_reboot(&self) -> bool {
        self.waits_for_reboot() && !self.in_vain
    }

    /// Returns what an activation that makes it right is for.
    pub fn reason(&self) -> String {
        reason(&self.resource, &self.about, self.desired.as_deref())
    }

    /// Returns what it is a difference of: the same setting has the same in every plan.
    pub fn setting(&self) -> (&ResourceId, Scope, &About) {
        (&self.resource, self.scope, &self.about)
    }
}

/// Returns what an activation is for.
pub fn reason(resource: &ResourceId, about: &About, desired: Option<&str>) -> String {
    match desired {
        Some(desired) => format!("{resource}: {about}: {desired}"),
        None => format!("{resource}: {about}"),
    }
}

/// A file that would be written or removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FileChange {
    /// The file, symbolic links resolved.
    pub path: PathBuf,
    /// Its text now; null when there is no such file.
    pub before: Option<String>,
    /// Its text then; null when it is removed.
    pub after: Option<String>,
    /// Unified diff from `before` to `after`.
    pub diff: String,
    /// What a file that comes back was besides its text; absent for any other, which stays what it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub as_before: Option<Metadata>,
}

/// An activation and the reasons for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PlannedActivation {
    /// What is activated.
    #[serde(flatten)]
    pub activation: Activation,
    /// The command that does it.
    pub argv: Vec<String>,
    /// The resources or facts that call for it.
    pub because: Vec<String>,
}

/// Whether the host must boot, and why.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Reboot {
    /// Whether it must.
    pub required: bool,
    /// The settings that wait for it.
    pub because: Vec<String>,
}

impl Reboot {
    /// Returns whether changes and what is not known yet need a boot: those that one is expected to make right.
    pub fn of(changes: &[Change], deferred: &[Deferred]) -> Self {
        let waiting = changes.iter().filter(|it| it.expects_reboot()).map(Change::reason);
        let unknown = deferred.iter().filter(|it| it.waits_for_reboot);
        let unknown = unknown.map(|it| format!("{}: {}", it.resource, it.reason));
        let mut because: Vec<String> = waiting.chain(unknown).collect();
        // A resource says the same twice only in a row.
        because.dedup();
        Self { required: !because.is_empty(), because }
    }
}

/// A setting that cannot be read yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Deferred {
    /// The resource.
    pub resource: ResourceId,
    /// Where it was declared.
    pub playbook: Option<Origin>,
    /// What is waited for.
    pub reason: String,
    /// Whether only a boot of the host lets it be read: it is not running.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub waits_for_reboot: bool,
}

/// A file that whoever looks may not read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Unread {
    /// The file, or the directory it is in.
    pub path: PathBuf,
    /// The declarations of which it would tell whether they are in place.
    pub resources: Vec<ResourceId>,
}

/// A setting that two parties want differently, or that nothing hoststate may do can change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Conflict {
    /// What is compared.
    #[serde(flatten)]
    pub about: About,
    /// As wanted by the resource.
    pub desired: Option<String>,
    /// As it would be all the same.
    pub actual: Option<String>,
    /// The resource whose wish is not met.
    pub resource: ResourceId,
    /// Where that was declared.
    pub playbook: Option<Origin>,
    /// The other declaration, if it is one.
    pub other: Option<ResourceId>,
    /// Where the other was declared.
    pub other_playbook: Option<Origin>,
    /// The foreign file and line, if it is one.
    pub foreign: Option<Place>,
    /// For a device that is not there: that an earlier run had it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gone: Option<KnownDevice>,
    /// What stands in the way, and what the user can do.
    pub reason: String,
}

/// A device that was there once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct KnownDevice {
    /// The newest recorded run that had it.
    pub run: String,
}

/// Counts of settings.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Summary {
    /// As wanted, read from the host.
    pub in_desired_state: usize,
    /// Different, with something to do about it now; or left so by a boot that was to change it.
    pub to_change: usize,
    /// Different, and a reboot is expected to make it right.
    pub only_reboot: usize,
    /// Not readable yet.
    pub deferred: usize,
    /// Conflicts, and hazards nobody accepted.
    pub refused: usize,
}

impl Plan {
    /// Returns whether every setting was read and is as wanted.
    pub fn in_desired_state(&self) -> bool {
        self.changes.is_empty() && self.deferred.is_empty() && self.conflicts.is_empty() && self.is_read()
    }

    /// Returns whether every file was read that tells of a declaration.
    pub fn is_read(&self) -> bool {
        self.unread.iter().all(|it| it.resources.is_empty())
    }

    /// Returns whether a parameter of the running kernel is warned of that is there and has no effect.
    pub fn has_ineffective_parameter(&self) -> bool {
        self.after_boot.iter().any(|it| it.verdict == Verdict::IneffectiveParameter)
    }

    /// Returns whether a boot was to make something right and did not: the host is not in the desired state, and no
    /// reboot is expected to bring it there.
    pub fn is_beyond_boot(&self) -> bool {
        self.after_boot.iter().any(|it| it.verdict.is_beyond_boot())
    }

    /// Returns whether nothing is left to do but a reboot, and one is expected to help.
    pub fn only_reboot_left(&self) -> bool {
        self.reboot.required && !self.has_work() && self.conflicts.is_empty() && !self.is_beyond_boot()
    }

    /// Returns whether there is something to do now; a reboot is not.
    pub fn has_work(&self) -> bool {
        self.changes.iter().any(|it| !it.waits_for_reboot())
    }

    /// Returns the hazards that stop this plan.
    pub fn refusals(&self) -> impl Iterator<Item = &Hazard> {
        self.guards.iter().filter(|it| it.severity == Severity::Refuse && !it.accepted)
    }

    /// Returns what stops this plan, a line for each hazard and conflict; `None` when nothing does.
    pub fn obstacles(&self) -> Option<String> {
        let hazards = self.refusals().map(|it| format!("{}: {}", it.id, it.message));
        let conflicts =
            self.conflicts.iter().map(|it| format!("{}: {}: {}", it.resource, it.about, it.reason));
        let lines: Vec<String> = hazards.chain(conflicts).collect();
        (!lines.is_empty()).then(|| lines.join("\n"))
    }

    /// Returns what this later plan would do that one which was `agreed` to does not name, a line for each: settings
    /// that it neither differs in nor waits for, and hazards that it does not have. `is_done` says which changes count.
    pub fn beyond(&self, agreed: &Self, is_done: impl Fn(&Change) -> bool) -> Vec<String> {
        let known: HashSet<_> = agreed.changes.iter().map(Change::setting).collect();
        let is_named = |it: &Change| {
            let is_made_again =
                |planned: &PlannedActivation| Some(&planned.activation) == it.activation.as_ref();
            agreed.deferred.iter().any(|waiting| waiting.resource == it.resource)
                || known.contains(&it.setting())
                || agreed.activations.iter().any(is_made_again)
        };
        let settings = self.changes.iter().filter(|it| is_done(it) && !is_named(it));
        let settings = settings.map(|it| format!("{}: {}", it.resource, it.about));
        let hazards = self.guards.iter().filter(|it| !agreed.guards.iter().any(|known| known.id == it.id));
        settings.chain(hazards.map(|it| format!("{}: {}", it.id, it.message))).collect()
    }

    /// Returns the text each changed file will have, by path.
    pub fn texts(&self) -> BTreeMap<PathBuf, Option<String>> {
        self.files.iter().map(|it| (it.path.clone(), it.after.clone())).collect()
    }
}
