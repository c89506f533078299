//! Which entry GRUB 2 boots next, and what its variables may hold.

use std::collections::BTreeSet;
use std::path::Path;
use std::rc::Rc;

use hoststate_abi::host_view::HostView;
use hoststate_core::error::{Error, Result};
use hoststate_core::formats::grub_cfg::GrubCfg;
use hoststate_core::formats::grubenv::GrubEnv;
use hoststate_core::formats::kernel_cmdline::Cmdline;
use hoststate_core::mechanism::distro::{BootVariable, EntryChoice};

/// Reads a `grub.cfg`; `None` when it is not there.
///
/// # Errors
/// When it cannot be read, or passes a limit of the reader.
pub(super) fn script(host: &HostView, file: &Path) -> Result<Option<Rc<GrubCfg>>> {
    let cfg = host.parsed(file, GrubCfg::parse)?;
    if let Some(cfg) = &cfg {
        within_limits(file, cfg)?;
    }
    Ok(cfg)
}

/// Returns an error for a script of which hoststate read only a part.
pub(super) fn within_limits(file: &Path, cfg: &GrubCfg) -> Result<()> {
    match (cfg.limit, cfg.broken_line) {
        (Some(limit), Some(line)) => Err(Error::Malformed {
            path: file.to_owned(),
            line,
            what: format!("{limit}, and hoststate reads no further"),
            hint: Some(
                "Take out what makes the file so large, or have grub-mkconfig generate it again.".to_owned(),
            ),
        }),
        _ => Ok(()),
    }
}

/// Reads an environment block; one that is not there holds nothing.
///
/// # Errors
/// When it exists and cannot be read.
pub(super) fn environment(host: &HostView, block: &Path) -> Result<Rc<GrubEnv>> {
    Ok(host.parsed(block, GrubEnv::parse)?.unwrap_or_else(|| Rc::new(GrubEnv::parse(""))))
}

/// Returns what is known of the variables that stand as `${name}` in a line.
pub(super) fn variables(cfg: &GrubCfg, environment: &GrubEnv, line: &Cmdline) -> Vec<BootVariable> {
    let text = line.to_string();
    let mut names = BTreeSet::new();
    let mut rest = text.as_str();
    while let Some((name, after)) = rest.split_once("${").and_then(|it| it.1.split_once('}')) {
        names.insert(name);
        rest = after;
    }
    let variable = |name: &str| {
        let mut values: Vec<String> = Vec::new();
        let set = cfg.sets.iter().filter(|it| it.name == name).map(|it| it.value.as_str());
        for value in set.chain(environment.get(name)).filter(|it| !it.contains('$')) {
            if !values.iter().any(|it| it == value) {
                values.push(value.to_owned());
            }
        }
        BootVariable { name: name.to_owned(), values }
    };
    names.into_iter().map(variable).collect()
}

/// Returns the answer for a host without a menu.
pub(super) fn without_menu(file: &Path) -> EntryChoice {
    EntryChoice { entry: None, other: None, because: format!("{} is not there", file.display()), once: false }
}
