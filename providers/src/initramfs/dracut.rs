//! dracut of Red Hat's family, and of Debian hosts that chose it.
//!
//! `/etc/modprobe.d` gets into an image only in host-only mode, so hoststate names its files in `install_items`;
//! modules go into `force_drivers`, which makes dracut load them before udev by `rd.driver.pre=` in the image's
//! `etc/cmdline.d`.

use std::path::{Path, PathBuf};
use std::rc::Rc;

use hoststate_abi::host_view::HostView;
use hoststate_abi::setting::{Place, Remedy, Setting, State};
use hoststate_abi::step::Step;
use hoststate_core::error::Result;
use hoststate_core::formats::dracut_conf::{DracutConf, words};
use hoststate_core::formats::kernel_cmdline::Cmdline;
use hoststate_core::formats::modprobe_conf::ModuleName;
use hoststate_core::machine::image_contents::Contents;
use hoststate_core::mechanism::distro::{CopiedFile, Family, ImageContent, Initramfs};

use super::image::{self, Kernel};
use crate::bootloader::{bls, grub_mkconfig};

#[cfg(test)]
mod tests;

/// Sourced first.
const CONF: &str = "/etc/dracut.conf";

/// Sourced after it in the order of the names; a file of the first directory hides its namesake in the second.
const CONF_D: [&str; 2] = ["/etc/dracut.conf.d", "/usr/lib/dracut/dracut.conf.d"];

/// hoststate's own drop-in.
const OWN: &str = "/etc/dracut.conf.d/zz-hoststate.conf";

/// Where dracut writes what it adds to the command line inside the image.
const CMDLINE_D: &str = "etc/cmdline.d/";

/// dracut.
#[derive(Debug)]
pub(crate) struct Dracut {
    /// Decides the name of images.
    pub(crate) family: Family,
}

/// The configuration files in the order in which they are sourced.
struct Configuration {
    files: Vec<(PathBuf, Rc<DracutConf>)>,
}

impl Initramfs for Dracut {
    fn name(&self) -> &str {
        "dracut"
    }

    fn contents(&self, host: &HostView, wanted: &ImageContent) -> Result<Vec<Setting>> {
        let kernels = image::kernels(host, self)?;
        let configuration = Configuration::read(host)?;
        let files: Vec<String> = wanted.files.iter().map(|it| it.path.display().to_string()).collect();
        let listed = configuration.words("install_items");
        let unlisted: Vec<String> = files.into_iter().filter(|it| !listed.contains(it)).collect();
        let drivers = [configuration.words("add_drivers"), configuration.words("force_drivers")].concat();
        let known = |module: &ModuleName| drivers.iter().any(|it| module.is_spelled(it));
        let inside = |module: &ModuleName| kernels.iter().all(|it| it.has(module));
        // A module that dracut takes in by itself, as part of a module of its own or a dependency, needs no line.
        let absent = wanted.modules.iter().filter(|it| !known(it) && !inside(it)).map(ToString::to_string);
        let additions = [("install_items", unlisted), ("add_drivers", absent.collect())];
        let mut settings = vec![configuration.setting(host, &additions)?];
        for kernel in &kernels {
            let unknown = kernel.unknown(&wanted.modules);
            if !unknown.is_empty() {
                settings.push(kernel.blocked(&unknown));
                continue;
            }
            let desired = image::wish(&wanted.files, &wanted.modules);
            settings.push(kernel.setting(desired, |contents| {
                let mut lacks = image::missing_files(host, contents, &wanted.files)?;
                lacks.extend(kernel.missing_modules(contents, &wanted.modules));
                Ok(lacks)
            })?);
        }
        Ok(settings)
    }

    fn listed(&self, host: &HostView) -> Result<Vec<String>> {
        Ok(Configuration::read(host)?.words("force_drivers"))
    }

    fn early_modules(&self, host: &HostView, wanted: &[ModuleName]) -> Result<Vec<Setting>> {
        let kernels = image::kernels(host, self)?;
        let configuration = Configuration::read(host)?;
        let mut settings = Vec::new();
        // One unknown name makes dracut fail: it must not get into the configuration of the other kernels.
        let blocked = kernels.iter().filter_map(|kernel| {
            let unknown = kernel.unknown(wanted);
            (!unknown.is_empty()).then(|| kernel.blocked(&unknown))
        });
        settings.extend(blocked);
        if !settings.is_empty() {
            return Ok(settings);
        }
        let listed = configuration.words("force_drivers");
        let absent = wanted.iter().filter(|module| !listed.iter().any(|it| module.is_spelled(it)));
        let absent: Vec<String> = absent.map(ToString::to_string).collect();
        settings.push(configuration.setting(host, &[("force_drivers", absent)])?);
        for kernel in &kernels {
            let desired = format!("loads {}", image::list(wanted));
            settings.push(kernel.setting(desired, |contents| {
                let mut lacks: Vec<String> = kernel.missing_modules(contents, wanted).into_iter().collect();
                lacks.extend(not_loaded(kernel, contents, wanted));
                Ok(lacks)
            })?);
        }
        Ok(settings)
    }

