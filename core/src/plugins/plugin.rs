//! Plugins: resource types whose code runs in a child process, which proposes and never acts.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use hoststate_abi::description::TypeDescription;
use hoststate_abi::message::{self, Asks, Description, Inspect, Inspection, User};
use hoststate_abi::setting::Setting;
use serde_json::{Map, Value};

use crate::error::{Error, Result};
use crate::language::ensure::{ENSURE, Ensure};
use crate::language::external_type::{ExternalType, takes_nothing_out};
use crate::language::registry::{Entry, Registry};
use crate::language::resource::{Context, Resource};
use crate::mechanism::distro::{Distro, Family};
use crate::plugins::conformance::BrokenLaw;
use crate::plugins::plugin::session::Session;
use crate::plugins::plugin::trust::{TrustList, Trusted};
use crate::plugins::proposal::Rights;

pub mod confinement;
mod file;
mod process;
pub mod session;
pub mod trial;
pub mod trust;

/// `program HOST_COMMAND nobody|root DESCRIPTOR NAME ROOT` becomes the plugin in the open file DESCRIPTOR, for the host
/// below ROOT.
pub const HOST_COMMAND: &str = "plugin-host";

/// Returns the types of the trusted plugins. `program` is hoststate, `base` has the built-in types.
///
/// No plugin is started, and none is read, until a declaration of one of its types is compared with a host, or
/// [`Registry::foresee`] says that one will be: two programs that start at a time are faster than one after the other.
pub fn entries(list: TrustList, program: &Path, base: &Rc<Registry>) -> Vec<Entry> {
    list.plugins.into_iter().flat_map(|it| of_plugin(it, None, program, base)).collect()
}

/// Returns the types of a file that is trusted already, as one that a playbook requires is. It gets no rights.
pub fn of_text(
    file: &Path,
    text: &str,
    description: Description,
    program: &Path,
    base: &Rc<Registry>,
) -> Vec<Entry> {
    let trusted = Trusted { file: file.to_owned(), sha256: String::new(), description };
    of_plugin(trusted, Some(text.as_bytes().to_vec()), program, base)
}

fn of_plugin(trusted: Trusted, bytes: Option<Vec<u8>>, program: &Path, base: &Rc<Registry>) -> Vec<Entry> {
    let types = trusted.description.types.clone();
    let (program, base) = (program.to_owned(), Rc::clone(base));
    let plugin = Rc::new(Plugin { trusted, bytes, program, base, running: RefCell::new(Running::NotYet) });
    let entry = |description| PluginType { plugin: Rc::clone(&plugin), description };
    types.into_iter().map(|it| Entry::external(Rc::new(entry(it)))).collect()
}

/// A plugin file that was looked at, and what it says of itself.
#[derive(Debug)]
pub struct Candidate {
    /// The file.
    pub file: PathBuf,
    /// SHA-256 of its bytes, in hexadecimal.
    pub sha256: String,
    /// What it says.
    pub description: Description,
    bytes: Vec<u8>,
}

impl Candidate {
    /// Reads a plugin file and asks it, without rights, what it is.
    ///
    /// # Errors
    /// When it is not there, someone else could change it, or it cannot say what it is.
    pub fn examine(file: &Path, program: &Path) -> Result<Self> {
        Self::ask(file, program, existing(file)?)
    }

    /// Reads a plugin file that its author tries out; no matter who else could change it.
    ///
    /// # Errors
    /// When it is not there, or it cannot say what it is.
    pub fn try_out(file: &Path, program: &Path) -> Result<Self> {
        Self::ask(file, program, file::read_own(file)?)
    }

    fn ask(file: &Path, program: &Path, contents: file::Contents) -> Result<Self> {
        let description = Session::open(program, file, &contents.bytes, &Asks::default())?.describe()?;
        let (sha256, bytes) = (contents.sha256, contents.bytes);
        Ok(Self { file: file.to_owned(), sha256, description, bytes })
    }

    /// Returns the types, as if the plugin were trusted to do what it does without rights.
    pub fn entries(&self, program: &Path, base: &Rc<Registry>) -> Vec<Entry> {
        of_plugin(self.trusted(), Some(self.bytes.clone()), program, base)
    }

