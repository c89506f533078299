//! Random hosts that give PCI functions to guests: half of them plainly right, the others as reports show them.

use std::collections::BTreeMap;

use super::{
    System,
    host::{DRACUT_LIST, Host, LIST},
    machine::{BOARD, FUNCTIONS, Function, PHYSICAL},
    moving,
};
use crate::dice::Dice;

const FILES: [&str; 8] = [
    "01-vfio.conf",
    "10-passthrough.conf",
    "blacklist.conf",
    "local.conf",
    "vfio.conf",
    "vfio-pci.conf",
    "zz-hoststate.conf",
    "zz-local.conf",
];
const LOAD: &str = "/etc/modules-load.d/hoststate.conf";

/// Rules as hoststate writes them.
#[derive(Default)]
pub(super) struct Rules {
    /// Those that bind a function to vfio-pci, by its address.
    pub(super) bindings: BTreeMap<&'static str, String>,
    /// Those that make two virtual functions.
    pub(super) virtual_functions: String,
}

pub(super) struct Maker {
    pub(super) dice: Dice,
    /// Lines of modprobe.d, by file.
    lines: BTreeMap<&'static str, Vec<String>>,
    list: Vec<String>,
    load: Vec<&'static str>,
    words: Vec<String>,
    /// Files besides.
    pub(super) root: BTreeMap<String, String>,
    pub(super) links: BTreeMap<String, String>,
}

/// Makes the host of a seed.
pub(super) fn host(seed: u64, rules: &Rules, system: System) -> Host {
    let mut maker = Maker {
        dice: Dice::new(seed),
        lines: BTreeMap::new(),
        list: Vec::new(),
        load: Vec::new(),
        words: Vec::new(),
        root: BTreeMap::new(),
        links: BTreeMap::new(),
    };
    let mut targets = maker.targets();
    let is_plain = maker.dice.one_in(2);
    if maker.dice.one_in(5) {
        maker.binding(targets.remove(0), rules);
    }
    if !targets.is_empty() {
        if is_plain { maker.plain(&targets) } else { maker.as_reported(&targets, system) }
    }
    if maker.dice.one_in(3) {
        maker.virtual_functions(rules, is_plain);
    }
    if !is_plain && maker.dice.one_in(3) {
        let target = targets.first().copied().unwrap_or(&PHYSICAL);
        maker.moved(target);
    }
    maker.words.push(["intel_iommu=on", "iommu=pt"][maker.dice.below(2)].into());
    maker.finished(seed, system, is_plain)
}

impl Maker {
    /// The host, with an image that may be older than its root.
    fn finished(self, seed: u64, system: System, is_plain: bool) -> Host {
        let Self { mut dice, lines, list, load, words, mut root, links } = self;
        root.extend(lines.iter().map(|(file, lines)| (format!("/etc/modprobe.d/{file}"), lines.concat())));
        if system.has_dracut() {
            let list: Vec<String> =
                list.iter().filter(|it| !it.contains(' ')).map(|it| format!("rd.driver.pre={it}")).collect();
            if !list.is_empty() {
                root.insert(DRACUT_LIST.into(), format!("{}\n", list.join("\n")));
            }
        } else {
            root.insert(LIST.into(), list.iter().map(|it| format!("{it}\n")).collect());
        }
        if !load.is_empty() {
            root.insert(LOAD.into(), load.iter().map(|it| format!("{it}\n")).collect());
        }
        let mut host = Host { name: format!("seed-{seed}"), words, root, older: BTreeMap::new(), links };
        // An image for this host alone has such lists, too (dracut's module systemd-modules-load).
        if system.has_dracut()
            && let Some(list) = host.root.get(LOAD).filter(|_| dice.one_in(2))
        {
            host.older.insert(LOAD.into(), list.clone());
        }
        if !is_plain && dice.one_in(4) {
            for path in host.image().keys().map(ToString::to_string).collect::<Vec<_>>() {
                if dice.below(5) < 2 {
                    host.older.insert(path, String::new());
                }
            }
        }
        host
    }

