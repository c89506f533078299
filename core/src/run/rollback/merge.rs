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
/// where one line was changed by both, its words.
///
/// # Errors
/// The first line of `now`, counted from 1, that was changed where the run changed it.
pub(super) fn without(before: &str, after: &str, now: &str) -> Result<String, usize> {
    let lines: fn(&str) -> Vec<&str> = |it| it.split_inclusive('\n').collect();
    merged(&lines(before), &lines(after), &lines(now))
        .or_else(|_| merged(&words(before), &words(after), &words(now)))
        .map(|it| it.concat())
        .map_err(|at| {
            let upto: String = words(now).into_iter().take(at).collect();
            1 + upto.matches('\n').count()
        })
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

/// Merges what both made of `after`; fails with the place in `now` where they meet.
fn merged<'a>(before: &[&'a str], after: &[&'a str], now: &[&'a str]) -> Result<Vec<&'a str>, usize> {
    let (back, since) = (edits(after, before), edits(after, now));
    let mut merged = Vec::new();
    let mut at = 0;
    let (mut back, mut since) = (back.into_iter().peekable(), since.into_iter().peekable());
    // How far `now` was read.
    let mut read = 0;
    loop {
        let (edit, is_back) = match (back.peek(), since.peek()) {
            (None, None) => break,
            (Some(_), None) => (back.next(), true),
            (None, Some(_)) => (since.next(), false),
            (Some(one), Some(other)) if one.old == other.old && one.new == other.new => {
                // Somebody took it out already.
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
                return Err(read + other.old.start.saturating_sub(at));
            }
            (Some(one), Some(other)) => {
                let is_back = (one.old.start, one.old.end) <= (other.old.start, other.old.end);
                (if is_back { back.next() } else { since.next() }, is_back)
            }
        };
        let Some(edit) = edit else { break };
        merged.extend_from_slice(&after[at..edit.old.start.max(at)]);
        read += edit.old.start.saturating_sub(at) + if is_back { edit.old.len() } else { edit.new.len() };
        at = edit.old.end.max(at);
        merged.extend(edit.new);
    }
    merged.extend_from_slice(&after[at..]);
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

fn edits<'a>(old: &[&'a str], new: &[&'a str]) -> Vec<Edit<'a>> {
    let ops = capture_diff_slices(Algorithm::Patience, old, new).into_iter();
    let ops = ops.filter(|it| !matches!(it, DiffOp::Equal { .. }));
    ops.map(|it| Edit { old: it.old_range(), new: new[it.new_range()].to_vec() }).collect()
}

#[cfg(test)]
mod tests {
    use super::without;

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
}
