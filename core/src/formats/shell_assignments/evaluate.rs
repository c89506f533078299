//! What a shell file leaves in the variables once a shell has read it.

use std::collections::{BTreeMap, BTreeSet};

use super::script::{Event, Kind};
use super::status::{self, Program, Status};
use super::word::{Part, Test};
use super::{Abort, Shell, ShellFile, Value};

/// Most bytes that the expansions of an environment's files may have together. The kernel takes 4096 of a command
/// line, and doubling a variable takes sixteen bytes a line.
const MOST_EXPANDED: usize = 4 << 20;

/// Why a value is not known.
enum Obstacle {
    /// Only a shell on that host could tell; where, if not here: file and line.
    Shell { at: Option<(usize, usize)>, why: String },
    /// [`MOST_EXPANDED`] is passed.
    Limit,
}

/// Variables after files were read, in order.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    /// `None`: known to be unset.
    variables: BTreeMap<String, Option<Value>>,
    /// Why every variable not in `variables` may be anything.
    anything: Option<Value>,
    /// Files that were read.
    files: usize,
    /// What stands for a value that is not known, inside of others.
    stand_in: Option<String>,
    abort: Option<Abort>,
    doubt: Option<Abort>,
    /// Whether a command that fails does not end the shell: `set +e` was run.
    lenient: bool,
    /// Names that are arrays: bash exports none of them, whatever is assigned later.
    arrays: BTreeSet<String>,
    /// Names that are read only.
    frozen: BTreeSet<String>,
    /// Whether programs that the files call are there.
    programs: BTreeMap<String, bool>,
    /// Bytes that expansions had so far.
    expanded: usize,
}

impl Environment {
    /// Returns a variable; `None` when it is not set.
    pub fn get(&self, name: &str) -> Option<&Value> {
        match self.variables.get(name) {
            Some(value) => value.as_ref(),
            None => self.anything.as_ref(),
        }
    }

    /// Puts a variable in, as the program that reads the files would before it does.
    pub fn define(&mut self, name: &str, value: &str) {
        let value = Value::Known(value.to_owned());
        self.variables.insert(name.to_owned(), Some(value));
    }

    /// Has `text` stand in other values for what is not known.
    pub fn stand_in(&mut self, text: &str) {
        self.stand_in = Some(text.to_owned());
    }

    /// Tells whether a program that a file calls is on the host; of others only the text of their line tells.
    pub fn define_program(&mut self, name: &str, is_there: bool) {
        self.programs.insert(name.to_owned(), is_there);
    }

    /// Returns where the shell gives up; nothing after that is read, nor is the file after.
    pub fn abort(&self) -> Option<&Abort> {
        self.abort.as_ref()
    }

    /// Returns the first place where the shell gives up if it gets there; what follows is read as if it did not.
    pub fn doubt(&self) -> Option<&Abort> {
        self.doubt.as_ref()
    }

    fn give_up(&mut self, line: usize, why: String, conditional: bool) {
        let abort = Some(Abort { line, why, is_limit: false, mend: None });
        match conditional {
            true => self.doubt = self.doubt.take().or(abort),
            false => self.abort = abort,
        }
    }

    /// Returns how a program ends, and how to mend the line that calls it.
    fn run(&self, program: &Program) -> (Status, Option<&'static str>) {
        let Program { name, slip } = program;
        let is_there = self.programs.get(name).copied();
        if is_there.unwrap_or(slip.is_none()) {
            return (Status::Unknown, None);
        }
        (Status::Fails(format!("`{}` is no command", status::shown(name))), *slip)
    }

