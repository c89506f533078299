# Copyright (c) 2026 The hoststate maintainers
# MIT or Apache-2.0, at your choice
"""What the modules share: arguments made ready for the program `hoststate`, and what it answers made ready for Ansible."""

from __future__ import annotations

import json
import re
import subprocess

# Texts that mean one number. Those with leading zeros or in other bases mean one to some readers and another to others.
INTEGER = re.compile(r"[+-]?(0|[1-9][0-9]*)(\.0+)?\Z")
NUMBER = re.compile(r"[+-]?(0|[1-9][0-9]*)(\.[0-9]+)?\Z")
BOOLEANS = {"true": True, "True": True, "false": False, "False": False}
QUOTES = "YAML takes some texts for numbers or booleans, such as 01:00.0, 8086 and off: write them in quotes."

HOST_OPTIONS = {
    "program": {"type": "path"},
    "root": {"type": "path", "default": "/"},
}
PLUGIN_OPTIONS = {"plugin_dir": {"type": "list", "elements": "path", "default": []}}
ACTIVATE_OPTIONS = {
    "activate": {"type": "str", "choices": ["auto", "chroot", "skip"], "default": "auto"},
    "accept": {"type": "list", "elements": "str", "default": []},
}
OWNER_OPTIONS = {
    "owner": {"type": "str"},
    "prune": {"type": "bool", "default": False},
}


class Trouble(Exception):
    """What goes wrong, as the arguments of `fail_json`."""

    def __init__(self, msg, **details):
        super().__init__(msg)
        self.result = dict(details, msg=msg)


class Answer:
    """What the program printed, and its exit status."""

    def __init__(self, status, value, said):
        self.status, self.value, self.said = status, value, said

    @property
    def plan(self):
        """The plan, alone or in a report."""
        return self.value.get("plan") or self.value


