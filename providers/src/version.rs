//! Which of two kernel releases is newer.

use std::cmp::Ordering;

/// Orders releases as package managers do: numbers by value, the rest by letters, `~` before everything.
pub(crate) fn compare(one: &str, other: &str) -> Ordering {
    parts(one).cmp(&parts(other))
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Part<'a> {
    Tilde,
    Letters(&'a str),
    /// Digits without leading zeros, the longer the greater.
    Number(usize, &'a str),
}

fn parts(version: &str) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    let mut rest = version;
    while let Some(first) = rest.chars().next() {
        let kind = |it: char| (it.is_ascii_digit(), it.is_alphabetic());
        let end = rest.find(|it| kind(it) != kind(first)).unwrap_or(rest.len());
        let (part, after) = rest.split_at(end);
        match kind(first) {
            (true, _) => {
                let digits = part.trim_start_matches('0');
                parts.push(Part::Number(digits.len(), digits));
            }
            (_, true) => parts.push(Part::Letters(part)),
            _ if part.starts_with('~') => parts.push(Part::Tilde),
            _ => {}
        }
        rest = after;
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::compare;

    #[test]
    fn releases_are_ordered_by_number_not_by_letter() {
        let ordered = [
            "3.10.0-1160.el7.x86_64",
            "5.14.0-70.el9.x86_64",
            "5.14.0-427.el9.x86_64",
            "6.1.0-9-amd64",
            "6.1.0-50-amd64",
            "6.12.0-1-amd64",
        ];
        for pair in ordered.windows(2) {
            assert!(compare(pair[0], pair[1]).is_lt(), "{pair:?}");
        }
        assert!(compare("1.0~rc1", "1.0.1").is_lt() && compare("010", "10").is_eq());
    }
}