    /// Ends the shell where a command does; one that may be skipped leaves a doubt.
    fn end(&mut self, line: usize, (status, mend): (Status, Option<&'static str>), conditional: bool) {
        match status {
            _ if self.lenient => {}
            Status::Succeeds => {}
            Status::Fails(why) if !conditional => {
                self.abort = Some(Abort { line, why, is_limit: false, mend });
            }
            Status::Fails(why) => self.give_up(line, why, true),
            Status::Unknown => self.give_up(line, "a command may fail here".to_owned(), true),
        }
    }

    fn expand(&self, parts: &[Part]) -> Result<String, Obstacle> {
        let mut text = String::new();
        for part in parts {
            text.push_str(&self.expand_part(part)?);
            if self.expanded + text.len() > MOST_EXPANDED {
                return Err(Obstacle::Limit);
            }
        }
        Ok(text)
    }

    /// Returns the value of an assignment, and counts what its variables made of it.
    fn assign(&mut self, parts: &[Part]) -> Result<String, Obstacle> {
        let text = self.expand(parts)?;
        if parts.iter().any(|it| matches!(it, Part::Variable { .. })) {
            self.expanded += text.len();
        }
        Ok(text)
    }

    fn expand_part(&self, part: &Part) -> Result<String, Obstacle> {
        let unknown = |why: String| Err(Obstacle::Shell { at: None, why });
        let (name, test) = match part {
            Part::Literal(text) => return Ok(text.clone()),
            Part::Opaque(what) => return unknown(format!("its value holds {what}")),
            Part::Variable { name, test } => (name, test),
        };
        let value = match self.get(name) {
            Some(Value::Known(value)) => Some(value.clone()),
            Some(Value::Unknown { file, line, why }) => match &self.stand_in {
                Some(text) => return Ok(text.clone()),
                None => return Err(Obstacle::Shell { at: Some((*file, *line)), why: why.clone() }),
            },
            // Nobody but these files sets names of GRUB's; others may come from the caller.
            None if name.starts_with("GRUB_") || self.variables.contains_key(name) => None,
            None => return unknown(format!("`${name}` is not set in the file")),
        };
        match test {
            None => Ok(value.unwrap_or_default()),
            Some(test) => self.expand_test(name, value, test),
        }
    }

    fn expand_test(&self, name: &str, value: Option<String>, test: &Test) -> Result<String, Obstacle> {
        let value = value.filter(|it| !(test.colon && it.is_empty()));
        match (test.operator, value) {
            ('+', Some(_)) | ('-', None) => self.expand(&test.word),
            ('+', None) => Ok(String::new()),
            (_, Some(value)) => Ok(value),
            (_, None) => Err(Obstacle::Shell { at: None, why: format!("`{name}` is not set") }),
        }
    }

    fn forget(&mut self, name: &str, line: usize, why: &str) {
        let unknown = Value::Unknown { file: self.files, line, why: why.to_owned() };
        self.variables.insert(name.to_owned(), Some(unknown));
    }
}

impl ShellFile {
    /// Returns the programs that the file calls by name.
    pub fn programs(&self) -> impl Iterator<Item = &str> {
        self.events.iter().filter_map(|it| match &it.kind {
            Kind::Run(program) => Some(program.name.as_str()),
            _ => None,
        })
    }

    /// Reads the file into `env` as `. file` under `set -e` would; a shell that gave up before reads nothing.
    pub fn evaluate(&self, env: &mut Environment, shell: Shell) {
        // Once the file may have ended, everything after is conditional.
        let mut doubtful = false;
        let mut events = self.events.iter();
        let ended = events.any(|it| env.abort.is_some() || self.step(env, shell, &mut doubtful, it));
        if !ended {
            self.end(env, shell);
        }
        env.files += 1;
    }

    /// Tells what the end of the file does.
    fn end(&self, env: &mut Environment, shell: Shell) {
        match (&env.abort, &self.broken, &self.last) {
            (Some(_), ..) => {}
            // bash leaves only the file, and that fails as a command does.
            (None, Some(broken), _) if shell == Shell::Bash && env.lenient && !broken.is_limit => {}
            (None, Some(broken), _) => {
                let (line, why) = (self.line(broken.offset), broken.why.to_owned());
                env.abort = Some(Abort { line, why, is_limit: broken.is_limit, mend: None });
            }
            (None, None, Some((offset, Status::Unknown))) if !env.lenient => {
                let why = "the file ends with a command that may fail".to_owned();
                env.give_up(self.line(*offset), why, true);
            }
            (None, None, _) => {}
        }
    }

