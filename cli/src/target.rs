//! The host that the options name, with what is needed to plan for it.

use std::path::{Path, PathBuf};

use hoststate_abi::host_view::{HostView, Withheld};
use hoststate_core::host::{Host, LiveHost};
use hoststate_core::language::registry::{Declared, Registry};
use hoststate_core::machine::trust::Trust;
use hoststate_core::mechanism::distro::Distro;
use hoststate_core::plan::finding::Finding;
use hoststate_core::plan::planned::Plan;
use hoststate_core::planner::leftovers::Owner;
use hoststate_core::planner::{Planner, Runtime};
use hoststate_core::record::STATE_DIRECTORY;
use hoststate_core::record::command::RunCommand;
use hoststate_core::record::past::Past;
use hoststate_core::record::provenance::boot_id;
use hoststate_core::record::recorder::Recorder;
use hoststate_core::record::store::RecordStore;
use hoststate_core::run::apply::Activate;
use hoststate_lua::host_facts::HostFacts;
use serde_json::Value;

use crate::args::{ActivateMode, CaptureOption, HostOptions, OwnerOptions};
use crate::capture::Capture;
use crate::error::{Error, Result};
use crate::exit::Detail;
use crate::playbook::{self, Playbook, PlaybookTrust};
use crate::plugins::Plugins;
use crate::provenance::provenance;

/// A host and its distribution.
#[derive(Debug)]
pub(crate) struct Target {
    /// The host, to be read and changed.
    pub(crate) host: LiveHost,
    /// Its mechanisms.
    pub(crate) distro: Distro,
    /// Whether the distribution's tools are run.
    pub(crate) activate: Activate,
    /// What the exit status tells.
    pub(crate) detail: Detail,
    accepted: Vec<String>,
    records: RecordStore,
    boot_id: Option<String>,
    /// The types that its playbooks have.
    pub(crate) registry: Registry,
    /// The file it was unpacked from, if it is a captured one.
    capture: Option<Capture>,
    /// Whether files are to be as if earlier runs of the owner had never been.
    prunes: bool,
}

impl Target {
    /// Opens the host that `options` name.
    ///
    /// # Errors
    /// When its root is no directory, or its distribution is not known.
    pub(crate) fn open(options: &HostOptions) -> Result<Self> {
        Self::at(root_of(options)?, options, None, None)
    }

    /// Opens the host that `options` name for a command that only looks: what may not be read keeps nothing else from
    /// being told.
    ///
    /// # Errors
    /// As for [`Self::open`].
    pub(crate) fn open_to_look(options: &HostOptions) -> Result<Self> {
        Self::at(root_of(options)?, options, None, Some(Withheld::default()))
    }

    /// Opens the host that `options` name, or the captured one, for a command that only looks.
    ///
    /// # Errors
    /// As for [`Self::open`], and when the captured host cannot be unpacked.
    pub(crate) fn look(options: &HostOptions, captured: &CaptureOption) -> Result<Self> {
        match &captured.capture {
            None => Self::open_to_look(options),
            Some(file) => {
                let capture = Capture::open(file)?;
                Self::at(capture.root().to_owned(), options, Some(capture), None)
            }
        }
    }

    fn at(
        root: PathBuf,
        options: &HostOptions,
        capture: Option<Capture>,
        withheld: Option<Withheld>,
    ) -> Result<Self> {
        let activate = match options.activate {
            ActivateMode::Auto if root == Path::new("/") => Activate::Run,
            ActivateMode::Chroot => Activate::Run,
            ActivateMode::Auto | ActivateMode::Skip => Activate::Skip,
        };
        let detail = if options.detailed_exitcode { Detail::Detailed } else { Detail::Plain };
        let program = std::env::current_exe().map_err(|err| Error::io("the path of this program", err))?;
        let host = LiveHost::new(root, program);
        let host = match &withheld {
            Some(withheld) => host.withholding(withheld),
            None => host,
        };
        let registry = Plugins::new(&options.plugins)?.registry()?;
        let view = host.view();
        let distro = hoststate_providers::detect(&view)?;
        let boot_id = boot_id(&view).map_err(|err| Error::io("the boot id", err))?;
        let (records, accepted) = (records(&view)?, options.accept.clone());
        Ok(Self {
            host,
            distro,
            activate,
            detail,
            accepted,
            records,
            boot_id,
            registry,
            capture,
            prunes: false,
        })
    }