    /// Only an image for this host alone has its configuration of kmod and its lists, and none has its rules
    /// (modules.d/90kernel-modules, 01systemd-modules-load, 95udev-rules).
    fn copied(&self, host: &HostView) -> Result<Vec<String>> {
        let configuration = Configuration::read(host)?;
        let mut copied = configuration.words("install_items");
        let hostonly = configuration.words("hostonly");
        // Red Hat's package says so; Debian's says nothing.
        let is_for_host = hostonly
            .last()
            .map_or(self.family == Family::Redhat, |it| matches!(it.as_str(), "yes" | "true" | "1"));
        if is_for_host {
            copied.extend(["/etc/modprobe.d", "/etc/modules-load.d"].map(str::to_owned));
        }
        Ok(copied)
    }

    fn stale_copies(&self, host: &HostView, files: &[CopiedFile]) -> Result<Vec<Setting>> {
        let is_gone = |word: &str| files.iter().any(|it| it.is_gone && it.path == Path::new(word));
        let mut settings = vec![Configuration::read(host)?.without("install_items", &is_gone)];
        for kernel in &image::kernels(host, self)? {
            settings.push(kernel.copies(host, files)?);
        }
        Ok(settings)
    }

    fn without_early_modules(&self, host: &HostView, unwanted: &[ModuleName]) -> Result<Vec<Setting>> {
        let is_unwanted = |word: &str| unwanted.iter().any(|it| it.is_spelled(word));
        let mut settings = vec![Configuration::read(host)?.without("force_drivers", &is_unwanted)];
        for kernel in &image::kernels(host, self)? {
            let desired = format!("does not load {}", image::list(unwanted));
            settings.push(kernel.without(desired, |contents| {
                let loaded = loaded(contents);
                Ok(image::loads(
                    unwanted.iter().filter(|module| loaded.iter().any(|it| module.is_spelled(it))),
                ))
            })?);
        }
        Ok(settings)
    }

    fn image(&self, host: &HostView, kernel: &str) -> Result<PathBuf> {
        Ok(match self.family {
            Family::Debian => PathBuf::from(format!("/boot/initrd.img-{kernel}")),
            Family::Redhat => {
                let named = match bls::image::named_for(host, kernel)? {
                    None => grub_mkconfig::image::named_for(host, kernel)?,
                    named => named,
                };
                named.unwrap_or_else(|| PathBuf::from(format!("/boot/initramfs-{kernel}.img")))
            }
        })
    }

    /// Without a release dracut builds for the running kernel only, and without `--force` it keeps what is there.
    fn rebuild(&self, host: &HostView, kernel: &str) -> Result<Vec<String>> {
        let image = self.image(host, kernel)?.display().to_string();
        Ok(vec!["dracut".to_owned(), "--force".to_owned(), image, kernel.to_owned()])
    }
}

impl Configuration {
    fn read(host: &HostView) -> Result<Self> {
        let mut paths: Vec<(String, PathBuf)> = Vec::new();
        for directory in CONF_D {
            for name in host.list(Path::new(directory))? {
                if name.ends_with(".conf") && !paths.iter().any(|it| it.0 == name) {
                    paths.push((name.clone(), Path::new(directory).join(name)));
                }
            }
        }
        paths.sort();
        paths.insert(0, (String::new(), CONF.into()));
        let mut files = Vec::new();
        for (_, path) in paths {
            if let Some(file) = host.parsed(&path, DracutConf::parse)? {
                files.push((path, file));
            }
        }
        Ok(Self { files })
    }

    /// Returns the words of a list as dracut will have them, glued ones included.
    fn words(&self, name: &str) -> Vec<String> {
        words(self.files.iter().map(|it| it.1.as_ref()), name)
    }

