//! What all directories of modprobe.d, the kernel's own softdeps and the command line mean together.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::rc::Rc;

use hoststate_abi::lines::LineEdit;

use super::directive::params;
use super::module_name::same_folded;
use super::{CommandLineOption, Directive, ModprobeConf, ModuleName, Softdep};

/// The directories, the strongest first: of files with one name only that in the first directory is read.
pub const DIRECTORIES: [&str; 5] = [
    "/etc/modprobe.d",
    "/run/modprobe.d",
    "/usr/local/lib/modprobe.d",
    "/usr/lib/modprobe.d",
    "/lib/modprobe.d",
];

/// Name under which the kernel's softdeps take part in the order of files.
pub const KERNEL_SOFTDEP: &str = "modules.softdep";

/// Where a winning line stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// In a file.
    File {
        /// The file.
        path: Rc<Path>,
        /// The line, from 1.
        line: usize,
    },
    /// On the kernel command line.
    CommandLine {
        /// The parameter, as written.
        parameter: String,
    },
}

/// What takes effect, and where it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Winner<T> {
    /// The effective value.
    pub value: T,
    /// Where it stands.
    pub origin: Origin,
}

#[derive(Debug)]
struct Slot {
    basename: OsString,
    path: Rc<Path>,
    conf: RefCell<Rc<ModprobeConf>>,
}

/// All of a host's module policy as kmod sees it, for one kernel.
#[derive(Debug, Default)]
pub struct ModprobeView {
    /// Every file by basename and directory rank; the first of a basename is read, the others are masked by it.
    files: BTreeMap<OsString, BTreeMap<usize, Rc<Slot>>>,
    /// Files that are read and name a module, or did before an edit, in order of basenames.
    by_module: HashMap<String, Vec<Rc<Slot>>>,
    /// Files that are read and name modules by patterns, in order of basenames.
    with_patterns: Vec<Rc<Slot>>,
    words: Vec<(String, CommandLineOption)>,
}

impl ModprobeView {
    /// Builds the view of files given by rank of their directory in [`DIRECTORIES`] and basename.
    ///
    /// A file that is empty or a link to `/dev/null` belongs in the list, it masks others of its name.
    /// Names that do not end in `.conf` or start with a dot are ignored, as kmod does.
    pub fn new<N: AsRef<Path>>(files: Vec<(usize, N, Rc<ModprobeConf>)>) -> Self {
        let mut view = Self::default();
        for (rank, basename, conf) in files {
            if let Some(directory) = DIRECTORIES.get(rank) {
                view.replace(&Path::new(directory).join(basename), conf);
            }
        }
        view
    }

    /// Adds the kernel's own `modules.softdep`: a member of the sorted list of files under that name, so that it
    /// comes before a `vfio.conf`, whose line for the same module then counts for nothing.
    #[must_use]
    pub fn with_kernel_softdep(mut self, path: &Path, conf: Rc<ModprobeConf>) -> Self {
        self.put(OsStr::new(KERNEL_SOFTDEP), 0, path, conf);
        self
    }

