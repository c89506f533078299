//! The `hoststate` command.

mod args;
mod capture;
mod commands;
mod completion;
mod consent;
mod error;
mod exit;
mod journal;
mod manual;
mod playbook;
mod plugins;
mod progress;
mod provenance;
mod render;
mod saved;
mod session;
mod signals;
mod target;
mod text_file;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::FromArgMatches;
use clap::error::ErrorKind;

use crate::args::{Arguments, Colour, Command, Format, OutputOptions};
use crate::error::{Error, Result};
use crate::exit::Exit;
use crate::session::Session;
use crate::signals::EndAtOnce;

/// A plan of ten thousand declarations is a million small allocations; this one does them in a third of the time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // What is made here, and by the tools that run here, does not depend on who is logged in.
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
    let words: Vec<OsString> = std::env::args_os().collect();
    if let Some(status) = commands::child::run(&words) {
        return status;
    }
    completion::answer();
    let end_at_once = EndAtOnce::watch();
    let parsed = manual::examples::command().try_get_matches_from(&words);
    let arguments = match parsed.and_then(|it| Arguments::from_arg_matches(&it)) {
        Ok(arguments) => arguments,
        Err(err) => return usage(&words, &err).into(),
    };
    let mut session = Session::new(&arguments.output);
    let done = end_at_once.and_then(|it| {
        session.end_at_once(it);
        run(&arguments.command, &session)
    });
    for lack in hoststate_core::plugins::plugin::confinement::lacking() {
        session::say(format_args!("note: {lack}: this kernel or container allows nothing better\n"));
    }
    match done {
        Ok(exit) => exit.into(),
        Err(error) => {
            session.fail(&error);
            Exit::Error.into()
        }
    }
}

fn run(command: &Command, session: &Session) -> Result<Exit> {
    if session.format == Format::Prometheus && !matches!(command, Command::Verify(_)) {
        return Err(session::no_metrics());
    }
    match command {
        Command::Plan(arguments) => commands::plan::run(arguments, session),
        Command::Converge(arguments) => commands::converge::run(arguments, session),
        Command::Verify(arguments) => commands::verify::run(arguments, session),
        Command::Status(arguments) => commands::status::run(arguments, session),
        Command::Check(arguments) => commands::check::run(arguments, session),
        Command::Inspect(arguments) => commands::inspect::run(arguments, session),
        Command::Why(arguments) => commands::why::run(arguments, session),
        Command::Rollback(arguments) => commands::rollback::run(arguments, session),
        Command::History(arguments) => commands::history::run(arguments, session),
        Command::Unpack(arguments) => commands::unpack::run(arguments, session),
        Command::Schema(arguments) => commands::schema::run(arguments, session),
        Command::Plugin { command } => commands::plugin::run(command, session),
        Command::Completions(arguments) => commands::completions::run(arguments, session),
        Command::Man(arguments) => commands::man::run(arguments, session),
    }
}

/// Help and version are answers; everything else is an error, and 2 already means something else here.
fn usage(words: &[OsString], err: &clap::Error) -> Exit {
    match err.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            // A reader who has gone away needs no help.
            err.print().unwrap_or_default();
            Exit::Success
        }
        _ if wants_json(words) => {
            let format = Format::Json;
            let options = OutputOptions { format, color: Colour::Never, verbose: false, quiet: false };
            let text = err.to_string();
            // What is missing stands in lines of its own.
            let lines = text.lines().take_while(|it| !it.is_empty()).map(str::trim);
            let what = lines.collect::<Vec<_>>().join(" ").trim_start_matches("error: ").to_owned();
            Session::new(&options)
                .fail(&Error::input(what, "`hoststate --help` lists commands and options."));
            Exit::Error
        }
        _ => {
            err.print().unwrap_or_default();
            Exit::Error
        }
    }
}

fn wants_json(words: &[OsString]) -> bool {
    let is_json = |pair: &[OsString]| pair[0] == "--format" && pair[1] == "json";
    words.iter().any(|it| it == "--format=json") || words.windows(2).any(is_json)
}
