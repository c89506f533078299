//! What the distributions' tools do, as far as it can be seen in files afterwards.

use std::path::Path;

use hoststate_core::error::{Error, Result};
use hoststate_core::formats::dracut_conf::{self, DracutConf};
use hoststate_core::formats::modprobe_conf::ModuleName;
use hoststate_core::formats::module_index::ModulesDep;
use hoststate_core::formats::module_list::{ListKind, ModuleList};
use hoststate_core::formats::newc;
use hoststate_core::formats::shell_assignments::{Environment, Shell, ShellFile, Value};
use hoststate_core::host::Done;

use super::{SimHost, modules};

const DEFAULT_GRUB: &str = "/etc/default/grub";

/// What `00_header` writes about entries for one boot.
const HEADER: &str = "# A simulated grub-mkconfig made this.\nload_env\nif [ \"${next_entry}\" ] ; then\n   \
                      set default=\"${next_entry}\"\n   set next_entry=\n   save_env next_entry\nelse\n   \
                      set default=\"0\"\nfi\n### BEGIN /etc/grub.d/10_linux ###\n";

/// What `41_custom` writes.
const CUSTOM: &str = "### END /etc/grub.d/10_linux ###\n### BEGIN /etc/grub.d/41_custom ###\nif [ -f ${config_directory}/custom.cfg ]; then\n  source ${config_directory}/custom.cfg\nfi\n";

/// Runs a tool.
pub(super) fn run(host: &SimHost, argv: &[String]) -> Result<Done> {
    let words: Vec<&str> = argv.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["modprobe", module] => modules::modprobe(host, module),
        ["udevadm", "control", "--reload"] => {}
        ["update-initramfs", "-u" | "-c", "-k", release] => initramfs_tools(host, release),
        ["dracut", .., release] => {
            let named = words.iter().find(|it| it.starts_with('/')).map(|it| (*it).to_owned());
            dracut(host, &named.unwrap_or_else(|| format!("/boot/initramfs-{release}.img")), release);
        }
        ["update-grub"] => grub_mkconfig(host, "/boot/grub/grub.cfg", Shell::Dash),
        ["grub-mkconfig", "-o", output] => grub_mkconfig(host, output, Shell::Dash),
        ["grub2-mkconfig", "-o", output] => grub_mkconfig(host, output, Shell::Bash),
        ["systemd-run", unit, .., "systemctl", "reboot"] => {
            let unit = unit.trim_start_matches("--unit=");
            host.tree.write(format!("/run/systemd/transient/{unit}.timer"), lines(argv));
        }
        ["wall", _] => {}
        _ => {
            let status = "cannot be run: No such file or directory".to_owned();
            return Err(Error::Tool { argv: argv.to_vec(), status, code: None, stderr: String::new() });
        }
    }
    Ok(Done { status: Some(0), stderr: String::new() })
}

fn initramfs_tools(host: &SimHost, release: &str) {
    let listed = host.tree.read("/etc/initramfs-tools/modules").unwrap_or_default();
    let list = ModuleList::parse(ListKind::InitramfsTools, &listed);
    let modules: Vec<String> = list.modules().into_iter().map(str::to_owned).collect();
    let mut files = modprobe_d(host);
    files.push(("conf/modules".to_owned(), lines(&modules).into_bytes()));
    files.extend(module_files(host, release, &modules));
    host.tree.write(format!("/boot/initrd.img-{release}"), newc::archive(&files));
}

/// An image of dracut for this host, which takes modprobe.d over; without `hostonly` it would not.
fn dracut(host: &SimHost, image: &str, release: &str) {
    let view = host.tree.view();
    let directory = Path::new("/etc/dracut.conf.d");
    let names = view.list(directory).expect("a readable directory");
    let texts = names.iter().filter(|it| it.ends_with(".conf")).map(|it| directory.join(it));
    let main = Path::new("/etc/dracut.conf").to_owned();
    let files: Vec<DracutConf> = std::iter::once(main)
        .chain(texts)
        .filter_map(|it| host.tree.read(it))
        .map(|it| DracutConf::parse(&it))
        .collect();
    let forced = dracut_conf::words(&files, "force_drivers");
    let modules = [dracut_conf::words(&files, "add_drivers"), forced.clone()].concat();
    let mut inside = modprobe_d(host);
    if !forced.is_empty() {
        let words: Vec<String> = forced.iter().map(|it| format!("rd.driver.pre={it}")).collect();
        inside.push(("etc/cmdline.d/20-force_driver.conf".to_owned(), lines(&words).into_bytes()));
    }
    inside.extend(module_files(host, release, &modules));
    host.tree.write(image, newc::archive(&inside));
}

