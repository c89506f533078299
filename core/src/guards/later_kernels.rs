//! `later-kernels`: kernels installed later get another root than every boot entry has.

use crate::error::{Error, Result};
use crate::formats::kernel_cmdline::{Cmdline, Parameter};
use crate::guards::boot_parameters::{self, BootParameters};
use crate::plan::scene::{Hazard, Scene, Severity};
use std::collections::BTreeSet;

const NAME: &str = "later-kernels";

/// Compares `root=` of later kernels with that of the entries, where the plan changes the kernel command line or nothing.
///
/// # Errors
/// When the boot loader's files cannot be read.
pub fn hazards(scene: Scene<'_>) -> Result<Vec<Hazard>> {
    if !scene.changes.is_empty() && !boot_parameters::read(scene)?.differ() {
        return Ok(Vec::new());
    }
    let later = match scene.distro.bootloader.later(scene.after) {
        Ok(later) => later,
        // What cannot be told, and a loader that hoststate does not operate, is told by the declaration that asks for it.
        Err(Error::Malformed { .. } | Error::Unsupported { .. }) => return Ok(Vec::new()),
        Err(err) => return Err(err),
    };
    let Some(file) = later.file else { return Ok(Vec::new()) };
    let (file, later) = (file.display(), later.cmdline);
    let root = |line: &Cmdline| BootParameters::last(line, "root").map(str::to_owned);
    let entries = scene.distro.bootloader.entries(scene.after)?;
    let regular = entries.iter().filter(|it| !it.recovery);
    let roots: BTreeSet<String> = regular.filter_map(|it| root(&Cmdline::parse(&it.cmdline))).collect();
    let Some(root) = root(&later).filter(|it| !roots.is_empty() && !roots.contains(it)) else {
        return Ok(Vec::new());
    };
    let named = roots.iter().map(|it| format!("root={it}")).collect::<Vec<_>>().join(", ");
    let message = format!(
        "{file} gives kernels installed later root={root}, and the boot entries have {named}: the next \
         kernel may not boot. Correct root= in that file"
    );
    let identity = later.parameters().map(Parameter::raw).collect::<Vec<_>>().join(" ");
    let first = entries.iter().find(|it| !it.recovery).map(|it| format!("{} has {named}", it.place));
    let evidence = std::iter::once(format!("{file} has root={root}")).chain(first);
    Ok(vec![Hazard::new(NAME, Severity::Warn, &[&root, &named, &identity], message).shown_by(evidence)])
}
