//! The udev rules that hoststate keeps for PCI devices: one group of lines per address, found again by the address.
//!
//! A group is a comment that names its owner and the rules below it. All else in the file stays as it is.

use std::collections::{BTreeSet, HashMap};

pub mod boot_command;
pub mod rule;
#[cfg(test)]
mod tests;

/// Directories of rules, the strongest first (udev(7)).
pub const DIRECTORIES: [&str; 5] = [
    "/etc/udev/rules.d",
    "/run/udev/rules.d",
    "/usr/local/lib/udev/rules.d",
    "/usr/lib/udev/rules.d",
    "/lib/udev/rules.d",
];

/// What the rules of one device start with, `KERNEL` or `KERNELS` (udev(7)).
const KEYS: [&str; 2] = ["KERNEL==\"", "KERNELS==\""];

/// A rules file whose lines stay as they are, but for the groups that are set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UdevRules {
    text: String,
}

impl UdevRules {
    /// Takes over the text of a rules file.
    pub fn parse(text: &str) -> Self {
        Self { text: text.to_owned() }
    }

    /// Returns the text.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns the rules that match the device of this kernel name, such as `0000:01:00.0`, in the order of the file.
    /// Comments are left out; a rule that continues on further lines is one text.
    pub fn rules_of(&self, kernel: &str) -> Vec<&str> {
        let lines = self.logical_lines();
        lines.into_iter().map(|(_, line)| line.trim_end()).filter(|it| matches(it, kernel)).collect()
    }

    /// Returns the [rules of](Self::rules_of) every kernel name that any rule matches. A rule that names several is one of
    /// each.
    pub fn by_kernel(&self) -> HashMap<&str, Vec<&str>> {
        let mut rules: HashMap<&str, Vec<&str>> = HashMap::new();
        for (_, line) in self.logical_lines() {
            // The device and the one above it may be the same.
            for kernel in kernels(line).collect::<BTreeSet<_>>() {
                rules.entry(kernel).or_default().push(line.trim_end());
            }
        }
        rules
    }

    /// Makes `rules` the only ones of a device: in the place of its first rule, or at the end. The comment above them is
    /// `mark`, by which it is found again, and `note` behind it; without rules it goes as well.
    pub fn set(&mut self, kernel: &str, mark: &str, note: &str, rules: &[String]) {
        if rules.is_empty() {
            return self.remove(kernel, mark);
        }
        if let Some(group) = self.replace(kernel, mark, group(mark, note, rules)) {
            if !self.text.is_empty() && !self.text.ends_with('\n') {
                self.text.push('\n');
            }
            // A last rule that asks for one more line would swallow the first of these.
            if self.logical_lines().last().is_some_and(|(_, it)| !is_comment(it) && continues(it)) {
                self.text.push('\n');
            }
            self.text.push_str(&group);
        }
    }

    /// Returns whether a group may stand behind the last line as it is: that line ends, and no rule goes on behind it.
    pub fn is_open(&self) -> bool {
        let last = self.text.rfind(|it| it != '\n' && it != '\r').map_or("", |at| &self.text[..=at]);
        let line = last.rsplit('\n').next().unwrap_or_default();
        self.text.is_empty() || (self.text.ends_with('\n') && (is_comment(line) || !continues(line)))
    }

    /// Takes out the rules of a device, with the comment above them that starts with `mark`.
    pub fn remove(&mut self, kernel: &str, mark: &str) {
        self.replace(kernel, mark, String::new());
    }

    /// Returns what stands behind a mark in the comments that start with it.
    pub fn marked<'a>(&'a self, mark: &str) -> Vec<&'a str> {
        let comments =
            self.logical_lines().into_iter().filter_map(|(_, it)| it.trim_end().strip_prefix("# "));
        comments.filter_map(|it| it.strip_prefix(mark)).collect()
    }

    /// Puts `group` in the place of the first rule of a device; returns it where there is none.
    fn replace(&mut self, kernel: &str, mark: &str, group: String) -> Option<String> {
        let mut group = Some(group);
        let mut text = String::with_capacity(self.text.len());
        let mark = format!("# {mark}");
        for (start, line) in self.logical_lines() {
            let note = line.trim_end().strip_prefix(&mark);
            let is_own_comment = note.is_some_and(|it| it.is_empty() || it.starts_with(','));
            if is_own_comment && self.next_rule_matches(start + line.len(), kernel) {
                continue;
            }
            if matches(line, kernel) {
                text.push_str(&group.take().unwrap_or_default());
            } else {
                text.push_str(line);
            }
        }
        self.text = text;
        group
    }

    fn next_rule_matches(&self, from: usize, kernel: &str) -> bool {
        let rest = Self { text: self.text[from..].to_owned() };
        rest.logical_lines().first().is_some_and(|(_, line)| matches(line, kernel))
    }

    /// Returns the lines with their ends, each with the offset where it starts. A backslash at the end of a rule
    /// joins the next line to it; in a comment it does not.
    fn logical_lines(&self) -> Vec<(usize, &str)> {
        let mut lines = Vec::new();
        let mut start = 0;
        let mut offset = 0;
        for line in self.text.split_inclusive('\n') {
            offset += line.len();
            if is_comment(&self.text[start..]) || !continues(line) || offset == self.text.len() {
                lines.push((start, &self.text[start..offset]));
                start = offset;
            }
        }
        lines
    }
}

/// Returns the lines of a group: the comment, then the rules.
pub fn group(mark: &str, note: &str, rules: &[String]) -> String {
    let mut group = format!("# {mark}{note}\n");
    for rule in rules {
        group.push_str(rule);
        group.push('\n');
    }
    group
}

fn is_comment(line: &str) -> bool {
    line.trim_start().starts_with('#')
}

fn continues(line: &str) -> bool {
    line.trim_end_matches(['\n', '\r']).ends_with('\\')
}

fn matches(line: &str, kernel: &str) -> bool {
    kernels(line).any(|it| it == kernel)
}

/// Returns the names that a rule compares with those of a device and of the devices above it; a comment compares none.
fn kernels(line: &str) -> impl Iterator<Item = &str> {
    let keys = KEYS.iter().filter(|_| !is_comment(line));
    keys.flat_map(move |key| line.match_indices(key)).filter_map(move |(at, key)| {
        // `KERNEL` is not the end of another word.
        let starts_word = !line[..at].ends_with(|it: char| it.is_ascii_alphanumeric() || it == '_');
        let (kernel, _) = line[at + key.len()..].split_once('"').filter(|_| starts_word)?;
        Some(kernel)
    })
}

/// Returns the values that a rule assigns to sysfs attributes, as `name=value`, in order; those of virtual functions also
/// where a command of it writes them.
pub fn assigned_attributes(rule: &str) -> Vec<String> {
    let mut assigned = Vec::new();
    for part in rule.split("ATTR{").skip(1) {
        if let Some((name, rest)) = part.split_once("}=\"")
            && let Some((value, _)) = rest.split_once('"')
        {
            assigned.push(format!("{}={value}", name.rsplit('/').next().unwrap_or(name)));
        }
    }
    for part in rule.split("echo ").skip(1) {
        let mut words = part.split([' ', '\'', ';', '"']);
        if let (Some(value), Some(">"), Some(path)) = (words.next(), words.next(), words.next())
            && let Some((_, name)) = path.rsplit_once('/')
            && name.starts_with("sriov_")
        {
            assigned.push(format!("{name}={value}"));
        }
    }
    assigned
}
