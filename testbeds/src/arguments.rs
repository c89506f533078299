//! The command line of the testbeds, and where their work goes.

use std::path::{Path, PathBuf};

use clap::{Parser, Subcommand};

use crate::{
    beds, bench, boots,
    error::Result,
    groups, hardware, images, life, machine, program,
    progress::{self, Progress},
    runner::{self, Runner, Wish},
    world,
};

/// Names a directory for images and runs, to be shared by several checkouts.
const CACHE_VARIABLE: &str = "HOSTSTATE_TESTBEDS_CACHE";

#[derive(Parser)]
#[command(name = "cargo testbed", about = "Proves hoststate on systems")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Name the scenarios, the beds and the images
    List,
    /// Run the named scenarios, or all that CI runs
    Run {
        /// Names of scenarios, or .lua files that declare some
        scenarios: Vec<String>,
        /// Every scenario of the project, not only those that CI runs
        #[arg(long, conflicts_with = "scenarios")]
        all: bool,
        /// An official image instead of the bed's own: a .qcow2 disk or a .tar root file system
        #[arg(long, requires = "scenarios")]
        image: Option<PathBuf>,
        /// Store what is found as what is expected
        #[arg(long)]
        bless: bool,
        /// Keep the work directory of scenarios that pass, too
        #[arg(long)]
        keep: bool,
        /// Test this program, a static executable, instead of building one
        #[arg(long)]
        hoststate: Option<PathBuf>,
        /// How many scenarios run at once
        #[arg(long, default_value_t = 1)]
        jobs: usize,
    },
    /// Make a bed and open a shell in it
    Shell {
        /// Name of a bed, of a scenario whose bed it is, or a .lua file
        bed: String,
        /// An official image instead of the bed's own
        #[arg(long)]
        image: Option<PathBuf>,
        /// Put this program into it, a static executable, instead of building one
        #[arg(long)]
        hoststate: Option<PathBuf>,
    },
    /// Build an image now, not when a scenario first needs it
    Build { image: String },
    /// Remove the images, and what killed and failed runs left
    Clean,
    /// Time whole processes beside C programs that do the least
    Bench {
        /// Counted runs of every case
        #[arg(long, default_value_t = 15)]
        runs: usize,
    },
    /// Compare what is said of the next boot with what random hosts do when they are booted
    Boots {
        /// What is booted
        #[arg(long, value_enum, default_value_t = boots::System::Debian12)]
        system: boots::System,
        /// Begin with this seed; each host has the next one
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// How many hosts
        #[arg(long, default_value_t = 12)]
        count: u64,
        /// Ask this program instead of building one
        #[arg(long)]
        hoststate: Option<PathBuf>,
        /// How many machines run at once
        #[arg(long, default_value_t = 1)]
        jobs: usize,
        /// Boot a host with a race so many times more with two processors, and count what comes of it
        #[arg(long, default_value_t = 3)]
        races: usize,
        /// Ask about the boots that were recorded in this file, and boot nothing
        #[arg(long)]
        again: Option<PathBuf>,
        /// Make hosts that are told wrong smaller, at one boot for each thing that is taken away
        #[arg(long)]
        shrink: bool,
        /// Write every boot to this file, in the form of those that the tests ask again
        #[arg(long)]
        record: Option<PathBuf>,
    },
    /// Compare the IOMMU groups that are foretold of random machines with those that a kernel forms
    Groups {
        /// Begin with this seed; each machine has the next one
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// How many machines
        #[arg(long, default_value_t = 10)]
        count: u64,
        /// Ask this program instead of building one
        #[arg(long)]
        hoststate: Option<PathBuf>,
        /// How many machines run at once
        #[arg(long, default_value_t = 1)]
        jobs: usize,
        /// Build the machines of these captures instead of random ones: hosts that hoststate reads with --capture, or what `lspci -vvnnxxxx` prints
        #[arg(long)]
        of: Vec<PathBuf>,
    },
    /// Change the hardware of random machines between a plan and a boot, and compare with what was agreed to
    Hardware {
        /// Begin with this seed; each case has the next one
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// How many cases
        #[arg(long, default_value_t = 10)]
        count: u64,
        /// Test this program, a static executable, instead of building one
        #[arg(long)]
        hoststate: Option<PathBuf>,
        /// How many machines run at once
        #[arg(long, default_value_t = 1)]
        jobs: usize,
        /// Play the cases of this file instead of random ones: those that are printed for machines that are wrong
        #[arg(long)]
        again: Option<PathBuf>,
        /// Make cases that are wrong smaller, at two boots for each thing that is taken away
        #[arg(long)]
        shrink: bool,
    },
    /// What the others start in namespaces of its own
    #[command(hide = true, subcommand)]
    Inside(Inside),
}

