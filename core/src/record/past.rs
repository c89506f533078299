//! What the records of earlier runs tell: newest first, read as far as an answer needs.

use std::io;

use crate::error::{Error, Result};
use crate::record::RunRecord;
use crate::record::report::Outcome;
use crate::record::store::RecordStore;

/// The earlier runs of a host, and the boot it runs since. By default nothing is known of either.
#[derive(Debug, Clone, Copy, Default)]
pub struct Past<'a> {
    /// Their records.
    pub records: Option<&'a RecordStore>,
    /// Id of the boot the host runs since; `None` for a tree without `/proc`.
    pub boot_id: Option<&'a str>,
}

impl Past<'_> {
    /// Returns the newest run that `is_it`. What cannot be read tells nothing: records are for root, and a damaged one
    /// hides no other.
    ///
    /// # Errors
    /// When the records cannot be read for another reason.
    pub fn newest(&self, mut is_it: impl FnMut(&RunRecord) -> bool) -> Result<Option<RunRecord>> {
        let Some(records) = self.records else { return Ok(None) };
        let runs = match records.newest_first() {
            Ok(runs) => runs,
            Err(Error::Io(err)) if err.kind() == io::ErrorKind::PermissionDenied => return Ok(None),
            Err(err) => return Err(err),
        };
        Ok(runs.filter_map(|(_, found)| found.ok()).find(|it| is_it(it)))
    }

    /// Returns whether a run was under another boot than this one; `None` where that cannot be told.
    pub fn was_booted_since(&self, run: &RunRecord) -> Option<bool> {
        self.boot_id.map(|it| run.boot_id.as_deref() != Some(it))
    }
}

/// Returns whether a run put something in place that outlasts a boot, for its declarations.
pub fn has_put_in_place(run: &RunRecord) -> bool {
    let has_work = !run.files.is_empty() || !run.activations.is_empty();
    has_work && run.outcome != Some(Outcome::Refused)
}
