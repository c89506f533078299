//! depmod's indexes: `modules.builtin`, `modules.alias`, `modules.softdep`, `modules.dep`.
//!
//! `modules.softdep` has the syntax of modprobe.d and is read by [`ModprobeConf`](super::modprobe_conf::ModprobeConf).

use std::collections::HashMap;
use std::iter::{repeat, successors};
use std::ops::Range;

use super::fnmatch;
use super::modprobe_conf::ModuleName;

/// Endings of module files, compressed or not (CONFIG_MODULE_COMPRESS_*).
const ENDINGS: [&str; 4] = [".ko", ".ko.xz", ".ko.zst", ".ko.gz"];

/// Returns the name of the module in a file, folded: `kernel/drivers/vfio/pci/vfio-pci.ko.zst` is `vfio_pci`.
///
/// `None` for anything that is not a module file.
pub fn module_of_path(path: &str) -> Option<ModuleName> {
    // A module file whose name is none cannot be asked for by name.
    ModuleName::parse(stem(path)?).ok()
}

/// Returns the name of a module's file without its ending.
fn stem(path: &str) -> Option<&str> {
    let file = path.rsplit('/').next().unwrap_or(path);
    ENDINGS.iter().find_map(|ending| file.strip_suffix(ending))
}

/// Lines that begin with the path of a module's file, found by the module's name. Nothing is made of a line before it is
/// asked for: a kernel has thousands, and a plan asks for a few.
#[derive(Debug, Clone, Default)]
struct Lines {
    text: Box<str>,
    /// The first bytes of each folded name, and where the line is; sorted by the former.
    by_name: Vec<(u64, Range<usize>)>,
}

impl Lines {
    /// Reads lines; `path` returns where the path of one ends.
    fn parse(text: &str, path: impl Fn(&str) -> Option<usize>) -> Self {
        let mut by_name = Vec::with_capacity(text.len() / 64);
        let mut start = 0;
        for line in text.split_inclusive('\n') {
            let name = path(line).and_then(|end| stem(line.get(..end)?.trim()));
            by_name.extend(name.map(|it| (first_bytes(it), start..start + line.len())));
            start += line.len();
        }
        // Of two lines for one module the later one counts: the order of the file stays where names are the same.
        by_name.sort_by_key(|it| it.0);
        Self { text: text.into(), by_name }
    }

    /// Returns the line of a module.
    fn find(&self, module: &ModuleName) -> Option<&str> {
        let first = first_bytes(module.as_str());
        let from = self.by_name.partition_point(|it| it.0 < first);
        let candidates = self.by_name.iter().skip(from).take_while(|it| it.0 == first);
        let lines = candidates.filter_map(|it| self.text.get(it.1.clone()));
        let is_it = |line: &&str| stem(path_of(line)).is_some_and(|it| module.is_spelled(it));
        lines.filter(is_it).last()
    }

    /// Returns the modules, in no order.
    fn names(&self) -> impl Iterator<Item = ModuleName> {
        self.by_name.iter().filter_map(|it| module_of_path(path_of(self.text.get(it.1.clone())?)))
    }
}

/// Returns the path that a line begins with.
fn path_of(line: &str) -> &str {
    line.split_once(':').map_or(line, |it| it.0).trim()
}

/// Returns the first eight bytes of a name, folded, as a number that sorts as they do.
fn first_bytes(name: &str) -> u64 {
    let bytes = name.bytes().map(|it| if it == b'-' { b'_' } else { it });
    bytes.chain(repeat(0)).take(8).fold(0, |number, byte| number << 8 | u64::from(byte))
}

/// `modules.builtin`: modules linked into the kernel. modprobe.d cannot configure them.
#[derive(Debug, Clone, Default)]
pub struct ModulesBuiltin {
    lines: Lines,
}

impl ModulesBuiltin {
    /// Reads one path a line, such as `kernel/drivers/vfio/pci/vfio-pci.ko`.
    pub fn parse(text: &str) -> Self {
        Self { lines: Lines::parse(text, |line| Some(line.len())) }
    }

    /// Returns whether a module is built in.
    pub fn contains(&self, module: &ModuleName) -> bool {
        self.lines.find(module).is_some()
    }

    /// Returns the modules, in no order.
    pub fn names(&self) -> impl Iterator<Item = ModuleName> {
        self.lines.names()
    }
}

/// `modules.dep`: which modules exist as files, and what they need.
#[derive(Debug, Clone, Default)]
pub struct ModulesDep {
    lines: Lines,
}

impl ModulesDep {
    /// Reads `path: dependencies…` lines, paths relative to the kernel's module directory.
    pub fn parse(text: &str) -> Self {
        Self { lines: Lines::parse(text, |line| line.find(':')) }
    }

    /// Returns whether the module exists as a file.
    pub fn contains(&self, module: &ModuleName) -> bool {
        self.lines.find(module).is_some()
    }

    /// Returns the modules, in no order.
    pub fn names(&self) -> impl Iterator<Item = ModuleName> {
        self.lines.names()
    }

