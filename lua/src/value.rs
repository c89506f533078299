//! From Lua tables to JSON: what a table says is a list, what an object, and what can be neither.

use std::ffi::c_void;
use std::fmt::Write;

use mlua::Table;
use serde_json::{Map, Number, Value};

use crate::error::Error;
use crate::limits::Limits;

/// How deep tables may nest; the deepest field of a resource is three levels down.
const MAX_DEPTH: usize = 32;

/// What a value takes beside its text, in bytes.
const VALUE: usize = 64;

/// Why a Lua value is no JSON: the field, and what is wrong with it.
#[derive(Debug)]
pub(crate) struct Unfit {
    /// Where, e.g. `options.ids[2]`; empty for the table itself.
    pub(crate) path: String,
    /// What is wrong, as a predicate: `is a function`.
    pub(crate) what: String,
    /// How to mend it.
    pub(crate) hint: &'static str,
}

enum Step {
    Field(String),
    Item(i64),
}

impl Unfit {
    /// Returns the error about the value that has this field.
    pub(crate) fn of(self, owner: &str) -> Error {
        let place = if self.path.is_empty() { owner.to_owned() } else { format!("{owner}: `{}`", self.path) };
        Error::new(format!("{place} {}", self.what), self.hint)
    }
}

struct Conversion<'a> {
    limits: &'a Limits,
    steps: Vec<Step>,
    open: Vec<*const c_void>,
    empty: &'a dyn Fn(&str) -> Value,
}

/// Returns a table of fields as a JSON object. `empty` decides what an empty table in a field of that name is:
/// `{}` in Lua is both a list and an object.
///
/// A float with an integral value becomes an integer, because to the person who wrote `8 / 2` it is one.
pub(crate) fn object(
    table: &Table,
    limits: &Limits,
    empty: &dyn Fn(&str) -> Value,
) -> Result<Map<String, Value>, Unfit> {
    let mut conversion = Conversion { limits, steps: Vec::new(), open: vec![table.to_pointer()], empty };
    match conversion.plain(table)? {
        mlua::Value::Table(table) => conversion.fields(&table),
        _ => conversion.fields(table),
    }
}

