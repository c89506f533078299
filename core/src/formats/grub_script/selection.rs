//! Which entry of a menu is started, and what follows (grub-core/normal/menu.c).

use std::rc::Rc;

use super::machine::{Flow, Machine, unknown};
use super::menu::Entry;
use super::number::{self, NotANumber};
use super::text::{Text, is_space};
use super::variables::Variable;
use super::{Decider, End, Family, Menu, MenuEntry, Origin, Pick, Place, Setting};

/// Most menus inside of each other.
const MOST_MENUS: usize = 32;

impl Machine<'_> {
    /// Shows the menu of this context and starts what it starts by itself. `in_passing`: it was entered by an entry
    /// that was started by itself, so that GRUB goes back to the menu before it when nothing starts.
    pub(super) fn show_menu(&mut self, in_passing: bool) -> Flow<()> {
        let entries = self.context().menu.clone().unwrap_or_default();
        if self.menus.len() == MOST_MENUS {
            let place = entries.first().map(|it| it.place.clone());
            return Err(unknown("menus lead into each other more than 32 deep", place));
        }
        let level = self.menus.len();
        let waits = self.waits();
        let shown = entries.iter().map(|it| MenuEntry {
            title: it.title.text.clone(),
            id: it.id.text.clone(),
            place: it.place.clone(),
            is_submenu: it.is_submenu,
            is_restricted: it.is_restricted,
        });
        self.menus.push(Menu { entries: shown.collect(), picks: Vec::new(), waits });
        let default = self.get("default").cloned();
        let named = match &default {
            Some(variable) => self.entry_number(&entries, variable)?,
            None => None,
        };
        let default = default.as_ref().map(setting);
        let (first, by) = match (named, default) {
            (Some(entry), Some(default)) => (entry, Decider::Default(default)),
            (_, default) => (0, Decider::First(default)),
        };
        self.pick(level, &entries, first, by, !waits)?;
        while !waits && let Some(variable) = self.get("fallback").cloned() {
            let Some((next, rest)) = self.first_number(&entries, &variable)? else {
                break;
            };
            match rest {
                Some(rest) => self.context().set("fallback", rest, variable.set_at.clone()),
                None => self.context().unset("fallback", None),
            }
            self.pick(level, &entries, next, Decider::Fallback(setting(&variable)), true)?;
        }
        if in_passing {
            self.menus.truncate(level);
            return Ok(());
        }
        Err(Box::new(End::Menu))
    }

    /// Returns whether GRUB waits for a person at the menu.
    fn waits(&mut self) -> bool {
        let timeout = self.get("timeout").map(|it| it.value.text.clone());
        match timeout.map(|it| number::leading(&it, 0).0) {
            Some(Ok(seconds)) => (seconds as i32) < 0,
            Some(Err(_)) => {
                self.context().unset("timeout", None);
                true
            }
            None => true,
        }
    }

    /// Returns which entry `default` names (`get_entry_number`).
    fn entry_number(&mut self, entries: &[Rc<Entry>], default: &Variable) -> Flow<Option<usize>> {
        let value = &default.value;
        if let Some(why) = &value.unknown {
            return Err(unknown(format!("`default` cannot be known: {why}"), default.set_at.clone()));
        }
        let in_menu = |number: u64| usize::try_from(number as i32).ok().filter(|it| *it < entries.len());
        let (number, rest) = number::leading(&value.text, 0);
        if self.start.family == Family::Upstream {
            return match number {
                Ok(number) => Ok(in_menu(number)),
                Err(NotANumber::TooLarge) => Ok(None),
                Err(NotANumber::NoDigits) => self.by_name(entries, &value.text, &[title, id]),
            };
        }
        // Fedora looks for an id, then for a title, and takes for a number only what is one to its end.
        let word = value.text.split(is_space).next().unwrap_or_default();
        if let Some(entry) = self.by_name(entries, word, &[id])?.filter(|_| !word.is_empty()) {
            return Ok((word.len() == value.text.len()).then_some(entry));
        }
        if let Some(entry) = self.by_name(entries, &value.text, &[title])?.filter(|_| !value.text.is_empty())
        {
            return Ok(Some(entry));
        }
        match number {
            Ok(number) if rest.is_empty() => Ok(in_menu(number)),
            Ok(number) if rest.starts_with('>') => {
                let place = default.set_at.clone().or_else(|| entries.first().map(|it| it.place.clone()));
                let sentences = ["takes", "does not take"]
                    .map(|it| format!("this GRUB {it} `{}` for a path", value.text));
                let takes =
                    place.is_none_or(|it| self.answers.answer("path".to_owned(), &it, &sentences) == 0);
                Ok(if takes { in_menu(number) } else { None })
            }
            _ => Ok(None),
        }
    }

    fn by_name(
        &self,
        entries: &[Rc<Entry>],
        name: &str,
        kinds: &[for<'e> fn(&'e Entry) -> &'e Text],
    ) -> Flow<Option<usize>> {
        for (index, entry) in entries.iter().enumerate() {
            for text in kinds.iter().map(|it| it(entry)) {
                if let Some(why) = &text.unknown {
                    let why = format!("the name of a menu entry cannot be known: {why}");
                    return Err(unknown(why, Some(entry.place.clone())));
                }
                if is_named(&text.text, name) {
                    return Ok(Some(index));
                }
            }
        }
        Ok(None)
    }

    /// Returns the first entry that `fallback` names, and what it names after it.
    fn first_number(
        &mut self,
        entries: &[Rc<Entry>],
        fallback: &Variable,
    ) -> Flow<Option<(usize, Option<Text>)>> {
        let value = &fallback.value;
        let place = fallback.set_at.clone();
        if let Some(why) = &value.unknown {
            return Err(unknown(format!("`fallback` cannot be known: {why}"), place));
        }
        if self.start.family == Family::RedHat
            && let Some(place) = &place
        {
            // Some of these return from an entry that loads nothing as if it had booted.
            let sentences = ["uses", "does not use"].map(|it| format!("this GRUB {it} `fallback`"));
            if self.answers.answer("fallback".to_owned(), place, &sentences) != 0 {
                return Ok(None);
            }
        }
        let (Ok(number), rest) = number::leading(&value.text, 0) else {
            return Ok(None);
        };
        let Ok(number) = usize::try_from(number as i32) else {
            return Ok(None);
        };
        if number >= entries.len() {
            return Err(unknown(
                format!("`fallback` names entry {number}, which the menu does not have"),
                place,
            ));
        }
        let rest = rest.trim_start_matches(is_space);
        let rest = value.slice(value.text.len() - rest.len(), value.text.len());
        Ok(Some((number, Some(rest))))
    }

    fn pick(
        &mut self,
        level: usize,
        entries: &[Rc<Entry>],
        index: usize,
        by: Decider,
        by_itself: bool,
    ) -> Flow<()> {
        self.menus[level].picks.push(Pick { entry: index, by });
        self.start_entry(&entries[index], by_itself)
    }

    /// Runs an entry (`grub_menu_execute_entry`); it returns if it starts nothing.
    fn start_entry(&mut self, entry: &Entry, by_itself: bool) -> Flow<()> {
        if entry.is_restricted && self.get("superusers").is_some() {
            return Err(Box::new(End::Password(entry.place.clone())));
        }
        let chosen = self.get("chosen").cloned();
        let default = self.get("default").cloned();
        let place = &entry.place;
        if entry.is_submenu {
            self.open_context();
            self.context().menu = Some(Vec::new());
            if by_itself {
                self.set("timeout", Text::plain("0"), place);
            }
        }
        let mut name = Text::default();
        if let Some(chosen) = &chosen {
            name.append(&chosen.value);
            name.append(&Text::plain(">"));
        }
        let origin = Origin { place: place.clone(), variable: None };
        name.append(&Text::new(&entry.id.text.replace('>', ">>"), origin));
        self.set("chosen", name, place);
        self.context().export("chosen", None);
        match default.as_ref().and_then(|it| Some((it, inner_name(&it.value)?))) {
            Some((variable, rest)) => self.context().set("default", rest, variable.set_at.clone()),
            None if self.start.family == Family::Upstream => self.context().unset("default", None),
            None => {}
        }
        let outer = self.scope.replace(entry.arguments.clone());
        self.run_text(&entry.script, entry.body.0, entry.body.1)?;
        self.scope = outer;
        self.start_loaded()?;
        if entry.is_submenu {
            if self.context().menu.as_ref().is_some_and(|it| !it.is_empty()) {
                self.show_menu(by_itself)?;
            }
            self.contexts.pop();
        }
        for (name, variable) in [("chosen", chosen), ("default", default)] {
            match variable {
                Some(variable) => self.context().set(name, variable.value, variable.set_at),
                None => self.context().unset(name, None),
            }
        }
        self.context().unset("timeout", None);
        Ok(())
    }
}

