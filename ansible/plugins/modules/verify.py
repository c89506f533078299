#!/usr/bin/python
# Copyright (c) 2026 The hoststate maintainers
# MIT or Apache-2.0, at your choice
"""Checks whether a host is as it is declared."""

from __future__ import annotations

DOCUMENTATION = r"""
module: verify
short_description: Check strictly whether a host is as it is declared
version_added: 0.1.0
description:
  - Fails unless every setting is as declared, on the disk and in the running kernel, and says of each that is not what it is.
  - Changes nothing, in check mode or not.
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
  last:
    description:
      - Take the declarations of the last run on the host, whichever owner's they are.
    type: bool
    default: false
  wait:
    description:
      - Wait up to this many seconds for devices that appear late.
    type: int
    default: 0
  ignore_reboot:
    description:
      - Succeed as well where nothing is left but a reboot.
    type: bool
    default: false
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
  - hoststate.linux.host.activate
  - hoststate.linux.host.owner
seealso:
  - module: hoststate.linux.state
author:
  - The hoststate maintainers (@hoststate)
"""

EXAMPLES = r"""
- name: The host is still as the last run left it
  hoststate.linux.verify:
    last: true

- name: The functions are there, one minute after the boot at the latest
  hoststate.linux.verify:
    wait: 60
    resources:
      - {type: sriov_numvfs, device: "0000:3b:00.0", numvfs: 4}
"""

RETURN = r"""
in_desired_state:
  description: Whether the host is as it is declared.
  returned: always
  type: bool
reboot_required:
  description: Whether a reboot is left, and is expected to help.
  returned: always
  type: bool
changes:
  description: Settings that differ. C(resource) is the place in O(resources), counted from 1.
  returned: always
  type: list
  elements: dict
findings:
  description: What was found about the boot, each with C(verdict) and C(reason).
  returned: always
  type: list
  elements: dict
guards:
  description: What guards found.
  returned: always
  type: list
  elements: dict
summary:
  description: How many settings there are of each kind.
  returned: always
  type: dict
errors:
  description: What is wrong, each with C(what), C(hint) and, where one resource is meant, C(resource) and C(type).
  returned: on failure
  type: list
  elements: dict
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.hoststate.linux.plugins.module_utils import program as hoststate


def differences_in_words(result):
    """Returns what differs, a line for each setting, and what was found about the boot."""
    lines = []
    for it in result["changes"]:
        where = "resource %d, " % it["resource"] if "resource" in it else ""
        lines.append(
            "%s%s: %s: %s -> %s"
            % (where, it["name"], it["subject"], hoststate.shown(it["actual"]), hoststate.shown(it["desired"]))
        )
    lines += [it["reason"] for it in result["findings"] if it["verdict"] != "drifted"]
    return lines


def work(module, program):
    """Verifies, and returns the result."""
    params = module.params
    resources = params["resources"] or []
    options = program.host_options() + program.owner_options() + ["--wait", str(params["wait"])]
    if params["last"]:
        answer = program.ask(["verify", "--last"], options)
    else:
        answer = program.ask(["verify", "-"], options, program.declarations(resources))
    plan = answer.value
    if "changes" not in plan:
        hoststate.refuse_trouble(answer, resources, {})
    result = {
        "changed": False,
        "in_desired_state": answer.status == 0,
        "reboot_required": plan["reboot"]["required"],
        "changes": hoststate.changes_of(plan, resources),
        "findings": plan["findings"],
        "guards": plan["guards"],
        "summary": plan["summary"],
    }
    hoststate.refuse_trouble(answer, resources, result)
    refusals = hoststate.refusals_of(plan)
    if answer.status == 0 or (answer.status == 3 and params["ignore_reboot"]):
        hoststate.warn_of(module, plan, answer)
        return result
    lines = differences_in_words(result)
    if answer.status == 3:
        lines.insert(0, "nothing is left but a reboot; ignore_reboot: true lets that pass")
    else:
        lines.insert(0, "the host is not as declared")
    if refusals:
        lines.append(hoststate.guards_in_words(refusals))
    raise hoststate.Trouble("\n".join(lines), rc=answer.status, **result)


def main():
    """Runs the module."""
    spec = dict(
        hoststate.HOST_OPTIONS,
        **hoststate.PLUGIN_OPTIONS,
        **hoststate.ACTIVATE_OPTIONS,
        **hoststate.OWNER_OPTIONS,
        resources={"type": "list", "elements": "dict"},
        last={"type": "bool", "default": False},
        wait={"type": "int", "default": 0},
        ignore_reboot={"type": "bool", "default": False},
    )
    module = AnsibleModule(
        argument_spec=spec,
        supports_check_mode=True,
        mutually_exclusive=[("last", "resources"), ("last", "owner")],
        required_one_of=[("last", "resources")],
    )
    hoststate.run(module, work)


if __name__ == "__main__":
    main()
