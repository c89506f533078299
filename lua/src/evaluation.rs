//! One evaluation of a playbook: what it has declared so far, where it is, and what it may still spend.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use hoststate_core::error::Several;
use hoststate_core::language::declaration::Origin;
use hoststate_core::language::registry::{self, Declared, Registry, Rejected};
use mlua::{Function, Lua, Table};
use rustix::time::ClockId;
use serde_json::{Map, Value};

use crate::error::Error;
use crate::lua_errors::{self, Failure};
use crate::types::{self, LuaType};
use crate::{Options, Playbook, constructors, globals, modules, sandbox};

/// Instructions of the Lua machine that a playbook may run: a second's worth. Ten thousand declarations take
/// about half a million.
pub(crate) const INSTRUCTIONS: u64 = 50_000_000;

/// Bytes that a playbook may hold in Lua, and once more in declarations.
pub(crate) const MEMORY: usize = 64 << 20;

/// How many errors are told at once.
const ERRORS: usize = 100;

/// How many calls are shown that led to one.
const CALLERS: usize = 20;

/// Processor time that a playbook may take beside that of its instructions: what compares, joins or converts texts of
/// many megabytes runs in C, and no count of instructions knows it.
const WORK: Duration = Duration::from_secs(1);

/// Time that an instruction may take, on a machine that is slow.
const NANOSECONDS: u64 = 60;

/// How many instructions run between two looks at the clock, where there are no long texts.
const CLOCK: u64 = 10_000;

/// What messages call the file that the user named.
const PLAYBOOK: &str = "the playbook";

/// What an evaluation may still spend.
#[derive(Debug)]
pub(crate) struct Limits {
    /// What they limit, for messages.
    pub(crate) subject: &'static str,
    instructions: Cell<u64>,
    bytes: Cell<usize>,
    exhausted: Cell<bool>,
    started: Duration,
    /// Instructions that were left at the last look at the clock.
    looked: Cell<u64>,
    /// Where the last line of a user's file was, when lines are traced.
    pub(crate) last: RefCell<Option<Origin>>,
}

impl Limits {
    fn new(subject: &'static str) -> Self {
        Self {
            subject,
            instructions: Cell::new(INSTRUCTIONS),
            bytes: Cell::new(MEMORY),
            exhausted: Cell::new(false),
            started: processor_time(),
            looked: Cell::new(INSTRUCTIONS),
            last: RefCell::new(None),
        }
    }

    /// Takes instructions, or as much work as that many.
    pub(crate) fn spend(&self, instructions: u64) -> Result<(), Error> {
        let Some(left) = self.instructions.get().checked_sub(instructions) else {
            return Err(self.endless(format!("after {INSTRUCTIONS} instructions")));
        };
        self.instructions.set(left);
        if self.looked.get() - left >= CLOCK { self.look_at_clock() } else { Ok(()) }
    }

    /// Fails when more time was taken than the instructions and [`WORK`] account for. A playbook of instructions
    /// alone never meets this limit: what it may do does not depend on the machine.
    pub(crate) fn look_at_clock(&self) -> Result<(), Error> {
        let left = self.instructions.get();
        self.looked.set(left);
        let counted = Duration::from_nanos((INSTRUCTIONS - left) * NANOSECONDS);
        if processor_time().saturating_sub(self.started) <= WORK + counted {
            return Ok(());
        }
        Err(self.endless(format!("after {} s of work on texts", WORK.as_secs())))
    }

    fn endless(&self, after: String) -> Error {
        self.exhausted.set(true);
        Error::new(
            format!("{} does too much, or does not end: it was stopped {after}", self.subject),
            "Look for a loop that never ends, or for a very long text.",
        )
    }

    /// Takes bytes of declared values.
    pub(crate) fn hold(&self, bytes: usize) -> Result<(), Error> {
        match self.bytes.get().checked_sub(bytes) {
            Some(left) => {
                self.bytes.set(left);
                Ok(())
            }
            None => Err(out_of_memory(self.subject)),
        }
    }

    /// Returns whether a limit was passed; no `pcall` may go on after that.
    pub(crate) fn exhausted(&self) -> bool {
        self.exhausted.get()
    }
}

/// Returns the processor time of this thread: a machine that is busy with other things takes nothing from a playbook.
fn processor_time() -> Duration {
    let time = rustix::time::clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(
        u64::try_from(time.tv_sec).unwrap_or_default(),
        u32::try_from(time.tv_nsec).unwrap_or_default(),
    )
}

