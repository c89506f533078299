//! `/etc/default/grub` and its drop-ins: what their shell leaves in the variables, and where to change that.

use std::path::{Path, PathBuf};
use std::rc::Rc;

use hoststate_abi::about::About;
use hoststate_abi::host_view::HostView;
use hoststate_abi::setting::{Place, Remedy, Setting, State};
use hoststate_abi::step::Step;
use hoststate_core::error::{Error, Result};
use hoststate_core::formats::kernel_cmdline::{Cmdline, CmdlineEdit, Parameter};
use hoststate_core::formats::shell_assignments::{Environment, Shell, ShellFile, Value};

use super::grub_text::{self, Unclear};
use own_line::{with_drop_in_line, with_own_line, without_own_lines};
pub(crate) use variables::LoaderVariables;
use variables::Variables;

mod hidden;
mod own_line;
mod unknown;
mod variables;

/// The file every GRUB 2 host has; a program in shell.
pub(crate) const DEFAULT_GRUB: &str = "/etc/default/grub";

/// Files that Debian's `grub-mkconfig` sources after [`DEFAULT_GRUB`]; upstream and Red Hat have no such directory.
const DROP_INS: &str = "/etc/default/grub.d";

/// hoststate's own drop-in: behind `kdump-tools.cfg` and `50-cloudimg-settings.cfg` in the order of bytes.
pub(super) const OWN_DROP_IN: &str = "/etc/default/grub.d/zz-hoststate.cfg";

/// First line of a new drop-in.
const HEADER: &str =
    "# Kernel arguments that hoststate was told to add. Sourced by update-grub after the others.\n";

/// Parameters of every menu entry.
const ALWAYS: &str = "GRUB_CMDLINE_LINUX";

/// Parameters of entries that are not for recovery; they stand behind those of [`ALWAYS`].
const NORMAL: &str = "GRUB_CMDLINE_LINUX_DEFAULT";

/// Where the shell looks for a program.
const PATH: [&str; 6] = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];

/// A program that every host has; where it is missing, only a part of a host is there to look at.
const EVERYWHERE: &str = "/usr/bin/env";

/// How a family reads `/etc/default/grub`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Habit {
    /// dash, drop-ins, new parameters in `GRUB_CMDLINE_LINUX_DEFAULT`: recovery entries stay free of them.
    Debian,
    /// bash, no drop-ins, new parameters in `GRUB_CMDLINE_LINUX`.
    Redhat,
}

/// The files in the order in which they are sourced.
#[derive(Debug, Clone)]
pub(crate) struct Sources {
    habit: Habit,
    files: Vec<(PathBuf, Rc<ShellFile>)>,
    /// Whether the programs that the files call are there, as far as that can be told.
    programs: Vec<(String, bool)>,
}

impl Sources {
    /// Reads the files of a host.
    ///
    /// # Errors
    /// When one cannot be read.
    pub(crate) fn read(host: &HostView, habit: Habit) -> Result<Self> {
        let mut paths = vec![PathBuf::from(DEFAULT_GRUB)];
        if habit == Habit::Debian {
            // The shell's `*` skips names that begin with a dot.
            let names = host.list(Path::new(DROP_INS))?.into_iter();
            let sourced = names.filter(|it| it.ends_with(".cfg") && !it.starts_with('.'));
            paths.extend(sourced.map(|it| Path::new(DROP_INS).join(it)));
        }
        let mut files = Vec::with_capacity(paths.len());
        for path in paths {
            if let Some(file) = host.parsed(&path, ShellFile::parse)? {
                files.push((path, file));
            }
        }
        let mut programs = Vec::new();
        for name in files.iter().flat_map(|it| it.1.programs()) {
            if let Some(is_there) = is_program(host, name)? {
                programs.push((name.to_owned(), is_there));
            }
        }
        Ok(Self { habit, files, programs })
    }

    /// Returns a variable; `None` when it is unset or only a shell on the host could tell.
    ///
    /// # Errors
    /// When the shell would give up.
    pub(crate) fn variable(&self, name: &str) -> Result<Option<String>> {
        match self.evaluate(None)?.get(name) {
            Some(Value::Known(value)) => Ok(Some(value.clone())),
            Some(Value::Unknown { .. }) | None => Ok(None),
        }
    }

    /// Returns each parameter that the variables give to normal entries, with the line it comes from; none where the
    /// shell gives up, which is told by whoever wants to change them.
    pub(crate) fn parameters(&self) -> Vec<(Parameter, Place)> {
        let mut parameters = Vec::new();
        let Ok(environment) = self.evaluate(None) else { return parameters };
        for name in [ALWAYS, NORMAL] {
            if let (Some(Value::Known(value)), Some(place)) =
                (environment.get(name), self.last_assignment(name))
            {
                parameters
                    .extend(grub_text::kernel_line(value).parameters().map(|it| (it.clone(), place.clone())));
            }
        }
        parameters
    }