#[derive(Subcommand)]
enum Inside {
    Finish { image: String, work: PathBuf, file: PathBuf },
    Scenario { work: PathBuf },
    Shell { work: PathBuf },
}

/// Reads the command line and does what it says.
pub(crate) fn obey() -> Result<()> {
    let workspace = workspace();
    let target = target(&workspace);
    let cache = std::env::var_os(CACHE_VARIABLE).map_or_else(|| target.join("testbeds"), PathBuf::from);
    match Arguments::parse().command {
        Command::List => list(&workspace),
        Command::Run { scenarios, all, image, bless, keep, hoststate, jobs } => {
            let wish = Wish { wanted: scenarios, all, image, bless, keep, jobs };
            let found = runner::select(&workspace, &wish.wanted, wish.all)?;
            machine::require_root()?;
            let hoststate = static_program(hoststate, &workspace, &target)?;
            Runner { wish: &wish, cache: &cache, hoststate: &hoststate }.run(&found)
        }
        Command::Shell { bed, image, hoststate } => {
            let found = runner::bed(&workspace, &bed)?;
            machine::require_root()?;
            let hoststate = static_program(hoststate, &workspace, &target)?;
            let wish = Wish { image, ..Wish::default() };
            Runner { wish: &wish, cache: &cache, hoststate: &hoststate }.shell(&found)
        }
        Command::Build { image } => {
            machine::require_root()?;
            machine::install_tools(&Progress::new("machine"))?;
            let built = images::image(&image)?.get(&cache)?;
            progress::plain(&built.display().to_string());
            Ok(())
        }
        Command::Clean => {
            world::remove_left_runs(&cache)?;
            runner::remove_kept(&cache)?;
            images::remove_all(&cache)
        }
        Command::Bench { runs } => bench::run(&workspace, &target, runs.max(1)),
        Command::Boots { system, seed, count, hoststate, jobs, races, again, shrink, record } => {
            machine::require_root()?;
            let hoststate = static_program(hoststate, &workspace, &target)?;
            let wish = boots::Wish { system, seed, count, jobs, races, again, shrink, record };
            boots::run(&wish, &cache, &hoststate)
        }
        Command::Groups { seed, count, hoststate, jobs, of } => {
            machine::require_root()?;
            let hoststate = static_program(hoststate, &workspace, &target)?;
            groups::run(&groups::Wish { seed, count, jobs, of }, &cache, &hoststate)
        }
        Command::Hardware { seed, count, hoststate, jobs, again, shrink } => {
            machine::require_root()?;
            let hoststate = static_program(hoststate, &workspace, &target)?;
            hardware::run(&hardware::Wish { seed, count, jobs, again, shrink }, &cache, &hoststate)
        }
        Command::Inside(Inside::Finish { image, work, file }) => images::finish(&image, &work, &file),
        Command::Inside(Inside::Scenario { work }) => life::live(&work),
        Command::Inside(Inside::Shell { work }) => life::shell(&work),
    }
}

fn static_program(given: Option<PathBuf>, workspace: &Path, target: &Path) -> Result<PathBuf> {
    if let Some(program) = given {
        return Ok(program);
    }
    Progress::new("testbed").line("building hoststate");
    program::build_static(workspace, target)
}

fn list(workspace: &Path) -> Result<()> {
    for it in runner::of_project(workspace)? {
        let when = if it.head.ci { "CI" } else { "--all" };
        progress::plain(&format!("scenario  {:<32} {when:<6} {}", it.head.name, it.head.about));
    }
    for it in &beds::KINDS {
        progress::plain(&format!("bed       {:<32} {:<6} {}", it.name, "", it.about));
    }
    for it in images::all() {
        progress::plain(&format!("image     {:<32} {:<6} {}", it.name, "", it.about));
    }
    Ok(())
}

/// The checkout this program was built from: `cargo run` needs it anyway.
fn workspace() -> PathBuf {
    let member = Path::new(env!("CARGO_MANIFEST_DIR"));
    member.parent().unwrap_or(member).into()
}

fn target(workspace: &Path) -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| workspace.join("target"), |it| workspace.join(it))
}
