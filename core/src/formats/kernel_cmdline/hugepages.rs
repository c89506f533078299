//! Huge pages: a count belongs to the size before it, and one without a size to the default size.
//!
//! Since Linux 5.8 a count before every size is one of the default size, whichever `default_hugepagesz=` names, also
//! behind it (Documentation/admin-guide/mm/hugetlbpage.rst, commit 282f4214384e).

use std::collections::BTreeMap;

use super::{Cmdline, CmdlineEdit, Parameter};

pub(super) const SIZE: &str = "hugepagesz";
pub(super) const COUNT: &str = "hugepages";
const DEFAULT: &str = "default_hugepagesz";

/// Returns the size that a count at `at` belongs to; `None` for the default size.
pub(super) fn size_before<'a>(parameters: &[&'a Parameter], at: usize) -> Option<&'a str> {
    parameters[..at].iter().rev().find(|it| it.same_name(SIZE)).and_then(|it| it.value())
}

/// Returns whether a parameter of a line is asked to go by a parameter of the list of absent ones.
pub(super) fn removes(absent: &[&Parameter], asked: usize, line: &[&Parameter], at: usize) -> bool {
    let (asked_parameter, parameter) = (absent[asked], line[at]);
    let is_count = parameter.same_name(COUNT);
    if asked_parameter.same_name(SIZE) {
        // A size takes its counts along: they would count pages of the size before.
        let size = if is_count {
            size_before(line, at)
        } else {
            parameter.value().filter(|_| parameter.same_name(SIZE))
        };
        return size.is_some_and(|it| asked_parameter.value().is_none_or(|asked| is_same(it, asked)));
    }
    if !asked_parameter.same_name(COUNT) || !is_count {
        return false;
    }
    let Some(asked_count) = asked_parameter.value() else { return true };
    if parameter.value() != Some(asked_count) {
        return false;
    }
    // Without a size every one is meant: whoever would lose a count so has to say of which size.
    size_before(absent, asked).is_none_or(|size| size_before(line, at).is_some_and(|it| is_same(it, size)))
}

/// Returns whether a line has a wanted count for the size that it is wanted for.
pub(super) fn has(line: &[&Parameter], wanted: &[&Parameter], at: usize) -> bool {
    let size = size_before(wanted, at);
    let same_size = |other: Option<&str>| match (size, other) {
        (Some(one), Some(other)) => is_same(one, other),
        (one, other) => one.is_none() && other.is_none(),
    };
    (0..line.len()).any(|it| line[it].same(wanted[at]) && same_size(size_before(line, it)))
}

/// Sizes are read without regard to case.
pub(super) fn is_same(one: &str, other: &str) -> bool {
    one.eq_ignore_ascii_case(other)
}

impl CmdlineEdit {
    /// Says which count of huge pages would be lost, or be one of another size, though nobody asked for that.
    pub fn huge_pages_harmed(&self, before: &Cmdline, after: &Cmdline) -> Option<String> {
        // A list of sizes is the whole list.
        if self.present.iter().any(|it| it.same_name(SIZE)) {
            return None;
        }
        let asked = |size: &Option<String>| {
            let all = || self.present.iter().chain(&self.additional).chain(&self.absent);
            match size {
                Some(size) => {
                    all().any(|it| it.same_name(SIZE) && it.value().is_none_or(|it| is_same(it, size)))
                        || self.absent.iter().any(|it| it.same_name(COUNT) && it.value().is_none())
                }
                None => all().any(|it| it.same_name(COUNT)) && !all().any(|it| it.same_name(SIZE)),
            }
        };
        let (old, new) = (counts(before), counts(after));
        let default = |line: &Cmdline| line.parameters().filter(|it| it.same_name(DEFAULT)).last().cloned();
        let (old_default, new_default) = (default(before), default(after));
        if old_default != new_default && !asked(&None) && new.contains_key(&None) {
            let count = new[&None].join(", ");
            let of = new_default.as_ref().and_then(Parameter::value).unwrap_or("the kernel's default size");
            return Some(format!(
                "`hugepages={count}` has no size before it and would count pages of {of}; write the \
                 `hugepagesz=` that it is meant for before it, or name `hugepages` in `present`"
            ));
        }
        let lost = old.iter().find(|(size, counts)| !asked(size) && new.get(*size) != Some(*counts))?;
        let (size, counts) = (lost.0.as_deref().unwrap_or("the default size"), lost.1.join(", "));
        Some(format!(
            "`hugepages={counts}` is the count of {size}, and would be changed with it; name the size with \
             `hugepagesz=` before the count"
        ))
    }
}

/// Returns the counts of each size; `None` is the default size.
fn counts(line: &Cmdline) -> BTreeMap<Option<String>, Vec<String>> {
    let parameters: Vec<&Parameter> = line.parameters().collect();
    let mut counts: BTreeMap<Option<String>, Vec<String>> = BTreeMap::new();
    for at in (0..parameters.len()).filter(|it| parameters[*it].same_name(COUNT)) {
        let size = size_before(&parameters, at).map(str::to_ascii_uppercase);
        counts.entry(size).or_default().push(parameters[at].value().unwrap_or_default().to_owned());
    }
    counts
}
