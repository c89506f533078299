//! Kernel arguments in text that GRUB's script language reads before the kernel does.
//!
//! `GRUB_CMDLINE_LINUX…`, `options` of boot entries, `kernelopts` and `/etc/kernel/cmdline` are all pasted into a
//! `linux` line as they are, so `$`, quotes, `\`, `;` and their like have a meaning there that the kernel does not
//! know.

use std::collections::BTreeMap;
use std::ops::Range;

use hoststate_core::error::{Error, Result};
use hoststate_core::formats::grub_cfg::{GrubCfg, MenuEntry};
use hoststate_core::formats::kernel_cmdline::{COMMAND_LINE_SIZE, Cmdline, CmdlineEdit, Parameter};

#[cfg(test)]
mod tests;

/// What stands between a text and the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Level {
    /// GRUB's script language.
    Script,
    /// `blscfg` first, which takes every `$` for a variable and knows no escape for it.
    Blscfg,
}

/// Why a text cannot be edited: GRUB would not pass on all of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unclear {
    /// What GRUB would make of it.
    pub(crate) why: String,
}

/// Returns the words the kernel gets of a text; variables GRUB may set stay as `${name}`.
pub(crate) fn kernel_line(text: &str) -> Cmdline {
    let cfg = GrubCfg::parse(&format!("linux /k {text}\n"));
    cfg.entries.first().map(passed_on).unwrap_or_default()
}

/// Returns the words a menu entry gives the kernel; variables GRUB may set stay as `${name}`.
///
/// `$4` is a parameter of a function that is not running, so nothing is left of it. Without this a badly escaped
/// `memmap=4G$4G` would look as wanted.
pub(crate) fn passed_on(entry: &MenuEntry) -> Cmdline {
    if entry.unresolved.is_empty() {
        return entry.cmdline.clone();
    }
    let mut names: Vec<&String> = entry.unresolved.iter().collect();
    // `$ab` must not be taken for `$a`.
    names.sort_by_key(|it| std::cmp::Reverse(it.len()));
    names.dedup();
    let mut text = entry.cmdline.to_string();
    for name in names {
        let named = name.starts_with(|it: char| it.is_ascii_alphabetic() || it == '_');
        let value = if named { format!("${{{name}}}") } else { String::new() };
        text = text.replace(&format!("${name}"), &value);
    }
    Cmdline::parse(&text)
}

/// Returns `text` changed so that the kernel gets what `edit` wants; what stays keeps its bytes.
///
/// # Errors
/// When a wanted word cannot be passed through GRUB.
pub(crate) fn edit(text: &str, edit: &CmdlineEdit, level: Level) -> Result<Result<String, Unclear>> {
    if let Some(brace) = bare_brace(text) {
        let why = format!(
            "GRUB takes a `{brace}` outside of quotes for the edge of a block, and update-grub stops at such \
             a menu; put it in quotes, or remove it"
        );
        return Ok(Err(Unclear { why }));
    }
    let words: Vec<(Range<usize>, Cmdline)> =
        raw_words(text).into_iter().map(|it| (it.clone(), kernel_line(&text[it]))).collect();
    // `;` or `#` in one word takes the words after it from the kernel: that shows only on the whole line.
    let flat = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let alone: Vec<String> = words.iter().map(|it| it.1.to_string()).filter(|it| !it.is_empty()).collect();
    let whole = kernel_line(&flat).to_string();
    if whole != alone.join(" ") {
        let why = format!("GRUB passes only `{whole}` of `{}` to the kernel", text.trim());
        return Ok(Err(Unclear { why }));
    }
    let mut as_passed = String::new();
    let mut raw: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    let mut end = 0;
    for (range, passed) in &words {
        as_passed.push_str(&text[end..range.start]);
        let passed = passed.to_string();
        as_passed.push_str(&passed);
        raw.entry(passed).or_default().insert(0, &text[range.clone()]);
        end = range.end;
    }
    as_passed.push_str(&text[end..]);
    let mut line = Cmdline::parse(&as_passed);
    if line.satisfies(edit) {
        return Ok(Ok(text.to_owned()));
    }
    let before = line.clone();
    line.edit(edit);
    if let Some(what) = edit.huge_pages_harmed(&before, &line) {
        return Err(Error::invalid(what, "Say for each count which size it is of."));
    }
    let line = line.to_string();
    let mut edited = String::new();
    let mut end = 0;
    for range in kernel_words(&line) {
        edited.push_str(&line[end..range.start]);
        let word = &line[range.clone()];
        match raw.get_mut(word) {
            Some(spellings) => edited.push_str(next_spelling(spellings)),
            None => edited.push_str(&written(word, level)?),
        }
        end = range.end;
    }
    edited.push_str(&line[end..]);
    Ok(Ok(edited))
}

