//! The chapters of the converge scenarios; each says what it expected and what it found.

use super::evidence::{Family, MODPROBE_FILES, WORDS, expect_converged};
use crate::{
    cut::{self, Cut},
    error::{Result, check},
    files,
    process::{Call, Finished, tail},
    progress::Progress,
    root::{Hoststate, Root},
    snapshot::Snapshot,
    world::Bed,
};

/// The playbook of both scenarios.
pub(super) const PLAYBOOK: &str = include_str!("converge.lua");
/// Far more cuts than a run has steps: reaching it means that cutting does not work.
const MOST_CUTS: usize = 60;

/// `plan` leaves every byte and time stamp, and works where nothing can be written.
pub(super) fn planning_writes_nothing(bed: &Bed, hoststate: &Hoststate, progress: &Progress) -> Result<()> {
    progress.line("plan on a writable and on a read-only root");
    let root = bed.fresh()?;
    root.boot("quiet")?;
    let before = Snapshot::take(root.path())?;
    let writable = hoststate.plan(&root, &[])?;
    status(&writable, "plan of a fresh host", &[2])?;
    before.expect_equal(&Snapshot::take(root.path())?, "the root after `plan`")?;
    root.make_read_only()?;
    let read_only = hoststate.plan(&root, &[])?;
    status(&read_only, "plan on a read-only root", &[2])?;
    root.make_writable()?;
    before.expect_equal(&Snapshot::take(root.path())?, "the root after `plan` while it was read-only")?;
    check(
        writable.stdout == read_only.stdout,
        "plan on a read-only root",
        format!("the same text as on a writable one: {}", tail(&writable.stdout)),
        tail(&read_only.stdout),
    )?;
    root.unmount()
}

/// The first run shows a diff, runs the real tools and leaves nothing but a reboot.
pub(super) fn first_run_converges(
    family: &Family,
    bed: &Bed,
    hoststate: &Hoststate,
    progress: &Progress,
) -> Result<Root> {
    progress.line("first run");
    let root = bed.fresh()?;
    root.boot("quiet")?;
    let finished = hoststate.converge(&root, &[])?;
    status(&finished, "first run, not yet rebooted", &[3])?;
    for (path, line) in MODPROBE_FILES {
        let shown = finished.stdout.lines().any(|it| it.trim_start().starts_with('+') && it.contains(line));
        check(
            shown,
            format!("diff of {path} on standard output"),
            format!("an added line `{line}`"),
            tail(&finished.stdout),
        )?;
    }
    expect_converged(family, &root, "after the first run")?;
    Ok(root)
}

/// The second run runs nothing and touches nothing, before and after the reboot.
pub(super) fn second_run_does_nothing(root: &Root, hoststate: &Hoststate, progress: &Progress) -> Result<()> {
    progress.line("second run, before and after a reboot");
    let before = Snapshot::take(root.path())?;
    let states = [("quiet", 3, "reboot_required"), ("quiet intel_iommu=on iommu=pt", 0, "in_desired_state")];
    for (words, code, outcome) in states {
        root.boot(words)?;
        let (finished, report) = hoststate.report(root)?;
        let what = format!("second run, booted with `{words}`");
        status(&finished, &what, &[code])?;
        let facts = [
            ("outcome", serde_json::json!(outcome)),
            ("changed", serde_json::json!(false)),
            ("steps", serde_json::json!([])),
        ];
        for (field, wanted) in facts {
            check(
                report.get(field) == Some(&wanted),
                format!("{what}: `{field}` of the report"),
                wanted.to_string(),
                report.get(field).map_or("nothing".into(), ToString::to_string),
            )?;
        }
        before.expect_equal(&Snapshot::take(root.path())?, &format!("the root after the {what}"))?;
    }
    root.boot("quiet")
}

/// An image that is gone is noticed by name and made again.
pub(super) fn a_deleted_image_is_made_again(
    family: &Family,
    root: &Root,
    hoststate: &Hoststate,
    progress: &Progress,
) -> Result<()> {
    progress.line("an image is deleted");
    let image = oldest_image(root)?;
    files::remove(root.join(&image))?;
    noticed_and_healed(family, root, hoststate, &image, "a deleted image")
}

/// A word that a hand took out of one boot entry is noticed and put back.
pub(super) fn a_lost_word_comes_back(
    family: &Family,
    root: &Root,
    hoststate: &Hoststate,
    progress: &Progress,
) -> Result<()> {
    progress.line("a word is taken out of grub.cfg");
    let path = root.join("boot/grub/grub.cfg");
    let text = files::read(&path)?;
    let edited = text.replacen(&format!(" {}", WORDS[1]), "", 1);
    check(text != edited, "grub.cfg before the edit", WORDS[1], "no such word")?;
    files::write(&path, &edited)?;
    noticed_and_healed(family, root, hoststate, "/boot/grub/grub.cfg", "a hand-edited grub.cfg")
}

