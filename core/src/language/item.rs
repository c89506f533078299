//! A declaration item by item: what an owner is remembered to have set, and what may go while the rest of it stays.

use serde_json::{Map, Value};

use crate::language::declaration::Declaration;
use crate::language::ensure::Ensure;
use crate::language::registry::Declared;

/// Returns what a declaration sets, item by item, each as a declaration of its own at the same line.
pub fn items(declared: &Declared) -> Vec<Declaration> {
    let Declared { declaration, resource, .. } = declared;
    if declaration.ensure == Ensure::Absent {
        return Vec::new();
    }
    let items = resource.items(&declaration.desired);
    // What is all of it keeps its name.
    let name = declaration.name.clone().filter(|_| items.len() == 1 && items[0] == declaration.desired);
    let item = |desired| Declaration { desired, name: name.clone(), ..declaration.clone() };
    items.into_iter().map(item).collect()
}

/// Takes the list or the table `field` apart; the other fields go with each part of it.
pub(crate) fn one_by_one(desired: &Map<String, Value>, field: &str) -> Vec<Map<String, Value>> {
    let with = |value: Value| {
        let mut item = desired.clone();
        item.insert(field.to_owned(), value);
        item
    };
    match desired.get(field) {
        Some(Value::Array(list)) => list.iter().map(|it| with(Value::Array(vec![it.clone()]))).collect(),
        Some(Value::Object(table)) => {
            let one = |(key, value): (&String, &Value)| Map::from_iter([(key.clone(), value.clone())]);
            table.iter().map(|it| with(Value::Object(one(it)))).collect()
        }
        Some(_) | None => vec![desired.clone()],
    }
}

impl Declaration {
    /// Returns whether `item` is one of its items, as it is written.
    pub fn has_item(&self, item: &Self) -> bool {
        let is_part = |(field, wanted): (&String, &Value)| match (self.desired.get(field), wanted) {
            (Some(Value::Array(all)), Value::Array(some)) => some.iter().all(|it| all.contains(it)),
            (Some(Value::Object(all)), Value::Object(some)) => {
                some.iter().all(|(key, value)| all.get(key) == Some(value))
            }
            (Some(value), wanted) => value == wanted,
            (None, _) => false,
        };
        self.kind == item.kind && self.ensure == item.ensure && item.desired.iter().all(is_part)
    }
}