    /// Does what one command does; returns whether the file ends there.
    fn step(&self, env: &mut Environment, shell: Shell, doubtful: &mut bool, event: &Event) -> bool {
        let conditional = event.conditional || *doubtful;
        let line = self.line(event.offset);
        match &event.kind {
            Kind::OnlyBash(what) if shell == Shell::Dash => {
                env.give_up(line, format!("dash does not know {what}"), conditional || event.tested);
            }
            Kind::OnlyBash(_) => {}
            Kind::Assign { name, .. } | Kind::Unset(name) if env.frozen.contains(name) => {
                env.give_up(line, format!("`{name}` is read only"), conditional);
            }
            Kind::Assign { name, .. } if env.arrays.contains(name) => env.forget(name, line, "an array"),
            Kind::Assign { name, append: true, .. } if shell == Shell::Dash => {
                let why = format!("dash does not know `+=` (on `{name}`)");
                env.give_up(line, why, conditional || event.tested);
            }
            Kind::Assign { name, append, value, .. } => {
                if event.status() == Status::Unknown && !event.tested {
                    env.end(line, (Status::Unknown, None), conditional);
                }
                let new = match append {
                    true => {
                        let old = Part::Variable { name: name.clone(), test: None };
                        let parts: Vec<Part> = std::iter::once(old).chain(value.iter().cloned()).collect();
                        env.assign(&parts)
                    }
                    false => env.assign(value),
                };
                let known = |new: &str| matches!(env.get(name), Some(Value::Known(old)) if old == new);
                match new {
                    Ok(new) if conditional && !known(&new) => {
                        env.forget(name, line, "it is assigned only under a condition");
                    }
                    Ok(new) => env.define(name, &new),
                    Err(Obstacle::Shell { at, why }) => {
                        let (file, line) = at.unwrap_or((env.files, line));
                        env.variables.insert(name.clone(), Some(Value::Unknown { file, line, why }));
                    }
                    Err(Obstacle::Limit) => {
                        let why = format!("the variables expand to more than {} MiB", MOST_EXPANDED >> 20);
                        env.abort = Some(Abort { line, why, is_limit: true, mend: None });
                    }
                }
            }
            Kind::Unset(name) if conditional => env.forget(name, line, "it is unset under a condition"),
            Kind::Unset(name) => {
                env.arrays.remove(name);
                env.variables.insert(name.clone(), None);
            }
            Kind::Forget(name, why) => env.forget(name, line, why),
            Kind::ForgetAll(why) => {
                if !event.tested {
                    env.end(line, (Status::Unknown, None), conditional);
                }
                env.variables.clear();
                env.anything = Some(Value::Unknown { file: env.files, line, why: (*why).to_owned() });
            }
            Kind::Array(name) => {
                env.arrays.insert(name.clone());
                env.forget(name, line, "an array");
            }
            Kind::Freeze(name) => {
                env.frozen.insert(name.clone());
            }
            Kind::Errexit(on) if conditional && *on == env.lenient => {
                env.give_up(line, "`set` may change what a failure does".to_owned(), true);
                *doubtful = true;
            }
            Kind::Errexit(on) => env.lenient = !on,
            Kind::Exit => {
                env.give_up(line, "the shell ends here".to_owned(), conditional);
                *doubtful |= conditional;
            }
            // A status that is looked at ends nothing.
            Kind::Ends(_) | Kind::Run(_) if event.tested => {}
            Kind::Ends(status) => env.end(line, (status.clone(), None), conditional),
            Kind::Run(program) => {
                let status = env.run(program);
                env.end(line, status, conditional);
            }
            Kind::Return(status) if conditional => {
                *doubtful = true;
                env.end(line, (status.clone(), None), true);
            }
            Kind::Return(status) => {
                env.end(line, (status.clone(), None), false);
                return true;
            }
        }
        false
    }
}
