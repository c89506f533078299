//! `hoststate man`: the manual pages, from the same definitions as the parser.

use std::io;
use std::path::Path;

use crate::args::ManArguments;
use crate::error::{Error, Result};
use crate::exit::Exit;
use crate::manual::pages::{self, Page};
use crate::session::Session;

/// Runs the command.
///
/// # Errors
/// When there is no such page, or the pages cannot be written.
pub(crate) fn run(arguments: &ManArguments, session: &Session) -> Result<Exit> {
    let pages = pages::all().map_err(|err| Error::io("the manual pages", err))?;
    if let Some(directory) = &arguments.out {
        write(&pages, directory).map_err(|err| Error::io(directory.display().to_string(), err))?;
        return Ok(Exit::Success);
    }
    let words = arguments.page.join("-");
    let is_it = |it: &&Page| match words.as_str() {
        "" => it.name == "hoststate",
        words => it.name == words || it.name.strip_prefix("hoststate-") == Some(words),
    };
    let Some(page) = pages.iter().find(is_it) else {
        let names: Vec<&str> = pages.iter().map(|it| it.name.as_str()).collect();
        let hint = format!("There are: {}.", names.join(", "));
        return Err(Error::input(format!("there is no manual page {words:?}"), hint));
    };
    session.print(&String::from_utf8_lossy(&page.text))?;
    Ok(Exit::Success)
}

/// Writes each page where man(1) looks for it below `directory`.
#[expect(clippy::disallowed_methods, reason = "a directory that the user names is no part of the host")]
fn write(pages: &[Page], directory: &Path) -> io::Result<()> {
    for Page { name, section, text } in pages {
        let folder = directory.join(format!("man{section}"));
        std::fs::create_dir_all(&folder)?;
        std::fs::write(folder.join(format!("{name}.{section}")), text)?;
    }
    Ok(())
}
