//! initramfs-tools of Debian and Ubuntu.

use std::path::{Path, PathBuf};

use hoststate_abi::host_view::HostView;
use hoststate_abi::setting::{Place, Remedy, Setting, State};
use hoststate_abi::step::Step;
use hoststate_core::error::Result;
use hoststate_core::formats::modprobe_conf::ModuleName;
use hoststate_core::formats::module_list::{ListKind, ModuleList};
use hoststate_core::formats::shell_assignments::{Environment, Shell, ShellFile, Value};
use hoststate_core::machine::image_contents::Contents;
use hoststate_core::mechanism::distro::{CopiedFile, ImageContent, Initramfs};

use super::image::{self, Kernel};

#[cfg(test)]
mod tests;

/// Modules that the initramfs loads after its udev has looked at the devices, in this order.
const MODULES: &str = "/etc/initramfs-tools/modules";

/// The copy of [`MODULES`] in an image.
const MODULES_INSIDE: &str = "conf/modules";

/// Holds `update_initramfs=`.
const UPDATE_CONF: &str = "/etc/initramfs-tools/update-initramfs.conf";

/// initramfs-tools.
#[derive(Debug)]
pub(crate) struct InitramfsTools;

impl Initramfs for InitramfsTools {
    fn name(&self) -> &str {
        "initramfs-tools"
    }

    fn contents(&self, host: &HostView, wanted: &ImageContent) -> Result<Vec<Setting>> {
        self.of_images(host, |kernel| {
            let unknown = kernel.unknown(&wanted.modules);
            if !unknown.is_empty() {
                return Ok(kernel.blocked(&unknown));
            }
            kernel.setting(image::wish(&wanted.files, &wanted.modules), |contents| {
                let mut lacks = image::missing_files(host, contents, &wanted.files)?;
                lacks.extend(kernel.missing_modules(contents, &wanted.modules));
                Ok(lacks)
            })
        })
    }

    fn listed(&self, host: &HostView) -> Result<Vec<String>> {
        let list =
            host.parsed(Path::new(MODULES), |text| ModuleList::parse(ListKind::InitramfsTools, text))?;
        let line = |(module, arguments): (&str, Option<&str>)| match arguments {
            Some(arguments) => format!("{module} {arguments}"),
            None => module.to_owned(),
        };
        Ok(list.iter().flat_map(|it| it.entries()).map(line).collect())
    }

    fn early_modules(&self, host: &HostView, wanted: &[ModuleName]) -> Result<Vec<Setting>> {
        let text = host.read(Path::new(MODULES))?.unwrap_or_default();
        let mut list = ModuleList::parse(ListKind::InitramfsTools, &text);
        let missing: Vec<&ModuleName> = wanted.iter().filter(|it| !list.contains(it)).collect();
        let mut settings = Vec::new();
        if missing.is_empty() {
            settings.push(Setting::persistent(Path::new(MODULES), State::Converged));
        } else {
            let actual = Some(list.modules().join(", ")).filter(|it| !it.is_empty());
            missing.into_iter().for_each(|it| list.add(it));
            let step = Step::WriteFile { path: MODULES.into(), text: list.to_string() };
            let desired = Some(list.modules().join(", "));
            let state = State::Drifted { actual, desired, remedy: Remedy::Steps(vec![step]) };
            settings.push(Setting::persistent(Path::new(MODULES), state));
        }
        settings.extend(self.of_images(host, |kernel| {
            let unknown = kernel.unknown(wanted);
            if !unknown.is_empty() {
                return Ok(kernel.blocked(&unknown));
            }
            kernel.setting(format!("loads {}", image::list(wanted)), |contents| {
                let mut lacks: Vec<String> = kernel.missing_modules(contents, wanted).into_iter().collect();
                lacks.extend(not_loaded(kernel, contents, wanted));
                Ok(lacks)
            })
        })?);
        Ok(settings)
    }

    /// The hook of udev takes every rule that no package has under the same name.
    fn copied(&self, _host: &HostView) -> Result<Vec<String>> {
        Ok(["/etc/modprobe.d", "/etc/udev/rules.d"].map(str::to_owned).into())
    }

    fn stale_copies(&self, host: &HostView, files: &[CopiedFile]) -> Result<Vec<Setting>> {
        self.of_images(host, |kernel| kernel.copies(host, files))
    }

