//! A host on which the files of a plan that are gone come back as they were.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use hoststate_abi::host_view::HostView;
use hoststate_abi::step::Step;

use crate::error::Result;
use crate::host::{Done, Host};
use crate::machine::metadata::Metadata;
use crate::plan::planned::Plan;

/// A host that knows what the files were that come back.
pub struct ReturningHost<'a> {
    host: &'a dyn Host,
    files: BTreeMap<PathBuf, Metadata>,
}

impl<'a> ReturningHost<'a> {
    /// Returns `host` with what the files of `plan` were.
    pub fn new(host: &'a dyn Host, plan: &Plan) -> Self {
        let known = plan.files.iter().filter_map(|it| Some((it.path.clone(), it.as_before.clone()?)));
        Self { host, files: known.collect() }
    }
}

impl Host for ReturningHost<'_> {
    fn view(&self) -> HostView {
        self.host.view()
    }

    fn perform(&self, step: &Step) -> Result<Done> {
        match step {
            Step::WriteFile { path, text } => match self.files.get(path) {
                Some(metadata) => self.host.bring_back(path, text, metadata),
                None => self.host.perform(step),
            },
            _ => self.host.perform(step),
        }
    }

    fn metadata(&self, path: &Path) -> Result<Option<Metadata>> {
        self.host.metadata(path)
    }

    fn sync(&self) -> Result<()> {
        self.host.sync()
    }

    fn wait_for_devices(&self, attempt: u32) -> bool {
        self.host.wait_for_devices(attempt)
    }
}
