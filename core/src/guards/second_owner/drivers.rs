//! Others that bind devices to drivers: driverctl, the services of DPDK and VPP, os-net-config, rules and commands.

use std::path::Path;

use hoststate_abi::host_view::HostView;

use super::statement::Statement;
use super::{commands, declarations, rules};
use crate::error::Result;
use crate::plan::scene::Scene;

/// Where driverctl keeps the driver of each device it binds at boot.
const DRIVERCTL: &str = "/etc/driverctl.d";

/// What dpdk.service of Debian and Ubuntu binds at boot: `<bus> <id> <driver>` (dpdk, debian/dpdk.interfaces).
const DPDK: &str = "/etc/dpdk/interfaces";

/// What VPP is started with; it binds the devices that it names.
const VPP: &str = "/etc/vpp/startup.conf";

/// Returns what others say of the drivers of devices.
pub(super) fn statements(scene: Scene<'_>) -> Result<Vec<Statement>> {
    let mut all = Vec::new();
    for name in scene.after.list(Path::new(DRIVERCTL))? {
        let path = Path::new(DRIVERCTL).join(&name);
        let Some(driver) = scene.after.attribute(&path)? else { continue };
        let address = name.strip_prefix("pci-").unwrap_or(&name).to_owned();
        let evidence = format!("{} names {driver}", path.display());
        all.push(at(address, "driverctl", Some(driver.trim().to_owned()), evidence));
    }
    all.extend(rules::drivers(scene)?);
    all.extend(of_dpdk(scene.after)?);
    all.extend(of_vpp(scene.after)?);
    all.extend(declarations::drivers(scene.after)?);
    all.extend(commands::drivers(scene)?);
    Ok(all)
}

fn at(address: String, who: &'static str, sets: Option<String>, evidence: String) -> Statement {
    let is_of = Box::new(move |card: &super::statement::Card<'_>| card.is_at(&address));
    Statement { who, sets, evidence, is_invitation: false, is_of }
}

fn of_dpdk(host: &HostView) -> Result<Vec<Statement>> {
    let mut all = Vec::new();
    for (index, line) in host.read_lossy(Path::new(DPDK))?.unwrap_or_default().lines().enumerate() {
        let words: Vec<&str> = line.split('#').next().unwrap_or_default().split_whitespace().collect();
        if let ["pci", address, driver, ..] = words[..] {
            let evidence = format!("{DPDK}:{} gives {address} to {driver}", index + 1);
            all.push(at(address.to_owned(), "dpdk.service", Some(driver.to_owned()), evidence));
        }
    }
    Ok(all)
}

/// Reads `dpdk { uio-driver NAME dev ADDRESS { … } }`. Without a driver VPP takes the one that is loaded.
fn of_vpp(host: &HostView) -> Result<Vec<Statement>> {
    let text = host.read_lossy(Path::new(VPP))?.unwrap_or_default();
    let mut words: Vec<(usize, &str)> = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.split('#').next().unwrap_or_default();
        words.extend(line.split_whitespace().flat_map(braces).map(|it| (index + 1, it)));
    }
    let (mut depth, mut inside) = (0_usize, None);
    let (mut driver, mut devices) = (None, Vec::new());
    for (at, (line, word)) in words.iter().enumerate() {
        match *word {
            "{" => {
                depth += 1;
                if depth == 1 && at > 0 && words[at - 1].1 == "dpdk" {
                    inside = Some(depth);
                }
            }
            "}" => {
                depth = depth.saturating_sub(1);
                inside = inside.filter(|it| depth >= *it);
            }
            "uio-driver" if inside == Some(depth) => driver = words.get(at + 1).map(|it| it.1.to_owned()),
            "dev" if inside == Some(depth) => devices.extend(words.get(at + 1).map(|it| (*line, it.1))),
            _ => {}
        }
    }
    let driver = driver.filter(|it: &String| it != "auto");
    let all = devices.into_iter().filter(|it| it.1 != "default").map(|(line, address)| {
        let what = driver.as_ref().map_or(String::new(), |it| format!(", and uio-driver {it}"));
        at(address.to_owned(), "VPP", driver.clone(), format!("{VPP}:{line} has dev {address}{what}"))
    });
    Ok(all.collect())
}

/// Parts a word at its braces.
fn braces(word: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut rest = word;
    while let Some(at) = rest.find(['{', '}']) {
        parts.extend([&rest[..at], &rest[at..=at]]);
        rest = &rest[at + 1..];
    }
    parts.push(rest);
    parts.retain(|it| !it.is_empty());
    parts
}
