//! initramfs-tools configuration, `/etc/initramfs-tools/initramfs.conf` and `conf.d`.
//!
//! Shell assignments (`MODULES=most`, `COMPRESS=zstd`); files of `conf.d` are sourced after `initramfs.conf`, so the
//! last assignment counts (mkinitramfs(8)).

use std::fmt;
use std::ops::Range;

/// A file of `KEY=value` lines, byte for byte.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InitramfsToolsConf {
    text: String,
}

impl InitramfsToolsConf {
    /// Reads a file; lines that are no assignment are kept and mean nothing.
    pub fn parse(text: &str) -> Self {
        Self { text: text.to_owned() }
    }

    /// Returns the last value of a key, without its quotes.
    pub fn get(&self, key: &str) -> Option<&str> {
        let (_, value) = self.last(key)?;
        Some(value)
    }

    /// Returns which modules go into an image: `most`, `dep`, `list` or `netboot`.
    pub fn modules(&self) -> Option<&str> {
        self.get("MODULES")
    }

    /// Returns the program that packs images, such as `zstd`.
    pub fn compress(&self) -> Option<&str> {
        self.get("COMPRESS")
    }

    /// Returns every key with its value in order, also repeated ones.
    pub fn assignments(&self) -> Vec<(&str, &str)> {
        self.located().map(|(key, _, value)| (key, value)).collect()
    }

    /// Makes the last assignment of a key say `value` (letters, digits and `_.,:/-` need no quotes), or adds one.
    pub fn set(&mut self, key: &str, value: &str) {
        if self.get(key) == Some(value) {
            return;
        }
        let plain = |c: char| c.is_ascii_alphanumeric() || "_.,:/-".contains(c);
        let written = if value.chars().all(plain) { value.to_owned() } else { format!("'{value}'") };
        match self.last(key) {
            Some((range, _)) => self.text.replace_range(range, &written),
            None => {
                let end = if self.text.is_empty() || self.text.ends_with('\n') { "" } else { "\n" };
                self.text.push_str(&format!("{end}{key}={written}\n"));
            }
        }
    }

    fn last(&self, key: &str) -> Option<(Range<usize>, &str)> {
        self.located().filter(|(name, ..)| *name == key).last().map(|(_, range, value)| (range, value))
    }

    /// Returns key, bytes of the value as written, and value.
    fn located(&self) -> impl Iterator<Item = (&str, Range<usize>, &str)> {
        let mut start = 0;
        self.text.split_inclusive('\n').filter_map(move |line| {
            let at = start;
            start += line.len();
            let indent = line.len() - line.trim_start().len();
            let (key, rest) = line.get(indent..)?.split_once('=')?;
            let key_is_name = !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
            let from = at + indent + key.len() + 1;
            let (value, length) = match rest.chars().next() {
                Some(quote @ ('"' | '\'')) => {
                    let (inner, _) = rest.get(1..)?.split_once(quote)?;
                    (inner, inner.len() + 2)
                }
                _ => {
                    let word = rest.split([' ', '\t', '\r', '\n', ';']).next().unwrap_or_default();
                    (word, word.len())
                }
            };
            key_is_name.then_some((key, from..from + length, value))
        })
    }
}

impl fmt::Display for InitramfsToolsConf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use proptest::prelude::*;

    use super::InitramfsToolsConf;

    fn check(before: &str, expect: Expect) {
        let mut conf = InitramfsToolsConf::parse(before);
        let found = format!("{:?} {:?}", conf.modules(), conf.compress());
        conf.set("MODULES", "dep");
        expect.assert_eq(&format!("{found}\n{conf}"));
    }

    #[test]
    fn the_last_assignment_counts_and_is_edited() {
        check(
            "# MODULES=x\nMODULES=list\n MODULES=\"most\" # all\nCOMPRESS=zstd\n",
            expect![[r#"
            Some("most") Some("zstd")
            # MODULES=x
            MODULES=list
             MODULES=dep # all
            COMPRESS=zstd
        "#]],
        );
        check(
            "COMPRESS=",
            expect![[r#"
            None Some("")
            COMPRESS=
            MODULES=dep
        "#]],
        );
    }

    proptest! {
        #[test]
        fn files_are_kept_and_values_take_effect(text in ".{0,40}|(K|=|\"|'| |a|#|;|\r|\n){0,30}", value in "[a-z$ ]{0,6}") {
            let mut conf = InitramfsToolsConf::parse(&text);
            prop_assert_eq!(conf.to_string(), text);
            conf.set("K", &value);
            prop_assert_eq!(conf.get("K"), Some(value.as_str()));
            let once = conf.clone();
            conf.set("K", &value);
            prop_assert_eq!(conf, once);
        }
    }
}
