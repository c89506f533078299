//! `hoststate completions`: what makes a shell ask this program how a command line may go on.

use crate::args::CompletionsArguments;
use crate::completion;
use crate::error::Result;
use crate::exit::Exit;
use crate::session::Session;

/// Runs the command.
///
/// # Errors
/// When standard output cannot be written.
pub(crate) fn run(arguments: &CompletionsArguments, session: &Session) -> Result<Exit> {
    session.print(&completion::script(arguments.shell))?;
    Ok(Exit::Success)
}
