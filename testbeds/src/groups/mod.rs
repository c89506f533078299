//! The IOMMU groups that hoststate foretells, beside those that a kernel forms.
//!
//! A random machine is started with its IOMMU on, and shows every configuration space and every group. The spaces are laid
//! out as a host that has no group yet, and hoststate is asked about it.

mod rack;
mod replica;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use serde::Deserialize;

use self::{
    rack::{Rack, Vendor},
    replica::Replica,
};
use crate::{
    archive,
    beds::vm::{once::Once, toolbox::Toolbox},
    error::{Error, Result, check},
    files, images,
    process::{Call, tail},
    progress::{self, Progress},
    twins::{self, Captured, Twins},
    workers::{self, lock},
    world::RunDirectory,
};

const INIT: &str = include_str!("../../recipes/groups-init.sh");
/// The system whose kernel is started.
const SYSTEM: &str = "boots-debian-12";
/// A machine shows itself within 6 s where nothing else is at work.
const BOOT_SECONDS: u64 = 300;
const ASK_SECONDS: u64 = 60;
/// MiB.
const MEMORY: u32 = 384;

/// What a caller wants.
pub(crate) struct Wish {
    /// Seed of the first machine; the next has the next one.
    pub(crate) seed: u64,
    pub(crate) count: u64,
    pub(crate) jobs: usize,
    /// Captured machines, to be built again instead of random ones.
    pub(crate) of: Vec<PathBuf>,
}

/// Functions that are together, by their addresses.
type Groups = BTreeSet<BTreeSet<String>>;

#[derive(Default)]
struct Tally {
    functions: usize,
    groups: usize,
    untold: usize,
    wrong: Vec<String>,
}

/// What a machine showed: a function's modalias, group and configuration space, by its address; tables of the firmware.
#[derive(Default)]
struct Shown {
    functions: BTreeMap<String, (String, Option<String>, Vec<u8>)>,
    tables: Vec<(String, Vec<u8>)>,
}

#[derive(Deserialize)]
struct Inspected {
    devices: Vec<Device>,
}

#[derive(Deserialize)]
struct Device {
    address: String,
    foretold_group: Option<BTreeSet<String>>,
    foretold_unknown: Option<String>,
}

/// Starts as many machines as are wanted, asks about them, and prints what was found.
pub(crate) fn run(wish: &Wish, cache: &Path, hoststate: &Path) -> Result<()> {
    crate::machine::install_tools(&Progress::new("machine"))?;
    let tools = images::image("vm-toolbox")?.get(cache)?;
    let later = images::image("qemu-twin")?.get(cache)?;
    let system = images::image(SYSTEM)?.get(cache)?;
    let work = RunDirectory::make(cache)?;
    let image = work.path().join("image");
    pack(&tools, work.path(), &image)?;
    let (toolbox, later) = (Toolbox::new(&tools), Toolbox::new(&later));
    let release = files::read(system.join("release"))?.trim().to_owned();
    let progress = Progress::new("groups");
    let tally = Mutex::new(Tally::default());
    let count = if wish.of.is_empty() { wish.count } else { wish.of.len() as u64 };
    workers::each(wish.jobs, count, |worker, number| {
        let place = work.path().join(format!("machine{worker}"));
        let (name, replica) = match wish.of.get(number as usize) {
            Some(file) => {
                (file.display().to_string(), Some(Replica::of(&Captured::read(&files::read(file)?)?)))
            }
            None => (format!("seed {}", wish.seed + number), None),
        };
        let random;
        let rack = match &replica {
            Some(replica) => &replica.rack,
            None => {
                random = Rack::of(wish.seed + number);
                &random
            }
        };
        let toolbox = if rack.twins.is_some() { &later } else { &toolbox };
        let shown = start(toolbox, &system.join("vmlinux"), &image, &place, rack)?;
        let told = ask(hoststate, &place, &shown, &release)?;
        compare(&shown, &told, rack, &name, &mut lock(&tally), &progress);
        if let Some(replica) = replica {
            same(&name, &replica, &shown, &mut lock(&tally), &progress);
        }
        Ok(())
    })?;
    let Tally { functions, groups, untold, wrong } =
        tally.into_inner().unwrap_or_else(PoisonError::into_inner);
    let from = if wish.of.is_empty() { format!("from seed {}", wish.seed) } else { "as captured".into() };
    progress::plain(&format!(
        "{count} machines {from}: {functions} functions in {groups} groups, {untold} not foretold, {} machines wrong",
        wrong.len()
    ));
    if wrong.is_empty() {
        return Ok(());
    }
    Err(Error::Unexpected {
        what: "the groups foretold".into(),
        expected: "those of the kernel".into(),
        found: wrong.join("\n"),
    })
}

/// Makes the image that shows the machine: a script and what runs it.
fn pack(tools: &Path, work: &Path, image: &Path) -> Result<()> {
    let behind = work.join("behind");
    files::write_program(behind.join("init"), INIT)?;
    files::make_directory(behind.join("bin"))?;
    files::copy(tools.join("bin/busybox"), behind.join("bin/busybox"))?;
    archive::append(&behind, image)
}

