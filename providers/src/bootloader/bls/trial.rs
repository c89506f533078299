//! An entry for one boot: a second entry file, and `next_entry` in the environment block.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use hoststate_abi::host_view::HostView;
use hoststate_abi::step::Step;
use hoststate_core::error::Result;
use hoststate_core::formats::bls_entry::BlsEntry;
use hoststate_core::formats::kernel_cmdline::CmdlineEdit;
use hoststate_core::machine::grubenv_disk;
use hoststate_core::mechanism::distro::{Trial, TrialFile};

use super::{Bls, ENTRIES, Found, found, regular};
use crate::bootloader::grub_text::{self, Level};
use crate::bootloader::one_boot::{self, TITLE_SUFFIX, cannot};

/// Name of the entry. GRUB orders entries by the versions in their names, and without `saved_entry` boots the first:
/// a tilde comes after everything else (`vercmp` of RHEL's blscfg, `filevercmp` of GRUB 2.14).
pub(super) const ID: &str = "~hoststate-0-trial";

impl Bls {
    pub(super) fn one_boot(&self, host: &HostView, edits: &[CmdlineEdit]) -> Result<Trial> {
        let text = host.read(&self.grub_cfg)?.unwrap_or_default();
        let takes_back = |it: &str| it.trim().starts_with("save_env") && it.contains("next_entry");
        if !text.lines().any(takes_back) {
            let shown = self.grub_cfg.display();
            return Err(cannot(format!("{shown} does not take `next_entry` back when it starts it")));
        }
        grubenv_disk::require_writable(host, &self.grubenv)?;
        let variables = self.variables(host)?;
        let found = found(host, &variables)?;
        let default = self.default_entry(host, &found)?;
        let before = variables.line(&default.options);
        let options =
            one_boot::edited(&with_values(&default.options, &variables.values), edits, Level::Blscfg)?;
        let after = variables.line(&options);
        let kernel = default.entry.linux().unwrap_or_default();
        grub_text::check_length(ID, kernel, &after.to_string())?;
        // Bytes that are no UTF-8 must not be replaced: this read refuses them.
        host.read(&default.path)?;
        let mut entry = BlsEntry::parse(&retitled(&default.entry.to_string()));
        entry.set_options(options.trim());
        let entry_file = TrialFile {
            path: path(),
            text: entry.to_string(),
            holds: "a copy of the default entry with other parameters".to_owned(),
        };
        let next = one_boot::naming(host, &self.grubenv, ID)?;
        let title = default.entry.title().unwrap_or_default().to_owned();
        Ok(Trial { title, before, after, entry: entry_file, next })
    }

    pub(super) fn end_one_boot(&self, host: &HostView) -> Result<Vec<Step>> {
        let mut steps: Vec<Step> = one_boot::forget(host, &self.grubenv, ID)?.into_iter().collect();
        if host.exists(&path())? {
            steps.push(Step::RemoveFile { path: path() });
        }
        Ok(steps)
    }

    /// Returns the entry that boots when nothing is said: `saved_entry`, or the newest.
    fn default_entry<'a>(&self, host: &HostView, found: &'a [Found]) -> Result<&'a Found> {
        let saved = one_boot::saved(host, &self.grubenv)?;
        let entry = match saved.as_deref() {
            None | Some("0") => regular(found).last().copied(),
            Some(saved) => regular(found).into_iter().find(|it| {
                it.path.file_stem().is_some_and(|it| it == saved) || it.entry.title() == Some(saved)
            }),
        };
        entry.ok_or_else(|| {
            let saved = saved.unwrap_or_default();
            cannot(format!("the default entry {saved:?} is not an entry of {ENTRIES}, or is one for rescue"))
        })
    }
}

/// Puts values for variables, so that the parameters of the environment block can be tried as well. A variable that
/// only GRUB knows, such as `$tuned_params`, stays.
fn with_values(options: &str, values: &BTreeMap<String, String>) -> String {
    let value = |it: &str| it.strip_prefix('$').and_then(|name| values.get(name)).cloned();
    let parameters = options.split_whitespace().map(|it| value(it).unwrap_or_else(|| it.to_owned()));
    parameters.collect::<Vec<_>>().join(" ")
}

fn path() -> PathBuf {
    Path::new(ENTRIES).join(format!("{ID}.conf"))
}

/// Two entries of one title could not be told apart in the menu, and an `id` line would name the default entry.
fn retitled(entry: &str) -> String {
    let key = |it: &str| it.split_whitespace().next().unwrap_or_default().to_owned();
    let lines = entry.split_inclusive('\n').filter(|it| key(it) != "id");
    let line = |it: &str| match (key(it).as_str(), it.strip_suffix('\n')) {
        ("title", Some(title)) => format!("{} {TITLE_SUFFIX}\n", title.trim_end()),
        _ => it.to_owned(),
    };
    lines.map(line).collect()
}
