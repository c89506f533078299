//! depmod's indexes: `modules.builtin`, `modules.alias`, `modules.softdep`, `modules.dep`.
//!
//! `modules.softdep` has the syntax of modprobe.d and is read by [`ModprobeConf`](super::modprobe_conf::ModprobeConf).

use std::collections::{HashMap, HashSet};

use super::fnmatch;
use super::modprobe_conf::ModuleName;

/// Endings of module files, compressed or not (CONFIG_MODULE_COMPRESS_*).
const ENDINGS: [&str; 4] = [".ko", ".ko.xz", ".ko.zst", ".ko.gz"];

/// Returns the name of the module in a file, folded: `kernel/drivers/vfio/pci/vfio-pci.ko.zst` is `vfio_pci`.
///
/// `None` for anything that is not a module file.
pub fn module_of_path(path: &str) -> Option<ModuleName> {
    let file = path.rsplit('/').next().unwrap_or(path);
    let stem = ENDINGS.iter().find_map(|ending| file.strip_suffix(ending))?;
    // A module file whose name is none cannot be asked for by name.
    ModuleName::parse(stem).ok()
}

/// `modules.builtin`: modules linked into the kernel. modprobe.d cannot configure them.
#[derive(Debug, Clone, Default)]
pub struct ModulesBuiltin {
    modules: HashSet<ModuleName>,
}

impl ModulesBuiltin {
    /// Reads one path a line, such as `kernel/drivers/vfio/pci/vfio-pci.ko`.
    pub fn parse(text: &str) -> Self {
        Self { modules: text.lines().filter_map(|line| module_of_path(line.trim())).collect() }
    }

    /// Returns whether a module is built in.
    pub fn contains(&self, module: &ModuleName) -> bool {
        self.modules.contains(module)
    }

    /// Returns the modules, in no order.
    pub fn names(&self) -> impl Iterator<Item = &ModuleName> {
        self.modules.iter()
    }
}

/// `modules.dep`: which modules exist as files, and what they need.
#[derive(Debug, Clone, Default)]
pub struct ModulesDep<'a> {
    modules: HashMap<ModuleName, (&'a str, &'a str)>,
}

impl<'a> ModulesDep<'a> {
    /// Reads `path: dependencies…` lines, paths relative to the kernel's module directory.
    pub fn parse(text: &'a str) -> Self {
        let entry = |line: &'a str| {
            let (path, needs) = line.split_once(':')?;
            Some((module_of_path(path)?, (path, needs)))
        };
        Self { modules: text.lines().filter_map(entry).collect() }
    }

    /// Returns whether the module exists as a file.
    pub fn contains(&self, module: &ModuleName) -> bool {
        self.modules.contains_key(module)
    }

    /// Returns the module's file, relative to the module directory, its compression ending included.
    pub fn path(&self, module: &ModuleName) -> Option<&'a str> {
        self.modules.get(module).map(|(path, _)| *path)
    }

    /// Returns the files a module needs, in depmod's order: load them from the last to the first.
    pub fn dependencies(&self, module: &ModuleName) -> Vec<&'a str> {
        self.modules.get(module).map_or_else(Vec::new, |(_, needs)| needs.split_whitespace().collect())
    }
}

/// The modules that a kernel has as files, by its `modules.dep`, kept apart from its text.
#[derive(Debug, Clone, Default)]
pub struct ModuleFiles {
    files: HashMap<ModuleName, Box<str>>,
}

impl ModuleFiles {
    /// Reads what [`ModulesDep::parse`] reads.
    pub fn parse(text: &str) -> Self {
        let paths = text.lines().filter_map(|it| Some(it.split_once(':')?.0));
        Self { files: paths.filter_map(|it| Some((module_of_path(it)?, it.into()))).collect() }
    }

    /// Returns whether the module exists as a file.
    pub fn contains(&self, module: &ModuleName) -> bool {
        self.files.contains_key(module)
    }

    /// Returns the modules, in no order.
    pub fn names(&self) -> impl Iterator<Item = &ModuleName> {
        self.files.keys()
    }

    /// Returns the module's file, relative to the module directory.
    pub fn path(&self, module: &ModuleName) -> Option<&str> {
        self.files.get(module).map(AsRef::as_ref)
    }
}

/// Longest literal start of a pattern used as key: `pci:v000010DEd00000FFC`, which parts the devices of a vendor.
const KEY: usize = 22;

/// `modules.alias`: which modules claim a modalias.
///
/// Keeps slices of the text; a lookup looks only at patterns that start as the modalias does.
#[derive(Debug, Clone, Default)]
pub struct ModulesAlias<'a> {
    by_start: HashMap<&'a str, Vec<(usize, &'a str, &'a str)>>,
}

impl<'a> ModulesAlias<'a> {
    /// Reads `alias PATTERN MODULE` lines; everything else is skipped.
    pub fn parse(text: &'a str) -> Self {
        let mut by_start: HashMap<&str, Vec<_>> = HashMap::new();
        for (number, line) in text.lines().enumerate() {
            let Some((pattern, module)) = line.strip_prefix("alias ").and_then(|rest| rest.rsplit_once(' '))
            else {
                continue;
            };
            let literal = pattern.find(['*', '?', '[', '\\']).unwrap_or(pattern.len()).min(KEY);
            // An end in the middle of a character of several bytes: such patterns are few, they go to the empty key.
            let key = pattern.get(..literal).unwrap_or_default();
            by_start.entry(key).or_default().push((number, pattern, module));
        }
        Self { by_start }
    }

