//! Whole roots against kmod: which directory of modprobe.d wins, and in what order softdeps load modules. Needs root.
#![expect(clippy::disallowed_methods, reason = "this target runs the real tools on files of its own")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use hoststate_abi::host_view::HostView;
use hoststate_core::formats::modprobe_conf::{ModprobeView, ModuleName};
use hoststate_core::machine::modprobe_d;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

const RELEASE: &str = "6.1.0-50-test";
const MODULES: [&str; 4] = ["m_a", "m_b", "m_c", "m_d"];

/// Where kmod 30 looks, the strongest first; `/lib` leads to `/usr/lib`.
const DIRECTORIES: [&str; 4] =
    ["etc/modprobe.d", "run/modprobe.d", "usr/local/lib/modprobe.d", "usr/lib/modprobe.d"];

fn run(command: &mut Command) -> String {
    let output = command.env("LC_ALL", "C").output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Makes a root with one kernel and modules that need nothing, indexed by the real depmod.
fn root() -> tempfile::TempDir {
    let tree = tempfile::tempdir().unwrap();
    let root = tree.path();
    let kernel = root.join("usr/lib/modules").join(RELEASE);
    for directory in DIRECTORIES.into_iter().map(|it| root.join(it)).chain([kernel.clone()]) {
        fs::create_dir_all(directory).unwrap();
    }
    std::os::unix::fs::symlink("usr/lib", root.join("lib")).unwrap();
    for directory in ["boot", "proc"] {
        fs::create_dir(root.join(directory)).unwrap();
    }
    fs::write(root.join("boot").join(format!("vmlinuz-{RELEASE}")), "").unwrap();
    fs::write(root.join("proc/cmdline"), "quiet\n").unwrap();
    for file in ["modules.order", "modules.builtin"] {
        fs::write(kernel.join(file), "").unwrap();
    }
    // An object with a `.modinfo` section is all that depmod wants of a module.
    let source = root.join("module.c");
    let text =
        "__attribute__((section(\".modinfo\"), used)) static const char license[] = \"license=GPL\";\n";
    fs::write(&source, text).unwrap();
    for module in MODULES {
        run(Command::new("cc").arg("-c").arg(&source).arg("-o").arg(kernel.join(format!("{module}.ko"))));
    }
    run(Command::new("depmod").arg("-b").arg(root).arg(RELEASE));
    tree
}

fn view(root: &Path) -> std::rc::Rc<ModprobeView> {
    modprobe_d::view(&HostView::new(root)).unwrap()
}

/// Returns what modprobe would load, in order, each with its options.
fn show_depends(root: &Path, module: &str) -> Vec<String> {
    let mut modprobe = Command::new("modprobe");
    modprobe.arg("-d").arg(root).arg("-C").arg(root.join(DIRECTORIES[0]));
    let text = run(modprobe.args(["-S", RELEASE, "--show-depends", module]));
    let loaded = text.lines().map(|line| {
        let (path, options) = line.strip_prefix("insmod ").unwrap().split_once(' ').unwrap();
        let module = Path::new(path).file_stem().unwrap().to_string_lossy().into_owned();
        format!("{module} {}", options.trim_end())
    });
    loaded.collect()
}

/// Does what kmod does with softdeps (libkmod-module.c): each module once, what comes before it first.
fn load(view: &ModprobeView, name: &str, begun: &mut BTreeSet<String>, loaded: &mut Vec<String>) {
    if !MODULES.contains(&name) || !begun.insert(name.to_owned()) {
        return;
    }
    let module = ModuleName::parse(name).unwrap();
    let softdep = view.softdep(&module);
    for it in softdep.iter().flat_map(|it| &it.value.pre) {
        load(view, it, begun, loaded);
    }
    let options: Vec<String> = view.options(&module).into_iter().map(|it| it.value).collect();
    loaded.push(format!("{name} {}", options.join(" ")));
    for it in softdep.iter().flat_map(|it| &it.value.post) {
        load(view, it, begun, loaded);
    }
}

fn lines() -> impl Strategy<Value = String> {
    let module = "m_[abcd]";
    let list = proptest::collection::vec("m_[abcdx]", 0..3);
    let softdep = (module, list.clone(), list).prop_map(|(module, pre, post)| {
        format!("softdep {module} pre: {} post: {}\n", pre.join(" "), post.join(" "))
    });
    let options = (module, "[pq]=[0-9]").prop_map(|(module, option)| format!("options {module} {option}\n"));
    proptest::collection::vec(prop_oneof![softdep, options], 0..5).prop_map(|it| it.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, rng_seed: RngSeed::Fixed(1), ..ProptestConfig::default() })]

    #[test]
    fn kmod_loads_in_the_order_that_we_foresee(first in lines(), last in lines(), of_kernel in lines()) {
        let tree = root();
        fs::write(tree.path().join("etc/modprobe.d/a.conf"), &first).unwrap();
        // After the kernel's own `modules.softdep` in the order of names.
        fs::write(tree.path().join("etc/modprobe.d/z.conf"), &last).unwrap();
        fs::write(tree.path().join("lib/modules").join(RELEASE).join("modules.softdep"), &of_kernel).unwrap();
        let view = view(tree.path());
        for module in MODULES {
            let mut loaded = Vec::new();
            load(&view, module, &mut BTreeSet::new(), &mut loaded);
            prop_assert_eq!(loaded, show_depends(tree.path(), module));
        }
    }

    #[test]
    fn the_strongest_directory_wins(files in proptest::collection::vec((0_usize..4, "[ab]\\.conf|\\.c\\.conf|d", "m_[ab]", "[1-9]"), 0..9)) {
        let tree = root();
        let root = tree.path();
        for (directory, name, module, value) in &files {
            fs::write(root.join(DIRECTORIES[*directory]).join(name), format!("options {module} p={value}\n")).unwrap();
        }
        // kmod's directories are compiled in, so they are put in the place of the machine's.
        let script = r#"
            mount --bind "$1/etc" /etc && mount --bind "$1/run" /run && mount --bind "$1/usr/local/lib" /usr/local/lib &&
            mount --bind "$1/usr/lib/modprobe.d" /usr/lib/modprobe.d && mount --bind "$1/proc/cmdline" /proc/cmdline &&
            exec modprobe --showconfig"#;
        let theirs = run(Command::new("unshare").args(["-m", "sh", "-c", script, "sh"]).arg(root));
        let view = view(root);
        for module in MODULES {
            let head = format!("options {module} ");
            let theirs: Vec<&str> = theirs.lines().filter_map(|it| it.strip_prefix(&head)).collect();
            let ours = view.options(&ModuleName::parse(module).unwrap());
            prop_assert_eq!(ours.iter().map(|it| it.value.as_str()).collect::<Vec<_>>(), theirs, "{:?}", files);
        }
    }
}
