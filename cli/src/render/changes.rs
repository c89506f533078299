//! The settings that differ, as text: a block for each resource, those of a composite below its name.

use std::collections::{BTreeMap, HashMap};

use hoststate_abi::setting::Disruption;
use hoststate_core::language::declaration::{Origin, ResourceId};
use hoststate_core::language::ensure::Ensure;
use hoststate_core::plan::declared_device::DeclaredDevice;
use hoststate_core::plan::planned::Change;

use crate::render::difference::difference;
use crate::render::escape::visible_line;
use crate::render::screen::{Amount, Paint, Screen};

/// How much deeper stands what belongs to a heading.
const INNER: usize = 4;

/// The settings of one resource.
type Block<'a> = Vec<&'a Change>;

/// Adds the settings that differ, one block for each resource.
pub(crate) fn changes<'a>(
    out: &mut String,
    screen: &Screen,
    changes: impl IntoIterator<Item = &'a Change>,
    devices: &[DeclaredDevice],
) {
    let named = devices.iter().filter_map(|it| Some((&it.resource, it.name.as_deref()?)));
    let names: HashMap<&ResourceId, &str> = named.collect();
    let blocks = alike(changes, |it: &&Change| &it.resource);
    let whole = |it: &Block<'a>| match &it[0].composite {
        Some(composite) => (Some((composite, &it[0].playbook)), None),
        None => (None, Some(&it[0].resource)),
    };
    for parts in alike(blocks, whole) {
        let (first, all) = (parts[0][0], parts.iter().flatten().copied());
        let Some(composite) = &first.composite else {
            parts.iter().for_each(|it| block(out, screen, 0, it, &names, first.playbook.as_ref()));
            continue;
        };
        heading(out, screen, 0, sign_of(all), composite, first.playbook.as_ref());
        parts.iter().for_each(|it| block(out, screen, INNER, it, &names, None));
    }
}

/// Returns what is alike together, in the order of the first of each kind.
fn alike<T, K: Ord>(all: impl IntoIterator<Item = T>, kind: impl Fn(&T) -> K) -> Vec<Vec<T>> {
    let mut groups: Vec<Vec<T>> = Vec::new();
    let mut group_of = BTreeMap::new();
    for it in all {
        let at = *group_of.entry(kind(&it)).or_insert(groups.len());
        match groups.get_mut(at) {
            Some(group) => group.push(it),
            None => groups.push(vec![it]),
        }
    }
    groups
}

/// Adds the settings of one resource below its name.
fn block(
    out: &mut String,
    screen: &Screen,
    indent: usize,
    block: &Block<'_>,
    names: &HashMap<&ResourceId, &str>,
    playbook: Option<&Origin>,
) {
    let name = block[0].resource.to_string();
    heading(out, screen, indent, sign_of(block.iter().copied()), &name, playbook);
    if let Some(name) = names.get(&block[0].resource) {
        screen.prose(out, indent + INNER, &visible_line(name));
    }
    block.iter().for_each(|it| setting(out, screen, indent + INNER, it));
}

/// Adds the name of what changes or stands in the way, with its place in the playbook.
pub(crate) fn heading(
    out: &mut String,
    screen: &Screen,
    indent: usize,
    (sign, paint): (&str, Paint),
    name: &str,
    playbook: Option<&Origin>,
) {
    let name = screen.paint(Paint::Heading, &visible_line(name));
    out.push_str(&format!("{:indent$}{} {name}", "", screen.paint(paint, sign)));
    if let Some(origin) = playbook {
        out.push_str("  ");
        out.push_str(&screen.paint(Paint::Place, &visible_line(&origin.to_string())));
    }
    out.push('\n');
}

/// `+` where everything is new, `-` where everything goes or nothing is to be left, `~` otherwise.
fn sign_of<'a>(changes: impl Iterator<Item = &'a Change>) -> (&'static str, Paint) {
    let (mut is_new, mut goes, mut absent) = (true, true, true);
    for it in changes {
        is_new &= it.actual.is_none();
        goes &= it.desired.is_none();
        absent &= it.ensure == Ensure::Absent;
    }
    match (absent, is_new, goes) {
        (true, ..) => ("-", Paint::Removed),
        (_, true, _) => ("+", Paint::Added),
        (_, _, true) => ("-", Paint::Removed),
        (false, false, false) => ("~", Paint::Place),
    }
}

fn setting(out: &mut String, screen: &Screen, indent: usize, change: &Change) {
    let mut line = difference(screen, &change.about, change.actual.as_deref(), change.desired.as_deref());
    if let Some(activation) = &change.activation {
        line.push_str(&match change.waits_for_reboot() {
            true if change.in_vain => "  (a reboot did not help)".to_owned(),
            true => "  (after a reboot)".to_owned(),
            false => format!("  (by {activation})"),
        });
    }
    screen.prose(out, indent, &line);
    match change.disruption {
        Disruption::None | Disruption::Reboot => {}
        Disruption::Device => screen.prose(out, indent + INNER, "The device leaves its driver for a while."),
        Disruption::Network => screen.prose(
            out,
            indent + INNER,
            "A network interface goes down or \
                                                                  disappears.",
        ),
    }
    for step in &change.steps {
        let is_seen_in_diff = step.file().is_some();
        if !is_seen_in_diff || screen.amount == Amount::More {
            screen.prose(out, indent + INNER, &visible_line(&step.to_string()));
        }
    }
}
