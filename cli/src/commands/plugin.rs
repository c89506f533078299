//! `hoststate plugin`: which plugins there are, whether they behave, and which are trusted.

use std::fmt;
use std::path::{Path, PathBuf};

use hoststate_abi::message::{Asks, User};
use hoststate_core::plugins::plugin::trust::{TrustList, Trusted};
use hoststate_core::plugins::plugin::{Candidate, TrustState, survey};
use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::args::plugin::{PluginCommand, PluginListArguments, PluginTrustArguments};
use crate::consent::{Answer, Terminal};
use crate::error::{Error, Result};
use crate::exit::Exit;
use crate::plugins::{Folder, Plugins, canonical};
use crate::render::escape::visible_line;
use crate::render::screen::Screen;
use crate::render::shown::Shown;
use crate::render::table::headed;
use crate::session::Session;

mod kit;

/// Format of the list of plugins.
const LIST_FORMAT: &str = "hoststate.plugin-list/1";

/// Runs the command.
///
/// # Errors
/// When a plugin cannot be read, or someone else could change it.
pub(crate) fn run(command: &PluginCommand, session: &Session) -> Result<Exit> {
    match command {
        PluginCommand::List(arguments) => list(arguments, session),
        PluginCommand::Test(arguments) => kit::run(arguments, session),
        PluginCommand::Trust(arguments) => trust(arguments, session),
    }
}

fn list(arguments: &PluginListArguments, session: &Session) -> Result<Exit> {
    let plugins = Plugins::new(&arguments.plugins)?;
    let mut found = Vec::new();
    for (lock, list) in plugins.trusted()? {
        for folder in plugins.folders.iter().filter(|it| it.lock == lock) {
            for (file, standing) in survey(&folder.path, &list)? {
                let trusted = list.of(&file).cloned();
                found.push(Listed { file, standing, trusted });
            }
        }
    }
    let folders = plugins.folders.into_iter().map(|it| it.path).collect();
    session.show(&List { format: LIST_FORMAT, plugins: found, folders })?;
    Ok(Exit::Success)
}

/// The plugins that there are.
#[derive(Serialize)]
struct List {
    format: &'static str,
    plugins: Vec<Listed>,
    /// Where they are looked for.
    #[serde(skip)]
    folders: Vec<PathBuf>,
}

/// A plugin, and how it stands.
#[derive(Serialize)]
struct Listed {
    file: PathBuf,
    #[serde(serialize_with = "state")]
    standing: TrustState,
    trusted: Option<Trusted>,
}

fn state<S: Serializer>(standing: &TrustState, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(word(*standing))
}

impl Shown for List {
    fn text(&self, screen: &Screen) -> String {
        if self.plugins.is_empty() {
            let folders = self.folders.iter().map(|it| visible_line(&it.display().to_string()).into_owned());
            return format!("There are no plugins in {}.\n", folders.collect::<Vec<_>>().join(", "));
        }
        let mut rows = vec![["STANDING", "TYPES", "PLUGIN"].map(str::to_owned).to_vec()];
        rows.extend(self.plugins.iter().map(|it| {
            let types = it.trusted.as_ref().map(types_of).unwrap_or_default();
            vec![word(it.standing).to_owned(), types, it.file.display().to_string()]
        }));
        let mut text = headed(screen, &rows);
        if self.plugins.iter().any(|it| matches!(it.standing, TrustState::New | TrustState::Changed)) {
            text.push_str("`hoststate plugin trust FILE` shows what a plugin asks for, and trusts it.\n");
        }
        text
    }
}

/// A plugin that is trusted.
#[derive(Serialize)]
struct Entrusted {
    #[serde(flatten)]
    trusted: Trusted,
    /// What people are told.
    #[serde(skip)]
    said: String,
}

impl Shown for Entrusted {
    fn text(&self, _: &Screen) -> String {
        self.said.clone()
    }
}

fn types_of(trusted: &Trusted) -> String {
    let names: Vec<&str> = trusted.description.types.iter().map(|it| it.name.as_str()).collect();
    names.join(" ")
}

fn word(standing: TrustState) -> &'static str {
    match standing {
        TrustState::Trusted => "trusted",
        TrustState::Changed => "changed",
        TrustState::New => "new",
        TrustState::Gone => "gone",
    }
}

