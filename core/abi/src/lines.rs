//! A text as lines, and edits of some of them, whose cost is that of what they change.

use std::fmt;
use std::ops::Range;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Takes some lines of a text out, and puts others in their place.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LineEdit {
    /// Number of the first line that is taken out, or of the one before which something is put, from 1; absent for the
    /// end of the text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
    /// The lines that are taken out, with their ends; these and no others must be there.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub removed: String,
    /// What is put in their place, with ends of lines. At the end of the text it begins a line of its own.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub inserted: String,
}

impl LineEdit {
    /// Returns the edit that adds whole lines at the end.
    pub fn append(inserted: impl Into<String>) -> Self {
        Self { line: None, removed: String::new(), inserted: inserted.into() }
    }

    /// Returns the one edit that makes `after` of `before`: everything between the first line in which they differ and
    /// the last. `None` when they are equal.
    pub fn between(before: &str, after: &str) -> Option<Self> {
        if before == after {
            return None;
        }
        let (old, new) = (split(before), split(after));
        let same = old.iter().zip(&new).take_while(|(a, b)| a == b).count();
        let (old, new) = (&old[same..], &new[same..]);
        let rest = old.iter().rev().zip(new.iter().rev()).take_while(|(a, b)| a == b).count();
        let (removed, inserted) = (old[..old.len() - rest].concat(), new[..new.len() - rest].concat());
        let is_end = old.is_empty() && (before.is_empty() || before.ends_with('\n'));
        Some(Self { line: (!is_end).then_some(same + 1), removed, inserted })
    }
}

fn split(text: &str) -> Vec<&str> {
    text.split_inclusive('\n').collect()
}

/// A text of which lines are replaced: what is new is kept behind what was there, so that no edit moves the text.
#[derive(Debug, Clone, Default)]
pub struct Lines {
    /// Every line that is or was part of the text.
    buffer: String,
    /// Where each line is in it, its end included.
    lines: Vec<Range<usize>>,
    /// Bytes of the text.
    size: usize,
}

impl Lines {
    /// Returns the lines of a text.
    pub fn new(text: String) -> Self {
        let mut start = 0;
        let lines = text.split_inclusive('\n').map(|line| {
            let range = start..start + line.len();
            start = range.end;
            range
        });
        Self { lines: lines.collect(), size: text.len(), buffer: text }
    }

    /// Returns the bytes of the text.
    pub fn size(&self) -> usize {
        self.size
    }

    /// Returns the number of lines.
    pub fn count(&self) -> usize {
        self.lines.len()
    }

    /// Returns a line by its number, from 1, with its end.
    pub fn get(&self, number: usize) -> Option<&str> {
        let range = self.lines.get(number.checked_sub(1)?)?;
        self.buffer.get(range.clone())
    }

    /// Does an edit.
    ///
    /// # Errors
    /// When the lines that it takes out are not there, or it would leave half a line in the middle of the text.
    pub fn edit(&mut self, edit: &LineEdit) -> Result<(), EditError> {
        let LineEdit { line, removed, inserted } = edit;
        let removed = split(removed);
        let first = match line {
            Some(number) => number.checked_sub(1).filter(|it| *it <= self.lines.len()),
            None => Some(self.lines.len()),
        };
        let there = |first: &usize| {
            let found = (first + 1..).take(removed.len()).map(|it| self.get(it));
            found.eq(removed.iter().map(|it| Some(*it)))
        };
        let Some(first) = first.filter(there) else {
            return Err(EditError { line: line.unwrap_or(self.lines.len() + 1) });
        };
        let end = first + removed.len();
        let opens = first > 0 && self.get(first).is_some_and(|it| !it.ends_with('\n'));
        if end < self.lines.len() && !inserted.is_empty() && !inserted.ends_with('\n') {
            return Err(EditError { line: end });
        }
        if opens && !inserted.is_empty() {
            let start = self.buffer.len();
            let last = self.lines[first - 1].clone();
            self.buffer.extend_from_within(last);
            self.buffer.push('\n');
            self.lines[first - 1] = start..self.buffer.len();
            self.size += 1;
        }
        let mut start = self.buffer.len();
        self.buffer.push_str(inserted);
        let new = split(inserted).into_iter().map(|line| {
            let range = start..start + line.len();
            start = range.end;
            range
        });
        self.lines.splice(first..end, new.collect::<Vec<_>>());
        self.size = self.size + inserted.len() - edit.removed.len();
        Ok(())
    }
}

impl fmt::Display for Lines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.lines.iter().try_for_each(|it| f.write_str(&self.buffer[it.clone()]))
    }
}

/// An edit that does not fit a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EditError {
    /// The line where it does not.
    pub line: usize,
}

impl fmt::Display for EditError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {} is not what an edit takes out or leaves", self.line)
    }
}

impl std::error::Error for EditError {}
