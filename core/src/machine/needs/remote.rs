//! The servers that file systems and disks of the network come from.

use std::net::IpAddr;
use std::path::{Component, Path};

use hoststate_abi::host_view::HostView;

use super::network_blocks;
use crate::error::Result;
use crate::formats::mount_table::Mount;
use crate::machine::block_devices::BLOCK;

/// File systems of servers.
const KINDS: [&str; 8] = ["nfs", "nfs4", "cifs", "smb3", "ceph", "9p", "glusterfs", "afs"];

/// The servers of a block device, each with what shows it.
type Servers = Vec<(IpAddr, String)>;

/// Returns the servers of a mounted file system; none for one that is of this host.
pub(super) fn servers_of_mount(mount: &Mount) -> Vec<IpAddr> {
    let kind = mount.kind.trim_start_matches("fuse.");
    if !KINDS.contains(&kind) {
        return Vec::new();
    }
    let option = mount.options.iter().filter_map(|it| it.strip_prefix("addr="));
    let mut servers: Vec<IpAddr> = option.filter_map(|it| it.parse().ok()).collect();
    if servers.is_empty() {
        // `192.0.2.1:/srv`, `[2001:db8::1]:/srv`, `//192.0.2.1/share`, `192.0.2.1:6789,192.0.2.2:6789:/`.
        let source = mount.source.trim_start_matches('/');
        servers.extend(source.split([',', '/']).filter_map(address));
    }
    servers
}

/// Reads an address with or without a port and the brackets of IPv6.
pub(super) fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim_end_matches(':');
    let inner = text.strip_prefix('[').and_then(|it| it.split(']').next());
    let bare = inner.unwrap_or(text);
    bare.parse().ok().or_else(|| bare.split(':').next()?.parse().ok())
}

/// Returns the servers of a block device, each with what shows it.
pub(super) fn servers_of_block(host: &HostView, name: &str) -> Result<Servers> {
    let path = host.resolve(&Path::new(BLOCK).join(name))?;
    let mut servers = Vec::new();
    let parts =
        || path.components().filter_map(|it| if let Component::Normal(it) = it { it.to_str() } else { None });
    // `…/host6/session1/target6:0:0/…`: the connections of a session have its number (drivers/scsi/scsi_transport_iscsi.c).
    for session in parts().filter_map(|it| it.strip_prefix("session")) {
        let class = Path::new("/sys/class/iscsi_connection");
        for connection in host.list(class)? {
            let is_its =
                connection.strip_prefix("connection").and_then(|it| it.split(':').next()) == Some(session);
            for file in ["address", "persistent_address"] {
                let path = class.join(&connection).join(file);
                let text = if is_its { host.attribute(&path)? } else { None };
                if let Some(server) = text.and_then(|it| it.trim().parse().ok())
                    && !servers.iter().any(|it: &(IpAddr, String)| it.0 == server)
                {
                    servers.push((server, format!("{} is {server}", path.display())));
                }
            }
        }
    }
    // `nvme0`, or `nvme0n1` and `nvme0c1n1` with native multipath: every controller has the address of its target.
    let is_fabric =
        path.components().any(|it| it.as_os_str() == "nvme-fabrics" || it.as_os_str() == "nvme-subsystem");
    if is_fabric {
        let class = Path::new("/sys/class/nvme");
        for controller in host.list(class)? {
            let path = class.join(&controller).join("address");
            let text = host.attribute(&path)?.unwrap_or_default();
            let server = text.split(',').find_map(|it| it.trim().strip_prefix("traddr=")?.parse().ok());
            servers.extend(server.map(|it| (it, format!("{} has traddr={it}", path.display()))));
        }
    }
    let is_named = |prefix: &str| {
        name.strip_prefix(prefix).is_some_and(|it| it.starts_with(|it: char| it.is_ascii_digit()))
    };
    if is_named("nbd") {
        servers.extend(network_blocks::of_nbd(host, name)?);
    } else if is_named("rbd") {
        servers.extend(network_blocks::of_rbd(host, name)?);
    }
    Ok(servers)
}
