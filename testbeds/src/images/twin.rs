//! The toolbox of machines that have devices of any identity: a QEMU that takes a device from another process.

use super::{
    Building, Image,
    vm::{self, Archive},
};
use crate::{beds::vm::toolbox::Toolbox, error::Result, machine};

/// The root is of this release, and QEMU of what was packaged for it later: 11.1 is the first with `vfio-user-pci` in it.
const SUITE: &str = "trixie";
const LATER: &str = "trixie-backports";
const PACKAGES: [&str; 4] = ["ipxe-qemu", "mount", "qemu-system-x86", "seabios"];

pub(super) static IMAGES: [Image; 1] = [Image {
    name: "qemu-twin",
    about: "QEMU 11.1 or later of Debian's backports, with its libraries",
    made_of: &[SUITE, LATER, include_str!("twin.rs")],
    needs: &[],
    build: fetch,
    finish: None,
}];

fn fetch(building: &Building<'_>) -> Result<()> {
    let mirror = machine::debian_mirror()?;
    let options = vec![
        format!("--setup-hook=echo 'deb {mirror} {LATER} main' >\"$1/etc/apt/sources.list.d/later.list\""),
        format!("--aptopt=APT::Default-Release \"{LATER}\""),
    ];
    let archive = Archive { mirror, options };
    vm::fetch_from(&archive, building, "directory", SUITE, &PACKAGES)?;
    Toolbox::furnish(building.file)
}
