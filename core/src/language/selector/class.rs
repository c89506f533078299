//! A class of PCI devices, by word or by the first digits of its code.

use std::collections::BTreeSet;
use std::fmt;

use crate::formats::pci::class_name;
use crate::language::registry::nearest;

/// The word or the digits a playbook gives for a class.
///
/// Invariant: a word that [`class_name`] knows, or 2, 4 or 6 lower-case hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ClassPattern(String);

impl ClassPattern {
    /// Reads a word such as `display` or digits such as `03`, `0300`, `0x030000`.
    ///
    /// # Errors
    /// When it is neither; all words, where none is near.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let digits = text.trim_start_matches("0x").to_ascii_lowercase();
        let is_code = matches!(digits.len(), 2 | 4 | 6) && digits.bytes().all(|it| it.is_ascii_hexdigit());
        if is_code {
            return Ok(Self(digits));
        }
        let words = Self::words();
        if words.contains(text) {
            return Ok(Self(text.to_owned()));
        }
        Err(match Self::nearest(text) {
            Some(_) => format!("there is no class {text:?}"),
            None => {
                let words: Vec<&str> = words.into_iter().collect();
                format!("there is no class {text:?}; classes are {}", words.join(", "))
            }
        })
    }

    /// Returns the word that a text which is no class most likely was meant to be.
    pub(super) fn nearest(text: &str) -> Option<&'static str> {
        nearest(text, Self::words().into_iter())
    }

    fn words() -> BTreeSet<&'static str> {
        (0..=0xffff).map(|subclass| class_name(subclass << 8)).collect()
    }

    /// Returns whether a 24-bit class is meant. The word of a whole base class also means the subclasses that have
    /// words of their own: an NVMe drive is `nvme` and `storage`.
    pub(super) fn matches(&self, class: u32) -> bool {
        /// The subclass "other" of each base class, which has no word of its own.
        const OTHER: u32 = 0x80 << 8;
        let Self(text) = self;
        class_name(class) == text
            || class_name(class & 0xff_0000 | OTHER) == text
            || (text.bytes().all(|it| it.is_ascii_hexdigit()) && format!("{class:06x}").starts_with(text))
    }
}

impl fmt::Display for ClassPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
