//! Lays a host out twice: as a tree that is asked about, and as an image that is booted.

use std::path::{Path, PathBuf};

use super::{
    Drivers, System,
    answer::Answer,
    host::Host,
    machine::{FUNCTIONS, PHYSICAL},
    made::{Made, Programs},
    rack::RACK,
    random::Rules,
};
use crate::{
    beds::vm::{once::Once, toolbox::Toolbox},
    error::{Error, Result, check},
    files,
    process::{Call, tail},
};

/// A boot takes 16 s on a quiet machine.
const BOOT_SECONDS: u64 = 600;
const ASK_SECONDS: u64 = 120;

/// What hosts are asked about and booted with.
pub(super) struct Bench<'a> {
    toolbox: Toolbox,
    made: Made<'a>,
    work: &'a Path,
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
        let made = Made::new(system, made, hoststate)?;
        let (toolbox, rules, before) = (Toolbox::new(toolbox), Rules::default(), Drivers::new());
        let mut bench = Self { toolbox, made, work, rules, before };
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
                Call::new([self.made.hoststate]).args(words).args([&playbook]).args(["--root"]).args([&tree]);
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
        let call =
            Call::new([self.made.hoststate]).args(words).args(["--format", "json", "--root"]).args([tree]);
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
        files::remove_tree(&place)?;
        let image = place.join("image");
        self.made.boot_image(host, &Programs::default(), &place.join("behind"), &image)?;
        let words = host.words.join(" ");
        let cmdline = format!(
            "console=ttyS0 panic=-1 no_timer_check root=/dev/vda ro quiet systemd.unit=boots.target {words}"
        );
        let console = Once {
            kernel: &self.made.directory.join("vmlinux"),
            image: &image,
            cmdline: &cmdline,
            memory: 768,
            disks: &[(&self.made.directory.join("root.ext4"), "root")],
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
        self.made.copy_tree(&tree)?;
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
        self.made.lay_boot(&tree, host)?;
        Ok(tree)
    }
}
