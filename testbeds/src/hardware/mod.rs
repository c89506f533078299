//! Hardware that changes between a plan and a boot.
//!
//! A random machine is booted, a random playbook is put in place for it, and the machine that boots next is another: cards
//! were put in, taken out, moved, swapped, replaced. After that boot no function may have what the plan did not give it, the
//! root, the network and the console work, and `verify` names what is not as it was.

mod bench;
mod case;
mod change;
mod judge;
mod playbook;
mod rack;
mod shown;

use std::{
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use self::{bench::Bench, case::Case, judge::Verdict, shown::Shown};
use crate::{
    beds::vm::toolbox::Toolbox,
    boots::{Made, System},
    error::{Error, Result, check},
    files, images,
    progress::{self, Progress},
    workers::{self, lock},
    world::RunDirectory,
};

/// What a caller wants.
pub(crate) struct Wish {
    /// Seed of the first case; the next has the next one.
    pub(crate) seed: u64,
    pub(crate) count: u64,
    pub(crate) jobs: usize,
    /// Cases, one a line, instead of random ones.
    pub(crate) again: Option<PathBuf>,
    /// Whether cases that differ are made smaller.
    pub(crate) shrink: bool,
}

#[derive(Default)]
struct Tally {
    given: usize,
    left_alone: usize,
    told: usize,
    wrong: Vec<String>,
}

/// Plays as many cases as are wanted, and prints what was found.
pub(crate) fn run(wish: &Wish, cache: &Path, hoststate: &Path) -> Result<()> {
    crate::machine::install_tools(&Progress::new("machine"))?;
    // It is copied into images, wherever it was named from.
    let hoststate = files::absolute(hoststate)?;
    let toolbox = images::image("qemu-twin")?.get(cache)?;
    let system = System::Debian12;
    let directory = images::image(system.image())?.get(cache)?;
    let work = RunDirectory::make(cache)?;
    let made = Made::new(system, &directory, &hoststate)?;
    let bench = Bench { toolbox: Toolbox::new(&toolbox), made, work: work.path() };
    let progress = Progress::new("hardware");
    let cases = match &wish.again {
        Some(file) => read_cases(file)?,
        None => (wish.seed..wish.seed + wish.count).map(Case::of).collect(),
    };
    let count = cases.len();
    let machines: Vec<&[Case]> = cases.chunk_by(|one, other| one.before == other.before).collect();
    let tally = Mutex::new(Tally::default());
    workers::each(wish.jobs, machines.len() as u64, |worker, number| {
        let cases = machines.get(number as usize).copied().unwrap_or_default();
        let Some(first) = cases.first() else { return Ok(()) };
        let before = before(&bench, worker, first)?;
        for case in cases {
            let verdict = play(&bench, worker, case, &before)?;
            let faults = verdict.faults.join("\n  ");
            progress.line(&format!("{case}: {}", if faults.is_empty() { "right" } else { &faults }));
            if !faults.is_empty() {
                let is_wrong = |it: &Case| {
                    let before = self::before(&bench, worker, it)?;
                    Ok(!play(&bench, worker, it, &before)?.faults.is_empty())
                };
                let small = if wish.shrink { case.shrunk(is_wrong)? } else { case.clone() };
                let text = serde_json::to_string(&small);
                let text = text.map_err(|source| Error::Json { what: small.name.clone(), source })?;
                lock(&tally).wrong.push(format!("{case}\n  {faults}\n  {text}"));
            }
            let mut tally = lock(&tally);
            tally.given += verdict.given;
            tally.left_alone += verdict.left_alone;
            tally.told += verdict.told;
        }
        Ok(())
    })?;
    let tally = tally.into_inner().unwrap_or_else(PoisonError::into_inner);
    let from = match &wish.again {
        Some(file) => format!("of {}", file.display()),
        None => format!("from seed {}", wish.seed),
    };
    progress::plain(&format!(
        "{count} changed machines {from}: {} functions as agreed to, {} left alone, {} changes told by verify, {} machines wrong",
        tally.given,
        tally.left_alone,
        tally.told,
        tally.wrong.len()
    ));
    check(
        tally.wrong.is_empty(),
        "changed machines",
        "nothing that was not agreed to",
        tally.wrong.join("\n"),
    )
}

fn read_cases(file: &PathBuf) -> Result<Vec<Case>> {
    let text = files::read(file)?;
    let cases = text.lines().filter(|it| !it.trim().is_empty()).map(|line| {
        let what = || format!("{}: {line}", file.display());
        serde_json::from_str(line).map_err(|source| Error::Json { what: what(), source })
    });
    cases.collect()
}

/// Boots the machine as it was, with a host that hoststate has done nothing to.
fn before(bench: &Bench<'_>, worker: usize, case: &Case) -> Result<Shown> {
    let before = bench.boot(worker, &case.before, &bench::untouched())?;
    let missing = before.missing(&case.before);
    check(missing.is_none(), format!("{case}, before"), "every card", missing.unwrap_or_default())?;
    Ok(before)
}

/// Has the playbook put in place on the machine as it was, and boots the machine as it is.
fn play(bench: &Bench<'_>, worker: usize, case: &Case, before: &Shown) -> Result<Verdict> {
    let mut plan = Vec::new();
    let mut text = String::new();
    for declared in &case.declared {
        let Some(card) = case.meant(declared) else { continue };
        let Some(address) = before.address(card, declared.function) else { continue };
        text.push_str(&declared.text(card, address));
        plan.push((declared, card, address.to_owned()));
    }
    let playbook = bench.work.join(format!("playbook{worker}.lua"));
    files::write(&playbook, &format!("iommu {{}}\n{text}"))?;
    let tree = bench.lay(worker, before)?;
    let name = playbook.display().to_string();
    let finished = bench.call(&["converge", &name, "--yes", "--activate", "skip"], &tree)?;
    // Nothing, or what is left to do by hand and by a reboot.
    let is_done = matches!(finished.status, 0 | 2 | 3);
    check(
        is_done,
        format!("{case}: converge of\n{text}"),
        "status 0, 2 or 3",
        format!("{}\n{}{}", finished.status, finished.stdout, finished.stderr),
    )?;
    let mut host = bench.written(&tree)?;
    if case.has_old_image {
        let in_image: Vec<String> = host.image().keys().map(ToString::to_string).collect();
        host.older = in_image.into_iter().map(|path| (path, String::new())).collect();
    }
    if case.by_address_alone {
        let rules = plan.iter().map(|it| by_address_alone(&it.2));
        host.root.insert("/etc/udev/rules.d/70-by-address.rules".into(), rules.collect());
        // The rule is in the root only: in the image it would find the drive before there is a root.
        host.older.insert("/etc/udev/rules.d/70-by-address.rules".into(), String::new());
    }
    let after = bench.boot(worker, &case.after, &host)?;
    if case.by_address_alone {
        let harmless = after.root_works.then(|| "a rule that knows an address alone did no harm".to_owned());
        return Ok(Verdict { faults: harmless.into_iter().collect(), ..Verdict::default() });
    }
    let missing = after.missing(&case.after);
    check(missing.is_none(), format!("{case}, after"), "every card", missing.unwrap_or_default())?;
    bench.lay_boot(&tree, &after, &host)?;
    let verified = bench.call(&["verify", &name], &tree)?;
    let said = format!("{}{}", verified.stdout, verified.stderr);
    Ok(judge::judge(case, &plan, before, &after, &said, verified.status))
}

/// A rule that gives whatever is at an address to vfio-pci.
fn by_address_alone(address: &str) -> String {
    let device = format!("/sys/bus/pci/devices/{address}");
    format!(
        "ACTION==\"add\", SUBSYSTEM==\"pci\", KERNEL==\"{address}\", ATTR{{driver_override}}=\"vfio-pci\", \
         RUN+=\"/bin/sh -c 'modprobe vfio-pci; echo {address} >{device}/driver/unbind; echo {address} >/sys/bus/pci/drivers_probe'\"\n"
    )
}
