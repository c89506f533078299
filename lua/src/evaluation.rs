//! One evaluation of a playbook: what it has declared so far, where it is, and what it may still spend.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use hoststate_core::error::Several;
use hoststate_core::language::contradiction;
use hoststate_core::language::declaration::Origin;
use hoststate_core::language::ensure::Ensure;
use hoststate_core::language::registry::{self, Declared, Registry, Rejected};
use mlua::{Function, Lua, Table};
use serde_json::{Map, Value};

use crate::error::Error;
use crate::limits::{Limits, Manner, out_of_memory};
use crate::lua_errors::{self, Failure};
use crate::types::{self, LuaType};
use crate::{Options, Playbook, constructors, globals, modules, sandbox};

/// How many errors are told at once.
const ERRORS: usize = 100;

/// How many calls are shown that led to one.
const CALLERS: usize = 20;

/// What messages call the file that the user named.
const PLAYBOOK: &str = "the playbook";

/// A file of the user.
#[derive(Debug)]
pub(crate) struct File {
    /// Its name, as it is named to Lua.
    pub(crate) name: String,
    /// Its text.
    pub(crate) text: String,
}

/// How a declaration comes about.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Made {
    /// The composite that the playbook called, while it runs.
    pub(crate) by: Option<&'static str>,
    /// Whether what that composite declares shall be there.
    pub(crate) ensure: Ensure,
}

/// What a composite does when the whole playbook is known.
pub(crate) struct Check {
    /// The line it was called from.
    origin: Option<Origin>,
    made: Made,
    /// How many declarations stood before what it may declare.
    at: usize,
    function: Function,
}

