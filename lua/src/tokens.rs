//! The tokens of a Lua text, as far as an error in it must be understood.

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Name,
    Number,
    /// A text in quotes or long brackets.
    Text,
    Sign,
    /// A character that Lua knows in texts and comments only.
    Foreign(char),
}

/// One token.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Token<'t> {
    pub(crate) kind: Kind,
    pub(crate) text: &'t str,
    /// The line it ends in, counted from 1.
    pub(crate) line: u32,
    /// Whether no other token stands before it in its line.
    pub(crate) is_first: bool,
    /// Whether a blank or nothing follows.
    pub(crate) is_apart: bool,
}

/// Signs of more than one character, the longer before the shorter.
const SIGNS: [&str; 10] = ["...", "..", "==", "~=", "<=", ">=", "//", "::", "<<", ">>"];

/// Returns the tokens of a text; a text whose end is missing is the last.
pub(crate) fn tokens(text: &str) -> Vec<Token<'_>> {
    let mut found: Vec<Token<'_>> = Vec::new();
    let mut line = 1;
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let (kind, length) = match first {
            _ if rest.starts_with("--") => (None, comment(rest)),
            _ if first.is_ascii_whitespace() || first == '\x0b' => (None, 1),
            '_' | 'a'..='z' | 'A'..='Z' => {
                (Some(Kind::Name), run(rest, |it| it.is_ascii_alphanumeric() || it == '_'))
            }
            '0'..='9' => {
                (Some(Kind::Number), run(rest, |it| it.is_ascii_alphanumeric() || it == '_' || it == '.'))
            }
            '"' | '\'' => (Some(Kind::Text), quoted(rest, first)),
            '[' if long_bracket(rest).is_some() => (Some(Kind::Text), long_bracket(rest).unwrap_or(1)),
            it if it.is_ascii_graphic() => {
                (Some(Kind::Sign), SIGNS.iter().find(|it| rest.starts_with(**it)).map_or(1, |it| it.len()))
            }
            it => (Some(Kind::Foreign(it)), it.len_utf8()),
        };
        let (text, after) = rest.split_at(length);
        let lines = u32::try_from(text.matches('\n').count()).unwrap_or(u32::MAX);
        if let Some(kind) = kind {
            let is_first = found.last().is_none_or(|it| it.line < line);
            let is_apart = after.chars().next().is_none_or(char::is_whitespace);
            found.push(Token { kind, text, line: line + lines, is_first, is_apart });
        }
        line += lines;
        rest = after;
    }
    found
}

fn run(text: &str, belongs: impl Fn(char) -> bool) -> usize {
    text.find(|it| !belongs(it)).unwrap_or(text.len())
}

fn comment(text: &str) -> usize {
    match long_bracket(&text[2..]) {
        Some(length) => 2 + length,
        None => run(text, |it| it != '\n'),
    }
}

/// Returns how long a text in quotes is; one without an end ends with its line.
fn quoted(text: &str, quote: char) -> usize {
    let mut is_escaped = false;
    for (at, it) in text.char_indices().skip(1) {
        match it {
            '\n' if !is_escaped => return at,
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            _ if it == quote => return at + it.len_utf8(),
            _ => {}
        }
    }
    text.len()
}

/// Returns how long a text like `[==[ … ]==]` is, if this is one.
fn long_bracket(text: &str) -> Option<usize> {
    let level = run(text.strip_prefix('[')?, |it| it == '=');
    text[1 + level..].strip_prefix('[')?;
    let end = format!("]{}]", "=".repeat(level));
    Some(text.find(&end).map_or(text.len(), |at| at + end.len()))
}
