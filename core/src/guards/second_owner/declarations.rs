//! What nmstate and os-net-config declare of cards, and what the operator of Kubernetes keeps of them.

use std::path::Path;

use hoststate_abi::host_view::HostView;

use super::foreign_files;
use super::statement::{Card, Statement};
use crate::error::Result;
use crate::formats::yaml::{self, Node};
use crate::plan::scene::Scene;

/// Where nmstate.service finds what it applies at boot (nmstate.service(8)).
const NMSTATE: &str = "/etc/nmstate";

/// What os-net-config is given, and what it keeps for the next boot (os_net_config/sriov_config.py).
const OS_NET_CONFIG: [&str; 4] = [
    "/etc/os-net-config/config.yaml",
    "/etc/os-net-config/config.json",
    "/var/lib/os-net-config/sriov_config.yaml",
    "/etc/os-net-config/sriov_config.yaml",
];

/// The drivers that os-net-config binds (os_net_config/utils.py).
const DPDK_MAPPING: [&str; 2] =
    ["/var/lib/os-net-config/dpdk_mapping.yaml", "/etc/os-net-config/dpdk_mapping.yaml"];

/// Where sriov-network-operator keeps what it set for each physical function (pkg/consts/constants.go).
const OPERATOR: &str = "/etc/sriov-operator/pci";

pub(super) fn counts(scene: Scene<'_>) -> Result<Vec<Statement>> {
    let mut statements = Vec::new();
    for path in foreign_files(scene, &[NMSTATE], "")? {
        // What was applied is renamed, and is not applied again.
        if path.extension().is_none_or(|it| it != "yml" && it != "yaml") {
            continue;
        }
        let documents = scene.after.parsed(&path, yaml::parse)?.unwrap_or_default();
        for interface in documents.iter().filter_map(|it| it.get("interfaces")).flat_map(Node::items) {
            let Some(count) = interface.at(&["ethernet", "sr-iov", "total-vfs"]) else { continue };
            let by_mac = interface.get("identifier").and_then(Node::text) == Some("mac-address");
            let key = if by_mac { "mac-address" } else { "name" };
            statements.extend(number("nmstate", &path, "total-vfs", count, text(interface, key), by_mac));
        }
    }
    for path in OS_NET_CONFIG.map(Path::new) {
        for document in scene.after.parsed(path, yaml::parse)?.unwrap_or_default().iter() {
            let top = document.get("network_config").unwrap_or(document);
            each_below(top, &mut |it| {
                if let Some(count) = it.get("numvfs") {
                    statements.extend(number(
                        "os-net-config",
                        path,
                        "numvfs",
                        count,
                        text(it, "name"),
                        false,
                    ));
                }
            });
        }
    }
    statements.extend(of_operator(scene.after)?);
    Ok(statements)
}

pub(super) fn drivers(host: &HostView) -> Result<Vec<Statement>> {
    let mut statements = Vec::new();
    for path in DPDK_MAPPING.map(Path::new) {
        for item in host.parsed(path, yaml::parse)?.unwrap_or_default().iter().flat_map(|it| it.items()) {
            let (Some(driver), Some(address)) = (item.get("driver"), text(item, "pci_address")) else {
                continue;
            };
            let Some(sets) = driver.text() else { continue };
            statements.push(Statement {
                who: "os-net-config",
                sets: Some(sets.to_owned()),
                evidence: format!("{}:{} has driver: {sets}", path.display(), driver.line),
                is_invitation: false,
                is_of: Box::new(move |card| card.is_at(&address)),
            });
        }
    }
    Ok(statements)
}

fn text(node: &Node, name: &str) -> Option<String> {
    node.get(name).and_then(Node::text).map(str::to_owned)
}

fn number(
    who: &'static str,
    path: &Path,
    key: &str,
    count: &Node,
    of: Option<String>,
    by_mac: bool,
) -> Option<Statement> {
    let (sets, of) = (count.text()?.to_owned(), of?);
    let evidence = format!("{}:{} has {key}: {sets}", path.display(), count.line);
    let is_of = move |card: &Card<'_>| if by_mac { card.has_mac(&of) } else { card.is_named(&of) };
    Some(Statement { who, sets: Some(sets), evidence, is_invitation: false, is_of: Box::new(is_of) })
}

/// Looks at every map of a tree of lists and maps. One that aliases share is looked at once for each list it is in.
fn each_below(node: &Node, look: &mut dyn FnMut(&Node)) {
    /// Bridges, bonds and teams are not nested deeper.
    fn down(node: &Node, depth: usize, look: &mut dyn FnMut(&Node)) {
        const DEEPEST: usize = 4;
        for item in node.items() {
            look(item);
            if let Some(members) = item.get("members").filter(|_| depth < DEEPEST) {
                down(members, depth + 1, look);
            }
        }
    }
    down(node, 0, look);
}

/// The functions as the operator last set them, in its own JSON. With `externallyManaged` it makes none, and uses those
/// there are (k8snetworkplumbingwg/sriov-network-operator#436).
fn of_operator(host: &HostView) -> Result<Vec<Statement>> {
    let mut statements = Vec::new();
    for address in host.list(Path::new(OPERATOR))? {
        let path = Path::new(OPERATOR).join(&address);
        let text = host.read_lossy(&path)?.unwrap_or_default();
        let json: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
        let count = json.get("numVfs").and_then(serde_json::Value::as_u64);
        let is_invitation =
            json.get("externallyManaged").and_then(serde_json::Value::as_bool).unwrap_or(false);
        statements.push(Statement {
            who: "sriov-network-operator",
            sets: count.map(|it| it.to_string()),
            evidence: format!("{} is there", path.display()),
            is_invitation,
            is_of: Box::new(move |card| card.is_at(&address)),
        });
    }
    Ok(statements)
}
