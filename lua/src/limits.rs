//! What a playbook may spend: everything is counted, nothing is timed, so a playbook ends the same way on every machine.

use std::cell::{Cell, RefCell};

use hoststate_core::language::declaration::Origin;
use mlua::{Lua, Table};

use crate::error::Error;

/// Instructions of the Lua machine that a playbook may run: a second's worth. Ten thousand declarations take
/// about half a million.
const INSTRUCTIONS: u64 = 50_000_000;

/// Bytes that a playbook may hold in Lua, and once more in declarations.
pub(crate) const MEMORY: usize = 64 << 20;

/// How many instructions run between two looks at the limits. Few, for each can go through megabytes.
pub(crate) const INTERVAL: u32 = 100;

/// How many bytes are made, or gone through in C, while one instruction runs.
const BYTES: usize = 16;

/// How many bytes are compared while one instruction runs.
const COMPARED: usize = 128;

/// What an interval may make without paying for it: its instructions have paid.
const SMALL: usize = 16 << 10;

/// What the collector leaves alone.
const LITTER: usize = 1 << 20;

/// From how many bytes on it takes time to go through a text.
const LONG: usize = 1 << 10;

/// How many instructions of an interval can go through a text that is already there: two are needed to compare.
const LOOKS: usize = INTERVAL as usize / 2;

/// How much work on texts may be unseen before it is looked at closely.
const UNSEEN: u64 = INSTRUCTIONS;

/// How an evaluation counts.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Manner {
    /// Each operation on texts pays for itself (`prelude/paying.lua`). It is slower, so it is done where needed.
    pub(crate) pays_each: bool,
    /// Each line of the user's files is noted.
    pub(crate) traces: bool,
}

/// What an evaluation may still spend.
#[derive(Debug)]
pub(crate) struct Limits {
    /// What they limit, for messages.
    pub(crate) subject: &'static str,
    pub(crate) manner: Manner,
    instructions: Cell<u64>,
    is_aside: Cell<bool>,
    bytes: Cell<usize>,
    exhausted: Cell<bool>,
    /// Memory in use at the last look.
    memory: Cell<usize>,
    /// From which memory on there is something to collect.
    collect: Cell<usize>,
    /// No text can be longer.
    longest: Cell<usize>,
    /// Work that comparisons may have done since the beginning, as instructions.
    unseen: Cell<u64>,
    is_unsure: Cell<bool>,
    /// Where the last line of a user's file was, when lines are traced.
    pub(crate) last: RefCell<Option<Origin>>,
}

impl Limits {
    pub(crate) fn new(subject: &'static str, manner: Manner) -> Self {
        Self {
            subject,
            manner,
            instructions: Cell::new(INSTRUCTIONS),
            is_aside: Cell::new(false),
            bytes: Cell::new(MEMORY),
            exhausted: Cell::new(false),
            memory: Cell::new(0),
            collect: Cell::new(LITTER),
            longest: Cell::new(0),
            unseen: Cell::new(0),
            is_unsure: Cell::new(false),
            last: RefCell::new(None),
        }
    }

    /// Takes instructions, or as much work as that many.
    pub(crate) fn spend(&self, instructions: u64) -> Result<(), Error> {
        let Some(left) = self.instructions.get().checked_sub(instructions) else {
            return Err(self.endless());
        };
        self.instructions.set(left);
        Ok(())
    }

    /// Takes the work of going through a text.
    pub(crate) fn go_through(&self, bytes: usize) -> Result<(), Error> {
        self.spend(work(bytes))
    }

