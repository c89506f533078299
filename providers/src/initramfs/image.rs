//! One kernel's image and modules, read once per view, and how they compare with what is wanted.

use std::path::{Path, PathBuf};
use std::rc::Rc;

use hoststate_abi::about::About;
use hoststate_abi::activation::Activation;
use hoststate_abi::host_view::HostView;
use hoststate_abi::setting::{Remedy, Setting, State};
use hoststate_core::error::Result;
use hoststate_core::formats::modprobe_conf::ModuleName;
use hoststate_core::formats::module_index::{ModulesBuiltin, ModulesDep};
use hoststate_core::machine::image_contents::{self, Contents, Unpacked};
use hoststate_core::machine::kernels;
use hoststate_core::machine::module_names::{COMPARED, ModuleNames};
use hoststate_core::mechanism::distro::{CopiedFile, ImageFile, Initramfs};

/// An installed kernel with its image and its modules.
#[derive(Debug)]
pub(super) struct Kernel {
    /// Release, as `uname -r` prints it.
    pub(super) release: String,
    image: PathBuf,
    /// What is inside its image; a text says why that cannot be told.
    pub(super) contents: Option<Unpacked>,
    builtin: Option<Rc<ModulesBuiltin>>,
    loadable: Option<Rc<ModulesDep>>,
}

/// Reads every installed kernel.
///
/// # Errors
/// When a file exists and cannot be read; a damaged image is no error here.
pub(super) fn kernels(host: &HostView, generator: &dyn Initramfs) -> Result<Vec<Kernel>> {
    let installed = kernels::installed(host)?;
    let images = installed.0.iter().map(|it| generator.image(host, it)).collect::<Result<Vec<_>>>()?;
    let read = image_contents::read_all(host, &images)?;
    let mut all = Vec::new();
    for ((release, image), contents) in installed.0.iter().zip(images).zip(read) {
        let modules = kernels::modules_directory(release);
        let builtin = host.parsed(&modules.join("modules.builtin"), ModulesBuiltin::parse)?;
        let loadable = host.parsed(&modules.join("modules.dep"), ModulesDep::parse)?;
        all.push(Kernel { release: release.clone(), image, contents, builtin, loadable });
    }
    Ok(all)
}

impl Kernel {
    /// Returns whether a module needs no file because it is part of the kernel.
    pub(super) fn has_builtin(&self, module: &ModuleName) -> bool {
        self.builtin.as_ref().is_some_and(|it| it.contains(module))
    }

    /// Returns whether the image has a module's file, or needs none.
    pub(super) fn has(&self, module: &ModuleName) -> bool {
        let inside = matches!(&self.contents, Some(Ok(it)) if it.modules.contains(module));
        inside || self.has_builtin(module)
    }