    /// Returns the module's file, relative to the module directory, its compression ending included.
    pub fn path(&self, module: &ModuleName) -> Option<&str> {
        self.lines.find(module).map(path_of)
    }

    /// Returns the files a module needs, in depmod's order: load them from the last to the first.
    pub fn dependencies(&self, module: &ModuleName) -> Vec<&str> {
        let line = self.lines.find(module).and_then(|it| it.split_once(':'));
        line.map_or_else(Vec::new, |(_, needs)| needs.split_whitespace().collect())
    }
}

/// Longest literal start of a pattern used as key: `pci:v000010DEd00000FFC`, which parts the devices of a vendor.
const KEY: usize = 22;

/// `modules.alias`: which modules claim a modalias.
///
/// Keeps slices of the text; a lookup looks only at patterns that start as the modalias does.
#[derive(Debug, Clone, Default)]
pub struct ModulesAlias<'a> {
    lines: Vec<Line<'a>>,
    /// The last line of those that start alike.
    by_start: HashMap<&'a str, usize>,
}

/// A line of `modules.alias`.
#[derive(Debug, Clone)]
struct Line<'a> {
    pattern: &'a str,
    module: &'a str,
    /// The one before it of those that start alike.
    before: Option<usize>,
}

impl<'a> ModulesAlias<'a> {
    /// Reads `alias PATTERN MODULE` lines; everything else is skipped.
    pub fn parse(text: &'a str) -> Self {
        // A line has some fifty bytes.
        let expected = text.len() / 48;
        let (mut lines, mut by_start) = (Vec::with_capacity(expected), HashMap::with_capacity(expected));
        for line in text.lines() {
            let Some((pattern, module)) = line.strip_prefix("alias ").and_then(|rest| rest.rsplit_once(' '))
            else {
                continue;
            };
            let is_special = |it: u8| matches!(it, b'*' | b'?' | b'[' | b'\\');
            let literal = pattern.bytes().take(KEY).take_while(|it| !is_special(*it)).count();
            // An end in the middle of a character of several bytes: such patterns are few, they go to the empty key.
            let key = pattern.get(..literal).unwrap_or_default();
            let before = by_start.insert(key, lines.len());
            lines.push(Line { pattern, module, before });
        }
        Self { lines, by_start }
    }

    /// Returns the modules whose pattern matches, in the order of the file, each once.
    ///
    /// `-` in the modalias is folded as kmod does; depmod folded the patterns already.
    pub fn resolve(&self, modalias: &str) -> Vec<ModuleName> {
        let modalias = modalias.trim_end_matches('\n').replace('-', "_");
        let mut hits: Vec<(usize, &str)> = Vec::new();
        for start in (0..=KEY).filter_map(|end| modalias.get(..end)) {
            let line = |at: usize| Some((at, self.lines.get(at)?));
            let last = self.by_start.get(start).and_then(|it| line(*it));
            let candidates = successors(last, |(_, it)| line(it.before?));
            let matching = candidates.filter(|(_, it)| fnmatch::matches(it.pattern, &modalias));
            hits.extend(matching.map(|(at, it)| (at, it.module)));
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

    #[test]
    fn names_that_begin_alike_are_told_apart_and_the_later_line_counts() {
        let dep = ModulesDep::parse(
            "a/snd-hda-codec.ko:\nb/snd-hda-core.ko: x.ko\na/snd_hda_core.ko: y.ko\nz\nsnd-hda.ko:\n",
        );
        let name = |it: &str| ModuleName::parse(it).unwrap();
        assert_eq!(dep.path(&name("snd-hda-core")), Some("a/snd_hda_core.ko"));
        assert_eq!(dep.path(&name("snd_hda")), Some("snd-hda.ko"));
        assert_eq!(dep.path(&name("snd_hda_co")), None);
        assert_eq!(dep.path(&name("z")), None);
        let mut names: Vec<String> = dep.names().map(|it| it.spelled().to_owned()).collect();
        names.sort();
        assert_eq!(names, ["snd-hda", "snd-hda-codec", "snd-hda-core", "snd_hda_core"]);
    }

    proptest! {
        #[test]
        fn a_line_is_found_as_a_scan_would(stems in prop::collection::vec("[ab_-]{1,12}", 0..12), asked in "[ab_-]{1,12}") {
            let text: String = stems.iter().enumerate().map(|(n, stem)| format!("d{n}/{stem}.ko: n{n}.ko\n")).collect();
            let asked = ModuleName::parse(&asked).unwrap();
            let last = stems.iter().rposition(|it| asked.is_spelled(it));
            let dep = ModulesDep::parse(&text);
            prop_assert_eq!(dep.dependencies(&asked), last.map(|it| format!("n{it}.ko")).into_iter().collect::<Vec<_>>());
            prop_assert_eq!(ModulesBuiltin::parse(&text.replace(": n", " #")).contains(&asked), false);
            prop_assert_eq!(dep.contains(&asked), last.is_some());
        }

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
                drop((aliases, ModulesDep::parse(&text).names().count(), ModulesBuiltin::parse(&text)));
            }
        }
    }
}
