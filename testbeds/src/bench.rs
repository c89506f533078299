//! Times whole processes: `hoststate` beside C programs that do the least the same work can cost.

mod growth;
mod plugin;
mod tree;

use std::path::{Path, PathBuf};

use crate::{
    error::{Error, Result, check},
    files,
    process::{Call, tail},
    program,
    progress::{self, Progress},
};

/// The C programs of `testbeds/bench`: the floors, and the one that starts and times both sides alike.
const PROGRAMS: [&str; 4] = ["measure", "floor_check", "floor_options", "floor_write"];
/// Files that the module options are spread over.
const FILES: usize = 100;
/// PCI functions of a host with many virtual ones.
const FUNCTIONS: usize = 2_048;

/// One line of the table: a program under test, what it must end with, and its floor.
struct Case {
    name: String,
    hoststate: Vec<String>,
    /// Exit statuses that mean the work was done.
    statuses: &'static [i32],
    floor: Option<Vec<String>>,
    /// The directory that is emptied and made again before every run.
    fresh: Option<PathBuf>,
}

#[derive(Default)]
struct Samples {
    nanoseconds: Vec<u64>,
    peak_kib: u64,
}

/// Builds everything, runs every case `runs` times and prints the table.
pub(crate) fn run(workspace: &Path, target: &Path, runs: usize) -> Result<()> {
    let progress = Progress::new("bench");
    progress.line("building the release program and the floors");
    let built = program::build(workspace, target)?;
    // A plugin runs as a user without rights, and reads the hosts.
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    let scratch = tempfile::Builder::new().prefix("hoststate-bench-").permissions(open).tempdir()?;
    for name in PROGRAMS {
        Call::new(["cc", "-O2", "-static", "-o"])
            .args([scratch.path().join(name)])
            .args([workspace.join(format!("testbeds/bench/{name}.c"))])
            .succeed()?;
    }
    // As `cargo install` leaves it: what the linker wrote through a mapping lies in the page cache in smaller pieces.
    let hoststate = scratch.path().join("hoststate");
    files::copy(built, &hoststate)?;
    let mut cases = cases(workspace, scratch.path(), &hoststate)?;
    cases.extend(plugin::cases(workspace, target, scratch.path(), &hoststate)?);
    let mut rows = vec![["case", "hoststate", "min", "floor", "min", "ratio", "RSS"].map(String::from)];
    for case in cases {
        progress.line(&case.name);
        rows.push(measure(&case, scratch.path(), runs)?);
    }
    progress::plain(&format!(
        "\nmedian and least of {runs} runs in ms, whole processes; RSS is the peak of hoststate"
    ));
    progress::plain(&table(&rows));
    progress::plain(&growth(scratch.path(), &hoststate, runs, &progress)?);
    Ok(())
}

/// Returns one line for each thing of which a host has ten times as many: how many times as long its plan takes.
fn growth(scratch: &Path, hoststate: &Path, runs: usize, progress: &Progress) -> Result<String> {
    let mut text = String::from("\nten times as many, and how many times as long a plan takes");
    for (what, [small, large]) in growth::pairs(scratch, hoststate)? {
        progress.line(what);
        let ((small, _), (large, _)) = (samples(&small, scratch, runs)?, samples(&large, scratch, runs)?);
        let (before, after) = (small.median().unwrap_or(1), large.median().unwrap_or(1));
        let ratio = after as f64 / before as f64;
        text.push_str(&format!(
            "\n{what}: {ratio:.1} ({} ms, {} ms, {:.0} MiB)",
            milliseconds(before),
            milliseconds(after),
            large.peak_kib as f64 / 1024.0
        ));
    }
    Ok(text)
}

fn calling(hoststate: &Path, verb: &[&str], playbook: &Path, root: &Path) -> Vec<String> {
    let mut argv = vec![hoststate.display().to_string()];
    argv.extend(verb.iter().map(ToString::to_string));
    argv.push(playbook.display().to_string());
    argv.push("--root".into());
    argv.push(root.display().to_string());
    argv
}

