//! What kmod inserts when it is asked for a module, in which order, by the configuration of one stage of the boot.

use std::collections::BTreeSet;
use std::rc::Rc;

use super::inserts::{Insert, Inserts, Switches};
use crate::formats::fnmatch;
use crate::formats::kernel_cmdline::{Cmdline, Parameter};
use crate::formats::modprobe_conf::{ModprobeView, ModuleName, Origin, Winner, params};
use crate::formats::module_index::{ModulesDep, module_of_path};
use crate::machine::modprobe_d;

/// How deep softdeps of softdeps are followed: kmod stops at a module that it has seen, as is done here as well.
const DEPTH: usize = 32;

/// The modules of the kernel that boots.
#[derive(Debug, Default)]
pub(super) struct Kernel {
    /// Those that are files, and what they need.
    pub(super) files: Rc<ModulesDep>,
    /// Those linked into it.
    pub(super) builtin: BTreeSet<ModuleName>,
    /// Whether it surely has no mode of vfio without an IOMMU (CONFIG_VFIO_NOIOMMU).
    pub(super) lacks_noiommu: bool,
}

impl Kernel {
    /// Returns what a module needs, first to load first.
    pub(super) fn needs(&self, module: &ModuleName) -> impl Iterator<Item = ModuleName> {
        self.files.dependencies(module).into_iter().rev().filter_map(module_of_path)
    }
}

/// Where modules are loaded from, and with which configuration: the image, or the root file system.
pub(super) struct Place<'a> {
    pub(super) kernel: &'a Kernel,
    /// `modprobe.d` there, with the options of the command line.
    pub(super) policy: &'a ModprobeView,
    /// Its `alias` lines: pattern, module, where.
    pub(super) aliases: Vec<Winner<(String, String)>>,
    /// The modules that are there; `None` where all of the kernel's are.
    pub(super) holds: Option<&'a BTreeSet<ModuleName>>,
    /// The command line.
    pub(super) words: &'a Cmdline,
    /// `blacklist=` of initramfs-tools and `rd.driver.blacklist=` of dracut, which count in the image only.
    pub(super) kept_back: Vec<(String, String)>,
    /// The path of the image, to be named beside its files; empty for the root file system.
    pub(super) name: &'a str,
}

/// Returns whether a value of a boolean parameter is true (lib/kstrtox.c, `kstrtobool`).
pub(super) fn is_true(value: Option<&str>) -> bool {
    value.is_none_or(|it| it.starts_with(['1', 'y', 'Y', 't', 'T']) || it.eq_ignore_ascii_case("on"))
}

