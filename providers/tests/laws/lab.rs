//! Simulated hosts of three kinds, a playbook with every resource type, and runs of it.

use std::cell::{Cell, RefCell};

use hoststate_abi::host_view::HostView;
use hoststate_abi::step::Step;
use hoststate_core::error::Result;
use hoststate_core::host::{Done, Host};
use hoststate_core::language::declaration::Declarations;
use hoststate_core::language::registry::{Declared, Registry};
use hoststate_core::mechanism::distro::Distro;
use hoststate_core::plan::planned::Plan;
use hoststate_core::planner::{Planner, Runtime};
use hoststate_core::record::command::RunCommand;
use hoststate_core::record::past::Past;
use hoststate_core::record::recorder::Recorder;
use hoststate_core::record::report::{Report, StepReport};
use hoststate_core::record::store::RecordStore;
use hoststate_core::resources::TABLE;
use hoststate_core::run::apply::{Activate, Agreed, Run, Watcher};
use hoststate_testkit::pci::{SysfsDevice, SysfsSriov};
use hoststate_testkit::sim::SimHost;
use hoststate_testkit::tree::Tree;
use tempfile::TempDir;

pub(crate) mod owned;
mod undo;

/// Releases of the installed kernels, oldest first; the last one runs.
pub(crate) const KERNELS: [&str; 3] = ["6.1.0-1", "6.1.0-2", "6.1.0-3"];

/// The mechanisms under test.
pub(crate) const KINDS: [Kind; 3] = [Kind::Ubuntu, Kind::DebianDracut, Kind::CentosBls];

/// A distribution with its mechanisms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `update-grub` and initramfs-tools.
    Ubuntu,
    /// `update-grub` and dracut.
    DebianDracut,
    /// Boot entries that are edited themselves, and dracut.
    CentosBls,
}

/// Every resource type, on the devices of [`Lab::new`]. Several write one file, one needs what another makes.
pub(crate) const EVERY_TYPE: &str = r#"
    {"type":"kernel_cmdline","present":["intel_iommu=on","iommu=pt"],"absent":["noresume"]},
    {"type":"modprobe_softdep","module":"nouveau","pre":["vfio-pci"]},
    {"type":"modprobe_options","module":"kvm_intel","options":{"nested":true}},
    {"type":"modprobe_blacklist","module":"nvidiafb","install":true},
    {"type":"modules_load","modules":["vfio-pci"]},
    {"type":"initramfs_modules","modules":["vfio-pci"]},
    {"type":"vfio_pci_ids","ids":["10de:0e1b"]},
    {"type":"sriov_numvfs","device":"0000:02:00.0","numvfs":2},
    {"type":"driver_binding","device":"0000:01:00.0","driver":"vfio-pci"},
    {"type":"driver_binding","device":"0000:02:10.2","driver":"vfio-pci"}"#;

/// A host, what it is, and where its runs are recorded.
pub(crate) struct Lab {
    /// The host.
    pub(crate) host: SimHost,
    /// Its mechanisms.
    pub(crate) distro: Distro,
    /// Steps that made the host what it is.
    built: usize,
    state: TempDir,
    agreed: Agreed,
    stop_after: String,
}

impl Lab {
    /// Returns a host that booted as its files say.
    pub(crate) fn new(kind: Kind) -> Self {
        Self::with(kind, &[])
    }

