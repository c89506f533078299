//! Settings that only a file would tell which whoever looks may not read: they are told as not known, and everything
//! else as always.

use std::collections::BTreeMap;
use std::path::PathBuf;

use hoststate_abi::host_view::HostView;
use hoststate_abi::setting::{Setting, State};

use super::Draft;
use crate::language::declaration::ResourceId;
use crate::language::registry::Declared;
use crate::plan::planned::Unread;
use crate::record::STATE_DIRECTORY;

/// What stands for the text of such a file.
const NOT_READ: &str = "not read: permission denied";

impl Draft {
    /// Takes out of a declaration's settings those that are not known. One that a tool makes anew, because the
    /// declaration changes its sources now, is to be made whatever it is.
    pub(super) fn put_unread_aside(
        &mut self,
        declared: &Declared,
        changes_sources: bool,
        settings: &mut Vec<Setting>,
        view: &HostView,
    ) {
        settings.retain_mut(|setting| {
            let Some(path) = setting.about.path().filter(|it| view.is_withheld(it)) else { return true };
            match &mut setting.state {
                State::Drifted { actual, .. } if changes_sources => {
                    *actual = Some(NOT_READ.to_owned());
                    true
                }
                _ => {
                    self.unread.entry(path.to_owned()).or_default().push(declared.id.clone());
                    false
                }
            }
        });
    }
}

/// Returns what was not read, with the declarations that it would tell of; records of runs tell of none.
pub(super) fn told(known: BTreeMap<PathBuf, Vec<ResourceId>>, view: &HostView) -> Vec<Unread> {
    let mut unread: BTreeMap<PathBuf, Vec<ResourceId>> = known;
    for path in view.withheld() {
        let is_record = path.starts_with(STATE_DIRECTORY);
        unread.entry(if is_record { STATE_DIRECTORY.into() } else { path }).or_default();
    }
    unread
        .into_iter()
        .map(|(path, mut resources)| {
            resources.dedup();
            Unread { path, resources }
        })
        .collect()
}
