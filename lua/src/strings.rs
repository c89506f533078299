//! `string.find`, `match`, `gmatch` and `gsub` on the matcher that pays for its steps.

use std::cell::Cell;

use memchr::memmem;
use mlua::{Function, Lua, LuaString, MultiValue, Scope, Table, Value};

use crate::error::Error;
use crate::evaluation::Evaluation;
use crate::pattern::{Capture, Matcher, Stop};

/// Returns the functions by name.
pub(crate) fn table<'scope, 'env>(
    lua: &Lua,
    scope: &'scope Scope<'scope, 'env>,
    evaluation: &'env Evaluation<'env>,
) -> mlua::Result<Table> {
    let table = lua.create_table()?;
    table.set(
        "find",
        scope.create_function(
            |lua, (subject, pattern, init, plain): (LuaString, LuaString, Option<i64>, Option<bool>)| {
                find(lua, evaluation, &subject, &pattern, init, plain == Some(true))
            },
        )?,
    )?;
    table.set(
        "match",
        scope.create_function(|lua, (subject, pattern, init): (LuaString, LuaString, Option<i64>)| {
            let subject = subject.as_bytes();
            let Some(start) = begin(&subject, init) else { return Ok(MultiValue::from_iter([Value::Nil])) };
            match search(lua, evaluation, &subject, &pattern.as_bytes(), start)? {
                Some(found) => found.values(lua, &subject),
                None => Ok(MultiValue::from_iter([Value::Nil])),
            }
        })?,
    )?;
    table.set(
        "gmatch_step",
        scope.create_function(
            |lua, (subject, pattern, start, last): (LuaString, LuaString, usize, Option<usize>)| {
                next_match(lua, evaluation, &subject, &pattern, start, last)
            },
        )?,
    )?;
    table.set(
        "gsub",
        scope.create_function(
            |lua, (subject, pattern, with, most): (LuaString, LuaString, Value, Option<i64>)| {
                replace(lua, evaluation, &subject, &pattern, &with, most)
            },
        )?,
    )?;
    Ok(table)
}

struct Found {
    start: usize,
    end: usize,
    captures: Vec<Capture>,
}

impl Found {
    fn values(&self, lua: &Lua, subject: &[u8]) -> mlua::Result<MultiValue> {
        self.captures.iter().map(|it| value(lua, subject, *it)).collect()
    }
}

fn value(lua: &Lua, subject: &[u8], capture: Capture) -> mlua::Result<Value> {
    Ok(match capture {
        Capture::Text(start, end) => Value::String(lua.create_string(&subject[start..end])?),
        Capture::Position(at) | Capture::Open(at) => Value::Integer(at as i64 + 1),
    })
}

/// Returns where `init` is, counted from 0; `None` when it is behind the end.
fn begin(subject: &[u8], init: Option<i64>) -> Option<usize> {
    let length = i64::try_from(subject.len()).ok()?;
    let start = match init.unwrap_or(1) {
        init if init > 0 => init - 1,
        0 => 0,
        init => length.saturating_add(init).max(0),
    };
    usize::try_from(start).ok().filter(|it| *it <= subject.len())
}

fn search(
    lua: &Lua,
    evaluation: &Evaluation<'_>,
    subject: &[u8],
    pattern: &[u8],
    start: usize,
) -> mlua::Result<Option<Found>> {
    let (pattern, anchored) = match pattern.strip_prefix(b"^") {
        Some(rest) => (rest, true),
        None => (pattern, false),
    };
    let spend = |steps| evaluation.limits.spend(steps);
    let mut matcher = Matcher::new(subject, pattern, &spend);
    let last = if anchored { start } else { subject.len() };
    for start in start..=last {
        let end = matcher.at(start).map_err(|err| stopped(lua, evaluation, err))?;
        if let Some(end) = end {
            let captures = matcher.captures(start, end).map_err(|err| stopped(lua, evaluation, err))?;
            return Ok(Some(Found { start, end, captures }));
        }
    }
    Ok(None)
}

