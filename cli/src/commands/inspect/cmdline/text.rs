//! The command lines as one table of parameters; entries with the same parameters share a column.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::{CommandLines, Entry, ShownParameter};
use crate::render::screen::Screen;
use crate::render::table::{headed, table};

/// Entries that give the kernel the same parameters.
struct Column<'a> {
    name: String,
    entries: Vec<(usize, &'a Entry)>,
}

/// Returns the table, what its columns are, and which entry boots next.
pub(crate) fn text(lines: &CommandLines, screen: &Screen) -> String {
    let columns = columns(&lines.entries);
    let mut heading = vec!["PARAMETER".to_owned()];
    heading.extend(lines.running.as_ref().map(|_| "RUNNING".to_owned()));
    heading.extend(columns.iter().map(|it| it.name.clone()));
    heading.extend(["LATER".to_owned(), "FROM".to_owned()]);
    let mut rows = vec![heading];
    rows.extend(all_parameters(lines).into_iter().map(|it| row(lines, &columns, &it)));
    let mut out = headed(screen, &rows);
    out.push('\n');
    out.push_str(&table(&legend(lines, &columns)));
    out
}

fn columns(entries: &[Entry]) -> Vec<Column<'_>> {
    let same = |a: &Entry, b: &Entry| {
        a.recovery == b.recovery
            && a.parameters.iter().map(|it| &it.parameter).eq(b.parameters.iter().map(|it| &it.parameter))
    };
    let mut columns: Vec<Column> = Vec::new();
    for (index, entry) in entries.iter().enumerate() {
        match columns.iter_mut().find(|it| same(it.entries[0].1, entry)) {
            Some(column) => column.entries.push((index, entry)),
            None => {
                let name = column_name(columns.len());
                columns.push(Column { name, entries: vec![(index, entry)] });
            }
        }
    }
    columns
}

/// `A` to `Z`, then numbers: a menu with more kinds of entries is nobody's.
fn column_name(number: usize) -> String {
    match u8::try_from(number).ok().filter(|it| *it < 26) {
        Some(number) => char::from(b'A' + number).to_string(),
        None => number.to_string(),
    }
}

/// Every parameter once: as the entries have them, then those that only the running or a later kernel has.
fn all_parameters(lines: &CommandLines) -> Vec<String> {
    let of_entries = lines.entries.iter().flat_map(|it| it.parameters.iter().map(|it| &it.parameter));
    let others = lines.running.iter().flatten().chain(&lines.future);
    let mut parameters: Vec<String> = Vec::new();
    for parameter in of_entries.chain(others) {
        if !parameters.contains(parameter) {
            parameters.push(parameter.clone());
        }
    }
    parameters
}

fn row(lines: &CommandLines, columns: &[Column], parameter: &str) -> Vec<String> {
    let mark = |has: bool| if has { "*" } else { "-" }.to_owned();
    let of = |entry: &'_ Entry| entry.parameters.iter().any(|it| it.parameter == parameter);
    let found: Vec<(&Entry, &ShownParameter)> = lines
        .entries
        .iter()
        .flat_map(|entry| entry.parameters.iter().map(move |it| (entry, it)))
        .filter(|it| it.1.parameter == parameter)
        .collect();
    let values = found.iter().find_map(|it| it.1.values.as_ref());
    let mut row = vec![parameter.to_owned()];
    if let Some(running) = &lines.running {
        row.push(if values.is_some() {
            "?".to_owned()
        } else {
            mark(running.iter().any(|it| it == parameter))
        });
    }
    row.extend(columns.iter().map(|it| mark(of(it.entries[0].1))));
    row.push(match lines.future_unknown {
        Some(_) => "?".to_owned(),
        None => mark(lines.future.iter().any(|it| it == parameter)),
    });
    row.push(match values {
        Some(values) => variable(values),
        None if found.is_empty() => by_variable(lines, parameter),
        None => places(&found),
    });
    row
}

/// What a variable of the boot loader may hold.
fn variable(values: &[String]) -> String {
    if values.is_empty() {
        return "unknown: no file of the boot loader sets it".to_owned();
    }
    let name = |it: &String| if it.is_empty() { "nothing".to_owned() } else { it.clone() };
    format!("the boot loader: {}", values.iter().map(name).collect::<Vec<_>>().join(" or "))
}

