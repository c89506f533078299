//! Every line of modprobe.d, by module, and which of them kmod follows.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use hoststate_abi::host_view::HostView;
use hoststate_abi::setting::Place;
use hoststate_core::error::Error as EngineError;
use hoststate_core::formats::modprobe_conf::{
    DIRECTORIES, Directive, ModprobeConf, ModprobeView, ModuleName, Origin, params,
};
use hoststate_core::machine::modprobe_d;
use schemars::JsonSchema;
use serde::Serialize;

use crate::error::Result;
use crate::render::screen::Screen;
use crate::render::table::headed;

/// A line of modprobe.d.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Line {
    /// The module, or the pattern, it is about.
    module: String,
    kind: &'static str,
    text: String,
    place: Place,
    effect: Effect,
    /// The line or the kernel parameter that counts instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    winner: Option<String>,
}

/// What kmod makes of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Effect {
    /// It takes effect.
    Effective,
    /// Another line counts instead.
    Overridden,
    /// Its file is hidden by one of the same name in a directory that comes first.
    Masked,
    /// It is about a pattern: it counts for the modules that have no line of their own.
    Pattern,
    /// kmod skips it with a message.
    Invalid,
}

/// Reads all lines, by module, then by place.
///
/// # Errors
/// When a file or directory cannot be read.
pub(crate) fn read(view: &HostView) -> Result<Vec<Line>> {
    let policy = modprobe_d::view(view)?;
    let mut first: BTreeMap<OsString, (PathBuf, PathBuf)> = BTreeMap::new();
    let mut lines = Vec::new();
    for directory in DIRECTORIES {
        for name in view.names(Path::new(directory)).map_err(EngineError::from)? {
            let path = Path::new(directory).join(&name);
            if !name.as_bytes().ends_with(b".conf") || name.as_bytes().starts_with(b".") {
                continue;
            }
            let conf = view.parsed(&path, ModprobeConf::parse).map_err(EngineError::from)?;
            let Some(conf) = conf else { continue };
            let real = view.resolve(&path).map_err(EngineError::from)?;
            let masked_by = first.get(&name).cloned();
            // Where /lib is a link to /usr/lib the same file is met twice.
            if masked_by.as_ref().is_some_and(|it| it.1 == real) {
                continue;
            }
            first.entry(name).or_insert_with(|| (path.clone(), real));
            for (number, directive) in conf.directives() {
                let place = Place { file: path.clone(), line: Some(number) };
                lines.push(describe(directive, place, masked_by.as_ref().map(|it| it.0.as_path()), &policy));
            }
        }
    }
    lines.sort_by(|a, b| (&a.module, a.kind, &a.place).cmp(&(&b.module, b.kind, &b.place)));
    Ok(lines)
}

fn describe(directive: Directive, place: Place, masked_by: Option<&Path>, policy: &ModprobeView) -> Line {
    let (module, kind, text) = parts(&directive);
    let (effect, winner) = match (masked_by, &directive, ModuleName::parse(&module)) {
        (_, Directive::Bad { .. }, _) => (Effect::Invalid, None),
        (Some(path), _, _) => (Effect::Masked, Some(path.display().to_string())),
        (None, Directive::Softdep { .. }, Ok(name)) => {
            judge(&place, policy.softdep(&name).map(|it| it.origin))
        }
        (None, Directive::Install { .. }, Ok(name)) => {
            judge(&place, policy.install(&name).map(|it| it.origin))
        }
        (None, Directive::Options { text, .. }, Ok(name)) => options(&place, policy, &name, text),
        (None, Directive::Softdep { .. } | Directive::Install { .. } | Directive::Remove { .. }, Err(_)) => {
            (Effect::Pattern, None)
        }
        (None, _, _) => (Effect::Effective, None),
    };
    Line { module, kind, text, place, effect, winner }
}

/// A line of options counts as long as one of its parameters does.
fn options(place: &Place, policy: &ModprobeView, name: &ModuleName, text: &str) -> (Effect, Option<String>) {
    let mut lost = None;
    for (parameter, _) in params(text) {
        match judge(place, policy.effective_option(name, parameter).map(|it| it.origin)) {
            (Effect::Overridden, winner) => lost = winner,
            other => return other,
        }
    }
    (if lost.is_some() { Effect::Overridden } else { Effect::Effective }, lost)
}

fn judge(place: &Place, winner: Option<Origin>) -> (Effect, Option<String>) {
    match winner {
        Some(Origin::File { path, line }) if *path != *place.file || Some(line) != place.line => {
            (Effect::Overridden, Some(format!("{}:{line}", path.display())))
        }
        Some(Origin::CommandLine { parameter }) => {
            (Effect::Overridden, Some(format!("the command line: {parameter}")))
        }
        Some(Origin::File { .. }) | None => (Effect::Effective, None),
    }
}

fn parts(directive: &Directive) -> (String, &'static str, String) {
    match directive {
        Directive::Alias { pattern, module } => (module.clone(), "alias", pattern.clone()),
        Directive::Blacklist { module } => (module.clone(), "blacklist", String::new()),
        Directive::Options { module, text } => (module.clone(), "options", text.clone()),
        Directive::Install { module, command } => (module.clone(), "install", command.clone()),
        Directive::Remove { module, command } => (module.clone(), "remove", command.clone()),
        Directive::Softdep { module, softdep } => {
            let list = |label: &str, names: &[String]| match names {
                [] => String::new(),
                names => format!("{label} {} ", names.join(" ")),
            };
            let text = list("pre:", &softdep.pre) + &list("post:", &softdep.post);
            (module.clone(), "softdep", text.trim_end().to_owned())
        }
        Directive::Weakdep { module, text } => (module.clone(), "weakdep", text.clone()),
        Directive::Bad { reason } => (String::new(), "invalid", (*reason).to_owned()),
    }
}

/// Returns the lines as a table; `*` marks those that take effect.
pub(crate) fn text(lines: &[Line], screen: &Screen) -> String {
    if lines.is_empty() {
        return "none\n".to_owned();
    }
    let mut rows = vec![["", "MODULE", "LINE", "PLACE", ""].map(str::to_owned).to_vec()];
    rows.extend(lines.iter().map(row));
    headed(screen, &rows)
}

fn row(line: &Line) -> Vec<String> {
    let winner = line.winner.as_deref().unwrap_or_default();
    let note = match line.effect {
        Effect::Effective => String::new(),
        Effect::Overridden => format!("overridden by {winner}"),
        Effect::Masked => format!("not read: masked by {winner}"),
        Effect::Pattern => "for modules without a line of their own".to_owned(),
        Effect::Invalid => "skipped by kmod".to_owned(),
    };
    let mark = if matches!(line.effect, Effect::Effective) { "*" } else { "" };
    let what = format!("{} {}", line.kind, line.text).trim_end().to_owned();
    vec![mark.to_owned(), line.module.clone(), what, line.place.to_string(), note]
}