/// An image from before the first run, put back under its name, is noticed and made again.
/// Its time stamp is newer than every source, so only what it contains gives it away.
pub(super) fn an_old_image_is_replaced(
    family: &Family,
    bed: &Bed,
    root: &Root,
    hoststate: &Hoststate,
    progress: &Progress,
) -> Result<()> {
    progress.line("an old image comes back");
    let image = oldest_image(root)?;
    // The image file of the untouched system holds it; a second mount of it would need a second device name.
    let old = bed.work().join("old.img");
    Call::new(["debugfs", "-R"])
        .args([format!("dump {image} {}", old.display())])
        .args([bed.image()])
        .succeed()?;
    let size = files::status(&old)?.len();
    check(size > 0, "the image of the untouched system", "some bytes", "an empty file")?;
    Call::new(["cp"]).args([old, root.join(&image)]).succeed()?;
    noticed_and_healed(family, root, hoststate, &image, "an old image")
}

/// Whatever file the run dies before, the next run ends in the desired state.
pub(super) fn cuts_before_renames_heal(
    family: &Family,
    bed: &Bed,
    hoststate: &Hoststate,
    progress: &Progress,
) -> Result<()> {
    let cuts = cut_everywhere(family, bed, hoststate, progress, "rename", |root, number| {
        cut::before_rename(hoststate, root, number)
    })?;
    // Three sources at least: two files of modprobe.d and the one with the command line.
    check(cuts >= 3, "cuts before a rename", "3 or more", cuts.to_string())
}

/// Whatever tool the run dies in, the next run ends in the desired state.
pub(super) fn cuts_at_tools_heal(
    family: &Family,
    tools: &[&str],
    bed: &Bed,
    hoststate: &Hoststate,
    progress: &Progress,
) -> Result<()> {
    let cuts = cut_everywhere(family, bed, hoststate, progress, "tool call", |root, number| {
        cut::at_tool(hoststate, root, tools, number)
    })?;
    check(cuts >= 2, "cuts at a tool call", "2 or more", cuts.to_string())
}

/// Cuts a first run at place 1, 2, … of fresh roots until a run has no such place; returns how many there were.
fn cut_everywhere(
    family: &Family,
    bed: &Bed,
    hoststate: &Hoststate,
    progress: &Progress,
    place: &str,
    cut: impl Fn(&Root, usize) -> Result<Cut>,
) -> Result<usize> {
    for number in 1..MOST_CUTS {
        let root = bed.fresh()?;
        root.boot("quiet")?;
        if let Cut::Ended(finished) = cut(&root, number)? {
            status(&finished, &format!("an uncut run, without a {place} {number}"), &[3])?;
            progress.line(&format!("no {place} {number}"));
            root.unmount()?;
            return Ok(number - 1);
        }
        progress.line(&format!("cut at {place} {number}"));
        let what = format!("the run after a cut at {place} {number}");
        status(&hoststate.converge(&root, &[])?, &what, &[3])?;
        expect_converged(family, &root, &what)?;
        status(&hoststate.plan(&root, &[])?, &format!("plan after {what}"), &[3])?;
        root.unmount()?;
    }
    check(false, format!("cuts at a {place}"), "an end", format!("{MOST_CUTS} of them"))?;
    Ok(MOST_CUTS)
}

fn noticed_and_healed(
    family: &Family,
    root: &Root,
    hoststate: &Hoststate,
    subject: &str,
    what: &str,
) -> Result<()> {
    let plan = hoststate.plan(root, &[])?;
    status(&plan, &format!("plan with {what}"), &[2])?;
    let name = subject.rsplit('/').next().unwrap_or(subject);
    check(
        plan.stdout.contains(name),
        format!("plan with {what}"),
        format!("a line that names {subject}"),
        tail(&plan.stdout),
    )?;
    let healed = hoststate.converge(root, &[])?;
    status(&healed, &format!("converge with {what}"), &[3])?;
    expect_converged(family, root, &format!("after healing {what}"))?;
    status(&hoststate.plan(root, &[])?, &format!("plan after healing {what}"), &[3])
}

/// The image of the lowest kernel version: the one that tools made for the newest forget.
fn oldest_image(root: &Root) -> Result<String> {
    let kernels = root.kernels()?;
    let oldest = kernels.first().map(String::as_str).unwrap_or_default();
    Ok(format!("/boot/initrd.img-{oldest}"))
}

fn status(finished: &Finished, what: &str, wanted: &[i32]) -> Result<()> {
    check(
        wanted.contains(&finished.status),
        format!("exit status of {what}"),
        format!("one of {wanted:?}"),
        format!(
            "{}; standard output ends: {}; standard error ends: {}",
            finished.status,
            tail(&finished.stdout),
            tail(&finished.stderr)
        ),
    )
}
