//! Taking lines out of modprobe.d by their effect: whatever wins goes, until what hoststate would set is in force no more.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use hoststate_abi::setting::{Remedy, Setting, State};
use hoststate_abi::step::Step;

use crate::error::Result;
use crate::formats::modprobe_conf::{DIRECTORIES, ModprobeConf, ModprobeView, Origin};
use crate::language::resource::Context;
use crate::machine::{image_contents, kernels, modprobe_d};
use crate::mechanism::distro::CopiedFile;
use crate::resources::leftover;

/// Lines that go, file by file, and what is in force without them.
pub(super) struct Removal {
    view: ModprobeView,
    changed: BTreeMap<PathBuf, String>,
    /// What wins and stands where hoststate changes nothing.
    kept: Option<Origin>,
}

impl Removal {
    /// Begins with what is in force on a host.
    ///
    /// # Errors
    /// When modprobe.d cannot be read.
    pub(super) fn new(cx: Context<'_>) -> Result<Self> {
        Ok(Self { view: modprobe_d::read(cx.host)?, changed: BTreeMap::new(), kept: None })
    }

    /// Returns what is in force without the lines that go.
    pub(super) fn view(&self) -> &ModprobeView {
        &self.view
    }

    /// Changes the file that a winner stands in. Returns what that file was; `None` where the winner stands elsewhere, or
    /// where nothing of it can be taken out, which is then what is in the way.
    pub(super) fn change(
        &mut self,
        origin: &Origin,
        change: impl FnOnce(&mut ModprobeConf),
    ) -> Option<ModprobeConf> {
        let before = match origin {
            Origin::File { path, .. } if path.starts_with(DIRECTORIES[0]) => self.view.file(path),
            Origin::File { .. } | Origin::CommandLine { .. } => None,
        };
        let changed = before.and_then(|before| {
            let before = ModprobeConf::clone(&before);
            let mut after = before.clone();
            change(&mut after);
            (after.to_string() != before.to_string()).then_some((before, after))
        });
        let (Some((before, after)), Origin::File { path, .. }) = (changed, origin) else {
            self.kept = Some(origin.clone());
            return None;
        };
        self.put(path, after);
        Some(before)
    }

    /// Gives a file another content.
    pub(super) fn put(&mut self, path: &Path, conf: ModprobeConf) {
        self.changed.insert(path.to_owned(), conf.to_string());
        self.view.replace(path, Rc::new(conf));
    }

    /// Returns the setting of what was found; `own` is the file that hoststate makes for such lines.
    pub(super) fn setting(self, about: String, own: &Path, found: &[String]) -> Setting {
        let actual = (!found.is_empty()).then(|| found.join(" "));
        let state = match &self.kept {
            Some(origin) => State::Blocked {
                actual,
                desired: None,
                by: Some(modprobe_d::place(origin)),
                reason: in_the_way(origin),
            },
            None if self.changed.is_empty() => State::Converged,
            None => {
                let steps = self.changed.into_iter().map(|(path, text)| leftover::step(&path, own, text));
                State::Drifted { actual, desired: None, remedy: Remedy::Steps(steps.collect()) }
            }
        };
        Setting::persistent(about, state)
    }
}

fn in_the_way(origin: &Origin) -> String {
    match origin {
        Origin::File { path, .. } if path.starts_with(DIRECTORIES[0]) => {
            "that line is not hoststate's to take out; remove it".to_owned()
        }
        Origin::File { path, .. } => format!(
            "{} is not below {}, and says so; put an empty file of its name there, or remove that line",
            path.display(),
            DIRECTORIES[0]
        ),
        Origin::CommandLine { parameter } => format!(
            "{parameter:?} on the kernel command line says so; take it out with `kernel_cmdline {{ absent = … }}`"
        ),
    }
}

/// Adds what images have to say of files that may have held the lines: `own`, and those of which a copy inside says so.
///
/// # Errors
/// When an image cannot be read.
pub(super) fn copies(
    cx: Context<'_>,
    own: &Path,
    settings: &mut Vec<Setting>,
    says_so: impl Fn(&ModprobeConf) -> bool,
) -> Result<()> {
    let mut files = BTreeSet::from([own.to_owned()]);
    for kernel in &kernels::installed(cx.host)?.0 {
        let image = cx.distro.initramfs.image(cx.host, kernel)?;
        let Some(Ok(contents)) = image_contents::read(cx.host, &image)? else { continue };
        for (inside, text) in &contents.files {
            let path = Path::new("/").join(inside);
            let is_conf = path.parent() == Some(Path::new(DIRECTORIES[0]));
            if is_conf && text.as_deref().is_some_and(|it| says_so(&ModprobeConf::parse(it))) {
                files.insert(path);
            }
        }
    }
    copies_of(cx, files, settings)
}

/// Adds what images have to say of these files. What `settings` take away is gone for them as well.
///
/// # Errors
/// When an image cannot be read.
pub(super) fn copies_of(
    cx: Context<'_>,
    files: impl IntoIterator<Item = PathBuf>,
    settings: &mut Vec<Setting>,
) -> Result<()> {
    if kernels::installed(cx.host)?.0.is_empty() {
        return Ok(());
    }
    let goes = |path: &Path| settings.iter().any(|it| removes(it, path));
    let mut copied = Vec::new();
    for path in files {
        copied.push(CopiedFile { is_gone: goes(&path) || !cx.host.exists(&path)?, path });
    }
    settings.extend(cx.distro.initramfs.stale_copies(cx.host, &copied)?);
    Ok(())
}

/// Returns whether a setting's remedy takes a file away.
fn removes(setting: &Setting, file: &Path) -> bool {
    let State::Drifted { remedy: Remedy::Steps(steps), .. } = &setting.state else { return false };
    steps.iter().any(|it| matches!(it, Step::RemoveFile { path } if path == file))
}
