//! The container bed: a root file system on a loop device, with its own tools and the machine's kernel.
//!
//! hoststate works on it from outside, as on a mounted disk: `--root ROOT --activate chroot`.

mod boot_entry;
mod cut;
pub(crate) mod mounts;
mod root;

use std::{
    cell::RefCell,
    fmt::Write,
    path::{Path, PathBuf},
};

use serde::Deserialize;
use serde_json::{Value, json};

use self::{mounts::Mounts, root::Root};
use super::{Bed, HOSTSTATE, Kind, Order, Place};
use crate::{
    error::{Error, Result},
    files, images,
    process::{Call, Finished},
    snapshot::Snapshot,
};

pub(super) const KIND: Kind = Kind {
    name: "container",
    about: "a root file system with its own tools; the machine's kernel, a boot that is made up",
    prepare,
    open: |_, place| Ok(Box::new(Container::open(place)?)),
    breakdown: |_| Ok(None),
};

/// Words of a scenario's `machine`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Machine {
    /// Name of the image; see `cargo testbed list`.
    image: String,
}

/// Argument of the step `cut`: one of the two fields.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CutArgument {
    /// Cuts before this rename of hoststate's own.
    rename: Option<u64>,
    /// Cuts at the start of this call of one of `tools`.
    call: Option<u64>,
    /// Paths of the tools whose calls are counted.
    #[serde(default)]
    tools: Vec<String>,
}

struct Container {
    place: Place,
    mounts: Mounts,
    root: Root,
    /// What `console` returns: there is no console, but boots can be told.
    console: RefCell<String>,
}

fn prepare(order: &Order, cache: &Path) -> Result<Vec<PathBuf>> {
    if let Some(file) = &order.image {
        return Ok(vec![images::container_of_tar(file, cache)?]);
    }
    let machine: Machine = order.machine()?;
    Ok(vec![images::image(&machine.image)?.get(cache)?])
}

impl Container {
    fn open(place: Place) -> Result<Self> {
        let mounts = Mounts::make(&place.work)?;
        let root = fresh(&mounts, &place)?;
        let container = Self { place, mounts, root, console: RefCell::default() };
        container.boot()?;
        Ok(container)
    }

    fn boot(&self) -> Result<()> {
        let boot = self.root.boot()?;
        writeln!(self.console.borrow_mut(), "booted {}: {}", boot.release, boot.cmdline)
            .expect("writing to a String does not fail");
        Ok(())
    }

    /// A call of hoststate on the root, behind the words of a tracer.
    fn call_hoststate(
        &self,
        tracer: &[String],
        verb: &str,
        playbook: Option<&str>,
        words: &[&str],
    ) -> Result<Call> {
        // From its directory, so that the same playbook has the same name in every run.
        let mut call = Call::new([Path::new("env"), Path::new("-C"), &self.place.work]);
        call = call.args(tracer).args([&self.place.hoststate]).args([verb]);
        if let Some(text) = playbook {
            files::write(self.place.work.join("playbook.lua"), text)?;
            call = call.args(["playbook.lua"]);
        }
        call = call.args(words).args([Path::new("--root"), self.root.path()]);
        if matches!(verb, "converge" | "rollback") {
            call = call.args(["--activate", "chroot"]);
        }
        Ok(call)
    }

    fn cut(&self, argument: &CutArgument, playbook: &str) -> Result<Value> {
        let words = ["--yes", "--detailed-exitcode", "--color", "never"];
        let run = |tracer: &[String]| {
            self.call_hoststate(tracer, "converge", Some(playbook), &words)?.within(600).finish()
        };
        let finished = match (argument.rename, argument.call) {
            (Some(number), None) => run(&cut::before_rename(number))?,
            (None, Some(number)) => cut::at_tool(&self.root, &argument.tools, number, || run(&[]))?,
            _ => {
                return Err(Error::Argument {
                    step: "cut".into(),
                    reason: "one of `rename` and `call` is needed".into(),
                });
            }
        };
        if finished.status == cut::KILLED {
            return Ok(json!({ "killed": true }));
        }
        Ok(
            json!({ "killed": false, "status": finished.status, "stdout": finished.stdout, "stderr": finished.stderr }),
        )
    }

    /// Puts a file of the untouched image back: a second mount of it would need a second device name.
    fn put_original(&self, path: &str) -> Result<()> {
        let original = self.place.work.join("original");
        Call::new(["debugfs", "-R"])
            .args([format!("dump {path} {}", original.display())])
            .args([&self.place.images[0]])
            .succeed()?;
        crate::error::check(
            files::status(&original)?.len() > 0,
            format!("{path} in the untouched image"),
            "some bytes",
            "an empty file",
        )?;
        Call::new(["cp"]).args([original, self.root.join(path)]).succeed()?;
        Ok(())
    }
}

impl Bed for Container {
    fn call(&mut self, argv: &[&str], input: Option<&[u8]>, seconds: u64) -> Result<Finished> {
        let mut call = self.root.call(argv).within(seconds);
        if let Some(input) = input {
            call = call.input(input);
        }
        call.finish()
    }

    fn put(&mut self, path: &str, bytes: &[u8], mode: u32) -> Result<()> {
        // In the root, so that its own links lead where they lead for it.
        let script = r#"set -e; mkdir -p "$(dirname "$1")"; cat >"$1"; chmod "$2" "$1""#;
        self.root.call(["sh", "-c", script, "put", path, &format!("{mode:o}")]).input(bytes).succeed()?;
        Ok(())
    }

    fn reboot(&mut self) -> Result<()> {
        self.boot()
    }

    fn power_cycle(&mut self) -> Result<()> {
        self.boot()
    }

    fn console(&self) -> Result<String> {
        Ok(self.console.borrow().clone())
    }

    fn hoststate(
        &mut self,
        verb: &str,
        playbook: Option<&str>,
        words: &[&str],
        seconds: u64,
    ) -> Result<Finished> {
        self.call_hoststate(&[], verb, playbook, words)?.within(seconds).finish()
    }

    fn snapshot(&mut self) -> Result<Option<Snapshot>> {
        Ok(Some(Snapshot::take(self.root.path())?))
    }

    fn shell(&mut self) -> Result<()> {
        self.root.call(["sh", "-i"]).on_terminal()
    }

    fn own_step(&mut self, step: &str, argument: Value, playbook: &str) -> Result<Value> {
        match step {
            "fresh" => {
                let work = self.place.work.join("root");
                Call::new([Path::new("umount"), Path::new("-R"), &work]).succeed()?;
                self.root = fresh(&self.mounts, &self.place)?;
                self.boot()?;
            }
            "cut" => return self.cut(&super::argument(step, argument)?, playbook),
            "put_original" => self.put_original(&super::argument::<String>(step, argument)?)?,
            "read_only" => match super::argument(step, argument)? {
                true => self.root.make_read_only()?,
                false => self.root.make_writable()?,
            },
            _ => return Err(super::unknown_step(step, &["fresh", "cut", "put_original", "read_only"])),
        }
        Ok(Value::Null)
    }
}

/// Mounts a fresh copy of the image, with hoststate in it.
fn fresh(mounts: &Mounts, place: &Place) -> Result<Root> {
    let copy = place.work.join("copy.ext4");
    Call::new(["cp", "--sparse=always", "--reflink=auto"]).args([&place.images[0], &copy]).succeed()?;
    let root = mounts.mount(&copy)?;
    let inside = root.join(HOSTSTATE);
    files::make_directory(inside.parent().unwrap_or(&inside))?;
    Call::new([Path::new("cp"), &place.hoststate, &inside]).succeed()?;
    root.install()?;
    Ok(root)
}
