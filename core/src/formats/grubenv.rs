//! GRUB's environment block, `grubenv`.

#[cfg(test)]
mod tests;

/// Size of a block in bytes. GRUB rewrites it in place at boot and never moves or grows it.
pub const BLOCK_SIZE: usize = 1024;

const SIGNATURE: &str = "# GRUB Environment Block\n";

/// An environment block: `key=value` lines padded with `#`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrubEnv {
    /// The bytes as read, until the first change.
    untouched: Option<String>,
    lines: Vec<Line>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Line {
    /// A comment or other text, with its newline.
    Other(String),
    Variable {
        name: String,
        value: String,
    },
}

/// The variables do not fit into a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the environment block needs {needed} bytes and has {BLOCK_SIZE}")]
pub struct TooSmall {
    /// Bytes the variables and the signature need.
    pub needed: usize,
}

/// The name cannot stand in a block.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{name}` cannot be the name of a GRUB variable")]
pub struct InvalidName {
    /// The name.
    pub name: String,
}

impl GrubEnv {
    /// Reads a block of any size, as `grub-editenv` does; a text without the signature holds no variables.
    pub fn parse(text: &str) -> GrubEnv {
        let untouched = Some(text.to_owned());
        let Some(mut rest) = text.strip_prefix(SIGNATURE) else {
            return GrubEnv { untouched, lines: Vec::new() };
        };
        let mut lines = Vec::new();
        while !rest.is_empty() {
            // A line without `=` runs into the next one, because GRUB looks for `=` and not for the newline.
            let start = if rest.starts_with('#') { Some(0) } else { rest.find('=').map(|it| it + 1) };
            let Some((start, end)) = start.and_then(|it| Some((it, it + line_end(&rest[it..])?))) else {
                break;
            };
            let (line, after) = rest.split_at(end + 1);
            lines.push(match start {
                0 => Line::Other(line.to_owned()),
                _ => {
                    Line::Variable { name: line[..start - 1].to_owned(), value: unescape(&line[start..end]) }
                }
            });
            rest = after;
        }
        let padding =
            |it: &Line| matches!(it, Line::Other(text) if text.trim_end().bytes().all(|it| it == b'#'));
        while lines.last().is_some_and(padding) {
            lines.pop();
        }
        GrubEnv { untouched, lines }
    }

    /// Returns whether the text has GRUB's signature; GRUB ignores one that has not.
    pub fn is_valid(&self) -> bool {
        self.untouched.as_ref().is_none_or(|it| it.starts_with(SIGNATURE))
    }

    /// Returns a variable's value; of several lines for one name GRUB obeys the last.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.variables().filter(|it| it.0 == name).last().map(|it| it.1)
    }

    /// Returns names and values in the order of the block.
    pub fn variables(&self) -> impl Iterator<Item = (&str, &str)> {
        self.lines.iter().filter_map(|it| match it {
            Line::Other(_) => None,
            Line::Variable { name, value } => Some((name.as_str(), value.as_str())),
        })
    }

    /// Gives a variable a value, in its own line if it has one.
    ///
    /// # Errors
    /// When the name is empty, begins with `#`, or holds `=`, a backslash or a newline.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), InvalidName> {
        if name.is_empty() || name.starts_with('#') || name.contains(['=', '\n', '\\', '\0']) {
            return Err(InvalidName { name: name.to_owned() });
        }
        if self.get(name) == Some(value) {
            return Ok(());
        }
        self.untouched = None;
        let line = Line::Variable { name: name.to_owned(), value: value.to_owned() };
        let mut found = false;
        for old in self.lines.iter_mut().filter(|it| it.is_named(name)) {
            *old = line.clone();
            found = true;
        }
        if !found {
            self.lines.push(line);
        }
        Ok(())
    }

    /// Takes a variable out.
    pub fn unset(&mut self, name: &str) {
        if self.get(name).is_some() {
            self.untouched = None;
            self.lines.retain(|it| !it.is_named(name));
        }
    }

    /// Returns the block's text: as it was read if nothing changed, else of exactly [`BLOCK_SIZE`] bytes.
    ///
    /// # Errors
    /// When the variables do not fit.
    pub fn to_block(&self) -> Result<String, TooSmall> {
        if let Some(text) = &self.untouched {
            return Ok(text.clone());
        }
        let lines = self.lines.iter().map(|it| match it {
            Line::Other(text) => text.clone(),
            Line::Variable { name, value } => format!("{name}={}\n", escape(value)),
        });
        let text = SIGNATURE.to_owned() + &lines.collect::<String>();
        match BLOCK_SIZE.checked_sub(text.len()) {
            Some(free) => Ok(text + &"#".repeat(free)),
            None => Err(TooSmall { needed: text.len() }),
        }
    }
}

impl Line {
    fn is_named(&self, wanted: &str) -> bool {
        matches!(self, Line::Variable { name, .. } if name == wanted)
    }
}

/// Returns where a line ends; an escaped newline does not end it.
fn line_end(text: &str) -> Option<usize> {
    let mut escaped = false;
    text.bytes().position(|it| {
        let end = it == b'\n' && !escaped;
        escaped = it == b'\\' && !escaped;
        end
    })
}

fn escape(value: &str) -> String {
    value.replace('\\', "\\\\").replace('\n', "\\\n")
}

fn unescape(text: &str) -> String {
    let mut escaped = false;
    let keep = |it: &char| {
        escaped = *it == '\\' && !escaped;
        !escaped
    };
    text.chars().filter(keep).collect()
}
