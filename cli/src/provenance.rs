//! Who runs this, from where, and with what, as the environment and `/proc` tell.

use std::path::{Path, PathBuf};

use hoststate_abi::host_view::HostView;
use hoststate_core::record::provenance::{Process, Provenance, Who};

/// What the kernel says of a process that nobody logged in for.
const NOBODY: u32 = u32::MAX;

/// No chain of shells and terminals is longer than this.
const ANCESTORS: usize = 32;

/// Returns who runs this with the `playbook` of an owner, letting these guards pass.
pub(crate) fn provenance(playbook: Option<&Path>, owner: Option<&str>, accepted: &[String]) -> Provenance {
    let machine = HostView::new("/");
    let playbook = playbook.filter(|it| *it != Path::new("-")).map(absolute);
    Provenance {
        began: String::new(),
        process: Process::this(&machine),
        who: who(&machine, variable),
        host_name: text(&machine, "/proc/sys/kernel/hostname"),
        owner: owner.map(str::to_owned),
        playbook,
        accepted: accepted.to_vec(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    }
}

/// Returns the path from the root on.
pub(crate) fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

fn text(machine: &HostView, path: &str) -> Option<String> {
    let bytes = machine.read_bytes(Path::new(path)).ok().flatten()?;
    let text = String::from_utf8_lossy(&bytes).trim().to_owned();
    Some(text).filter(|it| !it.is_empty())
}

/// Returns the user who became root with sudo(8) or pkexec(1), else who logged in (the kernel keeps that), else whose
/// process this is.
fn who(machine: &HostView, variable: impl Fn(&str) -> Option<String>) -> Who {
    let number = |name: &str| variable(name)?.parse::<u32>().ok();
    let from = ssh_client(machine, variable("SSH_CONNECTION"));
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

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|it| !it.is_empty())
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
fn ssh_client(machine: &HostView, connection: Option<String>) -> Option<String> {
    let address = |connection: &str| connection.split(' ').next().map(str::to_owned);
    if let Some(connection) = connection {
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

#[cfg(test)]
mod tests {
    use hoststate_core::record::provenance::Who;
    use hoststate_testkit::tree::Tree;

    use super::who;

    const PASSWD: (&str, &str) = ("/etc/passwd", "root:x:0:0::/root:/bin/sh\nann:x:4242:4242::/:/bin/sh\n");

    fn told(files: &[(&str, &str)], variables: &[(&str, &str)]) -> Who {
        let found = |name: &str| variables.iter().find(|it| it.0 == name).map(|it| it.1.to_owned());
        who(&Tree::new(&[&[PASSWD], files].concat()).view(), found)
    }

    #[test]
    fn who_became_root_with_pkexec_is_told_by_name() {
        let it = told(&[("/proc/self/loginuid", "7")], &[("PKEXEC_UID", "4242")]);
        assert_eq!(it, Who { user: "ann".to_owned(), uid: 4242, via: Some("pkexec".to_owned()), from: None });
    }

    #[test]
    fn who_became_another_with_su_is_known_by_the_login() {
        let it = told(&[("/proc/self/loginuid", "4242")], &[]);
        assert_eq!((it.user.as_str(), it.uid), ("ann", 4242));
        assert!(it.via.as_ref().is_some_and(|via| via.starts_with("su to ")), "{it:?}");
        let own = rustix::process::geteuid().as_raw();
        for nobody in ["4294967295", "no number", &own.to_string()] {
            let it = told(&[("/proc/self/loginuid", nobody)], &[]);
            assert_eq!((it.uid, it.via), (own, None), "{nobody}");
        }
    }

    #[test]
    fn where_the_user_came_from_is_in_the_environment_of_the_shell_that_sudo_was_typed_in() {
        let files = [
            ("/proc/self/status", "Name:\thoststate\nPPid:\t8\n"),
            ("/proc/8/status", "Name:\tsudo\nPPid:\t7\n"),
            ("/proc/8/environ", "LANG=C\0"),
            ("/proc/7/status", "Name:\tbash\nPPid:\t1\n"),
            ("/proc/7/environ", "LANG=C\0SSH_CONNECTION=192.0.2.7 5000 192.0.2.1 22\0HOME=/\0"),
        ];
        assert_eq!(told(&files, &[("SUDO_UID", "4242")]).from.as_deref(), Some("192.0.2.7"));
        assert_eq!(told(&files[..3], &[("SUDO_UID", "4242")]).from, None);
        let own = [("SSH_CONNECTION", "198.51.100.1 1 192.0.2.1 22")];
        assert_eq!(told(&files, &own).from.as_deref(), Some("198.51.100.1"));
    }
}
