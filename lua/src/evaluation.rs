//! One evaluation of a playbook: what it has declared so far, where it is, and what it may still spend.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use hoststate_core::declaration::Origin;
use hoststate_core::registry::{self, Declared, Registry};
use mlua::{Function, Lua, Table};

use crate::error::Error;
use crate::lua_errors::{self, Failure};
use crate::types::{self, LuaType};
use crate::{Options, Playbook, constructors, modules, sandbox};

/// Instructions of the Lua machine that a playbook may run: a second's worth. Ten thousand declarations take
/// about half a million.
pub(crate) const INSTRUCTIONS: u64 = 50_000_000;

/// Bytes that a playbook may hold in Lua, and once more in declarations.
pub(crate) const MEMORY: usize = 64 << 20;

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
            last: RefCell::new(None),
        }
    }

    /// Takes instructions, or as much work as that many.
    pub(crate) fn spend(&self, instructions: u64) -> Result<(), Error> {
        match self.instructions.get().checked_sub(instructions) {
            Some(left) => {
                self.instructions.set(left);
                Ok(())
            }
            None => {
                self.exhausted.set(true);
                Err(Error::new(
                    format!(
                        "{} does too much, or does not end: it was stopped after {INSTRUCTIONS} instructions",
                        self.subject
                    ),
                    "Look for a loop that never ends, or for a very long text.",
                ))
            }
        }
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

/// The error of what takes more than [`MEMORY`].
pub(crate) fn out_of_memory(subject: &str) -> Error {
    Error::new(
        format!("{subject} takes more than {} MiB of memory", MEMORY >> 20),
        "Look for a text or a table that grows without end, or a function that calls itself.",
    )
}

/// One evaluation.
pub(crate) struct Evaluation<'a> {
    pub(crate) name: &'a str,
    pub(crate) options: &'a Options<'a>,
    pub(crate) declared: RefCell<Vec<Declared>>,
    /// The line of the playbook that called the composite that runs now.
    pub(crate) composite: RefCell<Option<Origin>>,
    /// What composites check when the whole playbook is known, with the line they were called from.
    pub(crate) checks: RefCell<Vec<(Option<Origin>, Function)>>,
    /// The user's files, as they are named to Lua.
    pub(crate) files: RefCell<Vec<String>>,
    /// The globals of shipped Lua, which no playbook can change.
    pub(crate) prelude: RefCell<Option<Table>>,
    /// The resource types that were described so far, and where.
    pub(crate) types: RefCell<Vec<LuaType>>,
    /// All types, when a file beside the playbook brought some.
    pub(crate) more_types: RefCell<Option<Registry>>,
    /// The function behind the constructors of these.
    pub(crate) declare: RefCell<Option<Function>>,
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
        composite.or_else(|| user_line(lua))
    }

    /// Returns an error at the user's line that is running, for Lua to raise.
    pub(crate) fn raise(&self, lua: &Lua, error: Error) -> mlua::Error {
        mlua::Error::external(error.at(self.call_site(lua)))
    }
}

/// Returns the innermost line of a user's file on the stack.
fn user_line(lua: &Lua) -> Option<Origin> {
    // Level 0 is the Rust function that asks.
    for level in 1.. {
        let found = lua.inspect_stack(level, |frame| {
            let source = frame.source().source?.strip_prefix('@')?.to_owned();
            let line = u32::try_from(frame.current_line()?).ok()?;
            Some(Origin { file: source, line })
        })?;
        if found.is_some() {
            return found;
        }
    }
    None
}

/// Evaluates a playbook, as [`crate::evaluate`].
pub(crate) fn evaluate(name: &str, text: &str, options: &Options<'_>) -> Result<Playbook, Error> {
    match run(name, text, options, false) {
        Ok(playbook) => Ok(playbook),
        Err(Failure::Error(error)) => Err(error),
        // Lua has left every function when it says that memory ran out. The same playbook takes the same way a
        // second time, so an evaluation that looks at each line finds the one.
        Err(Failure::Memory(_)) => {
            let quiet = Options { log: &|_, _| (), ..*options };
            match run(name, text, &quiet, true) {
                Err(Failure::Memory(last)) => Err(out_of_memory(PLAYBOOK).at(last)),
                Err(Failure::Error(error)) => Err(error),
                Ok(_) => Err(out_of_memory(PLAYBOOK)),
            }
        }
    }
}

fn run(name: &str, text: &str, options: &Options<'_>, trace: bool) -> Result<Playbook, Failure> {
    let declared = within(PLAYBOOK, name, text, options, trace, |_, evaluation| {
        types::none_in_playbook(evaluation)?;
        finish(evaluation)?;
        Ok(evaluation.declared.take())
    })?;
    let declared = registry::unique(declared).map_err(|rejected| {
        let first = rejected.first();
        Failure::Error(Error::of_engine(&first.source).at(first.declaration.playbook.clone()))
    })?;
    Ok(Playbook { declared })
}

/// Runs a file, and `then` in the state that it leaves. `subject` is what messages call it.
pub(crate) fn within<T>(
    subject: &'static str,
    name: &str,
    text: &str,
    options: &Options<'_>,
    trace: bool,
    then: impl FnOnce(&Lua, &Evaluation<'_>) -> mlua::Result<T>,
) -> Result<T, Failure> {
    let evaluation = Evaluation {
        name,
        options,
        declared: RefCell::default(),
        composite: RefCell::default(),
        checks: RefCell::default(),
        files: RefCell::new(vec![name.to_owned()]),
        prelude: RefCell::default(),
        types: RefCell::default(),
        more_types: RefCell::default(),
        declare: RefCell::default(),
        limits: Rc::new(Limits::new(subject)),
    };
    let done = sandbox::create(&evaluation.limits, trace).and_then(|lua| {
        let done = lua.scope(|scope| {
            constructors::install(&lua, scope, &evaluation)?;
            sandbox::furnish(&lua, scope, &evaluation)?;
            modules::install(&lua, scope, &evaluation)?;
            types::install(&lua, scope, &evaluation)?;
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
    done.map_err(|err| lua_errors::explain(&evaluation, &err))
}

fn finish(evaluation: &Evaluation<'_>) -> mlua::Result<()> {
    let checks = evaluation.checks.take();
    for (origin, check) in checks {
        evaluation.composite.replace(origin);
        check.call::<()>(())?;
    }
    Ok(())
}
