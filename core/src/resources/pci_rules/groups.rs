//! The groups of rules files that hoststate keeps, found by device and by what tells it, and kept up to date while a plan
//! adds to them: a card with many functions has one for each.

use std::cell::RefCell;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use hoststate_abi::host_view::HostView;
use hoststate_abi::host_view::predicted::Prediction;
use hoststate_abi::pci_address::PciAddress;

use crate::error::{Error, Result};
use crate::formats::pci::{PciId, PciIdPattern};
use crate::formats::udev_rules::UdevRules;
use crate::formats::udev_rules::rule::{self, UdevRule};
use crate::machine::identity::udev;
use crate::machine::identity::{BridgePath, Identity, VirtualFunction};

/// What the comment above the rules of a device starts with, whoever owns them.
pub(super) const MARK: &str = "hoststate: ";

/// The rules files that were asked for, as the host will have them.
#[derive(Debug, Default)]
struct Files(RefCell<HashMap<PathBuf, Rc<Groups>>>);

/// The groups of a rules file.
#[derive(Debug, Default)]
pub(super) struct Groups {
    /// In the order of the file.
    groups: Vec<Group>,
    /// The rules of each kernel name.
    rules: HashMap<String, Vec<String>>,
    /// The groups of each address.
    places: HashMap<PciAddress, Vec<usize>>,
    /// The groups whose comment has a number, a way over the bridges or a selector.
    told: HashMap<String, Vec<usize>>,
    /// Whether a group may be added behind the last line: it ends, and goes on in none to come.
    pub(super) is_open: bool,
}

/// The rules of a device in a file, and who it was when they were written.
#[derive(Debug)]
pub(super) struct Group {
    owner: String,
    pub(super) address: PciAddress,
    serial: Option<String>,
    mac: Option<String>,
    path: Option<BridgePath>,
    has_twin: bool,
    /// Of a virtual function which one it is, and the ids of its card, whose numbers these are.
    virtfn: Option<(u16, PciId)>,
    pub(super) by: Option<String>,
}

/// Returns the groups of a file; those of none where it is not there.
///
/// # Errors
/// When the file cannot be read.
pub(super) fn of(host: &HostView, file: &Path) -> Result<Rc<Groups>> {
    let files = host.derived(|_, old: Option<(Rc<Files>, &[Prediction])>| {
        let known = old.and_then(|(files, changed)| Some((Rc::try_unwrap(files).ok()?, changed)));
        let Some((files, changed)) = known else { return Ok::<_, Error>(Files::default()) };
        for Prediction { path, edits } in changed {
            files.heed(path, edits.as_deref());
        }
        Ok(files)
    })?;
    let path = host.resolve(file)?;
    if let Some(groups) = files.0.borrow().get(&path) {
        return Ok(Rc::clone(groups));
    }
    let text = host.read_lossy(file)?.unwrap_or_default();
    let groups = Rc::new(Groups::parse(&text));
    files.0.borrow_mut().insert(path, Rc::clone(&groups));
    Ok(groups)
}

impl Files {
    /// Adds what is put behind the end of a file; one that is changed in another way is read anew.
    fn heed(&self, path: &Path, edits: Option<&[hoststate_abi::lines::LineEdit]>) {
        let mut files = self.0.borrow_mut();
        let Some(groups) = files.get_mut(path) else { return };
        let added = edits.filter(|it| it.iter().all(|it| it.line.is_none() && it.removed.is_empty()));
        match (added, Rc::get_mut(groups)) {
            (Some(added), Some(groups)) if groups.is_open => {
                added.iter().for_each(|it| groups.add(&it.inserted));
            }
            _ => {
                files.remove(path);
            }
        }
    }
}

impl Groups {
    fn parse(text: &str) -> Self {
        let mut groups = Self { is_open: true, ..Self::default() };
        groups.add(text);
        groups
    }

    fn add(&mut self, text: &str) {
        let file = UdevRules::parse(text);
        for (kernel, rules) in file.by_kernel() {
            self.rules.entry(kernel.to_owned()).or_default().extend(rules.into_iter().map(str::to_owned));
        }
        for group in file.marked(MARK).into_iter().filter_map(Group::parse) {
            let at = self.groups.len();
            self.places.entry(group.address).or_default().push(at);
            for told in group.told() {
                self.told.entry(told).or_default().push(at);
            }
            self.groups.push(group);
        }
        self.is_open = file.is_open();
    }

    /// Returns whether the file has no group.
    pub(super) fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    /// Returns the rules of a kernel name, in the order of the file.
    pub(super) fn rules_of(&self, kernel: &str) -> &[String] {
        self.rules.get(kernel).map_or(&[], Vec::as_slice)
    }

    /// Returns the groups of an owner whose comment tells one of the things that it tells of a device or a selector.
    pub(super) fn alike(&self, owner: &str, identity: Option<&Identity>, by: Option<&str>) -> Vec<&Group> {
        let mut asked: Vec<String> = by.map(|it| key("by", it)).into_iter().collect();
        if let Some(identity) = identity {
            let Identity { serial, mac, path, .. } = identity.card();
            asked.extend(keys(identity.virtfn(), serial.as_deref(), mac.as_deref(), path.as_ref()));
        }
        let mut found: Vec<usize> =
            asked.iter().filter_map(|it| self.told.get(it)).flatten().copied().collect();
        found.sort_unstable();
        found.dedup();
        found.into_iter().map(|it| &self.groups[it]).filter(|it| it.owner == owner).collect()
    }

    /// Returns the group of an owner at an address.
    pub(super) fn at(&self, owner: &str, address: PciAddress) -> Option<&Group> {
        let places = self.places.get(&address)?;
        places.iter().map(|it| &self.groups[*it]).find(|it| it.owner == owner)
    }

