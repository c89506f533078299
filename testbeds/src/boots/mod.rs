//! What hoststate says of the next boot, beside what a real boot of that host does.
//!
//! A host is a random configuration for giving devices to guests, right or wrong as people have them. It is laid out as
//! a tree and asked about; then the same files are booted by Debian's kernel, image, udev and systemd in an emulated
//! machine, and nothing of hoststate decides anything in there.

mod answer;
mod host;
mod lay;
mod machine;
mod made;
mod moving;
pub(crate) mod rack;
mod random;
mod shrink;
mod system;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use self::{
    answer::{Answer, Told},
    lay::Bench,
};
pub(crate) use self::{
    host::Host,
    made::{Made, Programs},
    system::System,
};
use crate::{
    error::{Error, Result},
    files, images,
    progress::{self, Progress},
    workers::{self, lock},
    world::RunDirectory,
};

/// The drivers of functions, by their addresses.
type Drivers = BTreeMap<String, Option<String>>;

/// What a caller wants.
pub(crate) struct Wish {
    pub(crate) system: System,
    /// Seed of the first host; the next has the next one.
    pub(crate) seed: u64,
    pub(crate) count: u64,
    pub(crate) jobs: usize,
    /// How often a host with a race is booted besides, to see what comes of it.
    pub(crate) races: usize,
    /// Recorded boots, to be asked about instead of booted.
    pub(crate) again: Option<PathBuf>,
    /// Whether hosts that differ are made smaller, at one boot for each thing that is taken away.
    pub(crate) shrink: bool,
    /// The file that boots are written to.
    pub(crate) record: Option<PathBuf>,
}

/// What became of the answers.
#[derive(Default)]
struct Tally {
    right: usize,
    race: usize,
    unknown: usize,
    wrong: Vec<String>,
    /// What was not told, with its reason.
    untold: Vec<String>,
    boots: Vec<String>,
}

/// Asks and boots as many hosts as are wanted, shrinks those that differ, and prints what was found.
pub(crate) fn run(wish: &Wish, cache: &Path, hoststate: &Path) -> Result<()> {
    crate::machine::install_tools(&Progress::new("machine"))?;
    let toolbox = images::image("vm-toolbox")?.get(cache)?;
    let system = images::image(wish.system.image())?.get(cache)?;
    let work = RunDirectory::make(cache)?;
    let bench = Bench::new(wish.system, &toolbox, &system, hoststate, work.path())?;
    let progress = Progress::new(wish.system.image());
    let recorded = match &wish.again {
        Some(file) => Some(Host::parse_all(&files::read(file)?, &bench.before)),
        None => None,
    };
    let count = recorded.as_ref().map_or(wish.count, |it| it.len() as u64);
    let tally = Mutex::new(Tally::default());
    let one = |worker: usize, number: u64| -> Result<()> {
        if let Some((host, became)) = recorded.as_ref().and_then(|it| it.get(number as usize)) {
            judge(&bench, host, &bench.ask(worker, host)?, became, &tally, &progress);
            return Ok(());
        }
        let host = random::host(wish.seed + number, &bench.rules, wish.system);
        let told = bench.ask(worker, &host)?;
        // What is right with one processor need not be with two.
        let became = bench.boot(worker, &host, 1 + (number % 2) as u8)?;
        let wrong = judge(&bench, &host, &told, &became, &tally, &progress);
        if let Some(file) = &wish.record {
            files::write(file, &lock(&tally).boots.join("\n"))?;
        }
        if told.iter().any(Answer::is_race) {
            let again = (0..wish.races).map(|_| bench.boot(worker, &host, 2)).collect::<Result<Vec<_>>>()?;
            run_races(&host, &told, &again, &tally);
        }
        match wrong {
            Some(address) if wish.shrink => shrunk(&bench, worker, &host, &address, &tally),
            _ => Ok(()),
        }
    };
    workers::each(wish.jobs, count, one)?;
    let tally = tally.into_inner().unwrap_or_else(PoisonError::into_inner);
    progress::plain(&tally.untold.join("\n"));
    let from = match &wish.again {
        Some(file) => format!("recorded in {}", file.display()),
        None => format!("from seed {}", wish.seed),
    };
    progress::plain(&format!(
        "{count} boots of {} {from}: {} functions told right, {} wrong, {} told as a race, {} unknown",
        wish.system.image(),
        tally.right,
        tally.wrong.len(),
        tally.race,
        tally.unknown
    ));
    if tally.wrong.is_empty() {
        return Ok(());
    }
    Err(Error::Unexpected {
        what: "the next boot".into(),
        expected: "what real boots do".into(),
        found: format!("{} differences:\n{}", tally.wrong.len(), tally.wrong.join("\n")),
    })
}