/// Starts a machine.
fn start(toolbox: &Toolbox, kernel: &Path, image: &Path, place: &Path, rack: &Rack) -> Result<Shown> {
    files::make_directory(place)?;
    let known = || rack.twins.iter().flatten();
    let twins = Twins::serve(known().map(|it| it.0.clone()))?;
    let mut devices = rack.arguments();
    devices.extend(twins.arguments(known().map(|it| &it.1), MEMORY, toolbox));
    let devices: Vec<&str> = devices.iter().map(String::as_str).collect();
    let once = Once {
        kernel,
        image,
        cmdline: "console=ttyS0 panic=-1 no_timer_check quiet loglevel=0 intel_iommu=on",
        memory: MEMORY,
        disks: &[],
        keeps: false,
        devices: &devices,
        processors: 1,
        seconds: BOOT_SECONDS,
    };
    let console = once.console(toolbox, place)?;
    check(console.contains("groups: done"), "a machine", "groups: done", tail(&console))?;
    let mut shown = Shown::default();
    for line in console.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        match words[..] {
            ["function:", address, modalias, group, size, config] => {
                let size = size.parse().unwrap_or_default();
                let mut config = bytes(config);
                config.resize(size, 0);
                let group = Some(group.to_owned()).filter(|it| it != "-");
                shown.functions.insert(address.to_owned(), (modalias.to_owned(), group, config));
            }
            ["table:", name, table] => shown.tables.push((name.to_owned(), bytes(table))),
            _ => {}
        }
    }
    Ok(shown)
}

fn bytes(hexadecimal: &str) -> Vec<u8> {
    let pair =
        |it: &[u8]| u8::from_str_radix(std::str::from_utf8(it).unwrap_or_default(), 16).unwrap_or_default();
    hexadecimal.as_bytes().chunks(2).map(pair).collect()
}

/// Asks which groups there will be, on a host that has none.
fn ask(hoststate: &Path, place: &Path, shown: &Shown, release: &str) -> Result<Vec<Device>> {
    let tree = place.join("tree");
    files::remove_tree(&tree)?;
    for (address, (modalias, _, config)) in &shown.functions {
        let device = tree.join("sys/bus/pci/devices").join(address);
        files::write(device.join("modalias"), &format!("{modalias}\n"))?;
        files::write_bytes(device.join("config"), config)?;
    }
    let tables = tree.join("sys/firmware/acpi/tables");
    files::make_directory(&tables)?;
    for (name, table) in &shown.tables {
        files::write_bytes(tables.join(name), table)?;
    }
    files::write(tree.join("etc/os-release"), "ID=debian\nVERSION_ID=\"12\"\n")?;
    files::write(tree.join("proc/sys/kernel/osrelease"), &format!("{release}\n"))?;
    files::write(tree.join("proc/cmdline"), "quiet\n")?;
    let call =
        Call::new([hoststate]).args(["inspect", "devices", "--format", "json", "--root"]).args([&tree]);
    let finished = call.within(ASK_SECONDS).finish()?;
    let said = format!("{}{}", finished.stdout, finished.stderr);
    check(finished.status == 0, "inspect devices", "exit status 0", &said)?;
    let read = serde_json::from_str::<Inspected>(&finished.stdout);
    read.map(|it| it.devices).map_err(|source| Error::Json { what: "inspect devices".into(), source })
}

/// Compares the groups of functions that the kernel gave one: the IOMMU of AMD is a function itself, and has none.
fn compare(shown: &Shown, told: &[Device], rack: &Rack, name: &str, tally: &mut Tally, progress: &Progress) {
    let mut formed: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    let grouped = shown.functions.iter().filter_map(|it| Some((it.0, it.1.1.as_deref()?)));
    let grouped: BTreeMap<&String, &str> = grouped.collect();
    for (address, group) in &grouped {
        formed.entry(group).or_default().insert((*address).clone());
    }
    let untold = told.iter().filter(|it| it.foretold_unknown.is_some()).count();
    let foretold: Groups = told
        .iter()
        .filter_map(|it| it.foretold_group.clone().or(Some(BTreeSet::from([it.address.clone()]))))
        .map(|it| it.into_iter().filter(|it| grouped.contains_key(it)).collect::<BTreeSet<_>>())
        .filter(|it| !it.is_empty())
        .collect();
    let formed: Groups = formed.into_values().collect();
    tally.functions += grouped.len();
    tally.groups += formed.len();
    tally.untold += untold;
    let vendor = if rack.vendor == Vendor::Intel { "Intel" } else { "AMD" };
    if formed == foretold && !formed.is_empty() {
        progress.line(&format!("{name} ({vendor}): {} groups as foretold", formed.len()));
        return;
    }
    let differ = |of: &Groups, other: &Groups| {
        let lines = of.difference(other).map(|it| it.iter().cloned().collect::<Vec<_>>().join(" "));
        lines.collect::<Vec<_>>().join("; ")
    };
    let line = format!(
        "{name} ({vendor})\n  formed: {}\n  foretold: {}\n  machine: {}",
        differ(&formed, &foretold),
        differ(&foretold, &formed),
        rack.arguments().join(" ")
    );
    progress.line(&line);
    tally.wrong.push(line);
}

/// Compares a machine with the one that it was built again of.
fn same(name: &str, replica: &Replica, shown: &Shown, tally: &mut Tally, progress: &Progress) {
    let functions = shown.functions.iter().filter_map(|(address, (_, group, config))| {
        let function = twins::Function { config: config.clone(), group: group.clone() };
        Some((twins::address(address)?, function))
    });
    let (wrong, as_before) = replica.compare(&Captured { functions: functions.collect() });
    for it in &replica.left_out {
        progress.line(&format!("{name}: without {it}"));
    }
    progress.line(&format!(
        "{name}: {} functions as captured, {as_before} of them known to be in groups with the same",
        replica.len() - wrong.len()
    ));
    tally.wrong.extend(wrong.into_iter().map(|it| format!("{name}: {it}")));
}
