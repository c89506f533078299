//! `hoststate completions`: for a shell, from the same definitions as the parser.

use crate::args::CompletionsArguments;
use crate::error::Result;
use crate::exit::Exit;
use crate::manual::examples;
use crate::session::Session;

/// Runs the command.
///
/// # Errors
/// When standard output cannot be written.
pub(crate) fn run(arguments: &CompletionsArguments, session: &Session) -> Result<Exit> {
    let mut text = Vec::new();
    clap_complete::generate(arguments.shell, &mut examples::plain(), "hoststate", &mut text);
    session.print(&String::from_utf8_lossy(&text))?;
    Ok(Exit::Success)
}
