//! Tokens of GRUB's script language (grub-core/script/yylex.l).

/// A piece of a word, with where it begins in the source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::formats) enum Piece {
    /// Unquoted; `wild` if it has a `*` or `?` without a backslash.
    Bare { text: String, at: usize, end: usize, wild: bool },
    /// From quotes; it makes a word even if it is empty.
    Quoted { text: String, at: usize, end: usize },
    /// A variable; outside quotes its value is split at blanks.
    Variable { name: String, quoted: bool, at: usize },
    /// `$"…"`, in which variables are put after the translation.
    Translated { text: String, at: usize },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::formats) enum Kind {
    Newline,
    Semicolon,
    Open,
    Close,
    Word,
    /// A character or a word that the grammar has no use for, such as `&`.
    Foreign,
    End,
}

#[derive(Clone, Debug)]
pub(in crate::formats) struct Token {
    pub(in crate::formats) kind: Kind,
    pub(in crate::formats) start: usize,
    pub(in crate::formats) end: usize,
    pub(in crate::formats) pieces: Vec<Piece>,
}

/// Reads the token at `at` of `text`.
pub(in crate::formats) fn token(text: &str, mut at: usize) -> Token {
    at += text[at..].len() - text[at..].trim_start_matches([' ', '\t']).len();
    if text[at..].starts_with('#') {
        at += text[at..].find('\n').unwrap_or(text.len() - at);
    }
    let bytes = text.as_bytes();
    let simple = |kind, length: usize| Token { kind, start: at, end: at + length, pieces: Vec::new() };
    match bytes.get(at) {
        None => simple(Kind::End, 0),
        Some(b'\n') => simple(Kind::Newline, 1),
        Some(b';') if bytes.get(at + 1) == Some(&b';') => simple(Kind::Foreign, 2),
        Some(b';') => simple(Kind::Semicolon, 1),
        Some(b'{') => simple(Kind::Open, 1),
        Some(b'}') => simple(Kind::Close, 1),
        Some(b'|' | b'&' | b'<' | b'>') => simple(Kind::Foreign, 1),
        Some(_) => {
            let mut reader =
                WordReader { text, at, pieces: Vec::new(), is_broken: false, is_mistaken: false };
            reader.read();
            let is_wrong = reader.is_broken || reader.is_mistaken;
            let (end, pieces) = (reader.at, reader.pieces);
            let is_foreign = is_wrong || matches!(&text[at..end], "" | "[[" | "]]");
            let kind = if is_foreign { Kind::Foreign } else { Kind::Word };
            Token { kind, start: at, end, pieces }
        }
    }
}

struct WordReader<'a> {
    text: &'a str,
    at: usize,
    pieces: Vec<Piece>,
    /// Whether it does not end before the text does.
    is_broken: bool,
    is_mistaken: bool,
}

