//! What a plugin adds to a plan: the same small host without one, with one that no declaration uses, and with one.

use std::path::Path;

use super::{Case, tree};
use crate::error::Result;
use crate::process::Call;
use crate::{files, program};

/// Returns the cases. The plan with the plugin takes at most 5 ms more than the one without.
pub(super) fn cases(workspace: &Path, target: &Path, scratch: &Path, hoststate: &Path) -> Result<Vec<Case>> {
    let plugin = program::build_plugin(workspace, target)?;
    let folder = scratch.join("plugins");
    files::make_directory(&folder)?;
    let file = folder.join("hugepages.so");
    files::copy(plugin, &file)?;
    let folder = ["--plugin-dir".to_owned(), folder.display().to_string()];
    Call::new([hoststate]).args(["plugin", "trust", "--yes"]).args([&file]).args(&folder).succeed()?;

    let root = scratch.join("plugged");
    tree::small_host(&root)?;
    files::write(root.join("sys/devices/system/node/node0/hugepages/hugepages-2048kB/nr_hugepages"), "8\n")?;
    let (plain, plugged) = (scratch.join("plain.lua"), scratch.join("plugged.lua"));
    files::write(&plain, tree::SMALL_PLAYBOOK)?;
    let declared = format!("{}vm.hugepages {{ size = \"2M\", pages = 8 }}\n", tree::SMALL_PLAYBOOK);
    files::write(&plugged, &declared)?;

    let case = |name: &str, playbook: &Path, more: &[String]| {
        let words = ["plan", "--detailed-exitcode", "--root"].map(str::to_owned);
        let mut argv = vec![hoststate.display().to_string()];
        argv.extend(words);
        argv.extend([root.display().to_string(), playbook.display().to_string()]);
        argv.extend_from_slice(more);
        Case { name: name.into(), hoststate: argv, statuses: &[0], floor: None, fresh: None }
    };
    Ok(vec![
        case("plan small host", &plain, &[]),
        case("plan, plugin unused", &plain, &folder),
        case("plan, plugin used", &plugged, &folder),
    ])
}