    /// Returns such a host with more files.
    pub(crate) fn with(kind: Kind, files: &[(&str, &str)]) -> Self {
        let tree = Tree::new(files_of(kind));
        for kernel in KERNELS {
            tree.write(format!("/boot/vmlinuz-{kernel}"), "");
            let modules = format!("/lib/modules/{kernel}");
            tree.write(format!("{modules}/modules.dep"), DEPENDENCIES);
            tree.write(format!("{modules}/kernel/vfio-pci.ko"), kernel);
            if kind == Kind::CentosBls {
                let entry = format!(
                    "title Linux {kernel}\nversion {kernel}\nlinux /vmlinuz-{kernel}\ninitrd \
                     /initramfs-{kernel}.img\noptions root=/dev/vda1 ro quiet noresume\n"
                );
                tree.write(format!("/boot/loader/entries/m-{kernel}.conf"), entry);
            }
        }
        for (path, text) in files {
            tree.write(path, text);
        }
        devices(&tree);
        let host = SimHost::new(tree)
            .native("10de:0ffc", "nouveau")
            .native("10de:0e1b", "snd_hda_intel")
            .native("8086:10c9", "igb")
            .native("8086:10ca", "igbvf");
        for argv in tools_of(kind) {
            host.perform(&Step::Run { argv }).expect("a tool that is simulated");
        }
        host.reboot();
        let distro = hoststate_providers::detect(&host.view()).expect("a known distribution");
        let state = TempDir::new().expect("a temporary directory");
        Self {
            built: host.performed().len(),
            host,
            distro,
            state,
            agreed: Agreed::Plan,
            stop_after: String::new(),
        }
    }

    /// Makes every step after the next `n` fail.
    pub(crate) fn cut_after(self, n: usize) -> Self {
        Self { host: self.host.cut_after(n), ..self }
    }

    /// Lets kernels panic that are given this word.
    pub(crate) fn panics_with(self, word: &str) -> Self {
        Self { host: self.host.panics_with(word), ..self }
    }

    /// Lets a driver fail to probe any device.
    pub(crate) fn refused_by(self, driver: &str) -> Self {
        Self { host: self.host.refused_by(driver), ..self }
    }

    /// Takes udev away from now on.
    pub(crate) fn without_udev(self) -> Self {
        Self { host: self.host.without_udev(), ..self }
    }

    /// Lets somebody stop the run after the first step that says this.
    pub(crate) fn stopped_after(self, step: &str) -> Self {
        Self { stop_after: step.to_owned(), ..self }
    }

    /// Lets runs do whatever the declarations ask for.
    pub(crate) fn agreed_beforehand(self) -> Self {
        Self { agreed: Agreed::Declarations, ..self }
    }

    /// Returns the steps performed since the host was made.
    pub(crate) fn performed(&self) -> Vec<Step> {
        self.host.performed().split_off(self.built)
    }

    /// Returns the texts of all files that a boot keeps.
    pub(crate) fn persistent(&self) -> String {
        ["/etc", "/boot", "/lib"].map(|it| self.host.tree().listing(it)).join("\n")
    }

    /// Returns where the host's runs are recorded.
    pub(crate) fn store(&self) -> RecordStore {
        RecordStore::new(self.state.path(), "/hoststate")
    }

    /// Returns what plans are made from.
    pub(crate) fn planner<'a>(&'a self, declared: &'a [Declared]) -> Planner<'a> {
        Planner {
            declared,
            distro: &self.distro,
            guards: &[],
            accepted: &[],
            runtime: Runtime::Now,
            past: Past::default(),
            owner: None,
        }
    }

    /// Returns the plan for the host as it is.
    pub(crate) fn try_plan(&self, declared: &[Declared]) -> Result<Plan> {
        self.planner(declared).plan(&mut self.host.view())
    }

    /// Returns the plan for the host as it is.
    pub(crate) fn plan(&self, playbook: &str) -> Plan {
        self.try_plan(&declared(playbook)).expect("a plan")
    }

    /// Converges the host.
    pub(crate) fn converge(&self, playbook: &str) -> Report {
        self.converge_through(&self.host, playbook).0
    }

    /// Converges the host by another way of performing steps. Returns the plans that were shown as well.
    pub(crate) fn converge_through(&self, host: &dyn Host, playbook: &str) -> (Report, Vec<Plan>) {
        let declared = declared(playbook);
        let first = self.try_plan(&declared).expect("a plan");
        self.carry_out(host, &declared, first, "converge")
    }