class Program:
    """The program on this host, with the options that say which host is meant."""

    def __init__(self, module):
        self.path = module.params["program"] or module.get_bin_path(
            "hoststate", opt_dirs=["/usr/local/bin", "/usr/local/sbin"]
        )
        if self.path is None:
            raise Trouble(
                "there is no program `hoststate` on this host. Install the package, "
                "or say with `program` where it is."
            )
        self.params = module.params

    def ask(self, command, options=(), declarations=None):
        """Runs a command and returns its answer.

        `run_command` of Ansible looks whether there is something to read and then whether the program has ended: what is
        printed between the two is lost.
        """
        argv = [self.path] + list(command) + ["--format", "json"] + list(options)
        stdin = None if declarations is None else declarations.encode()
        try:
            # An empty standard input in place of Ansible's own, which is a terminal or the module's arguments.
            done = subprocess.run(argv, input=stdin or b"", stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
        except OSError as err:
            raise Trouble("%s cannot be run: %s. Say with `program` where hoststate is." % (self.path, err.strerror)) from err
        said = done.stderr.decode(errors="replace")
        try:
            value = json.loads(done.stdout.decode())
        except ValueError as err:
            raise Trouble(
                "%s printed no JSON and ended with status %d. Is it hoststate, of a version that knows these options?\n%s"
                % (" ".join(argv), done.returncode, said.strip()),
                rc=done.returncode,
            ) from err
        return Answer(done.returncode, value, said)

    def host_options(self):
        """Options that say which host is meant and what it may do."""
        params = self.params
        options = [] if params["root"] == "/" else ["--root", params["root"]]
        if params.get("capture"):
            options += ["--capture", params["capture"]]
        if params.get("activate", "auto") != "auto":
            options += ["--activate", params["activate"]]
        for it in params.get("accept", []):
            options += ["--accept", it]
        return options + self.plugin_options()

    def plugin_options(self):
        """Options that say where plugins are."""
        return [it for folder in self.params.get("plugin_dir", []) for it in ("--plugin-dir", folder)]

    def owner_options(self):
        """Options that say whose declarations these are."""
        options = ["--owner", self.params["owner"]] if self.params.get("owner") else []
        return options + (["--prune"] if self.params.get("prune") else [])

    def runs_tools(self):
        """Whether the tools of the distribution are run."""
        return self.params["activate"] == "chroot" or (self.params["activate"] == "auto" and self.params["root"] == "/")

    def declarations(self, resources):
        """Returns the resources as the program reads them: one a line, so that a line says which it is."""
        if any(may_mean_another(it) for it in resources):
            schema = self.ask(["schema"], self.plugin_options()).value
            resources, errors = translated(resources, schema.get("$defs", {}))
            if errors:
                raise Trouble("\n".join(map(sentence, errors)), errors=errors)
        lines = ",\n".join(json.dumps(it) for it in resources)
        return '{"format": "hoststate.declarations/1", "resources": [\n%s\n]}\n' % lines


def may_mean_another(value):
    """Returns whether a value holds a text that may mean a number, or a number that may have been a text."""
    if isinstance(value, dict):
        return any(map(may_mean_another, value.values()))
    if isinstance(value, list):
        return any(map(may_mean_another, value))
    if isinstance(value, str):
        return value.strip() in BOOLEANS or NUMBER.match(value.strip()) is not None
    return isinstance(value, (bool, int, float))


def translated(resources, definitions):
    """Returns resources with numbers and booleans in the place of the texts that mean them, and errors.

    `definitions` are those of `hoststate schema`; what they do not know is left for the program to refuse.
    """
    errors, result = [], []
    for index, resource in enumerate(resources, 1):
        kind = resource.get("type")
        fields = definitions.get("type:%s" % kind, {}).get("properties", {})
        taken = {}
        for field, value in resource.items():
            taken[field] = converted(value, fields.get(field, {}), definitions)
            if is_no_text(taken[field], fields.get(field, {}), definitions):
                errors.append(
                    {
                        "resource": index,
                        "type": kind,
                        "what": "`%s` is the %s %s, not a text" % (field, noun(value), json.dumps(value)),
                        "hint": QUOTES,
                    }
                )
        result.append(taken)
    return result, errors


def alternatives(schema, definitions):
    """Returns the schemas one of which a value has."""
    while "$ref" in schema:
        schema = definitions.get(schema["$ref"].rsplit("/", 1)[-1], {})
    branches = schema.get("anyOf") or schema.get("oneOf")
    if branches:
        return [it for branch in branches for it in alternatives(branch, definitions)]
    return [schema]


def kinds_of(schema, definitions):
    """Returns the JSON types that a value may have; empty where the schema does not say."""
    kinds = set()
    for it in alternatives(schema, definitions):
        kind = it.get("type", [])
        kinds.update([kind] if isinstance(kind, str) else kind)
        kinds.update("string" for value in it.get("enum", []) if isinstance(value, str))
    return kinds


def converted(value, schema, definitions):
    """Returns a value with texts that mean one number, or one boolean, as that, wherever the schema wants that."""
    branches = alternatives(schema, definitions)
    if isinstance(value, list):
        items = next((it["items"] for it in branches if "items" in it), {})
        return [converted(it, items, definitions) for it in value]
    if isinstance(value, dict):
        table = next((it for it in branches if "properties" in it or isinstance(it.get("additionalProperties"), dict)), {})
        fields, others = table.get("properties", {}), table.get("additionalProperties")
        others = others if isinstance(others, dict) else {}
        return {key: converted(it, fields.get(key, others), definitions) for key, it in value.items()}
    kinds = kinds_of(schema, definitions)
    if not isinstance(value, str) or not kinds or "string" in kinds:
        return value
    text = value.strip()
    if "boolean" in kinds and text in BOOLEANS:
        return BOOLEANS[text]
    if kinds & {"integer", "number"} and INTEGER.match(text):
        return int(text.split(".")[0])
    if "number" in kinds and NUMBER.match(text):
        return float(text)
    return value


def is_no_text(value, schema, definitions):
    """Returns whether a value is a number or a boolean where only a text, or a table, can be."""
    kinds = kinds_of(schema, definitions)
    if isinstance(value, list):
        items = next((it["items"] for it in alternatives(schema, definitions) if "items" in it), {})
        return any(is_no_text(it, items, definitions) for it in value)
    return isinstance(value, (bool, int, float)) and "string" in kinds and not kinds & {"integer", "number", "boolean"}


def noun(value):
    """Returns what YAML made of a text."""
    if isinstance(value, list):
        return "list"
    return "boolean" if isinstance(value, bool) else "number"


def sentence(error):
    """Returns an error as a text: what, where, how to mend."""
    text = error["what"]
    if error.get("resource"):
        kind = " (%s)" % error["type"] if error.get("type") else ""
        text = "resource %d%s: %s" % (error["resource"], kind, text)
    if error.get("where"):
        text += " (%s)" % error["where"]
    return text + ("\n  hint: %s" % error["hint"] if error.get("hint") else "")


def resource_of(place, resources):
    """Returns number and type of the resource at a place of the declarations: the first is in their second line."""
    index = ((place or {}).get("line") or 0) - 1
    if 1 <= index <= len(resources):
        return {"resource": index, "type": resources[index - 1].get("type")}
    return {}


def named(id_of_resource):
    """Returns a resource as the program calls it."""
    return '%s "%s"' % (id_of_resource["type"], id_of_resource["name"])


def errors_of(answer, resources):
    """Returns what the program found wrong, each error with the number and the type of its resource."""
    value = answer.value
    errors = []
    for it in value.get("errors") or [value.get("error")]:
        if not it:
            continue
        error = {"what": it["what"], "hint": it.get("hint")}
        where = it.get("where") or ""
        found = re.match(r"resource ([0-9]+)(?: \(([^)]*)\))?: ", it["what"])
        line = re.match(r"standard input:([0-9]+)", where)
        if found:
            error.update(resource=int(found.group(1)), type=found.group(2), what=it["what"][found.end():])
        elif line:
            error.update(resource_of({"line": int(line.group(1))}, resources))
        elif where:
            error["where"] = where
        if it.get("given_back"):
            error["given_back"] = it["given_back"]
        errors.append(error)
    conflicts = answer.plan.get("conflicts") or (value.get("left") or {}).get("conflicts") or []
    for it in conflicts:
        what = it["reason"]
        if it.get("foreign"):
            what += " (%s)" % place_of(it["foreign"])
        if it.get("other"):
            what += "; the other is %s" % sentence(
                dict(resource_of(it.get("other_playbook"), resources), what=named(it["other"]))
            )
        found = resource_of(it.get("playbook"), resources)
        if not found and it.get("resource"):
            what = "%s: %s" % (named(it["resource"]), what)
        errors.append(dict(found, what=what, hint=None))
    return errors


def place_of(foreign):
    """Returns file and line of somebody else's setting."""
    if isinstance(foreign, dict):
        return ":".join(str(foreign[it]) for it in ("file", "line") if foreign.get(it))
    return str(foreign)


def refusals_of(plan):
    """Returns the guards that refuse a plan."""
    return [it for it in plan.get("guards", []) if it["severity"] == "refuse" and not it["accepted"]]


def guards_in_words(guards):
    """Returns what guards say, with how to go ahead."""
    lines = []
    for it in guards:
        lines.append("refused: %s" % it["message"])
        lines += ["    %s" % evidence for evidence in it["evidence"]]
        lines.append("    To go ahead anyway: accept: [%s]" % it["id"])
    return "\n".join(lines)


def refuse_trouble(answer, resources, result):
    """Raises what went wrong, unless nothing did."""
    errors, refusals = errors_of(answer, resources), refusals_of(answer.plan)
    if answer.status in (0, 2, 3, 5) and not errors:
        return
    texts = [sentence(it) for it in errors] + ([guards_in_words(refusals)] if refusals else [])
    if answer.status == 130:
        texts.insert(0, "hoststate was interrupted; nothing is half-written, and the same task goes on")
    if not texts:
        texts = [answer.said.strip() or "hoststate ended with status %d" % answer.status]
    raise Trouble("\n".join(texts), errors=errors, rc=answer.status, **result)


def would_do(change, runs_tools):
    """Returns whether a run makes a change by itself: no boot brings it, and no tool that is left to others."""
    kind = (change.get("activation") or {}).get("kind")
    return kind is None or (kind != "reboot" and runs_tools)


def would_change(plan, runs_tools):
    """Returns whether a run of a plan would change the host."""
    may_run = not plan["conflicts"] and not refusals_of(plan)
    return may_run and any(would_do(it, runs_tools) for it in plan["changes"])


def differences(plan, runs_tools):
    """Returns a plan in Ansible's form of a diff: files, then what is set on the running host, then what is run."""
    diffs = []
    for it in plan.get("files", []):
        before, after = it.get("before"), it.get("after")
        diffs.append(
            {
                "before_header": it["path"] if before is not None else "/dev/null",
                "after_header": it["path"] if after is not None else "/dev/null",
                "before": before or "",
                "after": after or "",
            }
        )
    live = [it for it in plan.get("changes", []) if it["scope"] == "runtime" and not it.get("activation")]
    if live:
        diffs.append(
            {
                "before_header": "running host",
                "after_header": "running host",
                "before": "".join("%s: %s\n" % (it["subject"], shown(it.get("actual"))) for it in live),
                "after": "".join("%s: %s\n" % (it["subject"], shown(it.get("desired"))) for it in live),
            }
        )
    if runs_tools and plan.get("activations"):
        tools = "".join("%s\n" % " ".join(it["argv"]) for it in plan["activations"])
        diffs.append({"before_header": "tools", "after_header": "tools to run", "before": "", "after": tools})
    return diffs


def shown(value):
    """Returns a value of a setting."""
    return "(absent)" if value is None else value


def changes_of(plan, resources):
    """Returns the changes of a plan, each with the number of its resource."""
    fields = ("scope", "subject", "actual", "desired", "disruption")
    return [
        dict({key: it.get(key) for key in fields}, name=named(it["resource"]), **resource_of(it.get("playbook"), resources))
        for it in plan.get("changes", [])
    ]


def warn_of(module, plan, answer):
    """Passes on what guards warn of, and what the program says on standard error."""
    for it in plan.get("guards", []):
        if it["severity"] == "warn":
            module.warn("%s (%s)" % (it["message"], it["id"]))
    for line in answer.said.splitlines():
        text = line.strip()
        if text:
            module.warn(text[len("warning: "):] if text.startswith("warning: ") else text)


def run(module, work):
    """Runs a module's work with its program, and ends."""
    try:
        result = work(module, Program(module))
    except Trouble as err:
        module.fail_json(**err.result)
    module.exit_json(**result)
