//! The boot menu around a tool that makes it anew: a root that no entry had is a fault of the tool's, and is taken back.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use hoststate_abi::activation::Activation;
use hoststate_abi::host_view::HostView;
use hoststate_abi::step::Step;

use super::{Run, Stop};
use crate::error::{Error, Result};
use crate::formats::kernel_cmdline::Cmdline;
use crate::formats::mount_table;
use crate::mechanism::distro::{BootEntry, Distro};
use crate::record::report::{StepReport, StepStatus};

/// The menu as it was before the tool ran.
struct Kept {
    /// What `root=` the entries of each kernel had.
    roots: BTreeMap<Option<String>, BTreeSet<String>>,
    /// The files of the menu, by their resolved paths.
    files: BTreeMap<PathBuf, String>,
}

/// Another root than before, and what takes it back.
struct Damage {
    error: Error,
    steps: Vec<Step>,
}

impl Run<'_> {
    /// Runs a tool; a boot menu with a root that it did not have fails it, and is put back as it was.
    pub(super) fn tool(
        &mut self,
        activation: &Activation,
        argv: &[String],
        steps: &mut Vec<StepReport>,
    ) -> Result<(), Stop> {
        let run = Step::Run { argv: argv.to_vec() };
        if *activation != Activation::BootConfig {
            return self.step(&run, steps);
        }
        let distro = self.planner.distro;
        let kept = keep(&self.host.view(), distro).map_err(Stop::failed)?;
        self.step(&run, steps)?;
        let tool = argv.first().map(String::as_str).unwrap_or_default();
        let damage = kept.damage(&self.host.view(), distro, tool).map_err(Stop::failed)?;
        let Some(Damage { error, steps: back }) = damage else { return Ok(()) };
        if let Some(report) = steps.last_mut() {
            report.status = StepStatus::Failed;
            report.reason = Some(error.to_string());
        }
        for step in back {
            self.perform(&step, steps).map_err(Stop::failed)?;
        }
        Err(Stop::failed(error))
    }
}

/// Keeps the menu; what cannot be read as text cannot be put back, and is not kept.
///
/// # Errors
/// When the menu cannot be read.
fn keep(host: &HostView, distro: &Distro) -> Result<Kept> {
    let mut kept = Kept { roots: BTreeMap::new(), files: BTreeMap::new() };
    for entry in distro.bootloader.entries(host)?.iter().filter(|it| it.generated) {
        if let Some(root) = root(entry) {
            kept.roots.entry(entry.kernel.clone()).or_default().insert(root);
        }
        let path = host.resolve(&entry.place.file)?;
        if let (false, Ok(Some(text))) = (kept.files.contains_key(&path), host.read(&path)) {
            kept.files.insert(path, text);
        }
    }
    Ok(kept)
}

impl Kept {
    /// Looks for an entry whose root is surely another one than its kernel had and than fstab mounts.
    ///
    /// # Errors
    /// When the menu cannot be read.
    fn damage(self, host: &HostView, distro: &Distro, tool: &str) -> Result<Option<Damage>> {
        let fstab = host.read_lossy(Path::new("/etc/fstab"))?.unwrap_or_default();
        let mounted = mount_table::parse_fstab(&fstab).into_iter().find(|it| it.point == "/");
        let mounted = mounted.as_ref().map(|it| it.source.as_str());
        let entries = distro.bootloader.entries(host)?;
        for entry in entries.iter().filter(|it| it.generated) {
            let (Some(root), Some(known)) = (root(entry), self.roots.get(&entry.kernel)) else { continue };
            let Some(why) = another(host, &root, known, mounted)? else { continue };
            let was = known.iter().map(|it| format!("root={it}")).collect::<Vec<_>>().join(", ");
            let what = format!(
                "{tool} wrote root={root} for {:?} ({}), which had {was}: {why}",
                entry.title, entry.place
            );
            let hint = "The boot menu was put back as it was. In a chroot the tool needs the /dev and /run/udev of the \
                        machine that holds the disk (`mount --rbind /dev ROOT/dev`), or it takes what the builder has.";
            let steps = self.files.into_iter().map(|(path, text)| Step::WriteFile { path, text }).collect();
            return Ok(Some(Damage { error: Error::invalid(what, hint), steps }));
        }
        Ok(None)
    }
}

/// Says why a root is none of those of `before`, if that is sure: the same disk may be named in another way, and is
/// where `GRUB_DISABLE_LINUX_UUID` is set.
///
/// # Errors
/// When links below `/dev/disk` cannot be read.
fn another(
    host: &HostView,
    root: &str,
    known: &BTreeSet<String>,
    mounted: Option<&str>,
) -> Result<Option<&'static str>> {
    if known.contains(root) || mounted == Some(root) {
        return Ok(None);
    }
    if mount_table::is_of_a_builder(root) {
        return Ok(Some("only the machine on which the tool ran has that"));
    }
    let new = device(host, root)?;
    let mut differs = false;
    for other in known.iter().map(String::as_str).chain(mounted) {
        let device = device(host, other)?;
        if new.is_some() && new == device {
            return Ok(None);
        }
        let same_kind = root.split_once('=').zip(other.split_once('=')).is_some_and(|(a, b)| a.0 == b.0);
        // What is mounted says what the root is; what entries had only where no table does.
        differs |= (same_kind || new.is_some() && device.is_some()) && mounted.is_none_or(|it| it == other);
    }
    Ok(differs.then_some("that is another file system"))
}

/// Returns the device that a root is on, as far as `/dev` tells.
fn device(host: &HostView, root: &str) -> Result<Option<PathBuf>> {
    let path = match root.split_once('=') {
        None => PathBuf::from(root),
        Some((kind, name)) => {
            Path::new("/dev/disk").join(format!("by-{}", kind.to_ascii_lowercase())).join(name)
        }
    };
    Ok(if host.exists(&path)? { Some(host.resolve(&path)?) } else { None })
}

fn root(entry: &BootEntry) -> Option<String> {
    let line = Cmdline::parse(&entry.cmdline);
    let root = line.parameters().filter(|it| it.same_name("root")).last()?;
    root.value().map(str::to_owned)
}
