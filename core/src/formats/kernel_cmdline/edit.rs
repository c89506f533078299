//! How a command line is compared with a wanted one and changed into it.

use std::collections::BTreeSet;

use super::hugepages;
use super::{Cmdline, CmdlineEdit, Parameter, fold};

/// `hugepages=` counts pages of the size the `hugepagesz=` before it names.
const PAIRED: [&str; 2] = [hugepages::SIZE, hugepages::COUNT];

impl CmdlineEdit {
    /// Says which two wishes contradict each other, if any do.
    pub fn conflict(&self) -> Option<String> {
        for absent in &self.absent {
            let mut wanted = self.present.iter().chain(&self.additional);
            if let Some(parameter) = wanted.find(|it| removes(absent, it)) {
                return Some(format!("`{parameter}` is wanted as present, and `{absent}` as absent"));
            }
        }
        for parameter in &self.additional {
            let mut same_name = self.present.iter().filter(|it| it.same_name(parameter.name())).peekable();
            if let Some(present) = same_name.peek().copied()
                && !same_name.any(|it| it.same(parameter))
            {
                let name = parameter.name();
                return Some(format!(
                    "`{present}` is wanted as the only value of `{name}`, and `{parameter}` in addition"
                ));
            }
        }
        None
    }

    /// Returns the wanted parameters that the line lacks, or has at a place that gives them another meaning.
    pub fn missing(&self, cmdline: &Cmdline) -> Vec<Parameter> {
        let mut missing = Vec::new();
        for group in groups(&self.present) {
            let actual = group.members(cmdline);
            let kept = group.kept(cmdline, &actual);
            let lost = (0..group.wanted.len()).filter(|at| !kept.iter().any(|it| it.1 == *at));
            missing.extend(lost.map(|at| group.wanted[at].clone()));
        }
        let line: Vec<&Parameter> = cmdline.parameters().collect();
        for at in self.lacking(&line) {
            if !missing.iter().any(|it| it.same(&self.additional[at])) {
                missing.push(self.additional[at].clone());
            }
        }
        missing
    }

    /// Says how a line falls short of the edit, as `lacks a b, has c`; `None` where it does not.
    pub fn shortfall(&self, line: &Cmdline) -> Option<String> {
        if line.satisfies(self) {
            return None;
        }
        let list =
            |parameters: Vec<Parameter>| parameters.iter().map(Parameter::raw).collect::<Vec<_>>().join(" ");
        let (missing, surplus) = (self.missing(line), self.surplus(line));
        let sorted = |parameters: &[Parameter]| {
            let mut parameters = parameters.to_vec();
            parameters.sort();
            parameters
        };
        if !missing.is_empty() && sorted(&missing) == sorted(&surplus) {
            let is_size = |it: &Parameter| ["hugepagesz", "hugepages"].iter().any(|name| it.same_name(name));
            let is_meant = |parameter: &&Parameter| {
                missing.iter().any(|it| it.same_name(parameter.name()) || is_size(it) && is_size(parameter))
            };
            let found = list(line.parameters().filter(is_meant).cloned().collect());
            let wanted = list(self.present.iter().filter(is_meant).cloned().collect());
            return Some(format!("has the same parameters in another order: {found} -> {wanted}"));
        }
        Some(match (missing.is_empty(), surplus.is_empty()) {
            (_, true) => format!("lacks {}", list(missing)),
            (true, false) => format!("has {}", list(surplus)),
            (false, false) => format!("lacks {}, has {}", list(missing), list(surplus)),
        })
    }

    /// Returns which additional parameters the line lacks; a count of huge pages is another under another size.
    fn lacking(&self, line: &[&Parameter]) -> Vec<usize> {
        let wanted: Vec<&Parameter> = self.additional.iter().collect();
        let has = |at: &usize| match wanted[*at].same_name(hugepages::COUNT) {
            true => hugepages::has(line, &wanted, *at),
            false => line.iter().any(|it| it.same(wanted[*at])),
        };
        (0..wanted.len()).filter(|it| !has(it)).collect()
    }

