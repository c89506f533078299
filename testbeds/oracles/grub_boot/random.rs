//! Random hosts with menus as distributions and people write them.

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::dice::Dice;
use crate::set_up::{BOOT, Drive, SetUp};
use crate::stub;

const UUIDS: [&str; 2] = ["11111111-2222-3333-4444-555555555555", "abcdef01-2345-6789-abcd-ef0123456789"];

const HEADERS: [&str; 5] = [
    include_str!("headers/debian.cfg"),
    include_str!("headers/ubuntu.cfg"),
    include_str!("headers/fedora.cfg"),
    include_str!("headers/centos7.cfg"),
    "DEFAULT\nset timeout=0\n",
];

/// Words of kernel command lines, as people write them in a script.
const WORDS: [&str; 30] = [
    "ro",
    "quiet",
    "splash",
    "$vt_handoff",
    "intel_iommu=on",
    "iommu=pt",
    "vfio-pci.ids=10de:1b80,10de:10f0",
    "memmap=4G\\$4G",
    "\"memmap=4G\\$4G\"",
    "'memmap=4G$4G'",
    "dyndbg=\"file a.c +p\"",
    "'x y'",
    "a\\ b",
    "\"a b\"c",
    "pci=resource_alignment=12@0000:01:00.0\\;20@0000:02:00.0",
    "$kernelopts",
    "${extra}",
    "\"$extra\"",
    "x$1",
    "${2}",
    "$#",
    "\"$chosen\"",
    "\"d$default\"",
    "$unset",
    "\"\"",
    "it\\'s",
    "\"say \\\"x\\\" \\n\"",
    "a=#b",
    "\\\n  nosmt",
    "y=$?",
];

/// What `default` may be, beside the names of entries.
const DEFAULTS: [&str; 16] = [
    "0",
    "0",
    "1",
    "2",
    "3",
    "1>0",
    "1>2",
    "1>",
    "${saved_entry}",
    "${saved_entry}",
    "${saved_entry}",
    "99",
    "",
    "junk",
    "0x1",
    " 1 x",
];

struct Maker<'d> {
    dice: &'d mut Dice,
    /// Names that `default` may have for entries that are there.
    names: Vec<String>,
    files: BTreeMap<String, String>,
    /// Where kernels are, as scripts name it.
    boot: &'static str,
    uuid: &'static str,
    savedefault: bool,
    header: usize,
}

pub(crate) fn set_up(seed: u64) -> SetUp {
    let mut dice = Dice::new(seed);
    let kind = dice.below(10);
    let has_stub = kind < 3;
    let has_boot_partition = kind == 3 || kind == 4;
    let grub = if dice.one_in(4) { "grub2" } else { "grub" };
    let prefix = if has_boot_partition { format!("/{grub}") } else { format!("/boot/{grub}") };
    let header = dice.below(HEADERS.len());
    let mut maker = Maker {
        savedefault: dice.one_in(2),
        dice: &mut dice,
        names: Vec::new(),
        files: BTreeMap::new(),
        boot: if has_boot_partition { "" } else { "/boot" },
        uuid: UUIDS[usize::from(has_stub)],
        header,
    };
    let config = maker.config();
    maker.custom(&prefix);
    let environment = maker.environment();
    let mut files = std::mem::take(&mut maker.files);
    files.insert(format!("{prefix}/grub.cfg"), config);
    if !dice.one_in(8) {
        files.insert(format!("{prefix}/grubenv"), environment);
    }
    let drive = |index: usize, files| Drive {
        uuid: UUIDS[index].to_owned(),
        label: ["first", "second"][index].to_owned(),
        files,
    };
    // GRUB knows all its commands; that there is a list tells it the interpreter.
    let list = |prefix: &str| (format!("{prefix}/x86_64-emu/command.lst"), "*echo: echo\n".to_owned());
    if !has_stub {
        files.extend([list(&prefix)]);
        return SetUp { drives: vec![drive(0, files)], prefix };
    }
    let directory = "/EFI/debian";
    let mut stub = BTreeMap::from([
        (format!("{directory}/grub.cfg"), stub::stub(&mut dice, UUIDS[1], &prefix)),
        list(directory),
    ]);
    stub.extend([list(&prefix)]);
    files.extend([list(&prefix)]);
    SetUp { drives: vec![drive(0, stub), drive(1, files)], prefix: directory.to_owned() }
}