fn cases(workspace: &Path, scratch: &Path, hoststate: &Path) -> Result<Vec<Case>> {
    let call = |verb: &[&str], playbook: &Path, root: &Path| calling(hoststate, verb, playbook, root);
    let floor = |name: &str, args: &[String]| -> Option<Vec<String>> {
        let mut argv = vec![scratch.join(name).display().to_string()];
        argv.extend_from_slice(args);
        Some(argv)
    };
    let converge = ["converge", "--yes", "--activate", "skip", "--detailed-exitcode"];

    let mut cases = Vec::new();
    let (root, playbook) = (scratch.join("small"), scratch.join("small.lua"));
    tree::small_host(&root)?;
    files::write(&playbook, tree::SMALL_PLAYBOOK)?;
    cases.push(Case {
        name: "check small host".into(),
        hoststate: call(&converge, &playbook, &root),
        statuses: &[0],
        floor: floor("floor_check", &[root.display().to_string()]),
        fresh: None,
    });
    for declarations in [1_000, 10_000] {
        let root = scratch.join(format!("options-{declarations}"));
        let playbook = scratch.join(format!("options-{declarations}.lua"));
        tree::bare_host(&root)?;
        tree::options(&root, declarations, FILES)?;
        files::write(&playbook, &tree::options_playbook(declarations, FILES))?;
        cases.push(Case {
            name: format!("check {declarations} options"),
            hoststate: call(&converge, &playbook, &root),
            statuses: &[0],
            floor: floor(
                "floor_options",
                &[root.display().to_string(), declarations.to_string(), FILES.to_string()],
            ),
            fresh: None,
        });
    }
    let root = scratch.join("write");
    cases.push(Case {
        name: "write 1000 options".into(),
        hoststate: call(&converge, &scratch.join("options-1000.lua"), &root),
        statuses: &[2],
        floor: floor("floor_write", &[root.display().to_string(), "1000".into(), FILES.to_string()]),
        fresh: Some(root),
    });
    let playbook = scratch.join("images.lua");
    files::write(&playbook, tree::IMAGE_PLAYBOOK)?;
    // With the modules tree of Debian a known host takes at most 10 ms, and one that was never seen 60 ms.
    for (name, is_known, has_modules) in [
        ("check three images, new", false, false),
        ("check three images, known", true, false),
        ("check modules tree and three images, new", false, true),
        ("check modules tree and three images, known", true, true),
    ] {
        let root = scratch.join(name.replace([' ', ','], "-"));
        tree::bare_host(&root)?;
        tree::images(&root, 2)?;
        if has_modules {
            tree::modules_tree(&root, 2, 32)?;
        }
        if is_known {
            Call::new(call(&converge, &playbook, &root)).finish()?;
        }
        let expected: &[i32] = if is_known { &[0] } else { &[2] };
        cases.push(Case {
            name: name.into(),
            hoststate: call(&["plan", "--detailed-exitcode"], &playbook, &root),
            statuses: expected,
            floor: None,
            fresh: None,
        });
    }
    // Who gets each of as many functions as eight cards have virtual ones takes at most 80 ms of that.
    let (root, playbook) = (scratch.join("functions"), scratch.join("functions.lua"));
    tree::bare_host(&root)?;
    tree::modules_tree(&root, 0, FUNCTIONS)?;
    files::write(&playbook, "modprobe_options { module = \"kvm\", options = { ignore_msrs = \"1\" } }\n")?;
    cases.push(Case {
        name: format!("fates of {FUNCTIONS} functions"),
        hoststate: call(&["plan", "--detailed-exitcode"], &playbook, &root),
        statuses: &[2],
        floor: None,
        fresh: None,
    });
    // That eight cards make them for guests takes at most 80 ms and 60 MiB.
    let (root, playbook) = (scratch.join("cards"), scratch.join("cards.lua"));
    tree::bare_host(&root)?;
    tree::cards(&root)?;
    files::write(&playbook, &tree::cards_playbook(FUNCTIONS))?;
    cases.push(Case {
        name: format!("{FUNCTIONS} functions of eight cards"),
        hoststate: call(&["plan", "-q", "--detailed-exitcode"], &playbook, &root),
        statuses: &[2],
        floor: None,
        fresh: None,
    });
    for host in files::list(workspace.join("examples/hosts"))? {
        let name = host.file_stem().unwrap_or_default().to_string_lossy();
        let root = scratch.join(&*name);
        Call::new([hoststate, "unpack".as_ref(), &host, &root].map(|it| it.display().to_string()))
            .finish()?;
        let playbook = workspace.join("examples/iommu-intel.lua");
        cases.push(Case {
            name: format!("plan {name}"),
            hoststate: call(&["plan", "--detailed-exitcode"], &playbook, &root),
            // A captured host may be one that has to be refused; only an error is a failure here.
            statuses: &[0, 2, 3, 4],
            floor: None,
            fresh: None,
        });
    }
    Ok(cases)
}