    /// Returns the modules whose pattern matches, in the order of the file, each once.
    ///
    /// `-` in the modalias is folded as kmod does; depmod folded the patterns already.
    pub fn resolve(&self, modalias: &str) -> Vec<ModuleName> {
        let modalias = modalias.trim_end_matches('\n').replace('-', "_");
        let mut hits: Vec<(usize, &str)> = Vec::new();
        for start in (0..=KEY).filter_map(|end| modalias.get(..end)) {
            let candidates = self.by_start.get(start).map_or(&[][..], Vec::as_slice);
            let matching = candidates.iter().filter(|(_, pattern, _)| fnmatch::matches(pattern, &modalias));
            hits.extend(matching.map(|(number, _, module)| (*number, *module)));
        }
        hits.sort_unstable();
        let mut modules: Vec<ModuleName> = Vec::new();
        // depmod writes module names only; a line that holds something else names no module.
        for module in hits.into_iter().filter_map(|(_, module)| ModuleName::parse(module).ok()) {
            if !modules.contains(&module) {
                modules.push(module);
            }
        }
        modules
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use proptest::prelude::*;

    use super::{ModulesAlias, ModulesBuiltin, ModulesDep, module_of_path};
    use crate::formats::fnmatch;
    use crate::formats::modprobe_conf::ModuleName;

    const ALIASES: &str = "# Aliases extracted from modules themselves.\n\
        alias pci:v000010DEd*sv*sd*bc03sc00i00* nouveau\n\
        alias pci:v000010DEd00000E1Bsv*sd*bc*sc*i* snd_hda_intel\n\
        alias pci:v*d*sv*sd*bc03sc*i* nova_core\n\
        alias of:N*T*Cvendor,a_b x_y\n\
        alias of:N*T*Cvendor,a_bC* x_y\n\
        alias fs-ext4 ext4\n";

    fn check(modalias: &str, expect: Expect) {
        let modules: Vec<String> =
            ModulesAlias::parse(ALIASES).resolve(modalias).iter().map(ToString::to_string).collect();
        expect.assert_eq(&modules.join(" "));
    }

    #[test]
    fn a_modalias_resolves_to_every_module_that_claims_it() {
        check("pci:v000010DEd00000FFCsv000010DEsd0000094Cbc03sc00i00\n", expect!["nouveau nova_core"]);
        check("pci:v000010DEd00000E1Bsv0sd0bc04sc03i00", expect!["snd_hda_intel"]);
        check("of:NtestT(null)Cvendor,a-b", expect!["x_y"]);
        check("usb:v1", expect![""]);
        check("", expect![""]);
    }

    #[test]
    fn built_in_modules_are_found_in_either_spelling() {
        let builtin = ModulesBuiltin::parse("kernel/drivers/vfio/pci/vfio-pci.ko\nkernel/fs/ext4/ext4.ko\n");
        assert!(builtin.contains(&ModuleName::parse("vfio_pci").unwrap()));
        assert!(builtin.contains(&ModuleName::parse("vfio-pci").unwrap()));
        assert!(!builtin.contains(&ModuleName::parse("vfio").unwrap()));
    }

    #[test]
    fn module_files_may_be_compressed() {
        let dep = ModulesDep::parse(
            "kernel/a/snd-hda-intel.ko.zst: kernel/a/snd.ko.xz kernel/b/x.ko.gz\nkernel/x.ko:\n",
        );
        let name = ModuleName::parse("snd_hda_intel").unwrap();
        assert_eq!(dep.path(&name), Some("kernel/a/snd-hda-intel.ko.zst"));
        assert_eq!(dep.dependencies(&name), ["kernel/a/snd.ko.xz", "kernel/b/x.ko.gz"]);
        assert!(dep.contains(&ModuleName::parse("x").unwrap()));
        assert_eq!(module_of_path("a/b.ko.sig"), None);
    }

    proptest! {
        #[test]
        fn the_index_answers_as_a_scan_would(patterns in prop::collection::vec("[a-b*?:é]{0,16}", 0..8), modalias in "[a-b:é]{0,16}") {
            let text: String = patterns.iter().enumerate().map(|(n, pattern)| format!("alias {pattern} m{n}\n")).collect();
            let found: Vec<String> = ModulesAlias::parse(&text).resolve(&modalias).iter().map(ToString::to_string).collect();
            let hits = patterns.iter().enumerate().filter(|(_, pattern)| fnmatch::matches(pattern, &modalias));
            prop_assert_eq!(found, hits.map(|(n, _)| format!("m{n}")).collect::<Vec<_>>());
        }

        #[test]
        fn no_index_panics(text in ".{0,60}", line in "(alias |:|/|[a-z]|\\.ko| |\n){0,20}") {
            for text in [text, line] {
                let aliases = ModulesAlias::parse(&text).resolve(&text);
                drop((aliases, ModulesDep::parse(&text).modules.len(), ModulesBuiltin::parse(&text)));
            }
        }
    }
}
