//! Wildcards as glibc's `fnmatch(pattern, text, 0)` reads them, which is how kmod matches names and modaliases.
//!
//! `*`, `?`, `[...]` with ranges, `!`/`^` and named classes, and `\` to quote the next character.
//! No flag is set, so `/` and a leading dot are ordinary (libkmod/libkmod-module.c, libkmod-index.c).

/// Returns whether `pattern` holds a character that makes it more than a literal.
pub fn has_wildcard(pattern: &str) -> bool {
    pattern.contains(['*', '?', '[', '\\'])
}

/// Returns whether `pattern` matches the whole of `text`, byte by byte as in the C locale.
///
/// Takes time proportional to `pattern.len() * text.len()` at worst: only the last `*` is ever tried again.
pub fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut p, mut t) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    loop {
        if pattern.get(p) == Some(&b'*') {
            p += 1;
            retry = Some((p, t));
            continue;
        }
        let step = match text.get(t) {
            None if p == pattern.len() => return true,
            None => return false,
            Some(byte) => one(pattern, p, *byte),
        };
        match (step, retry) {
            (Some(next), _) => {
                p = next;
                t += 1;
            }
            (None, Some((after_star, from))) => {
                p = after_star;
                t = from + 1;
                retry = Some((after_star, t));
            }
            (None, None) => return false,
        }
    }
}

/// Matches one byte against the pattern item at `p`; returns where the next item starts.
fn one(pattern: &[u8], p: usize, byte: u8) -> Option<usize> {
    match *pattern.get(p)? {
        b'?' => Some(p + 1),
        // A trailing backslash matches nothing.
        b'\\' => (*pattern.get(p + 1)? == byte).then_some(p + 2),
        b'[' => match bracket(pattern, p + 1, byte) {
            Some((true, next)) => Some(next),
            Some((false, _)) => None,
            // Without a closing bracket the opening one is an ordinary character.
            None => (byte == b'[').then_some(p + 1),
        },
        literal => (literal == byte).then_some(p + 1),
    }
}

/// Reads a bracket expression that starts after `[`; `None` if it is never closed.
fn bracket(pattern: &[u8], start: usize, byte: u8) -> Option<(bool, usize)> {
    let mut at = start;
    let negated = matches!(pattern.get(at), Some(b'!' | b'^'));
    if negated {
        at += 1;
    }
    let first = at;
    let mut found = false;
    loop {
        let current = *pattern.get(at)?;
        if current == b']' && at > first {
            return Some((found != negated, at + 1));
        }
        if current == b'['
            && pattern.get(at + 1) == Some(&b':')
            && let Some((member, next)) = class(pattern, at + 2, byte)
        {
            found |= member;
            at = next;
            continue;
        }
        let (low, after) = character(pattern, at)?;
        let is_range =
            pattern.get(after) == Some(&b'-') && pattern.get(after + 1).is_some_and(|end| *end != b']');
        let (high, next) = if is_range { character(pattern, after + 1)? } else { (low, after) };
        found |= (low..=high).contains(&byte);
        at = next;
    }
}

/// Reads one character of a bracket expression, quoted or not.
fn character(pattern: &[u8], at: usize) -> Option<(u8, usize)> {
    match *pattern.get(at)? {
        b'\\' => Some((*pattern.get(at + 1)?, at + 2)),
        byte => Some((byte, at + 1)),
    }
}

/// Reads a named class after `[:`, up to and including `:]`.
fn class(pattern: &[u8], start: usize, byte: u8) -> Option<(bool, usize)> {
    let rest = pattern.get(start..)?;
    let length = rest.windows(2).position(|pair| pair == b":]")?;
    let member = match rest.get(..length)? {
        b"alnum" => byte.is_ascii_alphanumeric(),
        b"alpha" => byte.is_ascii_alphabetic(),
        b"blank" => matches!(byte, b' ' | b'\t'),
        b"cntrl" => byte.is_ascii_control(),
        b"digit" => byte.is_ascii_digit(),
        b"graph" => byte.is_ascii_graphic(),
        b"lower" => byte.is_ascii_lowercase(),
        b"print" => byte.is_ascii_graphic() || byte == b' ',
        b"punct" => byte.is_ascii_punctuation(),
        b"space" => byte.is_ascii_whitespace() || byte == 0x0b,
        b"upper" => byte.is_ascii_uppercase(),
        b"xdigit" => byte.is_ascii_hexdigit(),
        _ => return None,
    };
    Some((member, start + length + 2))
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use proptest::prelude::*;

    use super::matches;

    fn check(pattern: &str, texts: &[&str], expect: Expect) {
        let hits: Vec<&str> = texts.iter().copied().filter(|text| matches(pattern, text)).collect();
        expect.assert_eq(&hits.join(" "));
    }

    #[test]
    fn stars_and_question_marks_span_as_in_glibc() {
        check("nou*", &["nouveau", "nou", "no", "xnou"], expect!["nouveau nou"]);
        check("*a*b*", &["ab", "xaxbx", "ba"], expect!["ab xaxbx"]);
        check("snd?hda", &["snd_hda", "sndhda", "snd__hda"], expect!["snd_hda"]);
        check("", &["", "a"], expect![""]);
    }

    #[test]
    fn brackets_hold_ranges_negation_and_classes() {
        check("a[0-9b]", &["a0", "ab", "ac"], expect!["a0 ab"]);
        check("a[!0-9]", &["a0", "ab"], expect!["ab"]);
        check("a[]x]", &["a]", "ax", "ab"], expect!["a] ax"]);
        check("a[[:digit:]x]", &["a3", "ax", "ad"], expect!["a3 ax"]);
        check("a[b", &["a[b", "ab"], expect!["a[b"]);
        check("a[b-]", &["a-", "ab", "ac"], expect!["a- ab"]);
    }

    #[test]
    fn a_backslash_quotes_the_next_character() {
        check(r"a\*", &["a*", "ab"], expect!["a*"]);
        check("a\\", &["a", "a\\"], expect![""]);
    }

    #[test]
    fn a_modalias_pattern_matches_the_devices_it_names() {
        check(
            "pci:v000010DEd*sv*sd*bc03sc*i*",
            &[
                "pci:v000010DEd00000FFCsv000010DEsd0000094Cbc03sc00i00",
                "pci:v00008086d00001583sv0sd0bc02sc00i00",
            ],
            expect!["pci:v000010DEd00000FFCsv000010DEsd0000094Cbc03sc00i00"],
        );
    }

    proptest! {
        #[test]
        fn no_pattern_panics(pattern in "[]a\\\\*?\\[!:^-]{0,12}", text in "[]a\\\\*\\[-]{0,12}") {
            let _result: bool = matches(&pattern, &text);
        }

        #[test]
        fn a_literal_matches_itself_alone(literal in "[a-z_0-9]{1,8}", other in "[a-z_0-9]{1,8}") {
            prop_assert!(matches(&literal, &literal));
            prop_assert_eq!(matches(&literal, &other), literal == other);
        }
    }
}
