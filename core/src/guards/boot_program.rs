//! `boot-program`: the boot rules have hoststate act, and the host has no hoststate.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::error::Result;
use crate::formats::udev_rules::boot_command::BootCommand;
use crate::formats::udev_rules::rule;
use crate::machine::own_program;
use crate::plan::scene::{Hazard, Scene, Severity};

const NAME: &str = "boot-program";

/// Where the rules are that resources write.
const DIRECTORY: &str = "/etc/udev/rules.d";

/// Finds programs that rules of hoststate run and that are not there. The host then boots as it would without the rules, but
/// for devices for guests that had no driver yet.
///
/// # Errors
/// When the host cannot be read.
pub fn hazards(scene: Scene<'_>) -> Result<Vec<Hazard>> {
    let host = scene.after;
    let mut lacking: Vec<(String, PathBuf)> = Vec::new();
    let mut seen = BTreeSet::new();
    for name in host.list(Path::new(DIRECTORY))?.into_iter().filter(|it| it.contains("hoststate")) {
        let path = Path::new(DIRECTORY).join(name);
        let rules = host.parsed(&path, rule::parse)?;
        for (program, _) in rules.iter().flat_map(|it| it.iter()).filter_map(BootCommand::of_rule) {
            if seen.insert(program.to_owned()) && own_program::is_missing(host, Path::new(program))? {
                lacking.push((program.to_owned(), path.clone()));
            }
        }
    }
    let hazard = |(program, path): (String, PathBuf)| {
        let message = format!(
            "{program} is not there, and boot rules run it: until hoststate is installed as {program}, the boot makes no \
             virtual functions, gives no device to a driver of the host's, and takes none from a driver that has it"
        );
        let evidence = format!("{} runs {program}", path.display());
        Hazard::new(NAME, Severity::Warn, &[&program], message).shown_by([evidence])
    };
    Ok(lacking.into_iter().map(hazard).collect())
}
