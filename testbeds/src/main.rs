//! The testbeds of hoststate: `cargo testbed list | run | build | clean | bench`.

mod arguments;
mod bench;
mod error;
mod files;
mod process;
mod progress;

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
