//! JSON declarations as a text: what they say, where each value stands, and what a text may be that is none.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Map, Number, Value};

use crate::error::{Error, Several};
use crate::language::declaration::{DECLARATIONS_FORMAT, Declaration, Origin};
use crate::language::registry::nearest;

mod mistaken;

/// How deep values may nest; the deepest field of a resource is three levels down.
const DEEPEST: usize = 32;

/// The members of the whole, the one for editors included.
const MEMBERS: [&str; 4] = ["format", "resources", "owner", "$schema"];

/// An error at a line of the text.
#[derive(Debug)]
pub struct Misplaced {
    /// Where.
    pub at: Origin,
    /// What, and how to mend it.
    pub source: Error,
}

/// A declaration, and where it stands.
#[derive(Debug)]
pub struct Located {
    /// Which of `resources`, counted from 1.
    pub number: usize,
    /// The declaration. Its place is that of the text, unless it names another.
    pub declaration: Declaration,
    /// Lines of its values, by paths such as `ids[1]`; empty where it names another place.
    lines: Vec<(String, u32)>,
}

impl Located {
    /// Returns the line of the value at `path`, or of what it is part of.
    pub fn at(&self, path: Option<&str>) -> Option<Origin> {
        let origin = self.declaration.playbook.as_ref()?;
        let within = |part: &str, whole: &str| {
            whole.strip_prefix(part).is_some_and(|it| it.is_empty() || it.starts_with(['.', '[']))
        };
        let found = path.and_then(|path| {
            self.lines.iter().filter(|(it, _)| within(it, path)).max_by_key(|(it, _)| it.len())
        });
        Some(match found {
            Some((_, line)) => Origin { line: *line, ..origin.clone() },
            None => origin.clone(),
        })
    }
}

/// Returns the declarations in a text. `name` is the file as the user named it.
///
/// # Errors
/// All that is wrong with the text as JSON and as a list of declarations.
pub fn read(name: &str, text: &str) -> Result<Vec<Located>, Several<Misplaced>> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut reader = Reader::new(name, text);
    let located = match serde_json::from_str::<&RawValue>(text) {
        Ok(whole) => reader.whole(whole),
        Err(err) => {
            let (what, hint) = mistaken::explain(text, &err);
            let line = u32::try_from(err.line()).unwrap_or(u32::MAX).max(1);
            reader.error_at(line, what, hint);
            Vec::new()
        }
    };
    Several::none_of(reader.errors, located)
}

/// Refuses a text that has a name twice in one object: which value counts is left open by JSON.
///
/// # Errors
/// All names that are there twice, and values that nest too deep.
pub fn unambiguous(name: &str, text: &str) -> Result<(), Several<Misplaced>> {
    let mut reader = Reader::new(name, text);
    if let Ok(whole) = serde_json::from_str::<&RawValue>(text) {
        reader.value(whole, name, "", &mut Vec::new());
    }
    Several::none_of(reader.errors, ())
}

struct Reader<'a> {
    name: &'a str,
    text: &'a str,
    breaks: Vec<usize>,
    errors: Vec<Misplaced>,
}

impl<'a> Reader<'a> {
    fn new(name: &'a str, text: &'a str) -> Self {
        let breaks = text.bytes().enumerate().filter(|(_, it)| *it == b'\n').map(|(at, _)| at).collect();
        Self { name, text, breaks, errors: Vec::new() }
    }

    fn whole(&mut self, whole: &'a RawValue) -> Vec<Located> {
        let hint = format!("Write {{\"format\":\"{DECLARATIONS_FORMAT}\",\"resources\":[…]}}.");
        if whole.get().starts_with('[') {
            let what = "the declarations are a list, and not in an object with their format";
            let hint =
                format!("Put the list into {{\"format\":\"{DECLARATIONS_FORMAT}\",\"resources\":[…]}}.");
            self.error(whole, what, hint);
            return Vec::new();
        }
        let Some(members) = self.members(whole, "", "") else {
            if !whole.get().starts_with('{') {
                self.error(whole, "the text is JSON, but not an object", hint);
            }
            return Vec::new();
        };
        for (key, value) in &members {
            if !MEMBERS.contains(&key.as_ref()) {
                let hint = match nearest(key, MEMBERS.into_iter()) {
                    Some(near) => format!("Did you mean `{near}`?"),
                    None => format!("Its fields are: {}.", MEMBERS.join(", ")),
                };
                self.error(value, format!("unknown field `{key}`"), hint);
            }
        }
        let member = |name: &str| members.iter().find(|(key, _)| key == name).map(|(_, value)| *value);
        match member("format") {
            None => self.error(
                whole,
                "missing field `format`",
                format!("Add \"format\": \"{DECLARATIONS_FORMAT}\"."),
            ),
            Some(value)
                if serde_json::from_str::<String>(value.get()).is_ok_and(|it| it == DECLARATIONS_FORMAT) => {}
            Some(value) => self.error(value, format!("unknown format {}", value.get()), hint.clone()),
        }
        let is_name = |it: &str| serde_json::from_str::<String>(it).is_ok_and(|it| !it.is_empty());
        if let Some(owner) = member("owner").filter(|it| !is_name(it.get())) {
            let what = format!("`owner` is {}, not a name", owner.get());
            self.error(
                owner,
                what,
                "Name whose these declarations are, or leave it out: then they are the file's.",
            );
        }
        let misspelt = members.iter().any(|(key, _)| nearest(key, ["resources"].into_iter()).is_some());
        match member("resources").map(|it| (it, items(it))) {
            Some((_, Some(items))) => {
                let read =
                    items.into_iter().zip(1..).filter_map(|(item, number)| self.resource(item, number));
                return read.collect();
            }
            Some((value, None)) => self.error(value, "`resources` is not a list", hint),
            None if misspelt => {}
            None => self.error(whole, "missing field `resources`", hint),
        }
        Vec::new()
    }