impl WordReader<'_> {
    fn read(&mut self) {
        while !self.is_broken {
            let rest = &self.text[self.at..];
            match rest.as_bytes().first() {
                None | Some(b' ' | b'\t' | b'\n' | b';' | b'|' | b'&' | b'<' | b'>' | b'{' | b'}') => break,
                Some(b'\'') => self.single_quoted(),
                Some(b'"') => self.double_quoted(),
                Some(b'$') if rest.starts_with("$\"") => self.translated(),
                // A dollar that begins no variable ends the word, and is no token itself.
                Some(b'$') => match variable(&rest[1..]) {
                    Some((name, length)) => self.variable(name, length, false),
                    None => break,
                },
                Some(_) => self.bare(),
            }
        }
    }

    fn bare(&mut self) {
        let (start, mut text, mut wild) = (self.at, String::new(), false);
        let mut chars = self.text[start..].char_indices();
        let mut end = self.text.len();
        while let Some((offset, it)) = chars.next() {
            match it {
                ' ' | '\t' | '\n' | ';' | '|' | '&' | '<' | '>' | '{' | '}' | '\'' | '"' | '$' => {
                    end = start + offset;
                    break;
                }
                '\\' => match chars.next() {
                    Some((_, '\n')) => {}
                    Some((_, escaped)) => text.push(escaped),
                    None => self.is_broken = true,
                },
                it => {
                    wild |= matches!(it, '*' | '?');
                    text.push(it);
                }
            }
        }
        // A line that goes on after the last one waits for text that never comes.
        self.is_broken |= end == self.text.len() && self.text.ends_with("\\\n");
        self.at = end;
        self.pieces.push(Piece::Bare { text, at: start, end, wild });
    }

    fn single_quoted(&mut self) {
        let start = self.at + 1;
        match self.text[start..].find('\'') {
            Some(length) => {
                let end = start + length;
                self.pieces.push(Piece::Quoted { text: self.text[start..end].to_owned(), at: start, end });
                self.at = end + 1;
            }
            None => self.unclosed(),
        }
    }

    fn unclosed(&mut self) {
        self.at = self.text.len();
        self.is_broken = true;
    }

    /// Returns where the quotes that are open at `start` close.
    fn closing(&self, start: usize) -> Option<usize> {
        let mut is_escaped = false;
        let closes = |it: u8| {
            let closes = it == b'"' && !is_escaped;
            is_escaped = it == b'\\' && !is_escaped;
            closes
        };
        self.text.as_bytes()[start..].iter().copied().position(closes).map(|it| start + it)
    }

    fn double_quoted(&mut self) {
        let Some(end) = self.closing(self.at + 1) else {
            return self.unclosed();
        };
        self.at += 1;
        let (mut text, mut start) = (String::new(), self.at);
        while self.at < end {
            let rest = &self.text[self.at..end];
            let Some(found) = rest.find(['\\', '$']) else {
                text.push_str(rest);
                break;
            };
            text.push_str(&rest[..found]);
            let rest = &rest[found..];
            self.at += found;
            if let Some(escaped) = rest.strip_prefix('\\') {
                match escaped.chars().next() {
                    Some('\n') => {}
                    Some(it @ ('$' | '"' | '\\')) => text.push(it),
                    Some(it) => text.extend(['\\', it]),
                    None => {}
                }
                self.at += 1 + escaped.chars().next().map_or(0, char::len_utf8);
                continue;
            }
            let text = std::mem::take(&mut text);
            self.pieces.push(Piece::Quoted { text, at: start, end: self.at });
            match variable(&rest[1..]) {
                Some((name, length)) => self.variable(name, length, true),
                None => {
                    // The mistake is found only when the word has been read to its end.
                    self.is_mistaken = true;
                    self.at += 1;
                }
            }
            start = self.at;
        }
        self.pieces.push(Piece::Quoted { text, at: start, end });
        self.at = end + 1;
    }

    fn translated(&mut self) {
        let start = self.at + 2;
        let Some(end) = self.closing(start) else {
            return self.unclosed();
        };
        let text = self.text[start..end].replace("\\\n", "").replace("\\\"", "\"");
        self.pieces.push(Piece::Translated { text, at: start });
        self.at = end + 1;
    }

    fn variable(&mut self, name: &str, length: usize, quoted: bool) {
        self.pieces.push(Piece::Variable { name: name.to_owned(), quoted, at: self.at });
        self.at += 1 + length;
    }
}

/// Returns the variable that `rest`, what follows a dollar, begins with, and its length.
pub(in crate::formats) fn variable(rest: &str) -> Option<(&str, usize)> {
    let inner = rest.strip_prefix('{');
    let from = inner.unwrap_or(rest);
    let length = bare_name(from);
    let is_closed = inner.is_none() || from[length..].starts_with('}');
    let around = if inner.is_some() { 2 } else { 0 };
    (length > 0 && is_closed).then_some((&from[..length], length + around))
}

fn bare_name(text: &str) -> usize {
    let length = |is: fn(char) -> bool| text.find(|it| !is(it)).unwrap_or(text.len());
    match text.chars().next() {
        Some('?' | '#' | '*' | '@') => 1,
        Some('0'..='9') => length(|it| it.is_ascii_digit()),
        Some('a'..='z' | 'A'..='Z' | '_') => length(|it| it.is_ascii_alphanumeric() || it == '_'),
        _ => 0,
    }
}

/// Returns whether the text is a name as `function` and `for` want one.
pub(in crate::formats) fn is_name(text: &str) -> bool {
    text.starts_with(|it: char| it.is_ascii_alphabetic() || it == '_') && bare_name(text) == text.len()
}
