//! The fleet bed: many hosts with ssh on a network of their own, and the machine as the control node of Ansible.
//!
//! A step acts on the control node. `ansible-playbook` and `ssh` (as `$SSH HOST …`) are there, with an inventory of the
//! hosts `h1`, `h2`, … in the group `passthrough`; `$EXAMPLES` is the directory of the project's examples. Paths are
//! relative to a directory of its own. The hosts share the machine's kernel and its `/sys`, and never reboot.

use std::{
    fmt::Write,
    path::{Path, PathBuf},
};

use serde::Deserialize;

use super::{Bed, Kind, Order, Place, container::mounts::Mounts};
use crate::{
    error::{Error, Result, check},
    files, images, machine,
    process::{Call, Finished},
    world::mount,
};

pub(super) const KIND: Kind = Kind {
    name: "fleet",
    about: "hosts with ssh on a network of their own, and Ansible to control them",
    prepare,
    open: |order, place| Ok(Box::new(Fleet::open(order, place)?)),
    breakdown: |_| Ok(None),
};

/// The control node's directory: short, for the paths of ssh's control sockets are limited, and on the private /run.
const CONTROL: &str = "/run/control";
/// Starts one host; `sh` reads it.
const HOST: &str = include_str!("host.sh");
/// Starts its arguments in a session of its own; returns when they run.
const START: &str = r#"
cd "$1"; shift
setsid "$@" >console.log 2>&1 </dev/null &
until [ -e started ]; do sleep 0.01; done
"#;
/// The address of host N is `10.77.(N / 200).(N % 200 + 10)`, the control node has another one of this network.
const CONTROL_ADDRESS: &str = "10.77.255.1/16";
/// How long the hosts may take until ssh answers.
const UP_SECONDS: u64 = 300;

/// Words of a scenario's `machine`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Machine {
    /// How many hosts there are.
    hosts: u16,
}

struct Fleet {
    place: Place,
    hosts: u16,
}

fn prepare(order: &Order, cache: &Path) -> Result<Vec<PathBuf>> {
    let _: Machine = order.machine()?;
    if order.image.is_some() {
        return Err(Error::Argument { step: "--image".into(), reason: "the fleet has its own image".into() });
    }
    let root = images::image("fleet-host")?.get(cache)?;
    Ok(vec![root, machine::ansible(cache)?])
}

impl Fleet {
    fn open(order: &Order, place: Place) -> Result<Self> {
        let machine: Machine = order.machine()?;
        Mounts::make(&place.work)?;
        let mut fleet = Self { place, hosts: machine.hosts };
        fleet.make_control()?;
        fleet.make_hosts()?;
        Ok(fleet)
    }