fn stopped(lua: &Lua, evaluation: &Evaluation<'_>, stop: Stop) -> mlua::Error {
    let error = match stop {
        Stop::Malformed(what) => {
            Error::new(what, "`%` takes the meaning from a character: `%-`, `%.`, `%(`.")
        }
        Stop::Spent(error) => error,
    };
    evaluation.raise(lua, error)
}

fn find(
    lua: &Lua,
    evaluation: &Evaluation<'_>,
    subject: &LuaString,
    pattern: &LuaString,
    init: Option<i64>,
    plain: bool,
) -> mlua::Result<MultiValue> {
    let (subject, pattern) = (subject.as_bytes(), pattern.as_bytes());
    let none = || MultiValue::from_iter([Value::Nil]);
    let Some(start) = begin(&subject, init) else { return Ok(none()) };
    if plain || !pattern.iter().any(|it| b"^$*+?.([%-".contains(it)) {
        let work = u64::try_from(subject.len() + pattern.len()).unwrap_or(u64::MAX);
        evaluation.limits.spend(work / 16).map_err(|err| evaluation.raise(lua, err))?;
        return Ok(match memmem::find(&subject[start..], &pattern) {
            Some(at) => {
                let first = (start + at + 1) as i64;
                MultiValue::from_iter([
                    Value::Integer(first),
                    Value::Integer(first + pattern.len() as i64 - 1),
                ])
            }
            None => none(),
        });
    }
    let Some(found) = search(lua, evaluation, &subject, &pattern, start)? else { return Ok(none()) };
    let mut values = vec![Value::Integer(found.start as i64 + 1), Value::Integer(found.end as i64)];
    if found.captures != [Capture::Text(found.start, found.end)] || pattern.contains(&b'(') {
        values.extend(found.values(lua, &subject)?);
    }
    Ok(MultiValue::from_iter(values))
}

/// Returns where to go on, where the match ended, and the captures. An empty match where the last one ended is none.
fn next_match(
    lua: &Lua,
    evaluation: &Evaluation<'_>,
    subject: &LuaString,
    pattern: &LuaString,
    start: usize,
    last: Option<usize>,
) -> mlua::Result<MultiValue> {
    let (subject, pattern) = (subject.as_bytes(), pattern.as_bytes());
    let spend = |steps| evaluation.limits.spend(steps);
    // In `gmatch` a `^` is no anchor: it would make no sense there (manual, `string.gmatch`).
    let mut matcher = Matcher::new(&subject, &pattern, &spend);
    for start in start..=subject.len() {
        let end = matcher.at(start).map_err(|err| stopped(lua, evaluation, err))?;
        if let Some(end) = end.filter(|it| Some(*it) != last) {
            let captures = matcher.captures(start, end).map_err(|err| stopped(lua, evaluation, err))?;
            let found = Found { start, end, captures };
            let mut values = vec![Value::Integer(end as i64)];
            values.extend(found.values(lua, &subject)?);
            return Ok(MultiValue::from_iter(values));
        }
    }
    Ok(MultiValue::from_iter([Value::Nil]))
}

