//! The matcher beside that of the C library: the same patterns on the same texts.

use mlua::{Lua, LuaString, MultiValue, Value};
use proptest::collection::vec;
use proptest::sample::select;
use proptest::{prop_assert_eq, proptest};

use super::{Capture, Matcher, Stop};

/// What patterns are made of: classes, sets, repetitions, captures, and what is wrong by itself or with its neighbour.
const PIECES: [&str; 40] = [
    "a", "b", "ab", ".", "%a", "%d", "%s", "%w", "%p", "%A", "%u", "[ab]", "[^a]", "[a-c]", "[%d.]", "[]a]",
    "[^]]", "[a-]", "*", "+", "-", "?", "(", ")", "()", "(a*)", "(.-)", "%1", "%2", "%b()", "%bab", "%f[%w]",
    "%f[^a]", "$", "^", "%", "[", "]", "%.", "\0",
];

/// What texts are made of.
const TEXTS: [&str; 12] = ["a", "b", "c", "ab", "1", ".", "(", ")", " ", "A", "]", "\0"];

/// What came of a match at the beginning of the text; `Err` for a pattern that is wrong.
type Outcome = Result<Option<(usize, Vec<String>)>, ()>;

fn ours(text: &str, pattern: &str) -> Outcome {
    let spend = |_| Ok(());
    let mut matcher = Matcher::new(text.as_bytes(), pattern.as_bytes(), &spend);
    let wrong = |stop: Stop| match stop {
        Stop::Malformed(_) => (),
        Stop::Spent(err) => panic!("nothing is spent here: {}", err.what),
    };
    let Some(end) = matcher.at(0).map_err(wrong)? else { return Ok(None) };
    let captures = matcher.captures(0, end).map_err(wrong)?.into_iter().map(|it| match it {
        Capture::Text(start, end) => text[start..end].to_owned(),
        Capture::Position(at) => (at + 1).to_string(),
        Capture::Open(_) => panic!("a capture without its end"),
    });
    Ok(Some((end, captures.collect())))
}

fn of_c(lua: &Lua, text: &str, pattern: &str) -> Outcome {
    let find: mlua::Function = lua.load("return string.find").eval().expect("a library");
    let found: MultiValue = match find.call((text, format!("^{pattern}"))) {
        Ok(found) => found,
        Err(_) => return Err(()),
    };
    let found: Vec<Value> = found.into_iter().collect();
    let [Value::Integer(_), Value::Integer(end), captures @ ..] = &found[..] else { return Ok(None) };
    let end = usize::try_from(*end).expect("a place in the text");
    let shown = |it: &Value| match it {
        Value::String(text) => LuaString::to_str(text).expect("ASCII").to_owned(),
        Value::Integer(at) => at.to_string(),
        other => panic!("no capture: {other:?}"),
    };
    let whole = if captures.is_empty() { vec![text[..end].to_owned()] } else { Vec::new() };
    Ok(Some((end, whole.into_iter().chain(captures.iter().map(shown)).collect())))
}

proptest! {
    #[test]
    fn a_pattern_matches_what_it_matches_in_the_c_library(
        texts in vec(select(&TEXTS[..]), 0..8),
        pieces in vec(select(&PIECES[..]), 0..7),
    ) {
        let (text, pattern) = (texts.concat(), pieces.concat());
        prop_assert_eq!(ours(&text, &pattern), of_c(&Lua::new(), &text, &pattern), "{:?} on {:?}", pattern, text);
    }
}
