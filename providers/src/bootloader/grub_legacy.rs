//! GRUB legacy of CentOS 6: the `kernel` lines of `grub.conf`.
//!
//! Every stanza that boots Linux is edited, the default one among them: the kernel package copies its arguments to a
//! new kernel (`grubby --copy-default`).

use std::path::{Path, PathBuf};
use std::rc::Rc;

use hoststate_abi::host_view::HostView;
use hoststate_abi::setting::{Place, Remedy, Setting, State};
use hoststate_abi::step::Step;
use hoststate_core::error::{Error, Result};
use hoststate_core::formats::grub_legacy::{Default, GrubLegacy as GrubConf, Linux, Stanza};
use hoststate_core::formats::kernel_cmdline::{Cmdline, CmdlineEdit, Parameter};
use hoststate_core::machine::facts::Firmware;
use hoststate_core::mechanism::distro::{BootEntry, Bootloader, EntryChoice, Family};

use super::grub_mkconfig::release;
use super::grub_text;
use super::grub2;
use super::loader::{Loader, nothing};
use super::signs::Signs;

#[cfg(test)]
mod tests;

/// Where it is on EFI, and on BIOS. `menu.lst` and `/etc/grub.conf` are links to the second.
const PLACES: [&str; 3] = ["/boot/efi/EFI/redhat/grub.conf", "/boot/grub/grub.conf", "/boot/grub/menu.lst"];

pub(super) const LOADER: Loader =
    Loader { name: "GRUB legacy", booted: nothing, files, contradicted: nothing, mechanism };

/// Its files often lie beside those of GRUB 2, as what the installer or an image for another machine left.
fn files(signs: &Signs<'_>) -> Result<Option<String>> {
    if signs.family != Family::Redhat || (grub2::LOADER.files)(signs)?.is_some() {
        return Ok(None);
    }
    Ok(conf(signs)?.map(|it| format!("{} is there, and no grub.cfg", it.display())))
}

fn conf(signs: &Signs<'_>) -> Result<Option<PathBuf>> {
    let mut places = PLACES;
    if signs.firmware == Some(Firmware::Bios) {
        places.rotate_left(1);
    }
    Ok(match signs.first_of(&places)? {
        Some(place) => Some(signs.host.resolve(Path::new(&place))?),
        None => None,
    })
}

fn mechanism(signs: &Signs<'_>, _: &str) -> Result<Box<dyn Bootloader>> {
    let conf = conf(signs)?.unwrap_or_else(|| PathBuf::from(PLACES[1]));
    Ok(Box::new(GrubLegacy { conf }))
}

/// GRUB legacy.
#[derive(Debug)]
pub(crate) struct GrubLegacy {
    /// The configuration, e.g. `/boot/grub/grub.conf`.
    pub(crate) conf: PathBuf,
}

impl Bootloader for GrubLegacy {
    fn name(&self) -> &str {
        "grub-legacy"
    }

    fn cmdline(&self, host: &HostView, wanted: &CmdlineEdit) -> Result<Vec<Setting>> {
        let unquoted =
            |it: &&Parameter| it.raw().contains(['"', '\\']) || it.raw().contains(char::is_whitespace);
        if let Some(parameter) = wanted.present.iter().chain(&wanted.additional).find(unquoted) {
            return Err(Error::invalid(
                format!(
                    "the kernel parameter `{parameter}` cannot be given through GRUB legacy, which does not \
                     know quotes"
                ),
                "Write it without blanks, quotes and backslashes.",
            ));
        }
        let conf = self.conf(host)?;
        let stanzas = conf.stanzas();
        let mut edited = GrubConf::clone(&conf);
        let mut shown: Option<(String, String)> = None;
        for stanza in booting(&stanzas) {
            let (stanza, linux) = stanza;
            edited.edit(stanza.number, wanted);
            let mut line = linux.cmdline.clone();
            line.edit(wanted);
            grub_text::check_length(&stanza.title, &linux.image, &line.to_string())?;
            let is_default = conf.default() == Some(Default::Number(stanza.number));
            if !linux.cmdline.satisfies(wanted) && (shown.is_none() || is_default) {
                let trimmed = |it: String| it.trim().to_owned();
                shown = Some((trimmed(linux.cmdline.to_string()), trimmed(line.to_string())));
            }
        }
        let state = match shown {
            _ if booting(&stanzas).next().is_none() => State::Blocked {
                actual: None,
                desired: Some(grub_text::wish(wanted)),
                by: Some(Place { file: self.conf.clone(), line: None }),
                reason: "no stanza boots Linux".to_owned(),
            },
            None => State::Converged,
            Some((actual, desired)) => {
                // Read again, strictly: bytes that are no UTF-8 must not be replaced.
                host.read(&self.conf)?;
                let step = Step::WriteFile { path: self.conf.clone(), text: edited.to_string() };
                let remedy = Remedy::Steps(vec![step]);
                State::Drifted { actual: Some(actual), desired: Some(desired), remedy }
            }
        };
        Ok(vec![Setting::persistent(&self.conf, state)])
    }

