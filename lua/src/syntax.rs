//! Lua's syntax errors in the words of a playbook's author: what was most likely meant, and how Lua writes it.

use std::path::Path;

use crate::evaluation::File;
use crate::tokens::{Kind, Token, tokens};

/// How many characters of Lua's message are shown.
const LONGEST: usize = 200;

/// What is wrong, and how to mend it.
type Told = (String, Option<String>);

/// Returns what Lua's message about a line of a file means.
pub(crate) fn explain(file: &File, line: u32, message: &str) -> Told {
    let tokens = tokens(&file.text);
    if let Some(told) = is_json(file, &tokens) {
        return told;
    }
    let (problem, near) = match message.rsplit_once(" near ") {
        Some((problem, near)) => {
            (problem, near.strip_prefix('\'').and_then(|it| it.strip_suffix('\'')).unwrap_or(near))
        }
        None => (message, ""),
    };
    let told = tokens
        .iter()
        .find_map(|it| match it.kind {
            Kind::Foreign(character) if it.line == line && near.starts_with("<\\") => {
                Some(foreign(character))
            }
            _ => None,
        })
        .or_else(|| {
            // The parser may be one line behind its look ahead.
            let is_near = |it: &Token<'_>| it.text == near && (it.line == line || it.line + 1 == line);
            let places = tokens.iter().enumerate().filter(|(_, it)| is_near(it));
            places.map(|(index, _)| Place { tokens: &tokens, index, problem }).find_map(habit)
        })
        .or_else(|| comment_before(&tokens, line))
        .or_else(|| unclosed(&tokens, line, problem, near));
    told.unwrap_or_else(|| (plain(message), general(problem, near)))
}

/// A token that Lua did not expect, among the others.
#[derive(Clone, Copy)]
struct Place<'t> {
    tokens: &'t [Token<'t>],
    index: usize,
    /// What Lua said.
    problem: &'t str,
}

impl<'t> Place<'t> {
    /// Returns the token so many before or behind.
    fn at(self, offset: isize) -> Option<&'t Token<'t>> {
        self.tokens.get(self.index.checked_add_signed(offset)?)
    }

    fn text(self, offset: isize) -> &'t str {
        self.at(offset).map_or("", |it| it.text)
    }

    fn is(self, offset: isize, kind: Kind) -> bool {
        self.at(offset).is_some_and(|it| it.kind == kind)
    }
}