    fn make_control(&self) -> Result<()> {
        files::make_directory(CONTROL)?;
        let control = Path::new(CONTROL);
        Call::new(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f"])
            .args([control.join("key")])
            .succeed()?;
        let mut hosts = String::from("[passthrough]\n");
        let mut ssh = String::new();
        for number in 1..=self.hosts {
            writeln!(hosts, "h{number}").expect("writing to a String does not fail");
            write!(ssh, "Host h{number}\n  HostName {}\n", address(number))
                .expect("writing to a String does not fail");
        }
        write!(
            ssh,
            "Host *\n  User root\n  IdentityFile {CONTROL}/key\n  StrictHostKeyChecking no\n  \
             UserKnownHostsFile /dev/null\n  LogLevel ERROR\n"
        )
        .expect("writing to a String does not fail");
        files::write(control.join("hosts.ini"), &hosts)?;
        files::write(control.join("ssh_config"), &ssh)
    }

    fn make_hosts(&mut self) -> Result<()> {
        let lower = self.place.work.join("lower");
        files::make_directory(&lower)?;
        mount(&["-o", "loop,ro", &self.place.images[0].to_string_lossy(), &lower.to_string_lossy()])?;
        let script = self.place.work.join("host.sh");
        files::write(&script, HOST)?;
        for words in [
            &["link", "set", "lo", "up"][..],
            &["link", "add", "br0", "type", "bridge"],
            &["addr", "add", CONTROL_ADDRESS, "dev", "br0"],
            &["link", "set", "br0", "up"],
        ] {
            Call::new(["ip"]).args(words).succeed()?;
        }
        for number in 1..=self.hosts {
            self.make_host(number, &lower, &script)?;
        }
        // Answers when every host lets us in.
        let script = format!(
            "for n in $(seq {}); do until $SSH -o ConnectTimeout=5 h$n true 2>/dev/null; do sleep 0.1; done; done",
            self.hosts
        );
        let up = self.call(&["sh", "-c", &script], None, UP_SECONDS)?;
        check(up.status == 0, "the fleet", "ssh to every host", self.console()?)
    }

    fn make_host(&self, number: u16, lower: &Path, script: &Path) -> Result<()> {
        let (name, link) = (format!("h{number}"), format!("v{number}"));
        let address = format!("{}/16", address(number));
        Call::new(["ip", "netns", "add", &name]).succeed()?;
        for words in [
            &["link", "add", &link, "type", "veth", "peer", "name", "eth0", "netns", &name][..],
            &["link", "set", &link, "master", "br0", "up"],
            &["-n", &name, "addr", "add", &address, "dev", "eth0"],
            &["-n", &name, "link", "set", "eth0", "up"],
            &["-n", &name, "link", "set", "lo", "up"],
        ] {
            Call::new(["ip"]).args(words).succeed()?;
        }
        let directory = self.place.work.join(&name);
        files::make_directory(&directory)?;
        // It outlives this call once it has a session of its own, and ends with the process namespace of the world.
        Call::new(["sh", "-c", START, "start"])
            .args([&directory])
            .args(["ip", "netns", "exec", &name])
            .args(["unshare", "--mount", "--pid", "--uts", "--ipc", "--fork", "--kill-child", "sh"])
            .args([script])
            .args([&name])
            .args([&directory, lower, &self.place.hoststate])
            .args([format!("{CONTROL}/key.pub")])
            .succeed()?;
        Ok(())
    }

    /// A program on the control node, where `ansible-playbook` and `$SSH` find the hosts.
    fn on_control_node(&self, argv: &[&str]) -> Call {
        let ansible = self.place.images[1].join("bin");
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("/"));
        let ssh = format!("-F {CONTROL}/ssh_config");
        Call::new(["env", "-C", CONTROL])
            .args(argv)
            .env("PATH", format!("{}:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", ansible.display()))
            .env("HOME", CONTROL)
            .env("LC_ALL", "C.UTF-8")
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("SSH", format!("ssh {ssh}"))
            .env("EXAMPLES", workspace.join("examples"))
            .env("ANSIBLE_HOME", format!("{CONTROL}/ansible"))
            .env("ANSIBLE_INVENTORY", format!("{CONTROL}/hosts.ini"))
            .env("ANSIBLE_SSH_ARGS", format!("{ssh} -o ControlMaster=auto -o ControlPersist=60s"))
            // A Debian without recommended packages has no sudo.
            .env("ANSIBLE_BECOME_METHOD", "su")
            .env("ANSIBLE_PIPELINING", "1")
            .env("ANSIBLE_FORKS", self.hosts.to_string())
            .env("ANSIBLE_PYTHON_INTERPRETER", "/usr/bin/python3")
    }
}

impl Bed for Fleet {
    fn call(&mut self, argv: &[&str], input: Option<&[u8]>, seconds: u64) -> Result<Finished> {
        let mut call = self.on_control_node(argv).within(seconds);
        if let Some(input) = input {
            call = call.input(input);
        }
        call.finish()
    }

    fn put(&mut self, path: &str, bytes: &[u8], mode: u32) -> Result<()> {
        let script = r#"set -e; mkdir -p "$(dirname "$1")"; cat >"$1"; chmod "$2" "$1""#;
        let finished =
            self.call(&["sh", "-c", script, "put", path, &format!("{mode:o}")], Some(bytes), 60)?;
        check(finished.status == 0, format!("putting {path}"), "a file", finished.stderr)
    }

    fn reboot(&mut self) -> Result<()> {
        Err(never("reboot"))
    }

    fn power_cycle(&mut self) -> Result<()> {
        Err(never("power_cycle"))
    }

    fn console(&self) -> Result<String> {
        let mut text = String::new();
        for number in 1..=self.hosts {
            let log = files::read(self.place.work.join(format!("h{number}/console.log")))?;
            for line in log.lines() {
                writeln!(text, "h{number}: {line}").expect("writing to a String does not fail");
            }
        }
        Ok(text)
    }

    fn hoststate(&mut self, verb: &str, _: Option<&str>, _: &[&str], _: u64) -> Result<Finished> {
        Err(never(verb))
    }

    fn shell(&mut self) -> Result<()> {
        self.on_control_node(&["sh", "-i"]).on_terminal()
    }
}

fn address(number: u16) -> String {
    format!("10.77.{}.{}", number / 200, number % 200 + 10)
}

fn never(step: &str) -> Error {
    let reason =
        "a fleet is driven from its control node: host:shell \"ansible-playbook …\" or \"$SSH h1 …\"";
    Error::Argument { step: step.into(), reason: reason.into() }
}