/// Returns the first brace that is no part of a variable and stands outside of quotes: GRUB's grammar has no use for one
/// behind a command, whatever it is written beside (grub-core/script/yylex.l).
fn bare_brace(text: &str) -> Option<char> {
    let (mut quote, mut escaped, mut before, mut is_name) = (None, false, ' ', false);
    for it in text.chars() {
        match (it, quote) {
            _ if escaped => escaped = false,
            ('\\', None | Some('"')) => escaped = true,
            ('{', None) if before == '$' => is_name = true,
            ('}', None) if is_name => is_name = false,
            ('{' | '}', None) => return Some(it),
            ('"' | '\'', None) => quote = Some(it),
            (it, Some(open)) if it == open => quote = None,
            _ => {}
        }
        before = if escaped { ' ' } else { it };
    }
    None
}

/// Returns the spelling of the next occurrence; the last one serves every further one.
fn next_spelling<'a>(spellings: &mut Vec<&'a str>) -> &'a str {
    match spellings.len() {
        0 => "",
        1 => spellings[0],
        _ => spellings.pop().unwrap_or_default(),
    }
}

/// Returns the text that makes GRUB pass exactly this word.
fn written(raw: &str, level: Level) -> Result<String> {
    let impossible = |why: &str| {
        Err(Error::invalid(
            format!("the kernel parameter `{raw}` cannot be given through GRUB: {why}"),
            "Write the parameter without quotes, backslashes and dollar signs, if its meaning allows.",
        ))
    };
    let word = match Parameter::parse(raw) {
        Ok(word) => word,
        Err(err) => return impossible(&err.to_string()),
    };
    if word.is_plain() {
        return Ok(raw.to_owned());
    }
    // GRUB puts the quotes back around a word with a blank, and a backslash before a quote that it is given.
    let content = match (raw.contains('"'), word.value()) {
        (false, _) => raw.to_owned(),
        (true, Some(value)) => format!("{}={value}", word.name()),
        (true, None) => word.name().to_owned(),
    };
    if level == Level::Blscfg && content.contains('$') {
        return impossible("boot entries have no way to write a dollar sign");
    }
    let safe = |it: char| it.is_ascii_alphanumeric() || "_.,:=/@+%-".contains(it) || !it.is_ascii();
    let escaped: String =
        content.chars().flat_map(|it| (!safe(it)).then_some('\\').into_iter().chain([it])).collect();
    let passed = kernel_line(&escaped);
    let mut words = passed.parameters();
    match (words.next(), words.next()) {
        (Some(only), None) if only.same(&word) => Ok(escaped),
        _ => impossible("GRUB changes it"),
    }
}

/// Returns where GRUB's words stand in a text.
fn raw_words(text: &str) -> Vec<Range<usize>> {
    let mut words: Vec<Range<usize>> = Vec::new();
    let mut quote = None;
    let mut escaped = false;
    let mut inside = false;
    for (at, it) in text.char_indices() {
        let blank = it.is_ascii_whitespace() && quote.is_none() && !escaped;
        match (blank, inside, words.last_mut()) {
            (true, ..) => inside = false,
            (false, true, Some(word)) => word.end = at + it.len_utf8(),
            (false, ..) => {
                inside = true;
                words.push(at..at + it.len_utf8());
            }
        }
        match (it, quote) {
            _ if escaped => escaped = false,
            ('\\', None | Some('"')) => escaped = true,
            ('"' | '\'', None) => quote = Some(it),
            (it, Some(open)) if it == open => quote = None,
            _ => {}
        }
    }
    words
}