fn lines(words: &[String]) -> String {
    words.iter().map(|it| format!("{it}\n")).collect()
}

fn modprobe_d(host: &SimHost) -> Vec<(String, Vec<u8>)> {
    let directory = Path::new("/etc/modprobe.d");
    let names = host.tree.view().list(directory).expect("a readable directory");
    let configuration = names.iter().filter(|it| it.ends_with(".conf"));
    let file = |name: &String| {
        let text = host.tree.read(directory.join(name)).unwrap_or_default();
        (format!("etc/modprobe.d/{name}"), text.into_bytes())
    };
    configuration.map(file).collect()
}

/// The files of modules and of what they need, where `modules.dep` knows them.
fn module_files(host: &SimHost, release: &str, modules: &[String]) -> Vec<(String, Vec<u8>)> {
    let text = host.tree.read(format!("/lib/modules/{release}/modules.dep")).unwrap_or_default();
    let dep = ModulesDep::parse(&text);
    let mut paths: Vec<&str> = Vec::new();
    for module in modules.iter().filter_map(|it| ModuleName::parse(it).ok()) {
        paths.extend(dep.dependencies(&module));
        paths.extend(dep.path(&module));
    }
    paths.sort_unstable();
    paths.dedup();
    let file = |path: &str| {
        let content = host.tree.read(format!("/lib/modules/{release}/{path}")).unwrap_or_default();
        (format!("usr/lib/modules/{release}/{path}"), content.into_bytes())
    };
    paths.into_iter().map(file).collect()
}

/// What any command in `/etc/default/grub` prints.
const PRINTED: &str = "printed";

/// Writes a grub.cfg with an entry and a recovery entry for each kernel in `/boot`, newest first.
fn grub_mkconfig(host: &SimHost, output: &str, shell: Shell) {
    let view = host.tree.view();
    let mut environment = Environment::default();
    for name in ["GRUB_CMDLINE_LINUX", "GRUB_CMDLINE_LINUX_DEFAULT"] {
        environment.define(name, "");
    }
    environment.stand_in(PRINTED);
    let mut sources = vec![Path::new(DEFAULT_GRUB).to_owned()];
    if shell == Shell::Dash {
        let directory = Path::new("/etc/default/grub.d");
        let names = view.list(directory).expect("a readable directory");
        sources.extend(names.iter().filter(|it| it.ends_with(".cfg")).map(|it| directory.join(it)));
    }
    for text in sources.into_iter().filter_map(|it| host.tree.read(it)) {
        ShellFile::parse(&text).evaluate(&mut environment, shell);
    }
    let value = |name: &str| match environment.get(name) {
        Some(Value::Known(text)) => text.clone(),
        Some(Value::Unknown { .. }) => PRINTED.to_owned(),
        None => String::new(),
    };
    let (always, normally) = (value("GRUB_CMDLINE_LINUX"), value("GRUB_CMDLINE_LINUX_DEFAULT"));
    let mut text = String::from(HEADER);
    let mut kernels: Vec<String> = view.list(Path::new("/boot")).expect("a readable directory");
    kernels.retain(|it| it.starts_with("vmlinuz-"));
    for kernel in kernels.iter().rev() {
        let release = kernel.trim_start_matches("vmlinuz-");
        for (title, words) in [
            (format!("Linux {release}"), format!("ro {always} {normally}")),
            (format!("Linux {release} (recovery mode)"), format!("ro single {always}")),
        ] {
            let words = words.split_whitespace().collect::<Vec<_>>().join(" ");
            text.push_str(&format!("menuentry '{title}' {{\n"));
            text.push_str(&format!("\tlinux\t/boot/{kernel} root=/dev/vda1 {words}\n"));
            text.push_str(&format!("\tinitrd\t/boot/initrd.img-{release}\n}}\n"));
        }
    }
    text.push_str(CUSTOM);
    host.tree.write(output, text);
}