/// Where a parameter comes from that no entry has as it is.
fn by_variable(lines: &CommandLines, parameter: &str) -> String {
    let mut parameters = lines.entries.iter().flat_map(|it| &it.parameters);
    let gives = |it: &&ShownParameter| {
        it.values.iter().flatten().any(|it| it.split_whitespace().any(|it| it == parameter))
    };
    match parameters.find(gives) {
        Some(variable) => variable.parameter.clone(),
        None if lines.is_menu_withheld => "not known".to_owned(),
        None if lines.running.iter().flatten().any(|it| it == parameter) => {
            "no entry: only /proc/cmdline".to_owned()
        }
        None if lines.future.iter().any(|it| it == parameter) => "no entry: only later kernels".to_owned(),
        None => "-".to_owned(),
    }
}

/// The lines that contribute a parameter; those of the entries themselves stand below the table.
fn places(found: &[(&Entry, &ShownParameter)]) -> String {
    let mut files: BTreeMap<&PathBuf, Vec<String>> = BTreeMap::new();
    let mut own = false;
    for (entry, parameter) in found {
        if parameter.source == entry.place {
            own = true;
            continue;
        }
        let lines = files.entry(&parameter.source.file).or_default();
        let line = parameter.source.line.map(|it| it.to_string());
        lines.extend(line.filter(|it| !lines.contains(it)));
    }
    let own = own.then(|| "the entry".to_owned());
    let others = files.iter().map(|(file, lines)| match lines.is_empty() {
        true => file.display().to_string(),
        false => format!("{}:{}", file.display(), lines.join(",")),
    });
    own.into_iter().chain(others).collect::<Vec<_>>().join(", ")
}

/// What the columns are.
fn legend(lines: &CommandLines, columns: &[Column]) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    if lines.running.is_some() {
        let kernel = lines.kernel.as_deref().unwrap_or("a kernel of unknown release");
        let booted = lines.booted.and_then(|it| Some((it, lines.entries.get(it)?)));
        let column = |index: usize| columns.iter().find(|it| it.entries.iter().any(|it| it.0 == index));
        let text = match booted.and_then(|it| Some((column(it.0)?, it.1))) {
            Some((column, entry)) => format!("{kernel}, as {} in {}", entry.title, column.name),
            None if lines.is_menu_withheld => format!("{kernel}, from an entry that this user may not read"),
            None => format!("{kernel}, which has no boot entry"),
        };
        rows.push(vec!["RUNNING".to_owned(), text]);
    }
    for column in columns {
        for (number, (index, entry)) in column.entries.iter().enumerate() {
            let name = if number == 0 { column.name.clone() } else { String::new() };
            rows.push(vec![name, format!("{}, {}", described(lines, *index, entry), entry.place)]);
        }
    }
    let unknown = lines.future_unknown.as_ref().map(|it| format!(": not known, {it}")).unwrap_or_default();
    rows.push(vec!["LATER".to_owned(), format!("kernels installed later{unknown}")]);
    let next = &lines.next_boot;
    let title = next.entry.and_then(|it| lines.entries.get(it)).map(|it| it.title.as_str());
    let once = if next.once { ", for one boot only" } else { "" };
    let text = match title {
        Some(title) => format!("{title}: {}{once}", next.because),
        None => format!("not known: {}{once}", next.because),
    };
    rows.push(vec!["NEXT".to_owned(), text]);
    rows
}

fn described(lines: &CommandLines, index: usize, entry: &Entry) -> String {
    let kernel = entry.kernel.as_ref().filter(|it| !entry.title.contains(it.as_str()));
    let kernel = kernel.map_or_else(String::new, |it| format!(" ({it})"));
    let is_next = lines.next_boot.entry == Some(index);
    let notes = [entry.recovery.then_some("recovery"), is_next.then_some("next boot")];
    let notes: Vec<&str> = notes.into_iter().flatten().collect();
    let notes = if notes.is_empty() { String::new() } else { format!(" [{}]", notes.join(", ")) };
    format!("{}{kernel}{notes}", entry.title)
}
