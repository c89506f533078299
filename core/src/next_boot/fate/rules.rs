//! The udev rules that make functions, move them between drivers or off the bus, of the root and of the image.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use hoststate_abi::host_view::HostView;
use hoststate_abi::pci_address::PciAddress;

use super::moves::Rule;
use super::scripts;
use crate::error::Result;
use crate::formats::udev_rules::DIRECTORIES;
use crate::formats::udev_rules::boot_command::{BootCommand, Wanted};
use crate::formats::udev_rules::rule::{self, Pair, UdevRule};
use crate::machine::identity::at_boot;
use crate::machine::image_contents::Contents;
use crate::machine::own_program;
use crate::machine::pci_bus::rule_index::{self, RuleIndex};
use crate::machine::pci_bus::{self, PciDevice};

/// Directories of what systemd-tmpfiles writes at boot, the strongest first (tmpfiles.d(5)).
const TMPFILES: [&str; 3] = ["/etc/tmpfiles.d", "/run/tmpfiles.d", "/usr/lib/tmpfiles.d"];

/// Attributes that make virtual functions, and keep drivers from them.
pub(super) const COUNT: &str = "sriov_numvfs";
pub(super) const AUTOPROBE: &str = "sriov_drivers_autoprobe";

/// A rule that moves or makes functions.
pub(super) struct Moving {
    /// Its file and line.
    pub(super) place: String,
    pub(super) rule: UdevRule,
    /// What it has hoststate do, where hoststate is there to do it.
    pub(super) command: Option<BootCommand>,
    /// Whether hoststate gives the function back, because the card is another of its kind.
    is_for_twin: bool,
    /// The rules before it that lead behind it.
    skips: Vec<UdevRule>,
}

/// Those of one place, in order.
pub(super) type Rules = RuleIndex<Moving>;

impl Moving {
    /// Returns the name of the only device that the rule can say something of.
    fn only_name(&self) -> Option<&str> {
        let name = rule_index::exact_name(&self.rule)?;
        // A command may name the address of another, or the ids of many.
        let is_own = |command: &str| {
            let words = scripts::words(command);
            let mut addresses = words.iter().filter(|it| it.parse::<PciAddress>().is_ok()).peekable();
            match addresses.peek() {
                Some(_) => addresses.all(|it| *it == name),
                None => !command.contains("new_id"),
            }
        };
        runs(&self.rule).filter(|it| moves(it)).all(is_own).then_some(name)
    }

    /// Returns whether the rule is carried out for a function, as far as can be told.
    pub(super) fn is_about(&self, device: &PciDevice) -> bool {
        let known = |key: &str, name: Option<&str>| pci_bus::rule_values::of(device, key, name);
        self.rule.may_match(known) && !self.skips.iter().any(|it| it.must_match(known))
    }

    /// Returns the command by which it has hoststate bind a function.
    fn binds(&self, device: &PciDevice) -> Option<String> {
        let command = self.command.as_ref().filter(|it| it.address == device.address)?;
        matches!(command.wanted, Wanted::Driver(_)).then(|| command.to_string())
    }

    /// Returns how many virtual functions it makes, and whether drivers may take them, where it says so.
    pub(super) fn makes(&self) -> (Option<u16>, Option<bool>) {
        if let Some(BootCommand { wanted: Wanted::Functions { numvfs, autoprobe }, .. }) = self.command {
            return if self.is_for_twin { (None, None) } else { (Some(numvfs), autoprobe) };
        }
        let count = self.rule.assigned(COUNT).and_then(|it| it.trim().parse().ok());
        (count, self.rule.assigned(AUTOPROBE).map(|it| it.trim() != "0"))
    }

    /// Returns whether the rule is for events that no boot has.
    fn is_for_another_time(&self) -> bool {
        let only =
            |key: &str, _: Option<&str>| (key == "ACTION").then(|| vec!["add".to_owned(), "bind".to_owned()]);
        !self.rule.may_match(only) || self.skips.iter().any(|it| it.must_match(only))
    }
}

/// The files of directories in the order of their names; a file of an earlier directory hides its namesakes in later ones
/// (udev(7), modules-load.d(5)).
pub(super) fn files(host: &HostView, directories: &[&str], ending: &str) -> Result<Vec<PathBuf>> {
    let mut files: BTreeMap<String, PathBuf> = BTreeMap::new();
    for directory in directories.iter().map(Path::new) {
        for name in host.list(directory)?.into_iter().filter(|it| it.ends_with(ending)) {
            files.entry(name).or_insert_with_key(|it| directory.join(it));
        }
    }
    Ok(files.into_values().collect())
}

