//! `blscfg` of Fedora: entries from files of `/boot/loader/entries` (grub-core/commands/blscfg.c of its GRUB).

use std::sync::Arc;

use super::commands::{Call, FILE_NOT_FOUND};
use super::files::Script;
use super::machine::{Flow, Machine, Status, unknown};
use super::menu::Entry;
use super::number;
use super::source::Source;
use super::text::Text;
use super::{File, Listing, Origin, Place};
use crate::formats::rpm_order;

const DIRECTORY: &str = "/loader/entries";

/// A boot entry that was read; it is shown once.
#[derive(Clone, Debug)]
pub(super) struct BootEntry {
    id: String,
    /// Keys with their values, in the order of the file, each with its line.
    fields: Vec<(String, String, usize)>,
    file: Arc<str>,
    is_shown: bool,
}

impl BootEntry {
    fn read(id: &str, file: &str, text: &str) -> BootEntry {
        let mut fields = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let line = line.replace('\r', "");
            let line = line.trim_start_matches([' ', '\t']);
            if line.starts_with('#') {
                continue;
            }
            // A line without a value ends the file.
            let pair = line.split_once(' ').or_else(|| line.split_once('\t'));
            let Some((key, value)) = pair.filter(|it| !it.1.is_empty()) else {
                break;
            };
            fields.push((key.to_owned(), value.trim_start_matches([' ', '\t']).to_owned(), index + 1));
        }
        BootEntry { id: id.to_owned(), fields, file: file.into(), is_shown: false }
    }

    fn values<'a>(&'a self, key: &'a str) -> impl Iterator<Item = Text> + 'a {
        let fields = self.fields.iter().filter(move |it| it.0 == key);
        fields.map(|(_, value, line)| Text::new(value, self.origin(*line)))
    }

    fn value(&self, key: &str) -> Option<Text> {
        self.values(key).next()
    }

    fn origin(&self, line: usize) -> Origin {
        Origin { place: Place { file: self.file.clone(), line }, variable: None }
    }
}

