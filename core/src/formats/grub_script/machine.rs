//! GRUB at work on a script (grub-core/script/execute.c, grub-core/normal/main.c).

use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;
use std::sync::Arc;

use super::boot_entries::BootEntry;
use super::files::{Library, Script};
use super::loaders::Loaded;
use super::source::Source;
use super::syntax::{List, Node};
use super::text::Text;
use super::variables::{Context, Variable};
use super::worlds::{Answers, Budget};
use super::{Argument, Command, End, Failure, Family, File, Menu, Origin, Place, Start, Visit, World};

/// What a command returns, as GRUB's `grub_err_t`: 0 is success.
pub(super) type Status = u32;

/// An error is the end of the boot.
pub(super) type Flow<T> = Result<T, Box<End>>;

/// A status that nobody has asked for yet, and that cannot be known.
pub(super) const PENDING: Status = Status::MAX;

/// How deep commands may run each other; since 2025 GRUB itself has this limit.
const MOST_NESTED: usize = 64;

/// What GRUB tells scripts that it can do.
const FEATURES: [&str; 10] = [
    "feature_chainloader_bpb",
    "feature_ntldr",
    "feature_platform_search_hint",
    "feature_default_font_path",
    "feature_all_video_module",
    "feature_menuentry_id",
    "feature_menuentry_options",
    "feature_200_final",
    "feature_nativedisk_cmd",
    "feature_timeout_style",
];

pub(super) struct Function {
    pub(super) script: Rc<Script>,
    pub(super) list: List,
}

pub(super) struct Machine<'a> {
    pub(super) start: &'a Start,
    pub(super) library: &'a Library<'a>,
    pub(super) answers: Answers,
    budget: &'a mut Budget,
    pub(super) contexts: Vec<Context>,
    pub(super) functions: HashMap<String, Rc<Function>>,
    /// Names of the functions that run.
    pub(super) running: Vec<String>,
    /// Parameters of the function or menu entry that runs.
    pub(super) scope: Option<Vec<Text>>,
    pub(super) loops: u64,
    pub(super) breaks: u64,
    pub(super) is_continue: bool,
    pub(super) returns: bool,
    /// The question that [`PENDING`] stands for.
    pub(super) pending: Option<(String, Place)>,
    depth: usize,
    /// Whether the module is loaded that makes GRUB look for files that fit a `*`.
    pub(super) expands_names: bool,
    pub(super) loaded: Option<Loaded>,
    pub(super) boot_entries: Vec<BootEntry>,
    pub(super) blocks: BTreeMap<String, Arc<str>>,
    visits: Vec<Visit>,
    pub(super) menus: Vec<Menu>,
    pub(super) failures: Vec<Failure>,
}

