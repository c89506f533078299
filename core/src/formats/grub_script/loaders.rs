//! Commands that load what boots: kernels, their modules, other loaders.

use super::commands::{BAD_ARGUMENT, Call, FILE_NOT_FOUND};
use super::machine::{Flow, Machine, Status};
use super::text::Text;
use super::{Argument, Boot, Command, End};

/// Commands that load something, and those that load what goes with it.
const LOADERS: [(&str, &str); 17] = [
    ("linux", "initrd"),
    ("linux16", "initrd16"),
    ("linuxefi", "initrdefi"),
    ("multiboot", "module"),
    ("multiboot2", "module2"),
    ("xen_hypervisor", "xen_module"),
    ("chainloader", ""),
    ("ntldr", ""),
    ("freedos", ""),
    ("truecrypt", ""),
    ("plan9", ""),
    ("pxechainloader", ""),
    ("appleloader", ""),
    ("legacy_kernel", "legacy_initrd"),
    ("kfreebsd", "kfreebsd_module"),
    ("knetbsd", "knetbsd_module"),
    ("kopenbsd", "kopenbsd_ramdisk"),
];

/// What is loaded and waits for `boot`.
pub(super) struct Loaded(Boot);

impl Machine<'_> {
    /// Runs a command that loads something; `None` if it is none.
    pub(super) fn load(&mut self, call: &Call<'_>) -> Flow<Option<Status>> {
        let name = call.name;
        if LOADERS.iter().any(|it| it.0 == name) {
            return self.load_first(call).map(Some);
        }
        // `linux` with `initrdefi` works too, where both exist: they are one command there.
        let needs = |it: &&(&str, &str)| it.1 == name && !name.is_empty();
        match LOADERS.iter().find(needs) {
            Some((loader, _)) => self.load_module(call, loader).map(Some),
            None => Ok(None),
        }
    }

    fn load_first(&mut self, call: &Call<'_>) -> Flow<Status> {
        let arguments = without_options(call.arguments);
        let Some(file) = arguments.first() else {
            return Ok(if call.name == "appleloader" { 0 } else { BAD_ARGUMENT });
        };
        if !self.loads(file, call)? {
            return Ok(FILE_NOT_FOUND);
        }
        let loader = to_command(call, arguments);
        self.loaded = Some(Loaded(Boot { loader, modules: Vec::new() }));
        Ok(0)
    }

    fn load_module(&mut self, call: &Call<'_>, loader: &str) -> Flow<Status> {
        let family = |name: &str| name.trim_end_matches("16").trim_end_matches("efi").to_owned();
        let is_loaded = self.loaded.as_ref().is_some_and(|it| family(&it.0.loader.name) == family(loader));
        let arguments = without_options(call.arguments);
        if !is_loaded {
            return Ok(self.fail(
                call.place,
                format!("`{}` comes before `{loader}`", call.name),
                BAD_ARGUMENT,
            ));
        }
        if arguments.is_empty() {
            return Ok(BAD_ARGUMENT);
        }
        let is_initrd = call.name.contains("initrd");
        let files = if is_initrd { arguments } else { &arguments[..1] };
        for file in files {
            // `newc:NAME:FILE` gives a file a name inside of the initramfs.
            let named = file.text.strip_prefix("newc:").and_then(|it| it.find(':'));
            let file = named.map_or_else(|| file.clone(), |it| file.slice(it + 6, file.text.len()));
            if !self.loads(&file, call)? {
                return Ok(FILE_NOT_FOUND);
            }
        }
        let command = to_command(call, arguments);
        if let Some(Loaded(boot)) = &mut self.loaded {
            // A second `initrd` takes the place of the first.
            if is_initrd {
                boot.modules.clear();
            }
            boot.modules.push(command);
        }
        Ok(0)
    }

    /// Returns whether a file can be loaded.
    fn loads(&mut self, file: &Text, call: &Call<'_>) -> Flow<bool> {
        let path = file.text.split_once(')').filter(|_| file.text.starts_with('('));
        let path = path.map_or(file.text.as_str(), |it| it.1);
        let is_list_of_blocks =
            call.name.ends_with("chainloader") && path.contains('+') && !path.starts_with('/');
        let is_loaded = is_list_of_blocks || self.opens(file, call.place)?;
        if !is_loaded {
            self.fail(call.place, format!("`{}` finds no file `{}`", call.name, file.text), FILE_NOT_FOUND);
        }
        Ok(is_loaded)
    }

    pub(super) fn boot_loaded(&mut self, call: &Call<'_>) -> Flow<Status> {
        self.start_loaded()?;
        Ok(self.fail(call.place, "nothing is loaded that `boot` could start", super::commands::NO_KERNEL))
    }

    /// Starts what is loaded.
    pub(super) fn start_loaded(&mut self) -> Flow<()> {
        match self.loaded.take() {
            Some(Loaded(boot)) => Err(Box::new(End::Boot(boot))),
            None => Ok(()),
        }
    }
}

fn without_options(arguments: &[Text]) -> &[Text] {
    let first = arguments.iter().position(|it| !it.text.starts_with("--"));
    &arguments[first.unwrap_or(arguments.len())..]
}

fn to_command(call: &Call<'_>, arguments: &[Text]) -> Command {
    super::machine::command(call.name, call.place, arguments)
}

impl Boot {
    /// Returns the command that loads the Linux kernel: the loader itself, or the first module of Xen.
    pub fn linux(&self) -> Option<&Command> {
        match self.loader.name.as_str() {
            "linux" | "linux16" | "linuxefi" => Some(&self.loader),
            "multiboot" | "multiboot2" | "xen_hypervisor" => self.modules.first(),
            _ => None,
        }
    }

    /// Returns the parameters of the Linux kernel, without its path.
    pub fn parameters(&self) -> &[Argument] {
        self.linux().and_then(|it| it.arguments.get(1..)).unwrap_or_default()
    }

    /// Returns the paths of its initramfs images.
    pub fn initrds(&self) -> Vec<&Argument> {
        match self.loader.name.as_str() {
            "linux" | "linux16" | "linuxefi" => self.modules.iter().flat_map(|it| &it.arguments).collect(),
            "multiboot" | "multiboot2" | "xen_hypervisor" => {
                self.modules.iter().skip(1).filter_map(|it| it.arguments.first()).collect()
            }
            _ => Vec::new(),
        }
    }

    /// Returns what stands on `/proc/cmdline` behind `BOOT_IMAGE=…`, quoted as `grub_create_loader_cmdline` does it.
    pub fn command_line(&self) -> String {
        let quote = |it: &Argument| {
            let escaped = |it: char| match it {
                '\\' | '\'' | '"' => vec!['\\', it],
                it => vec![it],
            };
            let text: String = it.text.chars().flat_map(escaped).collect();
            if text.contains(' ') { format!("\"{text}\"") } else { text }
        };
        self.parameters().iter().map(quote).collect::<Vec<_>>().join(" ")
    }
}