    /// Returns where the parameters of a line stand that shall be absent.
    fn removed(&self, cmdline: &Cmdline) -> Vec<usize> {
        let line: Vec<&Parameter> = cmdline.parameters().collect();
        let absent: Vec<&Parameter> = self.absent.iter().collect();
        let is_paired = |parameter: &Parameter| PAIRED.iter().any(|it| parameter.same_name(it));
        let removes = |asked: usize, at: usize| match is_paired(absent[asked]) {
            true => hugepages::removes(&absent, asked, &line, at),
            false => removes(absent[asked], line[at]),
        };
        (0..line.len()).filter(|at| (0..absent.len()).any(|asked| removes(asked, *at))).collect()
    }

    /// Returns the parameters of the line that have to go, in the order of the line.
    pub fn surplus(&self, cmdline: &Cmdline) -> Vec<Parameter> {
        let mut surplus: BTreeSet<usize> = self.removed(cmdline).into_iter().collect();
        for group in groups(&self.present) {
            let actual = group.members(cmdline);
            let kept = group.kept(cmdline, &actual);
            let lost = (0..actual.len()).filter(|at| !kept.iter().any(|it| it.0 == *at));
            surplus.extend(lost.map(|at| actual[at]));
        }
        surplus.into_iter().map(|at| cmdline.items[at].parameter.clone()).collect()
    }
}

impl Cmdline {
    /// Changes the line into what `edit` wants; a line that already is so keeps every byte.
    ///
    /// New parameters stand before `--`; a parameter of the same name with another value is replaced where it stands.
    /// Of an edit with a [`CmdlineEdit::conflict`] the wanted parameters win.
    pub fn edit(&mut self, edit: &CmdlineEdit) {
        for at in edit.removed(self).into_iter().rev() {
            self.remove(at);
        }
        for group in groups(&edit.present) {
            self.align(&group);
        }
        self.add(edit);
    }

    /// Adds the additional parameters that the line lacks.
    fn add(&mut self, edit: &CmdlineEdit) {
        let wanted: Vec<&Parameter> = edit.additional.iter().collect();
        let lacking = edit.lacking(&self.parameters().collect::<Vec<_>>());
        for at in 0..wanted.len() {
            let parameter = wanted[at];
            let line: Vec<&Parameter> = self.parameters().collect();
            let size = hugepages::size_before(&wanted, at).filter(|_| parameter.same_name(hugepages::COUNT));
            let is_lacking = lacking.contains(&at) || edit.lacking(&line).contains(&at);
            if !is_lacking {
                continue;
            }
            let sized = |it: &&Parameter| {
                it.same_name(hugepages::SIZE)
                    && size.is_none_or(|size| it.value().is_some_and(|it| hugepages::is_same(it, size)))
            };
            let place = match (parameter.same_name(hugepages::COUNT), size) {
                // Behind its size, or before every size where it has none.
                (true, Some(_)) => line.iter().rposition(sized).map(|it| it + 1),
                (true, None) => line.iter().position(sized),
                (false, _) => None,
            };
            let place = place.unwrap_or_else(|| self.append_at());
            self.insert(place, parameter.clone());
        }
    }

    /// Makes the group's parameters in the line equal to the wanted ones.
    fn align(&mut self, group: &Group<'_>) {
        let actual = group.members(self);
        let mut kept = group.kept(self, &actual);
        kept.push((actual.len(), group.wanted.len()));
        // From the end to the start, so that indices before the place of work stay valid.
        for gap in (0..kept.len()).rev() {
            let (old_end, new_end) = kept[gap];
            let (old_start, new_start) = match gap {
                0 => (0, 0),
                _ => (kept[gap - 1].0 + 1, kept[gap - 1].1 + 1),
            };
            let old = &actual[old_start..old_end];
            let new = &group.wanted[new_start..new_end];
            let both = old.len().min(new.len());
            for at in old[both..].iter().rev() {
                self.remove(*at);
            }
            let place = match (old[..both].last(), old_start, actual.get(old_end)) {
                (Some(last), ..) => last + 1,
                (None, 1.., _) => actual[old_start - 1] + 1,
                (None, 0, Some(next)) => *next,
                (None, 0, None) => self.append_at(),
            };
            for parameter in new[both..].iter().rev() {
                self.insert(place, (*parameter).clone());
            }
            for (at, parameter) in old.iter().zip(new) {
                self.items[*at].parameter = (*parameter).clone();
            }
        }
    }