    /// Tries the plugin's side of the conversation, and returns the laws of [`trial::LAWS`] that it breaks.
    pub fn conversation(&self, program: &Path) -> Vec<BrokenLaw> {
        trial::conversation(program, &self.file, &self.bytes, &self.description)
    }

    /// Returns its name and its version, if it has one.
    pub fn title(&self) -> String {
        format!("{} {}", self.description.name, self.description.version).trim_end().to_owned()
    }

    /// Returns what the lock file keeps of it.
    pub fn trusted(&self) -> Trusted {
        let (file, sha256) = (self.file.clone(), self.sha256.clone());
        Trusted { file, sha256, description: self.description.clone() }
    }
}

/// How a plugin file stands to what was trusted of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TrustState {
    /// It is as it was when it was trusted.
    Trusted,
    /// It was changed since.
    Changed,
    /// It was never trusted.
    New,
    /// It was trusted, and is gone.
    Gone,
}

/// Returns the plugin files of a folder, and those that were trusted in it, with how they stand.
///
/// # Errors
/// When someone else could change the folder or a file.
pub fn survey(folder: &Path, list: &TrustList) -> Result<Vec<(PathBuf, TrustState)>> {
    let mut found = Vec::new();
    for name in file::list(folder)?.unwrap_or_default() {
        let path = folder.join(&name);
        if name == trust::FILE_NAME {
            continue;
        }
        let standing = match (list.of(&path), file::read(&path)?) {
            (_, None) => continue,
            (None, Some(_)) => TrustState::New,
            (Some(trusted), Some(contents)) if trusted.sha256 == contents.sha256 => TrustState::Trusted,
            (Some(_), Some(_)) => TrustState::Changed,
        };
        found.push((path, standing));
    }
    let of_folder = list.plugins.iter().filter(|it| it.file.parent() == Some(folder));
    for trusted in of_folder {
        if !found.iter().any(|(path, _)| *path == trusted.file) {
            found.push((trusted.file.clone(), TrustState::Gone));
        }
    }
    Ok(found)
}

fn existing(file: &Path) -> Result<file::Contents> {
    file::read(file)?.ok_or_else(|| {
        Error::plugin(
            file,
            "there is no such file",
            "`hoststate plugin list` shows the plugins that are there.",
        )
    })
}

/// A trusted plugin.
#[derive(Debug)]
struct Plugin {
    trusted: Trusted,
    /// What is run, without rights, in place of what was trusted of the file.
    bytes: Option<Vec<u8>>,
    program: PathBuf,
    base: Rc<Registry>,
    running: RefCell<Running>,
}

/// What became of the one process of a run.
#[derive(Debug)]
enum Running {
    NotYet,
    Begun(Result<Box<Session>>),
    Yes(Box<Session>),
    Failed(String),
}

impl Plugin {
    fn inspect(&self, inspect: Inspect) -> Result<message::Inspection> {
        let mut running = self.running.borrow_mut();
        let other = match &*running {
            Running::Begun(Ok(session)) | Running::Yes(session) => session.root() != inspect.root,
            _ => false,
        };
        if other {
            *running = Running::NotYet;
        }
        if let Running::NotYet | Running::Begun(_) = *running {
            let begun = match std::mem::replace(&mut *running, Running::NotYet) {
                Running::Begun(begun) => begun,
                _ => self.start(&inspect.root),
            };
            let mut session = begun?;
            session.meet()?;
            *running = Running::Yes(session);
        }
        let result = match &mut *running {
            Running::Yes(session) => session.inspect(inspect),
            Running::Failed(why) => Err(Error::plugin(
                &self.trusted.file,
                format!("is not asked again in this run: {why}"),
                "`hoststate plugin test` tries it out.",
            )),
            Running::NotYet | Running::Begun(_) => {
                Err(Error::plugin(&self.trusted.file, "was not started", "This is a bug."))
            }
        };
        // Whoever broke the conversation once would be asked in vain, and waited for, by every declaration.
        if let (Running::Yes(_), Err(Error::Plugin { what, .. })) = (&*running, &result) {
            let why = what.lines().next().unwrap_or_default().trim_end_matches(':').to_owned();
            *running = Running::Failed(why);
        }
        result
    }