impl<'a> Machine<'a> {
    pub(super) fn new(
        start: &'a Start,
        library: &'a Library<'a>,
        answers: Answers,
        budget: &'a mut Budget,
    ) -> Machine<'a> {
        let mut context = Context::default();
        let features = FEATURES.iter().map(|it| (*it, "y"));
        let platform = [("grub_cpu", start.cpu.as_str()), ("grub_platform", &start.platform), ("pager", "")];
        let given = start.variables.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        for (name, value) in features.chain(platform).chain(given) {
            context.set(name, Text::plain(value), None);
            context.export(name, None);
        }
        Machine {
            start,
            library,
            answers,
            budget,
            contexts: vec![context],
            functions: HashMap::new(),
            running: Vec::new(),
            scope: None,
            loops: 0,
            breaks: 0,
            is_continue: false,
            returns: false,
            pending: None,
            depth: 0,
            expands_names: false,
            loaded: None,
            boot_entries: Vec::new(),
            blocks: BTreeMap::new(),
            visits: Vec::new(),
            menus: Vec::new(),
            failures: Vec::new(),
        }
    }

    /// Boots to the end.
    pub(super) fn boot(mut self) -> (World, Answers) {
        let config = Text::plain(&self.start.config);
        let end = match self.normal(&config, None, true) {
            Ok(()) => self.prompt(),
            Err(end) => *end,
        };
        let mut answers = self.answers;
        let world = World {
            assumptions: std::mem::take(&mut answers.assumptions),
            visits: self.visits,
            menus: self.menus,
            failures: self.failures,
            end,
            blocks: self.blocks,
        };
        (world, answers)
    }

    /// Ends at the command line, which asks for a password where there are superusers.
    pub(super) fn prompt(&self) -> End {
        match self.get("superusers") {
            Some(Variable { set_at: Some(place), .. }) => End::Password(place.clone()),
            _ => End::Prompt,
        }
    }

    pub(super) fn context(&mut self) -> &mut Context {
        let last = self.contexts.len() - 1;
        &mut self.contexts[last]
    }

    /// Opens a context inside of the current one.
    pub(super) fn open_context(&mut self) {
        let family = self.start.family;
        let outer = self.context();
        let inner = match family {
            Family::Upstream => outer.with_exported(),
            // `blscfg` in a submenu needs variables that nobody exports.
            Family::RedHat => outer.with_all(),
        };
        self.contexts.push(inner);
    }

    pub(super) fn get(&self, name: &str) -> Option<&Variable> {
        self.contexts.last()?.get(name)
    }

    pub(super) fn set(&mut self, name: &str, value: Text, at: &Place) {
        self.context().set(name, value, Some(at.clone()));
    }

    pub(super) fn set_unknown(&mut self, name: &str, why: String, at: &Place) {
        let mut value = Text::plain(&format!("${name}"));
        value.unknown = Some(why);
        self.set(name, value, at);
    }

    pub(super) fn status(&self) -> Option<Status> {
        self.contexts.last()?.status
    }

    fn set_status(&mut self, status: Status) {
        self.context().status = Some(status);
    }

    /// Returns a status that matters: of one that cannot be known, either may be.
    pub(super) fn settle(&mut self, status: Status) -> Status {
        if status != PENDING {
            return status;
        }
        let Some((shown, place)) = &self.pending else {
            return 0;
        };
        let sentences = [format!("`{shown}` succeeds"), format!("`{shown}` fails")];
        let key = format!("{shown} {}:{}", place.file, place.line);
        let answer = self.answers.answer(key, place, &sentences);
        let status = Status::from(answer != 0);
        self.set_status(status);
        status
    }

    pub(super) fn spend_text(&mut self, length: usize) -> Flow<()> {
        match self.budget.text.checked_sub(length) {
            Some(left) => self.budget.text = left,
            None => return Err(unknown("its words take more than 64 MiB", None)),
        }
        Ok(())
    }

    fn spend_step(&mut self, place: impl FnOnce() -> Place) -> Flow<()> {
        match self.budget.steps.checked_sub(1) {
            Some(left) => self.budget.steps = left,
            None => return Err(unknown("it runs more than 100,000 commands", Some(place()))),
        }
        Ok(())
    }

    pub(super) fn fail(&mut self, place: &Place, what: impl Into<String>, status: Status) -> Status {
        self.failures.push(Failure { place: place.clone(), what: what.into() });
        status
    }

    /// Reads a script and shows its menu, as `grub_normal_execute`.
    pub(super) fn normal(&mut self, config: &Text, from: Option<&Place>, shows_menu: bool) -> Flow<()> {
        self.read_script(config, from)?;
        let has_menu = self.context().menu.as_ref().is_some_and(|it| !it.is_empty());
        if shows_menu && has_menu {
            self.show_menu(false)?;
        }
        Ok(())
    }

    /// Runs a script in the current context.
    fn read_script(&mut self, config: &Text, from: Option<&Place>) -> Flow<()> {
        self.context().menu.get_or_insert_default();
        let text = match self.file(config) {
            File::Text(text) => text,
            File::Absent | File::Directory => {
                if let Some(from) = from {
                    self.fail(from, format!("there is no file `{}`", config.text), 0);
                }
                return Ok(());
            }
            File::Data | File::Unknown => {
                if let Some(from) = from
                    && !self.exists_perhaps(config, from)
                {
                    return Ok(());
                }
                return Err(unknown(format!("`{}` cannot be read", config.text), from.cloned()));
            }
        };
        let Some(location) = self.location(config) else {
            return Ok(());
        };
        let name = location.name();
        self.spend_text(text.len() / 64)?;
        let script = self.library.script(&name, &text);
        let file: Arc<str> = name.as_str().into();
        self.visits.push(Visit { file: file.clone(), from: from.cloned() });
        let directory = name.rsplit_once('/').map_or(name.as_str(), |it| it.0).to_owned();
        let outer = ["config_file", "config_directory"].map(|it| (it, self.get(it).cloned()));
        for (variable, value) in [("config_file", name.as_str()), ("config_directory", &directory)] {
            self.context().set(variable, Text::plain(value), None);
            self.context().export(variable, None);
        }
        let mut at = 0;
        while at < script.source.text.len() {
            let (next, _) = self.run_unit(&script, at, script.source.text.len())?;
            at = next;
        }
        for (variable, value) in outer {
            match value {
                Some(value) => self.context().set(variable, value.value, value.set_at),
                None => self.context().unset(variable, None),
            }
        }
        Ok(())
    }

    /// Runs what GRUB reads at once; returns where to go on, and what it returned unless it has a mistake.
    fn run_unit(&mut self, script: &Rc<Script>, start: usize, end: usize) -> Flow<(usize, Option<Status>)> {
        let unit = script.unit(start, end);
        for (name, list) in &unit.functions {
            if !self.running.contains(name) {
                let function = Function { script: script.clone(), list: list.clone() };
                self.functions.insert(name.clone(), Rc::new(function));
            }
        }
        let Some(mistake) = unit.mistake else {
            return Ok((unit.end, Some(self.run_list(script, &unit.list)?)));
        };
        let place = script.source.origin(mistake.at).place;
        self.spend_step(|| place.clone())?;
        if mistake.is_limit {
            return Err(unknown("blocks are nested more than 60 deep", Some(place)));
        }
        self.fail(&place, "the command is not written as GRUB wants it", 0);
        Ok((unit.end, None))
    }

    /// Runs text line by line, as `grub_script_execute_sourcecode`.
    pub(super) fn run_text(&mut self, script: &Rc<Script>, start: usize, end: usize) -> Flow<Status> {
        let (mut at, mut status) = (start, 0);
        while at < end {
            match self.run_unit(script, at, end)? {
                (next, Some(returned)) => (at, status) = (next, returned),
                (_, None) => return Ok(status),
            }
        }
        Ok(status)
    }

    fn nested<T>(
        &mut self,
        place: impl FnOnce() -> Place,
        run: impl FnOnce(&mut Self) -> Flow<T>,
    ) -> Flow<T> {
        self.depth += 1;
        if self.depth >= MOST_NESTED {
            return Err(unknown("its commands run each other more than 60 deep", Some(place())));
        }
        let value = run(self)?;
        self.depth -= 1;
        Ok(value)
    }

    pub(super) fn run_list(&mut self, script: &Rc<Script>, list: &[Node]) -> Flow<Status> {
        let Some(first) = list.first() else {
            return Ok(0);
        };
        let place = || script.source.origin(first.at()).place;
        let status = self.nested(place, |it| {
            let mut status = 0;
            for node in list {
                if it.breaks > 0 {
                    break;
                }
                status = it.run_node(script, node)?;
                if it.returns {
                    break;
                }
            }
            Ok(status)
        })?;
        self.set_status(status);
        Ok(status)
    }

    fn run_node(&mut self, script: &Rc<Script>, node: &Node) -> Flow<Status> {
        let place = || script.source.origin(node.at()).place;
        self.spend_step(place)?;
        let status = self.nested(place, |it| match node {
            Node::Command { words, block, at } => it.run_command(script, words, *block, *at),
            Node::If { clauses, otherwise } => it.run_if(script, clauses, otherwise.as_ref()),
            Node::For { variable, words, body, at } => {
                let words = it.expand(&script.source, words)?;
                it.run_for(script, variable, words, body, *at)
            }
            Node::While { condition, body, until } => it.run_while(script, condition, body, *until),
        })?;
        self.set_status(status);
        Ok(status)
    }
}

/// Ends a boot about which no more can be told.
pub(super) fn unknown(why: impl Into<String>, place: Option<Place>) -> Box<End> {
    Box::new(End::Unknown { why: why.into(), place })
}

/// Makes a text of which nobody wrote a line a script that stands in one place.
pub(super) fn script_at(text: &str, origin: &Origin) -> Rc<Script> {
    let mut source = Source::default();
    source.push(text, origin);
    source.end_line();
    Script::new(source)
}

pub(super) fn argument(text: &Text) -> Argument {
    Argument { text: text.text.clone(), origins: text.origins(), unknown: text.unknown.clone() }
}

pub(super) fn command(name: &str, place: &Place, arguments: &[Text]) -> Command {
    Command {
        name: name.to_owned(),
        place: place.clone(),
        arguments: arguments.iter().map(argument).collect(),
    }
}
