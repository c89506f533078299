//! Lays a host out twice: as a tree that is asked about, and as an image that is booted.

use std::path::{Path, PathBuf};

use super::{
    Drivers, System,
    answer::Answer,
    host::{Host, LIST},
    machine::{FUNCTIONS, PHYSICAL},
    rack::RACK,
    random::Rules,
};
use crate::{
    archive,
    beds::vm::{once::Once, toolbox::Toolbox},
    error::{Error, Result, check},
    files,
    process::{Call, tail},
};

/// How the root is named in a boot configuration.
const ROOT: &str = "root=UUID=0b7c5d2e-91a4-4f60-8d3b-6a2c17e9f508 ro quiet";
const LAY: &str = include_str!("../../recipes/boots-lay.sh");
/// What boot rules run.
const PROGRAM: &str = "/usr/bin/hoststate";
/// A boot takes 16 s on a quiet machine.
const BOOT_SECONDS: u64 = 600;
const ASK_SECONDS: u64 = 120;

/// What hosts are asked about and booted with.
pub(super) struct Bench<'a> {
    system: System,
    toolbox: Toolbox,
    /// The image of the system.
    made: &'a Path,
    hoststate: &'a Path,
    work: &'a Path,
    release: String,
    /// The rules that hoststate itself writes.
    pub(super) rules: Rules,
    /// The drivers that functions have before a boot.
    pub(super) before: Drivers,
}

impl<'a> Bench<'a> {
    pub(super) fn new(
        system: System,
        toolbox: &Path,
        made: &'a Path,
        hoststate: &'a Path,
        work: &'a Path,
    ) -> Result<Self> {
        let release = files::read(made.join("release"))?.trim().to_owned();
        let (toolbox, rules, before) = (Toolbox::new(toolbox), Rules::default(), Drivers::new());
        let mut bench = Self { system, toolbox, made, hoststate, work, release, rules, before };
        bench.rules = bench.written_rules()?;
        let tree = bench.lay("before", &Host::default())?;
        bench.before = Answer::now(&bench.call(&tree, &["inspect", "devices"])?)?;
        Ok(bench)
    }

    /// Lets hoststate bind all functions, and make virtual ones, on a host that has nothing yet: a group goes as a whole.
    fn written_rules(&self) -> Result<Rules> {
        let tree = self.lay("rules", &Host::default())?;
        let playbook = self.work.join("rules.lua");
        let mut wanted: Vec<String> = FUNCTIONS
            .iter()
            .map(|it| format!("driver_binding {{ device = \"{}\", driver = \"vfio-pci\" }}\n", it.address))
            .collect();
        wanted.push(format!("sriov_numvfs {{ device = \"{}\", numvfs = 2 }}\n", PHYSICAL.address));
        files::write(&playbook, &wanted.concat())?;
        let call = |words: &[&str]| {
            let call =
                Call::new([self.hoststate]).args(words).args([&playbook]).args(["--root"]).args([&tree]);
            call.within(ASK_SECONDS)
        };
        // It takes the console, too: nobody looks at this one.
        let shown = call(&["plan"]).finish()?.stdout;
        let asked = shown.split_whitespace().skip_while(|it| *it != "--accept");
        let accepted = asked.filter(|it| it.starts_with("console-gpu-")).flat_map(|it| ["--accept", it]);
        let finished = call(&["converge", "--yes", "--activate", "skip"]).args(accepted).finish()?;
        let mut rules = Rules::default();
        for file in files::list(tree.join("etc/udev/rules.d"))? {
            let text = files::read(&file)?;
            if file.to_string_lossy().contains("sriov") {
                rules.virtual_functions = text;
                continue;
            }
            for function in &FUNCTIONS {
                let lines = text.lines().filter(|it| it.contains(function.address));
                rules.bindings.insert(function.address, lines.flat_map(|it| [it, "\n"]).collect());
            }
        }
        let said = format!("{}{}{shown}", finished.stdout, finished.stderr);
        let is_written =
            rules.bindings.values().any(|it| it.contains("vfio-pci")) && !rules.virtual_functions.is_empty();
        check(is_written, "driver_binding and sriov_numvfs", "rules of udev", said)?;
        Ok(rules)
    }

    fn call(&self, tree: &Path, words: &[&str]) -> Result<String> {
        let call = Call::new([self.hoststate]).args(words).args(["--format", "json", "--root"]).args([tree]);
        let finished = call.within(ASK_SECONDS).finish()?;
        // What `why` finds may be no good news.
        let is_answer = finished.status == 0 || finished.stdout.starts_with('{');
        let said = || format!("{}{}", finished.stdout, finished.stderr);
        check(is_answer, words.join(" "), "an answer", said())?;
        Ok(finished.stdout)
    }

    /// Asks what the next boot makes of every function; `why` must say the same of those that move.
    pub(super) fn ask(&self, worker: usize, host: &Host) -> Result<Vec<Answer>> {
        let tree = self.lay(&format!("tree{worker}"), host)?;
        let answers = Answer::of(&self.call(&tree, &["inspect", "devices"])?)?;
        for answer in &answers {
            let before = self.before.get(&answer.address);
            if before.is_some_and(|it| answer.moves(it.as_deref())) {
                answer.agrees(&self.call(&tree, &["why", &answer.address])?)?;
            }
        }
        Ok(answers)
    }

