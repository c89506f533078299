//! The order of RPM, in which kernels are newer than others and `blscfg` lists boot entries (`vercmp` and `split_cmp` of
//! grub-core/commands/blscfg.c).

use std::cmp::Ordering;

/// Compares two ids of boot entries, as name, version and release around their last two dashes.
pub fn entries(left: &str, right: &str) -> Ordering {
    let ((left_name, left_version, left_release), (right_name, right_version, right_release)) =
        (split(left), split(right));
    let names = versions(left_name, right_name);
    names
        .then_with(|| versions(left_version, right_version))
        .then_with(|| versions(left_release, right_release))
}

fn split(id: &str) -> (&str, &str, &str) {
    let Some((rest, release)) = id.rsplit_once('-') else {
        return (id, "", "");
    };
    match rest.rsplit_once('-') {
        Some((name, version)) => (name, version, release),
        None => (rest, release, ""),
    }
}

/// Compares two versions, or releases of kernels: numbers by value, `~` before everything.
pub fn versions(left: &str, right: &str) -> Ordering {
    if left == right {
        return Ordering::Equal;
    }
    let (mut left, mut right) = (left, right);
    let is_separator = |it: char| !it.is_ascii_alphanumeric() && it != '~';
    while !left.is_empty() || !right.is_empty() {
        left = left.trim_start_matches(is_separator);
        right = right.trim_start_matches(is_separator);
        match (left.strip_prefix('~'), right.strip_prefix('~')) {
            (Some(after_left), Some(after_right)) => {
                (left, right) = (after_left, after_right);
                continue;
            }
            (Some(_), None) => return Ordering::Less,
            (None, Some(_)) => return Ordering::Greater,
            (None, None) => {}
        }
        if left.is_empty() || right.is_empty() {
            break;
        }
        let is_number = left.starts_with(|it: char| it.is_ascii_digit());
        let in_segment = |it: char| if is_number { it.is_ascii_digit() } else { it.is_ascii_alphabetic() };
        let segment = |text: &str| text.find(|it| !in_segment(it)).unwrap_or(text.len());
        let (left_segment, left_rest) = left.split_at(segment(left));
        let (right_segment, right_rest) = right.split_at(segment(right));
        if right_segment.is_empty() {
            return if is_number { Ordering::Greater } else { Ordering::Less };
        }
        let order = if is_number {
            let (one, two) = (left_segment.trim_start_matches('0'), right_segment.trim_start_matches('0'));
            one.len().cmp(&two.len()).then_with(|| one.cmp(two))
        } else {
            left_segment.cmp(right_segment)
        };
        if order.is_ne() {
            return order;
        }
        (left, right) = (left_rest, right_rest);
    }
    left.len().min(1).cmp(&right.len().min(1))
}

#[cfg(test)]
mod tests {
    use super::{entries, versions};

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
            assert!(versions(pair[0], pair[1]).is_lt(), "{pair:?}");
        }
        assert!(versions("1.0~rc1", "1.0.1").is_lt() && versions("1.0~rc1", "1.0").is_lt());
        assert!(versions("010", "10").is_eq());
    }

    #[test]
    fn names_of_entries_come_before_their_versions() {
        assert!(entries("b-1-1", "a-2-1").is_gt() && entries("a-2-1", "a-1-9").is_gt());
    }
}