    /// Reads the playbook at `path`, which may ask for facts about this host.
    ///
    /// # Errors
    /// When it cannot be read or declares what cannot be.
    pub(crate) fn playbook(&self, path: &Path) -> Result<Playbook> {
        self.load(path, &PlaybookTrust::Any)
    }

    /// Reads the playbook at `path` to act on it: as root, only what nobody else can have written.
    ///
    /// # Errors
    /// As for [`Self::playbook`], and when somebody else can write it.
    pub(crate) fn playbook_to_obey(&self, path: &Path) -> Result<Playbook> {
        if !rustix::process::geteuid().is_root() {
            return self.playbook(path);
        }
        let root = self.host.view().root().to_owned();
        let trust =
            Trust::new(&root, invoking_user()).map_err(|err| Error::io("the root of the host", err))?;
        self.load(path, &PlaybookTrust::Only(trust))
    }

    fn load(&self, path: &Path, trust: &PlaybookTrust) -> Result<Playbook> {
        let facts = HostFacts { host: &self.host.view(), distro: &self.distro };
        let text = playbook::read(path, trust)?;
        self.registry.foresee(&text, self.host.view().root());
        playbook::load(path, &text, &facts, &self.registry, trust)
    }

    /// Says whose a playbook is, and puts before its declarations what `--prune` takes out.
    ///
    /// # Errors
    /// When nobody's is to be pruned, a saved plan is to be another one, or the host cannot be read.
    pub(crate) fn owned(&mut self, mut playbook: Playbook, options: &OwnerOptions) -> Result<Playbook> {
        if let Some(saved) = &playbook.saved {
            self.prunes = saved.get("prune").and_then(Value::as_bool).unwrap_or_default();
            if options.prune || options.owner.is_some() {
                let what = "a saved plan says itself whose it is and what it takes out";
                return Err(Error::input(what, "Give --owner and --prune to `hoststate plan --out`."));
            }
            return Ok(playbook);
        }
        playbook.owner = options.owner.clone().or(playbook.owner);
        if !options.prune {
            return Ok(playbook);
        }
        let Some(owner) = &playbook.owner else {
            let what =
                "--prune: whose declarations these are is not known, so nothing is known of earlier runs";
            return Err(Error::input(what, "Give --owner NAME, or \"owner\" beside \"resources\"."));
        };
        self.may_prune(owner)?;
        playbook.declared = self.pruned(playbook.declared, owner)?;
        Ok(playbook)
    }

    /// Puts before the declarations of an owner what takes out all that they no longer have.
    ///
    /// # Errors
    /// When the host cannot be read.
    pub(crate) fn pruned(&mut self, declared: Vec<Declared>, owner: &str) -> Result<Vec<Declared>> {
        self.prunes = true;
        let planner = self.planner(&declared, Some(owner));
        let leftovers =
            planner.leftovers(&self.host.view()).map_err(|err| Error::planning(err, &declared))?;
        let mut all = leftovers.prune(&declared);
        all.extend(declared);
        Ok(all)
    }

    /// Refuses to prune for who may not read what is to be pruned: that would look like nothing.
    fn may_prune(&self, owner: &str) -> Result<()> {
        match self.records.memory(owner) {
            Err(err) if err.is_denied() => Err(Error::input(format!("--prune: {err}"), err.hint())),
            Ok(_) | Err(_) => Ok(()),
        }
    }

    /// Returns whether the host is the machine that this runs on.
    pub(crate) fn is_machine(&self) -> bool {
        self.host.view().root() == Path::new("/")
    }

