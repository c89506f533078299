//! A tool that goes on working when its run was killed.

use std::fs::{self, OpenOptions};
use std::path::Path;
use std::process::{Command, Stdio};

use crate::machine;
use crate::program;
use crate::small_host::write;
use crate::trace::{Answer, answer};

/// Says that it was started, and works until somebody opens the pipe.
const TOOL: &str = "#include <fcntl.h>\n\
                    int main(void) {\n\
                    \topen(\"/started\", O_CREAT | O_WRONLY, 0600);\n\
                    \topen(\"/go\", O_RDONLY);\n\
                    \treturn 0;\n\
                    }\n";

fn succeed(command: &mut Command) {
    let answer = answer(command);
    assert_eq!(answer.status, 0, "{answer}");
}

fn converge_from_outside(root: &Path) -> Answer {
    let mut command = Command::new(program());
    command.arg("converge").arg(root.join("root/tool.lua")).arg("--root").arg(root);
    answer(command.args(["--yes", "--activate", "skip"]).env_clear().stdin(Stdio::null()))
}

#[test]
fn a_tool_that_outlives_its_run_keeps_the_next_one_out() {
    let place = tempfile::TempDir::new().unwrap();
    let root = place.path();
    machine::make(root);
    write(
        &root.join("root/tool.lua"),
        "modprobe_options { module = \"vfio-pci\", options = { nointxmask = 1 } }\n",
    );
    write(&root.join("root/tool.c"), TOOL);
    let tool = root.join("usr/bin/dracut");
    succeed(Command::new("cc").arg("-static").arg("-o").arg(&tool).arg(root.join("root/tool.c")));
    succeed(Command::new("mkfifo").arg(root.join("go")));
    let mut run = machine::command(root, &["converge", "/root/tool.lua", "--yes"]);
    let mut run = run.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    while !root.join("started").exists() {
        if run.try_wait().unwrap().is_some() {
            panic!("the run ended before its tool was started: {:?}", run.wait_with_output());
        }
        std::thread::yield_now();
    }
    run.kill().unwrap();
    run.wait().unwrap();
    let kept_out = converge_from_outside(root);
    assert_eq!(kept_out.status, 1, "{kept_out}");
    let says = "it was killed, and what it started is still running: dracut (process ";
    assert!(kept_out.said.contains(says), "{kept_out}");
    fs::remove_file(root.join("started")).unwrap();
    // Whoever opens the pipe to write lets the tool go on to its end.
    drop(OpenOptions::new().write(true).open(root.join("go")).unwrap());
    loop {
        let next = converge_from_outside(root);
        if !next.said.contains("has the lock") {
            assert_eq!(next.status, 0, "{next}");
            break;
        }
        std::thread::yield_now();
    }
}
