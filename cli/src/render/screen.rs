//! What the reader's screen can do: colours, width, characters; and how much the reader wants to see.

use unicode_width::UnicodeWidthStr;

use crate::render::escape::visible;

/// What the output can show.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Screen {
    /// Whether colours are wanted.
    pub(crate) colour: bool,
    /// Columns of the terminal; absent where the output is none: nothing is wrapped there.
    pub(crate) width: Option<usize>,
    /// Whether more than ASCII is shown as it is meant.
    pub(crate) unicode: bool,
    /// How much is shown.
    pub(crate) amount: Amount,
}

/// How much is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Amount {
    /// What needs attention.
    Less,
    /// What changes.
    Usual,
    /// Every step, and what is in the desired state.
    More,
}

/// A colour by meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Paint {
    /// A name or heading.
    Heading,
    /// What comes.
    Added,
    /// What goes.
    Removed,
    /// The words inside a line that come.
    AddedWords,
    /// The words inside a line that go.
    RemovedWords,
    /// Where something is.
    Place,
    /// What needs attention.
    Warning,
    /// What is of less interest.
    Faint,
}

/// Prose is not made narrower than this, however narrow the terminal.
const MIN_WIDTH: usize = 20;

/// How much deeper further lines of a text stand: deeper than every label.
const FURTHER: usize = 8;

/// How much deeper the rest of a wrapped line stands.
const CONTINUATION: usize = 2;

impl Screen {
    /// Returns `text` in a colour, if there are colours.
    pub(crate) fn paint(&self, paint: Paint, text: &str) -> String {
        if !self.colour {
            return text.to_owned();
        }
        let code = match paint {
            Paint::Heading => "1",
            Paint::Added => "32",
            Paint::Removed => "31",
            Paint::AddedWords => "32;7",
            Paint::RemovedWords => "31;7",
            Paint::Place => "36",
            Paint::Warning => "33",
            Paint::Faint => "2",
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }

    /// Returns an arrow: ASCII where the output may end in a file or a mail, or on a serial console.
    pub(crate) fn arrow(&self) -> &'static str {
        if self.unicode { "→" } else { "->" }
    }

    /// Returns what stands for text that is left out.
    pub(crate) fn ellipsis(&self) -> &'static str {
        if self.unicode { "…" } else { "..." }
    }

    /// Adds foreign prose, made harmless, with its lines indented and wrapped at the width of the terminal.
    pub(crate) fn prose(&self, out: &mut String, indent: usize, text: &str) {
        let is_plain = self.width.is_some() && !self.unicode;
        let text = visible(text);
        let text = if is_plain { text.replace('…', "...").replace('→', "->").into() } else { text };
        for (index, line) in text.lines().enumerate() {
            let words = line.trim_start_matches(' ');
            // What begins a line of the text must not look like a line of its own.
            let further = if index == 0 { 0 } else { FURTHER };
            self.wrap(out, indent + further + line.len() - words.len(), words);
        }
    }

    fn wrap(&self, out: &mut String, indent: usize, line: &str) {
        let room = self.width.map(|it| it.max(MIN_WIDTH).saturating_sub(indent));
        let mut column = 0;
        out.extend(std::iter::repeat_n(' ', indent));
        for word in line.split(' ') {
            let width = word.width();
            if column > 0 && room.is_some_and(|it| column + 1 + width > it) {
                // A continuation stands deeper than the line it continues.
                out.push('\n');
                out.extend(std::iter::repeat_n(' ', indent + CONTINUATION));
                column = CONTINUATION;
            } else if column > 0 {
                out.push(' ');
                column += 1;
            }
            out.push_str(word);
            column += width;
        }
        out.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::{Amount, Screen};

    fn check(width: Option<usize>, expected: Expect) {
        let mut out = String::new();
        let screen = Screen { colour: false, width, unicode: false, amount: Amount::Usual };
        screen.prose(
            &mut out,
            4,
            "The kernel was booted without intel_iommu=on, so there are no groups.\nNext.",
        );
        // Expected text loses the indentation that its lines have in common.
        let lines: String = out.lines().map(|it| format!("|{it}\n")).collect();
        expected.assert_eq(&lines);
    }

    #[test]
    fn prose_is_wrapped_at_the_width_of_the_terminal() {
        check(
            Some(32),
            expect![[r#"
                |    The kernel was booted
                |      without intel_iommu=on, so
                |      there are no groups.
                |            Next.
            "#]],
        );
    }

    #[test]
    fn a_terminal_that_is_not_utf_8_gets_dots_and_arrows_of_ascii() {
        let mut out = String::new();
        let screen = Screen { colour: false, width: Some(80), unicode: false, amount: Amount::Usual };
        screen.prose(&mut out, 0, "Write `present = …`: a → b.");
        assert_eq!(out, "Write `present = ...`: a -> b.\n");
    }

    #[test]
    fn nothing_is_wrapped_in_a_pipe() {
        check(
            None,
            expect![[r#"
                |    The kernel was booted without intel_iommu=on, so there are no groups.
                |            Next.
            "#]],
        );
    }
}