    fn start(&self, root: &Path) -> Result<Box<Session>> {
        let Trusted { file, sha256, description } = &self.trusted;
        let Asks { user, seconds, .. } = description.asks;
        if let Some(bytes) = &self.bytes {
            return Ok(Box::new(Session::start(&self.program, file, bytes, root, User::Nobody, seconds)?));
        }
        let contents = existing(file)?;
        if contents.sha256 != *sha256 {
            let hint = format!("`hoststate plugin trust {}` shows what it asks for now.", file.display());
            return Err(Error::plugin(file, "changed since it was trusted", hint));
        }
        Ok(Box::new(Session::start(&self.program, file, &contents.bytes, root, user, seconds)?))
    }
}

/// A type of a plugin.
#[derive(Debug)]
struct PluginType {
    plugin: Rc<Plugin>,
    description: TypeDescription,
}

impl ExternalType for PluginType {
    fn description(&self) -> &TypeDescription {
        &self.description
    }

    fn prepare(&self, root: &Path) {
        let mut running = self.plugin.running.borrow_mut();
        if let Running::NotYet = *running {
            *running = Running::Begun(self.plugin.start(root));
        }
    }

    fn resource(&self, desired: &Map<String, Value>) -> Result<Box<dyn Resource>> {
        Ok(Box::new(self.of(desired)))
    }

    fn absent(&self, desired: &Map<String, Value>) -> Result<Box<dyn Resource>> {
        Ok(Box::new(Gone(self.of(desired))))
    }

    fn known_from(&self) -> Option<&Path> {
        self.plugin.bytes.is_some().then_some(&self.plugin.trusted.file)
    }
}

impl PluginType {
    fn of(&self, desired: &Map<String, Value>) -> PluginResource {
        PluginResource {
            plugin: Rc::clone(&self.plugin),
            kind: self.description.name.clone(),
            desired: desired.clone(),
        }
    }
}

/// A declaration of such a type.
#[derive(Debug)]
struct PluginResource {
    plugin: Rc<Plugin>,
    kind: String,
    desired: Map<String, Value>,
}

impl PluginResource {
    fn ask(&self, cx: Context<'_>) -> Result<Inspection> {
        self.plugin.inspect(Inspect {
            kind: self.kind.clone(),
            desired: self.desired.clone(),
            root: cx.host.root().to_owned(),
            predicted: cx.host.predictions(),
            distro: distro(cx.distro),
        })
    }

    fn rights(&self) -> Rights<'_> {
        let asks = &self.plugin.trusted.description.asks;
        Rights { runs: &asks.runs, writes: asks.writes.as_deref(), base: &self.plugin.base }
    }
}

impl Resource for PluginResource {
    fn inspect(&self, cx: Context<'_>) -> Result<Vec<Setting>> {
        self.rights().settings(self.ask(cx)?.settings, cx.host)
    }

    fn parts(&self, cx: Context<'_>) -> Result<Vec<Rc<dyn Resource>>> {
        self.rights().parts(self.ask(cx)?.resources)
    }
}

/// A declaration of such a type that shall be absent: what it hands over to built-in types they take out again, and what it
/// would set itself nobody knows a way back from.
#[derive(Debug)]
struct Gone(PluginResource);

impl Resource for Gone {
    fn inspect(&self, cx: Context<'_>) -> Result<Vec<Setting>> {
        match self.0.ask(cx)?.settings.is_empty() {
            true => Ok(Vec::new()),
            false => Err(takes_nothing_out()),
        }
    }

    fn parts(&self, cx: Context<'_>) -> Result<Vec<Rc<dyn Resource>>> {
        let mut resources = self.0.ask(cx)?.resources;
        for it in &mut resources {
            it.insert(ENSURE.to_owned(), Ensure::Absent.word().into());
        }
        self.0.rights().parts(resources)
    }
}

fn distro(distro: &Distro) -> message::Distro {
    let family = match distro.family {
        Family::Debian => "debian",
        Family::Redhat => "redhat",
    };
    message::Distro { id: distro.id.clone(), version: distro.version.clone(), family: family.to_owned() }
}