/// Compares what was said of a host with its boot; returns a function that was told wrong.
fn judge(
    bench: &Bench<'_>,
    host: &Host,
    told: &[Answer],
    became: &Drivers,
    tally: &Mutex<Tally>,
    progress: &Progress,
) -> Option<String> {
    let mut wrong = None;
    let mut tally = lock(tally);
    for told in told {
        let line = format!("{} {told}", host.name);
        match told.holds(became) {
            Told::Right => tally.right += 1,
            Told::Race => {
                tally.race += 1;
                tally.untold.push(line);
            }
            Told::Unknown => {
                tally.unknown += 1;
                tally.untold.push(line);
            }
            Told::Wrong => {
                wrong.get_or_insert(told.address.clone());
                tally.wrong.push(line);
            }
        }
    }
    for address in became.keys().filter(|it| !told.iter().any(|told| told.address == **it)) {
        wrong.get_or_insert(address.clone());
        tally.wrong.push(format!("{} {address} comes, and nothing was said of it", host.name));
    }
    let recorded = host.recorded(&bench.before, became);
    let said = if wrong.is_some() { format!("DIFFERS\n{recorded}") } else { "as told".into() };
    progress.line(&format!("{}: {said}", host.name));
    tally.boots.push(recorded);
    wrong
}

/// Counts what came of the races of a host in further boots: what was no race must always come out as it was told.
fn run_races(host: &Host, told: &[Answer], boots: &[Drivers], tally: &Mutex<Tally>) {
    let mut tally = lock(tally);
    for told in told {
        if told.is_race() {
            let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
            for boot in boots {
                let driver = boot.get(&told.address).and_then(Option::as_deref).unwrap_or("-");
                *counts.entry(driver).or_default() += 1;
            }
            let counts: Vec<String> =
                counts.iter().map(|(driver, count)| format!("{count} x {driver}")).collect();
            tally.untold.push(format!(
                "{} {}: {} of {} further boots",
                host.name,
                told.address,
                counts.join(", "),
                boots.len()
            ));
        }
        let is_wrong = boots.iter().any(|it| told.holds(it) == Told::Wrong);
        tally.wrong.extend(is_wrong.then(|| format!("{} {told}, in one of further boots", host.name)));
    }
}

/// Makes a host that was told wrong of a function smaller, and keeps its text.
fn shrunk(bench: &Bench<'_>, worker: usize, host: &Host, address: &str, tally: &Mutex<Tally>) -> Result<()> {
    let wrong = |it: &Host| -> Result<Option<String>> {
        let told = bench.ask(worker, it)?;
        let became = bench.boot(worker, it, 1)?;
        let mut of_it = told.iter().filter(|it| it.address == address);
        let is_told = told.iter().any(|it| it.address == address);
        let said = match of_it.find(|it| it.holds(&became) == Told::Wrong) {
            Some(told) => Some(told.to_string()),
            None if !is_told && became.contains_key(address) => Some(format!("nothing of {address}")),
            None => None,
        };
        Ok(said.map(|said| format!("{}# told: {said}\n", it.recorded(&bench.before, &became))))
    };
    let small = shrink::shrink(host, |it| Ok(wrong(it)?.is_some()))?;
    lock(tally).wrong.extend(wrong(&small)?);
    Ok(())
}
