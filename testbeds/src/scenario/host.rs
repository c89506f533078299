//! The `host` of a scenario: its methods are the steps.

use std::{cell::RefCell, rc::Rc, thread, time::Duration};

use mlua::{Function, Lua, LuaSerdeExt, MetaMethod, UserData, UserDataMethods, Value};
use serde::Deserialize;
use serde_json::json;

use super::{expectation::Expectations, step_result::StepResult};
use crate::{
    beds::Bed,
    error::{Error, Result, check},
    process::Finished,
    progress::Progress,
    transcript::Transcript,
};

/// The longest a step may take, unless it says otherwise: dracut for two kernels in an emulated machine.
const SECONDS: u64 = 600;
/// How often `wait_for` and `expect_driver` look: a device is bound when udev has run its course.
const POLL: Duration = Duration::from_millis(500);
/// How long `expect_driver` waits.
const DRIVER_SECONDS: u64 = 20;

/// What a scenario acts on: a bed, a playbook, and where expectations are kept.
#[derive(Clone)]
pub(crate) struct Host(Rc<RefCell<Inner>>);

struct Inner {
    bed: Box<dyn Bed>,
    playbook: String,
    expectations: Expectations,
    progress: Progress,
    transcript: Transcript,
}

/// Options of the steps that run hoststate.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Run {
    /// The exit status that it must end with, or several.
    status: Option<Statuses>,
    /// More words of its command line.
    options: Vec<String>,
    /// The longest it may take.
    seconds: Option<u64>,
}

/// Options of `shell` and its like.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Shell {
    status: Option<Statuses>,
    input: Option<String>,
    seconds: Option<u64>,
}

/// One exit status, or any of several.
#[derive(Deserialize)]
#[serde(untagged)]
enum Statuses {
    One(i32),
    Any(Vec<i32>),
}

/// What `expect_output` wants: the whole text, or parts of it.
#[derive(Deserialize)]
#[serde(untagged)]
enum Output {
    Whole(String),
    Parts(Parts),
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Parts {
    contains: Option<String>,
    lacks: Option<String>,
}

impl Host {
    /// Takes the bed over.
    pub(crate) fn new(
        bed: Box<dyn Bed>,
        playbook: String,
        expectations: Expectations,
        progress: Progress,
        transcript: Transcript,
    ) -> Self {
        Self(Rc::new(RefCell::new(Inner { bed, playbook, expectations, progress, transcript })))
    }

    /// All that the console has shown.
    pub(crate) fn console(&self) -> Result<String> {
        self.0.borrow().bed.console()
    }
}

impl UserData for Host {
    fn add_methods<M: UserDataMethods<Self>>(methods: &mut M) {
        methods.add_method("plan", |lua, it, run: Value| it.0.borrow_mut().run(lua, "plan", run, &[0, 2, 3]));
        methods.add_method("converge", |lua, it, run: Value| {
            it.0.borrow_mut().run(lua, "converge", run, &[0, 2, 3])
        });
        methods.add_method("verify", |lua, it, run: Value| it.0.borrow_mut().run(lua, "verify", run, &[0]));
        methods.add_method("hoststate", |lua, it, (words, run): (Vec<String>, Value)| {
            it.0.borrow_mut().hoststate(lua, &words, run)
        });
        methods.add_method("playbook", |_, it, text: String| {
            it.0.borrow_mut().playbook = text;
            Ok(())
        });
        methods.add_method("expect_diff", |_, it, name: String| Ok(it.0.borrow_mut().expect_diff(&name)?));
        methods.add_method("expect_no_changes", |lua, it, run: Value| it.0.borrow_mut().no_changes(lua, run));
        methods.add_method("expect_untouched", |_, it, steps: Function| it.untouched(&steps));
        methods.add_method("reboot", |_, it, ()| Ok(it.0.borrow_mut().restart("reboot")?));
        methods.add_method("power_cycle", |_, it, ()| Ok(it.0.borrow_mut().restart("power_cycle")?));
        methods.add_method("console", |_, it, ()| Ok(it.console()?));
        methods.add_method("shell", |lua, it, (script, options): (String, Value)| {
            it.0.borrow_mut().shell(lua, &script, options)
        });
        methods.add_method("expect_output", |lua, it, (script, wanted): (String, Value)| {
            it.0.borrow_mut().expect_output(lua, &script, wanted)
        });
        methods.add_method("wait_for", |_, it, (script, seconds): (String, Option<u64>)| {
            Ok(it.0.borrow_mut().wait_for(&script, seconds.unwrap_or(60))?)
        });
        methods.add_method("expect_driver", |_, it, (device, driver): (String, Option<String>)| {
            Ok(it.0.borrow_mut().expect_driver(&device, driver.as_deref())?)
        });
        methods.add_method("put", |_, it, (path, text, mode): (String, mlua::LuaString, Option<u32>)| {
            Ok(it.0.borrow_mut().put(&path, &text.as_bytes(), mode.unwrap_or(0o644))?)
        });
        methods.add_method("read", |_, it, path: String| Ok(it.0.borrow_mut().read(&path)?));
        methods.add_method("say", |_, it, text: String| {
            it.0.borrow_mut().note(&text);
            Ok(())
        });
        // Whatever else it is asked for is a step of its bed.
        methods.add_meta_method(MetaMethod::Index, |lua, _, step: String| {
            lua.create_function(move |lua, (it, argument): (mlua::UserDataRef<Self>, Value)| {
                let argument = match argument {
                    Value::Nil => serde_json::Value::Null,
                    it => lua.from_value(it)?,
                };
                let mut inner = it.0.borrow_mut();
                inner.note(&step);
                let playbook = inner.playbook.clone();
                let answer = inner.bed.own_step(&step, argument, &playbook)?;
                if answer.is_null() { Ok(Value::Nil) } else { lua.to_value(&answer) }
            })
        });
    }
}

impl Host {
    /// Gives the terminal a shell in the bed.
    pub(crate) fn shell(&self) -> Result<()> {
        self.0.borrow_mut().bed.shell()
    }