/// Returns the rules of the root file system.
pub(super) fn of_root(host: &HostView) -> Result<Rules> {
    let mut rules: Vec<Moving> = Vec::new();
    let mut programs: BTreeMap<String, bool> = BTreeMap::new();
    for path in files(host, &DIRECTORIES, ".rules")? {
        let parsed: Option<Rc<Vec<UdevRule>>> = host.parsed(&path, rule::parse)?;
        let parsed = parsed.iter().flat_map(|it| it.iter());
        for (program, _) in parsed.clone().filter_map(BootCommand::of_rule) {
            if !programs.contains_key(program) {
                programs.insert(program.to_owned(), !own_program::is_missing(host, Path::new(program))?);
            }
        }
        let has = |program: &str| programs.get(program).copied().unwrap_or_default();
        rules.extend(moving(&path.display().to_string(), parsed, &has));
    }
    for it in &mut rules {
        let Some(command) = &it.command else { continue };
        it.is_for_twin = at_boot::is_for_other(command, host)?;
    }
    Ok(RuleIndex::new(rules, Moving::only_name))
}

/// Returns the rules of an image.
pub(super) fn of_image(contents: &Contents, image: &str) -> Rules {
    let is_rule = |it: &&String| it.contains("udev/rules.d/") && it.ends_with(".rules");
    // As in the root: the first of a name, and all in the order of their names.
    let mut seen = BTreeSet::new();
    let rank = |path: &str| {
        DIRECTORIES.iter().position(|it| path.starts_with(&it[1..])).unwrap_or(DIRECTORIES.len())
    };
    let mut files: Vec<&String> = contents.files.keys().filter(is_rule).collect();
    files.sort_by_key(|it| (it.rsplit('/').next().unwrap_or_default(), rank(it)));
    files.retain(|it| seen.insert(it.rsplit('/').next().unwrap_or_default()));
    let rules = files.into_iter().map(|it| (format!("/{it} in {image}"), rule::parse(contents.text(it))));
    // hoststate puts no program into images.
    let all = rules.flat_map(|(file, rules)| moving(&file, rules.iter(), &|_| false)).collect();
    RuleIndex::new(all, Moving::only_name)
}

/// Returns what moves or makes functions among the rules of a file. `has` says whether a program is there.
fn moving<'a>(
    file: &str,
    rules: impl Iterator<Item = &'a UdevRule>,
    has: &dyn Fn(&str) -> bool,
) -> Vec<Moving> {
    let mut skips: Vec<&UdevRule> = Vec::new();
    let mut found = Vec::new();
    for rule in rules {
        if let Some(label) = rule.value_of("LABEL") {
            skips.retain(|it| it.value_of("GOTO") != Some(label));
        }
        if rule.value_of("GOTO").is_some() {
            skips.push(rule);
        }
        let own = BootCommand::of_rule(rule);
        let lacks_program = own.as_ref().is_some_and(|it| !has(it.0));
        if lacks_program && tests(rule, own.as_ref().map(|it| it.0)) {
            continue;
        }
        let command = own.map(|it| it.1).filter(|_| !lacks_program);
        if command.is_some() || is_moving(rule) {
            let place = format!("{file}:{}", rule.line);
            let skips = skips.iter().map(|it| (*it).clone()).collect();
            found.push(Moving { place, rule: rule.clone(), command, is_for_twin: false, skips });
        }
    }
    found
}

/// Returns whether a rule asks whether the program is there that it runs.
fn tests(rule: &UdevRule, program: Option<&str>) -> bool {
    let is_asking = |it: &Pair| it.key == "TEST" && it.operator == "==" && Some(it.value.as_str()) == program;
    rule.pairs.iter().any(is_asking)
}

fn is_moving(rule: &UdevRule) -> bool {
    let makes = [COUNT, AUTOPROBE].iter().any(|it| rule.assigned(it).is_some())
        || runs(rule).any(|it| it.contains(COUNT));
    makes || driver(rule).is_some() || removes(rule) || runs(rule).any(|it| moves(it) || loaded(it).is_some())
}

