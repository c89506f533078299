//! A distribution of few files: `/etc/words` is the command line of the next boot and `/boot/entry` that of its one entry,
//! images are lists of files.

use std::path::{Path, PathBuf};

use hoststate_abi::activation::Activation;
use hoststate_abi::host_view::HostView;
use hoststate_abi::setting::{Place, Remedy, Setting, State};
use hoststate_abi::step::Step;
use hoststate_core::error::Result;
use hoststate_core::formats::kernel_cmdline::{Cmdline, CmdlineEdit};
use hoststate_core::formats::modprobe_conf::ModuleName;
use hoststate_core::machine::kernels;
use hoststate_core::mechanism::distro::{
    BootEntry, Bootloader, CopiedFile, Distro, EntryChoice, Family, Hidden, ImageContent, ImageFile,
    Initramfs, Later,
};

const WORDS: &str = "/etc/words";

const ENTRY: &str = "/boot/entry";

/// What later kernels get, and what a line of hoststate's hides; where they are there.
const LATER: &str = "/etc/later";
const HIDDEN: &str = "/etc/hidden";

/// Where modules to load early are listed, one a line.
const EARLY: &str = "/etc/initramfs-tools/modules";

#[derive(Debug)]
struct Words;

#[derive(Debug)]
struct Images;

pub(crate) fn stub() -> Distro {
    Distro {
        id: "stub".to_owned(),
        version: "1".to_owned(),
        family: Family::Debian,
        bootloader: Box::new(Words),
        told_by: Vec::new(),
        initramfs: Box::new(Images),
    }
}

impl Bootloader for Words {
    fn name(&self) -> &str {
        "words"
    }

    fn cmdline(&self, host: &HostView, wanted: &CmdlineEdit) -> Result<Vec<Setting>> {
        let mut words = self.future(host)?;
        let state = if words.satisfies(wanted) {
            State::Converged
        } else {
            let actual = Some(words.to_string());
            words.edit(wanted);
            let write = Step::WriteFile { path: WORDS.into(), text: format!("{words}\n") };
            let remedy = Remedy::Steps(vec![write]);
            State::Drifted { actual, desired: Some(words.to_string()), remedy }
        };
        Ok(vec![Setting::persistent(WORDS, state)])
    }

    fn future(&self, host: &HostView) -> Result<Cmdline> {
        Ok(Cmdline::parse(&host.attribute(Path::new(WORDS))?.unwrap_or_default()))
    }

    fn later(&self, host: &HostView) -> Result<Later> {
        Ok(match host.attribute(Path::new(LATER))? {
            Some(line) => Later { cmdline: Cmdline::parse(&line), file: Some(LATER.into()) },
            None => Later { cmdline: self.future(host)?, file: None },
        })
    }

    fn hidden(&self, host: &HostView) -> Result<Vec<Hidden>> {
        let hidden = |what| Hidden { what, mend: "Declare it".to_owned(), evidence: HIDDEN.to_owned() };
        Ok(host.attribute(Path::new(HIDDEN))?.map(hidden).into_iter().collect())
    }

    fn entries(&self, host: &HostView) -> Result<Vec<BootEntry>> {
        let line = host.attribute(Path::new(ENTRY))?;
        let entry = |cmdline| BootEntry {
            place: Place { file: ENTRY.into(), line: Some(1) },
            title: "Linux".to_owned(),
            kernel: Some("6.8.0".to_owned()),
            images: Vec::new(),
            cmdline,
            sources: Vec::new(),
            variables: Vec::new(),
            recovery: false,
            generated: true,
        };
        Ok(line.map(entry).into_iter().collect())
    }

    fn next_boot(&self, _: &HostView, entries: &[BootEntry]) -> Result<EntryChoice> {
        let because = if entries.is_empty() { "there are no entries" } else { "it is the only one" };
        let entry = (!entries.is_empty()).then_some(0);
        Ok(EntryChoice { entry, other: None, because: because.to_owned(), once: false })
    }

    fn regenerate(&self, _: &HostView) -> Result<Vec<String>> {
        Ok(vec!["make-boot-entries".to_owned()])
    }
}

impl Initramfs for Images {
    fn name(&self) -> &str {
        "images"
    }

    fn contents(&self, host: &HostView, wanted: &ImageContent) -> Result<Vec<Setting>> {
        let mut settings = Vec::new();
        for kernel in &kernels::installed(host)?.0 {
            // An image that is larger than any text of these tests is one nobody wants to read.
            let size = host.status(&self.image(host, kernel)?)?.map_or(0, |it| it.size);
            let text = if size > 1 << 20 { None } else { host.read(&self.image(host, kernel)?)? };
            let image = text.unwrap_or_default();
            for ImageFile { path, is_edited } in &wanted.files {
                let text = host.read(path)?.unwrap_or_default();
                let state = if image.contains(&text) && !is_edited {
                    State::Converged
                } else {
                    let remedy = Remedy::Activation(Activation::Initramfs { kernel: kernel.clone() });
                    State::Drifted { actual: None, desired: Some(path.display().to_string()), remedy }
                };
                settings.push(Setting::persistent(format!("{}", self.image(host, kernel)?.display()), state));
            }
        }
        Ok(settings)
    }

    fn early_modules(&self, host: &HostView, wanted: &[ModuleName]) -> Result<Vec<Setting>> {
        let mut text = host.read(Path::new(EARLY))?.unwrap_or_default();
        let missing: Vec<&ModuleName> =
            wanted.iter().filter(|it| !text.lines().any(|line| it.is_spelled(line))).collect();
        if missing.is_empty() {
            return Ok(vec![Setting::persistent(EARLY, State::Converged)]);
        }
        for module in missing {
            text.push_str(&format!("{module}\n"));
        }
        let remedy = Remedy::Steps(vec![Step::WriteFile { path: EARLY.into(), text }]);
        let state = State::Drifted { actual: None, desired: Some("modules".to_owned()), remedy };
        Ok(vec![Setting::persistent(EARLY, state)])
    }

    fn stale_copies(&self, _: &HostView, _: &[CopiedFile]) -> Result<Vec<Setting>> {
        Ok(Vec::new())
    }

    fn without_early_modules(&self, _: &HostView, _: &[ModuleName]) -> Result<Vec<Setting>> {
        Ok(Vec::new())
    }

    fn image(&self, _: &HostView, kernel: &str) -> Result<PathBuf> {
        Ok(PathBuf::from(format!("/boot/initrd.img-{kernel}")))
    }

    fn rebuild(&self, _: &HostView, kernel: &str) -> Result<Vec<String>> {
        Ok(vec!["make-image".to_owned(), kernel.to_owned()])
    }
}
