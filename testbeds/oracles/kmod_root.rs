//! Whole roots against kmod: which directory of modprobe.d wins, and in what order softdeps load modules. Needs root.
#![expect(clippy::disallowed_methods, reason = "this target runs the real tools on files of its own")]

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use hoststate_core::formats::modprobe_conf::{ModprobeView, ModuleName};
use hoststate_core::machine::modprobe_d;
use hoststate_testkit::program::succeed;
use hoststate_testkit::tree::Tree;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

const RELEASE: &str = "6.1.0-50-test";
const MODULES: [&str; 4] = ["m_a", "m_b", "m_c", "m_d"];

/// Where kmod 30 looks, the strongest first; `/lib` leads to `/usr/lib`.
const DIRECTORIES: [&str; 4] =
    ["etc/modprobe.d", "run/modprobe.d", "usr/local/lib/modprobe.d", "usr/lib/modprobe.d"];

/// Makes a root with one kernel and modules that need nothing, indexed by the real depmod.
fn root() -> Tree {
    let tree = Tree::new(&[("/lib -> usr/lib", ""), ("/proc/cmdline", "quiet\n")]);
    for directory in DIRECTORIES {
        tree.directory(directory);
    }
    let kernel = format!("/usr/lib/modules/{RELEASE}");
    tree.write(format!("/boot/vmlinuz-{RELEASE}"), "");
    for file in ["modules.order", "modules.builtin"] {
        tree.write(format!("{kernel}/{file}"), "");
    }
    // An object with a `.modinfo` section is all that depmod wants of a module.
    tree.write(
        "/module.c",
        "__attribute__((section(\".modinfo\"), used)) static const char license[] = \"license=GPL\";\n",
    );
    for module in MODULES {
        let object = tree.real(format!("{kernel}/{module}.ko"));
        succeed(Command::new("cc").arg("-c").arg(tree.real("/module.c")).arg("-o").arg(object));
    }
    succeed(Command::new("depmod").arg("-b").arg(tree.root()).arg(RELEASE));
    tree
}

fn view(tree: &Tree) -> std::rc::Rc<ModprobeView> {
    modprobe_d::view(&tree.view()).unwrap()
}

/// Returns what modprobe would load, in order, each with its options.
fn show_depends(root: &Path, module: &str) -> Vec<String> {
    let mut modprobe = Command::new("modprobe");
    modprobe.arg("-d").arg(root).arg("-C").arg(root.join(DIRECTORIES[0])).env("LC_ALL", "C");
    let text = succeed(modprobe.args(["-S", RELEASE, "--show-depends", module]));
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
        tree.write("/etc/modprobe.d/a.conf", &first);
        // After the kernel's own `modules.softdep` in the order of names.
        tree.write("/etc/modprobe.d/z.conf", &last);
        tree.write(format!("/lib/modules/{RELEASE}/modules.softdep"), &of_kernel);
        let view = view(&tree);
        for module in MODULES {
            let mut loaded = Vec::new();
            load(&view, module, &mut BTreeSet::new(), &mut loaded);
            prop_assert_eq!(loaded, show_depends(tree.root(), module));
        }
    }

    #[test]
    fn the_strongest_directory_wins(files in proptest::collection::vec((0_usize..4, "[ab]\\.conf|\\.c\\.conf|d", "m_[ab]", "[1-9]"), 0..9)) {
        let tree = root();
        for (directory, name, module, value) in &files {
            tree.write(format!("/{}/{name}", DIRECTORIES[*directory]), format!("options {module} p={value}\n"));
        }
        // kmod's directories are compiled in, so they are put in the place of the machine's.
        let script = r#"
            mount --bind "$1/etc" /etc && mount --bind "$1/run" /run && mount --bind "$1/usr/local/lib" /usr/local/lib &&
            mount --bind "$1/usr/lib/modprobe.d" /usr/lib/modprobe.d && mount --bind "$1/proc/cmdline" /proc/cmdline &&
            exec modprobe --showconfig"#;
        let theirs = succeed(Command::new("unshare").args(["-m", "sh", "-c", script, "sh"]).arg(tree.root()).env("LC_ALL", "C"));
        let view = view(&tree);
        for module in MODULES {
            let head = format!("options {module} ");
            let theirs: Vec<&str> = theirs.lines().filter_map(|it| it.strip_prefix(&head)).collect();
            let ours = view.options(&ModuleName::parse(module).unwrap());
            prop_assert_eq!(ours.iter().map(|it| it.value.as_str()).collect::<Vec<_>>(), theirs, "{:?}", files);
        }
    }
}