    /// Carries out a plan of these declarations.
    pub(crate) fn carry_out(
        &self,
        host: &dyn Host,
        declared: &[Declared],
        first: Plan,
        command: &str,
    ) -> (Report, Vec<Plan>) {
        let mut recorder = Recorder::new(self.store(), RunCommand::from(command.to_owned()), self.boot_id());
        let mut audience = Audience { stop_after: self.stop_after.clone(), ..Audience::default() };
        let planner = self.planner(declared);
        let (recorder, watcher) = (&mut recorder, &mut audience);
        let (activate, agreed) = (Activate::Run, self.agreed);
        let run = Run { planner, host, activate, agreed, recorder, watcher };
        let report = run.converge(first);
        (report, audience.shown)
    }

    /// Returns the id of the boot the host runs since.
    pub(crate) fn boot_id(&self) -> Option<String> {
        self.host.view().attribute("/proc/sys/kernel/random/boot_id".as_ref()).expect("a readable tree")
    }
}

/// Returns the decoded declarations, in the order of the playbook.
pub(crate) fn declared(playbook: &str) -> Vec<Declared> {
    let json = format!(r#"{{"format":"hoststate.declarations/1","resources":[{playbook}]}}"#);
    let declarations = Declarations::from_json(&json).expect("declarations");
    Registry::new(TABLE).decode_all(declarations.resources).expect("known types")
}

/// Looks at every round.
#[derive(Default)]
pub(crate) struct Audience {
    shown: Vec<Plan>,
    /// What the step it wants to stop after says; a run goes to its end when it is empty.
    stop_after: String,
    stops: bool,
}

impl Watcher for Audience {
    fn round(&mut self, plan: &Plan) {
        self.shown.push(plan.clone());
    }

    fn begin(&mut self, _: &str) {}

    fn end(&mut self, step: &StepReport) {
        self.stops |= !self.stop_after.is_empty() && step.what.contains(&self.stop_after);
    }

    fn interrupted(&self) -> bool {
        self.stops
    }
}

/// What becomes of a step on its way to a host.
pub(crate) enum Fate {
    /// It is performed.
    Performed,
    /// It does nothing, and says that it succeeded.
    Idle,
    /// It fails.
    Fails,
}

/// A host on whose steps somebody else decides.
pub(crate) struct Fated<'a, F: Fn(&Step) -> Fate> {
    host: &'a SimHost,
    fate: F,
    asked: RefCell<Vec<Step>>,
    /// Whether a power cut may still take back what was written.
    unsynced: Cell<bool>,
}

impl<'a, F: Fn(&Step) -> Fate> Fated<'a, F> {
    pub(crate) fn new(host: &'a SimHost, fate: F) -> Self {
        Self { host, fate, asked: RefCell::default(), unsynced: Cell::new(false) }
    }

    /// Returns whether all that was written outlasts a power cut.
    pub(crate) fn is_synced(&self) -> bool {
        !self.unsynced.get()
    }

    /// Returns the steps that were tried.
    pub(crate) fn asked(&self) -> Vec<Step> {
        self.asked.borrow().clone()
    }
}

impl<F: Fn(&Step) -> Fate> Host for Fated<'_, F> {
    fn view(&self) -> HostView {
        self.host.view()
    }

    fn perform(&self, step: &Step) -> Result<Done> {
        self.asked.borrow_mut().push(step.clone());
        match step {
            Step::WriteFile { .. } | Step::EditFile { .. } | Step::RemoveFile { .. } => {
                self.unsynced.set(true)
            }
            Step::WriteAttribute { .. } | Step::Run { .. } => {
                assert!(self.is_synced(), "{step} acts on what a power cut may take back");
            }
        }
        match (self.fate)(step) {
            Fate::Performed => self.host.perform(step),
            Fate::Idle => Ok(Done { status: Some(0), stderr: String::new() }),
            Fate::Fails => Err(std::io::Error::other("it fails").into()),
        }
    }

    fn sync(&self) -> Result<()> {
        self.unsynced.set(false);
        self.host.sync()
    }

    fn wait_for_devices(&self, attempt: u32) -> bool {
        self.host.wait_for_devices(attempt)
    }
}