    /// Returns the modules that this kernel has neither built in nor as a file; none where it has no index.
    pub(super) fn unknown<'a>(&self, modules: &'a [ModuleName]) -> Vec<&'a ModuleName> {
        let Some(loadable) = &self.loadable else { return Vec::new() };
        modules.iter().filter(|it| !self.has_builtin(it) && !loadable.contains(it)).collect()
    }

    /// Compares the image with what it must contain: `lacks` names what is missing in a readable one.
    ///
    /// # Errors
    /// Those of `lacks`.
    pub(super) fn setting(
        &self,
        desired: String,
        lacks: impl FnOnce(&Contents) -> Result<Vec<String>>,
    ) -> Result<Setting> {
        let actual = match &self.contents {
            None => None,
            Some(Err(why)) => Some(why.clone()),
            Some(Ok(contents)) => {
                let lacks = lacks(contents)?;
                if lacks.is_empty() {
                    return Ok(Setting::persistent(self.about(), State::Converged));
                }
                Some(lacks.join("; "))
            }
        };
        let remedy = Remedy::Activation(Activation::Initramfs { kernel: self.release.clone() });
        let state = State::Drifted { actual, desired: Some(desired), remedy };
        Ok(Setting::persistent(self.about(), state))
    }

    /// Compares the image with what it must not contain: `has` names what is there in a readable one. Without an image
    /// nothing is inside.
    ///
    /// # Errors
    /// Those of `has`.
    pub(super) fn without(
        &self,
        desired: String,
        has: impl FnOnce(&Contents) -> Result<Vec<String>>,
    ) -> Result<Setting> {
        match self.contents {
            None => Ok(Setting::persistent(self.about(), State::Converged)),
            Some(_) => self.setting(desired, has),
        }
    }

    /// Compares the copies of files with the files; one of a file that is gone must not be there.
    ///
    /// # Errors
    /// When a file of the host cannot be read.
    pub(super) fn copies(&self, host: &HostView, files: &[CopiedFile]) -> Result<Setting> {
        let named: Vec<String> = files.iter().map(|it| inside(&it.path)).collect();
        self.without(format!("has {} as the host has it", named.join(", ")), |contents| {
            let mut faults = Vec::new();
            for (CopiedFile { path, is_gone }, inside) in files.iter().zip(&named) {
                let Some(text) = contents.files.get(inside) else { continue };
                if *is_gone {
                    faults.push(format!("has {inside}, which is gone"));
                } else if text.as_ref().map(|it| host.has_text(path, it)).transpose()? != Some(Some(true)) {
                    faults.push(format!("has another {inside}"));
                }
            }
            Ok(faults)
        })
    }

    /// Refuses modules that this kernel does not have: no image could contain them.
    pub(super) fn blocked(&self, unknown: &[&ModuleName]) -> Setting {
        let names = list(unknown.iter().copied());
        let own = self.loadable.as_ref().map(|it| ModuleNames::of(&self.release, it, self.builtin.as_ref()));
        let advice = unknown.iter().take(COMPARED).filter_map(|it| own.as_ref()?.advice(it.spelled()));
        let advice: String = advice.map(|it| format!("; {it}")).collect();
        let state = State::Blocked {
            actual: None,
            desired: Some(format!("contains {names}")),
            by: None,
            reason: format!(
                "kernel {} has no module {names}, neither built in nor below {}; install it, or leave it out{advice}",
                self.release,
                kernels::modules_directory(&self.release).display()
            ),
        };
        Setting::persistent(self.about(), state)
    }

    /// Says which of these modules' files are missing; built-in ones have none.
    pub(super) fn missing_modules(&self, contents: &Contents, modules: &[ModuleName]) -> Option<String> {
        let missing = |it: &&ModuleName| !contents.modules.contains(*it) && !self.has_builtin(it);
        let mut missing = modules.iter().filter(missing).peekable();
        missing.peek()?;
        Some(format!("lacks the module {}", list(missing)))
    }

    fn about(&self) -> About {
        About::Image(self.image.clone())
    }
}

/// Says which of the host's files an image lacks, or has with another text.
///
/// # Errors
/// When a file of the host cannot be read.
pub(super) fn missing_files(
    host: &HostView,
    contents: &Contents,
    files: &[ImageFile],
) -> Result<Vec<String>> {
    let mut faults = Vec::new();
    for ImageFile { path, is_edited } in files {
        let inside = inside(path);
        match contents.files.get(&inside) {
            Some(Some(text)) if !is_edited && host.has_text(path, text)? == Some(true) => {}
            Some(_) => faults.push(format!("has another {inside}")),
            None => faults.push(format!("lacks {inside}")),
        }
    }
    Ok(faults)
}

/// Says what an image shall contain.
pub(super) fn wish(files: &[ImageFile], modules: &[ModuleName]) -> String {
    let files = files.iter().map(|it| inside(&it.path));
    let wanted: Vec<String> = files.chain(modules.iter().map(ToString::to_string)).collect();
    format!("contains {}", wanted.join(", "))
}

fn inside(path: &Path) -> String {
    path.strip_prefix("/").unwrap_or(path).display().to_string()
}

/// Says which of these modules an image loads; nothing where there are none.
pub(super) fn loads<'a>(modules: impl Iterator<Item = &'a ModuleName>) -> Vec<String> {
    let named = list(modules);
    if named.is_empty() { Vec::new() } else { vec![format!("loads {named}")] }
}

pub(super) fn list<'a>(modules: impl IntoIterator<Item = &'a ModuleName>) -> String {
    modules.into_iter().map(ModuleName::as_str).collect::<Vec<_>>().join(", ")
}