    /// Returns who the device of an owner's group at an address was.
    pub(super) fn identity_at(&self, owner: &str, address: PciAddress) -> Option<Identity> {
        self.identity(self.at(owner, address)?)
    }

    /// Returns the group of an owner that was written for a selector.
    pub(super) fn by(&self, owner: &str, by: &str) -> Option<&Group> {
        let groups = self.told.get(&key("by", by))?;
        groups.iter().map(|it| &self.groups[*it]).find(|it| it.owner == owner)
    }

    /// Returns who the device of a group was, by the ids that its rules compare and what the comment tells beside them.
    pub(super) fn identity(&self, group: &Group) -> Option<Identity> {
        let mut rules = self.rules_of(&group.address.to_string()).iter().flat_map(|it| rule::parse(it));
        let rule: UdevRule = rules.next()?;
        let Group { serial, mac, path, has_twin, .. } = group;
        let (serial, mac, path) = (serial.clone(), mac.clone(), path.clone());
        let card = |id| Identity { id, serial, mac, path, has_twin: *has_twin, virtual_function: None };
        let Some((number, of)) = group.virtfn else { return udev::compared(&rule).map(card) };
        let id = PciId { device: udev::compared_device(&rule)?, ..of };
        let virtual_function = Some(VirtualFunction { number, of: Box::new(card(of)) });
        Some(Identity { id, serial: None, mac: None, path: None, has_twin: false, virtual_function })
    }
}

impl Group {
    /// Reads the comment of a group.
    fn parse(comment: &str) -> Option<Self> {
        let (owner, comment) = comment.split_once(' ')?;
        let (facts, by) = match comment.split_once(", by ") {
            Some((facts, by)) => (facts, Some(by.to_owned())),
            None => (comment, None),
        };
        let mut facts = facts.split(", ");
        let address: PciAddress = facts.next()?.parse().ok()?;
        let owner = owner.to_owned();
        let mut group =
            Self { owner, address, serial: None, mac: None, path: None, has_twin: false, virtfn: None, by };
        for (name, value) in facts.filter_map(|it| it.split_once(' ')) {
            match name {
                "serial" => group.serial = Some(value.to_owned()),
                "mac" => group.mac = Some(value.to_owned()),
                "path" => group.path = value.parse().ok(),
                "virtfn" => group.virtfn = virtfn(value),
                "one" => group.has_twin = true,
                _ => {}
            }
        }
        Some(group)
    }

    fn told(&self) -> Vec<String> {
        let virtfn = self.virtfn.map(|it| it.0);
        let mut told = keys(virtfn, self.serial.as_deref(), self.mac.as_deref(), self.path.as_ref());
        told.extend(self.by.as_deref().map(|it| key("by", it)));
        told
    }
}

/// Reads which virtual function of what card a comment names: `0 of 8086:10c9:1af4:1100`.
fn virtfn(text: &str) -> Option<(u16, PciId)> {
    let (number, of) = text.split_once(" of ")?;
    let PciIdPattern { vendor, device, subsystem_vendor, subsystem_device, .. } = of.parse().ok()?;
    Some((number.parse().ok()?, PciId { vendor, device, subsystem_vendor, subsystem_device, class: 0 }))
}

/// A card with many functions has its number in the comment of each.
fn keys(
    virtfn: Option<u16>,
    serial: Option<&str>,
    mac: Option<&str>,
    path: Option<&BridgePath>,
) -> Vec<String> {
    let path = path.map(ToString::to_string);
    let told = [("serial", serial), ("mac", mac), ("path", path.as_deref())];
    let named = told.into_iter().filter_map(|(name, value)| Some(key(name, value?)));
    named.map(|it| virtfn.map_or(it.clone(), |number| format!("{it} virtfn {number}"))).collect()
}

fn key(name: &str, value: &str) -> String {
    format!("{name} {value}")
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::rc::Rc;

    use hoststate_abi::lines::LineEdit;
    use hoststate_testkit::tree::Tree;

    use super::of;

    const FILE: &str = "/etc/udev/rules.d/70-hoststate-driver.rules";

    fn group(device: u8) -> String {
        let address = format!("0000:01:00.{device}");
        format!(
            "# hoststate: driver_binding {address}, by slot {device}\nKERNEL==\"{address}\", RUN+=\"x\"\n"
        )
    }

    #[test]
    fn a_group_that_is_put_behind_the_others_is_known_as_if_read() {
        let tree = Tree::new(&[(FILE, &group(0))]);
        let mut view = tree.view();
        assert!(
            of(&view, Path::new(FILE))
                .unwrap()
                .at("driver_binding", "0000:01:00.1".parse().unwrap())
                .is_none()
        );
        view.predict_edits(Path::new(FILE), &[LineEdit::append(group(1))]).unwrap();
        let known = of(&view, Path::new(FILE)).unwrap();
        assert_eq!(known.rules_of("0000:01:00.1").len(), 1);
        assert!(known.by("driver_binding", "slot 1").is_some() && known.is_open);
        // The same text is not read again, and one that is changed elsewhere is.
        assert!(Rc::ptr_eq(&known, &of(&view, Path::new(FILE)).unwrap()));
        drop(known);
        view.predict(Path::new(FILE), Some(group(2))).unwrap();
        let known = of(&view, Path::new(FILE)).unwrap();
        assert!(known.rules_of("0000:01:00.1").is_empty() && known.rules_of("0000:01:00.2").len() == 1);
        // A rule that goes on would swallow the first line of what is put behind it.
        view.predict(Path::new(FILE), Some(format!("{}KERNEL==\"x\", \\\n", group(2)))).unwrap();
        assert!(!of(&view, Path::new(FILE)).unwrap().is_open);
    }
}
