//! `next_entry` of GRUB's environment block: the entry for the next boot, which GRUB itself takes away as it starts it.

use std::path::{Path, PathBuf};

use hoststate_abi::host_view::HostView;
use hoststate_abi::step::Step;
use hoststate_core::error::{Error, Result};
use hoststate_core::formats::grubenv::GrubEnv;
use hoststate_core::formats::kernel_cmdline::CmdlineEdit;
use hoststate_core::mechanism::distro::TrialFile;

use super::grub_text::{self, Level};

/// The variable.
pub(crate) const NEXT_ENTRY: &str = "next_entry";

/// What is put behind the title of the entry that is tried.
pub(crate) const TITLE_SUFFIX: &str = "(tried once by hoststate)";

/// Returns the environment block that names `id` for the next boot.
///
/// # Errors
/// When it has no room left.
pub(crate) fn naming(host: &HostView, grubenv: &Path, id: &str) -> Result<TrialFile> {
    let path = host.resolve(grubenv)?;
    let mut block = GrubEnv::parse(&host.read(&path)?.unwrap_or_default());
    if !block.is_valid() {
        block = GrubEnv::parse("# GRUB Environment Block\n");
    }
    let full = |what: String| {
        let hint = "Unset variables nobody uses with `grub-editenv - unset NAME`.";
        Error::invalid(format!("{}: {what}", path.display()), hint)
    };
    block.set(NEXT_ENTRY, id).map_err(|err| full(err.to_string()))?;
    let text = block.to_block().map_err(|err| full(err.to_string()))?;
    Ok(TrialFile { holds: format!("{NEXT_ENTRY}={id}, which GRUB takes away when it starts it"), path, text })
}

/// Returns the step that takes `id` out of the environment block, where GRUB has not done so.
///
/// # Errors
/// When the block cannot be read.
pub(crate) fn forget(host: &HostView, grubenv: &Path, id: &str) -> Result<Option<Step>> {
    let path: PathBuf = host.resolve(grubenv)?;
    let mut block = GrubEnv::parse(&host.read(&path)?.unwrap_or_default());
    if block.get(NEXT_ENTRY) != Some(id) {
        return Ok(None);
    }
    block.unset(NEXT_ENTRY);
    let text = block.to_block().map_err(|err| Error::Invalid { what: err.to_string(), hint: None })?;
    Ok(Some(Step::WriteFile { path, text }))
}

/// Returns the id that `saved_entry` of the environment block has.
///
/// # Errors
/// When the block cannot be read.
pub(crate) fn saved(host: &HostView, grubenv: &Path) -> Result<Option<String>> {
    let block = GrubEnv::parse(&host.read(grubenv)?.unwrap_or_default());
    Ok(block.get("saved_entry").filter(|it| !it.is_empty()).map(str::to_owned))
}

/// Returns arguments with all edits made.
///
/// # Errors
/// When GRUB would not pass on all of them.
pub(crate) fn edited(arguments: &str, edits: &[CmdlineEdit], level: Level) -> Result<String> {
    let mut text = arguments.to_owned();
    for edit in edits {
        text = match grub_text::edit(&text, edit, level)? {
            Ok(text) => text,
            Err(unclear) => return Err(cannot(unclear.why)),
        };
    }
    Ok(text)
}

/// Returns why no boot can be tried.
pub(crate) fn cannot(why: impl std::fmt::Display) -> Error {
    Error::Unsupported {
        what: format!("no boot can be tried once on this host: {why}"),
        hint: "Converge without --confirm-boot.".to_owned(),
    }
}
