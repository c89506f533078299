//! Parameters of other files: taken out where they stand, or hidden by an assignment of hoststate's.

use std::path::{Path, PathBuf};

use hoststate_abi::host_view::HostView;
use hoststate_core::error::Result;
use hoststate_core::formats::kernel_cmdline::{Cmdline, CmdlineEdit, Parameter};
use hoststate_core::formats::shell_assignments::{ShellFile, Value};
use hoststate_core::mechanism::distro::Hidden;

use super::variables::Variables;
use super::{ALWAYS, DEFAULT_GRUB, Habit, NORMAL, OWN_DROP_IN, Sources, host_text};
use crate::bootloader::grub_text::{self, Level};

impl Sources {
    /// Takes unwanted parameters out of `/etc/default/grub`, where they stand there and drop-ins come behind; returns
    /// the variables without them, or nothing where that is not all that happens.
    pub(super) fn take_out(
        &mut self,
        host: &HostView,
        variables: &Variables,
        edit: &CmdlineEdit,
    ) -> Result<Option<Variables>> {
        let line = variables.line();
        let gone = CmdlineEdit { absent: edit.surplus(&line), ..CmdlineEdit::default() };
        if gone.absent.is_empty() || self.habit != Habit::Debian {
            return Ok(None);
        }
        let main = PathBuf::from(DEFAULT_GRUB);
        let mut changed = self.clone();
        let mut file = ShellFile::parse(&host_text(host, self, &main)?);
        for name in [ALWAYS, NORMAL] {
            if self.last_assignment(name).is_none_or(|it| it.file == main) {
                continue;
            }
            let Some(literal) =
                file.assignments().filter(|it| it.name == name).last().and_then(|it| it.literal)
            else {
                continue;
            };
            if let Ok(edited) = grub_text::edit(&literal, &gone, Level::Script)?
                && edited != literal
                && file.set(name, &edited).is_err()
            {
                return Ok(None);
            }
        }
        changed.replace(main, file);
        let Ok(without) = changed.variables()? else { return Ok(None) };
        let mut wanted = line.clone();
        wanted.edit(&gone);
        let parameters = |line: &Cmdline| line.parameters().map(|it| it.raw().to_owned()).collect::<Vec<_>>();
        if without.line() == line || parameters(&without.line()) != parameters(&wanted) {
            return Ok(None);
        }
        *self = changed;
        Ok(Some(without))
    }

    /// Says which parameters of other files an assignment in hoststate's own drop-in hides.
    pub(crate) fn hides(&self) -> Result<Vec<Hidden>> {
        let own = Path::new(OWN_DROP_IN);
        let Some((_, file)) = self.files.iter().find(|it| it.0 == own) else { return Ok(Vec::new()) };
        let mut others = self.clone();
        others.files.retain(|it| it.0 != own);
        let (here, there) = (self.evaluate(None)?, others.evaluate(None)?);
        let mut hidden = Vec::new();
        for name in [ALWAYS, NORMAL] {
            let literal = file.assignments().find(|it| it.name == name && it.literal.is_some());
            let (Some(literal), Some(Value::Known(here)), Some(Value::Known(there))) =
                (literal, here.get(name), there.get(name))
            else {
                continue;
            };
            let here = grub_text::kernel_line(here);
            let lost: Vec<String> = grub_text::kernel_line(there)
                .parameters()
                .filter(|parameter| !here.parameters().any(|it| it.same(parameter)))
                .map(Parameter::to_string)
                .collect();
            if let (false, Some(place)) = (lost.is_empty(), others.last_assignment(name)) {
                let parameters = lost.join(" ");
                let own = format!("{OWN_DROP_IN}:{}", literal.line);
                hidden.push(Hidden {
                    what: format!("{place} gives {parameters}, hidden by {own}"),
                    mend: "Remove it there, or declare it".to_owned(),
                    evidence: format!("{own} is read last, and takes over nothing from the files before it"),
                });
            }
        }
        Ok(hidden)
    }

    /// Returns what stands behind the closing quote of a value, on its line: there a shell takes it for a variable.
    pub(crate) fn beside_the_value(&self) -> Vec<Hidden> {
        let mut hidden = Vec::new();
        for (path, file) in &self.files {
            let mut before: Option<(usize, &str)> = None;
            for it in file.assignments() {
                if [ALWAYS, NORMAL].contains(&it.name) {
                    before = Some((it.line, it.name));
                } else if let (Some((line, name)), Some(value), false) =
                    (before, &it.literal, it.name.starts_with("GRUB_"))
                    && line == it.line
                {
                    let place = format!("{}:{line}", path.display());
                    let parameter = format!("{}={value}", it.name);
                    hidden.push(Hidden {
                        what: format!(
                            "{place} has {parameter} after the value of {name}, where it is a \
                             variable of the shell"
                        ),
                        mend: "Put it inside the quotes, or remove it".to_owned(),
                        evidence: format!("{place} sets {} and {name}", it.name),
                    });
                }
            }
        }
        hidden
    }
}