    fn endless(&self) -> Error {
        self.exhausted.set(true);
        Error::new(
            format!(
                "{} does too much, or does not end: it was stopped after {INSTRUCTIONS} instructions",
                self.subject
            ),
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

    /// Returns whether the evaluation ended because its texts must be counted one by one.
    pub(crate) fn is_unsure(&self) -> bool {
        self.is_unsure.get()
    }

    /// Begins to count for a file of the user. What was made until now is no text of its.
    pub(crate) fn begin(&self, lua: &Lua) {
        self.longest.set(0);
        self.unseen.set(0);
        self.skip(lua);
    }

    /// Does what no file of the user pays for.
    pub(crate) fn aside<T>(&self, lua: &Lua, work: impl FnOnce() -> T) -> T {
        self.is_aside.set(true);
        let done = work();
        self.is_aside.set(false);
        self.skip(lua);
        done
    }

    /// Takes note that what was made last has no long texts.
    pub(crate) fn skip(&self, lua: &Lua) {
        self.memory.set(lua.used_memory());
    }

    /// Takes note of a file's text: what it has between quotes is never longer than its longest line.
    pub(crate) fn read(&self, text: &str) {
        let is_plain = !["[[", "[=", "\\\n", "\\z"].iter().any(|it| text.contains(it));
        let longest =
            if is_plain { text.lines().map(str::len).max().unwrap_or_default() } else { text.len() };
        self.longest.set(self.longest.get().max(longest));
    }

    /// Gives a state its limit, and its collector to these limits: what is made between two looks is seen as growth,
    /// for nothing is collected meanwhile.
    pub(crate) fn govern(&self, lua: &Lua) -> mlua::Result<Witness> {
        lua.set_memory_limit(MEMORY)?;
        lua.gc_stop();
        let witness = Witness::new(lua)?;
        self.skip(lua);
        Ok(witness)
    }

    /// Pays for an interval that has run.
    pub(crate) fn look(&self, lua: &Lua, witness: &Witness) -> Result<(), Error> {
        if self.is_aside.get() {
            return Ok(());
        }
        self.spend(u64::from(INTERVAL))?;
        let mut used = lua.used_memory();
        let made = used.saturating_sub(self.memory.get());
        if made > SMALL {
            self.go_through(made)?;
        }
        if made > self.longest.get() {
            self.longest.set(made);
        }
        if self.longest.get() > LONG && !self.manner.pays_each {
            self.count_unseen()?;
        }
        if !witness.is_alive() {
            // Lua has collected, which it does when the memory is full. What was made before is not in the growth.
            self.exhausted.set(true);
            return Err(out_of_memory(self.subject));
        }
        if used > self.collect.get() {
            // It fails where there is no memory for it.
            used = self.collected(lua, witness).map_err(|_| out_of_memory(self.subject))?;
        }
        self.memory.set(used);
        Ok(())
    }

    /// Takes account of what instructions may have done with texts that are there: compared them, for one.
    fn count_unseen(&self) -> Result<(), Error> {
        let unseen = self.unseen.get() + (LOOKS * self.longest.get() / COMPARED) as u64;
        self.unseen.set(unseen);
        if unseen <= UNSEEN {
            return Ok(());
        }
        self.is_unsure.set(true);
        Err(self.endless())
    }

    fn collected(&self, lua: &Lua, witness: &Witness) -> mlua::Result<usize> {
        lua.gc_collect()?;
        witness.renew(lua)?;
        let used = lua.used_memory();
        self.longest.set(self.longest.get().min(used));
        self.collect.set((2 * used).clamp(LITTER, used.midpoint(MEMORY)));
        Ok(used)
    }
}

/// Returns what going through so many bytes is worth in instructions.
fn work(bytes: usize) -> u64 {
    u64::try_from(bytes / BYTES).unwrap_or(u64::MAX)
}

/// What only the collector takes away.
#[derive(Debug)]
pub(crate) struct Witness(Table);

impl Witness {
    fn new(lua: &Lua) -> mlua::Result<Self> {
        let (weak, metatable) = (lua.create_table()?, lua.create_table()?);
        metatable.raw_set("__mode", "v")?;
        weak.set_metatable(Some(metatable))?;
        let witness = Self(weak);
        witness.renew(lua)?;
        Ok(witness)
    }

    fn renew(&self, lua: &Lua) -> mlua::Result<()> {
        self.0.raw_set(1, lua.create_table()?)
    }

    fn is_alive(&self) -> bool {
        self.0.raw_len() == 1
    }
}

/// The error of what takes more than [`MEMORY`].
pub(crate) fn out_of_memory(subject: &str) -> Error {
    Error::new(
        format!("{subject} takes more than {} MiB of memory", MEMORY >> 20),
        "Look for a text or a table that grows without end, or a function that calls itself.",
    )
}
