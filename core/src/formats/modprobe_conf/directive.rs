//! What one line of modprobe.d says.

use std::ops::Range;

use super::module_name::fold;

/// A line's meaning. Names are folded (`-` to `_`), other text is verbatim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Directive {
    /// `alias PATTERN MODULE`; `off` as module blocks the alias.
    Alias {
        /// May hold wildcards.
        pattern: String,
        /// The module it stands for.
        module: String,
    },
    /// `blacklist MODULE`; further words on the line mean nothing.
    Blacklist {
        /// The module that no alias loads.
        module: String,
    },
    /// `options MODULE TEXT`.
    Options {
        /// The module.
        module: String,
        /// Parameters, tabs turned into blanks as kmod does; a `#` in it is not a comment.
        text: String,
    },
    /// `install PATTERN COMMAND`: run instead of loading.
    Install {
        /// May hold wildcards.
        module: String,
        /// A shell command.
        command: String,
    },
    /// `remove PATTERN COMMAND`: run instead of unloading.
    Remove {
        /// May hold wildcards.
        module: String,
        /// A shell command.
        command: String,
    },
    /// `softdep PATTERN pre: … post: …`.
    Softdep {
        /// May hold wildcards.
        module: String,
        /// What is loaded around it.
        softdep: Softdep,
    },
    /// `weakdep PATTERN MODULES`, which newer kmods read and older ones skip.
    Weakdep {
        /// May hold wildcards.
        module: String,
        /// The modules, as written.
        text: String,
    },
    /// A line kmod skips with a message.
    Bad {
        /// Why.
        reason: &'static str,
    },
}

impl Directive {
    /// Returns the module or the pattern that the line is about.
    pub(super) fn module(&self) -> Option<&str> {
        match self {
            Self::Alias { module, .. }
            | Self::Blacklist { module }
            | Self::Options { module, .. }
            | Self::Install { module, .. }
            | Self::Remove { module, .. }
            | Self::Softdep { module, .. }
            | Self::Weakdep { module, .. } => Some(module),
            Self::Bad { .. } => None,
        }
    }
}

/// Modules loaded before and after another one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Softdep {
    /// Loaded before, in order, as written.
    pub pre: Vec<String>,
    /// Loaded after, in order, as written.
    pub post: Vec<String>,
    /// Line of the file, from 1.
    pub line: usize,
}

/// Cuts the next word off; the rest starts after the one separator that ended it (`strtok_r`).
fn word(text: &str) -> Option<(&str, &str)> {
    let text = text.trim_start_matches([' ', '\t']);
    if text.is_empty() {
        return None;
    }
    Some(text.split_once([' ', '\t']).unwrap_or((text, "")))
}

/// Reads a joined line; `None` for an empty one and for a comment, whose `#` must be the very first byte.
pub(super) fn parse(line: &str, number: usize) -> Option<Directive> {
    if line.starts_with('#') {
        return None;
    }
    let (command, rest) = word(line)?;
    let named = |rest| match word(rest) {
        Some((name, rest)) => match fold(name) {
            Some(name) => Ok((name.into_owned(), rest)),
            None => Err("unbalanced bracket in the module name"),
        },
        None => Err("module name missing"),
    };
    let with_text = |missing| match named(rest) {
        Ok((_, "")) => Err(missing),
        outcome => outcome,
    };
    let directive = match command {
        "alias" => {
            named(rest).and_then(|(pattern, rest)| Ok(Directive::Alias { pattern, module: named(rest)?.0 }))
        }
        "blacklist" => named(rest).map(|(module, _)| Directive::Blacklist { module }),
        "options" => with_text("parameters missing")
            .map(|(module, text)| Directive::Options { module, text: text.replace('\t', " ") }),
        "install" => with_text("command missing")
            .map(|(module, command)| Directive::Install { module, command: command.to_owned() }),
        "remove" => with_text("command missing")
            .map(|(module, command)| Directive::Remove { module, command: command.to_owned() }),
        "softdep" => with_text("modules missing")
            .map(|(module, text)| Directive::Softdep { module, softdep: softdep(text, number) }),
        "weakdep" => with_text("modules missing")
            .map(|(module, text)| Directive::Weakdep { module, text: text.to_owned() }),
        "include" | "config" => Err("command no longer supported"),
        _ => Err("unknown command"),
    };
    Some(directive.unwrap_or_else(|reason| Directive::Bad { reason }))
}

