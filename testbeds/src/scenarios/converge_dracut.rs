//! A Debian host with GRUB and dracut, two kernels: converge, settle, heal, survive cuts at its tools.

use super::{Scenario, evidence::Family, story};
use crate::{
    error::Result,
    progress::Progress,
    root::{Hoststate, Root},
    world::Bed,
};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "converge-dracut",
    about: "real dracut and update-grub on two kernels; settling, healing, cuts at the tools",
    image: "bookworm-dracut",
    playbook: story::PLAYBOOK,
    run,
};

const FAMILY: Family = Family { image_listing, image_file };

const TOOLS: [&str; 3] = ["usr/bin/dracut", "usr/sbin/update-grub", "usr/sbin/grub-mkconfig"];

fn run(bed: &Bed, hoststate: &Hoststate, progress: &Progress) -> Result<()> {
    let root = story::first_run_converges(&FAMILY, bed, hoststate, progress)?;
    story::second_run_does_nothing(&root, hoststate, progress)?;
    story::a_deleted_image_is_made_again(&FAMILY, &root, hoststate, progress)?;
    story::a_lost_word_comes_back(&FAMILY, &root, hoststate, progress)?;
    story::an_old_image_is_replaced(&FAMILY, bed, &root, hoststate, progress)?;
    root.unmount()?;

    story::cuts_at_tools_heal(&FAMILY, &TOOLS, bed, hoststate, progress)
}

fn image_listing(root: &Root, image: &str) -> Result<String> {
    root.call(["lsinitrd", image]).succeed()
}

fn image_file(root: &Root, image: &str, path: &str) -> Result<String> {
    root.call(["lsinitrd", "-f", path, image]).succeed()
}
