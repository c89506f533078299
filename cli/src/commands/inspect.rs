//! `hoststate inspect`: what is there now.

use crate::args::InspectArguments;
use crate::error::Result;
use crate::exit::Exit;
use crate::session::Session;

pub(crate) fn run(_arguments: &InspectArguments, _session: &Session) -> Result<Exit> {
    Ok(Exit::Success)
}
