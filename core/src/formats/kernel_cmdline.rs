//! The kernel command line: an ordered list of parameters with the kernel's quoting.

use std::borrow::Cow;
use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

use nom::branch::alt;
use nom::bytes::complete::{is_not, tag, take_till};
use nom::combinator::{opt, recognize};
use nom::multi::many1_count;
use nom::sequence::delimited;
use nom::{IResult, Parser};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

mod edit;
mod hugepages;
#[cfg(test)]
mod tests;

/// Bytes an x86 kernel keeps of its command line, the final NUL included.
///
/// A longer line is cut at its end without a message (`arch/x86/include/asm/setup.h`).
pub const COMMAND_LINE_SIZE: usize = 2048;

/// The characters the kernel's `isspace` accepts, as far as ASCII goes.
const BLANKS: &str = " \t\n\x0b\x0c\r";

/// One parameter of a command line: `name` or `name=value`, with its raw text.
///
/// Equality and order are those of the raw text; [`Parameter::same`] compares as the kernel does.
/// A parameter made by [`Parameter::parse`] is one parameter wherever it is put.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Parameter {
    raw: String,
}

/// Why a text is not one parameter of a command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParameterError {
    /// The text is empty.
    #[error("a kernel parameter is empty")]
    Empty,
    /// A blank outside double quotes would make it several parameters.
    #[error("a kernel parameter has a blank outside double quotes")]
    Blank,
    /// A newline, tab or other control character, even in quotes, does not survive boot loaders.
    #[error("a kernel parameter has a control character")]
    Control,
    /// A quote without its partner would swallow the parameters that follow.
    #[error("a kernel parameter has an unterminated double quote")]
    Quote,
    /// `--` ends the kernel's part of the line.
    #[error("`--` is not a parameter: it ends the kernel's part of the line")]
    Dashes,
}

impl Parameter {
    /// Reads exactly one parameter.
    ///
    /// # Errors
    /// When the text is empty, is more than one parameter, has a control character or an open quote, or is `--`.
    pub fn parse(raw: &str) -> Result<Parameter, ParameterError> {
        if raw.is_empty() {
            return Err(ParameterError::Empty);
        }
        if raw.chars().any(char::is_control) {
            return Err(ParameterError::Control);
        }
        let parameter = match raw_parameter(raw) {
            Ok(("", raw)) => Parameter { raw: raw.to_owned() },
            Ok(_) | Err(_) => return Err(ParameterError::Blank),
        };
        if !parameter.is_terminated() {
            return Err(ParameterError::Quote);
        }
        if parameter.is_dashes() {
            return Err(ParameterError::Dashes);
        }
        Ok(parameter)
    }

    /// Returns the text as written, quotes included.
    pub fn raw(&self) -> &str {
        &self.raw
    }

    /// Returns the name as the kernel splits it: up to the first `=`, quoted or not, without a leading quote.
    pub fn name(&self) -> &str {
        self.split().0
    }

    /// Returns the value without its outer quotes; `None` when the parameter has no `=`, which is not the empty value.
    pub fn value(&self) -> Option<&str> {
        self.split().1
    }

    /// Returns whether `other` is this parameter's name; `-` and `_` are one character to the kernel.
    pub fn same_name(&self, other: &str) -> bool {
        fold(self.name()) == fold(other)
    }

    /// Returns whether both parameters say the same to the kernel: names folded, values exact after unquoting.
    pub fn same(&self, other: &Parameter) -> bool {
        self.same_name(other.name()) && self.value() == other.value()
    }

    /// Returns whether the parameter passes through the shell and GRUB unescaped.
    pub fn is_plain(&self) -> bool {
        self.raw.bytes().all(|it| it.is_ascii_alphanumeric() || b"_.,:=/@+%-".contains(&it))
    }

    /// Returns whether every quote has its partner.
    fn is_terminated(&self) -> bool {
        self.raw.matches('"').count().is_multiple_of(2)
    }

    fn is_dashes(&self) -> bool {
        self.split() == ("--", None)
    }

    /// The rules of `next_arg` in the kernel's lib/cmdline.c.
    fn split(&self) -> (&str, Option<&str>) {
        let (quoted, text) = match self.raw.strip_prefix('"') {
            Some(rest) => (true, rest),
            None => (false, self.raw.as_str()),
        };
        // The kernel remembers the place of the `=` in a variable whose 0 means "none so far".
        let equals = text.bytes().skip(1).position(|it| it == b'=');
        match equals.map(|it| text.split_at(it + 1)) {
            None if quoted => (text.strip_suffix('"').unwrap_or(text), None),
            None => (text, None),
            Some((name, value)) => {
                let value = &value[1..];
                let inner = value.strip_prefix('"');
                let open = inner.is_some() || quoted;
                let value = inner.unwrap_or(value);
                let closed = value.strip_suffix('"').filter(|_| open);
                (name, Some(closed.unwrap_or(value)))
            }
        }
    }
}

