#!/usr/bin/python
# Copyright (c) 2026 The hoststate maintainers
# MIT or Apache-2.0, at your choice
"""Tells what a host has, why a device is on its driver, and what was run."""

from __future__ import annotations

DOCUMENTATION = r"""
module: info
short_description: Tell what a host has, why a device is on its driver, and what was run
version_added: 0.1.0
description:
  - Reads devices, command lines and module configuration, explains drivers, and lists the recorded runs.
  - Changes nothing.
options:
  inspect:
    description:
      - What to read. V(devices) are PCI devices with IOMMU groups, drivers and virtual functions, V(cmdline) the command
        line of each kernel and where it comes from, V(modules) module configuration and which line wins.
    type: list
    elements: str
    choices: [devices, cmdline, modules]
    default: []
  why:
    description:
      - Devices whose driver is explained, each an address in quotes, ids such as V(10de:0ffc), or a network interface.
    type: list
    elements: str
    default: []
  history:
    description:
      - Whether the recorded runs are listed.
    type: bool
    default: false
  run:
    description:
      - A run that is told with its diff and every step, in place of the list.
    type: str
  capture:
    description:
      - Look at a captured host in place of this one. Such a host has no recorded runs.
    type: path
attributes:
  check_mode:
    description: Whether nothing is changed in check mode.
    support: full
  diff_mode:
    description: Whether differences are shown.
    support: none
extends_documentation_fragment:
  - hoststate.linux.host
  - hoststate.linux.host.plugins
author:
  - The hoststate maintainers (@hoststate)
"""

EXAMPLES = r"""
- name: Which devices there are, and why the card is on its driver
  hoststate.linux.info:
    inspect: [devices]
    why: ["01:00.0"]
  register: host

- name: Show the cards that guests may have
  ansible.builtin.debug:
    msg: "{{ host.devices | selectattr('driver', 'eq', 'vfio-pci') | map(attribute='address') }}"

- name: How the last run ended
  hoststate.linux.info:
    history: true
  register: host
"""

RETURN = r"""
host:
  description: Distribution, kernel, boot loader, generator of images, firmware and IOMMU.
  returned: when O(inspect) is given
  type: dict
devices:
  description: PCI devices, by address.
  returned: when O(inspect) has it
  type: list
  elements: dict
cmdline:
  description: Command lines.
  returned: when O(inspect) has it
  type: dict
modules:
  description: Lines of module configuration.
  returned: when O(inspect) has it
  type: list
  elements: dict
why:
  description: What is told of each device of O(why), in the same order; C(conclusion) is the answer.
  returned: when O(why) is given
  type: list
  elements: dict
runs:
  description: Recorded runs, the oldest first, each with C(run), C(command), C(state), C(outcome) and C(reason).
  returned: when O(history) or O(run) is given
  type: list
  elements: dict
unreadable:
  description: Records that cannot be read.
  returned: when O(history) or O(run) is given
  type: list
  elements: dict
awaits_boot:
  description: Whether the next boot goes on with the last run, or tries what that prepared.
  returned: when O(history) is given
  type: bool
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.hoststate.linux.plugins.module_utils import program as hoststate


def answered(program, command, options):
    """Returns what the program answers."""
    answer = program.ask(command, options)
    hoststate.refuse_trouble(answer, [], {})
    return answer.value


def work(module, program):
    """Looks, and returns what is seen."""
    params = module.params
    options, result = program.host_options(), {"changed": False}
    if params["inspect"]:
        # One of them alone is cheaper than all.
        what = params["inspect"] if len(params["inspect"]) == 1 else []
        seen = answered(program, ["inspect"] + what, options)
        result.update({key: seen[key] for key in ["host"] + params["inspect"]})
    if params["why"]:
        result["why"] = [answered(program, ["why", device], options) for device in params["why"]]
    if params["history"] or params["run"]:
        runs = answered(program, ["history"] + ([params["run"]] if params["run"] else []), options)
        result.update(runs=runs["runs"], unreadable=runs["unreadable"])
        if params["history"]:
            result["awaits_boot"] = any(it["state"]["kind"] == "awaits_boot" for it in runs["runs"])
    return result


def main():
    """Runs the module."""
    module = AnsibleModule(
        argument_spec=dict(
            hoststate.HOST_OPTIONS,
            **hoststate.PLUGIN_OPTIONS,
            inspect={"type": "list", "elements": "str", "choices": ["devices", "cmdline", "modules"], "default": []},
            why={"type": "list", "elements": "str", "default": []},
            history={"type": "bool", "default": False},
            run={"type": "str"},
            capture={"type": "path"},
        ),
        supports_check_mode=True,
        required_one_of=[("inspect", "why", "history", "run")],
        mutually_exclusive=[("history", "run"), ("capture", "history"), ("capture", "run")],
    )
    hoststate.run(module, work)


if __name__ == "__main__":
    main()
