//! Takes a change out of a text that others changed since: what they changed stays.

use std::ops::Range;

use similar::{Algorithm, DiffOp, capture_diff_slices};

/// Some tokens of the text that a run left, and what stands there instead.
struct Edit<'a> {
    old: Range<usize>,
    new: Vec<&'a str>,
}

impl Edit<'_> {
    /// Returns whether it takes out all that another takes out.
    fn takes_out(&self, other: &Self) -> bool {
        let is_within = self.old.start <= other.old.start && other.old.end <= self.old.end;
        is_within && !other.old.is_empty() && self.new.is_empty() && other.new.is_empty()
    }
}

/// Returns `now` without the change from `before` to `after`; what others made of `after` stays. Lines are compared, and
/// of a line that both changed its words.
///
/// # Errors
/// The first line of `now`, counted from 1, that was changed where the run changed it.
pub(super) fn without(before: &str, after: &str, now: &str) -> Result<String, usize> {
    let lines: fn(&str) -> Vec<&str> = |it| it.split_inclusive('\n').collect();
    let of_words = |before: &str, after: &str, now: &str| {
        merged(&words(before), &words(after), &words(now), &|_, _, _| None).ok()
    };
    merged(&lines(before), &lines(after), &lines(now), &of_words).map_err(|it| it + 1)
}

/// Splits a text into quotes, ends of lines, and words with the space before them. A value with commas or equals signs is
/// one word: half of it is none.
fn words(text: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let begin = rest.find(|it| !matches!(it, ' ' | '\t')).unwrap_or(rest.len());
        let ends = |it: char| it.is_whitespace() || matches!(it, '"' | '\'');
        let word = rest[begin..].find(ends).unwrap_or(rest.len() - begin);
        let first = rest[begin..].chars().next().map_or(0, char::len_utf8);
        let (token, behind) = rest.split_at(begin + word.max(first));
        words.push(token);
        rest = behind;
    }
    words
}

/// Merges what both made of `after`; `both` is asked about a token that both replaced. Fails with the place in `now` where
/// they meet.
fn merged(
    before: &[&str],
    after: &[&str],
    now: &[&str],
    both: &dyn Fn(&str, &str, &str) -> Option<String>,
) -> Result<String, usize> {
    let mut back = edits(after, before).into_iter().peekable();
    let mut since = edits(after, now).into_iter().peekable();
    let mut merged = String::new();
    // How far `after` and `now` were read.
    let (mut at, mut read) = (0, 0);
    loop {
        let (edit, is_back) = match (back.peek(), since.peek()) {
            (None, None) => break,
            (Some(_), None) => (back.next(), true),
            (None, Some(_)) => (since.next(), false),
            // Somebody took it out already.
            (Some(one), Some(other)) if one.old == other.old && one.new == other.new => {
                back.next();
                (since.next(), false)
            }
            // Both take tokens out, one of them only some of those.
            (Some(one), Some(other)) if one.takes_out(other) => {
                since.next();
                continue;
            }
            (Some(one), Some(other)) if other.takes_out(one) => {
                back.next();
                continue;
            }
            (Some(one), Some(other)) if overlaps(&one.old, &other.old) => {
                let place = read + other.old.start.saturating_sub(at);
                let ([old], [new]) = (one.new.as_slice(), other.new.as_slice()) else { return Err(place) };
                if one.old != other.old || one.old.len() != 1 {
                    return Err(place);
                }
                let token = both(old, after[one.old.start], new).ok_or(place)?;
                merged.extend(after[at..one.old.start].iter().copied());
                merged.push_str(&token);
                (at, read) = (one.old.end, place + 1);
                back.next();
                since.next();
                continue;
            }
            (Some(one), Some(other)) => {
                let is_back = (one.old.start, one.old.end) <= (other.old.start, other.old.end);
                (if is_back { back.next() } else { since.next() }, is_back)
            }
        };
        let Some(edit) = edit else { break };
        let begin = edit.old.start.max(at);
        merged.extend(after[at..begin].iter().copied());
        read += begin - at + if is_back { edit.old.len() } else { edit.new.len() };
        at = edit.old.end.max(at);
        merged.extend(edit.new);
    }
    merged.extend(after[at..].iter().copied());
    Ok(merged)
}

/// Returns whether two edits are about the same tokens, or put different ones in the same place.
fn overlaps(one: &Range<usize>, other: &Range<usize>) -> bool {
    match (one.is_empty(), other.is_empty()) {
        (true, true) => one.start == other.start,
        (true, false) => other.start < one.start && one.start < other.end,
        (false, true) => one.start < other.start && other.start < one.end,
        (false, false) => one.start < other.end && other.start < one.end,
    }
}

