//! What a resource is: a desired state that can compare itself with a host.

use std::fmt;
use std::path::Path;
use std::rc::Rc;

use hoststate_abi::host_view::HostView;
use hoststate_abi::pci_address::PciAddress;
use hoststate_abi::setting::Setting;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::error::{Error, Result};
use crate::formats::kernel_cmdline::{Cmdline, CmdlineEdit, Parameter};
use crate::formats::pci::PciIdPattern;
use crate::language::contradiction::Claim;
use crate::language::selector::DeviceSelector;
use crate::machine::identity::Meant;
use crate::machine::pci_bus::DriverName;
use crate::mechanism::distro::Distro;

/// A desired state that can compare itself with a host.
pub trait Resource: fmt::Debug {
    /// Returns every setting this resource governs, as found and as wanted.
    ///
    /// Writes nothing, runs nothing, does not sleep; the same host gives the same settings.
    ///
    /// # Errors
    /// When the host cannot be read, or cannot be what is wanted for a reason the user must mend.
    fn inspect(&self, cx: Context<'_>) -> Result<Vec<Setting>>;

    /// Returns what it hands over to built-in types, in this order. Who asks what is wanted of a host asks these too,
    /// so they are the same whether they are so already or not.
    ///
    /// # Errors
    /// As for [`Self::inspect`].
    fn parts(&self, _cx: Context<'_>) -> Result<Vec<Rc<dyn Resource>>> {
        Ok(Vec::new())
    }

    /// Returns the fields of a declaration of it, taken apart into what counts by itself: each parameter, option, module and
    /// id. What sets nothing is not among it.
    fn items(&self, desired: &Map<String, Value>) -> Vec<Map<String, Value>> {
        vec![desired.clone()]
    }

    /// Returns what it wants of what others may want otherwise, as far as no host is needed to tell.
    fn claims(&self) -> Vec<Claim> {
        Vec::new()
    }

    /// Returns the PCI device it is about, which must be there or be made by another resource.
    fn device(&self) -> Option<&DeviceSelector> {
        None
    }

    /// Returns which device it was when what is in place for it was written; `address` is where it is now.
    ///
    /// # Errors
    /// When the host cannot be read.
    fn meant(&self, _host: &HostView, _address: PciAddress) -> Result<Option<Meant>> {
        Ok(None)
    }

    /// Returns the driver that its device shall have.
    fn driver(&self) -> Option<&DriverName> {
        None
    }

    /// Returns the ids that devices are to be claimed by.
    fn ids(&self) -> &[PciIdPattern] {
        &[]
    }

    /// Returns how many virtual functions it gives its device.
    fn virtual_functions(&self) -> Option<u16> {
        None
    }

    /// Returns the kernel parameters that it adds, whatever the host.
    fn parameters(&self) -> Vec<&Parameter> {
        Vec::new()
    }

    /// Returns what this resource wants of the kernel command line, for a boot that tries it once; `None` when it wants
    /// nothing there.
    ///
    /// # Errors
    /// As for [`Self::inspect`].
    fn cmdline(&self, _cx: Context<'_>) -> Result<Option<CmdlineEdit>> {
        Ok(None)
    }
}

/// What a resource compares itself with.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// The host, as it will be when the resources before this one are applied.
    pub host: &'a HostView,
    /// Which mechanisms it uses.
    pub distro: &'a Distro,
    /// For what shall be absent, the host as it was before the runs that set it, as far as records tell: its files.
    pub before: Option<&'a HostView>,
}

impl<'a> Context<'a> {
    /// Returns a host of which no earlier run is known.
    pub fn new(host: &'a HostView, distro: &'a Distro) -> Self {
        Self { host, distro, before: None }
    }

    /// Returns the kernel command line of the next boot; of a host whose loader is left alone, that of the running kernel.
    ///
    /// # Errors
    /// When the files of the loader cannot be read.
    pub fn future(&self) -> Result<Cmdline> {
        match self.distro.bootloader.future(self.host) {
            Err(Error::Unsupported { .. }) => {
                let running = self.host.read_lossy(Path::new("/proc/cmdline"))?.unwrap_or_default();
                Ok(Cmdline::parse(running.trim_end()))
            }
            told => told,
        }
    }
}

/// A resource type: its desired state is the implementing struct itself.
pub trait ResourceType: Resource + DeserializeOwned + JsonSchema + 'static {
    /// Name in playbooks.
    const NAME: &'static str;

    /// Returns the name of a declaration whose author gave none.
    fn default_name(&self) -> String;

    /// Refuses values that the types of the fields let through.
    ///
    /// # Errors
    /// When the declaration cannot be right on any host.
    fn validate(&self) -> Result<()> {
        Ok(())
    }

    /// Returns every setting that is otherwise while the host has what this type would set: found where it stands, in
    /// files, in images and in the running kernel, and wanted gone.
    ///
    /// # Errors
    /// As for [`Resource::inspect`].
    fn absent(&self, cx: Context<'_>) -> Result<Vec<Setting>>;

    /// Refuses fields that say nothing of what could be taken out.
    ///
    /// # Errors
    /// When a declaration that is to be absent has such.
    fn validate_absent(&self) -> Result<()> {
        Ok(())
    }

    /// Returns what taking it out does to the kernel command line, as [`Resource::cmdline`].
    ///
    /// # Errors
    /// As for [`Resource::inspect`].
    fn absent_cmdline(&self, _cx: Context<'_>) -> Result<Option<CmdlineEdit>> {
        Ok(None)
    }
}
