//! Shell words: quotes, escapes and expansions, as dash and bash agree on them.

use nom::branch::alt;
use nom::bytes::complete::{is_not, tag, take_while, take_while1};
use nom::character::complete::{anychar, char, none_of, one_of};
use nom::combinator::{cut, map, opt, recognize, value, verify};
use nom::multi::{fold_many0, many0, many1};
use nom::sequence::{delimited, pair, preceded, terminated};
use nom::{IResult, Parser};

use super::script;

/// Substitutions nested deeper than this are not read, so that no input exhausts the stack.
pub(super) const DEEPEST: usize = 24;

/// A piece of a word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// Text, unquoted.
    Literal(String),
    /// `$name`, `${name}` or `${name:-word}` and its kin.
    Variable { name: String, test: Option<Test> },
    /// Something whose text is known only when the shell runs.
    Opaque(&'static str),
}

/// The `:-word` of `${name:-word}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Test {
    /// One of `-`, `+`, `=`, `?`.
    pub(super) operator: char,
    /// With the colon, an empty variable counts as unset.
    pub(super) colon: bool,
    pub(super) word: Vec<Part>,
}

type Parsed<'a, T> = IResult<&'a str, T>;

/// Reads one word up to a blank or an operator.
pub(super) fn word(input: &str, depth: usize) -> Parsed<'_, Vec<Part>> {
    map(many1(|it| bare_part(it, depth)), |it| it.concat()).parse(input)
}

/// Reads the whole of a value, the part of an assignment after `=`; a text that is not one word is `None`.
pub(super) fn whole_value(raw: &str) -> Option<Vec<Part>> {
    let (rest, parts) = many0(|it| bare_part(it, 0)).parse(raw).ok()?;
    // A tilde is expanded at the start of a value and after each colon of it.
    let home = raw.starts_with('~') || raw.contains(":~");
    let tilde = home.then_some(Part::Opaque("a home directory"));
    let parts = tilde.into_iter().chain(parts.concat());
    rest.is_empty().then(|| parts.collect())
}

/// Returns the text of parts without expansions.
pub(super) fn literal(parts: &[Part]) -> Option<String> {
    let text = |it: &Part| match it {
        Part::Literal(text) => Some(text.clone()),
        Part::Variable { .. } | Part::Opaque(_) => None,
    };
    parts.iter().map(text).collect()
}

/// Reads a variable's name.
pub(super) fn name(input: &str) -> Parsed<'_, &str> {
    let first = take_while1(|it: char| it.is_ascii_alphabetic() || it == '_');
    let rest = take_while(|it: char| it.is_ascii_alphanumeric() || it == '_');
    recognize(pair(first, rest)).parse(input)
}

/// Reads a name, or nothing.
fn optional_name(input: &str) -> Parsed<'_, Option<&str>> {
    opt(name).parse(input)
}

fn one(text: impl Into<String>) -> Vec<Part> {
    vec![Part::Literal(text.into())]
}

fn bare_part(input: &str, depth: usize) -> Parsed<'_, Vec<Part>> {
    alt((
        map(is_not(" \t\n;&|<>()'\"\\$`"), one),
        |it| quoted_or_expanded(it, depth),
        value(Vec::new(), tag("\\\n")),
        map(preceded(char('\\'), anychar), one),
        // A backslash before the end of the file is itself.
        map(tag("\\"), one),
    ))
    .parse(input)
}

fn quoted_or_expanded(input: &str, depth: usize) -> Parsed<'_, Vec<Part>> {
    let text = take_while(|it| it != '\'');
    alt((
        map(delimited(char('\''), text, cut(char('\''))), one),
        preceded(char('"'), cut(|it| double_quoted(it, depth))),
        |it| dollar(it, depth, false),
        backtick,
    ))
    .parse(input)
}

/// Reads what follows a double quote, the closing one included.
fn double_quoted(input: &str, depth: usize) -> Parsed<'_, Vec<Part>> {
    let part = alt((
        map(is_not("\"\\$`"), one),
        value(Vec::new(), tag("\\\n")),
        map(preceded(char('\\'), one_of("$`\"\\")), one),
        map(recognize(pair(char('\\'), none_of("$`\"\\\n"))), one),
        |it| dollar(it, depth, true),
        backtick,
    ));
    // An empty pair of quotes still is a word.
    let parts = fold_many0(part, || one(""), |all, it| [all, it].concat());
    terminated(parts, char('"')).parse(input)
}

fn backtick(input: &str) -> Parsed<'_, Vec<Part>> {
    let inner = many0(alt((is_not("\\`"), recognize(pair(char('\\'), anychar)))));
    let opaque = vec![Part::Opaque("a command substitution")];
    value(opaque, delimited(char('`'), inner, cut(char('`')))).parse(input)
}