impl Conversion<'_> {
    fn fields(&mut self, table: &Table) -> Result<Map<String, Value>, Unfit> {
        let mut fields = Map::new();
        let mut unfit = None;
        let done = table.for_each(|key: mlua::Value, value: mlua::Value| {
            match self.field(&mut fields, &key, value) {
                Ok(()) => Ok(()),
                Err(err) => {
                    unfit = Some(err);
                    Err(mlua::Error::UserDataBorrowError)
                }
            }
        });
        match (done, unfit) {
            (_, Some(unfit)) => Err(unfit),
            (Ok(()), None) => Ok(fields),
            (Err(err), None) => Err(self.unfit(format!("cannot be read: {err}"), "Use a plain table.")),
        }
    }

    fn field(
        &mut self,
        fields: &mut Map<String, Value>,
        key: &mlua::Value,
        value: mlua::Value,
    ) -> Result<(), Unfit> {
        let hint = "Write `field = value`, or a list in a field of its own.";
        let name = match key {
            mlua::Value::String(name) => match name.to_str() {
                Ok(name) => name.to_owned(),
                Err(_) => return Err(self.unfit("has a field whose name is not UTF-8 text".to_owned(), hint)),
            },
            mlua::Value::Integer(index) if self.steps.is_empty() => {
                return Err(self.unfit(format!("has a value without a field name, [{index}]"), hint));
            }
            other => {
                let what = format!("mixes named fields and [{}]", shown(other));
                return Err(self.unfit(what, "Use either a list or named fields."));
            }
        };
        self.steps.push(Step::Field(name));
        let value = self.value(value)?;
        if let Some(Step::Field(name)) = self.steps.pop() {
            fields.insert(name, value);
        }
        Ok(())
    }

    fn value(&mut self, value: mlua::Value) -> Result<Value, Unfit> {
        let length = value.as_string().map_or(0, |it| it.as_bytes().len());
        if self.limits.hold(VALUE + length).is_err() {
            let what = "is part of more than the playbook may declare".to_owned();
            return Err(self.unfit(what, "Look for a text or a table that grows without end."));
        }
        match value {
            mlua::Value::Nil => Ok(Value::Null),
            mlua::Value::Boolean(value) => Ok(Value::Bool(value)),
            mlua::Value::Integer(value) => Ok(Value::Number(value.into())),
            mlua::Value::Number(value) => self.float(value),
            mlua::Value::String(text) => match text.to_str() {
                Ok(text) => Ok(Value::String(text.to_owned())),
                Err(_) => Err(self.unfit("is not UTF-8 text".to_owned(), "Save the playbook as UTF-8.")),
            },
            mlua::Value::Table(table) => self.table(&table),
            other => Err(self.unfit(
                format!("is a {}", other.type_name()),
                "A field takes texts, numbers, booleans and tables of them.",
            )),
        }
    }

    #[expect(clippy::cast_possible_truncation, reason = "integral and below 2^53 is exact")]
    fn float(&self, value: f64) -> Result<Value, Unfit> {
        /// Above this, neighbouring integers are one float.
        const EXACT: f64 = 9_007_199_254_740_992.0;
        if value.fract() == 0.0 && value.abs() <= EXACT {
            return Ok(Value::Number((value as i64).into()));
        }
        match Number::from_f64(value) {
            Some(number) => Ok(Value::Number(number)),
            None => Err(self.unfit(format!("is {value}"), "Give a finite number.")),
        }
    }

    fn table(&mut self, table: &Table) -> Result<Value, Unfit> {
        let plain = self.plain(table)?;
        let Some(table) = plain.as_table() else { return self.value(plain) };
        let address = table.to_pointer();
        if self.open.contains(&address) {
            return Err(self.unfit("contains itself".to_owned(), "Give a table that ends."));
        }
        if self.open.len() >= MAX_DEPTH {
            let what = format!("is more than {MAX_DEPTH} tables deep");
            return Err(self.unfit(what, "No field takes tables nested that deeply."));
        }
        self.open.push(address);
        let value = if table.raw_len() > 0 { self.list(table)? } else { self.named(table)? };
        self.open.pop();
        Ok(value)
    }

    fn named(&mut self, table: &Table) -> Result<Value, Unfit> {
        let fields = self.fields(table)?;
        if !fields.is_empty() {
            return Ok(Value::Object(fields));
        }
        Ok(match self.steps.as_slice() {
            [Step::Field(name)] => (self.empty)(name),
            _ => Value::Array(Vec::new()),
        })
    }

    fn list(&mut self, table: &Table) -> Result<Value, Unfit> {
        let length = table.raw_len();
        let mut items = Vec::with_capacity(length);
        for (number, item) in (1..).zip(table.sequence_values::<mlua::Value>()) {
            self.steps.push(Step::Item(number));
            let item =
                item.map_err(|err| self.unfit(format!("cannot be read: {err}"), "Use a plain table."))?;
            items.push(self.value(item)?);
            self.steps.pop();
        }
        // The border of a table with holes is any of them, and a list may have names beside it: count.
        let mut stray = None;
        let mut seen = 0;
        let counted = table.for_each(|key: mlua::Value, _: mlua::Value| {
            let inside = key
                .as_integer()
                .is_some_and(|it| usize::try_from(it).is_ok_and(|it| (1..=items.len()).contains(&it)));
            if inside {
                seen += 1;
            } else if stray.is_none() {
                stray = Some(shown(&key));
            }
            Ok(())
        });
        match (counted, stray) {
            (Ok(()), None) if seen == length => Ok(Value::Array(items)),
            (_, Some(key)) if key.parse::<i64>().is_ok() => {
                let what = format!("has a hole: [{key}] is there, [{}] is nil", items.len() + 1);
                Err(self.unfit(what, "A variable in that list is nil; leave it out or give it a value."))
            }
            (_, Some(key)) => Err(self
                .unfit(format!("mixes a list and the field `{key}`"), "Use either a list or named fields.")),
            _ => Err(self.unfit("has a hole".to_owned(), "Give every item of the list a value.")),
        }
    }

    /// Returns what a table is in a declaration: a part of `host` is an empty stand-in, and its metatable, which
    /// playbooks cannot reach, has what it stands for. Other tables with a metatable are not what they look like.
    fn plain(&self, table: &Table) -> Result<mlua::Value, Unfit> {
        let Some(metatable) = table.metatable() else { return Ok(mlua::Value::Table(table.clone())) };
        match metatable.raw_get::<mlua::Value>("__plain") {
            Ok(plain @ (mlua::Value::Table(_) | mlua::Value::String(_))) => Ok(plain),
            _ if metatable.raw_get("__found").unwrap_or(false) => {
                let what = match table.raw_len() {
                    0 => "is what `host.pci:find` gives, a list, and it found nothing".to_owned(),
                    1 => "is what `host.pci:find` gives, a list of 1 device".to_owned(),
                    count => format!("is what `host.pci:find` gives, a list of {count} devices"),
                };
                let hint = match table.raw_len() {
                    0 => {
                        "A device is one of it: `host.pci:find { … }[1]`. `hoststate inspect devices` lists those of \
                         this host."
                    }
                    _ => "Take one device of it: the first is `[1]`.",
                };
                Err(self.unfit(what, hint))
            }
            _ => Err(self.unfit("is a table with a metatable".to_owned(), "Give a plain table.")),
        }
    }

    fn unfit(&self, what: String, hint: &'static str) -> Unfit {
        let mut path = String::new();
        for step in &self.steps {
            let written = match step {
                Step::Field(name) if path.is_empty() => write!(path, "{name}"),
                Step::Field(name) => write!(path, ".{name}"),
                Step::Item(number) => write!(path, "[{number}]"),
            };
            written.expect("a String takes every text");
        }
        Unfit { path, what, hint }
    }
}

fn shown(key: &mlua::Value) -> String {
    match key {
        mlua::Value::Integer(key) => key.to_string(),
        mlua::Value::Number(key) => key.to_string(),
        mlua::Value::Boolean(key) => key.to_string(),
        mlua::Value::String(key) => key.to_string_lossy(),
        other => format!("a {}", other.type_name()),
    }
}
