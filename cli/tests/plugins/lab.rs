//! A host, a folder of plugins, and the command run with both.

#![expect(clippy::disallowed_methods, reason = "tests build trees and plugins, and start programs")]

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use expect_test::Expect;
use hoststate_testkit::program::{answer, program, succeed};
use hoststate_testkit::tree::UBUNTU;
use tempfile::TempDir;

/// A host below `root`, plugins in `plugins`, and a playbook.
pub(crate) struct Lab {
    directory: TempDir,
}

impl Lab {
    /// An Ubuntu without a kernel, with a lamp that is off, and a playbook that wants it on.
    pub(crate) fn new() -> Self {
        // A plugin without rights reads the host.
        let open = Permissions::from_mode(0o755);
        let lab = Self { directory: tempfile::Builder::new().permissions(open).tempdir().expect("room") };
        for (path, text) in UBUNTU {
            lab.write(&format!("root{path}"), text);
        }
        lab.write("root/sys/lamp", "off\n");
        lab.write("plugins/README", "");
        std::fs::remove_file(lab.path("plugins/README")).expect("it was written");
        lab.write("lamp.lua", "acme.lamp { on = true }\n");
        lab
    }

    /// The captured host of a case in place of the Ubuntu.
    pub(crate) fn captured(case: &str) -> Self {
        let lab = Self::new();
        std::fs::remove_dir_all(lab.path("root")).expect("it was made");
        let tree = project().join("cli/tests/cases").join(case).join("tree.txt");
        let mut command = Command::new(env!("CARGO_BIN_EXE_hoststate"));
        let output = command.arg("unpack").arg(tree).arg(lab.path("root")).output();
        assert!(output.expect("the command is built").status.success());
        lab
    }

    /// Such a host with the lamp's plugin, built with these macros and trusted.
    pub(crate) fn with(macros: &[&str]) -> Self {
        let lab = Self::new();
        lab.compile("cli/tests/plugins/abi1.c", "lamp.so", macros);
        lab.trusts("lamp.so");
        lab
    }

    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.directory.path().join(path)
    }

    pub(crate) fn write(&self, path: &str, text: &str) {
        let path = self.path(path);
        std::fs::create_dir_all(path.parent().expect("a directory")).expect("room");
        std::fs::write(path, text).expect("room");
    }

    pub(crate) fn read(&self, path: &str) -> String {
        std::fs::read_to_string(self.path(path)).expect("a file")
    }

    /// Compiles a C source of the project to a plugin.
    pub(crate) fn compile(&self, source: &str, name: &str, macros: &[&str]) {
        let mut command = Command::new("cc");
        command.current_dir(project()).args(["-Wall", "-Wextra", "-Werror", "-shared", "-fPIC"]);
        command.args(["-I", "core/abi/include"]);
        command
            .args(macros.iter().map(|it| format!("-D{it}")))
            .arg("-o")
            .arg(self.path("plugins").join(name))
            .arg(source);
        succeed(&mut command);
    }

    /// Builds a package of the workspace whose library is a plugin.
    pub(crate) fn build(&self, package: &str) {
        let built = Path::new(env!("CARGO_BIN_EXE_hoststate")).parent().expect("target/debug");
        let mut command = Command::new(env!("CARGO"));
        command.current_dir(project()).args(["build", "-q", "-p", package, "--target-dir"]);
        succeed(command.arg(built.join("..")));
        let library = format!("lib{}.so", package.replace('-', "_"));
        std::fs::copy(built.join(&library), self.path("plugins").join(library)).expect("it is built");
    }

    /// Puts a program among the plugins.
    pub(crate) fn install(&self, name: &str, text: &str) {
        self.write(&format!("plugins/{name}"), text);
        self.mode(&format!("plugins/{name}"), 0o755);
    }

    pub(crate) fn mode(&self, path: &str, mode: u32) {
        std::fs::set_permissions(self.path(path), Permissions::from_mode(mode)).expect("it is there");
    }

    /// Checks that nothing of a plugin's `acme.lamp` is known before it is trusted.
    pub(crate) fn knows_nothing_of(&self, name: &str, playbook: &str) {
        let listed = self.run("plugin list");
        let row = format!("new              LAB/plugins/{name}\n`hoststate plugin trust FILE` shows what");
        assert!(listed.contains(&row), "{listed}");
        let plan = self.run(&format!("plan {playbook} --root root"));
        let hint = format!("hint: LAB/plugins/{name} is there and not trusted: `hoststate plugin trust");
        let said = format!("error: there is no `acme`\n  at {playbook}:1\n{hint}");
        assert!(plan.starts_with(&said), "{plan}");
    }

    /// Checks that a plugin is refused because its file is another than was trusted.
    pub(crate) fn refuses_changed(&self, name: &str, playbook: &str) {
        let plan = self.run(&format!("plan {playbook} --root root"));
        let why = format!(
            "error: acme.lamp \"lamp\": LAB/plugins/{name}: changed since it was trusted\n  at {playbook}:1\nhint: \
             `hoststate plugin trust LAB/plugins/{name}` shows what it asks for now.\nexit 1\n"
        );
        assert_eq!(plan, why);
    }

    pub(crate) fn trusts(&self, name: &str) {
        let answer = self.run(&format!("plugin trust plugins/{name} --yes"));
        assert!(answer.ends_with("exit 0\n"), "{answer}");
    }

    /// Runs the command with the folder of plugins. Paths of the lab read `LAB`, and what this machine does not permit
    /// is left out.
    pub(crate) fn run(&self, words: &str) -> String {
        let said = self.run_here(words);
        said.split_inclusive('\n').filter(|it| !it.ends_with("does not permit better\n")).collect()
    }

    /// Runs the command, and says what this machine does not permit.
    pub(crate) fn run_here(&self, words: &str) -> String {
        let mut command = program(env!("CARGO_BIN_EXE_hoststate"), words, self.directory.path());
        let answer = answer(command.arg("--plugin-dir").arg(self.path("plugins")));
        answer.to_string().replace(&self.directory.path().display().to_string(), "LAB")
    }

    /// Checks what the command answers.
    pub(crate) fn check(&self, words: &str, expect: Expect) {
        expect.assert_eq(&self.run(words));
    }
}

/// The directory of the workspace.
pub(crate) fn project() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("cli lies in the workspace")
}