    /// Returns the parameters that normal entries get when they are generated.
    ///
    /// # Errors
    /// When the shell would give up, or only a shell could tell.
    pub(crate) fn future(&self) -> Result<Cmdline> {
        let (place, why) = match self.variables()? {
            Ok(variables) => return Ok(variables.line()),
            Err(unknown) => unknown,
        };
        Err(Error::Malformed {
            path: place.file,
            line: place.line.unwrap_or(1),
            what: format!("only a shell could tell the kernel parameters: {why}"),
            hint: Some(
                "What follows this line is not read; the generated entries have all of it.".to_owned(),
            ),
        })
    }

    /// Compares the parameters for normal entries with `edit`.
    ///
    /// # Errors
    /// When a shell would give up on a file, a file cannot be read, or a parameter cannot be written.
    pub(crate) fn setting(
        &self,
        host: &HostView,
        wish: &CmdlineEdit,
        loader: &LoaderVariables,
        generated: &[Cmdline],
    ) -> Result<Setting> {
        let variables = match self.variables()? {
            Ok(variables) => variables,
            Err(unknown) => return self.behind_unknown(host, wish, generated, unknown),
        };
        let actual = variables.line();
        if loader.expand(&actual).satisfies(wish) {
            return Ok(Setting::persistent(Path::new(DEFAULT_GRUB), State::Converged));
        }
        let edit = &grub_text::beside(&loader.given(&actual), wish);
        if let Some((name, reason)) = variables.broken_line() {
            return Ok(blocked(self.last_assignment(name), Some(actual.to_string()), edit, reason));
        }
        let mut changed = self.clone();
        let mut paths: Vec<PathBuf> = Vec::new();
        let variables = match changed.take_out(host, &variables, edit)? {
            Some(without) => {
                paths.push(DEFAULT_GRUB.into());
                without
            }
            None => variables,
        };
        let wanted = match variables.edited(edit, self.habit)? {
            Ok(wanted) => wanted,
            Err(Unclear { why }) => {
                let place = self.last_assignment(NORMAL).or_else(|| self.last_assignment(ALWAYS));
                return Ok(blocked(place, Some(actual.to_string()), edit, why));
            }
        };
        let changes =
            [(ALWAYS, &variables.always, &wanted.always), (NORMAL, &variables.normal, &wanted.normal)];
        for (name, old, new) in changes {
            if old == new {
                continue;
            }
            let path = changed.change(host, name, old, new)?;
            if !paths.contains(&path) {
                paths.push(path);
            }
        }
        let result = match changed.variables()? {
            Ok(result) if loader.expand(&result.line()).satisfies(wish) => result.line(),
            Ok(result) if let Some((place, reason)) = loader.obstacle(&result.line(), wish) => {
                return Ok(blocked(Some(place), Some(actual.to_string()), wish, reason));
            }
            Ok(result) => {
                let name = if result.always == wanted.always { NORMAL } else { ALWAYS };
                let reason = format!("this assignment of `{name}` is read last and wins");
                let place = changed.last_assignment(name);
                return Ok(blocked(place, Some(actual.to_string()), edit, reason));
            }
            Err((place, why)) => {
                return Ok(blocked(Some(place), Some(actual.to_string()), edit, why));
            }
        };
        grub_text::check_length(DEFAULT_GRUB, "", &result.to_string())?;
        let hides = changed.hides()?;
        let written = changed.files.into_iter().filter(|it| paths.contains(&it.0));
        let steps = written.map(|(path, file)| match file.to_string() {
            text if text == HEADER => Step::RemoveFile { path },
            text => Step::WriteFile { path, text },
        });
        let steps = steps.collect();
        let about = match paths.as_slice() {
            [only] => About::from(only),
            several => {
                several.iter().map(|it| it.display().to_string()).collect::<Vec<_>>().join(", ").into()
            }
        };
        let state = State::Drifted {
            actual: Some(actual.to_string()),
            desired: Some(format!(
                "{result}{}",
                hides.iter().map(|it| format!(" ({})", it.what)).collect::<String>()
            )),
            remedy: Remedy::Steps(steps),
        };
        Ok(Setting::persistent(about, state))
    }

    /// Sources the files up to the given one, or all.
    fn evaluate(&self, before: Option<&Path>) -> Result<Environment> {
        self.evaluate_with(before, None)
    }

    fn evaluate_with(&self, before: Option<&Path>, stand_in: Option<&str>) -> Result<Environment> {
        let (shell, tool) = match self.habit {
            Habit::Debian => (Shell::Dash, "update-grub"),
            Habit::Redhat => (Shell::Bash, "grub2-mkconfig"),
        };
        let mut environment = Environment::default();
        if let Some(text) = stand_in {
            environment.stand_in(text);
        }
        for (name, is_there) in &self.programs {
            environment.define_program(name, *is_there);
        }
        for (path, file) in self.files.iter().take_while(|it| Some(it.0.as_path()) != before) {
            file.evaluate(&mut environment, shell);
            if let Some(abort) = environment.abort() {
                let line = abort.line;
                let (what, hint) = if abort.is_limit {
                    let hint =
                        "hoststate reads no further than this limit; take out what GRUB does not need.";
                    (abort.why.clone(), hint.to_owned())
                } else {
                    let mend = abort.mend.unwrap_or("fix this line first");
                    let hint = format!("{tool} keeps the old boot configuration until this line is fixed.");
                    (format!("{}: {tool} stops here; {mend}", abort.why), hint)
                };
                return Err(Error::Malformed { path: path.clone(), line, what, hint: Some(hint) });
            }
        }
        Ok(environment)
    }

