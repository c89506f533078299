//! Text of a script with the place where each part of it was written.

use std::sync::Arc;

use super::{Origin, Place};

/// A script; what was pasted together for it knows where each part comes from.
#[derive(Debug, Default)]
pub(super) struct Source {
    pub(super) text: String,
    /// Where parts begin, in bytes, in ascending order.
    marks: Vec<(usize, Origin)>,
}

impl Source {
    /// Reads a file as `read_config_file` of normal/main.c does: without carriage returns, and without the lines
    /// that begin with `#`, even inside of quotes.
    pub(super) fn of_file(path: &Arc<str>, text: &str) -> Source {
        let mut source = Source::default();
        for (index, line) in text.split_inclusive('\n').enumerate() {
            if line.starts_with('#') {
                continue;
            }
            let place = Place { file: path.clone(), line: index + 1 };
            source.marks.push((source.text.len(), Origin { place, variable: None }));
            source.text.extend(line.chars().filter(|it| *it != '\r'));
        }
        source.end_line();
        source
    }

    /// Adds a part.
    pub(super) fn push(&mut self, text: &str, origin: &Origin) {
        self.marks.push((self.text.len(), origin.clone()));
        self.text.push_str(text);
    }

    /// Ends the last line, as the lexer of GRUB does when a line has no newline.
    pub(super) fn end_line(&mut self) {
        if !self.text.ends_with('\n') {
            self.text.push('\n');
        }
    }

    /// Returns where the text at `at` was written.
    pub(super) fn origin(&self, at: usize) -> Origin {
        let index = self.marks.partition_point(|it| it.0 <= at);
        match index.checked_sub(1).and_then(|it| self.marks.get(it)) {
            Some((_, origin)) => origin.clone(),
            None => Origin { place: Place { file: "".into(), line: 0 }, variable: None },
        }
    }

    /// Returns the parts that `start..end` consists of, each with where it begins.
    pub(super) fn origins(&self, start: usize, end: usize) -> impl Iterator<Item = (usize, Origin)> + '_ {
        let first = self.marks.partition_point(|it| it.0 <= start);
        let rest = self.marks[first..].iter().take_while(move |it| it.0 < end);
        std::iter::once((start, self.origin(start))).chain(rest.map(|it| (it.0, it.1.clone())))
    }
}