    /// Adds the words of the kernel command line, quotes included; their options beat every file.
    #[must_use]
    pub fn with_command_line<'a>(mut self, words: impl IntoIterator<Item = &'a str>) -> Self {
        let read = |word: &str| CommandLineOption::parse(word).map(|option| (word.to_owned(), option));
        self.words = words.into_iter().filter_map(read).collect();
        self
    }

    /// Returns whether kmod reads such a path at all: a `.conf` in one of [`DIRECTORIES`], or the `modules.softdep`
    /// that is already part of the view.
    pub fn reads(&self, path: &Path) -> bool {
        self.place(path).is_some()
    }

    /// Puts a file's new content in place of the old, or adds the file, if it is one that kmod reads; the others are
    /// not looked at again.
    pub fn replace(&mut self, path: &Path, conf: Rc<ModprobeConf>) {
        if let Some((basename, rank)) = self.place(path) {
            self.put(&basename, rank, path, conf);
        }
    }

    /// Does edits to a file; its other lines are not looked at again. Returns whether it is part of the view and fits.
    pub fn edit(&mut self, path: &Path, edits: &[LineEdit]) -> bool {
        let Some(slot) = self.place(path).and_then(|(basename, rank)| self.files.get(&basename)?.get(&rank))
        else {
            return false;
        };
        let slot = Rc::clone(slot);
        for edit in edits {
            let named = Rc::make_mut(&mut slot.conf.borrow_mut()).apply(edit);
            match named {
                Ok(Some(modules)) if self.is_read(&slot) => self.index_as(&slot, &modules),
                Ok(Some(_)) => {}
                Ok(None) => self.index(&slot.basename),
                Err(_) => return false,
            }
        }
        true
    }

    /// Returns a file as it is read or masked; `None` when it is not there.
    pub fn file(&self, path: &Path) -> Option<Rc<ModprobeConf>> {
        let (basename, rank) = self.place(path)?;
        let slot = self.files.get(&basename)?.get(&rank)?;
        Some(Rc::clone(&slot.conf.borrow()))
    }

    /// Takes a file out; one that it masked is read again.
    pub fn remove(&mut self, path: &Path) {
        if let Some((basename, rank)) = self.place(path) {
            self.unindex(&basename);
            if let Some(ranks) = self.files.get_mut(&basename) {
                ranks.remove(&rank);
            }
            self.index(&basename);
        }
    }

    /// Returns the basename and rank of a path that kmod reads.
    fn place(&self, path: &Path) -> Option<(OsString, usize)> {
        let softdep = self.files.get(OsStr::new(KERNEL_SOFTDEP)).and_then(|ranks| ranks.get(&0));
        if softdep.is_some_and(|slot| *slot.path == *path) {
            return Some((KERNEL_SOFTDEP.into(), 0));
        }
        let basename = path.file_name()?;
        let parent = path.parent()?;
        let rank = DIRECTORIES.iter().position(|directory| Path::new(directory) == parent)?;
        let bytes = basename.as_bytes();
        let read = bytes.len() >= 6 && bytes.ends_with(b".conf") && !bytes.starts_with(b".");
        read.then(|| (basename.to_owned(), rank))
    }

    fn put(&mut self, basename: &OsStr, rank: usize, path: &Path, conf: Rc<ModprobeConf>) {
        self.unindex(basename);
        let conf = RefCell::new(conf);
        let slot = Rc::new(Slot { basename: basename.to_owned(), path: Rc::from(path), conf });
        self.files.entry(basename.to_owned()).or_default().insert(rank, slot);
        self.index(basename);
    }

    fn read_of(&self, basename: &OsStr) -> Option<Rc<Slot>> {
        self.files.get(basename)?.values().next().cloned()
    }

    /// Returns whether a file is the one of its basename that is read.
    fn is_read(&self, slot: &Rc<Slot>) -> bool {
        self.read_of(&slot.basename).is_some_and(|it| Rc::ptr_eq(&it, slot))
    }

    fn unindex(&mut self, basename: &OsStr) {
        let Some(slot) = self.read_of(basename) else {
            return;
        };
        for module in slot.conf.borrow().modules() {
            if let Some(slots) = self.by_module.get_mut(module) {
                slots.retain(|it| it.basename != basename);
            }
        }
        self.with_patterns.retain(|it| it.basename != basename);
    }

    fn index(&mut self, basename: &OsStr) {
        let Some(slot) = self.read_of(basename) else {
            return;
        };
        let modules: Vec<String> = slot.conf.borrow().modules().into_iter().map(str::to_owned).collect();
        self.index_as(&slot, &modules);
    }

    /// Enters a file under these modules, and under the patterns that it has.
    fn index_as(&mut self, slot: &Rc<Slot>, modules: &[String]) {
        let enter = |slots: &mut Vec<Rc<Slot>>| {
            let at = slots.partition_point(|it| *it.basename < *slot.basename);
            if slots.get(at).is_none_or(|it| it.basename != slot.basename) {
                slots.insert(at, Rc::clone(slot));
            }
        };
        for module in modules {
            enter(self.by_module.entry(module.clone()).or_default());
        }
        if slot.conf.borrow().has_patterns() {
            enter(&mut self.with_patterns);
        }
    }

    fn slots(&self, module: &ModuleName) -> &[Rc<Slot>] {
        self.by_module.get(module.as_str()).map_or(&[], Vec::as_slice)
    }

    /// Returns the first file, in order of basenames, in which `find` finds something.
    fn first<T>(&self, module: &ModuleName, find: impl Fn(&Slot) -> Option<Winner<T>>) -> Option<Winner<T>> {
        let hit =
            |slots: &[Rc<Slot>]| slots.iter().find_map(|slot| Some((slot.basename.clone(), find(slot)?)));
        match (hit(self.slots(module)), hit(&self.with_patterns)) {
            (Some((exact, _)), Some((pattern, winner))) if pattern < exact => Some(winner),
            (Some((_, winner)), _) | (None, Some((_, winner))) => Some(winner),
            (None, None) => None,
        }
    }

    /// Returns the softdep that counts: the first matching line of the first file.
    pub fn softdep(&self, module: &ModuleName) -> Option<Winner<Softdep>> {
        self.first(module, |slot| {
            let conf = slot.conf.borrow();
            let softdep = conf.softdep(module)?;
            Some(Winner { value: softdep.clone(), origin: slot.origin(softdep.line) })
        })
    }

    /// Returns the command that is run instead of loading the module: the first matching line of the first file.
    pub fn install(&self, module: &ModuleName) -> Option<Winner<String>> {
        self.first(module, |slot| {
            let conf = slot.conf.borrow();
            let install = conf.install(module)?;
            Some(Winner { value: install.command.clone(), origin: slot.origin(install.line) })
        })
    }

    /// Returns the `install` line by which a module is never loaded, whoever asks: its command loads nothing.
    pub fn never_loaded(&self, module: &ModuleName) -> Option<Winner<String>> {
        self.install(module).filter(|it| super::loads_nothing(&it.value))
    }

    /// Returns every options text of a module in the order they are passed on: files by basename, then the command
    /// line.
    pub fn options(&self, module: &ModuleName) -> Vec<Winner<String>> {
        let of_slot = |slot: &Rc<Slot>| {
            let origins = |options: &super::OptionsLine| Winner {
                value: options.text.clone(),
                origin: slot.origin(options.line),
            };
            slot.conf.borrow().options(module).iter().map(origins).collect::<Vec<_>>()
        };
        let mut all: Vec<_> = self.slots(module).iter().flat_map(of_slot).collect();
        all.extend(self.word_options(module).map(|(word, text)| Winner {
            value: text.to_owned(),
            origin: Origin::CommandLine { parameter: word.to_owned() },
        }));
        all
    }

    /// Returns the value a parameter ends up with: the last one given.
    ///
    /// For a parameter given without `=` it is `1`, what the kernel makes of a bare boolean (kernel/params.c,
    /// `param_set_bool`).
    pub fn effective_option(&self, module: &ModuleName, parameter: &str) -> Option<Winner<String>> {
        if let Some((word, value)) = self
            .word_options(module)
            .filter_map(|(word, text)| Some((word, last_value(text, parameter)?)))
            .last()
        {
            return Some(Winner { value, origin: Origin::CommandLine { parameter: word.to_owned() } });
        }
        self.slots(module).iter().rev().find_map(|slot| {
            slot.conf.borrow().options(module).iter().rev().find_map(|options| {
                let value = last_value(&options.text, parameter)?;
                Some(Winner { value, origin: slot.origin(options.line) })
            })
        })
    }

    /// Returns what blacklists a module: the first file that does, else the command line.
    pub fn blacklisted(&self, module: &ModuleName) -> Option<Origin> {
        let in_file = |slot: &Rc<Slot>| Some(slot.origin(slot.conf.borrow().blacklisted(module)?));
        self.slots(module).iter().find_map(in_file).or_else(|| {
            let by_word = |(word, option): &(String, CommandLineOption)| match option {
                CommandLineOption::Blacklist(names) => {
                    let named = names.iter().any(|name| name == module.as_str());
                    named.then(|| Origin::CommandLine { parameter: word.clone() })
                }
                CommandLineOption::Options { .. } => None,
            };
            self.words.iter().find_map(by_word)
        })
    }

    /// Returns every `alias` line that is read, as pattern and module, in the order of files and lines.
    pub fn aliases(&self) -> Vec<Winner<(String, String)>> {
        let mut found = Vec::new();
        for slot in self.files.values().filter_map(|it| it.values().next()) {
            let conf = slot.conf.borrow();
            for (line, directive) in conf.directives() {
                if let Directive::Alias { pattern, module } = directive {
                    found.push(Winner { value: (pattern, module), origin: slot.origin(line) });
                }
            }
        }
        found
    }

    fn word_options<'a>(&'a self, module: &'a ModuleName) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.words.iter().filter_map(move |(word, option)| match option {
            CommandLineOption::Options { module: of, text } if of == module.as_str() => {
                Some((&**word, &**text))
            }
            _ => None,
        })
    }
}

impl Slot {
    fn origin(&self, line: usize) -> Origin {
        Origin::File { path: Rc::clone(&self.path), line }
    }
}

/// Returns the last value a text gives to a parameter.
fn last_value(text: &str, parameter: &str) -> Option<String> {
    let last = params(text).into_iter().rev().find(|(name, _)| same_folded(name, parameter))?;
    Some(last.1.unwrap_or("1").to_owned())
}