    /// The rules of hoststate that bind a function.
    fn binding(&mut self, function: &Function, rules: &Rules) {
        if let Some(rules) = rules.bindings.get(function.address) {
            self.root.entry(moving::BINDINGS.into()).or_default().push_str(rules);
        }
    }

    /// Functions that shall go to guests: one to three, and often the card with its sound.
    fn targets(&mut self) -> Vec<&'static Function> {
        let mut all: Vec<&Function> = FUNCTIONS.iter().collect();
        let count = [1, 1, 1, 2, 2, 3][self.dice.below(6)];
        let mut targets = Vec::new();
        if self.dice.one_in(3) {
            targets.extend(all.drain(..2));
        }
        while targets.len() < count {
            targets.push(all.remove(self.dice.below(all.len())));
        }
        targets
    }

    pub(super) fn line(&mut self, text: String) {
        let file = self.dice.pick(&FILES);
        self.line_in(file, text);
    }

    fn line_in(&mut self, file: &'static str, text: String) {
        self.lines.entry(file).or_default().push(format!("{text}\n"));
    }

    /// A module's name with one of the two signs.
    fn spelled(&mut self, module: &str) -> String {
        if self.dice.one_in(3) { module.replace('_', "-") } else { module.into() }
    }

    /// What a guide says: ids, vfio-pci before the functions' own modules, and vfio-pci in the image.
    fn plain(&mut self, targets: &[&Function]) {
        let ids = ids(targets);
        match self.dice.below(4) {
            0 => self.words.push(format!("vfio-pci.ids={ids}")),
            _ => self.line_in("vfio.conf", format!("options vfio-pci ids={ids}")),
        }
        if self.dice.below(4) > 0 {
            for module in targets.iter().flat_map(|it| it.modules) {
                self.line_in("vfio.conf", format!("softdep {module} pre: vfio-pci"));
            }
        }
        if self.dice.below(4) > 0 {
            self.list.extend(["vfio", "vfio_iommu_type1", "vfio_pci"].map(String::from));
        }
        if self.dice.one_in(4) {
            self.load.push("vfio-pci");
        }
    }

    fn as_reported(&mut self, targets: &[&Function], system: System) {
        self.ids(targets);
        for function in targets {
            self.first(function);
        }
        self.listed(targets);
        self.parameters(targets, system);
        self.besides();
    }

    fn ids(&mut self, targets: &[&Function]) {
        let (ids, name) = (ids(targets), self.spelled("vfio_pci"));
        match self.dice.below(10) {
            0..=6 => {
                let more = self.dice.pick(&["", "", "", " disable_vga=1", " disable_idle_d3=1"]);
                self.line(format!("options {name} ids={ids}{more}"));
                if self.dice.one_in(4) {
                    let board = self.dice.pick(&BOARD);
                    let other =
                        [ids.split(',').next().unwrap_or_default(), "10de:1b80", FUNCTIONS[3].ids, board]
                            [self.dice.below(4)];
                    self.line(format!("options vfio-pci ids={other}"));
                }
            }
            7 | 8 => {
                self.words.push(format!("{name}.ids={ids}"));
                if self.dice.one_in(3) {
                    let other = FUNCTIONS[self.dice.below(FUNCTIONS.len())].ids;
                    self.line(format!("options vfio-pci ids={other}"));
                }
            }
            _ => self.list.push(format!("vfio_pci ids={ids}")),
        }
    }

    /// How vfio-pci shall come before the function's own driver: rightly, wrongly or not at all.
    fn first(&mut self, function: &Function) {
        let module = function.modules[self.dice.below(function.modules.len())];
        let part = self.dice.pick(function.parts);
        let mistaken = self.dice.pick(function.mistaken);
        let spelled = self.spelled(module);
        match self.dice.below(20) {
            0..=3 => self.line(format!("softdep {spelled} pre: vfio-pci")),
            4 | 5 => {
                function.modules.iter().for_each(|it| self.line(format!("softdep {it} pre: vfio-pci")));
            }
            6 => self.line(format!("softdep {mistaken} pre: vfio-pci")),
            7 => self.line(format!("softdep {part} pre: vfio-pci")),
            8 => self.line(format!("softdep {module} post: vfio-pci")),
            9 => {
                self.line(format!("softdep {module} pre: {part}"));
                self.line(format!("softdep {module} pre: vfio-pci"));
            }
            10..=12 => function.modules.iter().for_each(|it| self.line(format!("blacklist {it}"))),
            13 => {
                let command = self.dice.pick(&["/bin/false", "/bin/true"]);
                self.line(format!("install {module} {command}"));
            }
            14 => self.line(format!(
                "install {module} /sbin/modprobe vfio-pci; /sbin/modprobe --ignore-install {module}"
            )),
            15 => {
                let (vendor, device) = function.ids.split_once(':').unwrap_or_default();
                let (vendor, device) = (vendor.to_uppercase(), device.to_uppercase());
                self.line(format!("alias pci:v0000{vendor}d0000{device}sv*sd*bc*sc*i* vfio-pci"));
            }
            _ => {}
        }
    }

    fn listed(&mut self, targets: &[&Function]) {
        if self.dice.one_in(2) && !self.list.iter().any(|it| it.starts_with("vfio")) {
            let names: &[&str] =
                [&["vfio_pci"][..], &["vfio", "vfio_iommu_type1", "vfio_pci"], &["vfio-pci"]]
                    [self.dice.below(3)];
            self.list.extend(names.iter().map(ToString::to_string));
        }
        if self.dice.one_in(3) {
            let own = targets.iter().map(|it| it.modules[0].to_owned());
            if self.dice.one_in(2) {
                self.list = own.chain(std::mem::take(&mut self.list)).collect();
            } else {
                self.list.extend(own);
            }
        }
        if self.dice.one_in(5) {
            let name = self.dice.below(2);
            self.load.push(["vfio-pci", "vfio_pci"][name]);
        }
    }

    fn parameters(&mut self, targets: &[&Function], system: System) {
        let function = targets[self.dice.below(targets.len())];
        let module = function.modules[0];
        let word = match self.dice.below(34) {
            0 => format!("module_blacklist={module}"),
            1 => "module_blacklist=vfio_pci".into(),
            2 => format!("modprobe.blacklist={module}"),
            3 => format!("modprobe.blacklist={}", module.replace('_', "-")),
            4 => "modprobe.blacklist=vfio_pci".into(),
            5 => "nomodeset".into(),
            6 => format!("blacklist={module}"),
            7 => "vfio_pci.disable_vga=1".into(),
            8 => "vfio-pci.disable_denylist=1".into(),
            9 => "iommu=off".into(),
            10 => "intel_iommu=off".into(),
            11 => "initcall_blacklist=nvme_init".into(),
            12 => {
                self.words.push("vfio.enable_unsafe_noiommu_mode=1".into());
                "intel_iommu=off".into()
            }
            13 | 14 if system.has_dracut() => "rd.driver.pre=vfio-pci".into(),
            15 if system.has_dracut() => format!("rd.driver.blacklist={module}"),
            16 => "intel_iommu=on,sm_on".into(),
            _ => return,
        };
        self.words.push(word);
    }

    fn besides(&mut self) {
        match self.dice.below(18) {
            0 | 1 => self.line("blacklist vfio-pci".into()),
            2 => self.line("install vfio-pci /bin/false".into()),
            3 => self.line("softdep vfio-pci pre: vfio_iommu_type1".into()),
            4 => self.line("options snd_hda_intel power_save=1".into()),
            5 => self.line("# written by hand".into()),
            6 => self.line("options kvm ignore_msrs=1".into()),
            7 => {
                self.line("options vfio enable_unsafe_noiommu_mode=1".into());
                self.words.push("intel_iommu=off".into());
            }
            8 => {
                self.line(format!("options pci-stub ids={}", FUNCTIONS[6].ids));
                self.list.push("pci_stub".into());
            }
            _ => {}
        }
    }
}

fn ids(targets: &[&Function]) -> String {
    let mut ids: Vec<&str> = Vec::new();
    for function in targets {
        if !ids.contains(&function.ids) {
            ids.push(function.ids);
        }
    }
    ids.join(",")
}
