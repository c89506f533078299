//! Texts that are not JSON: what they are instead, and how to write what is meant.

/// Returns what is wrong with a text that serde_json refuses, and how to mend it.
pub(super) fn explain(text: &str, err: &serde_json::Error) -> (String, String) {
    let fallback = || (format!("this is not JSON: {}", without_place(err)), String::new());
    if text.trim().is_empty() {
        let (what, hint) = (
            "there is nothing in it",
            "An empty list of declarations is {\"format\":\"hoststate.declarations/1\",\"resources\":[]}.",
        );
        return (what.to_owned(), hint.to_owned());
    }
    if let Some((what, hint)) = another_language(text) {
        return (what.to_owned(), hint.to_owned());
    }
    let said = without_place(err);
    let hint = match rest(text, err).map(str::trim_start) {
        _ if said.starts_with("trailing comma") => "JSON has no comma after the last item: remove it.",
        Some(rest) if rest.starts_with("//") || rest.starts_with("/*") || rest.starts_with('#') => {
            return (
                "JSON has no comments".to_owned(),
                "Remove it, or write the playbook in Lua, where a comment begins with `--`.".to_owned(),
            );
        }
        Some(rest) if ["True", "False", "None"].iter().any(|it| rest.starts_with(it)) => {
            let python: String = rest.chars().take_while(char::is_ascii_alphabetic).collect();
            let json = if python == "None" { "null".to_owned() } else { python.to_lowercase() };
            return (
                format!("`{python}` is Python, JSON writes `{json}`"),
                "Write it with `json.dumps`, or in Ansible with `to_json`.".to_owned(),
            );
        }
        Some(rest) if rest.starts_with(['\'', '\u{201c}', '\u{201d}', '\u{2018}', '\u{2019}']) => {
            "Texts are written in straight double quotes: \"…\"."
        }
        Some(rest) if said.starts_with("key must be a string") && rest.starts_with('}') => {
            "JSON has no comma after the last item: remove it."
        }
        Some(rest) if said.starts_with("expected value") && rest.starts_with([']', '}']) => {
            "JSON has no comma after the last item: remove it."
        }
        _ if said.starts_with("key must be a string") => "Names are written in double quotes: {\"type\": …}.",
        _ if said.starts_with("EOF") => "It ends before everything that was opened is closed.",
        _ if said.starts_with("expected `,`") => "Is a comma missing before it?",
        _ if said.starts_with("trailing characters") => "A file of declarations holds a single object.",
        _ => return fallback(),
    };
    (format!("this is not JSON: {said}"), hint.to_owned())
}

/// Returns serde_json's message without its line and column.
pub(super) fn without_place(err: &serde_json::Error) -> String {
    let text = err.to_string();
    text.rsplit_once(" at line ").map_or(text.clone(), |(what, _)| what.to_owned())
}

/// Returns the text from where the parser stopped.
fn rest<'a>(text: &'a str, err: &serde_json::Error) -> Option<&'a str> {
    let line = text.split_inclusive('\n').nth(err.line().checked_sub(1)?)?;
    let start = line.as_ptr() as usize - text.as_ptr() as usize;
    // The column counts bytes, the one that did not fit included.
    let mut at = start + err.column().saturating_sub(1);
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    text.get(at..)
}

fn another_language(text: &str) -> Option<(&'static str, &'static str)> {
    let lua = (
        "this is Lua, and the name of the file does not end in .lua",
        "Give the file a name such as gpu.lua.",
    );
    let yaml = (
        "this is YAML, and declarations are JSON",
        "Convert it (`yq -o json`, in Ansible `to_json`), or write the playbook in Lua.",
    );
    let first =
        text.lines().map(str::trim_end).find(|it| !it.is_empty() && !it.trim_start().starts_with('#'))?;
    let word: String =
        first.chars().take_while(|it| it.is_ascii_alphanumeric() || "_.".contains(*it)).collect();
    let behind = first[word.len()..].trim_start();
    if first == "---" || first.starts_with("--- ") || first.starts_with("- ") || first.starts_with("%YAML") {
        return Some(yaml);
    }
    let is_name = word.starts_with(|it: char| it.is_ascii_alphabetic() || it == '_');
    if is_name && behind.starts_with(':') && !behind.starts_with("::") {
        return Some(yaml);
    }
    let keywords = ["local", "for", "if", "function", "while", "require", "return"];
    let calls = behind.starts_with(['{', '(', '=', '"', '\'']) || behind.is_empty() && text.contains('{');
    if first.starts_with("--") || is_name && (keywords.contains(&word.as_str()) || calls) {
        return Some(lua);
    }
    None
}
