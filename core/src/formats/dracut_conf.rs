//! dracut configuration, `/etc/dracut.conf` and `/etc/dracut.conf.d/*.conf`.
//!
//! bash sources these files one after another; `+=` joins texts as they are, so a value without a blank at both
//! ends glues to its neighbour: `"a b"` and `"c"` give the module `bc` (dracut.conf(5), dracut.sh).

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;

/// A file of assignments, byte for byte.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DracutConf {
    text: String,
}

/// One literal assignment on a line of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DracutAssignment {
    /// Line, from 1.
    pub line: usize,
    /// The variable.
    pub name: String,
    /// Whether it is `+=`.
    pub appends: bool,
    /// The text without its quotes.
    pub value: String,
    /// Bytes of the line, its end included.
    range: Range<usize>,
}

impl DracutAssignment {
    /// Returns whether a list value lacks a blank at one of its ends, so that it can glue to a neighbour.
    pub fn may_glue(&self) -> bool {
        let blank = |c: char| c.is_ascii_whitespace();
        self.appends
            && !self.value.is_empty()
            && !(self.value.starts_with(blank) && self.value.ends_with(blank))
    }
}

/// The lists that are joined by `+=`.
const LISTS: [&str; 4] = ["add_drivers", "force_drivers", "install_items", "omit_drivers"];

impl DracutConf {
    /// Reads a file; lines that are not a literal assignment are kept and mean nothing here.
    pub fn parse(text: &str) -> Self {
        Self { text: text.to_owned() }
    }

    /// Returns the assignments in order.
    pub fn assignments(&self) -> Vec<DracutAssignment> {
        let mut start = 0;
        let mut assignments = Vec::new();
        for (index, line) in self.text.split_inclusive('\n').enumerate() {
            let range = start..start + line.len();
            start = range.end;
            if let Some((name, appends, value)) = assignment(line) {
                let name = name.to_owned();
                assignments.push(DracutAssignment { line: index + 1, name, appends, value, range });
            }
        }
        assignments
    }

    /// Makes this file add exactly `words` to a list, as `name+=" a b "`.
    ///
    /// The file's first assignment of the list is edited and keeps its operator, later ones go; without one a line
    /// is added. No words: the assignments go.
    pub fn set_list(&mut self, name: &str, words: &[&str]) {
        let own: Vec<_> = self.assignments().into_iter().filter(|it| it.name == name).collect();
        if let [only] = own.as_slice()
            && !words.is_empty()
            && !only.may_glue()
            && only.value.split_ascii_whitespace().eq(words.iter().copied())
        {
            return;
        }
        let line = |operator: &str| match words {
            [] => String::new(),
            words => format!("{name}{operator}\" {} \"\n", words.join(" ")),
        };
        match own.split_first() {
            None => {
                let line = line("+=");
                if !line.is_empty() && !self.text.is_empty() && !self.text.ends_with('\n') {
                    self.text.push('\n');
                }
                self.text.push_str(&line);
            }
            Some((first, later)) => {
                for assignment in later.iter().rev() {
                    self.text.replace_range(assignment.range.clone(), "");
                }
                self.text.replace_range(first.range.clone(), &line(if first.appends { "+=" } else { "=" }));
            }
        }
    }
}

impl fmt::Display for DracutConf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Reads a line as `name=value` or `name+=value` with at most one pair of quotes.
fn assignment(line: &str) -> Option<(&str, bool, String)> {
    let (name, value) = line.trim().split_once('=')?;
    let (name, appends) = name.strip_suffix('+').map_or((name, false), |name| (name, true));
    let named = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if name.is_empty() || !name.chars().all(named) {
        return None;
    }
    let (value, rest) = match value.chars().next() {
        Some(quote @ ('"' | '\'')) => value.get(1..)?.split_once(quote)?,
        _ => value.split_once(char::is_whitespace).unwrap_or((value, "")),
    };
    let rest = rest.trim_start();
    // Only a comment may follow; expansions are for bash, not for us.
    let literal = !value.contains(['$', '`', '\\', '"', '\'']);
    (literal && (rest.is_empty() || rest.starts_with('#'))).then(|| (name, appends, value.to_owned()))
}

