//! The menu of a generated `grub.cfg`, with what that reads from `custom.cfg`.

use std::path::{Path, PathBuf};
use std::rc::Rc;

use hoststate_abi::host_view::HostView;
use hoststate_abi::setting::Place;
use hoststate_core::error::Result;
use hoststate_core::formats::grub_cfg::GrubCfg;

use crate::bootloader::grub_menu;

/// The script that GRUB runs.
pub(super) struct Menu {
    pub(super) cfg: Rc<GrubCfg>,
    file: PathBuf,
    /// Where in it the lines of `custom.cfg` stand: how many there are before them, and how many they are.
    custom: Option<(usize, usize)>,
}

impl Menu {
    /// Reads `file` and what it reads; `None` where it is not there.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub(super) fn read(host: &HostView, file: &Path) -> Result<Option<Self>> {
        let Some(cfg) = grub_menu::script(host, file)? else { return Ok(None) };
        let menu = |cfg, custom| Ok(Some(Self { cfg, file: file.to_owned(), custom }));
        // GRUB drops a file that is no script, and goes on behind it.
        let custom = grub_menu::script(host, &custom_of(file))?.filter(|it| it.broken_line.is_none());
        let (text, custom) = (cfg.to_string(), custom.map(|it| it.to_string()).unwrap_or_default());
        let custom = custom.trim_end_matches('\n');
        let Some(before) = reads_custom(&text).filter(|_| !custom.is_empty()) else { return menu(cfg, None) };
        let lines: Vec<&str> = text.lines().collect();
        let (above, below) = lines.split_at(before);
        let whole = [&above.join("\n"), "\n", custom, "\n", &below.join("\n"), "\n"];
        let whole = GrubCfg::parse(&whole.concat());
        grub_menu::within_limits(file, &whole)?;
        menu(Rc::new(whole), Some((before, custom.lines().count())))
    }

    /// Returns the file and line of a line of the script.
    pub(super) fn place(&self, line: usize) -> Place {
        let (file, line) = match self.custom {
            Some((before, count)) if line > before + count => (self.file.clone(), line - count),
            Some((before, _)) if line > before => (custom_of(&self.file), line - before),
            _ => (self.file.clone(), line),
        };
        Place { file, line: Some(line) }
    }
}

/// Returns the path of the `custom.cfg` that a `grub.cfg` reads.
pub(super) fn custom_of(file: &Path) -> PathBuf {
    file.with_file_name("custom.cfg")
}

/// Returns how many lines the part of `41_custom` ends behind; `None` where the file does not read `custom.cfg`.
pub(super) fn reads_custom(text: &str) -> Option<usize> {
    let is_read = |it: &str| it.trim_start().starts_with("source ") && it.contains("custom.cfg");
    let lines: Vec<&str> = text.lines().collect();
    let last = lines.iter().rposition(|it| is_read(it))?;
    let end = lines[last..].iter().position(|it| it.trim() == "fi").unwrap_or(0);
    Some(last + end + 1)
}
