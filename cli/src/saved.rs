//! Saved plans: a record of what was consented to, compared before it is acted on.

use std::ffi::OsString;
use std::fs::Permissions;
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use hoststate_core::machine::trust::Trust;
use hoststate_core::plan::planned::Plan;
use rustix::io::Errno;
use serde_json::Value;
use similar::TextDiff;

use crate::error::{Error, Result};

/// A plan holds the text of files that not everyone may read.
const MODE: u32 = 0o600;

/// Saves `plan` in `path`: at once or not at all, for its owner only.
///
/// # Errors
/// When it cannot be written, `path` is something else than a file, or somebody else decides which file it is.
pub(crate) fn save(plan: &Plan, path: &Path, trust: &Trust) -> Result<()> {
    let failed = |err: io::Error| Error::io(format!("cannot save the plan in {}", path.display()), err);
    let mut text = serde_json::to_string_pretty(plan).map_err(|err| failed(err.into()))?;
    text.push('\n');
    let Some(place) = trust.place(path)? else {
        let what = format!("--out {}: not a file", path.display());
        return Err(Error::input(what, "`--format json` prints the plan on standard output."));
    };
    // The open directory by its descriptor: what its path leads to by now does not matter.
    let directory = PathBuf::from(format!("/proc/self/fd/{}", place.directory.as_raw_fd()));
    let mut begun = OsString::from(".hoststate-");
    begun.push(&place.name);
    begun.push(".new");
    // One name for each target: what was cut is gone when the plan is saved again.
    match rustix::fs::unlink(directory.join(&begun)) {
        Ok(()) | Err(Errno::NOENT) => {}
        Err(err) => return Err(failed(err.into())),
    }
    let mut file = tempfile::Builder::new()
        .prefix(&begun)
        .rand_bytes(0)
        .permissions(Permissions::from_mode(MODE))
        .tempfile_in(&directory)
        .map_err(failed)?;
    file.write_all(text.as_bytes()).map_err(failed)?;
    file.as_file().sync_all().map_err(failed)?;
    file.persist(directory.join(&place.name)).map_err(|err| failed(err.error))?;
    Ok(())
}

/// Compares a saved plan with the one just made. What the user accepts is said on the command line each time, and
/// not compared.
///
/// # Errors
/// When they differ, with the differences.
pub(crate) fn compare(saved: &Value, fresh: &Plan) -> Result<()> {
    let fresh = serde_json::to_value(fresh).map_err(|err| Error::io("the plan", err.into()))?;
    let (saved, fresh) = (without_acceptance(saved.clone()), without_acceptance(fresh));
    if saved == fresh {
        return Ok(());
    }
    let pretty = |value: &Value| {
        serde_json::to_string_pretty(value)
            .map(|text| text + "\n")
            .map_err(|err| Error::io("the plan", err.into()))
    };
    let (saved, fresh) = (pretty(&saved)?, pretty(&fresh)?);
    let diff = TextDiff::from_lines(&saved, &fresh).unified_diff().context_radius(1).to_string();
    Err(Error::PlanDiffers { diff })
}

fn without_acceptance(mut plan: Value) -> Value {
    // Names come and go with a package.
    let unsaid = [("guards", "accepted"), ("guards", "name"), ("devices", "name")];
    for (list, field) in unsaid {
        for it in plan.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
            if let Some(it) = it.as_object_mut() {
                it.remove(field);
            }
        }
    }
    if let Some(summary) = plan.get_mut("summary").and_then(Value::as_object_mut) {
        summary.remove("refused");
    }
    plan
}
