//! An entry for one boot, in the `custom.cfg` that a generated `grub.cfg` reads behind its own entries.

use hoststate_abi::host_view::HostView;
use hoststate_abi::step::Step;
use hoststate_core::error::Result;
use hoststate_core::formats::grub_cfg::{GrubCfg, MenuEntry};
use hoststate_core::formats::grubenv::GrubEnv;
use hoststate_core::formats::kernel_cmdline::CmdlineEdit;
use hoststate_core::machine::grubenv_disk;
use hoststate_core::mechanism::distro::{Bootloader, Trial, TrialFile};

use super::GrubMkconfig;
use super::menu::{self, Menu};
use crate::bootloader::grub_menu;
use crate::bootloader::grub_play;
use crate::bootloader::grub_text::{self, Level};
use crate::bootloader::one_boot::{self, cannot};

const ID: &str = "hoststate-trial";

const BEGIN: &str = "### BEGIN hoststate: an entry for one boot ###\n";
const END: &str = "### END hoststate ###\n";

impl GrubMkconfig {
    pub(super) fn one_boot(&self, host: &HostView, edits: &[CmdlineEdit]) -> Result<Trial> {
        let shown = self.output.display();
        let Some(menu) = self.menu(host)? else { return Err(cannot(format!("there is no {shown}"))) };
        let text = menu.cfg.to_string();
        require_next_entry(&text).map_err(|why| cannot(format!("{shown} {why}")))?;
        let grubenv = self.environment_block();
        grubenv_disk::require_writable(host, &grubenv)?;
        let entry = self.default_entry(host, &menu)?;
        let before = grub_text::passed_on(entry);
        let (block, after) = trial_block(&text, entry, edits)?;
        grub_text::check_length(&entry.title, &entry.kernel, &after.to_string())?;
        let path = host.resolve(&menu::custom_of(&self.output))?;
        let kept = without_block(&host.read(&path)?.unwrap_or_default());
        let gap = if kept.is_empty() { "" } else { "\n" };
        let entry_file = TrialFile {
            path,
            text: format!("{kept}{gap}{BEGIN}{block}{END}"),
            holds: format!("a copy of the default entry with other parameters, id {ID}"),
        };
        let next = one_boot::naming(host, &grubenv, ID)?;
        Ok(Trial { title: entry.title.clone(), before, after, entry: entry_file, next })
    }

    pub(super) fn end_one_boot(&self, host: &HostView) -> Result<Vec<Step>> {
        let mut steps: Vec<Step> =
            one_boot::forget(host, &self.environment_block(), ID)?.into_iter().collect();
        let path = host.resolve(&menu::custom_of(&self.output))?;
        let text = host.read(&path)?.unwrap_or_default();
        let kept = without_block(&text);
        if kept != text {
            steps.push(match kept.is_empty() {
                true => Step::RemoveFile { path },
                false => Step::WriteFile { path, text: kept },
            });
        }
        Ok(steps)
    }

    /// Returns the entry that boots when nothing is said for one boot.
    fn default_entry<'a>(&self, host: &HostView, menu: &'a Menu) -> Result<&'a MenuEntry> {
        let block = self.environment_block();
        let mut environment = GrubEnv::clone(&*grub_menu::environment(host, &block)?);
        environment.unset(one_boot::NEXT_ENTRY);
        let text = environment.to_block().ok();
        let next = match grub_play::boot_with(host, &self.output, self.family(host)?, text)? {
            Ok(played) => grub_play::choice(&played, &self.entries(host)?),
            Err(undecided) => grub_play::unknown(undecided),
        };
        let entry = next.entry.map(|it| &menu.cfg.entries[it]).filter(|it| it.block.1 > it.block.0);
        entry.ok_or_else(|| cannot(format!("it cannot be told what boots by default: {}", next.because)))
    }
}

/// `00_header` starts `next_entry` and takes it away, and `41_custom` reads `custom.cfg`: both may have been taken out.
fn require_next_entry(cfg: &str) -> Result<(), &'static str> {
    let mut lines = cfg.lines().map(str::trim);
    if !lines.any(|it| it.starts_with("save_env") && it.contains("next_entry")) {
        return Err("does not take `next_entry` back when it starts it (see /etc/grub.d/00_header)");
    }
    if menu::reads_custom(cfg).is_none() {
        return Err("does not read custom.cfg (see /etc/grub.d/41_custom)");
    }
    Ok(())
}

/// Returns a copy of an entry under another title and id, with other parameters, and the parameters it gives the
/// kernel.
fn trial_block(
    cfg: &str,
    entry: &MenuEntry,
    edits: &[CmdlineEdit],
) -> Result<(String, hoststate_core::formats::kernel_cmdline::Cmdline)> {
    let (first, last) = entry.block;
    let lines: Vec<&str> = cfg.lines().skip(first - 1).take(last + 1 - first).collect();
    let header = lines.first().copied().unwrap_or_default();
    // Where GRUB asks for a password, the default entry is started without one only by this option.
    let unrestricted = if header.contains("--unrestricted") { " --unrestricted" } else { "" };
    let title: String = entry.title.chars().filter(|it| !matches!(it, '\'' | '\\')).collect();
    let mut block = format!("menuentry '{title} {}' --id '{ID}'{unrestricted} {{\n", one_boot::TITLE_SUFFIX);
    for (number, line) in (first..).zip(&lines).skip(1) {
        let inner = line.trim();
        if inner == "savedefault" || number == last {
            continue;
        }
        if number == entry.line {
            block.push_str(&with_parameters(line, entry, edits)?);
        } else {
            // Entries of submenus are indented further.
            block.push_str(if inner.is_empty() { "" } else { "\t" });
            block.push_str(inner);
        }
        block.push('\n');
    }
    block.push_str("}\n");
    let copy = GrubCfg::parse(&block);
    match &copy.entries[..] {
        [only] if copy.broken_line.is_none() && only.kernel == entry.kernel => {
            Ok((block, grub_text::passed_on(only)))
        }
        _ => Err(cannot(format!("the entry {:?} cannot be copied", entry.title))),
    }
}

fn with_parameters(line: &str, entry: &MenuEntry, edits: &[CmdlineEdit]) -> Result<String> {
    let unclear = || cannot(format!("line {} of the default entry does not have the usual form", entry.line));
    let rest = line.trim().strip_prefix(entry.linux.as_str()).ok_or_else(unclear)?;
    let arguments = rest.trim_start().strip_prefix(entry.kernel.as_str()).ok_or_else(unclear)?;
    if !(rest.starts_with([' ', '\t']) && (arguments.is_empty() || arguments.starts_with([' ', '\t']))) {
        return Err(unclear());
    }
    let edited = one_boot::edited(arguments.trim(), edits, Level::Script)?;
    Ok(format!("\t{}\t{} {}", entry.linux, entry.kernel, edited.trim()))
}

/// Returns the text without the entry, and without the newline before it that came with it.
fn without_block(text: &str) -> String {
    let found =
        text.find(BEGIN).and_then(|begin| Some((begin, begin + text[begin..].find(END)? + END.len())));
    match found {
        Some((begin, end)) => {
            let before = &text[..begin];
            format!("{}{}", before.strip_suffix('\n').unwrap_or(before), &text[end..])
        }
        None => text.to_owned(),
    }
}