    /// The package of a new kernel copies the arguments of the default stanza.
    fn future(&self, host: &HostView) -> Result<Cmdline> {
        let conf = self.conf(host)?;
        let stanzas = conf.stanzas();
        let is_default = |it: &(&Stanza, &Linux)| conf.default() == Some(Default::Number(it.0.number));
        let default = booting(&stanzas).find(is_default).or_else(|| booting(&stanzas).next());
        Ok(default.map(|it| it.1.cmdline.clone()).unwrap_or_default())
    }

    fn entries(&self, host: &HostView) -> Result<Vec<BootEntry>> {
        let stanzas = self.conf(host)?.stanzas();
        let entry = |(stanza, linux): (&Stanza, &Linux)| BootEntry {
            title: stanza.title.clone(),
            kernel: release(&linux.image).map(str::to_owned),
            recovery: linux.cmdline.parameters().any(|it| it.raw() == "single"),
            cmdline: linux.cmdline.to_string().trim().to_owned(),
            place: Place { file: self.conf.clone(), line: Some(linux.line) },
            sources: Vec::new(),
            variables: Vec::new(),
            images: Vec::new(),
            generated: false,
        };
        Ok(booting(&stanzas).map(entry).collect())
    }

    fn next_boot(&self, host: &HostView, _: &[BootEntry]) -> Result<EntryChoice> {
        let conf = self.conf(host)?;
        let shown = self.conf.display();
        let (number, because) = match conf.default() {
            Some(Default::Number(number)) if conf.global("default").is_some() => {
                (number, format!("default={number} in {shown}"))
            }
            Some(Default::Number(number)) => (number, format!("first in {shown}, which sets no default")),
            Some(Default::Saved) => {
                // GRUB keeps the number in a file of its own, filled up with other text (stage2/builtins.c).
                let saved = self.conf.with_file_name("default");
                let text = host.parsed(&saved, str::to_owned)?;
                let number = text.as_deref().and_then(|it| it.split_whitespace().next()?.parse().ok());
                let Some(number) = number else {
                    let because =
                        format!("default=saved in {shown}, and {} holds no number", saved.display());
                    return Ok(EntryChoice { entry: None, other: None, because, once: false });
                };
                (number, format!("{number} in {}, by default=saved in {shown}", saved.display()))
            }
            None => {
                let because = format!("default in {shown} is no number");
                return Ok(EntryChoice { entry: None, other: None, because, once: false });
            }
        };
        let entry = booting(&conf.stanzas()).position(|it| it.0.number == number);
        let because = if entry.is_some() { because } else { format!("{because}, which boots no Linux") };
        Ok(EntryChoice { entry, other: None, because, once: false })
    }

    fn regenerate(&self, _: &HostView) -> Result<Vec<String>> {
        Err(Error::Unsupported {
            what: format!("{} is not generated", self.conf.display()),
            hint: "Edit its kernel lines.".to_owned(),
        })
    }
}

impl GrubLegacy {
    fn conf(&self, host: &HostView) -> Result<Rc<GrubConf>> {
        host.parsed(&self.conf, GrubConf::parse)?.ok_or_else(|| Error::Unsupported {
            what: format!("{} is not there", self.conf.display()),
            hint: "Mount the partition that holds it.".to_owned(),
        })
    }
}

fn booting(stanzas: &[Stanza]) -> impl Iterator<Item = (&Stanza, &Linux)> {
    stanzas.iter().filter_map(|it| Some((it, it.linux.as_ref()?)))
}