    /// Compares the lists with what they lack, which hoststate's drop-in shall add.
    fn setting(&self, host: &HostView, additions: &[(&str, Vec<String>)]) -> Result<Setting> {
        let mut own = DracutConf::parse(&host.read(Path::new(OWN))?.unwrap_or_default());
        for (list, absent) in additions.iter().filter(|it| !it.1.is_empty()) {
            let mine = words([&own], list);
            let all: Vec<&str> = mine.iter().chain(absent).map(String::as_str).collect();
            own.set_list(list, &all);
        }
        let before = self.files.iter().filter(|it| it.0.as_path() < Path::new(OWN)).map(|it| it.1.as_ref());
        let after = self.files.iter().filter(|it| it.0.as_path() > Path::new(OWN)).map(|it| it.1.as_ref());
        let all: Vec<&DracutConf> = before.chain([&own]).chain(after).collect();
        let (mut actual, mut desired) = (Vec::new(), Vec::new());
        for (list, absent) in additions.iter().filter(|it| !it.1.is_empty()) {
            let result = words(all.iter().copied(), list);
            if let Some(lost) = absent.iter().find(|it| !result.contains(it)) {
                let reason = format!(
                    "`{lost}` does not stay in `{list}`, which is set again, or added to without a blank"
                );
                let desired = Some(format!("{list}: {}", absent.join(" ")));
                let state = State::Blocked { actual: None, desired, by: self.winner(list), reason };
                return Ok(Setting::persistent(Path::new(OWN), state));
            }
            let old = self.words(list);
            if !old.is_empty() {
                actual.push(format!("{list}: {}", old.join(" ")));
            }
            desired.push(format!("{list}: {}", result.join(" ")));
        }
        if desired.is_empty() {
            return Ok(Setting::persistent(Path::new(OWN), State::Converged));
        }
        let step = Step::WriteFile { path: OWN.into(), text: own.to_string() };
        let state = State::Drifted {
            actual: (!actual.is_empty()).then(|| actual.join("; ")),
            desired: Some(desired.join("; ")),
            remedy: Remedy::Steps(vec![step]),
        };
        Ok(Setting::persistent(Path::new(OWN), state))
    }

    /// Compares a list with one that has none of these words, whatever file they stand in.
    fn without(&self, list: &str, is_unwanted: &dyn Fn(&str) -> bool) -> Setting {
        let listed = self.words(list);
        let (mut steps, mut by) = (Vec::new(), None);
        for (path, file) in &self.files {
            let words = words([file.as_ref()], list);
            let kept: Vec<&str> = words.iter().map(String::as_str).filter(|it| !is_unwanted(it)).collect();
            if kept.len() == words.len() {
                continue;
            }
            if !path.starts_with("/etc") {
                by = Some(Place { file: path.clone(), line: None });
                continue;
            }
            let mut file = DracutConf::clone(file);
            file.set_list(list, &kept);
            steps.push(match file.to_string() {
                text if text.is_empty() && path == Path::new(OWN) => Step::RemoveFile { path: path.clone() },
                text => Step::WriteFile { path: path.clone(), text },
            });
        }
        let shown = |words: &[String]| (!words.is_empty()).then(|| format!("{list}: {}", words.join(" ")));
        let rest: Vec<String> = listed.iter().filter(|it| !is_unwanted(it)).cloned().collect();
        let (actual, desired) = (shown(&listed), shown(&rest));
        let state = match by {
            Some(by) => {
                let reason = format!("`{list}` names it in a file that a package brings");
                State::Blocked { actual, desired, by: Some(by), reason }
            }
            None if steps.is_empty() => State::Converged,
            None => State::Drifted { actual, desired, remedy: Remedy::Steps(steps) },
        };
        Setting::persistent(Path::new(OWN), state)
    }

    fn winner(&self, list: &str) -> Option<Place> {
        self.files.iter().rev().find_map(|(path, file)| {
            let assignment = file.assignments().into_iter().rfind(|it| it.name == list)?;
            Some(Place { file: path.clone(), line: Some(assignment.line) })
        })
    }
}

/// Says which modules the image holds and does not load before udev; built-in ones need no loading.
fn not_loaded(kernel: &Kernel, contents: &Contents, wanted: &[ModuleName]) -> Option<String> {
    let loaded = loaded(contents);
    let listed = |module: &ModuleName| loaded.iter().any(|it| module.is_spelled(it));
    let mut missing = wanted.iter().filter(|it| !listed(it) && !kernel.has_builtin(it)).peekable();
    missing.peek()?;
    Some(format!("does not load {}", image::list(missing)))
}

/// Returns the modules that an image loads before udev.
fn loaded(contents: &Contents) -> Vec<String> {
    let mut loaded: Vec<String> = Vec::new();
    for path in contents.files.keys().filter(|it| it.starts_with(CMDLINE_D)) {
        let line = Cmdline::parse(contents.text(path));
        let pre = line.parameters().filter(|it| it.name() == "rd.driver.pre");
        loaded.extend(pre.filter_map(|it| it.value()).flat_map(|it| it.split(',')).map(str::to_owned));
    }
    loaded
}
