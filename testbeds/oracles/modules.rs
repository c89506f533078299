//! The module-side formats against the real tools: kmod, cpio and the packers. Needs root.
#![expect(clippy::disallowed_methods, reason = "this target runs the real tools on files of its own")]

use std::fs;
use std::path::Path;
use std::process::Command;
use std::rc::Rc;

use hoststate_core::formats::dracut_conf::DracutConf;
use hoststate_core::formats::initramfs;
use hoststate_core::formats::modprobe_conf::{
    CommandLineOption, Directive, ModprobeConf, ModprobeView, ModuleName,
};
use hoststate_core::formats::module_list::{ListKind, ModuleList};
use hoststate_core::formats::os_release::OsRelease;
use hoststate_testkit::real_files;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

/// Returns what `modprobe --showconfig` says of directories (the strongest first) under a command line.
fn showconfig(directories: &[&Path], cmdline: &str) -> Vec<String> {
    let scratch = tempfile::tempdir().unwrap();
    let words = scratch.path().join("cmdline");
    fs::write(&words, format!("{cmdline}\n")).unwrap();
    let script = r#"mount --bind "$1" /proc/cmdline && shift && exec modprobe --showconfig "$@""#;
    let mut command = Command::new("unshare");
    command.args(["-m", "sh", "-c", script, "sh"]).arg(&words).env("LC_ALL", "C");
    for directory in directories {
        command.arg("-C").arg(directory);
    }
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.contains("# End of configuration files"), "{}", String::from_utf8_lossy(&output.stderr));
    let config = text.split("\n# End of configuration files").next().unwrap_or_default();
    config
        .split('\n')
        .filter(|line| !line.is_empty() && !line.starts_with("# End"))
        .map(str::to_owned)
        .collect()
}

/// Prints directives as kmod 30 does, which forgets the blank before `post:`.
fn shown(directive: &Directive) -> Option<String> {
    let list = |name: &str, words: &[String]| match words {
        [] => String::new(),
        words => format!("{name}: {}", words.join(" ")),
    };
    Some(match directive {
        Directive::Alias { pattern, module } => format!("alias {pattern} {module}"),
        Directive::Blacklist { module } => format!("blacklist {module}"),
        Directive::Options { module, text } => format!("options {module} {text}"),
        Directive::Install { module, command } => format!("install {module} {command}"),
        Directive::Remove { module, command } => format!("remove {module} {command}"),
        Directive::Softdep { module, softdep } => {
            format!("softdep {module} {}{}", list("pre", &softdep.pre), list("post", &softdep.post))
        }
        Directive::Weakdep { .. } | Directive::Bad { .. } => return None,
    })
}

/// Compares lines of each command in order; kmod prints the commands one after another.
fn same_config(theirs: &[String], ours: &[String], context: &str) {
    for command in ["alias ", "blacklist ", "options ", "install ", "remove ", "softdep "] {
        let of = |lines: &[String]| {
            lines.iter().filter(|line| line.starts_with(command)).cloned().collect::<Vec<_>>()
        };
        assert_eq!(of(ours), of(theirs), "{context}");
    }
}

fn config_of(text: &str) -> Vec<String> {
    ModprobeConf::parse(text).directives().iter().filter_map(|(_, directive)| shown(directive)).collect()
}

#[test]
fn kmod_reads_every_fixture_as_we_do() {
    for (path, text) in real_files::of("modprobe") {
        assert_eq!(ModprobeConf::parse(&text).to_string(), text);
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("a.conf"), &text).unwrap();
        same_config(
            &showconfig(&[directory.path()], "quiet"),
            &config_of(&text),
            &path.display().to_string(),
        );
    }
}

#[test]
fn fixtures_are_kept_byte_for_byte() {
    for (path, text) in real_files::of("modules-load").into_iter().chain(real_files::of("initramfs-tools")) {
        assert_eq!(
            ModuleList::parse(ListKind::InitramfsTools, &text).to_string(),
            text,
            "{}",
            path.display()
        );
    }
    for (path, text) in real_files::of("dracut") {
        assert_eq!(DracutConf::parse(&text).to_string(), text, "{}", path.display());
    }
    for (path, text) in real_files::of("os-release") {
        // A captured link holds only its target, and lsb-release has other names.
        let names_id = text.lines().any(|line| line.starts_with("ID="));
        assert_eq!(OsRelease::parse(&text).id != "linux", names_id, "{}", path.display());
    }
}

