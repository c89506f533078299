//! The testbeds of hoststate: `cargo testbed list | run | shell | build | clean | bench | boots | groups | hardware`.

mod archive;
mod arguments;
mod beds;
mod bench;
mod boots;
mod dice;
mod error;
mod files;
mod groups;
mod hardware;
mod images;
mod life;
mod machine;
mod process;
mod program;
mod progress;
mod runner;
mod scenario;
mod snapshot;
mod transcript;
mod twins;
mod workers;
mod world;

use std::process::ExitCode;

fn main() -> ExitCode {
    match arguments::obey() {
        Ok(()) => ExitCode::SUCCESS,
        Err(err) => {
            progress::failure(&err);
            ExitCode::FAILURE
        }
    }
}
