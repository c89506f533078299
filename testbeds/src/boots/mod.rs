//! What hoststate says of the next boot, beside what a real boot of that host does.
//!
//! A host is a random configuration for giving devices to guests, right or wrong as people have them. It is laid out as
//! a tree and asked about; then the same files are booted by Debian's kernel, image, udev and systemd in an emulated
//! machine, and nothing of hoststate decides anything in there.

mod answer;
mod host;
mod lay;
mod random;
mod shrink;

use std::{
    path::{Path, PathBuf},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use clap::ValueEnum;

use self::{answer::Told, host::Host, lay::Bench};
use crate::{
    error::{Error, Result},
    files, images,
    progress::{self, Progress},
    world::RunDirectory,
};

/// A PCI function of the machine.
pub(crate) struct Function {
    pub(crate) address: &'static str,
    pub(crate) ids: &'static str,
    /// Modules that claim it.
    modules: &'static [&'static str],
    /// Names that people write instead.
    mistaken: &'static [&'static str],
    /// Modules that its module needs.
    parts: &'static [&'static str],
}

/// The functions that are asked about: a card with sound behind a root port, and others on the root bus.
pub(crate) const FUNCTIONS: [Function; 8] = [
    Function {
        address: "0000:01:00.0",
        ids: "1234:1111",
        modules: &["bochs"],
        mistaken: &["bochs-drm", "bochs_drm"],
        parts: &["drm", "drm_kms_helper"],
    },
    Function {
        address: "0000:01:00.1",
        ids: "8086:2668",
        modules: &["snd_hda_intel"],
        mistaken: &["snd_hda_codec_hdmi", "hda_intel"],
        parts: &["snd_hda_codec", "snd_pcm", "snd"],
    },
    Function {
        address: "0000:00:02.0",
        ids: "8086:10d3",
        modules: &["e1000e"],
        mistaken: &["e1000"],
        parts: &["ptp"],
    },
    Function {
        address: "0000:00:03.0",
        ids: "1b36:000d",
        modules: &["xhci_pci"],
        mistaken: &["xhci_hcd", "xhci"],
        parts: &["xhci_hcd", "usbcore"],
    },
    Function {
        address: "0000:00:04.0",
        ids: "1b36:0010",
        modules: &["nvme"],
        mistaken: &["nvme-pci"],
        parts: &["nvme_core"],
    },
    Function {
        address: "0000:00:05.0",
        ids: "1013:00b8",
        modules: &["cirrus"],
        mistaken: &["cirrusfb"],
        parts: &["drm", "drm_kms_helper"],
    },
    Function {
        address: "0000:00:06.0",
        ids: "8086:10d3",
        modules: &["e1000e"],
        mistaken: &["e1000"],
        parts: &["ptp"],
    },
    Function {
        address: "0000:00:07.0",
        ids: "10ec:8139",
        modules: &["8139cp", "8139too"],
        mistaken: &["r8139", "r8169"],
        parts: &["mii"],
    },
];

/// The same machine for QEMU.
pub(crate) const RACK: &[&str] = &[
    "-drive",
    "if=none,id=scratch,driver=null-co,read-zeroes=on,size=64M",
    "-device",
    "intel-iommu,intremap=on,caching-mode=on",
    "-device",
    "pcie-root-port,id=rp1,chassis=1,slot=1,addr=1.0",
    "-device",
    "bochs-display,bus=rp1,multifunction=on,addr=0.0",
    "-device",
    "intel-hda,bus=rp1,addr=0.1",
    "-device",
    "e1000e,addr=2.0",
    "-device",
    "qemu-xhci,addr=3.0",
    "-device",
    "nvme,drive=scratch,serial=scratch,addr=4.0",
    "-device",
    "cirrus-vga,addr=5.0",
    "-device",
    "e1000e,addr=6.0",
    "-device",
    "rtl8139,addr=7.0",
];

/// What is booted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum System {
    /// Debian 12 with initramfs-tools
    #[value(name = "debian-12")]
    Debian12,
    /// Debian 12 with dracut
    #[value(name = "debian-12-dracut")]
    Debian12Dracut,
    /// Debian 13 with initramfs-tools
    #[value(name = "debian-13")]
    Debian13,
}

