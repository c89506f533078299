# Copyright (c) 2026 The hoststate maintainers
# MIT or Apache-2.0, at your choice
"""How arguments are made ready for the program, and its answers for Ansible. No program is run."""

from __future__ import annotations

import copy
import json
import unittest

from ansible_collections.hoststate.linux.plugins.module_utils import program as hoststate

# As `hoststate schema` has them.
DEFINITIONS = {
    "type:sriov_numvfs": {
        "properties": {
            "type": {"const": "sriov_numvfs"},
            "device": {"$ref": "#/$defs/DeviceSelector"},
            "numvfs": {"type": "integer", "minimum": 0, "maximum": 65535},
            "autoprobe": {"type": ["boolean", "null"]},
        }
    },
    "type:modprobe_options": {
        "properties": {
            "module": {"type": "string"},
            "options": {"type": "object", "additionalProperties": {"$ref": "#/$defs/OptionValue"}},
        }
    },
    "type:kernel_cmdline": {"properties": {"present": {"type": "array", "items": {"type": "string"}}}},
    "type:linux.thp": {"properties": {"mode": {"enum": ["always", "never"]}, "share": {"type": "number"}}},
    "DeviceSelector": {
        "anyOf": [
            {"type": "string"},
            {"type": "object", "properties": {"vendor": {"type": "string"}, "function": {"type": "integer"}}},
        ]
    },
    "OptionValue": {"type": ["string", "number", "boolean"]},
}
CONFLICT = {
    "subject": "/etc/default/grub",
    "reason": "they undo each other",
    "resource": {"type": "kernel_cmdline", "name": "a=1"},
    "playbook": {"file": "standard input", "line": 2},
    "other": {"type": "kernel_cmdline", "name": "-a"},
    "other_playbook": {"file": "standard input", "line": 3},
    "foreign": None,
}
GUARD = {
    "id": "console-gpu-ee318a",
    "severity": "refuse",
    "accepted": False,
    "message": "the console goes dark",
    "evidence": ["boot_vga is 1"],
}
RESOURCES = [{"type": "kernel_cmdline", "present": ["a=1"]}, {"type": "kernel_cmdline", "absent": ["a"]}]
PLAN = {"changes": [], "files": [], "activations": [], "conflicts": [], "guards": []}


def change(scope="persistent", activation=None, subject="numvfs", actual="0", desired="4"):
    """Returns a change as a plan has it."""
    it = {"scope": scope, "subject": subject, "actual": actual, "desired": desired, "disruption": "none"}
    it.update(resource={"type": "sriov_numvfs", "name": "lan"}, playbook={"line": 2})
    return dict(it, activation={"kind": activation}) if activation else it