/// Returns how to come from one text to another; tokens that are replaced one by one, as far as they go.
fn edits<'a>(old: &[&'a str], new: &[&'a str]) -> Vec<Edit<'a>> {
    let mut edits = Vec::new();
    for op in capture_diff_slices(Algorithm::Patience, old, new) {
        let (from, to) = (op.old_range(), op.new_range());
        if matches!(op, DiffOp::Equal { .. }) {
            continue;
        }
        let pairs = from.len().min(to.len());
        let one =
            |it: usize| Edit { old: from.start + it..from.start + it + 1, new: vec![new[to.start + it]] };
        edits.extend((0..pairs).map(one));
        if from.len() != to.len() {
            edits.push(Edit {
                old: from.start + pairs..from.end,
                new: new[to.start + pairs..to.end].to_vec(),
            });
        }
    }
    edits
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::without;

    /// What a line is.
    #[derive(Debug, Clone, Copy)]
    enum Is {
        There,
        Added,
        TakenOut,
        TheyAdded,
        TheyTookOut,
    }

    impl Arbitrary for Is {
        type Parameters = ();
        type Strategy = BoxedStrategy<Self>;

        fn arbitrary_with((): ()) -> Self::Strategy {
            let all = [Self::There, Self::Added, Self::TakenOut, Self::TheyAdded, Self::TheyTookOut];
            (0..all.len()).prop_map(move |it| all[it]).boxed()
        }
    }

    #[test]
    fn what_others_changed_stays() {
        let cases = [
            // Another run wrote beside it, before, behind, and in the same line.
            ("a\n", "a\nb\n", "a\nb\nc\n", "a\nc\n"),
            ("a\n", "a\nb\n", "c\na\nb\n", "c\na\n"),
            ("", "a\n", "a\nb\n", "b\n"),
            ("x=\"quiet\"\n", "x=\"quiet a=on\"\n", "x=\"quiet a=on b=2\"\n", "x=\"quiet b=2\"\n"),
            ("x=\"quiet a=on c\"\n", "x=\"quiet a=on c b=2\"\n", "x=\"quiet b=2\"\n", "x=\"quiet\"\n"),
            ("x=\"\"\n", "x=\"a=on\"\n", "x=\"a=on b\"\ny\n", "x=\" b\"\ny\n"),
            ("a\nb\nc\n", "a\nc\n", "a\nc\nd\n", "a\nb\nc\nd\n"),
            ("v 1\n", "v 2\n", "v 2\n# mine\n", "v 1\n# mine\n"),
            // Somebody took it out already, or half of it.
            ("a\n", "a\nb\n", "a\n", "a\n"),
            ("a\n", "a\nb\nc\n", "a\nc\nd\n", "a\nd\n"),
        ];
        for (before, after, now, expected) in cases {
            let found = without(before, after, now);
            assert_eq!(found.as_deref(), Ok(expected), "{before:?} {after:?} {now:?}");
        }
    }

    #[test]
    fn what_both_changed_is_named_by_its_line() {
        let cases = [
            ("a\nv=1\n", "a\nv=2\n", "a\nv=3\n", 2),
            ("a\nids=1:2\n", "a\nids=1:2,3:4\n", "b\na\nids=1:2,3:4,5:6\n", 3),
            ("a\nb\n", "a\n", "a\nc\n", 2),
        ];
        for (before, after, now, line) in cases {
            assert_eq!(without(before, after, now), Err(line), "{before:?} {after:?} {now:?}");
        }
    }

    proptest! {
        /// A run adds and removes lines, then others add and remove theirs: of the run nothing is left, of theirs all.
        #[test]
        fn what_a_run_did_goes_and_what_others_did_stays(
            lines in vec((any::<Is>(), 0..3_u8), 0..12),
        ) {
            let numbered = || lines.iter().enumerate();
            let of = |keep: &dyn Fn(Is) -> bool| -> String {
                numbered().filter(|it| keep(it.1.0)).map(|(at, it)| format!("{at} {}\n", it.1)).collect()
            };
            let before = of(&|it| matches!(it, Is::There | Is::TakenOut | Is::TheyTookOut));
            let after = of(&|it| matches!(it, Is::There | Is::Added | Is::TheyTookOut));
            let now = of(&|it| matches!(it, Is::There | Is::Added | Is::TheyAdded));
            let wanted = of(&|it| matches!(it, Is::There | Is::TakenOut | Is::TheyAdded));
            prop_assert_eq!(without(&before, &after, &after), Ok(before.clone()));
            prop_assert_eq!(without(&before, &before, &now), Ok(now.clone()));
            // In one place both may have put something: then nobody knows which comes first.
            if let Ok(found) = without(&before, &after, &now) {
                let sorted = |text: &str| {
                    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
                    lines.sort();
                    lines
                };
                prop_assert_eq!(sorted(&found), sorted(&wanted), "{:?} {:?} {:?}", before, after, now);
            }
        }
    }
}