    /// Returns what plans are made from; `owner` is whose the declarations are.
    pub(crate) fn planner<'a>(&'a self, declared: &'a [Declared], owner: Option<&'a str>) -> Planner<'a> {
        let guards = hoststate_core::guards::TABLE;
        let runtime = if self.is_machine() { Runtime::Now } else { Runtime::AtBoot };
        let past = self.past();
        let owner = owner.map(|name| Owner { name, registry: &self.registry, prunes: self.prunes });
        Planner { declared, distro: &self.distro, guards, accepted: &self.accepted, runtime, past, owner }
    }

    /// Returns what earlier runs tell.
    pub(crate) fn past(&self) -> Past<'_> {
        Past { records: Some(&self.records), boot_id: self.boot_id.as_deref() }
    }

    /// Plans for the host as it is now, for declarations that nobody owns.
    ///
    /// # Errors
    /// When the host cannot be read, or cannot be what a declaration wants.
    pub(crate) fn plan(&self, declared: &[Declared]) -> Result<Plan> {
        self.plan_in(&mut self.host.view(), declared, None)
    }

    /// Plans for the host that `view` shows.
    ///
    /// # Errors
    /// As for [`Self::plan`].
    pub(crate) fn plan_in(
        &self,
        view: &mut HostView,
        declared: &[Declared],
        owner: Option<&str>,
    ) -> Result<Plan> {
        Ok(self.judged_in(view, declared, owner)?.0)
    }

    /// Plans for the host as it is now, and judges what the last boot made of it.
    ///
    /// # Errors
    /// As for [`Self::plan`].
    pub(crate) fn judged(&self, declared: &[Declared], owner: Option<&str>) -> Result<(Plan, Vec<Finding>)> {
        self.judged_in(&mut self.host.view(), declared, owner)
    }

    fn judged_in(
        &self,
        view: &mut HostView,
        declared: &[Declared],
        owner: Option<&str>,
    ) -> Result<(Plan, Vec<Finding>)> {
        let judged = self.planner(declared, owner).judged(view);
        let (mut plan, findings) = judged.map_err(|err| Error::planning(err, declared))?;
        if let Some(capture) = &self.capture {
            // The directory it was unpacked into is gone when the plan is read.
            plan.host.root = capture.file().to_owned();
        }
        Ok((plan, findings))
    }

    /// Returns the records of the host's runs.
    ///
    /// # Errors
    /// When a link on the way cannot be read.
    pub(crate) fn records(&self) -> Result<RecordStore> {
        records(&self.host.view())
    }

    /// Returns a recorder for a run of `command` with the playbook of an owner.
    ///
    /// # Errors
    /// When a link on the way to the records cannot be read.
    pub(crate) fn recorder(
        &self,
        command: RunCommand,
        playbook: Option<&Path>,
        owner: Option<&str>,
    ) -> Result<Recorder> {
        let recorder = Recorder::new(self.records()?, command, self.boot_id.clone());
        let (playbook, owner) = (playbook.map(Path::to_owned), owner.map(str::to_owned));
        let accepted = self.accepted.clone();
        Ok(recorder.by(move || provenance(playbook.as_deref(), owner.as_deref(), &accepted)))
    }
}

/// Returns the user who became root with sudo(8) or pkexec(1) to run this. Whoever can set that for root is root.
pub(crate) fn invoking_user() -> Option<u32> {
    let number = |name: &str| std::env::var(name).ok()?.parse().ok();
    number("SUDO_UID").or_else(|| number("PKEXEC_UID"))
}

/// Returns the directory that `options` name as the root of the host, absolute.
///
/// # Errors
/// When it is no directory.
pub(crate) fn root_of(options: &HostOptions) -> Result<PathBuf> {
    let shown = options.root.display();
    // Tools run with another working directory, and a saved plan may be used in another one.
    let root = std::path::absolute(&options.root).map_err(|err| Error::io(format!("--root {shown}"), err))?;
    if root.is_dir() {
        return Ok(root);
    }
    let hint = "--root takes the directory that is the host's `/`.";
    Err(Error::input(format!("--root {shown}: there is no such directory"), hint))
}

/// Returns the records of the runs of the host in `view`.
///
/// # Errors
/// When a link on the way cannot be read.
pub(crate) fn records(view: &HostView) -> Result<RecordStore> {
    let directory =
        view.resolve(Path::new(STATE_DIRECTORY)).map_err(|err| Error::io(STATE_DIRECTORY, err))?;
    Ok(RecordStore::new(view.root(), directory))
}