fn is_json(file: &File, tokens: &[Token<'_>]) -> Option<Told> {
    let texts: Vec<&str> = tokens.iter().take(3).map(|it| it.text).collect();
    let is_object = tokens.get(1).is_some_and(|it| it.kind == Kind::Text)
        && texts.first() == Some(&"{")
        && texts.get(2) == Some(&":");
    let is_empty_object = texts == ["{", "}"];
    if !is_object && !is_empty_object && texts.first() != Some(&"[") {
        return None;
    }
    let name = Path::new(&file.name).with_extension("json");
    let hint = format!(
        "Name the file {}, or write Lua: `kernel_cmdline {{ present = {{ \"iommu=pt\" }} }}`.",
        name.display()
    );
    Some(("this is JSON, and the name of the file says Lua".to_owned(), Some(hint)))
}

fn foreign(character: char) -> Told {
    let code = format!("U+{:04X}", u32::from(character));
    let (what, hint) = match character {
        '\u{201c}'..='\u{201f}' | '\u{ab}' | '\u{bb}' => {
            (format!("`{character}` ({code}) is not a quote in Lua"), "Write the plain quote `\"`.")
        }
        '\u{2018}'..='\u{201b}' | '\u{b4}' => {
            (format!("`{character}` ({code}) is not a quote in Lua"), "Write the plain quote `'` or `\"`.")
        }
        '\u{2010}'..='\u{2015}' | '\u{2212}' => {
            (format!("`{character}` ({code}) is not a minus in Lua"), "Write the plain `-`.")
        }
        _ if character.is_whitespace() || is_invisible(character) => (
            format!("there is an invisible character, {code}{}", name_of(character)),
            "Write a plain blank in its place.",
        ),
        _ => (
            format!("`{character}` ({code}) can be in texts and comments only"),
            "Names are made of the letters a to z, digits and `_`; a text is written in quotes.",
        ),
    };
    (what, Some(hint.to_owned()))
}

fn is_invisible(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

fn name_of(character: char) -> &'static str {
    match character {
        '\u{a0}' | '\u{202f}' => ", a no-break space",
        '\u{feff}' => ", a byte order mark inside of the text",
        '\u{200b}' => ", a space without width",
        _ => "",
    }
}

/// Recognizes what another language writes.
fn habit(place: Place<'_>) -> Option<Told> {
    let told = |what: &str, hint: String| Some((what.to_owned(), Some(hint)));
    let (before, near, after) = (place.text(-1), place.text(0), place.text(1));
    match near {
        "!" if after.starts_with('=') => {
            return told("`!=` is not an operator of Lua", "Lua writes `~=`.".to_owned());
        }
        "!" => return told("`!` is not an operator of Lua", "Lua writes `not`.".to_owned()),
        "&" if before == "&" => {
            return told("`&&` is not an operator of Lua", "Lua writes `and`.".to_owned());
        }
        "|" if before == "|" => return told("`||` is not an operator of Lua", "Lua writes `or`.".to_owned()),
        "#" => return Some(comment("#")),
        "//" => return Some(comment("//")),
        "/" if after == "*" => return Some(comment("/*")),
        "+" | "-" | "*" | "/" | ".." | "%" if place.is(-1, Kind::Name) && (after == "=" || after == near) => {
            let rest = if after == near { "1" } else { "…" };
            let what = format!("`{near}{after}` is not an operator of Lua");
            return Some((what, Some(format!("Lua writes `{before} = {before} {near} {rest}`."))));
        }
        "[" if place.problem.starts_with("unexpected symbol") => return Some(list()),
        "," if place.problem.starts_with("']' expected") => return Some(list()),
        ">" if before == "=" => {
            return told("`=>` is not an operator of Lua", "Lua writes `field = value`.".to_owned());
        }
        "=" if place.problem.starts_with("'then' expected") => {
            return told(
                "`=` sets a variable, and a condition compares",
                "Lua compares with `==`.".to_owned(),
            );
        }
        ":" if place.is(-1, Kind::Text) => {
            return told(
                "a field is set with `=`, and its name is not in quotes",
                format!("Write `{}`.", field(before)),
            );
        }
        ":" if place.is(-1, Kind::Number) => return Some(unquoted()),
        _ => {}
    }
    if before == ":" && place.is(-2, Kind::Name) && !place.problem.starts_with('\'') {
        return told("a field is set with `=`, not with `:`", format!("Write `{} = …`.", place.text(-2)));
    }
    if place.text(-2) == ":" && place.is(-3, Kind::Name) && place.problem.starts_with("function arguments") {
        return told("a field is set with `=`, not with `:`", format!("Write `{} = …`.", place.text(-3)));
    }
    let meant = match before {
        "let" | "var" | "const" | "my" => "local",
        "def" | "fn" | "func" => "function",
        "elif" | "elsif" | "elsf" => "elseif",
        "import" | "include" => "require",
        _ => return None,
    };
    Some((format!("`{before}` is not a keyword of Lua"), Some(format!("Lua writes `{meant}`."))))
}

fn field(quoted: &str) -> String {
    let name = quoted.trim_matches(['"', '\'']);
    let is_name = !name.is_empty() && name.chars().all(|it| it.is_ascii_alphanumeric() || it == '_');
    if is_name { format!("{name} = …") } else { format!("[\"{name}\"] = …") }
}

fn list() -> Told {
    ("a list is written in braces, not in brackets".to_owned(), Some("Write `{ \"…\", \"…\" }`.".to_owned()))
}

fn unquoted() -> Told {
    let hint = "Write it in quotes: `\"0000:01:00.0\"`, `\"10de:0ffc\"`.".to_owned();
    ("an address or id is a text, and this one has no quotes".to_owned(), Some(hint))
}

fn comment(sign: &str) -> Told {
    (format!("`{sign}` does not begin a comment in Lua"), Some("Comments begin with `--`.".to_owned()))
}

/// Recognizes a comment of another language that Lua took for an expression, in the line or the one before.
fn comment_before(tokens: &[Token<'_>], line: u32) -> Option<Told> {
    let is_comment = |it: &&Token<'_>| {
        matches!(it.text, "#" | "//") && it.is_apart && (it.line == line || it.line + 1 == line)
    };
    tokens.iter().find(is_comment).map(|it| comment(it.text))
}

/// Names the bracket that is not closed.
fn unclosed(tokens: &[Token<'_>], line: u32, problem: &str, near: &str) -> Option<Told> {
    if problem.starts_with("unfinished") {
        return None;
    }
    let is_end = near == "<eof>";
    let index = tokens.iter().position(|it| it.line == line && it.text == near);
    let before = if is_end { tokens } else { &tokens[..index?] };
    let open = innermost(before)?;
    let close = if open.text == "{" { '}' } else { ')' };
    let is_statement = index.is_some_and(|it| begins_statement(tokens, it));
    let expects = problem.starts_with(&format!("'{close}' expected"));
    let is_left_open = is_end || expects && is_statement && open.line < line;
    if !is_left_open {
        return None;
    }
    let end = if is_end { "the end of the file".to_owned() } else { format!("`{near}`") };
    let what = format!("the `{}` of line {} is not closed before {end}", open.text, open.line);
    Some((what, Some(format!("Write the `{close}` that is missing."))))
}

fn innermost<'t>(tokens: &[Token<'t>]) -> Option<Token<'t>> {
    let mut open = Vec::new();
    for it in tokens {
        match it.text {
            "{" | "(" => open.push(*it),
            "}" | ")" => {
                open.pop();
            }
            _ => {}
        }
    }
    open.pop()
}

