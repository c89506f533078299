//! How the time of a plan grows with the size of one file: ten times the lines shall take about ten times as long.

use std::fmt::Write;
use std::path::Path;

use super::{Case, tree};
use crate::error::Result;
use crate::files;

/// What grows, how often it is there in the smaller host, and what makes a host with so many and its playbook.
type Growth = (&'static str, usize, fn(&Path, usize) -> Result<String>);

const GROWTHS: [Growth; 9] = [
    ("options in one file", 1_000, options_there),
    ("options in one file, written from nothing", 1_000, options_missing),
    ("options in one file, each with another value", 1_000, options_changed),
    ("softdeps in one file, written from nothing", 1_000, softdeps_missing),
    ("blacklisted modules in one file, written from nothing", 1_000, blacklists_missing),
    ("modules to load in one file, written from nothing", 1_000, loads_missing),
    ("entries of a grub.cfg", 2_000, entries),
    ("assignments in /etc/default/grub", 900, assignments),
    ("virtual functions of eight cards for guests", 200, functions),
];

/// How many times the larger host has what grows.
const FACTOR: usize = 10;

/// Returns the pairs of cases, the smaller first, with what is ten times as much in the larger.
pub(super) fn pairs(scratch: &Path, hoststate: &Path) -> Result<Vec<(&'static str, [Case; 2])>> {
    let mut pairs = Vec::new();
    for (index, (what, count, make)) in GROWTHS.into_iter().enumerate() {
        let case = |count: usize| -> Result<Case> {
            let root = scratch.join(format!("growth-{index}-{count}"));
            let playbook = scratch.join(format!("growth-{index}-{count}.lua"));
            tree::bare_host(&root)?;
            files::write(&playbook, &make(&root, count)?)?;
            Ok(Case {
                name: format!("plan {count} {what}"),
                hoststate: super::calling(
                    hoststate,
                    &["plan", "-q", "--detailed-exitcode"],
                    &playbook,
                    &root,
                ),
                statuses: &[0, 2],
                floor: None,
                fresh: None,
            })
        };
        pairs.push((what, [case(count)?, case(count * FACTOR)?]));
    }
    Ok(pairs)
}

fn functions(root: &Path, count: usize) -> Result<String> {
    tree::cards(root)?;
    Ok(tree::cards_playbook(count))
}

fn options_there(root: &Path, count: usize) -> Result<String> {
    tree::options(root, count, 1)?;
    Ok(tree::options_playbook(count, 1))
}

fn options_missing(_: &Path, count: usize) -> Result<String> {
    Ok(tree::options_playbook(count, 1))
}

fn options_changed(root: &Path, count: usize) -> Result<String> {
    tree::options(root, count, 1)?;
    Ok(tree::options_playbook(count, 1).replace("p = number", "p = number + 1"))
}

fn softdeps_missing(_: &Path, count: usize) -> Result<String> {
    Ok(each(count, "modprobe_softdep { module = \"bench\" .. number, pre = { \"vfio-pci\" } }"))
}

fn blacklists_missing(_: &Path, count: usize) -> Result<String> {
    Ok(each(count, "modprobe_blacklist { module = \"bench\" .. number, install = true }"))
}

fn loads_missing(_: &Path, count: usize) -> Result<String> {
    Ok(each(count, "modules_load { modules = { \"bench\" .. number } }"))
}

/// A playbook with one declaration for each number.
fn each(count: usize, declaration: &str) -> String {
    format!("for number = 1, {count} do\n  {declaration}\nend\n")
}

fn entries(root: &Path, count: usize) -> Result<String> {
    let mut text = String::from("### BEGIN /etc/grub.d/10_linux ###\nset default=\"0\"\n");
    for number in 0..count {
        writeln!(
            text,
            "menuentry 'Linux {number}' {{\n\tlinux /boot/vmlinuz-{number} root=/dev/vda1 ro quiet\n}}"
        )
        .expect("writing to a String does not fail");
    }
    files::write(root.join("boot/grub/grub.cfg"), &text)?;
    Ok(tree::SMALL_PLAYBOOK.to_owned())
}

fn assignments(root: &Path, count: usize) -> Result<String> {
    let mut text = String::from("GRUB_CMDLINE_LINUX_DEFAULT=\"quiet\"\n");
    for number in 0..count {
        writeln!(text, "BENCH_{number}={number}").expect("writing to a String does not fail");
    }
    files::write(root.join("etc/default/grub"), &text)?;
    Ok(tree::SMALL_PLAYBOOK.to_owned())
}
