//! What a host must not lose by a boot: its root file system, writable, and its way to the network.

use std::path::Path;

use hoststate_abi::host_view::HostView;
use serde::{Deserialize, Serialize};

use crate::block_devices;
use crate::error::Result;
use crate::formats::mount_table;
use crate::formats::proc_net;

const BY_UUID: &str = "/dev/disk/by-uuid";

/// What a host had.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Witness {
    /// What `/` is mounted from.
    pub root: Option<String>,
    /// UUID of that file system. The kernel may name the same disk otherwise in the next boot.
    pub root_uuid: Option<String>,
    /// Interface of the default route.
    pub interface: Option<String>,
}

impl Witness {
    /// Reads what a host has.
    ///
    /// # Errors
    /// When its mounts or routes cannot be read.
    pub fn read(host: &HostView) -> Result<Self> {
        let (_, mounts) = block_devices::mounts(host)?;
        let root = mount_table::covering(&mounts, "/").map(|it| it.source.clone());
        let root_uuid = match &root {
            Some(source) => uuid(host, source)?,
            None => None,
        };
        Ok(Self { root, root_uuid, interface: default_interface(host)? })
    }

    /// Returns what a host has lost since, in words.
    ///
    /// # Errors
    /// As for [`Self::read`].
    pub fn lost(&self, host: &HostView) -> Result<Vec<String>> {
        let now = Self::read(host)?;
        let mut lost = Vec::new();
        let shown = |it: &Option<String>| it.clone().unwrap_or_else(|| "nothing".to_owned());
        let (table, mounts) = block_devices::mounts(host)?;
        let is_same = match (&self.root_uuid, &now.root_uuid) {
            (Some(before), Some(now)) => before == now,
            _ => self.root == now.root,
        };
        if !is_same {
            lost.push(format!(
                "{table}: / is mounted from {}, before from {}",
                shown(&now.root),
                shown(&self.root)
            ));
        } else if mount_table::covering(&mounts, "/").is_some_and(mount_table::Mount::is_read_only) {
            lost.push(format!("{table}: / is mounted read-only"));
        }
        if let Some(interface) = &self.interface {
            if now.interface != self.interface {
                let found = shown(&now.interface);
                lost.push(format!(
                    "/proc/net/route: the default route leaves by {found}, before by {interface}"
                ));
            } else {
                let path = Path::new("/sys/class/net").join(interface).join("operstate");
                let state = host.attribute(&path)?;
                if matches!(state.as_deref(), Some("down" | "lowerlayerdown" | "notpresent")) {
                    lost.push(format!("{} is {}", path.display(), shown(&state)));
                }
            }
        }
        Ok(lost)
    }
}

fn uuid(host: &HostView, source: &str) -> Result<Option<String>> {
    let device = host.resolve(Path::new(source))?;
    for name in host.list(Path::new(BY_UUID))? {
        if host.resolve(&Path::new(BY_UUID).join(&name))? == device {
            return Ok(Some(name));
        }
    }
    Ok(None)
}

fn default_interface(host: &HostView) -> Result<Option<String>> {
    let read = |path: &str| host.read(Path::new(path));
    let v4 = proc_net::parse_route(&read("/proc/net/route")?.unwrap_or_default());
    let v6 = proc_net::parse_ipv6_route(&read("/proc/net/ipv6_route")?.unwrap_or_default());
    // The kernel lists the route it prefers first.
    Ok(v4.into_iter().chain(v6).find(|it| it.prefix == 0).map(|it| it.interface))
}
