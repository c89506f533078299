//! What the entry of the next boot lacks of what is wanted, and who decides that it is taken.

use hoststate_abi::about::About;

use super::Menu;
use crate::formats::kernel_cmdline::{Cmdline, CmdlineEdit};
use crate::mechanism::distro::BootEntry;

/// Combinations of values of the boot loader's variables that are tried: two of four values each are sixteen.
const COMBINATIONS: usize = 64;

/// What stands between a wish for the command line and the next boot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lack {
    /// The next boot, with the entry it takes.
    pub about: About,
    /// How it falls short: `lacks iommu=pt`.
    pub shortfall: String,
    /// Which entry, where it stands, what decides, and what to do: one sentence.
    pub reason: String,
}

/// Returns what the next boot of `menu` lacks of `wanted`; `None` where it has it all.
pub fn of(menu: &Menu, wanted: &CmdlineEdit) -> Option<Lack> {
    let because = &menu.choice.because;
    if let Some(entry) = menu.taken() {
        let shortfall = shortfall(entry, wanted)?;
        let once = if menu.choice.once { "for one boot only, " } else { "" };
        let what = if entry.generated { "" } else { ", and hoststate does not change that entry" };
        return Some(Lack {
            about: About::NextBoot(Some(entry.title.clone())),
            reason: format!(
                "the next boot takes {:?} ({}; {once}{because}), which {shortfall}{what}; make another entry the \
                 default, or give it the parameters there",
                entry.title, entry.place
            ),
            shortfall,
        });
    }
    if let Some(title) = &menu.choice.other {
        return Some(Lack {
            about: About::NextBoot(Some(title.clone())),
            shortfall: "boots no Linux of this host".to_owned(),
            reason: format!("{because}; make an entry of this host the default"),
        });
    }
    // Which entry it is does not matter where each would do.
    let mut usual = menu.entries.iter().filter(|it| !it.recovery).peekable();
    let lacking = usual.find_map(|it| Some((it, shortfall(it, wanted)?)));
    let (entry, shortfall) = lacking?;
    Some(Lack {
        about: About::NextBoot(None),
        reason: format!(
            "which entry boots next is unknown: {because}; {:?} ({}) {shortfall}",
            entry.title, entry.place
        ),
        shortfall: format!("unknown: {:?} {shortfall}", entry.title),
    })
}

/// Returns how an entry falls short whatever the variables of the boot loader hold; `None` where it does not.
fn shortfall(entry: &BootEntry, wanted: &CmdlineEdit) -> Option<String> {
    let mut lines = vec![entry.cmdline.clone()];
    for variable in &entry.variables {
        let name = format!("${{{}}}", variable.name);
        let empty = [String::new()];
        let values = if variable.values.is_empty() { &empty } else { variable.values.as_slice() };
        if lines.len() * values.len() > COMBINATIONS {
            continue;
        }
        lines = lines.iter().flat_map(|line| values.iter().map(|it| line.replace(&name, it))).collect();
    }
    lines.iter().find_map(|it| wanted.shortfall(&Cmdline::parse(it)))
}