    /// Runs steps and fails when they touched a file.
    fn untouched(&self, steps: &Function) -> mlua::Result<()> {
        let before = self.0.borrow_mut().bed.snapshot()?;
        steps.call::<()>(())?;
        let after = self.0.borrow_mut().bed.snapshot()?;
        match (before, after) {
            (Some(before), Some(after)) => Ok(before.expect_equal(&after, "the files of the host")?),
            _ => Err(Error::Argument {
                step: "expect_untouched".into(),
                reason: "this kind of bed cannot tell".into(),
            }
            .into()),
        }
    }
}

impl Inner {
    fn note(&mut self, text: &str) {
        self.progress.line(text);
        self.transcript.note(text);
    }

    /// Calls hoststate and puts it in the transcript.
    fn call(&mut self, verb: &str, words: &[&str], seconds: u64) -> Result<Finished> {
        let playbook = self.playbook.clone();
        self.progress.line(&format!("hoststate {verb} {}", words.join(" ")));
        let with = (!matches!(verb, "inspect" | "rollback" | "history" | "schema")).then_some(&*playbook);
        let finished = self.bed.hoststate(verb, with, words, seconds)?;
        let shown = if with.is_some() { " playbook.lua" } else { "" };
        self.transcript.call(&format!("hoststate {verb}{shown} {}", words.join(" ")), &finished);
        Ok(finished)
    }

    fn run(&mut self, lua: &Lua, verb: &str, run: Value, usual: &[i32]) -> mlua::Result<StepResult> {
        let run: Run = options(lua, run)?;
        let mut words = vec!["--color", "never"];
        match verb {
            "converge" => words.extend(["--yes", "--detailed-exitcode"]),
            "plan" => words.push("--detailed-exitcode"),
            _ => {}
        }
        words.extend(run.options.iter().map(String::as_str));
        let finished = self.call(verb, &words, run.seconds.unwrap_or(SECONDS))?;
        Ok(StepResult::expect_status(finished, &format!("`hoststate {verb}`"), &wanted(run.status, usual))?)
    }

    fn hoststate(&mut self, lua: &Lua, words: &[String], run: Value) -> mlua::Result<StepResult> {
        let run: Run = options(lua, run)?;
        let Some((verb, rest)) = words.split_first() else {
            return Err(mlua::Error::runtime("host:hoststate needs a list of words"));
        };
        let words: Vec<&str> = rest.iter().chain(&run.options).map(String::as_str).collect();
        let finished = self.call(verb, &words, run.seconds.unwrap_or(SECONDS))?;
        Ok(StepResult::expect_status(finished, &format!("`hoststate {verb}`"), &wanted(run.status, &[0]))?)
    }

    fn expect_diff(&mut self, name: &str) -> Result<()> {
        let words = ["--color", "never", "--detailed-exitcode"];
        let finished = self.call("plan", &words, SECONDS)?;
        let plan = StepResult::expect_status(finished, "`hoststate plan`", &[0, 2, 3, 4])?;
        let kernel = self.read("/proc/sys/kernel/osrelease")?;
        self.expectations.compare(name, &plan.0.stdout, kernel.trim())
    }

    /// A second converge runs nothing, changes nothing, and touches no file.
    fn no_changes(&mut self, lua: &Lua, run: Value) -> mlua::Result<()> {
        let run: Run = options(lua, run)?;
        let before = self.bed.snapshot()?;
        let mut words = vec!["--format", "json", "--yes", "--detailed-exitcode"];
        words.extend(run.options.iter().map(String::as_str));
        let finished = self.call("converge", &words, run.seconds.unwrap_or(SECONDS))?;
        let what = "`hoststate converge` with nothing to do";
        let result = StepResult::expect_status(finished, what, &wanted(run.status, &[0, 3]))?;
        let report = result.json(what)?;
        for (field, wanted) in [("changed", json!(false)), ("steps", json!([]))] {
            check(
                report.get(field) == Some(&wanted),
                format!("`{field}` in the report of {what}"),
                wanted.to_string(),
                report.get(field).map_or("nothing".into(), ToString::to_string),
            )?;
        }
        if let (Some(before), Some(after)) = (before, self.bed.snapshot()?) {
            before.expect_equal(&after, &format!("the files of the host after {what}"))?;
        }
        Ok(())
    }

