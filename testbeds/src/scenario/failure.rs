//! A Lua error as the scenario's author needs it: the line of the scenario, what was expected, what was found.

use std::path::Path;

use crate::error::Error;

/// Returns the error with the place in the scenario that led to it.
pub(super) fn explain(err: &mlua::Error, scenario: &Path) -> Error {
    let mut places = Vec::new();
    let mut cause = err;
    while let mlua::Error::CallbackError { traceback, cause: inner } = cause {
        places.extend(frames(traceback));
        cause = inner;
    }
    let message = match cause {
        mlua::Error::ExternalError(inner) => {
            let mut text = inner.to_string();
            let mut source = inner.source();
            while let Some(it) = source {
                text = format!("{text}: {it}");
                source = it.source();
            }
            text
        }
        // Lua's own errors begin with their place and end with a traceback.
        mlua::Error::RuntimeError(text) => {
            let (text, traceback) = text.split_once("\nstack traceback:").unwrap_or((text, ""));
            places.extend(frames(traceback));
            match places.iter().find_map(|place| text.strip_prefix(&format!("{place}: "))) {
                Some(rest) => rest.to_owned(),
                None => text.to_owned(),
            }
        }
        mlua::Error::DeserializeError(text) => text.clone(),
        other => other.to_string(),
    };
    let own = format!("{}:", scenario.display());
    let in_scenario = places.iter().find(|it| it.starts_with(&own)).cloned();
    let first = places.first().filter(|it| Some(*it) != in_scenario.as_ref()).cloned();
    Error::Scenario {
        at: in_scenario.unwrap_or_else(|| scenario.display().to_string()),
        through: first,
        message,
    }
}

/// The `FILE.lua:LINE` of a traceback, innermost first.
fn frames(traceback: &str) -> Vec<String> {
    let places = traceback.lines().filter_map(|line| {
        let (file, rest) = line.trim().split_once(".lua:")?;
        let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
        (!digits.is_empty()).then(|| format!("{file}.lua:{digits}"))
    });
    places.collect()
}
