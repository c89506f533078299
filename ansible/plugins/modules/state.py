#!/usr/bin/python
# Copyright (c) 2026 The hoststate maintainers
# MIT or Apache-2.0, at your choice
"""Makes a host be as it is declared."""

from __future__ import annotations

DOCUMENTATION = r"""
module: state
short_description: Make a host be as it is declared, for PCI passthrough and SR-IOV
version_added: 0.1.0
description:
  - Compares the host with O(resources), shows every difference, makes the changes and reads the host again.
  - Kernel command line, module policy, initramfs, boot configuration, drivers of PCI devices and virtual functions.
  - A guard that refuses, such as one for the console or the way to the network, fails the task before anything is changed.
options:
  resources:
    description:
      - What the host shall be. Each has a C(type) and the fields of that type, which C(hoststate schema TYPE) describes;
        composites such as C(gpu_passthrough) are types like the others.
      - C(ensure) and C(name) may be given for each.
      - A text that means one number, such as C("4") from a template, is taken as that number where the type wants one.
        Texts that different readers take for different numbers, such as C(010), are refused.
      - Write addresses such as C("01:00.0") in quotes. YAML reads some of them as numbers without.
    type: list
    elements: dict
    required: true
  ensure:
    description:
      - Used for the resources that do not say it. V(absent) takes out what hoststate would set for them.
    type: str
    choices: [present, absent]
    default: present
  confirm_boot:
    description:
      - Try a new kernel command line in the next boot only. It becomes the default when that boot holds, and then the rest
        of O(resources) is done. A boot that does not hold goes back by itself.
      - Nothing else is changed before that boot. Where the command line stays as it is, this is an ordinary run.
    type: bool
    default: false
  at_boot:
    description:
      - Finish after the next boot what has to wait for it.
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
  - hoststate.linux.host.owner
seealso:
  - module: hoststate.linux.verify
  - module: hoststate.linux.rollback
author:
  - The hoststate maintainers (@hoststate)
"""

EXAMPLES = r"""
- name: The IOMMU is on and the second card is free for guests
  hoststate.linux.state:
    owner: passthrough
    resources:
      - {type: iommu, passthrough: true}
      - {type: gpu_passthrough, device: {vendor: "10de", class: display}}
  register: passthrough

- name: Reboot where that is needed
  ansible.builtin.reboot:
  when: passthrough.reboot_required

- name: Four virtual functions
  hoststate.linux.state:
    resources:
      - type: sriov_nic
        device: "0000:3b:00.0"
        numvfs: "{{ virtual_functions }}"

- name: A new command line is tried before it is kept
  hoststate.linux.state:
    confirm_boot: true
    resources:
      - {type: kernel_cmdline, name: isolation, present: ["isolcpus=2-7"]}

- name: What is no longer declared goes
  hoststate.linux.state:
    owner: passthrough
    prune: true
    resources: []
"""

RETURN = r"""
would_change:
  description: Whether the plan has something to do but reboot.
  returned: always
  type: bool
reboot_required:
  description: Whether a reboot is left, and is expected to help. In check mode, whether one will be.
  returned: always
  type: bool
reboot_because:
  description: What the reboot is for.
  returned: always
  type: list
  elements: str
in_desired_state:
  description: Whether the host is as it is declared. In check mode, whether it is now.
  returned: always
  type: bool
boot_to_try:
  description: Whether the next boot is one that is tried, after O(confirm_boot=true).
  returned: always
  type: bool
changes:
  description:
    - Settings that differ, or differed before the run. C(resource) is the place in O(resources), counted from 1.
  returned: always
  type: list
  elements: dict
  sample:
    - {resource: 1, type: modules_load, name: modules_load "vfio_pci", scope: persistent, subject: modules-load vfio_pci,
       actual: null, desired: loaded at boot, disruption: none}
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
guards:
  description: What guards found, with C(id), C(severity), C(message), C(evidence) and C(accepted).
  returned: always
  type: list
  elements: dict
deferred:
  description: What waits for something else, with C(resource) and C(reason).
  returned: always
  type: list
  elements: dict
no_longer_declared:
  description: What earlier runs of O(owner) set, is no longer declared and still in place.
  returned: when there is an owner
  type: list
  elements: dict
group:
  description: Equal on hosts whose plans are equal. Ids of machines and of file systems in paths do not count.
  returned: always
  type: str
run:
  description: The recorded run, for M(hoststate.linux.rollback).
  returned: when something was changed
  type: str
outcome:
  description: How the run ended, as hoststate calls it.
  returned: when not in check mode
  type: str
errors:
  description: What is wrong, each with C(what), C(hint) and, where one resource is meant, C(resource) and C(type).
  returned: on failure
  type: list
  elements: dict
"""