fn replace(
    lua: &Lua,
    evaluation: &Evaluation<'_>,
    subject: &LuaString,
    pattern: &LuaString,
    with: &Value,
    most: Option<i64>,
) -> mlua::Result<(LuaString, i64)> {
    let raise = |what: String, hint: &str| evaluation.raise(lua, Error::new(what, hint));
    let (subject, pattern) = (subject.as_bytes(), pattern.as_bytes());
    let (rest, anchored) = match pattern.strip_prefix(b"^") {
        Some(rest) => (rest, true),
        None => (&pattern[..], false),
    };
    let spend = |steps| evaluation.limits.spend(steps);
    let mut matcher = Matcher::new(&subject, rest, &spend);
    let most = most.unwrap_or(i64::MAX);
    let (mut out, mut at, mut last, mut count) = (Vec::new(), 0, None, 0);
    let held = Cell::new(0_usize);
    while count < most {
        let end = matcher.at(at).map_err(|err| stopped(lua, evaluation, err))?;
        match end.filter(|it| Some(*it) != last) {
            Some(end) => {
                count += 1;
                let captures = matcher.captures(at, end).map_err(|err| stopped(lua, evaluation, err))?;
                let found = Found { start: at, end, captures };
                match replacement(lua, &subject, &found, with)? {
                    Replacement::Keep => out.extend_from_slice(&subject[at..end]),
                    Replacement::Text(text) => out.extend_from_slice(&text),
                    Replacement::Wrong(what) => {
                        return Err(raise(
                            what,
                            "A replacement is a text or a number, or nil to keep the match.",
                        ));
                    }
                }
                at = end;
                last = Some(end);
            }
            None if at < subject.len() => {
                out.push(subject[at]);
                at += 1;
            }
            None => break,
        }
        // The result grows outside Lua's memory until it is done.
        if out.len() > held.get() + (1 << 16) {
            evaluation.limits.spend(1 << 12).map_err(|err| evaluation.raise(lua, err))?;
            held.set(out.len());
            if out.len() > crate::limits::MEMORY {
                return Err(evaluation.raise(lua, crate::limits::out_of_memory(evaluation.limits.subject)));
            }
        }
        if anchored {
            break;
        }
    }
    out.extend_from_slice(&subject[at.min(subject.len())..]);
    Ok((lua.create_string(out)?, count))
}

enum Replacement {
    Keep,
    Text(Vec<u8>),
    Wrong(String),
}

fn replacement(lua: &Lua, subject: &[u8], found: &Found, with: &Value) -> mlua::Result<Replacement> {
    let first = || value(lua, subject, found.captures[0]);
    let value = match with {
        Value::Table(table) => table.get::<Value>(first()?)?,
        Value::Function(function) => Function::call::<MultiValue>(function, found.values(lua, subject)?)?
            .into_iter()
            .next()
            .unwrap_or(Value::Nil),
        Value::String(template) => return filled(lua, subject, found, &template.as_bytes()),
        other => match lua.coerce_string(other.clone())? {
            Some(template) => return filled(lua, subject, found, &template.as_bytes()),
            None => {
                let what = format!(
                    "`gsub` takes a text, table or function as replacement, got a {}",
                    other.type_name()
                );
                return Ok(Replacement::Wrong(what));
            }
        },
    };
    Ok(match value {
        Value::Nil | Value::Boolean(false) => Replacement::Keep,
        Value::String(text) => Replacement::Text(text.as_bytes().to_vec()),
        Value::Integer(_) | Value::Number(_) => {
            Replacement::Text(lua.coerce_string(value)?.map(|it| it.as_bytes().to_vec()).unwrap_or_default())
        }
        other => Replacement::Wrong(format!("the replacement is a {}", other.type_name())),
    })
}

fn filled(lua: &Lua, subject: &[u8], found: &Found, template: &[u8]) -> mlua::Result<Replacement> {
    let mut text = Vec::with_capacity(template.len());
    let mut bytes = template.iter();
    while let Some(&byte) = bytes.next() {
        if byte != b'%' {
            text.push(byte);
            continue;
        }
        match bytes.next() {
            Some(b'%') => text.push(b'%'),
            Some(b'0') => text.extend_from_slice(&subject[found.start..found.end]),
            Some(&digit @ b'1'..=b'9') => match found.captures.get(usize::from(digit - b'1')) {
                Some(&capture) => {
                    let value = value(lua, subject, capture)?;
                    text.extend(
                        lua.coerce_string(value)?.map(|it| it.as_bytes().to_vec()).unwrap_or_default(),
                    );
                }
                None => {
                    let what = format!("invalid capture index %{} in the replacement", char::from(digit));
                    return Ok(Replacement::Wrong(what));
                }
            },
            _ => return Ok(Replacement::Wrong("invalid use of `%` in the replacement".to_owned())),
        }
    }
    Ok(Replacement::Text(text))
}
