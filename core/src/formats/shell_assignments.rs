//! `/etc/default/grub`: shell assignments, read as dash reads them, edited only where they are literal.

use std::fmt;

mod command;
mod compound;
mod evaluate;
mod script;
mod status;
#[cfg(test)]
mod tests;
mod word;

pub use evaluate::Environment;
use script::{Broken, Event, Kind, Script};
use status::Status;

/// A shell file; printing it gives back the bytes that were read.
#[derive(Clone, Debug)]
pub struct ShellFile {
    text: String,
    /// Where each line starts, in bytes.
    lines: Vec<usize>,
    events: Vec<Event>,
    broken: Option<Broken>,
    /// Where the last list of commands starts, and how it ends.
    last: Option<(usize, Status)>,
}

/// An assignment as it stands in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assignment<'a> {
    /// The variable.
    pub name: &'a str,
    /// Line of the name, from 1.
    pub line: usize,
    /// Whether it is `+=`, which dash takes for a command.
    pub append: bool,
    /// The value without quotes; `None` when it has expansions.
    pub literal: Option<String>,
    /// Whether it may not run: inside a block or a function, or behind `&&`, `||`, `|`.
    pub conditional: bool,
}

/// A shell that reads `/etc/default/grub`: dash on Debian and Ubuntu, bash on the RHEL family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shell {
    /// `/bin/sh` of Debian and Ubuntu.
    Dash,
    /// `/bin/sh` of the RHEL family.
    Bash,
}

/// A variable that is set, as far as reading can tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// Its text.
    Known(String),
    /// Only a shell on that host could tell.
    Unknown {
        /// How many files were read before that with the reason.
        file: usize,
        /// Line of the reason, from 1.
        line: usize,
        /// Why reading is not enough.
        why: String,
    },
}

/// Where a shell gives up reading, so that `update-grub` fails and leaves the old `grub.cfg`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Abort {
    /// Line, from 1.
    pub line: usize,
    /// What the shell does not understand.
    pub why: String,
    /// Whether the shell would go on, and only hoststate reads no further.
    pub is_limit: bool,
    /// How to mend the line, where its text tells.
    pub mend: Option<&'static str>,
}

/// Why an assignment cannot be rewritten.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {why}")]
pub struct NotEditable {
    /// Line of the obstacle, from 1.
    pub line: usize,
    /// The obstacle.
    pub why: String,
}

/// Returns double-quoted shell text that dash and bash read back as `value`.
pub fn quote(value: &str) -> String {
    format!("\"{}\"", escape(value))
}

fn escape(value: &str) -> String {
    let escaped = |it: char| match it {
        '"' | '\\' | '$' | '`' => ['\\', it].iter().collect::<String>(),
        it => it.to_string(),
    };
    value.chars().map(escaped).collect()
}

impl ShellFile {
    /// Reads a file; every text is one, and what is no shell ends its evaluation.
    pub fn parse(text: &str) -> ShellFile {
        let Script { events, broken, last } = script::read(text);
        let lines = std::iter::once(0).chain(text.match_indices('\n').map(|it| it.0 + 1)).collect();
        ShellFile { text: text.to_owned(), lines, events, broken, last }
    }

