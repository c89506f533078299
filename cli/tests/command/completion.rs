//! What a shell offers: bash itself asks, with the script that `hoststate completions bash` prints.

#![expect(clippy::disallowed_methods, reason = "the shell asks")]
#![expect(clippy::unwrap_used, reason = "a test without its shell cannot go on")]

use std::process::Command;

use crate::declarations::SOFTDEP;
use crate::support::Tree;

/// Returns what bash offers to go on with in a command line.
fn offered(tree: &Tree, line: &[&str]) -> Vec<String> {
    let words: Vec<String> = line.iter().map(|it| format!("'{it}'")).collect();
    let script = format!(
        "set -e\nhoststate() {{ '{program}' \"$@\"; }}\nsource <('{program}' completions bash)\n\
         COMP_WORDS=({words}) COMP_CWORD={at} COMP_TYPE=9\n_hoststate hoststate {last} ''\n\
         printf '%s\\n' \"${{COMPREPLY[@]}}\"\n",
        program = env!("CARGO_BIN_EXE_hoststate"),
        words = words.join(" "),
        at = line.len() - 1,
        last = words.last().unwrap(),
    );
    let output = Command::new("bash").args(["-c", &script]).current_dir(tree.path("")).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    text.lines().map(|it| it.trim_end().to_owned()).collect()
}

#[test]
fn a_shell_is_offered_what_the_host_has() {
    let tree = Tree::with(SOFTDEP);
    for (name, text) in [("vendor", "0x10de\n"), ("device", "0x0ffc\n"), ("class", "0x030000\n")] {
        tree.write(&format!("root/sys/bus/pci/devices/0000:01:00.0/{name}"), text);
    }
    let hoststate = |words: &[&str]| offered(&tree, &[&["hoststate"], words].concat());
    assert!(hoststate(&["why", "--root", "root", ""]).contains(&"0000:01:00.0".to_owned()));
    assert_eq!(tree.run("converge playbook.json --root root --yes").status, Some(0));
    let runs = hoststate(&["rollback", "--root=root", "20"]);
    assert!(runs.len() == 1 && runs[0].contains('Z'), "{runs:?}");
    assert_eq!(hoststate(&["history", "--root", "root", "20"]), runs);
    assert_eq!(hoststate(&["schema", "modprobe_s"]), ["modprobe_softdep"]);
    assert_eq!(hoststate(&["schema", "gpu"]), ["gpu_passthrough"]);
    assert_eq!(hoststate(&["converge", "--det"]), ["--detailed-exitcode"]);
}
