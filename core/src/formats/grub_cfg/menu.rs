//! Which line of the menu GRUB boots by itself.

use super::{GrubCfg, MenuItem};
use crate::formats::grubenv::GrubEnv;

/// What `default` will hold when the menu is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selection {
    /// A number, an id or a title; `>` leads into submenus. Empty means the first line.
    pub value: String,
    /// Where it comes from.
    pub by: Decider,
}

/// What decides which line boots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decider {
    /// `next_entry` of the environment block, for one boot (`grub-reboot`).
    NextEntry,
    /// `saved_entry` of the environment block (`grub-set-default`).
    SavedEntry,
    /// A `set default=` of the file, by its line.
    Line(usize),
    /// Nothing: the first line boots.
    Nothing,
}

/// What a value of `default` chooses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Choice {
    /// A Linux, by its index in [`GrubCfg::entries`].
    Linux(usize),
    /// Something else, by its title.
    Other(String),
    /// Nothing that reading could tell; the text says why.
    Unknown(String),
}

impl GrubCfg {
    /// Returns what `default` will be, as `00_header` of grub-mkconfig has it: `next_entry` if that is set and
    /// asked for, else what the file says, which may be `saved_entry`. `None`: only GRUB itself can tell.
    pub fn selection(&self, environment: &GrubEnv) -> Option<Selection> {
        let variable = |name: &str| environment.get(name).filter(|it| !it.is_empty());
        let sets = || self.sets.iter().filter(|it| it.name == "default");
        let is_once = |value: &str| value == "$next_entry";
        if let Some(value) = variable("next_entry").filter(|_| sets().any(|it| is_once(&it.value))) {
            return Some(Selection { value: value.to_owned(), by: Decider::NextEntry });
        }
        // A file that counts failed boots has further lines behind, for when it is too late.
        let lasting = || sets().filter(|it| !is_once(&it.value));
        let Some(set) = lasting().rfind(|it| !it.conditional).or_else(|| lasting().next()) else {
            return Some(Selection { value: String::new(), by: Decider::Nothing });
        };
        match set.value.as_str() {
            "$saved_entry" => Some(match variable("saved_entry") {
                Some(value) => Selection { value: value.to_owned(), by: Decider::SavedEntry },
                None => Selection { value: String::new(), by: Decider::Nothing },
            }),
            value if value.contains('$') => None,
            value => Some(Selection { value: value.to_owned(), by: Decider::Line(set.line) }),
        }
    }

    /// Returns the Linux that a value of `default` boots (grub-core/normal/menu.c, `get_entry_number`).
    pub fn choose(&self, value: &str) -> Choice {
        let mut around: Vec<usize> = Vec::new();
        let mut rest = value;
        loop {
            let (name, inner) = split(rest);
            let item = match self.item(&around, &name.replace(">>", ">")) {
                Ok(item) => item,
                Err(why) => return Choice::Unknown(why),
            };
            if let Some(entry) = item.entry {
                return Choice::Linux(entry);
            }
            let is_submenu = self.menu.iter().any(|it| is_in(it, &item.path));
            if !is_submenu {
                return Choice::Other(item.title.clone());
            }
            around.clone_from(&item.path);
            rest = inner;
        }
    }

    /// Returns the line of one menu: by number, else by id or title, else the first.
    fn item(&self, around: &[usize], name: &str) -> Result<&MenuItem, String> {
        let menu: Vec<&MenuItem> = self.menu.iter().filter(|it| is_in(it, around)).collect();
        let number = match name.parse::<usize>() {
            Ok(number) => Some(number),
            Err(_) => menu.iter().position(|it| it.id.as_deref() == Some(name) || it.title == name),
        };
        let by_name = name.parse::<usize>().is_err() && number.is_some();
        let number = number.filter(|it| *it < menu.len()).unwrap_or(0);
        match menu.get(number) {
            None => Err("the menu has no lines of its own".to_owned()),
            Some(item) if by_name || !menu[..=number].iter().any(|it| it.conditional) => Ok(item),
            Some(_) => {
                Err(format!("number {number} of the menu stands behind a line that GRUB may leave out"))
            }
        }
    }
}

/// Cuts the name of a submenu off; `>>` is a `>` of a title.
fn split(value: &str) -> (&str, &str) {
    let mut at = 0;
    while let Some(found) = value[at..].find('>').map(|it| it + at) {
        if !value[found + 1..].starts_with('>') {
            return (&value[..found], &value[found + 1..]);
        }
        at = found + 2;
    }
    (value, "")
}

fn is_in(item: &MenuItem, menu: &[usize]) -> bool {
    item.path.len() == menu.len() + 1 && item.path.starts_with(menu)
}