fn dollar(input: &str, depth: usize, quoted: bool) -> Parsed<'_, Vec<Part>> {
    // The shell joins lines before it looks for names: `$A\` and `B` on the next line are `$AB`.
    let broken = map((optional_name, tag("\\\n")), |_| vec![Part::Opaque("a name broken over two lines")]);
    let variable = map(name, |it| vec![Part::Variable { name: it.to_owned(), test: None }]);
    let special = verify(anychar, |it| it.is_ascii_digit() || "@*#?-$!".contains(*it));
    let special = value(vec![Part::Opaque("a parameter of the shell")], special);
    let ansi = value(
        vec![Part::Opaque("quoting that only bash knows")],
        verify(nom::combinator::peek(one_of("'\"")), |_| !quoted),
    );
    preceded(
        char('$'),
        alt((
            |it| arithmetic(it, depth),
            |it| substitution(it, depth),
            preceded(char('{'), cut(|it| braces(it, depth, quoted))),
            broken,
            variable,
            special,
            ansi,
            map(tag(""), |_| one("$")),
        )),
    )
    .parse(input)
}

fn too_deep(input: &str) -> nom::Err<nom::error::Error<&str>> {
    nom::Err::Failure(nom::error::make_error(input, nom::error::ErrorKind::TooLarge))
}

fn substitution(input: &str, depth: usize) -> Parsed<'_, Vec<Part>> {
    let (rest, _) = char('(').parse(input)?;
    let end = script::substitution_end(rest, depth + 1).ok_or_else(|| too_deep(rest))?;
    Ok((&rest[end..], vec![Part::Opaque("a command substitution")]))
}

fn arithmetic(input: &str, depth: usize) -> Parsed<'_, Vec<Part>> {
    let (rest, _) = tag("((").parse(input)?;
    let (rest, ()) = cut(|it| parentheses(it, depth + 1)).parse(rest)?;
    let (rest, _) = cut(char(')')).parse(rest)?;
    Ok((rest, vec![Part::Opaque("arithmetic")]))
}

/// Skips to the parenthesis that closes an open one, over pairs of them and over quotes.
fn parentheses(input: &str, depth: usize) -> Parsed<'_, ()> {
    if depth > DEEPEST {
        return Err(too_deep(input));
    }
    let part = alt((
        value((), is_not("()'\"\\$`")),
        value((), |it| quoted_or_expanded(it, depth)),
        value((), pair(char('\\'), anychar)),
        preceded(char('('), cut(|it| parentheses(it, depth + 1))),
    ));
    terminated(fold_many0(part, || (), |(), ()| ()), char(')')).parse(input)
}

/// Reads what follows `${`, the closing brace included.
fn braces(input: &str, depth: usize, quoted: bool) -> Parsed<'_, Vec<Part>> {
    if depth > DEEPEST {
        return Err(too_deep(input));
    }
    let known =
        (name, opt((opt(char(':')), one_of("-+=?"), |it| brace_word(it, depth + 1, quoted))), char('}'));
    let known = map(known, |(name, test, _)| {
        let test = test.map(|(colon, operator, word)| Test { operator, colon: colon.is_some(), word });
        vec![Part::Variable { name: name.to_owned(), test }]
    });
    let other = terminated(|it| brace_word(it, depth + 1, quoted), char('}'));
    let opaque = vec![Part::Opaque("an expansion other than `-`, `+`, `=` and `?`")];
    // Tried only where no name with a known operator stands, so nothing is read twice but a short name.
    match (name, opt(char(':')), one_of("-+=?}")).parse(input) {
        Ok(_) => cut(known).parse(input),
        Err(_) => value(opaque, other).parse(input),
    }
    .map_err(|it: nom::Err<nom::error::Error<&str>>| it)
}

/// Reads the word of `${name:-word}` up to the closing brace.
fn brace_word(input: &str, depth: usize, quoted: bool) -> Parsed<'_, Vec<Part>> {
    let doubtful = || Part::Opaque("quotes or escapes inside a quoted expansion");
    let bare = alt((
        map(is_not("}'\"\\$`"), |it: &str| match it.starts_with('~') {
            true => vec![Part::Opaque("a home directory")],
            false => one(it),
        }),
        |it| quoted_or_expanded(it, depth),
        value(Vec::new(), tag("\\\n")),
        map(preceded(char('\\'), anychar), one),
    ));
    let in_quotes = alt((
        map(is_not("}\"\\$`"), one),
        map(preceded(char('"'), |it| double_quoted(it, depth)), move |_| vec![doubtful()]),
        value(Vec::new(), tag("\\\n")),
        map(preceded(char('\\'), one_of("$`\"\\")), one),
        map(preceded(char('\\'), anychar), move |_| vec![doubtful()]),
        |it| dollar(it, depth, true),
        backtick,
    ));
    match quoted {
        true => map(many0(in_quotes), |it| it.concat()).parse(input),
        false => map(many0(bare), |it| it.concat()).parse(input),
    }
}
