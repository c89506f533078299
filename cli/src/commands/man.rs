//! `hoststate man`: the manual page, every command in it, from the same definitions as the parser.

use std::io;

use clap::CommandFactory;
use clap_mangen::Man;

use crate::args::Arguments;
use crate::error::{Error, Result};
use crate::exit::Exit;
use crate::session::Session;

/// Runs the command.
///
/// # Errors
/// When standard output cannot be written.
pub(crate) fn run(session: &Session) -> Result<Exit> {
    let mut page = Vec::new();
    render(&mut page).map_err(|err| Error::io("the manual page", err))?;
    session.print(&String::from_utf8_lossy(&page))?;
    Ok(Exit::Success)
}

fn render(page: &mut Vec<u8>) -> io::Result<()> {
    let mut command = Arguments::command();
    command.build();
    Man::new(command.clone()).render(page)?;
    for subcommand in command.get_subcommands() {
        page.extend(format!(".SH HOSTSTATE {}\n", subcommand.get_name().to_uppercase()).bytes());
        let man = Man::new(subcommand.clone());
        man.render_description_section(page)?;
        man.render_options_section(page)?;
    }
    Ok(())
}