class TestNumbers(unittest.TestCase):
    """Texts that templates make of numbers."""

    def taken(self, resource):
        """Returns a resource as it is handed on; it is the only one, and right."""
        before = copy.deepcopy(resource)
        taken, errors = hoststate.translated([resource], DEFINITIONS)
        self.assertEqual(resource, before, "the arguments stay as they are")
        self.assertEqual(errors, [])
        return taken[0]

    def test_a_text_that_means_one_number_is_that_number(self):
        for text, number in (("4", 4), (" 4\n", 4), ("0", 0), ("4.0", 4), ("-1", -1), ("+7", 7)):
            self.assertEqual(self.taken({"type": "sriov_numvfs", "numvfs": text})["numvfs"], number, text)
        self.assertEqual(self.taken({"type": "linux.thp", "share": "0.5"})["share"], 0.5)

    def test_a_text_that_means_several_numbers_or_none_stays_for_the_program_to_refuse(self):
        for text in ("010", "0x10", "4.5", "1e3", "1_000", "four", "", "4 5", "\u0664"):
            self.assertEqual(self.taken({"type": "sriov_numvfs", "numvfs": text})["numvfs"], text)

    def test_a_text_that_means_a_boolean_is_one_where_one_is_wanted(self):
        for text, value in (("True", True), ("false", False), ("yes", "yes"), ("1", "1")):
            self.assertEqual(self.taken({"type": "sriov_numvfs", "autoprobe": text})["autoprobe"], value)

    def test_a_text_stays_one_where_a_text_can_be(self):
        for resource in (
            {"type": "modprobe_options", "module": "kvm", "options": {"ignore_msrs": "1", "nested": True, "poll": 0}},
            {"type": "kernel_cmdline", "present": ["7"], "name": "4"},
            {"type": "sriov_numvfs", "device": {"vendor": "8086"}},
            {"type": "acme.unknown", "field": "4"},
            {"numvfs": "4"},
        ):
            self.assertEqual(self.taken(resource), resource)

    def test_numbers_below_a_table_are_taken(self):
        resource = {"type": "sriov_numvfs", "device": {"vendor": "8086", "function": "1"}}
        self.assertEqual(self.taken(resource)["device"], {"vendor": "8086", "function": 1})

    def test_a_number_that_yaml_made_of_an_address_is_told_with_its_resource(self):
        resources = [{"type": "kernel_cmdline", "present": [True]}, {"type": "sriov_numvfs", "device": 60.0, "numvfs": 4}]
        errors = hoststate.translated(resources, DEFINITIONS)[1]
        self.assertEqual([(it["resource"], it["type"]) for it in errors], [(1, "kernel_cmdline"), (2, "sriov_numvfs")])
        self.assertEqual(
            hoststate.sentence(errors[1]),
            "resource 2 (sriov_numvfs): `device` is the number 60.0, not a text\n  hint: " + hoststate.QUOTES,
        )

    def test_the_schema_is_asked_for_only_where_it_decides(self):
        self.assertFalse(hoststate.may_mean_another({"type": "iommu", "ids": ["10de:0ffc"], "name": None}))
        for value in ("4", " True ", 4, False, 60.0, {"vendor": ["8086"]}):
            self.assertTrue(hoststate.may_mean_another({"field": value}), value)


class TestErrors(unittest.TestCase):
    """What is wrong, and which resource that is about."""

    def msg(self, value, status=1, said="", resources=None):
        """Returns what the task says of an answer."""
        with self.assertRaises(hoststate.Trouble) as caught:
            hoststate.refuse_trouble(hoststate.Answer(status, value, said), resources or RESOURCES, {})
        return caught.exception.result["msg"]

    def test_every_error_of_the_declarations_names_its_resource(self):
        one = {"what": "resource 1 (sriov_numvfs): `numvfs` is \"x\"", "where": "standard input:2", "hint": "Write 4."}
        two = {"what": "resource 2 (iomu): there is no such type", "where": "standard input:3", "hint": None}
        self.assertEqual(
            self.msg({"error": one, "errors": [one, two]}),
            "resource 1 (sriov_numvfs): `numvfs` is \"x\"\n  hint: Write 4.\nresource 2 (iomu): there is no such type",
        )

    def test_a_resource_without_a_type_is_named_by_its_number(self):
        error = {"what": "resource 2: a declaration has no `type`", "where": "standard input:3", "hint": None}
        self.assertEqual(self.msg({"error": error}), "resource 2: a declaration has no `type`")

    def test_an_error_of_a_run_names_the_resource_in_whose_line_it_is(self):
        error = {"what": "the kernel refused it", "where": "standard input:3", "hint": None}
        report = {"plan": PLAN, "error": error}
        self.assertEqual(self.msg(report), "resource 2 (kernel_cmdline): the kernel refused it")

    def test_an_error_of_no_resource_says_where_it_is(self):
        error = {"what": "no such file", "where": "/boot", "hint": "Make it."}
        self.assertEqual(self.msg({"error": error}), "no such file (/boot)\n  hint: Make it.")

    def test_a_conflict_names_both_resources(self):
        self.assertEqual(
            self.msg(dict(PLAN, conflicts=[CONFLICT])),
            "resource 1 (kernel_cmdline): they undo each other; the other is resource 2 (kernel_cmdline): kernel_cmdline \"-a\"",
        )

    def test_a_guard_says_why_and_how_to_go_ahead(self):
        self.assertEqual(
            self.msg(dict(PLAN, guards=[GUARD]), 4),
            "refused: the console goes dark\n    boot_vga is 1\n    To go ahead anyway: accept: [console-gpu-ee318a]",
        )
        hoststate.refuse_trouble(hoststate.Answer(0, dict(PLAN, guards=[dict(GUARD, accepted=True)]), ""), RESOURCES, {})

    def test_an_end_without_a_word_is_told_by_what_was_said_or_the_status(self):
        self.assertEqual(self.msg({}, 1, "out of memory\n"), "out of memory")
        self.assertEqual(self.msg({}, 9), "hoststate ended with status 9")

    def test_a_line_of_the_declarations_says_which_resource_it_is(self):
        class Unasked(hoststate.Program):
            """A program that is not there."""

            def __init__(self):
                super().__init__(type("Module", (), {"params": {"program": "/nowhere"}})())

        text = Unasked().declarations(RESOURCES)
        self.assertEqual(json.loads(text), {"format": "hoststate.declarations/1", "resources": RESOURCES})
        for number, resource in enumerate(RESOURCES, 1):
            self.assertEqual(json.loads(text.splitlines()[number].rstrip(",")), resource)
            self.assertEqual(hoststate.resource_of({"line": number + 1}, RESOURCES)["resource"], number)
        for place in (None, {}, {"line": 1}, {"line": 4}):
            self.assertEqual(hoststate.resource_of(place, RESOURCES), {})