fn title(entry: &Entry) -> &Text {
    &entry.title
}

fn id(entry: &Entry) -> &Text {
    &entry.id
}

fn setting(variable: &Variable) -> Setting {
    Setting {
        value: variable.value.text.clone(),
        set_at: variable.set_at.clone(),
        origins: variable.value.origins(),
    }
}

/// Returns whether a value of `default` begins with a name; `>` ends it there, and `>>` is a `>` (`menuentry_eq`).
fn is_named(name: &str, value: &str) -> bool {
    let (mut name, mut value) = (name.chars(), value.chars());
    loop {
        let mut wanted = value.next();
        if wanted == Some('>') {
            if !value.as_str().starts_with('>') {
                return name.next().is_none();
            }
            wanted = value.next();
        }
        let given = name.next();
        if given != wanted {
            return false;
        }
        if given.is_none() {
            return true;
        }
    }
}

/// Returns what a value of `default` names inside of the submenu it begins with.
fn inner_name(value: &Text) -> Option<Text> {
    let (text, mut at) = (&value.text, 0);
    while let Some(found) = text[at..].find('>').map(|it| it + at) {
        if !text[found + 1..].starts_with('>') {
            return (found + 1 < text.len()).then(|| value.slice(found + 1, text.len()));
        }
        at = found + 2;
    }
    None
}

impl Menu {
    /// Returns the entry that is started last.
    pub fn started(&self) -> Option<(&MenuEntry, &Pick)> {
        let pick = self.picks.last()?;
        Some((&self.entries[pick.entry], pick))
    }
}

impl Setting {
    /// Returns where it was written: the variable of the environment block if it comes from there, else the command.
    pub fn written(&self) -> Option<&Place> {
        let saved = self.origins.iter().find(|it| it.variable.is_some());
        saved.or(self.origins.first()).map(|it| &it.place).or(self.set_at.as_ref())
    }
}