    fn variables(&self) -> Result<Result<Variables, (Place, String)>> {
        let environment = self.evaluate(None)?;
        let mut values = Vec::new();
        for name in [ALWAYS, NORMAL] {
            match environment.get(name) {
                None => values.push(String::new()),
                Some(Value::Known(value)) => values.push(value.clone()),
                Some(Value::Unknown { file, line, why }) => {
                    let file = self.files.get(*file).map_or_else(|| DEFAULT_GRUB.into(), |it| it.0.clone());
                    return Ok(Err((Place { file, line: Some(*line) }, why.clone())));
                }
            }
        }
        let normal = values.pop().unwrap_or_default();
        Ok(Ok(Variables { always: values.pop().unwrap_or_default(), normal }))
    }

    /// Returns where a variable is assigned last.
    pub(super) fn last_assignment(&self, name: &str) -> Option<Place> {
        self.files.iter().rev().find_map(|(path, file)| {
            let line = file.assignments().filter(|it| it.name == name).last()?.line;
            Some(Place { file: path.clone(), line: Some(line) })
        })
    }

    /// Gives a variable another value, in the best file for that, which is returned.
    fn change(&mut self, host: &HostView, name: &str, old: &str, new: &str) -> Result<PathBuf> {
        let main = PathBuf::from(DEFAULT_GRUB);
        let holder = self.last_assignment(name).map(|it| it.file);
        let in_main = match self.habit {
            Habit::Debian => holder.as_ref() == Some(&main),
            Habit::Redhat => true,
        };
        if in_main {
            // An edit must keep every byte, so it is read strictly.
            let mut file = ShellFile::parse(&host_text(host, self, &main)?);
            let before = file.to_string();
            if file.set(name, new).is_err() && self.habit == Habit::Redhat {
                file = ShellFile::parse(&with_own_line(&before, name, old, new));
            }
            if file.to_string() != before {
                self.replace(main.clone(), file);
                return Ok(main);
            }
        }
        let own = PathBuf::from(OWN_DROP_IN);
        let text = host_text(host, self, &own)?;
        let others = without_own_lines(&text, name);
        let base = if others.is_empty() { HEADER.to_owned() } else { others };
        self.replace(own.clone(), ShellFile::parse(&base));
        let before = match self.evaluate_through(&own)?.get(name) {
            Some(Value::Known(value)) => value.clone(),
            Some(Value::Unknown { .. }) | None => String::new(),
        };
        if before != new {
            self.replace(own.clone(), ShellFile::parse(&with_drop_in_line(&base, name, &before, new)));
        }
        Ok(own)
    }

    fn evaluate_through(&self, last: &Path) -> Result<Environment> {
        let after =
            self.files.iter().map(|it| it.0.as_path()).find(|it| *it > last && it.starts_with(DROP_INS));
        self.evaluate(after)
    }

    fn replace(&mut self, path: PathBuf, file: ShellFile) {
        let file = Rc::new(file);
        match self.files.iter_mut().find(|it| it.0 == path) {
            Some(known) => known.1 = file,
            None => {
                // `/etc/default/grub` sorts before all of `/etc/default/grub.d`, as it is sourced.
                let at = self.files.iter().position(|it| it.0 > path).unwrap_or(self.files.len());
                self.files.insert(at, (path, file));
            }
        }
    }
}

/// Returns whether the shell finds a program; `None` where the host is not there as a whole.
fn is_program(host: &HostView, name: &str) -> Result<Option<bool>> {
    if name.contains('/') {
        return Ok(None);
    }
    for directory in PATH {
        if host.exists(&Path::new(directory).join(name))? {
            return Ok(Some(true));
        }
    }
    Ok(host.exists(Path::new(EVERYWHERE))?.then_some(false))
}

fn host_text(host: &HostView, sources: &Sources, path: &Path) -> Result<String> {
    let known = sources.files.iter().find(|it| it.0 == path).map(|it| it.1.to_string());
    let read = host.read(path)?;
    // Another variable may have been changed in the same file a moment ago.
    Ok(known.or(read).unwrap_or_default())
}

fn blocked(by: Option<Place>, actual: Option<String>, edit: &CmdlineEdit, reason: String) -> Setting {
    let state = State::Blocked { actual, desired: Some(grub_text::wish(edit)), by, reason };
    Setting::persistent(Path::new(DEFAULT_GRUB), state)
}