/// Returns what the variables hold after all files were sourced in the given order.
pub fn evaluate<'a>(files: impl IntoIterator<Item = &'a DracutConf>) -> BTreeMap<String, String> {
    let mut variables: BTreeMap<String, String> = BTreeMap::new();
    for assignment in files.into_iter().flat_map(DracutConf::assignments) {
        let variable = variables.entry(assignment.name).or_default();
        if !assignment.appends {
            variable.clear();
        }
        variable.push_str(&assignment.value);
    }
    variables
}

/// Returns the words of a list after all files were sourced, glued ones as they come out.
pub fn words<'a>(files: impl IntoIterator<Item = &'a DracutConf>, name: &str) -> Vec<String> {
    let variables = evaluate(files);
    variables
        .get(name)
        .map_or_else(Vec::new, |text| text.split_ascii_whitespace().map(str::to_owned).collect())
}

/// Returns the list assignments of a file that lack a blank at an end.
pub fn glued(file: &DracutConf) -> Vec<DracutAssignment> {
    let lists = |it: &DracutAssignment| LISTS.contains(&it.name.as_str()) && it.may_glue();
    file.assignments().into_iter().filter(lists).collect()
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use proptest::prelude::*;

    use super::{DracutConf, evaluate, glued, words};

    fn check(before: &str, modules: &[&str], expect: Expect) {
        let mut conf = DracutConf::parse(before);
        assert_eq!(conf.to_string(), before);
        conf.set_list("force_drivers", modules);
        let once = conf.to_string();
        expect.assert_eq(&once);
        conf.set_list("force_drivers", modules);
        assert_eq!(conf.to_string(), once);
    }

    #[test]
    fn values_without_blanks_glue_to_their_neighbours() {
        let files = [
            "hostonly=yes # x\nadd_drivers+=\"a b\"\n",
            "add_drivers+=\"c\"\n#add_drivers+=\" no \"\nforce_drivers+=' d '\nx=$y\n",
        ];
        let files = files.map(DracutConf::parse);
        assert_eq!(words(&files, "add_drivers"), ["a", "bc"]);
        expect![[r#"{"add_drivers": "a bc", "force_drivers": " d ", "hostonly": "yes"}"#]]
            .assert_eq(&format!("{:?}", evaluate(&files)));
        assert_eq!(glued(&files[0]).len() + glued(&files[1]).len(), 2);
    }

    #[test]
    fn lists_are_written_with_blanks_at_both_ends() {
        check(
            "",
            &["vfio_pci", "vfio"],
            expect![[r#"
            force_drivers+=" vfio_pci vfio "
        "#]],
        );
        check(
            "# gpu\nforce_drivers+=\"vfio_pci\" # x\nhostonly=yes",
            &["vfio_pci"],
            expect![[r#"
            # gpu
            force_drivers+=" vfio_pci "
            hostonly=yes"#]],
        );
        check("force_drivers+='  vfio_pci '", &["vfio_pci"], expect![[r#"force_drivers+='  vfio_pci '"#]]);
        check(
            "a=1\nforce_drivers=\" x \"\nforce_drivers+=\" y \"\n",
            &["z"],
            expect![[r#"
            a=1
            force_drivers=" z "
        "#]],
        );
        check("force_drivers+=\" x \"\nb=1", &[], expect!["b=1"]);
    }

    proptest! {
        #[test]
        fn files_are_kept_and_lists_take_effect(text in ".{0,40}|(force_drivers|\\+=|=|\"|'| |a|#|\n){0,30}", module in "[a-z_]{1,6}") {
            let mut conf = DracutConf::parse(&text);
            prop_assert_eq!(conf.to_string(), text);
            conf.set_list("force_drivers", &[&module]);
            prop_assert_eq!(words([&conf], "force_drivers"), vec![module]);
        }
    }
}
