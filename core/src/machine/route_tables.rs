//! Every table of routes of IPv4: from the kernel itself on the running host, else from its files.

use std::path::Path;
use std::rc::Rc;

use hoststate_abi::host_view::HostView;

use crate::error::Result;
use crate::formats::fib_trie::{self, Row, Table};
use crate::formats::rtnetlink;
use crate::machine::interfaces::NET;

/// All tables, without interfaces.
const TRIE: &str = "/proc/net/fib_trie";

/// Returns the routes of every table, read once for all views of a host. None where the host does not show them.
///
/// # Errors
/// When the kernel does not answer, or its file cannot be read.
pub fn of(host: &HostView) -> Result<Rc<Vec<Row>>> {
    host.derived_once(|host| {
        // In a tree that is the root of a process `/proc` is what was captured, and `self` no link.
        let is_running = host.link_target(Path::new("/proc/self"))?.is_some();
        let messages = if is_running { host.routes()? } else { None };
        Ok(match messages {
            Some(messages) => rtnetlink::parse(&messages),
            None => fib_trie::parse(&host.read_lossy(Path::new(TRIE))?.unwrap_or_default()),
        })
    })
}

/// Returns the name of the interface that a route leads to; `None` where that is not told.
///
/// # Errors
/// When `/sys/class/net` cannot be read.
pub fn interface(host: &HostView, row: &Row) -> Result<Option<String>> {
    let Some(number) = row.interface else { return Ok(None) };
    for name in host.list(Path::new(NET))? {
        let index = host.attribute(&Path::new(NET).join(&name).join("ifindex"))?;
        if index.is_some_and(|it| it.trim().parse() == Ok(number)) {
            return Ok(Some(name));
        }
    }
    Ok(None)
}

/// Returns the default routes of tables beside the main one: the table and the interface. None for a tree, whose files
/// do not tell interfaces.
///
/// # Errors
/// As [`of`] and [`interface`].
pub fn defaults_beside(host: &HostView) -> Result<Vec<(u32, String)>> {
    let mut found = Vec::new();
    if host.root() != Path::new("/") {
        return Ok(found);
    }
    for row in of(host)?.iter().filter(|it| it.prefix == 0 && !it.is_own) {
        if let Table::Other(number) = row.table {
            found.extend(interface(host, row)?.map(|it| (number, it)));
        }
    }
    Ok(found)
}