/// Runs both sides in turn, so that a busy moment of the machine hits both; hoststate's samples come first.
fn samples(case: &Case, scratch: &Path, runs: usize) -> Result<(Samples, Samples)> {
    let mut hoststate = Samples::default();
    let mut floor = Samples::default();
    for round in 0..=runs {
        let (first, second) = (
            sample(case, scratch, &case.hoststate, case.statuses)?,
            case.floor.as_ref().map(|argv| sample(case, scratch, argv, &[0])).transpose()?,
        );
        // The first round fills the caches of both and is not counted.
        if round > 0 {
            hoststate.add(first);
            if let Some(second) = second {
                floor.add(second);
            }
        }
    }
    Ok((hoststate, floor))
}

fn measure(case: &Case, scratch: &Path, runs: usize) -> Result<[String; 7]> {
    let (hoststate, floor) = samples(case, scratch, runs)?;
    let shown = |it: Option<u64>| it.map_or("-".into(), milliseconds);
    let ratio = match (hoststate.median(), floor.median()) {
        (Some(ours), Some(least)) if least > 0 => format!("{:.2}", ours as f64 / least as f64),
        _ => "-".into(),
    };
    Ok([
        case.name.clone(),
        shown(hoststate.median()),
        shown(hoststate.least()),
        shown(floor.median()),
        shown(floor.least()),
        ratio,
        format!("{:.1} MiB", hoststate.peak_kib as f64 / 1024.0),
    ])
}

/// Returns the nanoseconds and the peak memory of one run.
fn sample(case: &Case, scratch: &Path, argv: &[String], statuses: &[i32]) -> Result<(u64, u64)> {
    if let Some(root) = &case.fresh {
        files::remove_tree(root)?;
        tree::bare_host(root)?;
    }
    let finished = Call::new([scratch.join("measure")]).args(argv).finish()?;
    let numbers: Vec<u64> = finished.stdout.split_whitespace().filter_map(|it| it.parse().ok()).collect();
    let [nanoseconds, peak_kib, status] = numbers[..] else {
        return Err(Error::Failed {
            argv: argv.join(" "),
            status: finished.status,
            output: tail(&finished.stderr).into(),
        });
    };
    check(
        statuses.iter().any(|it| u64::try_from(*it) == Ok(status)),
        format!("{}: exit status of `{}`", case.name, argv.join(" ")),
        format!("one of {statuses:?}"),
        format!("{status}; {}", tail(&finished.stderr)),
    )?;
    Ok((nanoseconds, peak_kib))
}

impl Samples {
    fn add(&mut self, (nanoseconds, peak_kib): (u64, u64)) {
        self.nanoseconds.push(nanoseconds);
        self.nanoseconds.sort_unstable();
        self.peak_kib = self.peak_kib.max(peak_kib);
    }

    fn median(&self) -> Option<u64> {
        self.nanoseconds.get(self.nanoseconds.len() / 2).copied()
    }

    fn least(&self) -> Option<u64> {
        self.nanoseconds.first().copied()
    }
}

fn milliseconds(nanoseconds: u64) -> String {
    format!("{:.2}", nanoseconds as f64 / 1e6)
}

/// Aligns the columns: the first to the left, numbers to the right.
fn table(rows: &[[String; 7]]) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].len()).max().unwrap_or(0);
    let lines: Vec<String> = rows
        .iter()
        .map(|row| {
            let cells = row.iter().enumerate().map(|(column, cell)| {
                if column == 0 {
                    format!("{cell:<width$}", width = width(column))
                } else {
                    format!("{cell:>width$}", width = width(column))
                }
            });
            cells.collect::<Vec<_>>().join("  ")
        })
        .collect();
    lines.join("\n")
}