    fn restart(&mut self, how: &str) -> Result<()> {
        self.note(how);
        match how {
            "reboot" => self.bed.reboot()?,
            _ => self.bed.power_cycle()?,
        }
        let cmdline = self.read("/proc/cmdline")?;
        self.transcript.note(&format!("up again: {}", cmdline.trim()));
        Ok(())
    }

    fn sh(&mut self, script: &str, input: Option<&[u8]>, seconds: u64) -> Result<Finished> {
        let finished = self.bed.call(&["sh", "-c", script], input, seconds)?;
        self.transcript.call(script, &finished);
        Ok(finished)
    }

    fn shell(&mut self, lua: &Lua, script: &str, shell: Value) -> mlua::Result<String> {
        let shell: Shell = options(lua, shell)?;
        self.progress.line(&format!("$ {}", script.lines().next().unwrap_or_default()));
        let finished =
            self.sh(script, shell.input.as_deref().map(str::as_bytes), shell.seconds.unwrap_or(SECONDS))?;
        let wanted = wanted(shell.status, &[0]);
        Ok(StepResult::expect_status(finished, &format!("`{script}`"), &wanted)?.0.stdout)
    }

    fn expect_output(&mut self, lua: &Lua, script: &str, wanted: Value) -> mlua::Result<String> {
        let wanted: Output = lua.from_value(wanted)?;
        let finished = self.sh(script, None, SECONDS)?;
        let found = StepResult::expect_status(finished, &format!("`{script}`"), &[0])?.0.stdout;
        let what = format!("output of `{script}`");
        match wanted {
            Output::Whole(text) => check(found.trim() == text.trim(), what, text.trim(), found.trim())?,
            Output::Parts(parts) => {
                if let Some(text) = parts.contains {
                    check(found.contains(&text), what.clone(), format!("`{text}` in it"), found.trim())?;
                }
                if let Some(text) = parts.lacks {
                    check(!found.contains(&text), what, format!("no `{text}` in it"), found.trim())?;
                }
            }
        }
        Ok(found)
    }

    fn wait_for(&mut self, script: &str, seconds: u64) -> Result<()> {
        let mut last = None;
        for _ in 0..seconds * 1000 / POLL.as_millis() as u64 {
            let finished = self.bed.call(&["sh", "-c", script], None, seconds)?;
            if finished.status == 0 {
                return Ok(());
            }
            last = Some(finished);
            thread::sleep(POLL);
        }
        let found =
            last.map_or_else(String::new, |it| format!("status {}: {}{}", it.status, it.stdout, it.stderr));
        check(false, format!("`{script}`"), format!("success within {seconds} s"), found)
    }

    fn expect_driver(&mut self, device: &str, wanted: Option<&str>) -> Result<()> {
        let wanted = wanted.unwrap_or("none");
        let script = format!(
            "cd /sys/bus/pci/devices/{device} && if [ -e driver ]; then basename \"$(readlink driver)\"; else echo none; fi"
        );
        let mut found = String::new();
        for _ in 0..DRIVER_SECONDS * 1000 / POLL.as_millis() as u64 {
            let finished = self.bed.call(&["sh", "-c", &script], None, SECONDS)?;
            found = StepResult::expect_status(finished, &format!("looking at {device}"), &[0])?.0.stdout;
            if found.trim() == wanted {
                self.note(&format!("{device} is bound to {wanted}"));
                return Ok(());
            }
            thread::sleep(POLL);
        }
        check(false, format!("driver of {device}"), wanted, found.trim())
    }

    fn put(&mut self, path: &str, bytes: &[u8], mode: u32) -> Result<()> {
        self.note(&format!("put {path}"));
        self.bed.put(path, bytes, mode)
    }

    fn read(&mut self, path: &str) -> Result<String> {
        let finished = self.bed.call(&["cat", path], None, SECONDS)?;
        Ok(StepResult::expect_status(finished, &format!("reading {path}"), &[0])?.0.stdout)
    }
}

fn wanted(statuses: Option<Statuses>, usual: &[i32]) -> Vec<i32> {
    match statuses {
        None => usual.into(),
        Some(Statuses::One(it)) => vec![it],
        Some(Statuses::Any(them)) => them,
    }
}

fn options<T: Default + for<'de> Deserialize<'de>>(lua: &Lua, table: Value) -> mlua::Result<T> {
    if table.is_nil() { Ok(T::default()) } else { lua.from_value(table) }
}

impl From<Error> for mlua::Error {
    fn from(err: Error) -> Self {
        Self::external(err)
    }
}
