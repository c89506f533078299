//! Edits of one file that change the bytes they must and no others.

use std::ops::Range;

use super::directive::{Param, located_params, text_offset};
use super::line::{Ending, lines};
use super::module_name::same_folded;
use super::{ModprobeConf, ModprobeError, ModuleName};

impl ModprobeConf {
    /// Makes the softdep of a module in this file say `pre` and `post`.
    ///
    /// Edits the module's own line. Without one, or where a pattern before it would win, a line is added: before
    /// the pattern, else at the end.
    pub fn set_softdep(&mut self, module: &ModuleName, pre: &[ModuleName], post: &[ModuleName]) {
        let spelled = |written: &[String], wanted: &[ModuleName]| {
            written.len() == wanted.len()
                && written.iter().zip(wanted).all(|(text, name)| name.is_spelled(text))
        };
        let first = self.softdep(module);
        if first.is_some_and(|softdep| spelled(&softdep.pre, pre) && spelled(&softdep.post, post)) {
            return;
        }
        let mut words = Vec::new();
        // With both lists empty `pre:` still stands: a softdep line without any text is a bad one.
        if !pre.is_empty() || post.is_empty() {
            words.push("pre:");
            words.extend(pre.iter().map(ModuleName::spelled));
        }
        if !post.is_empty() {
            words.push("post:");
            words.extend(post.iter().map(ModuleName::spelled));
        }
        let text = words.join(" ");
        let (first, own) = (first.map(|it| it.line), self.own_softdep(module).map(|it| it.line));
        self.place(first, own, &format!("softdep {module} "), &text);
    }

    /// Makes `command` what is run instead of loading a module, as [`set_softdep`](Self::set_softdep) does its line.
    pub fn set_install(&mut self, module: &ModuleName, command: &str) -> Result<(), ModprobeError> {
        if command.is_empty() || command.contains(['\n', '\r', '\0']) {
            return Err(ModprobeError::Command(command.to_owned()));
        }
        let first = self.install(module);
        if first.is_some_and(|install| install.command == command) {
            return Ok(());
        }
        let (first, own) = (first.map(|it| it.line), self.own_install(module).map(|it| it.line));
        self.place(first, own, &format!("install {module} "), &escaped(command));
        Ok(())
    }

    /// Takes out each `install` line that names the module itself.
    pub fn remove_install(&mut self, module: &ModuleName) {
        while let Some(number) = self.own_install(module).map(|it| it.line) {
            self.remove_line(number);
        }
    }

    /// Takes out each `blacklist` line of the module.
    pub fn remove_blacklist(&mut self, module: &ModuleName) {
        while let Some(number) = self.blacklisted(module) {
            self.remove_line(number);
        }
    }

    /// Takes out the first `softdep` line that names the module itself.
    pub fn remove_softdep(&mut self, module: &ModuleName) {
        if let Some(number) = self.own_softdep(module).map(|it| it.line) {
            self.remove_line(number);
        }
    }

    /// Takes out the last value this file gives to a parameter, and a line that gives no other with it.
    pub fn remove_option(&mut self, module: &ModuleName, parameter: &str) {
        let last = self.options(module).iter().rev().find_map(|options| {
            let params = located_params(&options.text);
            let at = params.iter().rposition(|it| same_folded(it.name, parameter))?;
            let part = match (at, params.get(at + 1)) {
                (0, None) => None,
                (0, Some(next)) => Some(params[0].range.start..next.range.start),
                (_, _) => Some(params[at - 1].range.end..params[at].range.end),
            };
            Some((options.line, part))
        });
        match last {
            None => {}
            Some((line, None)) => self.remove_line(line),
            Some((line, part)) => {
                if let Some(range) = self.text_range(line, part) {
                    self.replace(range, "");
                }
            }
        }
    }

