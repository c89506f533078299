//! The testbeds of hoststate: `cargo testbed list | run | build | clean | bench`.

mod arguments;
mod bench;
mod cut;
mod error;
mod files;
mod image;
mod machine;
mod process;
mod progress;
mod root;
mod scenarios;
mod snapshot;
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
