//! The numbers of virtual functions that NetworkManager makes: in its keyfiles (nm-settings-keyfile(5)) and in the files
//! of the Red Hat family (nm-settings-ifcfg-rh(5)).

use std::path::Path;
use std::rc::Rc;

use hoststate_abi::host_view::HostView;

use super::foreign_files;
use super::statement::{Card, Statement};
use crate::error::Result;
use crate::formats::fnmatch;
use crate::formats::ini::{self, Entry};
use crate::formats::shell_assignments::ShellFile;
use crate::plan::scene::Scene;

/// Directories of NetworkManager's keyfiles (NetworkManager.conf(5)).
const KEYFILES: [&str; 3] = [
    "/etc/NetworkManager/system-connections",
    "/run/NetworkManager/system-connections",
    "/usr/lib/NetworkManager/system-connections",
];

/// Where the Red Hat family keeps a file for each interface.
const IFCFG: &str = "/etc/sysconfig/network-scripts";

const WHO: &str = "NetworkManager";

pub(super) fn counts(scene: Scene<'_>) -> Result<Vec<Statement>> {
    let mut statements = Vec::new();
    for path in foreign_files(scene, &KEYFILES, "")? {
        let Some(entries) = scene.after.parsed(&path, ini::parse)? else { continue };
        let Some(count) = ini::last(&entries, "sriov", "total-vfs") else { continue };
        statements.push(Statement {
            who: WHO,
            sets: Some(count.value.clone()),
            evidence: format!("{}:{} has total-vfs={}", path.display(), count.line, count.value),
            is_invitation: false,
            is_of: Box::new(move |card| is_of(&entries, card)),
        });
    }
    for path in foreign_files(scene, &[IFCFG], "")? {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name.starts_with("ifcfg-") && !is_ignored(&name) {
            statements.extend(of_ifcfg(scene.after, &path)?);
        }
    }
    Ok(statements)
}

/// Files that editors and packages leave behind, as `initscripts` and NetworkManager leave them out.
fn is_ignored(name: &str) -> bool {
    [".bak", ".orig", ".rpmnew", ".rpmsave", ".rpmorig", "~"].iter().any(|it| name.ends_with(it))
}

/// Whether a connection is for a card: all that it names must hold.
fn is_of(entries: &[Entry], card: &Card<'_>) -> bool {
    let named = |section: &str, key: &str| ini::last(entries, section, key).map(|it| it.value.as_str());
    let is_any = |value: Option<&str>, has: &dyn Fn(&str) -> bool| value.is_none_or(has);
    let path = format!("pci-{}", card.device.address);
    is_any(named("connection", "interface-name"), &|it| card.is_named(it))
        && is_any(named("ethernet", "mac-address"), &|it| card.has_mac(&written(it)))
        && is_any(named("802-3-ethernet", "mac-address"), &|it| card.has_mac(&written(it)))
        && is_any(named("match", "interface-name"), &|it| listed(it, &|it| card.is_named(it)))
        && is_any(named("match", "driver"), &|it| listed(it, &|it| card.has_driver(it)))
        && is_any(named("match", "path"), &|it| listed(it, &|it| fnmatch::matches(it, &path)))
}

/// A list of patterns: one must fit, and none that begins with `!`.
fn listed(value: &str, fits: &dyn Fn(&str) -> bool) -> bool {
    let patterns = || value.split([';', ',']).map(|it| it.trim().trim_start_matches(['|', '&']));
    let wanted: Vec<&str> = patterns().filter(|it| !it.is_empty() && !it.starts_with('!')).collect();
    let refused = patterns().filter_map(|it| it.strip_prefix('!')).any(fits);
    !refused && (wanted.is_empty() || wanted.iter().any(|it| fits(it)))
}

/// Older keyfiles have a hardware address as six decimal numbers.
fn written(mac: &str) -> String {
    let bytes: Vec<u8> = mac.split(';').filter_map(|it| it.parse().ok()).collect();
    if bytes.len() == 6 {
        return bytes.iter().map(|it| format!("{it:02x}")).collect::<Vec<_>>().join(":");
    }
    mac.to_owned()
}

fn of_ifcfg(host: &HostView, path: &Path) -> Result<Option<Statement>> {
    const COUNT: &str = "SRIOV_TOTAL_VFS";
    let Some(file) = host.parsed(path, ShellFile::parse)? else { return Ok(None) };
    let last = |name: &str| file.assignments().filter(|it| it.name == name).last();
    let text = |name: &str| last(name).and_then(|it| it.literal).filter(|it| !it.is_empty());
    let Some(count) = last(COUNT) else { return Ok(None) };
    let sets = count.literal.clone();
    let evidence =
        format!("{}:{} has {COUNT}={}", path.display(), count.line, sets.as_deref().unwrap_or_default());
    let (device, mac) = (text("DEVICE"), text("HWADDR"));
    let names = Rc::new((device, mac));
    let is_of = move |card: &Card<'_>| {
        let (device, mac) = names.as_ref();
        // With neither it is for any.
        device.as_ref().is_none_or(|it| card.is_named(it)) && mac.as_ref().is_none_or(|it| card.has_mac(it))
    };
    Ok(Some(Statement { who: WHO, sets, evidence, is_invitation: false, is_of: Box::new(is_of) }))
}
