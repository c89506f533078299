//! Options of GRUB's commands (lib/arg.c).

use super::text::Text;

/// An option that a command knows.
pub(super) struct Known {
    pub(super) long: &'static str,
    pub(super) short: char,
    pub(super) value: Value,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Value {
    None,
    Optional,
    Required,
}

/// Options with their values in the order they were given, and the other arguments.
#[derive(Default)]
pub(super) struct Options {
    given: Vec<(&'static str, Option<Text>)>,
    pub(super) arguments: Vec<Text>,
}

impl Options {
    pub(super) fn is_given(&self, long: &str) -> bool {
        self.given.iter().any(|it| it.0 == long)
    }

    /// Returns the value that was given last.
    pub(super) fn value(&self, long: &str) -> Option<&Text> {
        self.given.iter().rfind(|it| it.0 == long)?.1.as_ref()
    }

    pub(super) fn values<'a>(&'a self, long: &'a str) -> impl Iterator<Item = &'a Text> {
        self.given.iter().filter(move |it| it.0 == long).filter_map(|it| it.1.as_ref())
    }
}

/// Sorts arguments; `None` if GRUB refuses them or only shows its help. `accepts_dash`: what is no option is an
/// argument.
pub(super) fn sort(known: &[Known], accepts_dash: bool, arguments: &[Text]) -> Option<Options> {
    let mut options = Options::default();
    let mut rest = arguments.iter().peekable();
    while let Some(argument) = rest.next() {
        let text = argument.text.as_str();
        if text == "--" {
            options.arguments.extend(rest.cloned());
            break;
        }
        if let Some(long) = text.strip_prefix("--") {
            let (name, mut value) = match long.find('=') {
                Some(at) => (&long[..at], Some(argument.slice(at + 3, text.len()))),
                None => (long, None),
            };
            let Some(option) = known.iter().find(|it| it.long == name) else {
                if accepts_dash && !matches!(name, "help" | "usage") {
                    options.arguments.push(argument.clone());
                    continue;
                }
                return None;
            };
            if value.is_none() && option.value != Value::None {
                value = rest.next_if(|it| !it.text.starts_with('-')).cloned();
            }
            if value.is_none() && option.value == Value::Required {
                return None;
            }
            options.given.push((option.long, value));
            continue;
        }
        let letters = text.strip_prefix('-').unwrap_or_default();
        if letters.is_empty() {
            options.arguments.push(argument.clone());
            continue;
        }
        let find = |letter: char| known.iter().find(|it| it.short == letter);
        if accepts_dash && letters.chars().any(|it| find(it).is_none() && !matches!(it, 'h' | 'u')) {
            options.arguments.push(argument.clone());
            continue;
        }
        let count = letters.chars().count();
        for (index, letter) in letters.chars().enumerate() {
            let option = find(letter)?;
            let is_last = index + 1 == count;
            let mut value = None;
            if is_last && option.value != Value::None {
                let takes = |it: &&Text| {
                    option.value == Value::Required || it.text.len() < 2 || !it.text.starts_with('-')
                };
                value = rest.next_if(takes).cloned();
            }
            if value.is_none() && option.value == Value::Required {
                return None;
            }
            options.given.push((option.long, value));
        }
    }
    Some(options)
}
