//! A menu that GRUB reads and the distribution's tool does not write: it is judged, and never written.

use hoststate_abi::host_view::HostView;
use hoststate_abi::setting::{Place, Setting, State};
use hoststate_core::error::{Error, Result};
use hoststate_core::formats::kernel_cmdline::{Cmdline, CmdlineEdit};
use hoststate_core::mechanism::distro::{BootEntry, Bootloader, EntryChoice, Later, Trial};

use super::grub_mkconfig::GrubMkconfig;
use super::grub_text;
use super::one_boot;

/// GRUB 2 with such a menu.
#[derive(Debug)]
pub(super) struct OtherMenu {
    /// What the distribution has, as if GRUB read its menu.
    pub(super) sources: Box<dyn Bootloader>,
    /// The menu that is read.
    pub(super) read: Unwritten,
}

/// A menu that is read and not written.
#[derive(Debug)]
pub(super) struct Unwritten {
    /// What reads it; `None` where its file system is not mounted.
    pub(super) menu: Option<GrubMkconfig>,
    /// What people call it.
    pub(super) shown: String,
    /// Where it shows that it is read: the line of the stub, or the menu itself.
    pub(super) place: Place,
    /// Why nothing is written: a clause without a full stop.
    pub(super) why: String,
    /// What to do about it: a sentence.
    pub(super) hint: String,
}

impl Bootloader for OtherMenu {
    fn name(&self) -> &str {
        self.sources.name()
    }

    /// Says whether the entries that are read have what is wanted. Where they have not, no step would bring it there.
    fn cmdline(&self, host: &HostView, wanted: &CmdlineEdit) -> Result<Vec<Setting>> {
        let entries: Vec<BootEntry> =
            self.entries(host)?.into_iter().filter(|it| it.kernel.is_some() && !it.recovery).collect();
        let lacking = |it: &&BootEntry| !Cmdline::parse(&it.cmdline).satisfies(wanted);
        let state = match entries.iter().find(lacking) {
            None if !entries.is_empty() => State::Converged,
            lacking_one => State::Blocked {
                actual: lacking_one.map(|it| format!("{} ({})", it.cmdline, it.title)),
                desired: Some(grub_text::wish(wanted)),
                by: Some(self.read.place.clone()),
                reason: format!("{}. {}", self.read.why, self.read.hint.trim_end_matches('.')),
            },
        };
        Ok(vec![Setting::persistent(self.read.shown.clone(), state)])
    }

    fn future(&self, host: &HostView) -> Result<Cmdline> {
        self.sources.future(host)
    }

    /// What the tool writes for later kernels is read by nobody.
    fn later(&self, _: &HostView) -> Result<Later> {
        let Place { file, line } = self.read.place.clone();
        let (line, what) = (line.unwrap_or(1), self.read.why.clone());
        Err(Error::Malformed { path: file, line, what, hint: Some(self.read.hint.clone()) })
    }

    fn entries(&self, host: &HostView) -> Result<Vec<BootEntry>> {
        self.read.menu.as_ref().map_or(Ok(Vec::new()), |it| it.entries(host))
    }

    fn next_boot(&self, host: &HostView, entries: &[BootEntry]) -> Result<EntryChoice> {
        match &self.read.menu {
            Some(menu) => menu.next_boot(host, entries),
            None => Ok(EntryChoice { entry: None, other: None, because: self.read.why.clone(), once: false }),
        }
    }

    fn regenerate(&self, _: &HostView) -> Result<Vec<String>> {
        Err(Error::Unsupported { what: self.read.why.clone(), hint: self.read.hint.clone() })
    }

    fn trial(&self, _: &HostView, _: &[CmdlineEdit]) -> Result<Trial> {
        Err(one_boot::cannot(&self.read.why))
    }
}