/// Makes names comparable: the kernel takes `-` and `_` for one character.
fn fold(name: &str) -> String {
    name.replace('-', "_")
}

fn raw_parameter(input: &str) -> IResult<&str, &str> {
    let quoted = recognize(delimited(tag("\""), take_till(|it| it == '"'), opt(tag("\""))));
    let plain = is_not(" \t\n\x0b\x0c\r\"");
    recognize(many1_count(alt((quoted, plain)))).parse(input)
}

impl fmt::Debug for Parameter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.raw, f)
    }
}

impl fmt::Display for Parameter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.raw)
    }
}

impl FromStr for Parameter {
    type Err = ParameterError;
    fn from_str(raw: &str) -> Result<Parameter, ParameterError> {
        Parameter::parse(raw)
    }
}

impl TryFrom<String> for Parameter {
    type Error = ParameterError;
    fn try_from(raw: String) -> Result<Parameter, ParameterError> {
        Parameter::parse(&raw)
    }
}

impl From<Parameter> for String {
    fn from(parameter: Parameter) -> String {
        parameter.raw
    }
}

impl JsonSchema for Parameter {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "KernelArgument".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "examples": ["iommu=pt"],
            "description": "One kernel parameter: `name` or `name=value`."
        })
    }
}

/// A whole command line; printing it gives back the bytes that were read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cmdline {
    /// Each parameter with the blanks before it.
    items: Vec<Item>,
    /// The blanks after the last parameter.
    tail: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Item {
    gap: String,
    parameter: Parameter,
}

impl Cmdline {
    /// Reads a command line; every text is one.
    pub fn parse(text: &str) -> Cmdline {
        let mut items = Vec::new();
        let mut rest = text;
        loop {
            let start = rest.trim_start_matches(|it| BLANKS.contains(it));
            let gap = &rest[..rest.len() - start.len()];
            let Ok((after, raw)) = raw_parameter(start) else {
                // Only the empty text is no parameter.
                return Cmdline { items, tail: gap.to_owned() + start };
            };
            let parameter = Parameter { raw: raw.to_owned() };
            items.push(Item { gap: gap.to_owned(), parameter });
            rest = after;
        }
    }

    /// Returns the kernel's parameters: those before `--`.
    pub fn parameters(&self) -> impl Iterator<Item = &Parameter> {
        self.items[..self.kernel_end()].iter().map(|it| &it.parameter)
    }

    /// Returns the parameters after `--`, which go to init.
    pub fn init_parameters(&self) -> impl Iterator<Item = &Parameter> {
        self.items.iter().skip(self.kernel_end() + 1).map(|it| &it.parameter)
    }

    /// Returns whether the line is as `edit` wants it.
    pub fn satisfies(&self, edit: &CmdlineEdit) -> bool {
        edit.missing(self).is_empty() && edit.surplus(self).is_empty()
    }

    /// Returns the index of `--`, or the number of parameters.
    fn kernel_end(&self) -> usize {
        let dashes = self.items.iter().position(|it| it.parameter.is_dashes());
        dashes.unwrap_or(self.items.len())
    }

    /// Puts a parameter at an index; the parameters around it keep the blanks they have.
    fn insert(&mut self, index: usize, parameter: Parameter) {
        let gap = match self.items.get_mut(index) {
            Some(next) if index == 0 => std::mem::replace(&mut next.gap, " ".to_owned()),
            None if index == 0 => String::new(),
            _ => " ".to_owned(),
        };
        self.items.insert(index, Item { gap, parameter });
    }

    /// Takes a parameter out, with the blanks that separated it.
    fn remove(&mut self, index: usize) {
        let item = self.items.remove(index);
        if let (0, Some(next)) = (index, self.items.first_mut()) {
            next.gap = item.gap;
        }
    }
}

impl fmt::Display for Cmdline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for item in &self.items {
            write!(f, "{}{}", item.gap, item.parameter)?;
        }
        f.write_str(&self.tail)
    }
}

impl FromStr for Cmdline {
    type Err = Infallible;
    fn from_str(text: &str) -> Result<Cmdline, Infallible> {
        Ok(Cmdline::parse(text))
    }
}

/// What a command line shall have and not have.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CmdlineEdit {
    /// Each name in here has exactly the given values, in the given order.
    pub present: Vec<Parameter>,
    /// Parameters that exist somewhere; other parameters of the same name stay.
    pub additional: Vec<Parameter>,
    /// `name` removes every parameter of that name, `name=value` that parameter only.
    pub absent: Vec<Parameter>,
}
