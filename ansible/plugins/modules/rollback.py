#!/usr/bin/python
# Copyright (c) 2026 The hoststate maintainers
# MIT or Apache-2.0, at your choice
"""Undoes a recorded run."""

from __future__ import annotations

DOCUMENTATION = r"""
module: rollback
short_description: Undo what a recorded run changed, and make that take effect
version_added: 0.1.0
description:
  - Puts back files, images and boot configuration, drivers and virtual functions of one run of hoststate on the host.
  - What others changed since stays. A rollback that was cut is continued by the same task.
options:
  run:
    description:
      - The run. By default the newest, and nothing where that is undone already.
    type: str
  force:
    description:
      - Lose what others changed since where the run changed it.
    type: bool
    default: false
attributes:
  check_mode:
    description: Whether nothing is changed in check mode.
    support: full
  diff_mode:
    description: Whether differences are shown.
    support: full
extends_documentation_fragment:
  - hoststate.linux.host
  - hoststate.linux.host.plugins
  - hoststate.linux.host.activate
seealso:
  - module: hoststate.linux.info
  - module: hoststate.linux.state
author:
  - The hoststate maintainers (@hoststate)
"""

EXAMPLES = r"""
- name: Take back what this play did
  hoststate.linux.rollback:
    run: "{{ passthrough.run }}"
  when: passthrough.run is defined
"""

RETURN = r"""
reboot_required:
  description: Whether a reboot is left.
  returned: always
  type: bool
files:
  description: Files that differ, each with C(path) and a unified C(diff).
  returned: always
  type: list
  elements: dict
tools:
  description: Commands of the distribution that are run, or were, or are left to you with O(activate=skip).
  returned: always
  type: list
  elements: list
run:
  description: The recorded run of the rollback itself, which can be undone as well.
  returned: when something was changed
  type: str
outcome:
  description: How the run ended, as hoststate calls it.
  returned: when not in check mode
  type: str
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.hoststate.linux.plugins.module_utils import program as hoststate


def work(module, program):
    """Undoes the run, or shows what that would do."""
    params, check = module.params, module.check_mode
    command = ["rollback"] + ([params["run"]] if params["run"] else []) + ["--check" if check else "--yes"]
    options = ["--detailed-exitcode"] + program.host_options() + (["--force"] if params["force"] else [])
    answer = program.ask(command, options)
    plan = answer.plan
    if "changes" not in plan:
        hoststate.refuse_trouble(answer, [], {})
    tools = program.runs_tools()
    left = plan if check else answer.value["left"]
    result = {
        "changed": hoststate.would_change(plan, tools) if check else answer.value["changed"],
        "reboot_required": left["reboot"]["required"],
        "files": [{"path": it["path"], "diff": it["diff"]} for it in plan["files"]],
        "tools": [it["argv"] for it in plan["activations"]],
        "diff": hoststate.differences(plan, tools),
    }
    for key in ("run", "outcome"):
        if answer.value.get(key) is not None:
            result[key] = answer.value[key]
    hoststate.refuse_trouble(answer, [], result)
    hoststate.warn_of(module, plan, answer)
    return result


def main():
    """Runs the module."""
    module = AnsibleModule(
        argument_spec=dict(
            hoststate.HOST_OPTIONS,
            **hoststate.PLUGIN_OPTIONS,
            **hoststate.ACTIVATE_OPTIONS,
            run={"type": "str"},
            force={"type": "bool", "default": False},
        ),
        supports_check_mode=True,
    )
    hoststate.run(module, work)


if __name__ == "__main__":
    main()