import hashlib
import json
import re

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.hoststate.linux.plugins.module_utils import program as hoststate

# What a converge says that was to try a boot, where the command line stays as it is.
NO_BOOT_TO_TRY = "there is no boot to try"
# Ids of machines, as in the names of boot entries, and of file systems.
ID = re.compile(r"\b[0-9a-f]{32}\b|\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b")


def group_of(plan, changes):
    """Returns a text that is equal for equal plans."""
    plans = [changes, [it["argv"] for it in plan["activations"]], [it["id"] for it in plan["guards"]], plan["reboot"]["required"]]
    return hashlib.sha256(ID.sub("id", json.dumps(plans, sort_keys=True)).encode()).hexdigest()[:12]


def asked(program, check, boot, options, declarations):
    """Returns the answer of a plan or of a run."""
    if check and boot == ["--at-boot"]:
        command = ["converge", "-", "--check"]
    else:
        command = ["plan", "-"] if check else ["converge", "-", "--yes"]
    answer = program.ask(command + boot, options, declarations)
    error = answer.value.get("error") or {}
    if boot == ["--confirm-boot"] and NO_BOOT_TO_TRY in error.get("what", ""):
        return program.ask(command, options, declarations)
    return answer


def work(module, program):
    """Plans or converges, and returns the result."""
    params, check = module.params, module.check_mode
    resources = params["resources"]
    if params["ensure"] == "absent":
        resources = [dict({"ensure": "absent"}, **it) for it in resources]
    boot = ["--confirm-boot"] if params["confirm_boot"] else ["--at-boot"] if params["at_boot"] else []
    options = ["--detailed-exitcode"] + program.host_options() + program.owner_options()
    answer = asked(program, check, boot, options, program.declarations(resources))
    plan = answer.plan
    if "changes" not in plan:
        hoststate.refuse_trouble(answer, resources, {})
    changes = hoststate.changes_of(plan, resources)
    tools = program.runs_tools()
    left = plan if check else answer.value["left"]
    result = {
        "changed": hoststate.would_change(plan, tools) if check else answer.value["changed"],
        "would_change": hoststate.would_change(plan, tools),
        "reboot_required": left["reboot"]["required"],
        "reboot_because": left["reboot"]["because"],
        "in_desired_state": not left["changes"] and not left["deferred"] and not left["conflicts"],
        "boot_to_try": plan.get("once_confirmed") is not None,
        "changes": changes,
        "files": [{"path": it["path"], "diff": it["diff"]} for it in plan["files"]],
        "tools": [it["argv"] for it in plan["activations"]],
        "guards": plan["guards"],
        "deferred": left["deferred"],
        "group": group_of(plan, changes),
        "diff": hoststate.differences(plan, tools),
    }
    for key, value in (
        ("no_longer_declared", plan.get("no_longer_declared")),
        ("run", answer.value.get("run")),
        ("outcome", answer.value.get("outcome")),
    ):
        if value is not None:
            result[key] = value
    hoststate.refuse_trouble(answer, resources, result)
    hoststate.warn_of(module, plan, answer)
    if not check and left["activations"]:
        todo = ", ".join(" ".join(it["argv"]) for it in left["activations"])
        module.warn("tools of the distribution are left to you, in this order: %s" % todo)
    return result


def main():
    """Runs the module."""
    spec = dict(
        hoststate.HOST_OPTIONS,
        **hoststate.PLUGIN_OPTIONS,
        **hoststate.ACTIVATE_OPTIONS,
        **hoststate.OWNER_OPTIONS,
        resources={"type": "list", "elements": "dict", "required": True},
        ensure={"type": "str", "choices": ["present", "absent"], "default": "present"},
        confirm_boot={"type": "bool", "default": False},
        at_boot={"type": "bool", "default": False},
    )
    module = AnsibleModule(
        argument_spec=spec,
        supports_check_mode=True,
        mutually_exclusive=[("confirm_boot", "at_boot")],
        required_if=[("prune", True, ("owner",))],
    )
    hoststate.run(module, work)


if __name__ == "__main__":
    main()