/// One evaluation.
pub(crate) struct Evaluation<'a> {
    pub(crate) name: &'a str,
    pub(crate) options: &'a Options<'a>,
    pub(crate) declared: RefCell<Vec<Declared>>,
    /// The line of the playbook that called the composite that runs now.
    pub(crate) composite: RefCell<Option<Origin>>,
    /// How what is declared now comes about.
    pub(crate) made: Cell<Made>,
    /// How many composites declared nothing for want of a host.
    pub(crate) left_to_host: Cell<usize>,
    /// What composites do when the whole playbook is known.
    pub(crate) checks: RefCell<Vec<Check>>,
    /// The user's files.
    pub(crate) files: RefCell<Vec<File>>,
    /// The function that reads the library.
    pub(crate) library: RefCell<Option<Function>>,
    /// The globals of shipped Lua, which no playbook can change; absent while nobody has asked for the library.
    prelude: RefCell<Option<Table>>,
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

    /// Returns the globals of shipped Lua. Whoever asks first has the library read.
    pub(crate) fn library(&self, lua: &Lua) -> mlua::Result<Table> {
        if let Some(prelude) = &*self.prelude.borrow() {
            return Ok(prelude.clone());
        }
        let prelude: Table = match self.library.take() {
            Some(read) => read.call(())?,
            None => lua.create_table()?,
        };
        self.prelude.replace(Some(prelude.clone()));
        Ok(prelude)
    }

    /// Takes note of what a composite does when the whole playbook is known.
    pub(crate) fn finally(&self, lua: &Lua, function: Function) {
        let (origin, made) = (self.call_site(lua), self.made.get());
        let at = self.declared.borrow().len();
        self.checks.borrow_mut().push(Check { origin, made, at, function });
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

    /// Takes note of a composite that has run, and had declared so much before.
    pub(crate) fn ran_composite(&self, before: usize) {
        if !self.options.facts.available() && self.declared.borrow().len() == before {
            self.left_to_host.set(self.left_to_host.get() + 1);
        }
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
    /// With these errors, unless its operations on texts are counted one by one.
    Unsure(Several<Error>),
}

/// Evaluates a playbook, as [`crate::evaluate`].
pub(crate) fn evaluate(name: &str, text: &str, options: &Options<'_>) -> Result<Playbook, Several<Error>> {
    thoroughly(PLAYBOOK, options, |options, manner| run(name, text, options, manner))
}

/// Evaluates again where the quick way does not tell enough. The same playbook takes the same way each time.
pub(crate) fn thoroughly<T>(
    subject: &str,
    options: &Options<'_>,
    run: impl Fn(&Options<'_>, Manner) -> Result<T, Ended>,
) -> Result<T, Several<Error>> {
    let logged = Cell::new(0_u64);
    let count = |level, text: &str| {
        logged.set(logged.get() + 1);
        (options.log)(level, text);
    };
    let mut manner = Manner::default();
    let mut ended = run(&Options { log: &count, ..*options }, manner);
    if let Err(Ended::Unsure(_)) = ended {
        manner.pays_each = true;
        let passed = Cell::new(0_u64);
        let rest = |level, text: &str| {
            passed.set(passed.get() + 1);
            if passed.get() > logged.get() {
                (options.log)(level, text);
            }
        };
        ended = run(&Options { log: &rest, ..*options }, manner);
    }
    // Lua has left every function when it says that memory ran out. An evaluation that looks at each line finds the one.
    if let Err(Ended::Memory(None)) = ended {
        ended = run(&Options { log: &|_, _| (), ..*options }, Manner { traces: true, ..manner });
    }
    ended.map_err(|ended| match ended {
        Ended::Errors(errors) | Ended::Unsure(errors) => errors,
        Ended::Memory(last) => out_of_memory(subject).at(last).into(),
    })
}

fn run(name: &str, text: &str, options: &Options<'_>, manner: Manner) -> Result<Playbook, Ended> {
    within(PLAYBOOK, name, text, options, manner, |_, evaluation| {
        types::none_in_playbook(evaluation)?;
        if evaluation.errors.borrow().is_empty() {
            finish(evaluation)?;
        }
        let declared = contradiction::yielded(evaluation.declared.take());
        let declared = registry::unique(declared).unwrap_or_else(|rejected| {
            let told = rejected.into_iter().map(|Rejected { declaration, source, .. }| {
                Error::of_engine(&source).at(declaration.playbook)
            });
            evaluation.errors.borrow_mut().extend(told);
            Vec::new()
        });
        Ok(Playbook { declared, left_to_host: evaluation.left_to_host.get() })
    })
}

/// Runs a file, and `then` in the state that it leaves. `subject` is what messages call it.
pub(crate) fn within<T>(
    subject: &'static str,
    name: &str,
    text: &str,
    options: &Options<'_>,
    manner: Manner,
    then: impl FnOnce(&Lua, &Evaluation<'_>) -> mlua::Result<T>,
) -> Result<T, Ended> {
    let evaluation = Evaluation {
        name,
        options,
        declared: RefCell::default(),
        composite: RefCell::default(),
        made: Cell::default(),
        left_to_host: Cell::new(0),
        checks: RefCell::default(),
        files: RefCell::new(vec![File { name: name.to_owned(), text: text.to_owned() }]),
        library: RefCell::default(),
        prelude: RefCell::default(),
        types: RefCell::default(),
        more_types: RefCell::default(),
        declare: RefCell::default(),
        errors: RefCell::default(),
        guarded: Cell::default(),
        found_nothing: RefCell::default(),
        limits: Rc::new(Limits::new(subject, manner)),
    };
    let done = sandbox::create(&evaluation.limits).and_then(|lua| {
        let done = lua.scope(|scope| {
            globals::prepare(&lua, scope, &evaluation)?;
            constructors::install(&lua, scope, &evaluation)?;
            sandbox::furnish(&lua, scope, &evaluation)?;
            modules::install(&lua, scope, &evaluation)?;
            types::install(&lua, scope, &evaluation)?;
            globals::seal(&lua, scope, &evaluation)?;
            evaluation.limits.begin(&lua);
            sandbox::chunk(&lua, &evaluation, name, text)?.call::<()>(())?;
            then(&lua, &evaluation)
        });
        // They refer to the Lua state, which ends here.
        evaluation.checks.take();
        evaluation.library.take();
        evaluation.prelude.take();
        evaluation.types.take();
        evaluation.declare.take();
        done
    });
    let errors = evaluation.errors.take();
    match done {
        Ok(value) => Several::none_of(errors, value).map_err(Ended::Errors),
        Err(err) => Err(match lua_errors::explain(&evaluation, &err) {
            Failure::Memory(last) => Ended::Memory(last),
            Failure::Error(last) if evaluation.limits.is_unsure() => Ended::Unsure(last.into()),
            Failure::Error(last) => Ended::Errors(Several::ending_with(errors, last)),
        }),
    }
}

/// Does what composites do of the whole playbook. What they declare then stands where they were called.
pub(crate) fn finish(evaluation: &Evaluation<'_>) -> mlua::Result<()> {
    let mut moved = 0;
    for check in evaluation.checks.take() {
        let before = evaluation.declared.borrow().len();
        evaluation.composite.replace(check.origin);
        evaluation.made.set(check.made);
        let done = check.function.call::<()>(()).map_err(|err| (lua_errors::explain(evaluation, &err), err));
        let mut declared = evaluation.declared.borrow_mut();
        let new = declared.split_off(before);
        let at = check.at + moved;
        moved += new.len();
        declared.splice(at..at, new);
        drop(declared);
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