impl System {
    fn image(self) -> &'static str {
        match self {
            Self::Debian12 => "boots-debian-12",
            Self::Debian12Dracut => "boots-debian-12-dracut",
            Self::Debian13 => "boots-debian-13",
        }
    }

    fn has_dracut(self) -> bool {
        self == Self::Debian12Dracut
    }
}

/// What a caller wants.
pub(crate) struct Wish {
    pub(crate) system: System,
    /// Seed of the first host; the next has the next one.
    pub(crate) seed: u64,
    pub(crate) count: u64,
    pub(crate) jobs: usize,
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
    let tally = Mutex::new(Tally::default());
    let (next, first_failure) = (AtomicUsize::new(0), Mutex::new(None));
    thread::scope(|scope| {
        for worker in 0..wish.jobs.max(1) {
            let (bench, tally, next, first_failure, progress) =
                (&bench, &tally, &next, &first_failure, &progress);
            scope.spawn(move || {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed) as u64;
                    if number >= wish.count || lock(first_failure).is_some() {
                        break;
                    }
                    let seed = wish.seed + number;
                    let host = random::host(seed, &bench.rules, wish.system.has_dracut());
                    match try_one(bench, worker, &host, tally, progress) {
                        Ok(Some(address)) if wish.shrink => {
                            if let Err(err) = shrunk(bench, worker, &host, address, tally) {
                                lock(first_failure).get_or_insert(err);
                            }
                        }
                        Ok(_) => {}
                        Err(err) => drop(lock(first_failure).get_or_insert(err)),
                    }
                }
            });
        }
    });
    if let Some(err) = lock(&first_failure).take() {
        return Err(err);
    }
    let tally = tally.into_inner().unwrap_or_else(PoisonError::into_inner);
    if let Some(file) = &wish.record {
        files::write(file, &tally.boots.join("\n"))?;
    }
    progress::plain(&tally.untold.join("\n"));
    progress::plain(&format!(
        "{} boots of {} from seed {}: {} functions told right, {} wrong, {} told as a race, {} unknown",
        wish.count,
        wish.system.image(),
        wish.seed,
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

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Asks about one host and boots it; returns a function that was told wrong.
fn try_one(
    bench: &Bench<'_>,
    worker: usize,
    host: &Host,
    tally: &Mutex<Tally>,
    progress: &Progress,
) -> Result<Option<&'static str>> {
    let told = bench.ask(worker, host)?;
    let became = bench.boot(worker, host)?;
    let mut wrong = None;
    let mut tally = lock(tally);
    for (told, became) in told.iter().zip(&became) {
        let line = format!("{} {told}", host.name);
        match told.holds(became.as_deref()) {
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
                wrong.get_or_insert(told.address);
                tally.wrong.push(line);
            }
        }
    }
    let recorded = host.recorded(&became);
    let said = if wrong.is_some() { format!("DIFFERS\n{recorded}") } else { "as told".into() };
    progress.line(&format!("{}: {said}", host.name));
    tally.boots.push(recorded);
    Ok(wrong)
}

/// Makes a host that was told wrong of a function smaller, and keeps its text.
fn shrunk(bench: &Bench<'_>, worker: usize, host: &Host, address: &str, tally: &Mutex<Tally>) -> Result<()> {
    let wrong = |it: &Host| -> Result<Option<String>> {
        let told = bench.ask(worker, it)?;
        let became = bench.boot(worker, it)?;
        let mut both = told.iter().zip(&became);
        let wrong = both.find(|it| it.0.address == address && it.0.holds(it.1.as_deref()) == Told::Wrong);
        Ok(wrong.map(|(told, _)| format!("{}# told: {told}\n", it.recorded(&became))))
    };
    let small = shrink::shrink(host, |it| Ok(wrong(it)?.is_some()))?;
    lock(tally).wrong.extend(wrong(&small)?);
    Ok(())
}
