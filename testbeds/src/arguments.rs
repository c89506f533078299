//! The command line of the testbeds, and where its work goes.

use std::path::{Path, PathBuf};

use clap::{Parser, Subcommand};

use crate::{
    bench,
    error::{Error, Result},
    image, machine,
    process::Call,
    progress::{self, Progress},
    root::Hoststate,
    scenarios::{SCENARIOS, Scenario},
    world::{self, Bed, RunDirectory},
};

/// The longest a scenario may take: some dozens of rebuilt images on a slow machine.
const SCENARIO_SECONDS: u64 = 3600;

#[derive(Parser)]
#[command(name = "cargo testbed", about = "Proves hoststate on systems")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Name the scenarios and the images
    List,
    /// Run the named scenarios, or all
    Run { scenarios: Vec<String> },
    /// Build an image now, not when a scenario first needs it
    Build { image: String },
    /// Remove the images and what killed runs left
    Clean,
    /// Time whole processes beside C programs that do the least
    Bench {
        /// Counted runs of every case
        #[arg(long, default_value_t = 15)]
        runs: usize,
    },
    /// Finish an image (what `build` starts in namespaces of its own)
    #[command(hide = true)]
    InsidePrepare {
        recipe: String,
        #[arg(long)]
        work: PathBuf,
        #[arg(long)]
        image: PathBuf,
    },
    /// Live through a scenario (what `run` starts in namespaces of its own)
    #[command(hide = true)]
    InsideScenario {
        scenario: String,
        #[arg(long)]
        work: PathBuf,
        #[arg(long)]
        image: PathBuf,
        #[arg(long)]
        hoststate: PathBuf,
    },
}

/// Reads the command line and does what it says.
pub(crate) fn obey() -> Result<()> {
    let workspace = workspace();
    let target = target(&workspace);
    let cache = target.join("testbeds");
    match Arguments::parse().command {
        Command::List => {
            for it in &SCENARIOS {
                progress::plain(&format!("scenario  {:<26} {}", it.name, it.about));
            }
            for it in &image::RECIPES {
                progress::plain(&format!("image     {}", it.name));
            }
            Ok(())
        }
        Command::Run { scenarios } => run(&workspace, &target, &cache, &scenarios),
        Command::Build { image } => {
            machine::require_root()?;
            let recipe = image::recipe(&image)?;
            machine::install_tools(&Progress::new("machine"))?;
            let built = image::build(recipe, &cache)?;
            progress::plain(&built.display().to_string());
            Ok(())
        }
        Command::Clean => {
            world::remove_left_runs(&cache)?;
            image::remove_all(&cache)
        }
        Command::Bench { runs } => bench::run(&workspace, &target, runs.max(1)),
        Command::InsidePrepare { recipe, work, image } => {
            image::prepare(image::recipe(&recipe)?, &Bed::make(&work, &image)?)
        }
        Command::InsideScenario { scenario, work, image, hoststate } => {
            let scenario = find(&scenario)?;
            let bed = Bed::make(&work, &image)?;
            let hoststate = Hoststate::new(&hoststate, &work, scenario.playbook)?;
            (scenario.run)(&bed, &hoststate, &Progress::new(scenario.name))
        }
    }
}

/// Runs scenarios one after the other; a failed one does not keep the others from running.
fn run(workspace: &Path, target: &Path, cache: &Path, names: &[String]) -> Result<()> {
    machine::require_root()?;
    let mut wanted = Vec::new();
    for name in names {
        wanted.push(find(name)?);
    }
    if names.is_empty() {
        wanted.extend(&SCENARIOS);
    }
    let progress = Progress::new("testbed");
    machine::install_tools(&progress)?;
    world::remove_left_runs(cache)?;
    progress.line("building hoststate");
    let hoststate = build_hoststate(workspace, target)?;
    let mut failed = Vec::new();
    for scenario in wanted {
        progress.line(&format!("{} starts", scenario.name));
        match run_one(scenario, cache, &hoststate) {
            Ok(()) => progress.line(&format!("{} passed", scenario.name)),
            Err(err) => {
                progress::failure(&err);
                progress.line(&format!("{} FAILED", scenario.name));
                failed.push(scenario.name);
            }
        }
    }
    if failed.is_empty() {
        return Ok(());
    }
    Err(Error::Scenarios { count: failed.len(), names: failed.join(", ") })
}

fn run_one(scenario: &Scenario, cache: &Path, hoststate: &Path) -> Result<()> {
    let image = image::build(image::recipe(scenario.image)?, cache)?;
    let work = RunDirectory::make(cache)?;
    world::enter(&["inside-scenario", scenario.name], work.path(), &image, Some(hoststate), SCENARIO_SECONDS)
}

/// Builds the release program, the one that users run, and returns where it is.
pub(crate) fn build_hoststate(workspace: &Path, target: &Path) -> Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    Call::new([cargo])
        .args(["build", "--release", "-p", "hoststate", "--manifest-path"])
        .args([workspace.join("Cargo.toml")])
        .env("CARGO_TARGET_DIR", target)
        .within(1800)
        .succeed()?;
    Ok(target.join("release/hoststate"))
}

fn find(name: &str) -> Result<&'static Scenario> {
    SCENARIOS.iter().find(|it| it.name == name).ok_or_else(|| Error::Unknown {
        kind: "scenario",
        name: name.into(),
        known: SCENARIOS.each_ref().map(|it| it.name).join(", "),
    })
}

/// The checkout this program was built from: `cargo run` needs it anyway.
fn workspace() -> PathBuf {
    let member = Path::new(env!("CARGO_MANIFEST_DIR"));
    member.parent().unwrap_or(member).into()
}

fn target(workspace: &Path) -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| workspace.join("target"), |it| workspace.join(it))
}
