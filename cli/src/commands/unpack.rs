//! `hoststate unpack`: a captured host as a directory, to converge it with --root.

use std::io;

use crate::args::UnpackArguments;
use crate::capture;
use crate::error::{Error, Result};
use crate::exit::Exit;
use crate::render::escape::visible_line;
use crate::session::Session;

/// Runs the command.
///
/// # Errors
/// When the file is no captured host, or the directory is there already or cannot be made.
#[expect(clippy::disallowed_methods, reason = "a directory of the user's own is no file of the host")]
pub(crate) fn run(arguments: &UnpackArguments, session: &Session) -> Result<Exit> {
    let nodes = capture::read(&arguments.file)?;
    let shown = arguments.directory.display();
    std::fs::create_dir(&arguments.directory).map_err(|err| match err.kind() {
        io::ErrorKind::AlreadyExists => {
            Error::input(format!("{shown} already exists"), "Name a directory that does not exist yet.")
        }
        _ => Error::io(shown.to_string(), err),
    })?;
    capture::make(&arguments.directory, &nodes).map_err(|err| Error::io(shown.to_string(), err))?;
    session.print(&format!("{}: {} files and links\n", visible_line(&shown.to_string()), nodes.len()))?;
    Ok(Exit::Success)
}
