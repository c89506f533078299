//! Numbers as GRUB reads them (`grub_strtoull` of kern/misc.c).

use super::text::is_space;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotANumber {
    /// No digit stands at the beginning.
    NoDigits,
    TooLarge,
}

/// Reads a number at the beginning of a text, and returns what follows it. Base 0 is told from `0x` or `0`.
pub(super) fn leading(text: &str, base: u32) -> (Result<u64, NotANumber>, &str) {
    let mut rest = text.trim_start_matches(is_space);
    let mut base = base;
    if let Some(hexadecimal) = rest.strip_prefix("0x").filter(|_| matches!(base, 0 | 16)) {
        base = 16;
        rest = hexadecimal;
    } else if base == 0 && rest.starts_with('0') && rest[1..].starts_with(|it| matches!(it, '0'..='7')) {
        base = 8;
    }
    let base = if base == 0 { 10 } else { base };
    let (mut number, mut is_found) = (0_u64, false);
    while let Some(digit) = rest.chars().next().and_then(|it| it.to_digit(base)) {
        is_found = true;
        let larger = number.checked_mul(u64::from(base)).and_then(|it| it.checked_add(u64::from(digit)));
        let Some(larger) = larger else {
            return (Err(NotANumber::TooLarge), rest);
        };
        number = larger;
        rest = &rest[1..];
    }
    (if is_found { Ok(number) } else { Err(NotANumber::NoDigits) }, rest)
}

/// Reads a number of a comparison: what is none counts as 0, too large a one as the largest (commands/test.c).
pub(super) fn unsigned(text: &str) -> u64 {
    match leading(text, 0).0 {
        Ok(number) => number,
        Err(NotANumber::NoDigits) => 0,
        Err(NotANumber::TooLarge) => u64::MAX,
    }
}

/// Reads a number that may have a minus; it is cut to the size of C's `int`.
pub(super) fn signed(text: &str) -> i32 {
    let (text, is_negative) = match text.strip_prefix('-') {
        Some(rest) => (rest, true),
        None => (text, false),
    };
    let number = unsigned(text) as i32;
    if is_negative { number.wrapping_neg() } else { number }
}
