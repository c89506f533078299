//! A parameter of a module that is yes or no: what it is now, and what it will be when the module is loaded again.

use std::path::{Path, PathBuf};

use hoststate_abi::host_view::HostView;

use crate::error::{Error, Result};
use crate::formats::kernel_cmdline::Cmdline;
use crate::formats::modprobe_conf::ModuleName;
use crate::machine::modprobe_d;

/// A yes-or-no parameter of a module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModuleSwitch {
    /// What the loaded module has; `None` where it is not loaded, or has no such parameter.
    pub now: Option<bool>,
    /// What a module has that is loaded with the options of this host.
    pub when_loaded: bool,
    /// Where the loaded module shows it.
    pub attribute: PathBuf,
}

impl ModuleSwitch {
    /// Reads a parameter; `future` is the kernel command line of the next boot.
    ///
    /// # Errors
    /// When `/sys/module` or modprobe.d cannot be read.
    pub fn read(host: &HostView, future: &Cmdline, module: &str, name: &str) -> Result<Self> {
        let attribute = Path::new("/sys/module").join(module).join("parameters").join(name);
        let now = host.attribute(&attribute)?.map(|it| is_true(it.trim()));
        let parsed =
            ModuleName::parse(module).map_err(|err| Error::Invalid { what: err.to_string(), hint: None })?;
        // The command line beats every file.
        let wanted = format!("{module}.{name}").replace('-', "_");
        let given = future.parameters().filter(|it| it.name().replace('-', "_") == wanted).last();
        let value = match given {
            Some(parameter) => Some(parameter.value().unwrap_or("1").to_owned()),
            None => modprobe_d::view(host)?.effective_option(&parsed, name).map(|it| it.value),
        };
        Ok(Self { now, when_loaded: value.is_some_and(|it| is_true(&it)), attribute })
    }

    /// Returns whether it is on, or will be once the module is loaded anew.
    pub fn when_loaded_or_on(&self) -> bool {
        self.now == Some(true) || self.when_loaded
    }

    /// Returns whether it is on as soon as the module is used: it is on, or the module is loaded with it first.
    pub fn is_on(&self) -> bool {
        self.now.unwrap_or(self.when_loaded)
    }
}

/// As the kernel reads it (lib/kstrtox.c, `kstrtobool`); a parameter without a value is on.
fn is_true(value: &str) -> bool {
    matches!(value, "" | "y" | "Y" | "1" | "t" | "T" | "on" | "On" | "ON" | "oN")
}
