//! Environment blocks as GRUB itself reads and writes them at boot (lib/envblk.c).

const SIGNATURE: &str = "# GRUB Environment Block\n";

/// Returns the variables of a block with the lines they stand in; `None` if it is no block.
pub(super) fn variables(block: &str) -> Option<Vec<(String, String, usize)>> {
    let mut variables = Vec::new();
    let mut rest = block.strip_prefix(SIGNATURE).filter(|it| !it.is_empty())?;
    let mut line = 2;
    while !rest.is_empty() {
        let mut length = 0;
        if !rest.starts_with('#') {
            // A line without `=` runs into the next one.
            let Some((name, value)) = rest.split_once('=') else {
                break;
            };
            let Some(end) = line_end(value) else {
                break;
            };
            variables.push((name.to_owned(), unescape(&value[..end]), line + name.matches('\n').count()));
            length = name.len() + 1 + end;
        }
        let Some(end) = line_end(&rest[length..]) else {
            break;
        };
        let next = length + end + 1;
        line += rest[..next].matches('\n').count();
        rest = &rest[next..];
    }
    Some(variables)
}

/// Gives a variable a value; `None` if it does not fit.
pub(super) fn set(block: &str, name: &str, value: &str) -> Option<String> {
    let used = block.trim_end_matches('#');
    if !used.ends_with('\n') {
        return None;
    }
    let value = value.replace('\\', "\\\\").replace('\n', "\\\n");
    let text = match find(block, used.len(), name) {
        Some((start, end)) => format!("{}{value}{}", &used[..start], used.get(end..)?),
        None => format!("{used}{name}={value}\n"),
    };
    (text.len() <= block.len()).then(|| pad(text, block.len()))
}

/// Takes a variable out.
pub(super) fn delete(block: &str, name: &str) -> String {
    match find(block, block.len(), name) {
        Some((start, end)) => {
            let kept = [&block[..start - name.len() - 1], &block[end + 1..]].concat();
            pad(kept, block.len())
        }
        None => block.to_owned(),
    }
}

fn pad(mut text: String, length: usize) -> String {
    text.extend(std::iter::repeat_n('#', length - text.len()));
    text
}

/// Returns where the value of a variable begins and ends.
fn find(block: &str, limit: usize, name: &str) -> Option<(usize, usize)> {
    let mut at = SIGNATURE.len();
    while at + name.len() + 1 < limit {
        let value = block[at..].strip_prefix(name).and_then(|it| it.strip_prefix('='));
        if let Some(value) = value {
            let start = block.len() - value.len();
            return line_end(value).map(|it| (start, start + it));
        }
        at += line_end(&block[at..])? + 1;
    }
    None
}

/// Returns where a line ends; an escaped newline does not end it.
fn line_end(text: &str) -> Option<usize> {
    let mut is_escaped = false;
    text.bytes().position(|it| {
        let ends = it == b'\n' && !is_escaped;
        is_escaped = it == b'\\' && !is_escaped;
        ends
    })
}

fn unescape(text: &str) -> String {
    let mut is_escaped = false;
    let keeps = |it: &char| {
        is_escaped = *it == '\\' && !is_escaped;
        !is_escaped
    };
    text.chars().filter(keeps).collect()
}
