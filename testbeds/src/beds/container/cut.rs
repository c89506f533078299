//! Cuts a run of hoststate at an exact place: before its N-th rename, or at the start of the N-th call of a tool.

use super::root::Root;
use crate::{
    error::Result,
    files,
    process::{Call, Finished},
    world::mount,
};

/// What a shell, and `Call`, say of a process that SIGKILL ended.
pub(crate) const KILLED: i32 = 128 + 9;
/// Where the shims and the covered tools are, inside the root: on its private `/run`.
const PLACE: &str = "run/testbed";

/// The words before a call of hoststate that kill it on entry of its `number`-th rename: all that it did before stays, the rename does not happen.
///
/// Every file that hoststate replaces appears by a rename, so these are the moments between its steps.
/// The tools are not traced (`--detach-on=execve`): their own renames do not count.
pub(crate) fn before_rename(number: u64) -> [String; 9] {
    [
        "strace".into(),
        "--follow-forks".into(),
        "--detach-on=execve".into(),
        "--quiet=all".into(),
        "--output=/dev/null".into(),
        "--trace=rename,renameat,renameat2".into(),
        "-e".into(),
        format!("inject=rename,renameat,renameat2:signal=KILL:when={number}"),
        "--".into(),
    ]
}

/// Kills hoststate and all between it and the tool when one of `tools` is called for the `number`-th time.
///
/// Each tool is covered by a script on a bind mount, so the file system itself stays as it is.
/// A tool that another one calls counts as well: `mkinitramfs` starts once per kernel, in the middle of
/// `update-initramfs`.
pub(crate) fn at_tool(
    root: &Root,
    tools: &[String],
    number: u64,
    run: impl FnOnce() -> Result<Finished>,
) -> Result<Finished> {
    let place = root.join(PLACE);
    files::write(place.join("calls"), "0\n")?;
    files::write(place.join("cut"), &format!("{number}\n"))?;
    let mut covered = Vec::new();
    for tool in tools {
        let name = tool.rsplit('/').next().unwrap_or(tool);
        let original = place.join(format!("real/{name}"));
        let shim = place.join(format!("shim-{name}"));
        files::write_program(&original, "")?;
        files::write_program(&shim, &shim_text(name))?;
        let tool = root.join(tool).to_string_lossy().into_owned();
        mount(&["--bind", &tool, &original.to_string_lossy()])?;
        mount(&["--bind", &shim.to_string_lossy(), &tool])?;
        covered.push(original.to_string_lossy().into_owned());
        covered.push(tool);
    }
    let finished = run()?;
    for mounted in covered.iter().rev() {
        Call::new(["umount", "--lazy", mounted]).succeed()?;
    }
    Ok(finished)
}

/// Counts its calls; the wanted one kills every process from here up to hoststate, the others run the real tool.
fn shim_text(name: &str) -> String {
    format!(
        r#"#!/bin/sh
calls=$(($(cat /{PLACE}/calls) + 1))
echo $calls > /{PLACE}/calls
[ $calls = "$(cat /{PLACE}/cut)" ] || exec /{PLACE}/real/{name} "$@"
process=$$ chain=
while [ "$process" -gt 1 ]; do
  chain="$process $chain"
  if [ "$(cat /proc/$process/comm)" = hoststate ]; then
    kill -KILL $chain
  fi
  process=$(sed -n 's/^PPid:[[:space:]]*//p' /proc/$process/status)
done
echo "called by something else than hoststate" >&2
exit 99
"#
    )
}
