//! A simulated host: a tree that answers writes as the kernel and the tools would.
//!
//! What it does follows measurements on Linux 6.1 and 6.12 with QEMU's `igb`, not a model of the kernel's insides.

use std::cell::{Cell, RefCell};
use std::path::Path;

use hoststate_abi::host_view::HostView;
use hoststate_abi::step::Step;
use hoststate_core::error::{Error, Result};
use hoststate_core::formats::pci::PciIdPattern;
use hoststate_core::host::{Done, Host};

use crate::tree::Tree;

mod boot;
mod kernel;
mod modules;
#[cfg(test)]
mod tests;
mod tools;
mod udev;

/// A host that can be changed without a machine.
#[derive(Debug)]
pub struct SimHost {
    tree: Tree,
    /// Drivers that a kernel knows for ids, `8086:10ca` to `igbvf`.
    native: Vec<(String, String)>,
    /// The ids vfio-pci was loaded with; the kernel shows them nowhere.
    claimed: RefCell<Vec<PciIdPattern>>,
    performed: RefCell<Vec<Step>>,
    cut_after: Cell<Option<usize>>,
    boots: Cell<u32>,
    has_udev: bool,
    /// A parameter of the command line with which the kernel panics.
    fatal_parameter: Option<String>,
    /// A driver whose probe fails for every device.
    refusing: Option<String>,
}

impl SimHost {
    /// Returns a host whose `/` is this tree.
    pub fn new(tree: Tree) -> Self {
        Self {
            tree,
            native: Vec::new(),
            claimed: RefCell::default(),
            performed: RefCell::default(),
            cut_after: Cell::new(None),
            boots: Cell::new(0),
            has_udev: true,
            fatal_parameter: None,
            refusing: None,
        }
    }

    /// Lets a driver, once it is registered, take devices with these ids, `8086:10ca`.
    #[must_use]
    pub fn native(mut self, ids: &str, driver: &str) -> Self {
        self.native.push((ids.to_owned(), driver.to_owned()));
        self
    }

    /// Takes udev away: devices that appear from now on get what the kernel gives them, and no more.
    #[must_use]
    pub fn without_udev(self) -> Self {
        Self { has_udev: false, ..self }
    }

    /// Lets kernels panic that are given this parameter.
    #[must_use]
    pub fn panics_with(self, parameter: &str) -> Self {
        Self { fatal_parameter: Some(parameter.to_owned()), ..self }
    }

    /// Lets a driver fail to probe any device.
    #[must_use]
    pub fn refused_by(self, driver: &str) -> Self {
        Self { refusing: Some(driver.to_owned()), ..self }
    }

    /// Makes every step after the next `n` fail, as a power cut would.
    #[must_use]
    pub fn cut_after(self, n: usize) -> Self {
        self.cut_after.set(Some(n));
        self
    }

    /// Lets steps succeed again.
    pub fn mend(&self) {
        self.cut_after.set(None);
    }

    /// Returns the tree.
    pub fn tree(&self) -> &Tree {
        &self.tree
    }

    /// Returns the steps that were performed, failed ones left out.
    pub fn performed(&self) -> Vec<Step> {
        self.performed.borrow().clone()
    }

    /// Boots: what is in files becomes true, what was only in the kernel is gone. A kernel that panics is followed by
    /// one more boot: it reboots by itself, or somebody cycles the power.
    ///
    /// # Panics
    /// When the kernel of that boot panics as well: nobody gets into this host again.
    pub fn reboot(&self) {
        for _ in 0..2 {
            self.boots.set(self.boots.get() + 1);
            if boot::boot(self, self.boots.get()) {
                return;
            }
        }
        panic!("the kernel panics in every boot");
    }

    fn refuse(path: &Path, value: &str, errno: i32) -> Error {
        Error::Attribute {
            path: path.to_owned(),
            value: value.to_owned(),
            why: std::io::Error::from_raw_os_error(errno).to_string(),
            hint: None,
        }
    }
}

impl Host for SimHost {
    fn view(&self) -> HostView {
        self.tree.view()
    }

    fn perform(&self, step: &Step) -> Result<Done> {
        match self.cut_after.get() {
            Some(0) => return Err(std::io::Error::other("the power is cut").into()),
            Some(left) => self.cut_after.set(Some(left - 1)),
            None => {}
        }
        let done = match step {
            Step::WriteFile { path, text } => {
                self.tree.write(path, text);
                Done::default()
            }
            Step::EditFile { path, edits } => {
                self.tree.write(path, self.view().edited(path, edits)?);
                Done::default()
            }
            Step::RemoveFile { path } => {
                self.tree.remove(self.view().resolve(path)?);
                Done::default()
            }
            Step::WriteAttribute { path, value } => {
                let resolved = self.view().resolve(path)?;
                kernel::write(self, &resolved, value).map_err(|errno| Self::refuse(path, value, errno))?;
                Done::default()
            }
            Step::Run { argv } => tools::run(self, argv)?,
        };
        self.performed.borrow_mut().push(step.clone());
        Ok(done)
    }

    fn sync(&self) -> Result<()> {
        Ok(())
    }

    fn wait_for_devices(&self, _attempt: u32) -> bool {
        // Everything here happens at once.
        false
    }
}
