//! `search` (grub-core/commands/search_wrap.c).

use super::commands::{BAD_ARGUMENT, Call, FILE_NOT_FOUND, INVALID_COMMAND};
use super::machine::{Machine, Status};
use super::options::{self, Known, Value};
use super::text::Text;
use super::{Found, Origin, SearchBy};

const OPTIONS: [Known; 13] = [
    Known { long: "file", short: 'f', value: Value::None },
    Known { long: "label", short: 'l', value: Value::None },
    Known { long: "fs-uuid", short: 'u', value: Value::None },
    Known { long: "set", short: 's', value: Value::Optional },
    Known { long: "no-floppy", short: 'n', value: Value::None },
    Known { long: "efidisk-only", short: '\0', value: Value::None },
    Known { long: "cryptodisk-only", short: '\0', value: Value::None },
    Known { long: "hint", short: 'h', value: Value::Required },
    Known { long: "hint-bios", short: '\0', value: Value::Required },
    Known { long: "hint-efi", short: '\0', value: Value::Required },
    Known { long: "hint-baremetal", short: '\0', value: Value::Required },
    Known { long: "hint-ieee1275", short: '\0', value: Value::Required },
    Known { long: "hint-arc", short: '\0', value: Value::Required },
];

struct Search {
    by: SearchBy,
    what: Text,
    /// The variable that gets the device.
    variable: Option<String>,
    hints: Vec<String>,
}

impl Machine<'_> {
    pub(super) fn search(&mut self, call: &Call<'_>) -> Status {
        let read = match call.name {
            "search" => self.with_options(call),
            "search.fs_uuid" => without_options(SearchBy::Uuid, call),
            "search.fs_label" => without_options(SearchBy::Label, call),
            _ => without_options(SearchBy::File, call),
        };
        let search = match read {
            Ok(search) => search,
            Err(status) => return status,
        };
        let hints: Vec<&str> = search.hints.iter().map(String::as_str).collect();
        let found = match search.what.unknown {
            None => self.library.disk.search(search.by, &search.what.text, &hints),
            Some(_) => Found::Unknown,
        };
        let shown = match search.by {
            SearchBy::Uuid => format!("the file system UUID {}", search.what.text),
            SearchBy::Label => format!("the label {}", search.what.text),
            SearchBy::File => format!("the file {}", search.what.text),
        };
        let sentences = [format!("a device has {shown}"), format!("no device has {shown}")];
        let key = format!("search {shown}");
        let origin = Origin { place: call.place.clone(), variable: None };
        let device = match found {
            Found::Device(device) => Some(Text::new(&device, origin)),
            Found::Absent => None,
            Found::Unknown if self.answers.answer(key, call.place, &sentences) == 0 => {
                let shown = search.variable.as_deref().unwrap_or_default();
                let mut device = Text::new(&format!("${shown}"), origin);
                device.unknown = Some(format!("it cannot be told which {}", sentences[0]));
                Some(device)
            }
            Found::Unknown => None,
        };
        let Some(device) = device else {
            return self.fail(call.place, sentences[1].as_str(), FILE_NOT_FOUND);
        };
        if let Some(variable) = &search.variable {
            self.set(variable, device, call.place);
        }
        0
    }

    fn with_options(&self, call: &Call<'_>) -> Result<Search, Status> {
        let options = options::sort(&OPTIONS, true, call.arguments).ok_or(BAD_ARGUMENT)?;
        let named = options.value("set").cloned();
        // Hints of platforms that this GRUB does not know are passed over.
        let what = options.arguments.iter().find(|it| !it.text.starts_with("--hint-")).cloned();
        let (what, variable) = match (what, named) {
            (Some(what), Some(name)) => (what, Some(name.text)),
            (Some(what), None) => (what, options.is_given("set").then(|| "root".to_owned())),
            (None, Some(what)) => (what, Some("root".to_owned())),
            (None, None) => return Err(BAD_ARGUMENT),
        };
        let kinds = [("label", SearchBy::Label), ("fs-uuid", SearchBy::Uuid), ("file", SearchBy::File)];
        let by = kinds.iter().find(|it| options.is_given(it.0)).ok_or(INVALID_COMMAND)?.1;
        let platform = match self.start.platform.as_str() {
            "efi" => "hint-efi",
            "pc" => "hint-bios",
            _ => "hint-ieee1275",
        };
        let kinds = ["hint", platform, "hint-baremetal"];
        let hints = kinds.iter().flat_map(|it| options.values(it)).map(|it| it.text.clone());
        Ok(Search { by, what, variable, hints: hints.collect() })
    }
}

fn without_options(by: SearchBy, call: &Call<'_>) -> Result<Search, Status> {
    let (what, rest) = call.arguments.split_first().ok_or(BAD_ARGUMENT)?;
    let mut rest = rest.iter().map(|it| it.text.clone());
    Ok(Search { by, what: what.clone(), variable: rest.next(), hints: rest.collect() })
}