    /// Takes out a line, those that it goes on in included.
    fn remove_line(&mut self, number: usize) {
        let text = self.to_string();
        let (all, _) = lines(&text);
        let Some(range) = all.iter().find(|it| it.number == number).map(|it| it.range.clone()) else {
            return;
        };
        let end = range.end + usize::from(text[range.end..].starts_with('\n'));
        self.replace(range.start..end, "");
    }

    /// Adds a `blacklist` line unless the file has one for the module.
    pub fn add_blacklist(&mut self, module: &ModuleName) {
        if self.blacklisted(module).is_none() {
            self.append(&format!("blacklist {module}"));
        }
    }

    /// Makes the last value this file gives to a parameter `value`: edits its last occurrence, else adds a line.
    pub fn set_option(
        &mut self,
        module: &ModuleName,
        parameter: &str,
        value: &str,
    ) -> Result<(), ModprobeError> {
        let name_char = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
        if parameter.is_empty() || parameter == "--" || !parameter.bytes().all(name_char) {
            return Err(ModprobeError::Parameter(parameter.to_owned()));
        }
        // The kernel has no way to quote a quote, and kmod turns a tab into a blank.
        if value.contains(|c: char| c == '"' || c.is_control()) {
            return Err(ModprobeError::Value { parameter: parameter.to_owned(), value: value.to_owned() });
        }
        let quote = if value.contains(' ') { "\"" } else { "" };
        let assignment = escaped(&format!("{parameter}={quote}{value}{quote}"));
        let last = self.options(module).iter().rev().find_map(|options| {
            let params = located_params(&options.text);
            let last: Param<'_> =
                params.into_iter().rev().find(|param| same_folded(param.name, parameter))?;
            Some((options.line, last.range, last.value == Some(value)))
        });
        match last {
            Some((_, _, true)) => {}
            Some((line, range, false)) => match self.text_range(line, Some(range)) {
                Some(range) => self.replace(range, &assignment),
                None => self.append(&format!("options {module} {assignment}")),
            },
            None => self.append(&format!("options {module} {assignment}")),
        }
        Ok(())
    }

    /// Puts `text` in the module's own line if that is the one that counts, else where it will be.
    fn place(&mut self, first: Option<usize>, own: Option<usize>, head: &str, text: &str) {
        match (first, own) {
            (None, _) => self.append(&format!("{head}{text}")),
            (Some(first), own) if own != Some(first) => {
                let text_now = self.to_string();
                let (all, _) = lines(&text_now);
                let start = all.iter().find(|line| line.number == first).map_or(0, |line| line.range.start);
                self.replace(start..start, &format!("{head}{text}\n"));
            }
            (Some(first), _) => match self.text_range(first, None) {
                Some(range) => self.replace(range, text),
                None => self.append(&format!("{head}{text}")),
            },
        }
    }

    /// Returns the bytes of the file that hold a part of a line's text (what follows the module name), or all of it
    /// but a carriage return at its end.
    fn text_range(&self, number: usize, part: Option<Range<usize>>) -> Option<Range<usize>> {
        let text = self.to_string();
        let (all, _) = lines(&text);
        let line = all.iter().find(|line| line.number == number)?;
        let (joined, origins) = line.joined(&text);
        let offset = text_offset(&joined)?;
        let part = part.unwrap_or(0..joined.trim_end_matches('\r').len().checked_sub(offset)?);
        let start = origins.get(offset + part.start)?.start;
        let end = origins.get((offset + part.end).checked_sub(1)?)?.end;
        (start <= end).then_some(start..end)
    }

    /// Adds a line at the end, whatever state the file ends in.
    fn append(&mut self, line: &str) {
        let before = match self.ending {
            Ending::Complete => "",
            Ending::Open => "\n",
            // The first line break only completes the continuation.
            Ending::Backslash => "\n\n",
        };
        let end = self.lines.size();
        self.replace(end..end, &format!("{before}{line}\n"));
    }

    fn replace(&mut self, range: Range<usize>, with: &str) {
        let mut text = self.to_string();
        text.replace_range(range, with);
        *self = Self::parse(&text);
    }
}

/// Writes backslashes so that kmod reads them back.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\")
}