/// Returns where the kernel's words stand in a line: only double quotes keep blanks.
fn kernel_words(line: &str) -> Vec<Range<usize>> {
    let mut words: Vec<Range<usize>> = Vec::new();
    let (mut quoted, mut inside) = (false, false);
    for (at, it) in line.char_indices() {
        let blank = !quoted && (it.is_ascii_whitespace() || it == '\x0b');
        match (blank, inside, words.last_mut()) {
            (true, ..) => inside = false,
            (false, true, Some(word)) => word.end = at + it.len_utf8(),
            (false, ..) => {
                inside = true;
                words.push(at..at + it.len_utf8());
            }
        }
        quoted ^= it == '"';
    }
    words
}

/// Refuses a command line that the kernel would cut.
///
/// # Errors
/// When `BOOT_IMAGE=`, the kernel's path and the line are longer than the kernel keeps.
pub(crate) fn check_length(entry: &str, kernel: &str, line: &str) -> Result<()> {
    let length = "BOOT_IMAGE= ".len() + kernel.len() + line.trim().len() + 1;
    if length <= COMMAND_LINE_SIZE {
        return Ok(());
    }
    Err(Error::invalid(
        format!(
            "the command line of `{entry}` would have {length} bytes, the kernel keeps {COMMAND_LINE_SIZE}"
        ),
        "Shorten it: the kernel cuts off the end without a message, and that is where new parameters are.",
    ))
}

/// Returns the wanted words that a variable's line gives, with nothing else of their names.
pub(crate) fn given(line: &Cmdline, wanted: &CmdlineEdit) -> Vec<Parameter> {
    let is_given = |word: &&Parameter| {
        let is_kin = |it: &&Parameter| is_kin(it, word);
        let kin = |words: &[Parameter]| words.iter().filter(is_kin).cloned().collect();
        let (present, additional) = (kin(&wanted.present), kin(&wanted.additional));
        line.satisfies(&CmdlineEdit { present, additional, absent: Vec::new() })
    };
    wanted.present.iter().chain(&wanted.additional).filter(is_given).cloned().collect()
}

/// Returns what shall stand beside a variable: what that gives not, and no copy of what it gives.
pub(crate) fn beside(line: &Cmdline, wanted: &CmdlineEdit) -> CmdlineEdit {
    let given = given(line, wanted);
    let rest = |words: &[Parameter]| words.iter().filter(|it| !given.contains(it)).cloned().collect();
    CmdlineEdit {
        present: rest(&wanted.present),
        additional: rest(&wanted.additional),
        absent: wanted.absent.iter().chain(&given).cloned().collect(),
    }
}

/// Whether two words belong together: of one name, or both of huge pages.
fn is_kin(one: &Parameter, other: &Parameter) -> bool {
    let is_huge = |it: &Parameter| ["hugepagesz", "hugepages"].iter().any(|name| it.same_name(name));
    one.same_name(other.name()) || is_huge(one) && is_huge(other)
}

/// Says what an edit wants, for people.
pub(crate) fn wish(edit: &CmdlineEdit) -> String {
    let list = |words: &[Parameter]| words.iter().map(Parameter::raw).collect::<Vec<_>>().join(" ");
    let mut wishes = Vec::new();
    let present: Vec<Parameter> = edit.present.iter().chain(&edit.additional).cloned().collect();
    if !present.is_empty() {
        wishes.push(list(&present));
    }
    if !edit.absent.is_empty() {
        wishes.push(format!("without {}", list(&edit.absent)));
    }
    wishes.join(", ")
}
