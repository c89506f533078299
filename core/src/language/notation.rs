//! How a value is written in a playbook: in Lua or in JSON.

use serde_json::Value;

use crate::language::declaration::Declaration;

/// The language that a declaration is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Notation {
    /// A Lua playbook.
    Lua,
    /// JSON declarations.
    Json,
}

/// As many characters of a value as a message shows.
const SHOWN: usize = 120;

impl Notation {
    /// Returns the language of the file that a declaration comes from.
    pub fn of(declaration: &Declaration) -> Self {
        let origin = declaration.playbook.as_ref();
        if origin.is_some_and(|it| it.file.ends_with(".lua")) { Self::Lua } else { Self::Json }
    }

    /// Returns a field with its value, as a playbook has it.
    pub fn field(self, name: &str, value: &Value) -> String {
        match self {
            Self::Lua => format!("{} = {}", key(name), self.value(value)),
            Self::Json => format!("{name:?}: {}", self.value(value)),
        }
    }

    /// Returns a value, as a playbook has it.
    pub fn value(self, value: &Value) -> String {
        if self == Self::Json {
            return value.to_string();
        }
        let inner: Vec<String> = match value {
            Value::Null => return "nil".to_owned(),
            Value::Array(items) => items.iter().map(|it| self.value(it)).collect(),
            Value::Object(fields) => fields.iter().map(|(name, it)| self.field(name, it)).collect(),
            other => return other.to_string(),
        };
        if inner.is_empty() { "{}".to_owned() } else { format!("{{ {} }}", inner.join(", ")) }
    }

    /// Returns a value for a message: what is too long ends in `…`.
    pub fn shown(self, value: &Value) -> String {
        let text = self.value(value);
        match text.char_indices().nth(SHOWN) {
            Some((end, _)) => format!("{}…", &text[..end]),
            None => text,
        }
    }

    /// Returns what a map of names and values is called.
    pub fn map(self) -> &'static str {
        match self {
            Self::Lua => "a table with names",
            Self::Json => "an object",
        }
    }
}

/// A name that Lua does not take for something else needs no brackets.
fn key(name: &str) -> String {
    let is_name = name.starts_with(|it: char| it.is_ascii_alphabetic() || it == '_')
        && name.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'_')
        && !["function", "end", "in", "or", "not", "and"].contains(&name);
    if is_name { name.to_owned() } else { format!("[{name:?}]") }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::Notation;

    #[test]
    fn a_value_is_written_as_the_language_has_it() {
        let value = json!({ "device": { "function": 0 }, "ids": ["10de:0ffc", "1"], "on": true, "none": {} });
        let lua = r#"{ device = { ["function"] = 0 }, ids = { "10de:0ffc", "1" }, none = {}, on = true }"#;
        assert_eq!(Notation::Lua.value(&value), lua);
        assert_eq!(Notation::Json.field("ids", &value["ids"]), r#""ids": ["10de:0ffc","1"]"#);
    }
}
