//! The command line of the testbeds, and where its work goes.

use std::path::{Path, PathBuf};

use clap::{Parser, Subcommand};

use crate::{bench, error::Result};

#[derive(Parser)]
#[command(name = "cargo testbed", about = "Proves hoststate on systems")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Time whole processes beside C programs that do the least
    Bench {
        /// Counted runs of every case
        #[arg(long, default_value_t = 15)]
        runs: usize,
    },
}

/// Reads the command line and does what it says.
pub(crate) fn obey() -> Result<()> {
    let workspace = workspace();
    let target = target(&workspace);
    match Arguments::parse().command {
        Command::Bench { runs } => bench::run(&workspace, &target, runs.max(1)),
    }
}

/// The checkout this program was built from: `cargo run` needs it anyway.
fn workspace() -> PathBuf {
    let member = Path::new(env!("CARGO_MANIFEST_DIR"));
    member.parent().unwrap_or(member).into()
}

fn target(workspace: &Path) -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| workspace.join("target"), |it| workspace.join(it))
}