    fn resource(&mut self, item: &'a RawValue, number: usize) -> Option<Located> {
        let mut lines = Vec::new();
        let before = self.errors.len();
        let value = self.value(item, &format!("resource {number}"), "", &mut lines);
        let Some(Value::Object(fields)) = value else {
            if self.errors.len() == before {
                let hint = "Write it like {\"type\": \"kernel_cmdline\", \"present\": [\"iommu=pt\"]}.";
                self.error(item, format!("resource {number} is not an object"), hint);
            }
            return None;
        };
        let is_placed = fields.contains_key("playbook");
        match Declaration::try_from(fields) {
            Ok(mut declaration) => {
                if is_placed {
                    lines.clear();
                } else {
                    declaration.playbook = Some(Origin { file: self.name.to_owned(), line: self.line(item) });
                }
                Some(Located { number, declaration, lines })
            }
            Err(err) => {
                let hint = err.hint().unwrap_or_default();
                self.error(item, format!("resource {number}: {err}"), hint);
                None
            }
        }
    }

    /// Returns a value; a number without a fraction is a whole one, however it is written: `4.0`, `1e3`.
    fn value(
        &mut self,
        raw: &'a RawValue,
        whole: &str,
        path: &str,
        lines: &mut Vec<(String, u32)>,
    ) -> Option<Value> {
        if !path.is_empty() {
            lines.push((path.to_owned(), self.line(raw)));
        }
        if path.split(['.', '[']).count() > DEEPEST {
            let what = format!("{whole}: `{path}` is more than {DEEPEST} levels deep");
            self.error(raw, what, "No field takes values nested that deeply.");
            return None;
        }
        if let Some(items) = items(raw) {
            let items = items.into_iter().enumerate();
            let values = items.map(|(at, it)| self.value(it, whole, &format!("{path}[{at}]"), lines));
            return values.collect::<Option<Vec<Value>>>().map(Value::Array);
        }
        if raw.get().starts_with('{') {
            let mut fields = Map::new();
            for (key, value) in self.members(raw, whole, path)? {
                let path = if path.is_empty() { key.to_string() } else { format!("{path}.{key}") };
                fields.insert(key.into_owned(), self.value(value, whole, &path, lines)?);
            }
            return Some(Value::Object(fields));
        }
        match serde_json::from_str(raw.get()) {
            Ok(Value::Number(number)) => Some(Value::Number(whole_number(number))),
            Ok(value) => Some(value),
            Err(err) => {
                let what = format!("{whole}: {}", mistaken::without_place(&err));
                self.error(raw, what, "JSON writes texts, numbers, true, false and null so.");
                None
            }
        }
    }

    /// Returns the members of an object in their order; `None` for what is no object, or has a name twice.
    fn members(
        &mut self,
        raw: &'a RawValue,
        whole: &str,
        path: &str,
    ) -> Option<Vec<(Cow<'a, str>, &'a RawValue)>> {
        let Members(members) = serde_json::from_str(raw.get()).ok()?;
        let mut seen = std::collections::BTreeMap::new();
        let mut is_unique = true;
        for (key, value) in &members {
            let line = self.line(value);
            if let Some(first) = seen.insert(key.as_ref(), line) {
                let prefix = if whole.is_empty() { String::new() } else { format!("{whole}: ") };
                let path = if path.is_empty() { key.to_string() } else { format!("{path}.{key}") };
                let lines = match first == line {
                    true => format!("both in line {line}"),
                    false => format!("in line {first} and in line {line}"),
                };
                let what = format!("{prefix}`{path}` appears twice, {lines}");
                self.error(value, what, "Keep one of the two: JSON does not say which one counts.");
                is_unique = false;
            }
        }
        is_unique.then_some(members)
    }

    fn line(&self, raw: &RawValue) -> u32 {
        let offset = (raw.get().as_ptr() as usize).saturating_sub(self.text.as_ptr() as usize);
        u32::try_from(self.breaks.partition_point(|it| *it < offset) + 1).unwrap_or(u32::MAX)
    }

    fn error(&mut self, raw: &RawValue, what: impl Into<String>, hint: impl Into<String>) {
        self.error_at(self.line(raw), what, hint);
    }

    fn error_at(&mut self, line: u32, what: impl Into<String>, hint: impl Into<String>) {
        let at = Origin { file: self.name.to_owned(), line };
        self.errors.push(Misplaced { at, source: Error::invalid(what, hint) });
    }
}

fn items(raw: &RawValue) -> Option<Vec<&RawValue>> {
    if raw.get().starts_with('[') { serde_json::from_str(raw.get()).ok() } else { None }
}

/// Editors, spreadsheets and `jq` write whole numbers with a fraction or an exponent, and mean the same.
#[expect(clippy::cast_possible_truncation, reason = "integral and below 2^53 is exact")]
fn whole_number(number: Number) -> Number {
    /// Above this, neighbouring integers are one float.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    match number.as_f64() {
        Some(float) if number.is_f64() && float.fract() == 0.0 && float.abs() <= EXACT => {
            Number::from(float as i64)
        }
        _ => number,
    }
}

/// The members of an object, with those that are there twice.
struct Members<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Members<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
                let mut members = Vec::new();
                while let Some(Key(key)) = map.next_key()? {
                    members.push((key, map.next_value()?));
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Object)
    }
}

#[derive(serde::Deserialize)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);