const LINES: &str = "((softdep|options|blacklist|install|remove|alias|x)[ \t]{1,3}(m|n-o|m\\*|a\\[-\\]b|c\\]|)[ \t]{0,3}|pre:|post:|[ \t]|m|p=1|\"|#|\\\\|\n|\r|=){0,40}\n";

proptest! {
    #![proptest_config(ProptestConfig { cases: 320, failure_persistence: None, rng_seed: RngSeed::Fixed(1), ..ProptestConfig::default() })]
    #[test]
    fn kmod_reads_generated_files_as_we_do(first in LINES, second in LINES, masked in LINES, cmdline in "(m|n-o|modprobe\\.blacklist)?(\\.p|=1|\"| |m|,|\\.){0,8}") {
        let directories = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        for (rank, name, text) in [(0, "b.conf", &first), (1, "a.conf", &second), (1, "b.conf", &masked)] {
            fs::write(directories[rank].path().join(name), text).unwrap();
        }
        let theirs = showconfig(&[directories[0].path(), directories[1].path()], "quiet");
        let ours = [config_of(&second), config_of(&first)].concat();
        same_config(&theirs, &ours, &format!("{second:?} then {first:?}"));

        let files = [(0, "b.conf", &first), (1, "a.conf", &second), (1, "b.conf", &masked)];
        let files = files.map(|(rank, name, text)| (rank, name.to_owned(), Rc::new(ModprobeConf::parse(text))));
        let view = ModprobeView::new(files.into());
        for name in ["m", "n_o"] {
            let module = ModuleName::parse(name).unwrap();
            let head = format!("options {name} ");
            let theirs: Vec<&str> = theirs.iter().filter_map(|line| line.strip_prefix(&head)).collect();
            let ours = view.options(&module);
            prop_assert_eq!(ours.iter().map(|winner| winner.value.as_str()).collect::<Vec<_>>(), theirs);
        }
        // Words are split before they get here, so only quotes that close within a word are compared.
        if cmdline.split(' ').all(|word| word.matches('"').count() == 0) {
            let empty = tempfile::tempdir().unwrap();
            let ours: Vec<String> = cmdline.split(' ').filter_map(CommandLineOption::parse).flat_map(|option| match option {
                CommandLineOption::Options { module, text } => vec![format!("options {module} {text}")],
                CommandLineOption::Blacklist(names) => names.iter().map(|name| format!("blacklist {name}")).collect(),
            }).collect();
            same_config(&showconfig(&[empty.path()], &cmdline), &ours, &cmdline);
        }
    }
}

/// Runs a shell pipeline of the real tools in a directory.
fn shell(directory: &Path, script: &str) -> Vec<u8> {
    let output = Command::new("sh").args(["-ec", script]).current_dir(directory).output().unwrap();
    assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

#[test]
fn cpio_lists_packed_images_as_we_do() {
    let scratch = tempfile::tempdir().unwrap();
    let tree = "mkdir -p t/etc/modprobe.d t/usr/lib; echo options x y=1 > t/etc/modprobe.d/a.conf; ln -s usr/lib t/lib; \
                head -c 9000000 /dev/zero > t/usr/lib/big; echo same > t/one; ln t/one t/two; \
                (cd t; find . | sort | cpio -o -H newc --quiet) > plain; cpio -it --quiet < plain";
    let listed = String::from_utf8(shell(scratch.path(), tree)).unwrap();
    let expected: Vec<&str> = listed.lines().map(|path| path.trim_start_matches("./")).collect();
    for packer in ["cat", "gzip", "zstd -19", "xz --check=crc32", "lz4 -l", "lz4", "xz --format=lzma"] {
        let image = shell(scratch.path(), &format!("{packer} < plain > packed; cat plain packed"));
        let image =
            initramfs::list_with(image.as_slice(), |path| path.starts_with("etc/") || path == "one").unwrap();
        let paths: Vec<&str> = image.entries.iter().map(|entry| entry.path.as_str()).collect();
        assert_eq!(paths, [expected.as_slice(), expected.as_slice()].concat(), "{packer}");
        assert_eq!(image.read("etc/modprobe.d/a.conf"), Some(&b"options x y=1\n"[..]), "{packer}");
        assert_eq!(image.read("two"), Some(&b"same\n"[..]), "{packer}");
    }
}
