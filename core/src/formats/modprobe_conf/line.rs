//! Lines as kmod joins them (shared/util.c, `freadline_wrapped`).

use std::borrow::Cow;
use std::ops::Range;

/// One logical line: physical lines joined by a backslash before the line break, comments included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    /// Bytes of the file it takes, without the line break that ends it.
    pub(super) range: Range<usize>,
    /// Number of its first physical line, from 1.
    pub(super) number: usize,
    /// Whether it holds a backslash, so that its text is not simply its bytes.
    escaped: bool,
}

/// How a file ends, which decides what has to come before an added line.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Ending {
    /// With a line break, or empty.
    #[default]
    Complete,
    /// In the middle of a line, maybe after a continuation.
    Open,
    /// With a single backslash; a line break added behind it would be a continuation.
    Backslash,
}

/// Splits a file into logical lines.
pub(super) fn lines(text: &str) -> (Vec<Line>, Ending) {
    let bytes = text.as_bytes();
    let mut lines = Vec::new();
    let (mut start, mut number, mut physical) = (0, 1, 1);
    let (mut at, mut escaped, mut ending) = (0, false, Ending::Complete);
    while let Some(&byte) = bytes.get(at) {
        ending = Ending::Open;
        at += 1;
        match byte {
            b'\\' => {
                escaped = true;
                match bytes.get(at) {
                    None => ending = Ending::Backslash,
                    Some(b'\n') => physical += 1,
                    Some(_) => {}
                }
                // In the middle of a character of several bytes the rest of it is no backslash either.
                at += 1;
            }
            b'\n' => {
                lines.push(Line { range: start..at - 1, number, escaped });
                physical += 1;
                (start, number, escaped, ending) = (at, physical, false, Ending::Complete);
            }
            _ => {}
        }
    }
    if ending != Ending::Complete {
        lines.push(Line { range: start..bytes.len(), number, escaped });
    }
    (lines, ending)
}

impl Line {
    /// Returns what kmod sees: joined, `\x` as `x`, cut at a NUL.
    pub(super) fn text<'a>(&self, file: &'a str) -> Cow<'a, str> {
        let raw = file.get(self.range.clone()).unwrap_or_default();
        let mut text = if self.escaped { Cow::Owned(self.joined(file).0) } else { Cow::Borrowed(raw) };
        if let Some(nul) = text.find('\0') {
            match &mut text {
                Cow::Borrowed(part) => *part = part.split_at(nul).0,
                Cow::Owned(whole) => whole.truncate(nul),
            }
        }
        text
    }

    /// Joins the line and says for each byte of the result where in the file it was written.
    ///
    /// A lone backslash at the end of a file becomes a byte 0xff in kmod, a replacement character here.
    pub(super) fn joined(&self, file: &str) -> (String, Vec<Range<usize>>) {
        let raw = file.get(self.range.clone()).unwrap_or_default();
        let mut text = String::with_capacity(raw.len());
        let mut origins = Vec::with_capacity(raw.len());
        let mut chars = raw.char_indices();
        while let Some((offset, c)) = chars.next() {
            let kept = match c {
                '\\' => match chars.next() {
                    Some((_, '\n')) => continue,
                    Some((_, next)) => next,
                    None => char::REPLACEMENT_CHARACTER,
                },
                other => other,
            };
            text.push(kept);
            let origin = self.range.start + offset..self.range.start + chars.offset();
            origins.resize(text.len(), origin);
        }
        (text, origins)
    }
}