/// Returns how many bytes of a joined line of the given command come before its text.
pub(super) fn text_offset(line: &str) -> Option<usize> {
    let (_, rest) = word(line)?;
    let (_, text) = word(rest)?;
    Some(line.len() - text.len())
}

/// C's `isspace` in the C locale.
fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t'..='\r')
}

/// Reads `pre: a b post: c`. `pre:a` is not `pre:`, words before the first of them count for nothing.
///
/// A text that starts with exactly one blank (two blanks behind the module name) keeps it as part of its first
/// word, which then is not `pre:` either: kmod's word splitting skips a blank only after another one.
fn softdep(text: &str, line: usize) -> Softdep {
    let mut softdep = Softdep { line, ..Softdep::default() };
    let glued = text.starts_with(is_space) && !text.chars().nth(1).is_none_or(is_space);
    let mut side = Side::None;
    for (index, word) in text.split(is_space).filter(|word| !word.is_empty()).enumerate() {
        match (word, &side) {
            _ if index == 0 && glued => {}
            ("pre:", _) => side = Side::Pre,
            ("post:", _) => side = Side::Post,
            (_, Side::None) => {}
            (module, Side::Pre) => softdep.pre.push(module.to_owned()),
            (module, Side::Post) => softdep.post.push(module.to_owned()),
        }
    }
    softdep
}

/// The list of a softdep line that words go to.
enum Side {
    None,
    Pre,
    Post,
}

/// A parameter in the text of an options line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Param<'a> {
    pub(super) name: &'a str,
    pub(super) value: Option<&'a str>,
    /// Bytes of the text it takes, quotes included.
    pub(super) range: Range<usize>,
}

/// Splits options into parameters and their values as the kernel does (lib/cmdline.c, `next_arg`).
///
/// A double quote keeps blanks together, also around the whole parameter; one that is never closed takes the rest.
/// A lone `--` ends the parameters (kernel/params.c, `parse_args`). `None` is a parameter without `=`.
pub fn params(text: &str) -> Vec<(&str, Option<&str>)> {
    located_params(text).into_iter().map(|param| (param.name, param.value)).collect()
}

/// Returns the parameters with their places.
pub(super) fn located_params(text: &str) -> Vec<Param<'_>> {
    let mut params = Vec::new();
    let mut start = 0;
    while let Some(skipped) = text.get(start..).and_then(|rest| rest.find(|c| !is_space(c))) {
        start += skipped;
        let rest = text.get(start..).unwrap_or_default();
        let (mut quoted, mut end, mut equals) = (false, rest.len(), None);
        let body = usize::from(rest.starts_with('"'));
        for (at, c) in rest.char_indices() {
            match c {
                '"' => quoted = !quoted,
                // As in the kernel, an equals sign in the first place belongs to the name.
                '=' if equals.is_none() && at > body => equals = Some(at),
                c if is_space(c) && !quoted => {
                    end = at;
                    break;
                }
                _ => {}
            }
        }
        let token = rest.get(..end).unwrap_or_default();
        let (name, value) = match equals {
            Some(at) => token.split_at(at),
            None => (token, ""),
        };
        let value = equals.map(|_| {
            let value = value.get(1..).unwrap_or_default();
            match value.strip_prefix('"') {
                Some(inner) => inner.strip_suffix('"').unwrap_or(inner),
                None if body == 1 => value.strip_suffix('"').unwrap_or(value),
                None => value,
            }
        });
        let name = if body == 1 { unquoted(name, value.is_none()) } else { name };
        if name == "--" && value.is_none() {
            break;
        }
        params.push(Param { name, value, range: start..start + end });
        start += end;
    }
    params
}

/// Removes the quote in front of a name, and the one behind it where the parameter is nothing but the name.
fn unquoted(name: &str, whole: bool) -> &str {
    let inner = name.strip_prefix('"').unwrap_or(name);
    if whole { inner.strip_suffix('"').unwrap_or(inner) } else { inner }
}

/// Returns whether the command of an `install` line loads nothing. Any other may do what it likes, and load the module
/// after all.
pub fn loads_nothing(command: &str) -> bool {
    let mut words = command.split_whitespace();
    let program = words.next().unwrap_or_default();
    // kmod gives the line to a shell, which may go on behind these.
    let is_plain = !command.contains([';', '&', '|', '`', '$', '(']);
    is_plain && matches!(program.rsplit('/').next(), Some("false" | "true" | ":"))
}