impl Machine<'_> {
    pub(super) fn add_boot_entries(&mut self, call: &Call<'_>) -> Flow<Status> {
        let wanted = call.arguments.first().filter(|_| call.arguments.len() == 1);
        let path = wanted.filter(|it| it.text.starts_with('('));
        let status = match path {
            Some(path) if path.text.ends_with(".conf") => {
                let name = path.text.rsplit('/').next().unwrap_or_default();
                self.read_boot_entry(name, path, call)?;
                0
            }
            Some(path) => self.read_boot_entries(Some(path), call)?,
            None => self.read_boot_entries(None, call)?,
        };
        if status != 0 {
            return Ok(status);
        }
        let default = self.get("default").map(|it| it.value.text.clone());
        for index in 0..self.boot_entries.len() {
            let entry = &self.boot_entries[index];
            let is_default = default.as_deref().is_some_and(|it| is_default(it, entry, index));
            let shows = match wanted.map(|it| it.text.as_str()) {
                Some("default") => is_default,
                Some("non-default") => !is_default,
                Some(id) if !id.starts_with('(') => id == entry.id,
                _ => true,
            };
            if shows && !entry.is_shown {
                let entry = entry.clone();
                self.boot_entries[index].is_shown = true;
                self.show_boot_entry(&entry)?;
            }
        }
        Ok(0)
    }

    fn read_boot_entries(&mut self, path: Option<&Text>, call: &Call<'_>) -> Flow<Status> {
        let variable = if self.start.platform == "efi" { "root" } else { "boot" };
        let directory = match path {
            Some(path) => path.clone(),
            None => {
                let Some(device) = self.get(variable).map(|it| it.value.clone()) else {
                    let what = format!("`{variable}` is not set, which says where boot entries are");
                    return Ok(self.fail(call.place, what, FILE_NOT_FOUND));
                };
                let mut directory = Text::plain("(");
                directory.append(&device);
                directory.append(&Text::plain(")"));
                let given = self.get("blsdir").map(|it| it.value.clone());
                directory.append(&given.unwrap_or_else(|| Text::plain(DIRECTORY)));
                directory
            }
        };
        let mut listing = self.listing(&directory);
        let mut directory = directory;
        if listing == Listing::Absent && path.is_none() {
            let end = directory.text.find(')').map_or(0, |it| it + 1);
            let mut other = directory.slice(0, end);
            other.append(&Text::plain(&format!("/boot{DIRECTORY}")));
            directory = other;
            listing = self.listing(&directory);
        }
        let names = match listing {
            Listing::Names(names) => names,
            Listing::Absent => return Ok(0),
            Listing::Unknown => {
                let why = format!("`{}` cannot be read", directory.text);
                return Err(unknown(why, Some(call.place.clone())));
            }
        };
        for name in names {
            let is_entry = !name.starts_with('.') && name.len() > 5 && name.ends_with(".conf");
            if is_entry {
                let mut path = directory.clone();
                path.append(&Text::plain(&format!("/{name}")));
                self.read_boot_entry(&name, &path, call)?;
            }
        }
        Ok(0)
    }

    fn listing(&self, directory: &Text) -> Listing {
        let Some(location) = self.location(directory) else {
            return Listing::Absent;
        };
        match location.device.filter(|_| directory.unknown.is_none()) {
            Some(device) => self.library.disk.list(&device, &location.path),
            None => Listing::Unknown,
        }
    }

    fn read_boot_entry(&mut self, name: &str, path: &Text, call: &Call<'_>) -> Flow<()> {
        let text = match self.file(path) {
            File::Text(text) => text,
            File::Absent | File::Directory => return Ok(()),
            File::Data | File::Unknown => {
                return Err(unknown(format!("`{}` cannot be read", path.text), Some(call.place.clone())));
            }
        };
        self.spend_text(text.len())?;
        let file = self.location(path).map_or_else(String::new, |it| it.name());
        let entry = BootEntry::read(name.trim_end_matches(".conf"), &file, &text);
        // The newest comes first, and of two that count as equal the one that was read first stays.
        let newer = |it: &BootEntry| rpm_order::entries(&it.id, &entry.id);
        match self.boot_entries.binary_search_by(|it| newer(it).reverse()) {
            Ok(_) => {}
            Err(at) => self.boot_entries.insert(at, entry),
        }
        Ok(())
    }

    fn show_boot_entry(&mut self, entry: &BootEntry) -> Flow<()> {
        let Some(linux) = entry.value("linux") else {
            return Ok(());
        };
        let given = |it: &Self, name: &str| it.get(name).map(|it| it.value.clone());
        let options = entry.value("options").map(|it| self.expanded(&it));
        let default = || given(self, "default_kernelopts").map(|it| self.expanded(&it));
        let options = options.or_else(default).filter(|it| !it.text.is_empty());
        let initrds: Vec<Text> = entry.values("initrd").collect();
        let mut source = Source::default();
        let place = entry.fields.iter().find(|it| it.0 == "linux").map_or(1, |it| it.2);
        let origin = entry.origin(place);
        source.push("load_video\nset gfxpayload=keep\ninsmod gzio\nlinux ($root)", &origin);
        push(&mut source, &linux, &origin);
        if let Some(options) = options {
            source.push(" ", &origin);
            push(&mut source, &options, &origin);
        }
        source.push("\n", &origin);
        let early: Vec<Text> =
            given(self, "early_initrd").iter().flat_map(|it| self.early(it, &initrds, &linux)).collect();
        if !early.is_empty() || !initrds.is_empty() {
            source.push("initrd", &origin);
            for initrd in early.iter().chain(&initrds) {
                source.push(" ($root)", &origin);
                push(&mut source, initrd, &origin);
            }
            source.push("\n", &origin);
        }
        source.end_line();
        let title = entry.value("title").unwrap_or(linux);
        let users = entry.value("grub_users").map(|it| self.expanded(&it));
        let end = source.text.len();
        self.insert_entry(Entry {
            arguments: std::iter::once(title.clone()).chain(entry.values("grub_arg")).collect(),
            title,
            id: Text::new(&entry.id, origin.clone()),
            place: origin.place,
            script: Script::new(source),
            body: (0, end),
            is_submenu: false,
            is_restricted: users.is_some_and(|it| !it.text.is_empty()),
        });
        Ok(())
    }

    /// Returns the images of `early_initrd`, which lie beside the others.
    fn early(&self, names: &Text, initrds: &[Text], linux: &Text) -> Vec<Text> {
        let beside = initrds.first().unwrap_or(linux);
        let directory = beside.slice(0, beside.text.rfind('/').map_or(0, |it| it + 1));
        let mut at = 0;
        let mut images = Vec::new();
        for name in names.text.split(' ') {
            let mut image = directory.clone();
            image.append(&names.slice(at, at + name.len()));
            images.push(image);
            at += name.len() + 1;
        }
        images
    }

    /// Puts variables into a value (`expand_val`): a space follows each, one that is not set vanishes.
    fn expanded(&self, value: &Text) -> Text {
        let mut expanded = Text::default();
        let mut at = 0;
        while let Some(dollar) = value.text[at..].find('$').map(|it| it + at) {
            expanded.append(&value.slice(at, dollar));
            let rest = &value.text[dollar + 1..];
            let is_name = |it: char| it.is_ascii_alphanumeric() || it == '_';
            let length = rest.find(|it| !is_name(it)).unwrap_or(rest.len());
            if let Some(variable) = self.get(&rest[..length]) {
                expanded.append(&variable.value);
                expanded.append(&Text::plain(" "));
            }
            at = dollar + 1 + length;
        }
        expanded.append(&value.slice(at, value.text.len()));
        expanded
    }
}

/// Pastes a value into a script.
fn push(source: &mut Source, value: &Text, origin: &Origin) {
    for (part, origin) in value.parts(origin) {
        source.push(part, origin);
    }
}

fn is_default(default: &str, entry: &BootEntry, index: usize) -> bool {
    let is_title = entry.value("title").is_some_and(|it| it.text == default);
    default == entry.id || is_title || number::leading(default, 0).0 == Ok(index as u64)
}