    /// Boots the host; returns the driver of every function that is there then.
    pub(super) fn boot(&self, worker: usize, host: &Host, processors: u8) -> Result<Drivers> {
        let place = self.work.join(format!("boot{worker}"));
        let behind = place.join("behind");
        files::remove_tree(&place)?;
        self.write_image_files(&behind, host)?;
        let in_root = |path: &str| !path.starts_with("/etc/initramfs-tools/");
        let mut list = String::new();
        for (path, text) in host.root.iter().filter(|(path, _)| in_root(path)) {
            files::write(behind.join("boots").join(path.trim_start_matches('/')), text)?;
            list.push_str(&format!("file {path}\n"));
        }
        // The tree that is asked about shows no programs, so that rules are presumed to find theirs.
        if host.root.values().any(|it| it.contains(PROGRAM)) {
            files::make_directory(behind.join("boots/usr/bin"))?;
            files::copy(self.hoststate, behind.join("boots").join(PROGRAM.trim_start_matches('/')))?;
            list.push_str(&format!("program {PROGRAM}\n"));
        }
        list.extend(host.links.iter().map(|(path, target)| format!("link {path} {target}\n")));
        files::write(behind.join("boots/list"), &list)?;
        if self.system.has_dracut() {
            files::write_program(behind.join("usr/lib/dracut/hooks/pre-pivot/10-boots.sh"), LAY)?;
        } else {
            files::write_program(behind.join("scripts/init-bottom/00-boots"), LAY)?;
            let order = "/scripts/init-bottom/00-boots \"$@\"\n/scripts/init-bottom/udev \"$@\"\n";
            files::write(behind.join("scripts/init-bottom/ORDER"), order)?;
        }
        let image = place.join("image");
        self.pack(host, &behind, &image)?;
        let words = host.words.join(" ");
        let cmdline = format!(
            "console=ttyS0 panic=-1 no_timer_check root=/dev/vda ro quiet systemd.unit=boots.target {words}"
        );
        let console = Once {
            kernel: &self.made.join("vmlinux"),
            image: &image,
            cmdline: &cmdline,
            memory: 768,
            disks: &[(&self.made.join("root.ext4"), "root")],
            keeps: false,
            devices: RACK,
            processors,
            seconds: BOOT_SECONDS,
        }
        .console(&self.toolbox, &place)?;
        let said = console.lines().filter_map(|line| line.split_once("boots: ")?.1.split_once(' '));
        let drivers = said.filter(|it| it.0.contains(':')).map(|(address, driver)| {
            let driver = driver.trim();
            (address.to_owned(), (driver != "-").then(|| driver.to_owned()))
        });
        let drivers: Drivers = drivers.collect();
        if console.contains("boots: done") && !drivers.is_empty() {
            return Ok(drivers);
        }
        let what = format!("the boot of {}", host.recorded(&drivers, &drivers));
        Err(Error::Unexpected { what, expected: "its drivers".into(), found: tail(&console).to_owned() })
    }

    /// Writes the tree of a host.
    fn lay(&self, name: &str, host: &Host) -> Result<PathBuf> {
        let tree = self.work.join(name);
        files::remove_tree(&tree)?;
        // Nothing below writes to a file that the copy shares with the image.
        Call::new(["cp", "-al"]).args([self.made.join("tree"), tree.clone()]).succeed()?;
        let write = |path: &str, text: &str| {
            let path = tree.join(path.trim_start_matches('/'));
            files::remove(&path)?;
            files::write(path, text)
        };
        for (path, text) in host.root.iter().filter(|it| !it.0.starts_with("/etc/cmdline.d/")) {
            write(path, text)?;
        }
        for (path, target) in &host.links {
            files::link_to(target, tree.join(path.trim_start_matches('/')))?;
        }
        let (release, words) = (&self.release, host.words.join(" "));
        write(
            "boot/grub/grub.cfg",
            &format!(
                "### BEGIN /etc/grub.d/10_linux ###\nmenuentry 'Debian' {{\n linux /boot/vmlinuz-{release} {ROOT} \
                 {words}\n initrd /boot/initrd.img-{release}\n}}\n### END /etc/grub.d/10_linux ###\n"
            ),
        )?;
        write(
            "etc/default/grub",
            &format!("GRUB_CMDLINE_LINUX_DEFAULT=\"quiet {words}\"\nGRUB_CMDLINE_LINUX=\"\"\n"),
        )?;
        write("proc/cmdline", &format!("BOOT_IMAGE=/boot/vmlinuz-{release} {ROOT}\n"))?;
        let behind = self.work.join(format!("{name}.behind"));
        files::remove_tree(&behind)?;
        self.write_image_files(&behind, host)?;
        self.pack(host, &behind, &tree.join(format!("boot/initrd.img-{release}")))?;
        Ok(tree)
    }

    /// Writes what the image has of the host's own, where the generator puts it.
    fn write_image_files(&self, place: &Path, host: &Host) -> Result<()> {
        files::make_directory(place)?;
        for (path, text) in host.image() {
            let path = match path.strip_prefix("/etc/udev/rules.d/") {
                _ if path == LIST => "conf/modules".to_owned(),
                Some(name) if !self.system.has_dracut() => format!("usr/lib/udev/rules.d/{name}"),
                _ => path.trim_start_matches('/').to_owned(),
            };
            files::write(place.join(path), text)?;
        }
        Ok(())
    }

    /// Puts the files behind the image that the generator would have made: the kernel unpacks both.
    fn pack(&self, host: &Host, behind: &Path, file: &Path) -> Result<()> {
        let made = match host.holds() {
            (false, false) => "plain",
            (false, true) => "vfio",
            (true, false) => "graphics",
            (true, true) => "both",
        };
        let script = "cp \"$1\" \"$2\" && truncate -s %4 \"$2\"";
        Call::new(["sh", "-c", script, "sh"])
            .args([&self.made.join(made), file])
            .within(ASK_SECONDS)
            .succeed()?;
        archive::append(behind, file)
    }
}
