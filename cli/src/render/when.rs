//! Times as the reader's clock on the wall shows them, and how long ago that is.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

/// Returns a time of a record (RFC 3339, or the id of a run) in the time zone of this machine; the text itself where it is
/// none.
pub(crate) fn local(time: &str) -> String {
    match parsed(time) {
        Some(it) => it.to_zoned_datetime(TimeZone::system()).strftime("%Y-%m-%d %H:%M").to_string(),
        None => time.to_owned(),
    }
}

/// Returns ` (2 h ago)`; nothing where the text is no time.
pub(crate) fn ago(time: &str) -> String {
    parsed(time).map(|it| format!(" ({})", age(Timestamp::now().duration_since(it)))).unwrap_or_default()
}

/// Returns a time of a record, or of the id of a run.
pub(crate) fn parsed(time: &str) -> Option<Timestamp> {
    let second = match time.split_once('Z') {
        Some((second, _)) => format!("{second}Z"),
        None => time.to_owned(),
    };
    second.parse().ok()
}

fn age(age: SignedDuration) -> String {
    let minutes = age.as_secs() / 60;
    match minutes {
        // The clock was set since.
        ..0 => "in the future".to_owned(),
        0 => "just now".to_owned(),
        1..60 => format!("{minutes} min ago"),
        60..2880 => format!("{} h ago", minutes / 60),
        _ => format!("{} days ago", minutes / 1440),
    }
}

#[cfg(test)]
mod tests {
    use jiff::{SignedDuration, Timestamp};

    use super::{age, parsed};

    #[test]
    fn ages_are_in_the_unit_that_people_would_use() {
        let ages = [-90, 0, 59, 61, 3599, 7300, 47 * 3600, 49 * 3600, 30 * 86400];
        let said: Vec<String> = ages.iter().map(|it| age(SignedDuration::from_secs(*it))).collect();
        let expected = [
            "in the future",
            "just now",
            "just now",
            "1 min ago",
            "59 min ago",
            "2 h ago",
            "47 h ago",
            "2 days ago",
            "30 days ago",
        ];
        assert_eq!(said, expected);
    }

    #[test]
    fn the_id_of_a_run_is_a_time_also_with_a_number() {
        let time: Timestamp = "2026-11-30T18:03:09Z".parse().unwrap();
        assert_eq!(parsed("20261130T180309Z"), Some(time));
        assert_eq!(parsed("20261130T180309Z-12"), Some(time));
        assert_eq!(parsed("2026-11-30T18:03:09Z"), Some(time));
        assert_eq!(parsed("copy"), None);
    }
}
