//! Entries of a menu: `menuentry` and `submenu` (grub-core/commands/menuentry.c).

use std::rc::Rc;

use super::commands::{BAD_ARGUMENT, Call, MENU};
use super::files::Script;
use super::machine::{Machine, Status, script_at};
use super::options::{self, Known, Value};
use super::text::Text;
use super::{Origin, Place};

/// Most lines of a menu.
const MOST_ENTRIES: usize = 100_000;

const OPTIONS: [Known; 6] = [
    Known { long: "class", short: '\u{1}', value: Value::Required },
    Known { long: "users", short: '\u{2}', value: Value::Required },
    Known { long: "hotkey", short: '\u{3}', value: Value::Required },
    Known { long: "source", short: '\u{4}', value: Value::Required },
    Known { long: "id", short: '\0', value: Value::Required },
    Known { long: "unrestricted", short: '\0', value: Value::None },
];

/// An entry; what it runs is looked at when it is started.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) title: Text,
    pub(super) id: Text,
    pub(super) place: Place,
    pub(super) script: Rc<Script>,
    /// What of the script it runs, in bytes.
    pub(super) body: (usize, usize),
    /// `$1` and so on: the title and what follows it.
    pub(super) arguments: Vec<Text>,
    pub(super) is_submenu: bool,
    pub(super) is_restricted: bool,
}

impl Machine<'_> {
    pub(super) fn add_entry(&mut self, call: &Call<'_>) -> Status {
        let Some(options) = options::sort(&OPTIONS, true, call.arguments) else {
            return 0;
        };
        let (script, body) = match (call.block, options.value("source")) {
            (Some(_), Some(_)) | (None, None) => return BAD_ARGUMENT,
            (Some((script, start, end)), None) => (script.clone(), (start, end)),
            (None, Some(text)) => {
                let script = script_at(&text.text, &Origin { place: call.place.clone(), variable: None });
                let end = script.source.text.len();
                (script, (0, end))
            }
        };
        let Some(title) = options.arguments.first().cloned() else {
            return self.fail(call.place, "a menu entry has no title", MENU);
        };
        self.insert_entry(Entry {
            id: options.value("id").cloned().unwrap_or_else(|| title.clone()),
            title,
            place: call.place.clone(),
            script,
            body,
            is_submenu: call.name == "submenu",
            is_restricted: options.is_given("users") || !options.is_given("unrestricted"),
            arguments: options.arguments,
        })
    }

    pub(super) fn insert_entry(&mut self, entry: Entry) -> Status {
        match &mut self.context().menu {
            Some(menu) if menu.len() < MOST_ENTRIES => {
                menu.push(Rc::new(entry));
                0
            }
            _ => MENU,
        }
    }
}