/// The module that a command of a rule loads by its name, and whether it heeds the blacklist.
fn loaded(command: &str) -> Option<(String, bool)> {
    if let Some(module) = command.strip_prefix("kmod load ") {
        return Some((module.trim().to_owned(), true));
    }
    let mut words = command.split_whitespace();
    let program = words.next()?;
    if program != "modprobe" && !program.ends_with("/modprobe") {
        return None;
    }
    let words: Vec<&str> = words.collect();
    let heeds = words.iter().any(|it| matches!(*it, "-b" | "--use-blacklist"));
    let is_loading = !words.iter().any(|it| matches!(*it, "-r" | "--remove" | "-n" | "--dry-run"));
    let module = words.iter().find(|it| !it.starts_with('-')).filter(|_| is_loading)?;
    Some(((*module).to_owned(), heeds))
}

fn runs(rule: &UdevRule) -> impl Iterator<Item = &str> {
    rule.pairs.iter().filter(|it| it.key == "RUN").map(|it| it.value.as_str())
}

fn moves(command: &str) -> bool {
    ["unbind", "driver_override", "new_id", "/bind"].iter().any(|word| command.contains(word))
}

fn driver(rule: &UdevRule) -> Option<&str> {
    rule.assigned("driver_override").map(str::trim).filter(|it| !it.is_empty())
}

fn removes(rule: &UdevRule) -> bool {
    rule.assigned("remove").is_some_and(|it| it.trim() == "1")
}

/// Returns whether a command has the function leave its driver and the bus look again: for the driver that a rule names.
fn probes(command: &str) -> bool {
    command.contains("unbind") && command.contains("drivers_probe")
}

/// Returns whether a command is about the function by its address or its ids; `None` where it names none of both.
fn names(command: &str, device: &PciDevice) -> Option<bool> {
    let words = scripts::words(command);
    if words.iter().any(|it| it.parse::<PciAddress>().is_ok()) {
        return Some(scripts::are_about(&words, device.address));
    }
    let is_part = |it: char| it.is_ascii_hexdigit();
    let words: Vec<&str> = command.split(|it| !is_part(it)).filter(|it| it.len() == 4).collect();
    let number = |text: &str| u32::from_str_radix(text, 16).ok();
    let mut pairs = words.windows(2).filter_map(|it| Some((number(it[0])?, number(it[1])?))).peekable();
    if !command.contains("new_id") || pairs.peek().is_none() {
        return None;
    }
    Some(pairs.any(|it| it == (device.id.vendor, device.id.device)))
}

/// Returns what rules say about a function: those that match it, and those of others whose commands name it.
pub(super) fn matching(rules: &Rules, device: &PciDevice) -> Vec<Rule> {
    let said = rules.of(device).filter_map(|moving| {
        let (place, rule) = (&moving.place, &moving.rule);
        let matches = moving.is_about(device);
        let is_about = |it: &&str| moves(it) && names(it, device).unwrap_or(matches);
        let (rebinding, other): (Vec<&str>, Vec<&str>) =
            runs(rule).filter(is_about).partition(|it| matches && probes(it));
        let runs = other.first().map(|it| (*it).to_owned());
        if !matches {
            let runs = runs.filter(|_| !moving.is_for_another_time());
            return runs.map(|it| Rule { runs: Some(it), place: place.clone(), ..Rule::default() });
        }
        Some(Rule {
            driver: driver(rule).map(str::to_owned),
            loads: self::runs(rule).find_map(loaded),
            rebinds: moving.binds(device).or_else(|| rebinding.first().map(|it| (*it).to_owned())),
            gives_back: moving.is_for_twin,
            removes: removes(rule),
            runs,
            place: place.clone(),
        })
    });
    said.collect()
}

/// What systemd-tmpfiles writes at boot.
pub(super) struct Written {
    pub(super) target: String,
    pub(super) value: String,
    pub(super) place: String,
}

/// Returns what systemd-tmpfiles writes to files.
pub(super) fn tmpfiles(host: &HostView) -> Result<Vec<Written>> {
    let mut written = Vec::new();
    for path in files(host, &TMPFILES, ".conf")? {
        let text = host.read_lossy(&path)?.unwrap_or_default();
        for (index, line) in text.lines().enumerate() {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let [kind, target, .., value] = fields[..] else { continue };
            if kind.trim_end_matches(['!', '+', '-', '=']).eq_ignore_ascii_case("w") {
                let place = format!("{}:{}", path.display(), index + 1);
                written.push(Written { target: target.to_owned(), value: value.to_owned(), place });
            }
        }
    }
    Ok(written)
}

/// Returns the function whose attribute a path is.
pub(super) fn owner(path: &str, attribute: &str) -> Option<PciAddress> {
    let (directory, name) = path.rsplit_once('/')?;
    directory.rsplit('/').next().filter(|_| name == attribute)?.parse().ok()
}
