#!/usr/bin/env python3
"""A hoststate plugin: kernel parameters, now and after every boot.

    linux.sysctl { key = "vm.swappiness", value = 10 }

It proposes a line in /etc/sysctl.d and a write to /proc/sys; hoststate shows both, asks, and does them.
"""

import json
import os
import sys

FILE = "/etc/sysctl.d/90-hoststate.conf"

DESCRIPTION = {
    "name": "sysctl",
    "version": "1.0.0",
    "types": [
        {
            "name": "linux.sysctl",
            "key": ["key"],
            "schema": {
                "description": "A kernel parameter, now and after every boot.",
                "type": "object",
                "required": ["key", "value"],
                "properties": {
                    "key": {
                        "description": "Its name with dots, e.g. `vm.swappiness`.",
                        "type": "string",
                        "pattern": r"^[a-z0-9_-]+(\.[a-zA-Z0-9_-]+)+$",
                    },
                    "value": {"description": "Its value.", "type": ["integer", "string"]},
                },
            },
            "examples": [
                {
                    "desired": {"key": "vm.swappiness", "value": 10},
                    "files": {"/proc/sys/vm/swappiness": "60\n", FILE: "# Ours.\nvm.swappiness = 60\n"},
                },
                {
                    "desired": {"key": "net.ipv4.ip_forward", "value": "1"},
                    "files": {"/proc/sys/net/ipv4/ip_forward": "0\n"},
                },
            ],
        }
    ],
}


class Host:
    """The host as it will be when the declarations before this one are applied."""

    def __init__(self, root, predicted):
        self.root, self.predicted = root, predicted

    def read(self, path):
        """Returns the text of a file; None when there is none."""
        if path in self.predicted:
            return self.predicted[path]
        try:
            with open(os.path.join(self.root, path.lstrip("/")), encoding="utf-8") as file:
                return file.read()
        except FileNotFoundError:
            return None


def converged(scope, subject):
    return {"scope": scope, "subject": subject, "state": {"state": "converged"}}


def drifted(scope, subject, actual, desired, step):
    state = {"state": "drifted", "actual": actual, "desired": desired, "remedy": {"steps": [step]}}
    return {"scope": scope, "subject": subject, "state": state}


def key_of(line):
    """Returns the parameter that a line of sysctl.d sets; a leading `-` only silences errors."""
    return line.split("=", 1)[0].strip().lstrip("-").replace("/", ".")


def persistent(host, key, value):
    text = host.read(FILE) or ""
    lines = text.splitlines()
    ours = [it for it in lines if key_of(it) == key and "=" in it]
    actual = ours[-1].split("=", 1)[1].strip() if ours else None
    if len(ours) == 1 and actual == value:
        return converged("persistent", f"{FILE}: {key}")
    kept = [it for it in lines if it not in ours]
    new = "\n".join([*kept, f"{key} = {value}"]) + "\n"
    step = {"kind": "write_file", "path": FILE, "text": new}
    return drifted("persistent", f"{FILE}: {key}", actual, value, step)


def runtime(host, key, value):
    path = "/proc/sys/" + key.replace(".", "/")
    text = host.read(path)
    if text is None:
        raise ValueError(f"the kernel has no parameter {key}: there is no {path}")
    actual = " ".join(text.split())
    if actual == value:
        return converged("runtime", path)
    return drifted("runtime", path, actual, value, {"kind": "write_attribute", "path": path, "value": value})


def inspect(request):
    host = Host(request["root"], request["predicted"])
    key, value = request["desired"]["key"], str(request["desired"]["value"])
    return {"settings": [persistent(host, key, value), runtime(host, key, value)]}


def hello(request):
    if not request["oldest"] <= 1 <= request["protocol"]:
        raise ValueError("this plugin speaks version 1 of the protocol")
    return {"protocol": 1}


def answer(request):
    (kind, body), = request.items()
    try:
        if kind == "hello":
            return {"hello": hello(body)}
        if kind == "describe":
            return {"describe": DESCRIPTION}
        if kind == "inspect":
            return {"inspect": inspect(body)}
        return {"error": {"what": f"this plugin does not know the request {kind!r}"}}
    except (OSError, UnicodeError, ValueError) as error:
        return {"error": {"what": str(error)}}


def main():
    for line in sys.stdin:
        number = 0
        try:
            message = json.loads(line)
            number = message["id"]
            reply = answer(message["request"])
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            reply = {"error": {"what": f"this is not a request of protocol 1: {error!r}"}}
        print(json.dumps({"id": number, "answer": reply}), flush=True)


main()
