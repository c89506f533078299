//! Edits that look at the lines of one module and at no others, so that a long file costs no more than a short one.

use std::collections::BTreeSet;

use hoststate_abi::lines::{EditError, LineEdit};
use similar::{Algorithm, DiffOp, capture_diff_slices};

use super::directive::Directive;
use super::file::directives;
use super::line::Ending;
use super::{ModprobeConf, ModuleName};

impl ModprobeConf {
    /// Returns what `change`, which is about one module, does to the lines of this file.
    ///
    /// # Errors
    /// Those of `change`.
    pub fn edits<E>(
        &self,
        module: &ModuleName,
        change: impl FnOnce(&mut Self) -> Result<(), E>,
    ) -> Result<Vec<LineEdit>, E> {
        let numbers = self.lines_about(module);
        let before: String = numbers.iter().filter_map(|it| self.lines.get(*it)).collect();
        let mut conf = Self::parse(&before);
        change(&mut conf)?;
        Ok(edits(&before, &conf.to_string(), &numbers))
    }

    /// Does an edit. Returns the modules that the new lines name; `None` where all was read anew.
    ///
    /// # Errors
    /// When the file does not have the lines that the edit takes out.
    pub(super) fn apply(&mut self, edit: &LineEdit) -> Result<Option<Vec<String>>, EditError> {
        let above = edit.line.map_or(self.lines.count(), |it| it.saturating_sub(1));
        let is_end = above == self.lines.count() && self.ending == Ending::Complete;
        let is_in_place = !is_end && self.is_in_place(edit, above);
        self.lines.edit(edit)?;
        let named = || {
            let of_it = |(_, it): (usize, Directive)| it.module().map(str::to_owned);
            Some(directives(&edit.inserted, above).0.into_iter().filter_map(of_it).collect())
        };
        if is_end {
            self.ending = self.read(&edit.inserted, above);
            Ok(named())
        } else if is_in_place {
            for (line, directive) in directives(&edit.inserted, above).0 {
                self.replace_entry(line, directive);
            }
            Ok(named())
        } else {
            *self = Self::parse(&self.to_string());
            Ok(None)
        }
    }

    /// Returns the numbers of the lines that say something about a module, and of an open one at the end.
    fn lines_about(&self, module: &ModuleName) -> Vec<usize> {
        let module = module.as_str();
        let mut first = BTreeSet::new();
        first.extend(self.options.get(module).into_iter().flatten().map(|it| it.line));
        first.extend(self.blacklists.get(module));
        first.extend(self.softdeps.own(module).iter().map(|it| it.line));
        first.extend(self.softdeps.patterns.iter().map(|it| it.1.line));
        first.extend(self.installs.own(module).iter().map(|it| it.line));
        first.extend(self.installs.patterns.iter().map(|it| it.1.line));
        if self.ending != Ending::Complete {
            let last = self.lines.count();
            first.extend((1..=last).rev().find(|it| !self.is_continuation(*it)));
        }
        let joined = |first: usize| {
            let rest = (first + 1..=self.lines.count()).take_while(|it| self.is_continuation(*it));
            std::iter::once(first).chain(rest)
        };
        first.into_iter().flat_map(joined).collect()
    }

    /// Returns whether a line goes on with the one before it: a backslash before its end joins them.
    fn is_continuation(&self, number: usize) -> bool {
        let Some(line) = self.lines.get(number - 1) else { return false };
        let text = line.trim_end_matches('\n');
        (text.len() - text.trim_end_matches('\\').len()) % 2 == 1
    }

    /// Returns whether each line of an edit says something else about the module that it is about already.
    fn is_in_place(&self, edit: &LineEdit, above: usize) -> bool {
        let (old, old_ending) = directives(&edit.removed, above);
        let (new, ending) = directives(&edit.inserted, above);
        let is_same = |(old, new): (&(usize, Directive), &(usize, Directive))| {
            let is_kept = matches!(
                (&old.1, &new.1),
                (Directive::Options { .. }, Directive::Options { .. })
                    | (Directive::Softdep { .. }, Directive::Softdep { .. })
                    | (Directive::Install { .. }, Directive::Install { .. })
            );
            is_kept && old.0 == new.0 && old.1.module() == new.1.module()
        };
        (old_ending, ending) == (Ending::Complete, Ending::Complete)
            && edit.removed.matches('\n').count() == edit.inserted.matches('\n').count()
            && old.len() == new.len()
            && old.iter().zip(&new).all(is_same)
            && !self.is_continuation(above + 1)
    }

    fn replace_entry(&mut self, line: usize, directive: Directive) {
        match directive {
            Directive::Options { module, text } => {
                let known = self.options.entry(module).or_default().iter_mut().find(|it| it.line == line);
                known.into_iter().for_each(|it| it.text.clone_from(&text));
            }
            Directive::Softdep { module, softdep } => self.softdeps.replace(&module, softdep, |it| it.line),
            Directive::Install { module, command } => {
                let command = super::ModuleCommand { line, command };
                self.installs.replace(&module, command, |it| it.line);
            }
            _ => {}
        }
    }
}

/// Returns the edits that make `after` of `before`, whose lines are those with these numbers; the last comes first, so that
/// none moves the lines of another.
fn edits(before: &str, after: &str, numbers: &[usize]) -> Vec<LineEdit> {
    let (old, new): (Vec<&str>, Vec<&str>) =
        (before.split_inclusive('\n').collect(), after.split_inclusive('\n').collect());
    let mut edits = Vec::new();
    for op in capture_diff_slices(Algorithm::Myers, &old, &new)
        .iter()
        .filter(|it| !matches!(it, DiffOp::Equal { .. }))
    {
        let inserted = new[op.new_range()].concat();
        let mut range = op.old_range();
        if range.is_empty() {
            let line = numbers.get(range.start).copied();
            edits.push(LineEdit { line, removed: String::new(), inserted });
            continue;
        }
        // Lines of others may stand between those that are taken out; what is put in comes behind them.
        while let Some(line) = numbers[range.clone()].first().copied() {
            let run = range.clone().zip(line..).take_while(|(at, number)| numbers[*at] == *number).count();
            let removed = old[range.start..range.start + run].concat();
            range.start += run;
            let inserted = if range.is_empty() { inserted.clone() } else { String::new() };
            edits.push(LineEdit { line: Some(line), removed, inserted });
        }
    }
    edits.reverse();
    edits
}
