//! `root-parameter`: the next boot would look for the root file system elsewhere, or start something else than before.

use std::path::Path;

use crate::error::Result;
use crate::formats::kernel_cmdline::{Cmdline, Parameter};
use crate::guards::boot_parameters;
use crate::machine::facts;
use crate::plan::scene::{Hazard, Scene, Severity};

const NAME: &str = "root-parameter";

/// Parameters of which the last one counts, and what they decide (kernel-parameters.txt, bootparam(7),
/// kernel-command-line(7), dracut.cmdline(7)). Names that share a place undo each other.
const SOLE: [(&[&str], &str); 10] = [
    (&["root"], "which file system is /"),
    (&["rootflags"], "how / is mounted"),
    (&["rootfstype"], "how / is mounted"),
    (&["ro", "rw"], "whether / is checked before it is written"),
    (&["init", "rdinit"], "what the kernel starts first"),
    (&["systemd.unit", "single", "emergency", "rescue"], "what is started at boot"),
    (&["netroot", "nfsroot", "nbdroot"], "which file system is /"),
    // Which scripts of initramfs-tools look for it, and the dataset of zfs-initramfs.
    (&["boot"], "how / is found"),
    (&["zfs", "bootfs"], "which file system is /"),
    (&["ostree"], "which deployment is /"),
];

/// Parameters of which each is needed for a part of what / lies on (dracut.cmdline(7),
/// systemd-cryptsetup-generator(8)).
const NEEDED: [&str; 21] = [
    "rd.lvm.lv",
    "rd.lvm.vg",
    "rd.luks.uuid",
    "rd.luks.name",
    "rd.luks.options",
    "rd.luks.key",
    "luks.uuid",
    "luks.name",
    "luks.options",
    "luks.key",
    "rd.luks.data",
    "luks.data",
    "rd.md.uuid",
    "rd.dm.uuid",
    "rd.iscsi.initiator",
    "rd.zfcp",
    "rd.dasd",
    "rd.znet",
    "cryptdevice",
    "cryptopts",
    "resume",
];

/// Beginnings of parameters that say / comes over the network, and of the values of root= that do.
const OF_NETWORK: [&str; 7] = ["netroot", "nfsroot", "nbdroot", "rd.iscsi", "iscsi_", "rd.nvmf", "rd.fcoe"];
const ROOT_OF_NETWORK: [&str; 8] = ["nfs", "iscsi", "nbd", "dhcp", "aoe", "fcoe", "/dev/nfs", "/dev/nbd"];

/// Parameters by which an image sets up the network (dracut.cmdline(7), Documentation/admin-guide/nfs/nfsroot.rst).
const NETWORK: [&str; 10] =
    ["ip", "rd.neednet", "bootdev", "ifname", "vlan", "bond", "bridge", "team", "rd.route", "rd.znet_ifname"];

/// Parameters that turn off the search for a part of what / lies on.
const SWITCHES: [&str; 7] = ["rd.lvm", "rd.luks", "rd.md", "rd.dm", "rd.multipath", "luks", "rd.auto"];

/// Finds parameters by which the host finds and starts its root file system, and which the plan takes or changes.
///
/// # Errors
/// When the boot loader's files cannot be read.
pub fn hazards(scene: Scene<'_>) -> Result<Vec<Hazard>> {
    let parameters = boot_parameters::read(scene)?;
    if !parameters.differ() {
        return Ok(Vec::new());
    }
    let running = match facts::proc_is_foreign(scene.before)? {
        true => Cmdline::parse(""),
        false => {
            let text = scene.before.attribute(Path::new("/proc/cmdline"))?;
            Cmdline::parse(&text.unwrap_or_default())
        }
    };
    let mut hazards = Vec::new();
    for (names, decides) in SOLE {
        let (before, after) = (last(&parameters.before, names), last(&parameters.after, names));
        if before.map(Parameter::raw) == after.map(Parameter::raw) {
            continue;
        }
        // A boot loader that adds the parameter by itself, as GRUB does with root=, gives the kernel both.
        let in_effect = before.or_else(|| last(&running, names));
        if in_effect.map(Parameter::raw) == after.map(Parameter::raw) {
            continue;
        }
        let (message, identity) = match (in_effect, after) {
            (Some(before), Some(after)) => (
                format!("the plan puts {after} in place of {before}, which says {decides}"),
                [before.raw(), after.raw()],
            ),
            (None, Some(after)) => {
                (format!("the plan adds {after}, which says {decides}"), ["", after.raw()])
            }
            (Some(before), None) => {
                (format!("the plan removes {before}, which says {decides}"), [before.raw(), ""])
            }
            (None, None) => continue,
        };
        hazards.push(hazard(&identity, message, in_effect, &running));
    }
    for parameter in &parameters.removed {
        if NEEDED.iter().any(|it| parameter.same_name(it)) {
            let message = format!("the plan removes {parameter}, by which the boot finds what / lies on");
            hazards.push(hazard(&[parameter.raw(), ""], message, Some(parameter), &running));
        }
    }
    if is_of_network(&parameters.before) || is_of_network(&running) {
        let is_needed = |it: &&Parameter| {
            let is_its = |prefix: &&str| {
                it.name().starts_with(*prefix) && !SOLE.iter().any(|sole| sole.0.contains(&it.name()))
            };
            NETWORK.iter().any(|name| it.same_name(name)) || OF_NETWORK.iter().any(is_its)
        };
        let taken = parameters.removed.iter().filter(|it| !NEEDED.iter().any(|name| it.same_name(name)));
        for parameter in taken.filter(is_needed) {
            let message =
                format!("the plan takes {parameter} away, by which the boot reaches / over the network");
            hazards.push(hazard(&[parameter.raw(), ""], message, Some(parameter), &running));
        }
    }
    for parameter in &parameters.added {
        let is_off = matches!(parameter.value(), Some("0" | "no" | "off" | "false"));
        if is_off && SWITCHES.iter().any(|it| parameter.same_name(it)) {
            let message = format!(
                "the plan adds {parameter}: the boot then does not look for a part of what / lies on"
            );
            hazards.push(hazard(&["", parameter.raw()], message, None, &running));
        }
    }
    Ok(hazards)
}

/// Returns whether a line says that / comes over the network.
fn is_of_network(line: &Cmdline) -> bool {
    line.parameters().any(|it| {
        let begins = |prefixes: &[&str], text: &str| prefixes.iter().any(|prefix| text.starts_with(prefix));
        begins(&OF_NETWORK, it.name())
            || it.same_name("root") && begins(&ROOT_OF_NETWORK, it.value().unwrap_or_default())
    })
}

fn hazard(identity: &[&str], message: String, before: Option<&Parameter>, running: &Cmdline) -> Hazard {
    let evidence = match before {
        Some(parameter) if running.parameters().any(|it| it.same(parameter)) => {
            format!("/proc/cmdline has {parameter}")
        }
        Some(parameter) => format!("the boot loader's configuration has {parameter}"),
        None => "neither /proc/cmdline nor the boot loader's configuration has such a parameter".to_owned(),
    };
    Hazard::new(NAME, Severity::Refuse, identity, message).shown_by([evidence])
}

fn last<'a>(cmdline: &'a Cmdline, names: &[&str]) -> Option<&'a Parameter> {
    cmdline.parameters().filter(|parameter| names.iter().any(|it| parameter.same_name(it))).last()
}