/// The error of what takes more than [`MEMORY`].
pub(crate) fn out_of_memory(subject: &str) -> Error {
    Error::new(
        format!("{subject} takes more than {} MiB of memory", MEMORY >> 20),
        "Look for a text or a table that grows without end, or a function that calls itself.",
    )
}

/// A file of the user.
#[derive(Debug)]
pub(crate) struct File {
    /// Its name, as it is named to Lua.
    pub(crate) name: String,
    /// Its text.
    pub(crate) text: String,
}

/// One evaluation.
pub(crate) struct Evaluation<'a> {
    pub(crate) name: &'a str,
    pub(crate) options: &'a Options<'a>,
    pub(crate) declared: RefCell<Vec<Declared>>,
    /// The line of the playbook that called the composite that runs now.
    pub(crate) composite: RefCell<Option<Origin>>,
    /// The composite that the playbook called, while it runs.
    pub(crate) made_by: Cell<Option<&'static str>>,
    /// What composites check when the whole playbook is known, with the line they were called from.
    pub(crate) checks: RefCell<Vec<(Option<Origin>, Function)>>,
    /// The user's files.
    pub(crate) files: RefCell<Vec<File>>,
    /// The globals of shipped Lua, which no playbook can change.
    pub(crate) prelude: RefCell<Option<Table>>,
    /// The resource types that were described so far, and where.
    pub(crate) types: RefCell<Vec<LuaType>>,
    /// All types, when a file beside the playbook brought some.
    pub(crate) more_types: RefCell<Option<Registry>>,
    /// The function behind the constructors of these.
    pub(crate) declare: RefCell<Option<Function>>,
    /// What is wrong with declarations so far.
    pub(crate) errors: RefCell<Vec<Error>>,
    /// How many `pcall` wait for errors now.
    pub(crate) guarded: Cell<u32>,
    /// The selectors that no device matched, by the line of the last `find` with one.
    pub(crate) found_nothing: RefCell<BTreeMap<Origin, Map<String, Value>>>,
    pub(crate) limits: Rc<Limits>,
}

impl Evaluation<'_> {
    /// Returns the types that there are by now.
    pub(crate) fn registry(&self) -> Registry {
        self.more_types.borrow().as_ref().unwrap_or(self.options.registry).clone()
    }

    /// Returns the user's line that is running: where a composite was called, else the innermost.
    pub(crate) fn call_site(&self, lua: &Lua) -> Option<Origin> {
        let composite = self.composite.borrow().clone();
        composite.or_else(|| user_lines(lua, 1).pop())
    }

    /// Returns the text of a line.
    pub(crate) fn line(&self, origin: Option<&Origin>) -> Option<String> {
        let origin = origin?;
        let files = self.files.borrow();
        let file = files.iter().find(|it| it.name == origin.file)?;
        let before = usize::try_from(origin.line).ok()?.checked_sub(1)?;
        Some(file.text.lines().nth(before)?.to_owned())
    }

    /// Returns an error at the user's line that is running, for Lua to raise.
    pub(crate) fn raise(&self, lua: &Lua, error: Error) -> mlua::Error {
        mlua::Error::external(error.at(self.call_site(lua)))
    }

    /// Takes what is wrong with a declaration, so that those behind it are looked at as well. It is raised where somebody
    /// waits for it: a `pcall`, or the composite that declares.
    pub(crate) fn reject(&self, lua: &Lua, error: Error) -> mlua::Result<()> {
        let is_kept = self.composite.borrow().is_none() && self.keeps();
        if !is_kept {
            return Err(self.raise(lua, error));
        }
        let mut lines = user_lines(lua, CALLERS).into_iter();
        let origin = lines.next();
        self.errors.borrow_mut().push(Error { origin, callers: lines.collect(), ..error });
        Ok(())
    }

    /// Returns whether an error can wait for the end.
    pub(crate) fn keeps(&self) -> bool {
        self.guarded.get() == 0 && !self.limits.exhausted() && self.errors.borrow().len() < ERRORS
    }
}

/// Returns the innermost lines of the user's files on the stack, the innermost first.
pub(crate) fn user_lines(lua: &Lua, most: usize) -> Vec<Origin> {
    let mut lines = Vec::new();
    // Level 0 is the Rust function that asks.
    for level in 1.. {
        let found = lua.inspect_stack(level, |frame| {
            let source = frame.source().source?.strip_prefix('@')?.to_owned();
            let line = u32::try_from(frame.current_line()?).ok()?;
            Some(Origin { file: source, line })
        });
        let Some(found) = found else { break };
        lines.extend(found);
        if lines.len() == most {
            break;
        }
    }
    lines
}