impl Maker<'_> {
    fn config(&mut self) -> String {
        let mut menu = String::new();
        let mut groups = 1 + self.dice.below(4);
        while groups > 0 {
            groups -= 1;
            menu += &match self.dice.below(8) {
                0 | 1 => self.distribution(),
                2 => self.loop_of_entries(),
                3 => self.statement(),
                4 => self.foreign(),
                5 => self.simple_submenu(),
                _ => self.entry("", false),
            };
            if self.dice.one_in(25) {
                menu += self.dice.pick(&[
                    "fi\n",
                    "menuentry x { }\n",
                    "a=1;;b=2\n",
                    "echo $\n",
                    "linux |\n",
                    "}\n",
                ]);
            }
        }
        let default = self.default();
        let mut header = HEADERS[self.header].replace("DEFAULT", &format!("set default=\"{default}\""));
        if self.dice.one_in(12) {
            let _ = writeln!(header, "set fallback=\"{}\"", self.dice.pick(&["0", "1", "1 0", "2 1", "x"]));
        }
        if self.dice.one_in(4) {
            header += "set extra=\"more words\"\n";
        }
        if self.dice.one_in(4) {
            header += "export extra\n";
        }
        if self.dice.one_in(25) {
            header += "set superusers=\"root\"\nexport superusers\npassword root x\n";
        }
        let tail = self.dice.pick(&[
            "",
            include_str!("headers/custom.cfg"),
            include_str!("headers/custom.cfg"),
            include_str!("headers/boot_success.cfg"),
        ]);
        format!("{header}{menu}{tail}")
    }

    fn default(&mut self) -> String {
        if self.dice.one_in(2) || self.names.is_empty() {
            self.dice.pick(&DEFAULTS).to_owned()
        } else {
            self.names[self.dice.below(self.names.len())].clone()
        }
    }

    fn kernel(&mut self) -> String {
        let version = self.dice.pick(&[
            "6.1.0-18-amd64",
            "6.1.0-25-amd64",
            "5.10.0-30-amd64",
            "3.10.0-1160.el7.x86_64",
        ]);
        for kind in ["vmlinuz", "initrd.img"] {
            self.files.insert(format!("{}/{kind}-{version}", self.boot), "x".to_owned());
        }
        version.to_owned()
    }

    fn words(&mut self) -> String {
        let count = self.dice.below(6);
        (0..count).map(|_| format!(" {}", self.dice.pick(&WORDS))).collect()
    }

    fn search(&mut self) -> String {
        let (device, uuid) = (if self.uuid == UUIDS[0] { "hd0" } else { "hd1" }, self.uuid);
        match self.dice.below(4) {
            0 => String::new(),
            1 => format!(
                "\tset root='{device}'\n\tif [ x$feature_platform_search_hint = xy ]; then\n\t  search --no-floppy --fs-uuid --set=root --hint-bios={device} --hint-efi={device} --hint-baremetal=ahci0  {uuid}\n\telse\n\t  search --no-floppy --fs-uuid --set=root {uuid}\n\tfi\n"
            ),
            2 => format!("\tset root=({device})\n"),
            _ => format!("\tsearch --no-floppy --fs-uuid --set=root {uuid}\n"),
        }
    }

    /// Makes an entry as 10_linux writes it.
    fn entry(&mut self, around: &str, recovery: bool) -> String {
        let version = self.kernel();
        let title = format!(
            "{}, with Linux {version}{}",
            self.dice.pick(&["Debian GNU/Linux", "Ubuntu", "A > B", "2 be"]),
            if recovery { " (recovery mode)" } else { "" }
        );
        let id = format!(
            "gnulinux-{version}-{}-{}",
            if recovery { "recovery" } else { "advanced" },
            self.dice.below(3)
        );
        self.names.push(format!("{around}{}", title.replace('>', ">>")));
        let mut text = format!("menuentry '{title}' --class debian --class os");
        match self.dice.below(4) {
            0 => {}
            1 => {
                let _ = write!(text, " --unrestricted --id {id}");
                self.names.push(format!("{around}{id}"));
            }
            _ => {
                let _ = write!(text, " $menuentry_id_option '{id}'");
                self.names.push(format!("{around}{id}"));
            }
        }
        text += " {\n";
        if self.header == 1 {
            text += "\trecordfail\n";
        }
        if self.savedefault && !recovery {
            text += "\tsavedefault\n";
        }
        if self.header == 1 || self.header == 0 {
            text += "\tload_video\n";
        }
        if self.header == 1 {
            text += "\tgfxmode $linux_gfx_mode\n";
        }
        text += "\tinsmod gzio\n\tif [ x$grub_platform = xxen ]; then insmod xzio; insmod lzopio; fi\n";
        text += &self.search();
        let _ = writeln!(text, "\techo\t'Loading Linux {version} ...'");
        let missing = if self.dice.one_in(14) { ".old" } else { "" };
        let boot = self.boot;
        let kind = self.dice.pick(&["linux", "linux", "linux", "linux16", "linuxefi"]);
        let words = self.words();
        let _ = writeln!(
            text,
            "\t{kind}\t{boot}/vmlinuz-{version}{missing} root=UUID={} ro{}{}",
            self.uuid,
            if recovery { " single" } else { "" },
            words
        );
        let initrd = kind.replace("linux", "initrd");
        if !self.dice.one_in(6) {
            let second = self.dice.pick(&["", "", " /early.img"]);
            if !second.is_empty() && !self.dice.one_in(3) {
                self.files.insert("/early.img".to_owned(), "x".to_owned());
            }
            let _ = writeln!(text, "\t{initrd}\t{boot}/initrd.img-{version}{second}");
        }
        text + BOOT + "\n}\n"
    }

    /// Makes the entries of one system: a simple one, and a submenu with the others.
    fn distribution(&mut self) -> String {
        let simple = self.entry("", false);
        let title = self.dice.pick(&["Advanced options for Debian GNU/Linux", "Advanced > more", "1 more"]);
        let id = "gnulinux-advanced-1";
        let around = match self.dice.below(3) {
            0 => format!("{}>", title.replace('>', ">>")),
            _ => format!("{id}>"),
        };
        let mut text = format!("{simple}submenu '{title}' $menuentry_id_option '{id}' {{\n");
        for recovery in [false, true, false, true].iter().take(1 + self.dice.below(4)) {
            let indented = self.entry(&around, *recovery);
            text += &indented;
        }
        text + "}\n"
    }

    fn simple_submenu(&mut self) -> String {
        let first = self.entry("More>", false);
        let inner = self.entry("More>Deep>", false);
        let set = self.dice.pick(&["", "set default=1\n", "set timeout=0\n", "extra=inside\n"]);
        format!("submenu \"More\" more2 {{\n{set}{first}submenu Deep {{\n{inner}}}\n}}\n")
    }

    fn loop_of_entries(&mut self) -> String {
        let first = self.kernel();
        let second = self.kernel();
        let boot = self.boot;
        match self.dice.below(3) {
            0 => format!(
                "for v in {first} {second}; do\n  menuentry \"Linux $v\" \"$v\" {{\n    linux {boot}/vmlinuz-$2 \"n=$1\" $#\n    {BOOT}\n  }}\ndone\n"
            ),
            1 => format!(
                "function add {{\n  menuentry \"My $1\" --id \"my-$1\" \"$1\" \"$2\" {{\n    linux {boot}/vmlinuz-$2 opts=$3\n    {BOOT}\n  }}\n}}\nadd {first} 'x y'\nadd \"{second}\"\n"
            ),
            _ => format!(
                "if [ -f {boot}/vmlinuz-{first} -a ! -f {boot}/nothing ]; then\nmenuentry 'If' {{\n if [ \"$2\" ]; then set k={second}; else set k={first}; fi\n linux {boot}/vmlinuz-$k k=$k\n {BOOT}\n}}\nelse\nset default=0\nfi\n"
            ),
        }
    }

    fn foreign(&mut self) -> String {
        let version = self.kernel();
        let boot = self.boot;
        let text = match self.dice.below(6) {
            0 => format!("menuentry 'Windows Boot Manager (on /dev/sda1)' --class windows $menuentry_id_option 'osprober-efi-1' {{\n\tinsmod fat\n\tchainloader /EFI/Microsoft/bootmgfw.efi\n{BOOT}\n}}\n"),
            1 => format!("menuentry 'Windows 10' {{\n\tdrivemap -s (hd0) ${{root}}\n\tchainloader +1\n{BOOT}\n}}\n"),
            2 => format!("menuentry 'Xen' --class xen {{\n\tmultiboot2\t{boot}/vmlinuz-{version} placeholder dom0_mem=1G ${{xen_rm_opts}}\n\tmodule2\t{boot}/vmlinuz-{version} placeholder root=/dev/sda1 ro{}\n\tmodule2\t--nounzip   {boot}/initrd.img-{version}\n{BOOT}\n}}\n", self.words()),
            3 => "menuentry 'System restart' { reboot\n}\nmenuentry 'Off' {\nhalt; }\n".to_owned(),
            4 => "if [ \"$grub_platform\" = \"efi\" ]; then\n\tmenuentry 'UEFI Firmware Settings' $menuentry_id_option 'uefi-firmware' {\n\t\tfwsetup\n\t}\nfi\n".to_owned(),
            _ => "menuentry 'Other' {\n configfile $prefix/custom.cfg\n}\n".to_owned(),
        };
        self.names.push("Windows 10".to_owned());
        text
    }

    fn statement(&mut self) -> String {
        let statements: Vec<&str> = include_str!("statements.txt").split("--\n").collect();
        self.dice.pick(&statements).to_owned()
    }

    fn custom(&mut self, prefix: &str) {
        if !self.dice.one_in(3) {
            return;
        }
        let mut text = String::new();
        if self.dice.one_in(2) {
            text += &self.entry("", false);
        }
        if self.dice.one_in(2) {
            let _ = writeln!(text, "set default=\"{}\"", self.default());
        }
        if self.dice.one_in(3) {
            text += &self.statement();
        }
        if self.dice.one_in(6) {
            text = text.replace('\n', "\r\n");
        }
        if self.dice.one_in(8) {
            text = text.trim_end().to_owned();
        }
        self.files.insert(format!("{prefix}/custom.cfg"), text);
    }

    fn environment(&mut self) -> String {
        let mut variables = String::new();
        let mut set = |name: &str, value: &str| {
            let _ = writeln!(variables, "{name}={value}");
        };
        for name in ["saved_entry", "next_entry", "prev_saved_entry", "prev_entry"] {
            if self.dice.one_in(if name == "saved_entry" { 2 } else { 5 }) {
                let value = self.default();
                set(name, &value);
            }
        }
        for (name, values) in [
            ("boot_success", ["0", "1", ""]),
            ("boot_indeterminate", ["0", "1", "2"]),
            ("boot_counter", ["1", "0", "-1"]),
            ("recordfail", ["1", "0", ""]),
            ("initrdfail", ["1", "2", ""]),
            ("kernelopts", ["root=/dev/sda1 ro", "a\\\\b", "x=\"y z\""]),
            ("menu_auto_hide", ["1", "2", ""]),
            ("extra", ["e", "e f", " g "]),
        ] {
            if self.dice.one_in(5) {
                let value = self.dice.pick(&values);
                set(name, value);
            }
        }
        format!("{:#<1024}", format!("# GRUB Environment Block\n{variables}"))
    }
}