fn begins_statement(tokens: &[Token<'_>], index: usize) -> bool {
    const WORDS: [&str; 10] =
        ["local", "if", "for", "while", "repeat", "return", "do", "end", "else", "elseif"];
    let Some(token) = tokens.get(index) else { return false };
    let calls = |it: &Token<'_>| matches!(it.text, "{" | "(") || it.kind == Kind::Text;
    let is_call = token.kind == Kind::Name && tokens.get(index + 1).is_some_and(calls);
    WORDS.contains(&token.text) || is_call && token.is_first
}

/// Returns Lua's own words, as this program writes them.
fn plain(message: &str) -> String {
    let text = message.replace("<eof>", "the end of the file").replace('\'', "`");
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

fn general(problem: &str, near: &str) -> Option<String> {
    let hint = match problem {
        _ if problem.starts_with("'}' expected") => "Is a comma missing before it?",
        _ if problem.starts_with("unfinished string") => {
            "A text ends on the line where it begins, with the same quote."
        }
        _ if problem.starts_with("malformed number") => "A text is written in quotes: `\"10de:0ffc\"`.",
        _ if problem.starts_with("invalid escape") => "Write `\\\\` for one backslash.",
        _ if problem.starts_with("'then' expected") => "Lua writes `if … then … end`.",
        _ if problem.starts_with("'do' expected") => "Lua writes `for … do … end`.",
        _ if near == "<eof>" && problem.contains("expected") => {
            "The file ends before everything that was opened is closed."
        }
        _ if matches!(near, "}" | ")" | ",") && problem.starts_with("unexpected symbol") => {
            "A value is missing before it."
        }
        _ => return None,
    };
    Some(hint.to_owned())
}