const DEPENDENCIES: &str = "kernel/vfio-pci.ko: kernel/vfio.ko\nkernel/vfio.ko:\nkernel/nouveau.ko:\n\
                            kernel/snd-hda-intel.ko:\nkernel/igb.ko:\nkernel/igbvf.ko:\nkernel/kvm_intel.ko:\n";

const DEFAULT_GRUB: &str = "# mine\nGRUB_CMDLINE_LINUX_DEFAULT=\"quiet\"\nGRUB_CMDLINE_LINUX=\"noresume\"\n";

fn files_of(kind: Kind) -> &'static [(&'static str, &'static str)] {
    match kind {
        Kind::Ubuntu => &[
            ("/etc/os-release", "ID=ubuntu\nID_LIKE=debian\nVERSION_ID=\"24.04\"\n"),
            ("/etc/default/grub", DEFAULT_GRUB),
            ("/etc/initramfs-tools/modules", "# mine\nloop max_loop=8\n"),
            ("/etc/modprobe.d/kvm.conf", "# mine\noptions kvm_intel ept=1\n"),
            ("/usr/sbin/update-grub", ""),
            ("/usr/sbin/mkinitramfs", ""),
            ("/usr/sbin/update-initramfs", ""),
            ("/sys/module/kernel/", ""),
        ],
        Kind::DebianDracut => &[
            ("/etc/os-release", "ID=debian\nVERSION_ID=\"13\"\n"),
            ("/etc/default/grub", DEFAULT_GRUB),
            ("/etc/default/grub.d/local.cfg", "GRUB_CMDLINE_LINUX=\"$GRUB_CMDLINE_LINUX splash\"\n"),
            ("/etc/dracut.conf.d/local.conf", "hostonly=\"yes\"\n"),
            ("/usr/sbin/update-grub", ""),
            ("/usr/bin/dracut", ""),
            ("/sys/module/kernel/", ""),
        ],
        Kind::CentosBls => &[
            ("/etc/os-release", "ID=\"centos\"\nID_LIKE=\"rhel fedora\"\nVERSION_ID=\"9\"\n"),
            ("/etc/default/grub", "GRUB_CMDLINE_LINUX=\"noresume\"\nGRUB_ENABLE_BLSCFG=true\n"),
            ("/etc/kernel/cmdline", "root=/dev/vda1 ro quiet noresume\n"),
            ("/boot/grub2/grub.cfg", "search --fs-uuid --set=boot 1\ninsmod blscfg\nblscfg\n"),
            ("/usr/bin/dracut", ""),
            ("/sys/module/kernel/", ""),
        ],
    }
}

/// What the packages of the kernels ran.
fn tools_of(kind: Kind) -> Vec<Vec<String>> {
    let image = |kernel: &&str| match kind {
        Kind::Ubuntu => format!("update-initramfs -c -k {kernel}"),
        Kind::DebianDracut => format!("dracut --force /boot/initrd.img-{kernel} {kernel}"),
        Kind::CentosBls => format!("dracut --force /boot/initramfs-{kernel}.img {kernel}"),
    };
    let mut commands: Vec<String> = KERNELS.iter().map(image).collect();
    if kind != Kind::CentosBls {
        commands.push("update-grub".to_owned());
    }
    commands.iter().map(|it| it.split(' ').map(str::to_owned).collect()).collect()
}

/// A display with its audio function, and a network port with virtual functions.
fn devices(tree: &Tree) {
    let sriov = SysfsSriov { total: 7, offset: 128, stride: 2, device: 0x10ca };
    SysfsDevice::new("0000:01:00.0", 0x10de, 0x0ffc, 0x03_0000).group(1).write(tree);
    SysfsDevice::new("0000:01:00.1", 0x10de, 0x0e1b, 0x04_0300).group(1).write(tree);
    SysfsDevice::new("0000:02:00.0", 0x8086, 0x10c9, 0x02_0000).group(2).sriov(sriov).write(tree);
    tree.write("/proc/cpuinfo", "vendor_id\t: GenuineIntel\n");
    tree.write("/sys/bus/pci/drivers_probe", "");
}
