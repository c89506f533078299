//! One udev rule as udevd reads it: keys, operators, values, and which devices it can match.

use crate::formats::fnmatch;

/// A rule of a rules file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UdevRule {
    /// Its first line, counted from 1.
    pub line: usize,
    /// Its pairs, in order.
    pub pairs: Vec<Pair>,
}

/// One `KEY{attribute}operator"value"`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    /// The key: `KERNEL`, `ATTR`, `RUN`, …
    pub key: String,
    /// What stands in braces after the key.
    pub attribute: Option<String>,
    /// `==` and `!=` compare; `=`, `:=`, `+=` and `-=` assign.
    pub operator: String,
    /// The text between the quotes.
    pub value: String,
}

/// Returns the rules of a file. A line that is no rule from some point on is read up to that point.
pub fn parse(text: &str) -> Vec<UdevRule> {
    let mut rules = Vec::new();
    let mut joined = String::new();
    let mut first = 1;
    for (index, line) in text.lines().enumerate() {
        if joined.is_empty() {
            first = index + 1;
            if line.trim_start().starts_with('#') {
                continue;
            }
        }
        match line.strip_suffix('\\') {
            Some(part) => joined.push_str(part),
            None => {
                joined.push_str(line);
                push_rule(&mut rules, first, &joined);
                joined.clear();
            }
        }
    }
    push_rule(&mut rules, first, &joined);
    rules
}

fn push_rule(rules: &mut Vec<UdevRule>, line: usize, text: &str) {
    let mut pairs = Vec::new();
    let mut rest = text;
    while let Some((pair, after)) = pair(rest) {
        pairs.push(pair);
        rest = after;
    }
    if !pairs.is_empty() {
        rules.push(UdevRule { line, pairs });
    }
}

fn pair(text: &str) -> Option<(Pair, &str)> {
    let text = text.trim_start_matches(|it: char| it.is_whitespace() || it == ',');
    let end = text.find(|it: char| !it.is_ascii_alphanumeric() && it != '_')?;
    let (key, rest) = text.split_at(end);
    let (attribute, rest) = match rest.strip_prefix('{') {
        Some(inside) => {
            let (attribute, rest) = inside.split_once('}')?;
            (Some(attribute.to_owned()), rest)
        }
        None => (None, rest),
    };
    let rest = rest.trim_start();
    let operator = ["==", "!=", "+=", "-=", ":=", "="].into_iter().find(|it| rest.starts_with(it))?;
    let rest = rest[operator.len()..].trim_start();
    // `e"…"` and `i"…"` are quoted strings too (udev(7)).
    let quoted = rest.strip_prefix(['e', 'i']).unwrap_or(rest).strip_prefix('"')?;
    let mut escaped = false;
    let close = quoted.find(|it: char| {
        let closes = it == '"' && !escaped;
        escaped = it == '\\' && !escaped;
        closes
    })?;
    let value = quoted[..close].to_owned();
    Some((
        Pair { key: key.to_owned(), attribute, operator: operator.to_owned(), value },
        &quoted[close + 1..],
    ))
}

impl Pair {
    /// Returns whether it compares; otherwise it assigns.
    pub fn compares(&self) -> bool {
        matches!(self.operator.as_str(), "==" | "!=")
    }
}

impl UdevRule {
    /// Returns the value it assigns to a sysfs attribute of the device or of a parent's, by the attribute's last name.
    pub fn assigned(&self, attribute: &str) -> Option<&str> {
        let assigns = |it: &&Pair| {
            let name = it.attribute.as_deref().and_then(|it| it.rsplit('/').next());
            it.key == "ATTR" && !it.compares() && name == Some(attribute)
        };
        self.pairs.iter().rev().find(assigns).map(|it| it.value.as_str())
    }

    /// Returns what it assigns to a key: `GOTO`, `LABEL`.
    pub fn value_of(&self, key: &str) -> Option<&str> {
        self.pairs.iter().rev().find(|it| it.key == key && !it.compares()).map(|it| it.value.as_str())
    }

    /// Returns whether the rule surely applies to a device: nothing of what it compares is unknown.
    pub fn must_match(&self, known: impl Fn(&str, Option<&str>) -> Option<Vec<String>>) -> bool {
        let mut comparisons = self.pairs.iter().filter(|it| it.compares());
        comparisons.all(|it| known(&it.key, it.attribute.as_deref()).is_some()) && self.may_match(known)
    }

    /// Returns whether the rule can apply to a device. `known` gives the values a comparison may meet, by key and
    /// attribute; for a key it knows nothing of, `None`, the comparison is taken to hold.
    pub fn may_match(&self, known: impl Fn(&str, Option<&str>) -> Option<Vec<String>>) -> bool {
        self.pairs.iter().filter(|it| it.compares()).all(|pair| {
            let Some(values) = known(&pair.key, pair.attribute.as_deref()) else { return true };
            let mut alternatives = pair.value.split('|');
            let meets = alternatives.any(|it| values.iter().any(|value| fnmatch::matches(it, value)));
            meets == (pair.operator == "==")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::parse;

    const RULES: &str = "# ATTR{a}=\"b\"\n\
        ACTION==\"add\", SUBSYSTEM==\"pci\", KERNEL==\"0000:01:00.?\", \\\n  ATTR{driver_override}=\"vfio-pci\"\n\
        SUBSYSTEM==\"net\", KERNEL!=\"lo|eth*\", ATTR{device/sriov_numvfs}:=\"4\", RUN+=e\"a \\\"b\\\"\"\n\
        nonsense\n";

    #[test]
    fn a_rule_is_read_over_its_continuation() {
        let rules = parse(RULES);
        assert_eq!(rules.iter().map(|it| it.line).collect::<Vec<_>>(), [2, 4]);
        assert_eq!(rules[0].assigned("driver_override"), Some("vfio-pci"));
        assert_eq!(rules[1].assigned("sriov_numvfs"), Some("4"));
        assert_eq!(rules[1].pairs[3].value, "a \\\"b\\\"");
    }

    #[test]
    fn a_rule_matches_by_globs_and_alternatives_and_by_what_is_not_known() {
        let rules = parse(RULES);
        let kernel = |name: &'static str| {
            move |key: &str, _: Option<&str>| (key == "KERNEL").then(|| vec![name.to_owned()])
        };
        assert!(rules[0].may_match(kernel("0000:01:00.1")));
        assert!(!rules[0].may_match(kernel("0000:02:00.0")));
        assert!(rules[1].may_match(kernel("ens1")));
        assert!(!rules[1].may_match(kernel("eth0")));
    }
}
