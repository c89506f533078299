//! GRUB's variables and their contexts (kern/env.c, normal/context.c).

use std::collections::HashMap;
use std::rc::Rc;

use super::Place;
use super::menu::Entry;
use super::text::Text;

#[derive(Clone, Debug)]
pub(super) struct Variable {
    pub(super) value: Text,
    pub(super) set_at: Option<Place>,
    /// Whether new contexts get a copy.
    is_exported: bool,
}

/// Variables and the menu of a script; `configfile` and submenus have their own.
#[derive(Debug, Default)]
pub(super) struct Context {
    variables: HashMap<String, Variable>,
    /// `$?`; not set before the first command.
    pub(super) status: Option<u32>,
    pub(super) menu: Option<Vec<Rc<Entry>>>,
}

impl Context {
    /// Returns a context that starts with the exported variables.
    pub(super) fn with_exported(&self) -> Context {
        let exported = self.variables.iter().filter(|it| it.1.is_exported);
        let variables = exported.map(|(name, variable)| (name.clone(), variable.clone())).collect();
        Context { variables, ..Context::default() }
    }

    /// Returns a context that starts with all variables, which are exported by that.
    pub(super) fn with_all(&self) -> Context {
        let export = |variable: &Variable| Variable { is_exported: true, ..variable.clone() };
        let variables =
            self.variables.iter().map(|(name, variable)| (name.clone(), export(variable))).collect();
        Context { variables, status: self.status, menu: None }
    }

    pub(super) fn get(&self, name: &str) -> Option<&Variable> {
        self.variables.get(name)
    }

    pub(super) fn set(&mut self, name: &str, value: Text, set_at: Option<Place>) {
        let value = if name == "root" { without_parentheses(value) } else { value };
        match self.variables.get_mut(name) {
            Some(variable) => (variable.value, variable.set_at) = (value, set_at),
            None => {
                self.variables.insert(name.to_owned(), Variable { value, set_at, is_exported: false });
            }
        }
    }

    pub(super) fn unset(&mut self, name: &str, at: Option<Place>) {
        // GRUB has functions that watch these two, and empties what is watched.
        if matches!(name, "root" | "prefix") && self.variables.contains_key(name) {
            self.set(name, Text::plain(""), at);
        } else {
            self.variables.remove(name);
        }
    }

    pub(super) fn export(&mut self, name: &str, at: Option<Place>) {
        if !self.variables.contains_key(name) {
            self.set(name, Text::plain(""), at);
        }
        if let Some(variable) = self.variables.get_mut(name) {
            variable.is_exported = true;
        }
    }
}

/// What `grub_env_write_root` of kern/main.c makes of a value.
fn without_parentheses(value: Text) -> Text {
    let text = &value.text;
    match text.starts_with('(') && text.ends_with(')') {
        true => value.slice(1, text.len() - 1),
        false => value,
    }
}
