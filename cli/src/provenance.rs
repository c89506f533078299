//! Who runs this, from where, and with what, as the environment and `/proc` tell.

use std::path::{Path, PathBuf};

use hoststate_abi::host_view::HostView;
use hoststate_core::record::provenance::{Process, Provenance, Who};

/// What the kernel says of a process that nobody logged in for.
const NOBODY: u32 = u32::MAX;

/// No chain of shells and terminals is longer than this.
const ANCESTORS: usize = 32;

/// Returns who runs this with `playbook`, letting these guards pass.
pub(crate) fn provenance(playbook: Option<&Path>, accepted: &[String]) -> Provenance {
    let machine = HostView::new("/");
    let playbook = playbook.filter(|it| *it != Path::new("-")).map(absolute);
    Provenance {
        began: String::new(),
        process: Process::this(&machine),
        who: who(&machine),
        host_name: text(&machine, "/proc/sys/kernel/hostname"),
        owner: playbook.as_ref().map(|it| it.display().to_string()),
        playbook,
        accepted: accepted.to_vec(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    }
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

fn text(machine: &HostView, path: &str) -> Option<String> {
    let bytes = machine.read_bytes(Path::new(path)).ok().flatten()?;
    let text = String::from_utf8_lossy(&bytes).trim().to_owned();
    Some(text).filter(|it| !it.is_empty())
}

/// Returns the user who became root with sudo(8) or pkexec(1), else who logged in (the kernel keeps that), else whose
/// process this is.
fn who(machine: &HostView) -> Who {
    let variable = |name: &str| std::env::var(name).ok().filter(|it| !it.is_empty());
    let number = |name: &str| variable(name)?.parse::<u32>().ok();
    let from = ssh_client(machine);
    let name = |uid| user_name(machine, uid).unwrap_or_else(|| uid.to_string());
    if let Some(uid) = number("SUDO_UID") {
        let user = variable("SUDO_USER").unwrap_or_else(|| name(uid));
        return Who { user, uid, via: Some("sudo".to_owned()), from };
    }
    if let Some(uid) = number("PKEXEC_UID") {
        return Who { user: name(uid), uid, via: Some("pkexec".to_owned()), from };
    }
    let own = rustix::process::geteuid().as_raw();
    let login = text(machine, "/proc/self/loginuid").and_then(|it| it.parse::<u32>().ok());
    match login.filter(|it| *it != NOBODY && *it != own) {
        Some(uid) => Who { user: name(uid), uid, via: Some(format!("su to {}", name(own))), from },
        None => Who { user: name(own), uid: own, via: None, from },
    }
}

fn user_name(machine: &HostView, uid: u32) -> Option<String> {
    let passwd = text(machine, "/etc/passwd")?;
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then(|| name.to_owned())
    })
}

/// Returns where the user came from. sudo(8) takes the variable out of the environment; the shell it was typed in has it.
fn ssh_client(machine: &HostView) -> Option<String> {
    let address = |connection: &str| connection.split(' ').next().map(str::to_owned);
    if let Some(connection) = std::env::var("SSH_CONNECTION").ok().filter(|it| !it.is_empty()) {
        return address(&connection);
    }
    let mut pid = "self".to_owned();
    for _ in 0..ANCESTORS {
        let status = text(machine, &format!("/proc/{pid}/status"))?;
        pid = status.lines().find_map(|it| it.strip_prefix("PPid:"))?.trim().to_owned();
        if pid == "0" {
            return None;
        }
        let environment = machine.read_bytes(Path::new(&format!("/proc/{pid}/environ"))).ok().flatten()?;
        let found = environment.split(|it| *it == 0).find_map(|it| it.strip_prefix(b"SSH_CONNECTION="));
        if let Some(connection) = found {
            return address(&String::from_utf8_lossy(connection));
        }
    }
    None
}
