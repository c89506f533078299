//! Others that write the parameters of the command line that a plan changes: tuned, and hooks of kernel packages.

use std::path::{Path, PathBuf};

use hoststate_abi::host_view::HostView;

use super::NAME;
use crate::error::Result;
use crate::formats::ini;
use crate::formats::kernel_cmdline::{Cmdline, Parameter};
use crate::guards::boot_parameters;
use crate::plan::scene::{Hazard, Scene, Severity};

/// Where profiles of tuned are, the strongest first; the second of each pair is where version 2.23 moved them.
const PROFILES: [&str; 4] =
    ["/etc/tuned", "/etc/tuned/profiles", "/usr/lib/tuned", "/usr/lib/tuned/profiles"];

/// Hooks that run when a kernel is installed.
const HOOKS: [&str; 3] = ["/etc/kernel/install.d", "/etc/kernel/postinst.d", "/etc/kernel/postrm.d"];

/// Profiles include others; more than this is a circle.
const DEEPEST: usize = 8;

/// Finds other owners of the parameters.
pub(super) fn hazards(scene: Scene<'_>) -> Result<Vec<Hazard>> {
    let parameters = boot_parameters::read(scene)?;
    let changed: Vec<&Parameter> = parameters.added.iter().chain(&parameters.removed).collect();
    if changed.is_empty() {
        return Ok(Vec::new());
    }
    let host = scene.after;
    let mut hazards = Vec::new();
    for (place, theirs) in tuned_parameters(host)? {
        for parameter in
            theirs.parameters().filter(|it| changed.iter().any(|changed| changed.same_name(it.name())))
        {
            if parameters.added.iter().any(|it| it.same(parameter)) {
                continue;
            }
            let message = format!(
                "tuned puts {parameter} on the kernel command line, and the plan changes {}",
                parameter.name()
            );
            let hazard = Hazard::new(NAME, Severity::Warn, &["tuned", parameter.raw()], message);
            hazards.push(hazard.shown_by([format!("{place} has {parameter}")]));
        }
    }
    for directory in HOOKS {
        for name in host.list(Path::new(directory))? {
            let path = Path::new(directory).join(name);
            if let Some((line, parameter)) = mention(host, &path, &changed)? {
                let message = format!(
                    "{} names {}, which the plan changes: it may change it again with each kernel",
                    path.display(),
                    parameter.name()
                );
                let path = path.display().to_string();
                let hazard = Hazard::new(NAME, Severity::Warn, &["hook", &path, parameter.name()], message);
                hazards.push(hazard.shown_by([format!("{path}:{line}")]));
            }
        }
    }
    Ok(hazards)
}

/// Returns the parameters of the active profile and of those it includes, each with its place.
fn tuned_parameters(host: &HostView) -> Result<Vec<(String, Cmdline)>> {
    let active = host.attribute(Path::new("/etc/tuned/active_profile"))?.unwrap_or_default();
    let mut names: Vec<String> = active.split_whitespace().map(str::to_owned).collect();
    let mut found = Vec::new();
    let mut index = 0;
    while index < names.len().min(DEEPEST) {
        if let Some(path) = profile(host, &names[index])? {
            let entries = host.parsed(&path, ini::parse)?;
            for entry in entries.iter().flat_map(|it| it.iter()) {
                if entry.section == "main" && entry.key == "include" {
                    names.extend(entry.value.split([',', ' ']).map(str::to_owned));
                }
                // `cmdline`, `cmdline_network`, …; the value may be quoted and begin with `+`.
                if entry.section == "bootloader" && entry.key.starts_with("cmdline") {
                    let parameters = Cmdline::parse(entry.value.trim_start_matches('+').trim_matches('"'));
                    found.push((format!("{}:{}", path.display(), entry.line), parameters));
                }
            }
        }
        index += 1;
    }
    Ok(found)
}

fn profile(host: &HostView, name: &str) -> Result<Option<PathBuf>> {
    if name.is_empty() || name.contains('/') {
        return Ok(None);
    }
    for directory in PROFILES {
        let path = Path::new(directory).join(name).join("tuned.conf");
        if host.exists(&path)? {
            return Ok(Some(path));
        }
    }
    Ok(None)
}

fn mention<'a>(
    host: &HostView,
    path: &Path,
    changed: &[&'a Parameter],
) -> Result<Option<(usize, &'a Parameter)>> {
    if host.is_dir(path)? {
        return Ok(None);
    }
    let bytes = host.read_bytes(path)?.unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let is_part = |it: char| it.is_ascii_alphanumeric() || matches!(it, '_' | '-' | '.');
    for (index, line) in text.lines().enumerate().filter(|(_, it)| !it.trim_start().starts_with('#')) {
        let mut parts = line.split(|it: char| !is_part(it));
        // A plain parameter such as `quiet` or `root` means many things in a script.
        let is_parameter = |part: &str| part.contains(['_', '.']);
        let named =
            parts.find_map(|part| changed.iter().find(|it| is_parameter(it.name()) && it.same_name(part)));
        if let Some(parameter) = named {
            return Ok(Some((index + 1, parameter)));
        }
    }
    Ok(None)
}
