//! Which modprobe.d a module is loaded with at the next boot: the image's copy for what the image loads, the root's for
//! the rest.

use std::path::PathBuf;
use std::rc::Rc;

use hoststate_abi::about::About;
use hoststate_abi::host_view::HostView;
use hoststate_abi::setting::State;

use super::supported;
use crate::error::Result;
use crate::formats::kernel_cmdline::Cmdline;
use crate::formats::modprobe_conf::{ModprobeView, ModuleName, Origin};
use crate::formats::module_index::ModulesBuiltin;
use crate::machine::image_contents::{self, Unpacked};
use crate::machine::kernels;
use crate::machine::modprobe_d;
use crate::mechanism::distro::Distro;

/// What modules are loaded with at the next boot.
#[derive(Debug, Default)]
pub(super) struct Policy {
    image: PathBuf,
    contents: Option<Unpacked>,
    inside: Option<ModprobeView>,
    root: ModprobeView,
    /// That of modules which are built in: no file counts for them.
    none: ModprobeView,
    builtin: Option<Rc<ModulesBuiltin>>,
    /// Modules that the image loads before udev looks at the devices.
    early: Vec<ModuleName>,
    /// The command that makes the image anew.
    rebuild: Option<String>,
}

impl Policy {
    /// Reads both for a kernel and its parameters; `candidates` are the modules of which it shall be known whether the
    /// image loads them by itself.
    pub(super) fn read(
        host: &HostView,
        distro: &Distro,
        kernel: Option<&str>,
        parameters: &Cmdline,
        candidates: &[ModuleName],
    ) -> Result<Self> {
        let root = modprobe_d::read_for(host, kernel, parameters)?;
        let mut policy = Self { root, ..Self::default() };
        let Some(release) = kernel else { return Ok(policy) };
        let builtin = kernels::modules_directory(release).join("modules.builtin");
        policy.builtin = host.parsed(&builtin, ModulesBuiltin::parse)?;
        let image = distro.initramfs.image(host, release)?;
        let contents = image_contents::read(host, &image)?;
        let readable = contents.as_ref().and_then(|it| it.as_ref().ok());
        let inside = readable.map(|it| it.modprobe(parameters));
        let is_inside = |it: &&ModuleName| readable.is_some_and(|inside| inside.modules.contains(*it));
        for module in candidates.iter().filter(is_inside) {
            let by_parameter =
                parameters.parameters().filter(|it| it.same_name("rd.driver.pre")).any(|parameter| {
                    parameter.value().is_some_and(|it| it.split(',').any(|it| module.is_spelled(it)))
                });
            let wanted = std::slice::from_ref(module);
            let settings = supported(distro.initramfs.early_modules(host, wanted))?.unwrap_or_default();
            let about = About::Image(image.clone());
            let by_image = settings.iter().any(|it| it.about == about && it.state == State::Converged);
            // Only dracut reads that parameter.
            if by_image || (by_parameter && distro.initramfs.name() == "dracut") {
                policy.early.push(module.clone());
            }
        }
        policy.rebuild = supported(distro.initramfs.rebuild(host, release))?.map(|it| it.join(" "));
        Ok(Self { image, contents, inside, ..policy })
    }

    /// Returns the image, for evidence.
    pub(super) fn image(&self) -> String {
        self.image.display().to_string()
    }

    /// Returns what makes the image hold what the root holds.
    pub(super) fn mend(&self) -> String {
        match &self.rebuild {
            Some(command) => format!("rebuild the image with `{command}`"),
            None => "rebuild the image".to_owned(),
        }
    }

    /// Returns why the image cannot be read, if there is one that cannot.
    pub(super) fn unreadable(&self) -> Option<&str> {
        self.contents.as_ref()?.as_ref().err().map(String::as_str)
    }

    /// Returns whether the image has a module's file.
    pub(super) fn holds(&self, module: &ModuleName) -> bool {
        matches!(&self.contents, Some(Ok(it)) if it.modules.contains(module))
    }

    /// Returns whether the image loads a candidate before udev looks at the devices.
    pub(super) fn loads_early(&self, module: &ModuleName) -> bool {
        self.early.contains(module)
    }

    /// Returns whether a module that claims no device by itself is loaded by the image: because it is listed there, or
    /// a module in the image drags it along.
    pub(super) fn loads(&self, module: &ModuleName) -> bool {
        let (Some(inside), Some(Ok(contents))) = (&self.inside, &self.contents) else {
            return false;
        };
        let drags = |it: &ModuleName| {
            inside.softdep(it).is_some_and(|softdep| {
                let mut named = softdep.value.pre.iter().chain(&softdep.value.post);
                named.any(|it| module.is_spelled(it))
            })
        };
        self.holds(module) && (self.loads_early(module) || contents.modules.iter().any(drags))
    }

    /// Returns whether a module is part of the kernel.
    pub(super) fn is_builtin(&self, module: &ModuleName) -> bool {
        self.builtin.as_ref().is_some_and(|it| it.contains(module))
    }

    /// Returns what stands in the root file system, whether it reaches a module or not.
    pub(super) fn written(&self) -> &ModprobeView {
        &self.root
    }

    /// Returns that of the root file system.
    pub(super) fn of_root(&self, module: &ModuleName) -> &ModprobeView {
        if self.is_builtin(module) { &self.none } else { &self.root }
    }

    /// Returns that of a module which udev loads by a device's ids: the first udev that finds its file loads it.
    pub(super) fn of_driver(&self, module: &ModuleName) -> &ModprobeView {
        self.inside.as_ref().filter(|_| self.holds(module)).unwrap_or(self.of_root(module))
    }

    /// Returns that of a module which is loaded when something asks for it.
    pub(super) fn of_claimer(&self, module: &ModuleName) -> &ModprobeView {
        self.inside.as_ref().filter(|_| self.loads(module)).unwrap_or(self.of_root(module))
    }

    /// Returns where a line that counts for a driver's module stands.
    pub(super) fn place(&self, module: &ModuleName, origin: &Origin) -> String {
        match origin {
            Origin::CommandLine { parameter } => format!("the kernel command line: {parameter}"),
            Origin::File { .. } if self.inside.is_some() && self.holds(module) => {
                format!("{} in {}", modprobe_d::place(origin), self.image())
            }
            Origin::File { .. } => modprobe_d::place(origin).to_string(),
        }
    }
}
