//! What one setting is and shall be, on one line.

use hoststate_abi::about::About;

use crate::render::escape::visible_line;
use crate::render::screen::{Amount, Screen};

/// Returns what one setting is and shall be, on one line, without the reason.
pub(crate) fn difference(
    screen: &Screen,
    about: &About,
    actual: Option<&str>,
    desired: Option<&str>,
) -> String {
    let (actual, desired) = match (actual, desired) {
        (Some(actual), Some(desired)) if screen.amount < Amount::More => {
            let (actual, desired) = without_common(screen, actual, desired);
            (Some(actual), Some(desired))
        }
        _ => (actual.map(str::to_owned), desired.map(str::to_owned)),
    };
    let value = |it: Option<String>| it.map_or("(absent)".to_owned(), |it| visible_line(&it).into_owned());
    format!("{}: {} {} {}", visible_line(&about.to_string()), value(actual), screen.arrow(), value(desired))
}

/// Returns both values without the words that a long one, such as a command line, has in common with the other.
fn without_common(screen: &Screen, actual: &str, desired: &str) -> (String, String) {
    /// Values up to this length are shown whole.
    const SHORT: usize = 40;
    if actual.len().max(desired.len()) <= SHORT {
        return (actual.to_owned(), desired.to_owned());
    }
    let (old, new): (Vec<&str>, Vec<&str>) = (actual.split(' ').collect(), desired.split(' ').collect());
    let before = old.iter().zip(&new).take_while(|(a, b)| a == b).count();
    // Without a common beginning they are not two versions of one line; two sentences may have their first word in common.
    if before < 2 {
        return (actual.to_owned(), desired.to_owned());
    }
    let shorter = old.len().min(new.len()) - before;
    let after = old.iter().rev().zip(new.iter().rev()).take(shorter).take_while(|(a, b)| a == b).count();
    let rest = |words: &[&str]| {
        let mut rest = words[before..words.len() - after].to_vec();
        rest.insert(0, screen.ellipsis());
        if after > 0 {
            rest.push(screen.ellipsis());
        }
        rest.join(" ")
    };
    (rest(&old), rest(&new))
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use hoststate_abi::about::About;

    use super::difference;
    use crate::render::screen::{Amount, Screen};

    fn check(actual: Option<&str>, desired: Option<&str>, expected: Expect) {
        let screen = Screen { colour: false, width: None, unicode: false, amount: Amount::Usual };
        expected.assert_eq(&difference(&screen, &About::from("cmdline"), actual, desired));
    }

    #[test]
    fn a_long_command_line_shows_the_words_that_differ() {
        let actual = "root=UUID=b3f1c9d2-5a77-4e08 ro quiet iommu=off splash";
        let desired = "root=UUID=b3f1c9d2-5a77-4e08 ro quiet iommu=pt splash";
        check(Some(actual), Some(desired), expect!["cmdline: ... iommu=off ... -> ... iommu=pt ..."]);
    }

    #[test]
    fn words_that_are_only_added_stand_after_what_is_left_out() {
        let actual = "root=UUID=b3f1c9d2-5a77-4e08 ro quiet splash";
        let desired = "root=UUID=b3f1c9d2-5a77-4e08 ro quiet splash iommu=pt";
        check(Some(actual), Some(desired), expect!["cmdline: ... -> ... iommu=pt"]);
    }

    #[test]
    fn values_without_a_common_beginning_are_shown_whole() {
        let actual = "lacks the module vfio_pci; does not load vfio_pci";
        let whole = expect!["cmdline: lacks the module vfio_pci; does not load vfio_pci -> loads vfio_pci"];
        check(Some(actual), Some("loads vfio_pci"), whole);
    }

    #[test]
    fn sentences_with_one_word_in_common_are_shown_whole() {
        let (actual, desired) =
            ("every entry but recovery lacks iommu=pt", "every entry but recovery: iommu=pt");
        let whole = expect!["cmdline: every entry but recovery lacks iommu=pt -> every entry: iommu=pt"];
        check(Some(actual), Some(&desired.replace(" but recovery", "")), whole);
    }

    #[test]
    fn short_values_are_shown_whole() {
        check(Some("ro quiet"), Some("ro quiet iommu=pt"), expect!["cmdline: ro quiet -> ro quiet iommu=pt"]);
        check(None, Some("on"), expect!["cmdline: (absent) -> on"]);
    }
}