/// How an evaluation failed.
#[derive(Debug)]
pub(crate) enum Ended {
    /// With errors that know their places.
    Errors(Several<Error>),
    /// For want of memory; with the last line that was traced.
    Memory(Option<Origin>),
}

/// Evaluates a playbook, as [`crate::evaluate`].
pub(crate) fn evaluate(name: &str, text: &str, options: &Options<'_>) -> Result<Playbook, Several<Error>> {
    match run(name, text, options, false) {
        Ok(playbook) => Ok(playbook),
        Err(Ended::Errors(errors)) => Err(errors),
        // Lua has left every function when it says that memory ran out. The same playbook takes the same way a
        // second time, so an evaluation that looks at each line finds the one.
        Err(Ended::Memory(_)) => {
            let quiet = Options { log: &|_, _| (), ..*options };
            match run(name, text, &quiet, true) {
                Err(Ended::Memory(last)) => Err(out_of_memory(PLAYBOOK).at(last).into()),
                Err(Ended::Errors(errors)) => Err(errors),
                Ok(_) => Err(out_of_memory(PLAYBOOK).into()),
            }
        }
    }
}

fn run(name: &str, text: &str, options: &Options<'_>, trace: bool) -> Result<Playbook, Ended> {
    within(PLAYBOOK, name, text, options, trace, |_, evaluation| {
        types::none_in_playbook(evaluation)?;
        if evaluation.errors.borrow().is_empty() {
            finish(evaluation)?;
        }
        let declared = registry::unique(evaluation.declared.take()).unwrap_or_else(|rejected| {
            let told = rejected.into_iter().map(|Rejected { declaration, source, .. }| {
                Error::of_engine(&source).at(declaration.playbook)
            });
            evaluation.errors.borrow_mut().extend(told);
            Vec::new()
        });
        Ok(Playbook { declared })
    })
}

/// Runs a file, and `then` in the state that it leaves. `subject` is what messages call it.
pub(crate) fn within<T>(
    subject: &'static str,
    name: &str,
    text: &str,
    options: &Options<'_>,
    trace: bool,
    then: impl FnOnce(&Lua, &Evaluation<'_>) -> mlua::Result<T>,
) -> Result<T, Ended> {
    let evaluation = Evaluation {
        name,
        options,
        declared: RefCell::default(),
        composite: RefCell::default(),
        made_by: Cell::new(None),
        checks: RefCell::default(),
        files: RefCell::new(vec![File { name: name.to_owned(), text: text.to_owned() }]),
        prelude: RefCell::default(),
        types: RefCell::default(),
        more_types: RefCell::default(),
        declare: RefCell::default(),
        errors: RefCell::default(),
        guarded: Cell::default(),
        found_nothing: RefCell::default(),
        limits: Rc::new(Limits::new(subject)),
    };
    let done = sandbox::create(&evaluation.limits, trace).and_then(|lua| {
        let done = lua.scope(|scope| {
            globals::prepare(&lua, scope, &evaluation)?;
            constructors::install(&lua, scope, &evaluation)?;
            sandbox::furnish(&lua, scope, &evaluation)?;
            modules::install(&lua, scope, &evaluation)?;
            types::install(&lua, scope, &evaluation)?;
            globals::seal(&lua, scope, &evaluation)?;
            sandbox::chunk(&lua, name, text).exec()?;
            then(&lua, &evaluation)
        });
        // They refer to the Lua state, which ends here.
        evaluation.checks.take();
        evaluation.prelude.take();
        evaluation.types.take();
        evaluation.declare.take();
        done
    });
    let errors = evaluation.errors.take();
    match done {
        Ok(value) => Several::none_of(errors, value).map_err(Ended::Errors),
        Err(err) => match lua_errors::explain(&evaluation, &err) {
            Failure::Memory(last) => Err(Ended::Memory(last)),
            Failure::Error(last) => Err(Ended::Errors(Several::ending_with(errors, last))),
        },
    }
}

/// Does what composites check of the whole playbook.
pub(crate) fn finish(evaluation: &Evaluation<'_>) -> mlua::Result<()> {
    let checks = evaluation.checks.take();
    for (origin, check) in checks {
        evaluation.composite.replace(origin);
        let done = check.call::<()>(()).map_err(|err| (lua_errors::explain(evaluation, &err), err));
        match done {
            Ok(()) => {}
            Err((Failure::Error(error), _)) if evaluation.keeps() => {
                evaluation.errors.borrow_mut().push(error)
            }
            Err((_, err)) => return Err(err),
        }
    }
    Ok(())
}
