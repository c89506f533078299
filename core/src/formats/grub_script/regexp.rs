//! `regexp` (grub-core/commands/regexp.c).

use regex_lite::Regex;

use super::commands::{BAD_ARGUMENT, Call, FALSE};
use super::machine::{Machine, PENDING, Status};
use super::number;
use super::options::{self, Known, Value};

/// Longest pattern that is tried; the ones of grub.cfg have some ten characters.
const LONGEST_PATTERN: usize = 1000;

impl Machine<'_> {
    pub(super) fn regexp(&mut self, call: &Call<'_>) -> Status {
        let known = [Known { long: "set", short: 's', value: Value::Required }];
        let Some(options) = options::sort(&known, false, call.arguments) else {
            return BAD_ARGUMENT;
        };
        let [pattern, text] = options.arguments.as_slice() else {
            return BAD_ARGUMENT;
        };
        self.expands_names = true;
        let is_known = pattern.unknown.is_none() && text.unknown.is_none();
        let is_short = pattern.text.len() <= LONGEST_PATTERN;
        // POSIX takes the longest of several alternatives, and has other escapes.
        let is_plain = is_short && !pattern.text.contains(['\\', '|']);
        let regex = if is_known && is_plain { Regex::new(&pattern.text).ok() } else { None };
        let Some(regex) = regex else {
            for set in options.values("set") {
                let name = set.text.rsplit(':').next().unwrap_or_default().to_owned();
                self.set_unknown(
                    &name,
                    format!("what `{}` matches cannot be told", pattern.text),
                    call.place,
                );
            }
            self.pending = Some((format!("regexp {} {}", pattern.text, text.text), call.place.clone()));
            return PENDING;
        };
        let Some(groups) = regex.captures(&text.text) else {
            return FALSE;
        };
        for set in options.values("set") {
            let (index, name) = match set.text.split_once(':') {
                Some((index, name)) => match number::leading(index, 10) {
                    (Ok(index), "") => (usize::try_from(index).unwrap_or(usize::MAX), name),
                    _ => return BAD_ARGUMENT,
                },
                None => (1, set.text.as_str()),
            };
            match groups.get(index) {
                Some(group) => self.set(name, text.slice(group.start(), group.end()), call.place),
                None => self.context().unset(name, Some(call.place.clone())),
            }
        }
        0
    }
}
