//! Words of GRUB's script language.

use nom::branch::alt;
use nom::bytes::complete::{is_not, tag, take_while, take_while1};
use nom::character::complete::{anychar, char, none_of, one_of};
use nom::combinator::{cut, map, recognize, value};
use nom::multi::{fold_many0, many1};
use nom::sequence::{delimited, pair, preceded, terminated};
use nom::{IResult, Parser};

/// Characters that end a word wherever they stand unquoted.
pub(super) const SPECIAL: &str = " \t\n;|&<>{}";

/// A piece of a word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    Text(String),
    /// Outside quotes its value is split at blanks.
    Variable {
        name: String,
        quoted: bool,
    },
}

type Parsed<'a> = IResult<&'a str, Vec<Piece>>;

/// Reads one word; a failure is a quote or brace that is not closed.
pub(super) fn word(input: &str) -> Parsed<'_> {
    let part = alt((
        map(is_not(" \t\n;|&<>{}'\"\\$"), text),
        value(Vec::new(), tag("\\\n")),
        map(preceded(char('\\'), anychar), text),
        map(tag("\\"), text),
        preceded(char('\''), cut(single_quoted)),
        preceded(char('"'), cut(double_quoted)),
        |it| dollar(it, false),
    ));
    map(many1(part), |it| it.concat()).parse(input)
}

fn text(text: impl Into<String>) -> Vec<Piece> {
    vec![Piece::Text(text.into())]
}

fn single_quoted(input: &str) -> Parsed<'_> {
    map(terminated(take_while(|it| it != '\''), char('\'')), text).parse(input)
}

fn double_quoted(input: &str) -> Parsed<'_> {
    let part = alt((
        map(is_not("\"\\$"), text),
        value(Vec::new(), tag("\\\n")),
        map(preceded(char('\\'), one_of("$\"\\")), text),
        map(recognize(pair(char('\\'), none_of("$\"\\\n"))), text),
        |it| dollar(it, true),
    ));
    // An empty pair of quotes still is a word.
    let parts = fold_many0(part, || text(""), |all, it| [all, it].concat());
    terminated(parts, char('"')).parse(input)
}

fn dollar(input: &str, quoted: bool) -> Parsed<'_> {
    let letter = |it: char| it.is_ascii_alphabetic() || it == '_';
    let name =
        || recognize(pair(take_while1(letter), take_while(move |it| letter(it) || it.is_ascii_digit())));
    let digits = || take_while1(|it: char| it.is_ascii_digit());
    let special = || recognize(one_of("?*@#"));
    let bare = alt((name(), digits(), special()));
    let braced = delimited(char('{'), alt((name(), digits(), special())), char('}'));
    let variable = map(alt((bare, braced)), move |it: &str| {
        let name = it.to_owned();
        vec![Piece::Variable { name, quoted }]
    });
    preceded(char('$'), alt((variable, map(tag(""), |_| text("$"))))).parse(input)
}