    /// Returns the assignments that outlive their command, in the order of the file.
    pub fn assignments(&self) -> impl Iterator<Item = Assignment<'_>> {
        self.events.iter().filter_map(|event| match &event.kind {
            Kind::Assign { name, append, value, .. } => Some(Assignment {
                name,
                line: self.line(event.offset),
                append: *append,
                literal: word::literal(value),
                conditional: event.conditional,
            }),
            _ => None,
        })
    }

    /// Gives a variable a value: in its last assignment, or in a new line at the end if it has none.
    ///
    /// Quotes stay of the kind they are where that kind can hold the value.
    ///
    /// # Errors
    /// When the last assignment is not a plain literal that is always reached.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), NotEditable> {
        let touches = |it: &&Event| match &it.kind {
            Kind::Assign { name: it, .. } | Kind::Unset(it) | Kind::Array(it) | Kind::Forget(it, _) => {
                it == name
            }
            _ => false,
        };
        let Some(event) = self.events.iter().rfind(touches) else {
            return self.append(&format!("{name}={}", quote(value)));
        };
        let refuse = |offset: usize, why: &str| {
            let line = self.line(offset);
            Err(NotEditable { line, why: why.to_owned() })
        };
        if let Some(broken) = &self.broken {
            return refuse(broken.offset, broken.why);
        }
        if value.contains('\0') {
            return refuse(event.offset, "a shell variable cannot hold a NUL");
        }
        if event.conditional {
            return refuse(event.offset, &format!("`{name}` is changed only under a condition"));
        }
        let (old, span) = match &event.kind {
            Kind::Assign { append: true, .. } => {
                return refuse(event.offset, &format!("`{name}` is extended with `+=`"));
            }
            Kind::Assign { value, span, .. } => match word::literal(value) {
                Some(old) => (old, span.clone()),
                None => {
                    return refuse(event.offset, &format!("the value of `{name}` has expansions"));
                }
            },
            _ => return refuse(event.offset, &format!("`{name}` is changed by a command")),
        };
        for other in &self.events {
            match other.kind {
                Kind::Return(_) | Kind::Exit if other.offset < event.offset => {
                    return refuse(other.offset, "the file may end before the assignment");
                }
                Kind::ForgetAll(why) if other.offset > event.offset => {
                    return refuse(other.offset, &format!("`{name}` may be changed here: {why}"));
                }
                _ => {}
            }
        }
        if old != value {
            let new = requote(&self.text[span.clone()], value);
            let mut text = self.text.clone();
            text.replace_range(span, &new);
            *self = ShellFile::parse(&text);
        }
        Ok(())
    }

    /// Adds a line that puts `extra` behind the value the variable has by then; for drop-ins.
    ///
    /// # Errors
    /// When a line at the end would not be reached or not be a command.
    pub fn append_expanding(&mut self, name: &str, extra: &str) -> Result<(), NotEditable> {
        self.append(&format!("{name}=\"${name} {}\"", escape(extra)))
    }

    fn append(&mut self, line: &str) -> Result<(), NotEditable> {
        let obstacle = self.events.iter().find(|it| matches!(it.kind, Kind::Return(_) | Kind::Exit));
        let obstacle = obstacle.map(|it| (it.offset, "the file may end here"));
        let broken = self.broken.map(|it| (it.offset, it.why));
        // The newline that would end the last line would be joined away.
        let open = self.text.ends_with('\\').then_some((self.text.len(), "the last line is continued"));
        let nul = line.contains('\0').then_some((0, "a shell variable cannot hold a NUL"));
        if let Some((offset, why)) = broken.or(obstacle).or(open).or(nul) {
            let line = self.line(offset);
            return Err(NotEditable { line, why: why.to_owned() });
        }
        // A backslash before the last newline would join the new line to the one before.
        let ended = self.text.ends_with('\n') && !self.text.ends_with("\\\n");
        let newline = if self.text.is_empty() || ended { "" } else { "\n" };
        *self = ShellFile::parse(&format!("{}{newline}{line}\n", self.text));
        Ok(())
    }

    fn line(&self, offset: usize) -> usize {
        self.lines.partition_point(|it| *it <= offset)
    }
}

/// Writes a value with the quotes the old text has, if they can hold it.
fn requote(old: &str, value: &str) -> String {
    let inner = |quote: char| old.strip_prefix(quote).and_then(|it| it.strip_suffix(quote));
    let plain = |it: u8| it.is_ascii_alphanumeric() || b"_.,:=/@+%-".contains(&it);
    let bare = !old.is_empty() && !old.contains(['\'', '"']) && !value.is_empty();
    match inner('\'') {
        Some(inner) if !inner.contains('\'') && !value.contains('\'') => format!("'{value}'"),
        _ if bare && value.bytes().all(plain) => value.to_owned(),
        _ => quote(value),
    }
}

impl fmt::Display for ShellFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
