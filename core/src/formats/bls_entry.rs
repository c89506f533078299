//! Boot Loader Specification entries, `/boot/loader/entries/*.conf`.

use std::collections::BTreeMap;
use std::fmt;

#[cfg(test)]
mod tests;

/// An entry; printing it gives back the bytes that were read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlsEntry {
    /// The lines, each with the newline it has.
    lines: Vec<String>,
}

/// Who reads an entry; the two do not agree on every file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reader {
    /// GRUB's `blscfg`: stops at the first line without a value, obeys the first `options` only.
    Grub,
    /// systemd-boot: skips empty lines, joins all `options`.
    SystemdBoot,
}

impl BlsEntry {
    /// Reads an entry; every text is one.
    pub fn parse(text: &str) -> BlsEntry {
        let lines = text.split_inclusive('\n').map(str::to_owned).collect();
        BlsEntry { lines }
    }

    /// Returns the kernel parameters as `reader` understands them, variables not expanded.
    ///
    /// `None`: that reader finds none, and GRUB of RHEL 8 takes `default_kernelopts` instead.
    pub fn options(&self, reader: Reader) -> Option<String> {
        match reader {
            Reader::Grub => {
                let mut read = self.lines[..self.grub_end()].iter();
                let value = read.find_map(|it| grub_field(it).filter(|it| it.0 == "options"));
                value.map(|it| it.1.to_owned())
            }
            Reader::SystemdBoot => {
                let values: Vec<&str> = self.values("options").collect();
                (!values.is_empty()).then(|| values.join(" "))
            }
        }
    }

    /// Returns the line, from 1, of the first `options`.
    pub fn options_line(&self) -> Option<usize> {
        let first = self.lines.iter().position(|it| field(it).is_some_and(|it| it.0 == "options"));
        first.map(|it| it + 1)
    }

    /// Returns the name shown in the menu.
    pub fn title(&self) -> Option<&str> {
        self.values("title").next()
    }

    /// Returns the kernel release.
    pub fn version(&self) -> Option<&str> {
        self.values("version").next()
    }

    /// Returns the kernel's path, relative to the partition that holds the entry.
    pub fn linux(&self) -> Option<&str> {
        self.values("linux").next()
    }

    /// Returns the initramfs paths; one may be followed by variables such as `$tuned_initrd`.
    pub fn initrd(&self) -> impl Iterator<Item = &str> {
        self.values("initrd").flat_map(str::split_whitespace)
    }

    /// Returns the `id` line's value; the name most tools go by is that of the file.
    pub fn id(&self) -> Option<&str> {
        self.values("id").next()
    }

    /// Makes `options` what GRUB gives the kernel. Further `options` lines, which GRUB does not read, belong to
    /// whoever wrote them and stay; where GRUB reads none, it is [`Self::set_options`].
    pub fn set_grub_options(&mut self, options: &str) {
        let is_options = |it: &String| field(it).is_some_and(|it| it.0 == "options");
        let mut places = (0..self.lines.len()).filter(|it| is_options(&self.lines[*it]));
        match (places.next(), places.next()) {
            (Some(first), Some(_)) if self.options(Reader::Grub).is_some() => {
                let options = options.split(['\n', '\r', '\0']).collect::<Vec<_>>().join(" ");
                let old = &self.lines[first];
                let end = &old[old.trim_end_matches(['\r', '\n']).len()..];
                self.lines[first] = format!("options {}{end}", options.trim_matches([' ', '\t']));
            }
            _ => self.set_options(options),
        }
    }

    /// Makes `options` the kernel parameters for every reader: one line, where GRUB reads it.
    ///
    /// Several lines become one, a tab after the keyword becomes a space, a line behind an empty one moves
    /// before it. Empty `options` take the line out, because GRUB stops reading at a key without value.
    /// No other line changes; an entry that already says so to every reader keeps every byte.
    pub fn set_options(&mut self, options: &str) {
        let options = options.split(['\n', '\r', '\0']).collect::<Vec<_>>().join(" ");
        let options = options.trim_matches([' ', '\t']);
        let is_options = |it: &String| field(it).is_some_and(|it| it.0 == "options");
        let count = self.lines.iter().filter(|it| is_options(it)).count();
        let read = |it| self.options(it).as_deref() == Some(options);
        if count == 1 && read(Reader::Grub) && read(Reader::SystemdBoot) {
            return;
        }
        let first = self.lines.iter().position(is_options);
        let old = first.map(|at| self.lines[at].clone());
        self.lines.retain(|it| !is_options(it));
        if options.is_empty() {
            return;
        }
        let place = first.unwrap_or(self.lines.len()).min(self.grub_end());
        let crlf = old.as_ref().or(self.lines.first()).is_some_and(|it| it.ends_with("\r\n"));
        let newline = if crlf { "\r\n" } else { "\n" };
        if let Some(before) = self.lines[..place].last_mut()
            && !before.ends_with('\n')
        {
            before.push_str(newline);
        }
        // A file that ended in the old line without a newline goes on doing so.
        let last = place == self.lines.len() && old.is_some_and(|it| !it.ends_with('\n'));
        let newline = if last { "" } else { newline };
        self.lines.insert(place, format!("options {options}{newline}"));
    }

    /// Returns the values of a key as systemd-boot reads them.
    fn values(&self, key: &str) -> impl Iterator<Item = &str> {
        let fields = self.lines.iter().filter_map(|it| field(it));
        fields.filter(move |it| it.0 == key && !it.1.is_empty()).map(|it| it.1)
    }

    /// Returns the index of the line at which GRUB stops reading.
    fn grub_end(&self) -> usize {
        let comment = |it: &str| it.trim_start_matches([' ', '\t']).starts_with('#');
        let stop = self.lines.iter().position(|it| !comment(it) && grub_field(it).is_none());
        stop.unwrap_or(self.lines.len())
    }
}

impl fmt::Display for BlsEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.lines.iter().try_for_each(|it| f.write_str(it))
    }
}

/// Splits a line at its first blanks; `None` for comments and empty lines.
fn field(line: &str) -> Option<(&str, &str)> {
    let line = line.trim();
    let (key, value) = line.split_once([' ', '\t']).unwrap_or((line, ""));
    (!key.is_empty() && !key.starts_with('#')).then(|| (key, value.trim_start()))
}

/// Splits a line as `read_entry` of GRUB's blscfg.c does: at the first space, and only without one at a tab.
fn grub_field(line: &str) -> Option<(&str, &str)> {
    let line = line.strip_suffix('\n').unwrap_or(line);
    let line = line.strip_suffix('\r').unwrap_or(line);
    let line = line.trim_start_matches([' ', '\t']);
    if line.starts_with('#') {
        return None;
    }
    let (key, value) = line.split_once(' ').or_else(|| line.split_once('\t'))?;
    (!value.is_empty()).then(|| (key, value.trim_start_matches([' ', '\t'])))
}

/// Expands `$name` as GRUB's blscfg does: a space follows each value, a variable that is not set vanishes.
pub fn expand(options: &str, variables: &BTreeMap<String, String>) -> String {
    let mut pieces = options.split('$');
    let mut text = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let end = piece.find(|it: char| !(it.is_ascii_alphanumeric() || it == '_'));
        let (name, rest) = piece.split_at(end.unwrap_or(piece.len()));
        if let Some(value) = variables.get(name) {
            text.push_str(value);
            text.push(' ');
        }
        text.push_str(rest);
    }
    text
}
