//! Text from playbooks, files and devices, made harmless for a terminal.

use std::borrow::Cow;
use std::fmt::Write;

/// Returns `text` with everything a terminal would act on, or that would hide or reorder other text, written out
/// as `\x1b` or `\u{202e}`. Tabs and line ends stay.
pub(crate) fn visible(text: &str) -> Cow<'_, str> {
    if !text.contains(is_hidden) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        if is_hidden(character) {
            push_escaped(&mut shown, character);
        } else {
            shown.push(character);
        }
    }
    Cow::Owned(shown)
}

/// Like [`visible`], and keeps the text on one line, where tabs may divide it into columns.
pub(crate) fn visible_columns(text: &str) -> Cow<'_, str> {
    let shown = visible(text);
    if shown.contains('\n') { Cow::Owned(shown.replace('\n', "\\n")) } else { shown }
}

/// Like [`visible`], and keeps the text on one line.
pub(crate) fn visible_line(text: &str) -> Cow<'_, str> {
    let shown = visible_columns(text);
    if shown.contains('\t') { Cow::Owned(shown.replace('\t', "\\t")) } else { shown }
}

/// Returns JSON with every such character in a string written as JSON writes it: `\u009b`.
pub(crate) fn visible_json(text: &str) -> Cow<'_, str> {
    if !text.contains(is_hidden) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        if is_hidden(character) {
            for unit in character.encode_utf16(&mut [0; 2]) {
                write!(shown, "\\u{unit:04x}").expect("writing to a string does not fail");
            }
        } else {
            shown.push(character);
        }
    }
    Cow::Owned(shown)
}

fn push_escaped(out: &mut String, character: char) {
    let code = u32::from(character);
    let written = match character {
        '\r' => out.write_str("\\r"),
        _ if code < 0x100 => write!(out, "\\x{code:02x}"),
        _ => write!(out, "\\u{{{code:x}}}"),
    };
    written.expect("writing to a string does not fail");
}

/// Control characters (C0, DEL, C1), and those of Unicode that have no width or change the direction of the text.
fn is_hidden(character: char) -> bool {
    match character {
        '\n' | '\t' => false,
        '\u{ad}' | '\u{61c}' | '\u{feff}' => true,
        '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' => true,
        '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}' => true,
        _ => character.is_control(),
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::{visible, visible_json, visible_line};

    fn check(input: &str, expected: Expect) {
        expected.assert_eq(&format!("{}\n{}\n", visible(input), visible_line(input)));
    }

    #[test]
    fn an_escape_sequence_is_written_out() {
        check(
            "a\x1b[31mred\u{9b}0m\x07\r",
            expect![[r"
                a\x1b[31mred\x9b0m\x07\r
                a\x1b[31mred\x9b0m\x07\r
            "]],
        );
    }

    #[test]
    fn text_that_turns_the_direction_is_written_out() {
        check(
            "user\u{202e}nimda\u{200b}",
            expect![[r"
                user\u{202e}nimda\u{200b}
                user\u{202e}nimda\u{200b}
            "]],
        );
    }

    #[test]
    fn letters_of_any_script_stay() {
        check(
            "größe 大 ✓",
            expect![[r"
                größe 大 ✓
                größe 大 ✓
            "]],
        );
    }

    #[test]
    fn a_line_end_stays_in_a_text_and_is_written_out_in_a_line() {
        check(
            "a\nb",
            expect![[r"
                a
                b
                a\nb
            "]],
        );
    }

    #[test]
    fn json_stays_the_same_value_and_holds_nothing_hidden() {
        let value = serde_json::json!({ "a\u{9b}": "\x1b[31m \x7f \u{202e} \u{e0041} größe\n" });
        let text = serde_json::to_string_pretty(&value).unwrap();
        let shown = visible_json(&text);
        assert_eq!(serde_json::from_str::<serde_json::Value>(&shown).unwrap(), value);
        assert!(!shown.contains(|it: char| it.is_control() && it != '\n'), "{shown:?}");
        assert!(!shown.contains(['\u{202e}', '\u{e0041}']), "{shown:?}");
    }
}
