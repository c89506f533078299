//! Files that list one module a line: `modules-load.d/*.conf`, `/etc/modules`, `/etc/initramfs-tools/modules`.
//!
//! `#` starts a comment at the start of a line; in `modules-load.d` so does `;` (modules-load.d(5)).
//! initramfs-tools and `/etc/modules` take words behind the name as the module's parameters and cut at any `#`.

use std::fmt;

use super::modprobe_conf::ModuleName;

/// Which program reads a list; they differ in comments and arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListKind {
    /// systemd-modules-load: the whole line is the name, `#` and `;` start comments.
    ModulesLoad,
    /// initramfs-tools: `module [args]`, `#` starts a comment (scripts/functions, `_uniq`/`load_modules`).
    InitramfsTools,
}

/// A list of modules, byte for byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModuleList {
    kind: ListKind,
    text: String,
}

impl ModuleList {
    /// Reads a list; any text is one.
    pub fn parse(kind: ListKind, text: &str) -> Self {
        Self { kind, text: text.to_owned() }
    }

    /// Returns the modules as written, in order, without arguments.
    pub fn modules(&self) -> Vec<&str> {
        self.text.lines().filter_map(|line| self.module(line)).collect()
    }

    /// Returns the modules with the arguments that they are loaded with, where the list has such.
    pub fn entries(&self) -> Vec<(&str, Option<&str>)> {
        let entry = |line| {
            let module = self.module(line)?;
            let rest =
                line.trim().split('#').next().unwrap_or_default().strip_prefix(module).unwrap_or_default();
            Some((module, Some(rest.trim()).filter(|it| !it.is_empty())))
        };
        self.text.lines().filter_map(entry).collect()
    }

    /// Returns whether the list names a module in either spelling.
    pub fn contains(&self, module: &ModuleName) -> bool {
        self.modules().into_iter().any(|text| module.is_spelled(text))
    }

    /// Adds a module at the end unless it is listed.
    pub fn add(&mut self, module: &ModuleName) {
        if !self.contains(module) {
            if !self.text.is_empty() && !self.text.ends_with('\n') {
                self.text.push('\n');
            }
            self.text.push_str(module.spelled());
            self.text.push('\n');
        }
    }

    /// Removes every line that names a module, with its arguments.
    pub fn remove(&mut self, module: &ModuleName) {
        let kept = |line: &&str| !self.module(line).is_some_and(|text| module.is_spelled(text));
        self.text = self.text.split_inclusive('\n').filter(kept).collect();
    }

    fn module<'a>(&self, line: &'a str) -> Option<&'a str> {
        let line = line.trim();
        let name = match self.kind {
            ListKind::ModulesLoad if line.starts_with(['#', ';']) => "",
            ListKind::ModulesLoad => line,
            ListKind::InitramfsTools => {
                line.split('#').next().unwrap_or_default().split_whitespace().next().unwrap_or_default()
            }
        };
        (!name.is_empty()).then_some(name)
    }
}

impl fmt::Display for ModuleList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use proptest::prelude::*;

    use super::{ListKind, ModuleList};
    use crate::formats::modprobe_conf::ModuleName;

    fn check(kind: ListKind, text: &str, expect: Expect) {
        let (vfio, drm) = (ModuleName::parse("vfio-pci").unwrap(), ModuleName::parse("drm").unwrap());
        let mut list = ModuleList::parse(kind, text);
        let modules = format!("{:?}", list.modules());
        list.add(&vfio);
        list.remove(&drm);
        expect.assert_eq(&format!("{modules}\n{list}"));
    }

    #[test]
    fn comments_and_order_stay_and_names_fold() {
        check(
            ListKind::ModulesLoad,
            "# boot\n; too\nvfio_pci\n\n drm \nloop #x",
            expect![[r##"
                ["vfio_pci", "drm", "loop #x"]
                # boot
                ; too
                vfio_pci

                loop #x"##]],
        );
    }

    #[test]
    fn arguments_of_initramfs_modules_are_no_names() {
        check(
            ListKind::InitramfsTools,
            "# boot\nvfio-pci ids=10de:0ffc\ndrm debug=1 # why",
            expect![[r##"
                ["vfio-pci", "drm"]
                # boot
                vfio-pci ids=10de:0ffc
            "##]],
        );
    }

    #[test]
    fn a_last_line_without_end_gets_one_first() {
        check(
            ListKind::InitramfsTools,
            "loop",
            expect![[r#"
                ["loop"]
                loop
                vfio-pci
            "#]],
        );
    }

    proptest! {
        #[test]
        fn lists_are_kept_and_edits_take_effect(text in ".{0,30}|[a-c\n #;\r-]{0,30}", name in "[a-c_-]{1,3}") {
            let module = ModuleName::parse(&name).unwrap();
            for kind in [ListKind::ModulesLoad, ListKind::InitramfsTools] {
                let mut list = ModuleList::parse(kind, &text);
                prop_assert_eq!(list.to_string(), text.clone());
                list.add(&module);
                prop_assert!(list.contains(&module));
                let once = list.clone();
                list.add(&module);
                prop_assert_eq!(&list, &once);
                list.remove(&module);
                prop_assert!(!list.contains(&module));
            }
        }
    }
}