fn trust(arguments: &PluginTrustArguments, session: &Session) -> Result<Exit> {
    let plugins = Plugins::new(&arguments.plugins)?;
    let (file, folder) = locate(&arguments.plugin, &plugins)?;
    let mut list = TrustList::read(&folder.lock)?;
    let candidate = Candidate::examine(&file, &plugins.program)?;
    let before = list.of(&file).cloned();
    if before.as_ref() == Some(&candidate.trusted()) {
        let said = format!("{} is trusted as it is.\n", visible_line(&file.display().to_string()));
        session.show(&Entrusted { trusted: candidate.trusted(), said })?;
        return Ok(Exit::Success);
    }
    // Two types of one name would be found out by every later run; better now.
    let mut registry = hoststate_core::language::registry::Registry::clone(&plugins.base);
    for (lock, others) in plugins.trusted()? {
        let others = others.only(|it| it != file || lock != folder.lock);
        registry.add(hoststate_core::plugins::plugin::entries(others, &plugins.program, &plugins.base))?;
    }
    registry.add(candidate.entries(&plugins.program, &plugins.base))?;
    let described = shown(&candidate, before.as_ref());
    session.tell(&described)?;
    if !arguments.yes {
        let Some(terminal) = Terminal::open(session)? else {
            let hint = "Read what it asks for above, then use --yes.";
            return Err(Error::input(
                "nobody can be asked whether to trust it: this process has no terminal",
                hint,
            ));
        };
        if !session.is_on_terminal() {
            terminal.show(&described)?;
        }
        match terminal.ask("Trust this plugin?", &session.interrupt()?)? {
            Answer::Yes => {}
            Answer::No => {
                session.tell("Nothing was changed.\n")?;
                return Ok(Exit::Error);
            }
            Answer::Interrupted => return Ok(Exit::Interrupted),
        }
    }
    list.add(candidate.trusted());
    list.write(&folder.lock)?;
    session.show(&Entrusted { trusted: candidate.trusted(), said: "Trusted.\n".to_owned() })?;
    Ok(Exit::Success)
}

/// Returns the plugin file that the user named, and the folder it lies in.
fn locate<'a>(named: &Path, plugins: &'a Plugins) -> Result<(PathBuf, &'a Folder)> {
    let shown = named.display();
    let file = canonical(named).map_err(|err| Error::io(format!("the plugin {shown}"), err))?;
    match plugins.folders.iter().find(|it| file.parent() == Some(&it.path)) {
        Some(folder) => Ok((file, folder)),
        None => {
            let folders: Vec<String> =
                plugins.folders.iter().map(|it| it.path.display().to_string()).collect();
            let hint = format!("Copy it to {}, or name its folder with --plugin-dir.", folders.join(" or "));
            Err(Error::input(format!("{shown} is not in a plugin folder"), hint))
        }
    }
}

/// Returns what a plugin is and asks for, line by line.
fn shown(candidate: &Candidate, before: Option<&Trusted>) -> String {
    let description = &candidate.description;
    let mut lines = vec![
        format!("plugin    {}", candidate.title()),
        format!("file      {}", candidate.file.display()),
        format!("sha256    {}", candidate.sha256),
    ];
    if let Some(before) = before {
        lines.push(format!("          was {} when it was trusted", before.sha256));
    }
    for described in &description.types {
        let about = described.schema.get("description").and_then(Value::as_str).unwrap_or_default();
        lines.push(format!("type      {}: {}", described.name, about.lines().next().unwrap_or_default()));
    }
    let known = before.map(|it| asked(&it.description.asks));
    let asked = asked(&description.asks).into_iter().map(|it| {
        let mark = if known.as_ref().is_some_and(|known| !known.contains(&it)) { "   (new)" } else { "" };
        format!("asks      {it}{mark}")
    });
    lines.into_iter().chain(asked).map(|it| format!("{}\n", visible_line(&it))).collect()
}

/// One thing that a plugin asks for.
#[derive(PartialEq, Eq)]
enum Asked<'a> {
    Runs(User),
    WritesAnything,
    WritesNothing,
    Writes(&'a str),
    Proposes(&'a Path),
    Seconds(u64),
}

fn asked(asks: &Asks) -> Vec<Asked<'_>> {
    let mut all = vec![Asked::Runs(asks.user)];
    match asks.writes.as_deref() {
        None => all.push(Asked::WritesAnything),
        Some([]) => all.push(Asked::WritesNothing),
        Some(patterns) => all.extend(patterns.iter().map(|it| Asked::Writes(it))),
    }
    all.extend(asks.runs.iter().map(|it| Asked::Proposes(it)));
    all.push(Asked::Seconds(asks.seconds.get().into()));
    all
}

impl fmt::Display for Asked<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Runs(User::Nobody) => f.write_str("to read the host as an unprivileged user"),
            Self::Runs(User::Root) => f.write_str("to run as root: it can do whatever root can, unseen"),
            Self::WritesAnything => {
                f.write_str("to propose writes to any file as root; each is shown, and you are asked")
            }
            Self::WritesNothing => f.write_str("to write no file"),
            Self::Writes(it) => {
                write!(f, "to propose writes to {it} as root; each is shown, and you are asked")
            }
            Self::Proposes(program) => {
                write!(
                    f,
                    "to propose runs of {} as root; each is shown, and you are asked",
                    program.display()
                )
            }
            Self::Seconds(most) => write!(f, "for up to {most} s to answer"),
        }
    }
}