    /// Returns where a new last parameter goes: before `--`, and not into a quote that is never closed.
    fn append_at(&self) -> usize {
        let end = self.kernel_end();
        match self.items[..end].last() {
            Some(last) if !last.parameter.is_terminated() => end - 1,
            _ => end,
        }
    }
}

/// Returns whether `absent` asks for the removal of `parameter`.
fn removes(absent: &Parameter, parameter: &Parameter) -> bool {
    absent.same_name(parameter.name()) && (absent.value().is_none() || absent.value() == parameter.value())
}

/// Names whose parameters are compared as one sequence.
struct Group<'a> {
    names: BTreeSet<String>,
    wanted: Vec<&'a Parameter>,
}

/// Splits the wanted parameters by name; repeated names that alternate stay together, because their order has meaning.
fn groups(present: &[Parameter]) -> Vec<Group<'_>> {
    let mut spans: Vec<(BTreeSet<String>, usize, usize)> = Vec::new();
    for (at, parameter) in present.iter().enumerate() {
        let name = fold(parameter.name());
        match spans.iter_mut().find(|it| it.0.contains(&name)) {
            Some(span) => span.2 = at,
            None => spans.push((BTreeSet::from([name]), at, at)),
        }
    }
    let mut merged: Vec<(BTreeSet<String>, usize, usize)> = Vec::new();
    for mut span in spans {
        let paired = |names: &BTreeSet<String>| PAIRED.iter().any(|it| names.contains(*it));
        while let Some(at) = merged
            .iter()
            .position(|it| (it.1 < span.2 && span.1 < it.2) || (paired(&it.0) && paired(&span.0)))
        {
            let other = merged.remove(at);
            span.0.extend(other.0);
            span.1 = span.1.min(other.1);
            span.2 = span.2.max(other.2);
        }
        merged.push(span);
    }
    merged.sort_by_key(|it| it.1);
    let group = |names: BTreeSet<String>| Group {
        wanted: present.iter().filter(|it| names.contains(&fold(it.name()))).collect(),
        names,
    };
    merged.into_iter().map(|it| group(it.0)).collect()
}

impl Group<'_> {
    /// Returns where in the line the group's parameters stand.
    fn members(&self, cmdline: &Cmdline) -> Vec<usize> {
        let member = |at: &usize| self.names.contains(&fold(cmdline.items[*at].parameter.name()));
        (0..cmdline.kernel_end()).filter(member).collect()
    }

    /// Returns the longest run of parameters that may stay, as pairs (index into `actual`, index into `wanted`).
    fn kept(&self, cmdline: &Cmdline, actual: &[usize]) -> Vec<(usize, usize)> {
        let parameter = |at: usize| &cmdline.items[actual[at]].parameter;
        let (rows, columns) = (actual.len(), self.wanted.len());
        if rows == columns && (0..rows).all(|at| parameter(at).same(self.wanted[at])) {
            return (0..rows).map(|at| (at, at)).collect();
        }
        // A parameter with an open quote would swallow what has to stand after it, so it cannot stay.
        let same =
            |old: usize, new: usize| parameter(old).is_terminated() && parameter(old).same(self.wanted[new]);
        let mut longest = vec![vec![0_usize; columns + 1]; rows + 1];
        for old in (0..rows).rev() {
            for new in (0..columns).rev() {
                longest[old][new] = match same(old, new) {
                    true => longest[old + 1][new + 1] + 1,
                    false => longest[old + 1][new].max(longest[old][new + 1]),
                };
            }
        }
        let (mut old, mut new, mut kept) = (0, 0, Vec::new());
        while old < rows && new < columns {
            if same(old, new) {
                kept.push((old, new));
                (old, new) = (old + 1, new + 1);
            } else if longest[old + 1][new] >= longest[old][new + 1] {
                old += 1;
            } else {
                new += 1;
            }
        }
        kept
    }
}