impl Place<'_> {
    /// What udev loads for a device: the modules that its modalias names, by a configured alias or by the index.
    pub(super) fn by_alias(&self, modalias: &str, index: &[ModuleName], loaded: &[Insert]) -> Inserts {
        let configured = self.aliased(modalias);
        let mut out = Inserts::default();
        if configured.is_empty() {
            for module in index {
                self.ask(module, None, true, Vec::new(), loaded, &mut out);
            }
        }
        for it in configured {
            let (pattern, module) = &it.value;
            let because = format!("{}: alias {pattern} {module}", self.place(&it.origin));
            if let Ok(module) = ModuleName::parse(module)
                && module.as_str() != "off"
            {
                self.ask(&module, None, true, vec![because], loaded, &mut out);
            }
        }
        out
    }

    /// What a list or a rule loads by name; where `heeds` is set the blacklist counts.
    pub(super) fn by_name(
        &self,
        name: &str,
        (arguments, heeds): (Option<&str>, bool),
        because: String,
        loaded: &[Insert],
    ) -> Inserts {
        let mut out = Inserts::default();
        for module in self.lookup(name) {
            self.ask(&module, arguments, heeds, vec![because.clone()], loaded, &mut out);
        }
        out
    }

    /// The modules that a name stands for.
    fn lookup(&self, name: &str) -> Vec<ModuleName> {
        let configured = self.aliased(name);
        if configured.is_empty() {
            return ModuleName::parse(name).into_iter().collect();
        }
        let modules = configured.iter().map(|it| it.value.1.as_str()).filter(|it| *it != "off");
        modules.filter_map(|it| ModuleName::parse(it).ok()).collect()
    }

    /// The `alias` lines for a name or a modalias. Where there is one, kmod asks no index; `off` stands for no module
    /// (libkmod/libkmod-module.c, `kmod_module_new_from_lookup`).
    fn aliased(&self, name: &str) -> Vec<&Winner<(String, String)>> {
        let folded = name.replace('-', "_");
        self.aliases.iter().filter(|it| fnmatch::matches(&it.value.0, &folded)).collect()
    }

    /// Asks for a module; where `heeds` is set the blacklist counts, as it does for udev, for systemd-modules-load and
    /// for the list of initramfs-tools, and not for what another module needs.
    fn ask(
        &self,
        module: &ModuleName,
        arguments: Option<&str>,
        heeds: bool,
        because: Vec<String>,
        loaded: &[Insert],
        out: &mut Inserts,
    ) {
        if heeds && let Some(why) = self.blacklisted(module) {
            out.refuse(module, why);
            return;
        }
        let mut seen = BTreeSet::new();
        let request = Request { arguments, loaded, runs_install: true, depth: 0 };
        self.probe(module, request, &because, &mut seen, out);
    }

    fn blacklisted(&self, module: &ModuleName) -> Option<String> {
        let word = self.kept_back.iter().find(|it| module.is_spelled(&it.0));
        let by_word = word.map(|it| format!("the kernel command line: {}", it.1));
        by_word.or_else(|| {
            let origin = self.policy.blacklisted(module)?;
            Some(format!("{}: blacklist {module}", self.place(&origin)))
        })
    }

    /// Inserts a module with what it needs: dependencies, each with its softdeps, then its own softdeps around it
    /// (libkmod/libkmod-module.c, `kmod_module_get_probe_list`).
    fn probe(
        &self,
        module: &ModuleName,
        request: Request<'_>,
        because: &[String],
        seen: &mut BTreeSet<ModuleName>,
        out: &mut Inserts,
    ) {
        if request.depth > DEPTH || !seen.insert(module.clone()) {
            return;
        }
        let command = self.policy.install(module);
        if !self.is_there(module) && command.is_none() {
            if !self.kernel.builtin.contains(module) {
                out.lack(module, self.name);
            }
            return;
        }
        for need in self.kernel.needs(module) {
            if seen.insert(need.clone()) {
                let request = Request { arguments: None, runs_install: true, ..request };
                let mut because = because.to_vec();
                because.push(format!("{module} needs {need}"));
                self.with_softdeps(&need, request, &because, seen, out);
            }
        }
        // `modprobe -i` leaves out what the configuration says of the module itself, its softdeps as well.
        if request.runs_install {
            self.with_softdeps(module, request, because, seen, out);
        } else {
            self.insert(module, request, because, out);
        }
    }

    fn with_softdeps(
        &self,
        module: &ModuleName,
        request: Request<'_>,
        because: &[String],
        seen: &mut BTreeSet<ModuleName>,
        out: &mut Inserts,
    ) {
        let softdep = self.policy.softdep(module);
        let around = |names: &[String], when: &str, seen: &mut BTreeSet<ModuleName>, out: &mut Inserts| {
            let Some(softdep) = &softdep else { return };
            for name in names {
                for other in self.lookup(name) {
                    let mut because = because.to_vec();
                    because.push(format!("{}: softdep {module} {when}: {name}", self.place(&softdep.origin)));
                    let request =
                        Request { arguments: None, runs_install: true, depth: request.depth + 1, ..request };
                    self.probe(&other, request, &because, seen, out);
                }
            }
        };
        if let Some(softdep) = &softdep {
            around(&softdep.value.pre, "pre", seen, out);
        }
        // Of a module that is loaded kmod asks no line (libkmod/libkmod-module.c, `kmod_module_probe_insert_module`).
        match self.policy.install(module).filter(|_| !is_loaded(module, request, out)) {
            Some(install) => {
                let place = self.place(&install.origin);
                self.run(module, &install.value, &place, request, because, out);
            }
            None => self.insert(module, request, because, out),
        }
        if let Some(softdep) = &softdep {
            around(&softdep.value.post, "post", seen, out);
        }
    }

    fn insert(&self, module: &ModuleName, request: Request<'_>, because: &[String], out: &mut Inserts) {
        if is_loaded(module, request, out) || self.kernel.builtin.contains(module) {
            return;
        }
        if !self.is_there(module) {
            out.lack(module, self.name);
        } else if let Some(word) = self.refused_by_kernel(module) {
            out.refuse(module, format!("the kernel command line: {}", word.raw()));
        } else {
            let ids = self.ids(module, request.arguments);
            let switches = self.switches(module);
            out.done.push(Insert { module: module.clone(), ids, switches, because: because.to_vec() });
        }
    }

    /// What an `install` line does instead of inserting the module, as far as it is plain commands.
    fn run(
        &self,
        module: &ModuleName,
        command: &str,
        place: &str,
        request: Request<'_>,
        because: &[String],
        out: &mut Inserts,
    ) {
        let mut because = because.to_vec();
        let line = format!("{place}: install {module} {command}");
        because.push(line.clone());
        if command.contains(['|', '`', '(', '<', '>', '\\', '"', '\'']) {
            out.doubt(module, command, line);
            return;
        }
        for part in command.split([';', '&']).map(str::trim).filter(|it| !it.is_empty()) {
            let mut words = part.split_whitespace();
            let program = words.next().unwrap_or_default();
            match program.rsplit('/').next().unwrap_or_default() {
                "true" | ":" | "echo" | "logger" => {}
                "false" => {
                    out.refuse(module, line);
                    return;
                }
                "modprobe" => {
                    let words: Vec<&str> = words.collect();
                    let ignores = words.iter().any(|it| matches!(*it, "-i" | "--ignore-install"));
                    let named = words.iter().find(|it| !it.starts_with('-') && !it.starts_with('$'));
                    for other in named.into_iter().flat_map(|it| self.lookup(it)) {
                        let request = Request {
                            arguments: None,
                            runs_install: !ignores,
                            depth: request.depth + 1,
                            ..request
                        };
                        // Another process of modprobe, which has seen nothing yet.
                        self.probe(&other, request, &because, &mut BTreeSet::new(), out);
                    }
                }
                _ => {
                    out.doubt(module, command, line);
                    return;
                }
            }
        }
    }

    fn is_there(&self, module: &ModuleName) -> bool {
        match self.holds {
            Some(modules) => modules.contains(module),
            None => self.kernel.files.contains(module),
        }
    }

    /// A word by which the kernel loads a module for nobody, or never runs its first function (kernel/module/main.c,
    /// init/main.c).
    fn refused_by_kernel(&self, module: &ModuleName) -> Option<&Parameter> {
        self.words.parameters().find(|word| {
            let mut values = word.value().into_iter().flat_map(|it| it.split(','));
            if word.same_name("module_blacklist") {
                return values.any(|it| it == module.as_str() || it == module.spelled());
            }
            let begins = format!("{}_", module.as_str());
            word.same_name("initcall_blacklist")
                && values.any(|it| {
                    it == format!("init_{}", module.as_str())
                        || it.starts_with(&begins) && it.ends_with("_init")
                })
        })
    }

    /// The last `ids=` of the options and arguments of a module.
    fn ids(&self, module: &ModuleName, arguments: Option<&str>) -> Option<(String, String)> {
        let last = |text: &str| {
            let params = params(text).into_iter().rev();
            params.filter(|it| it.0 == "ids").find_map(|it| it.1.map(str::to_owned))
        };
        if let Some(ids) = arguments.and_then(last) {
            return Some((ids, "the list's own arguments".to_owned()));
        }
        let options = self.policy.options(module);
        options.iter().rev().find_map(|it| Some((last(&it.value)?, self.place(&it.origin))))
    }

    fn switches(&self, module: &ModuleName) -> Switches {
        let is_on = |module: &ModuleName, option: &str| {
            // A module of the kernel itself reads the command line only.
            let is_builtin = self.kernel.builtin.contains(module);
            let counts =
                |it: &&Winner<String>| !is_builtin || matches!(it.origin, Origin::CommandLine { .. });
            let options = self.policy.options(module);
            let values = options.iter().filter(counts).flat_map(|it| params(&it.value));
            let mut values = values.filter(|it| it.0.replace('-', "_") == option);
            values.next_back().is_some_and(|it| is_true(it.1))
        };
        let vfio = ModuleName::parse("vfio");
        Switches {
            takes_denied: is_on(module, "disable_denylist"),
            without_iommu: !self.kernel.lacks_noiommu
                && vfio.is_ok_and(|it| is_on(&it, "enable_unsafe_noiommu_mode")),
        }
    }

    /// Where a line stands, for evidence.
    pub(super) fn place(&self, origin: &Origin) -> String {
        match origin {
            Origin::CommandLine { parameter } => format!("the kernel command line: {parameter}"),
            Origin::File { .. } if self.name.is_empty() => modprobe_d::place(origin).to_string(),
            Origin::File { .. } => format!("{} in {}", modprobe_d::place(origin), self.name),
        }
    }
}

fn is_loaded(module: &ModuleName, request: Request<'_>, out: &Inserts) -> bool {
    request.loaded.iter().any(|it| it.module == *module) || out.has(module)
}

#[derive(Clone, Copy)]
struct Request<'a> {
    arguments: Option<&'a str>,
    loaded: &'a [Insert],
    /// Whether an `install` line counts for the module itself.
    runs_install: bool,
    /// How many requests have led to this one.
    depth: usize,
}