    fn without_early_modules(&self, host: &HostView, unwanted: &[ModuleName]) -> Result<Vec<Setting>> {
        let path = Path::new(MODULES);
        let text = host.read(path)?.unwrap_or_default();
        let mut list = ModuleList::parse(ListKind::InitramfsTools, &text);
        let listed = list.modules().join(", ");
        unwanted.iter().for_each(|it| list.remove(it));
        let state = if list.to_string() == text {
            State::Converged
        } else {
            // The package brings a file of comments; one without any was made for these modules.
            let step = match list.to_string() {
                text if text.is_empty() => Step::RemoveFile { path: MODULES.into() },
                text => Step::WriteFile { path: MODULES.into(), text },
            };
            let desired = Some(list.modules().join(", ")).filter(|it| !it.is_empty());
            State::Drifted { actual: Some(listed), desired, remedy: Remedy::Steps(vec![step]) }
        };
        let mut settings = vec![Setting::persistent(path, state)];
        settings.extend(self.of_images(host, |kernel| {
            kernel.without(format!("does not load {}", image::list(unwanted)), |contents| {
                let list = ModuleList::parse(ListKind::InitramfsTools, contents.text(MODULES_INSIDE));
                Ok(image::loads(unwanted.iter().filter(|it| list.contains(it))))
            })
        })?);
        Ok(settings)
    }

    fn image(&self, _: &HostView, kernel: &str) -> Result<PathBuf> {
        Ok(PathBuf::from(format!("/boot/initrd.img-{kernel}")))
    }

    /// `-u` refuses a kernel without an image, `-c` makes a first one.
    fn rebuild(&self, host: &HostView, kernel: &str) -> Result<Vec<String>> {
        let how = if host.exists(&self.image(host, kernel)?)? { "-u" } else { "-c" };
        Ok(["update-initramfs", how, "-k", kernel].map(str::to_owned).to_vec())
    }
}

impl InitramfsTools {
    /// Returns one setting for each image, which is blocked where the tool would do nothing about it.
    fn of_images(
        &self,
        host: &HostView,
        setting: impl Fn(&Kernel) -> Result<Setting>,
    ) -> Result<Vec<Setting>> {
        let switched_off = switched_off(host)?;
        let all = image::kernels(host, self)?;
        all.iter().map(|it| Ok(unless_switched_off(setting(it)?, it, switched_off.as_ref()))).collect()
    }
}

/// Says which modules the image holds and does not load; built-in ones need no loading.
fn not_loaded(kernel: &Kernel, contents: &Contents, wanted: &[ModuleName]) -> Option<String> {
    let list = ModuleList::parse(ListKind::InitramfsTools, contents.text(MODULES_INSIDE));
    let mut missing = wanted.iter().filter(|it| !list.contains(it) && !kernel.has_builtin(it)).peekable();
    missing.peek()?;
    Some(format!("does not load {}", image::list(missing)))
}

/// Returns where `update_initramfs=no` stands, which makes `update-initramfs -u` succeed without doing anything.
fn switched_off(host: &HostView) -> Result<Option<Place>> {
    let path = Path::new(UPDATE_CONF);
    let Some(file) = host.parsed(path, ShellFile::parse)? else { return Ok(None) };
    let mut environment = Environment::default();
    file.evaluate(&mut environment, Shell::Dash);
    let off = matches!(environment.get("update_initramfs"), Some(Value::Known(value)) if value == "no");
    let line = file.assignments().filter(|it| it.name == "update_initramfs").last().map(|it| it.line);
    Ok(off.then(|| Place { file: path.to_owned(), line }))
}

fn unless_switched_off(setting: Setting, kernel: &Kernel, switched_off: Option<&Place>) -> Setting {
    // A first image is made by `-c`, which does not ask.
    let (Some(place), true) = (switched_off, kernel.contents.is_some()) else { return setting };
    match setting.state {
        State::Drifted { actual, desired, .. } => {
            let reason =
                "update_initramfs=no makes update-initramfs do nothing and report success; set it to yes";
            let (by, reason) = (Some(place.clone()), reason.to_owned());
            Setting { state: State::Blocked { actual, desired, by, reason }, ..setting }
        }
        _ => setting,
    }
}
