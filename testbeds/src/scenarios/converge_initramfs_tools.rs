//! A Debian host with GRUB and initramfs-tools, two kernels: converge, settle, heal, survive cuts, plan read-only.

use super::{Scenario, evidence::Family, story};
use crate::{
    error::Result,
    progress::Progress,
    root::{Hoststate, Root},
    world::Bed,
};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "converge-initramfs-tools",
    about: "real update-initramfs and update-grub on two kernels; settling, healing, cuts, a read-only plan",
    image: "bookworm-initramfs-tools",
    playbook: story::PLAYBOOK,
    run,
};

const FAMILY: Family = Family { image_listing, image_file };

/// What hoststate calls, and what that calls in the middle of its work.
const TOOLS: [&str; 5] = [
    "usr/sbin/update-initramfs",
    "usr/sbin/mkinitramfs",
    "usr/sbin/update-grub",
    "usr/sbin/grub-mkconfig",
    "usr/bin/grub-script-check",
];

fn run(bed: &Bed, hoststate: &Hoststate, progress: &Progress) -> Result<()> {
    story::planning_writes_nothing(bed, hoststate, progress)?;

    let root = story::first_run_converges(&FAMILY, bed, hoststate, progress)?;
    story::second_run_does_nothing(&root, hoststate, progress)?;
    story::a_deleted_image_is_made_again(&FAMILY, &root, hoststate, progress)?;
    story::a_lost_word_comes_back(&FAMILY, &root, hoststate, progress)?;
    story::an_old_image_is_replaced(&FAMILY, bed, &root, hoststate, progress)?;
    root.unmount()?;

    story::cuts_before_renames_heal(&FAMILY, bed, hoststate, progress)?;
    story::cuts_at_tools_heal(&FAMILY, &TOOLS, bed, hoststate, progress)
}

fn image_listing(root: &Root, image: &str) -> Result<String> {
    root.call(["lsinitramfs", image]).succeed()
}

/// Unpacks the whole image: initramfs-tools has no tool that prints one file of it.
fn image_file(root: &Root, image: &str, path: &str) -> Result<String> {
    let script = format!(
        "set -e; rm -rf /run/unpacked; unmkinitramfs {image} /run/unpacked; \
         cd /run/unpacked; if [ -d main ]; then cd main; fi; cat {path}"
    );
    root.call(["sh", "-c", &script]).succeed()
}