class TestDifferences(unittest.TestCase):
    """Diffs in Ansible's form, and what counts as a change."""

    def test_files_are_shown_from_nothing_to_nothing_and_between(self):
        files = [
            {"path": "/new", "before": None, "after": "a\n"},
            {"path": "/old", "before": "a\n", "after": None},
            {"path": "/both", "before": "a\n", "after": "b\n"},
        ]
        shown = hoststate.differences(dict(PLAN, files=files), True)
        self.assertEqual(
            [(it["before_header"], it["after_header"], it["before"], it["after"]) for it in shown],
            [("/dev/null", "/new", "", "a\n"), ("/old", "/dev/null", "a\n", ""), ("/both", "/both", "a\n", "b\n")],
        )

    def test_what_is_set_on_the_running_host_is_shown_and_what_a_boot_brings_is_not(self):
        changes = [change("runtime", actual=None), change("runtime", "reboot"), change("persistent")]
        shown = hoststate.differences(dict(PLAN, changes=changes), True)
        self.assertEqual([(it["before"], it["after"]) for it in shown], [("numvfs: (absent)\n", "numvfs: 4\n")])

    def test_tools_are_shown_where_they_are_run(self):
        plan = dict(PLAN, activations=[{"argv": ["update-initramfs", "-u"]}])
        self.assertEqual([it["after"] for it in hoststate.differences(plan, True)], ["update-initramfs -u\n"])
        self.assertEqual(hoststate.differences(plan, False), [])

    def test_a_check_foretells_whether_a_run_changes_anything(self):
        for changes, runs_tools, wanted in (
            ([], True, False),
            ([change()], False, True),
            ([change("runtime", "reboot")], True, False),
            ([change("persistent", "boot_config")], True, True),
            ([change("persistent", "boot_config")], False, False),
        ):
            self.assertEqual(hoststate.would_change(dict(PLAN, changes=changes), runs_tools), wanted)
        for obstacle in ({"conflicts": [CONFLICT]}, {"guards": [GUARD]}):
            self.assertFalse(hoststate.would_change(dict(PLAN, changes=[change()], **obstacle), True))


if __name__ == "__main__":
    unittest.main()
