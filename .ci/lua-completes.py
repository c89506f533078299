#!/usr/bin/python3
"""Asks a language server what an editor asks it: in every declaration it must offer each field, with its description.

lua-completes.py SERVER FOLDER SCHEMA    the definitions lie in FOLDER, `hoststate schema` printed SCHEMA
"""
import json
import pathlib
import subprocess
import sys


class Server:
    def __init__(self, program, folder):
        self.process = subprocess.Popen(
            [program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        self.folder, self.asked = folder, 0
        folders = [{"uri": folder.as_uri(), "name": folder.name}]
        self.ask("initialize", {"processId": None, "capabilities": {"workspace": {}}, "workspaceFolders": folders})
        self.tell("initialized", {})

    def send(self, message):
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        self.process.stdin.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        self.process.stdin.flush()

    def tell(self, method, params):
        self.send({"method": method, "params": params})

    def receive(self):
        length = 0
        while line := self.process.stdout.readline().strip():
            name, value = line.split(b":", 1)
            length = int(value) if name.lower() == b"content-length" else length
        if not length:
            sys.exit("the language server ended")
        return json.loads(self.process.stdout.read(length))

    def ask(self, method, params):
        self.asked += 1
        self.send({"id": self.asked, "method": method, "params": params})
        while True:
            message = self.receive()
            if "method" not in message:
                return message["result"]
            if "id" in message:
                self.send({"id": message["id"], "result": None})

    def offers(self, before, behind=""):
        """Returns what is offered between two texts, by its name, with its documentation."""
        uri = (self.folder / f"{self.asked}.lua").as_uri()
        document = {"uri": uri, "languageId": "lua", "version": 1, "text": before + behind}
        self.tell("textDocument/didOpen", {"textDocument": document})
        position = {"line": 0, "character": len(before)}
        items = self.ask("textDocument/completion", {"textDocument": {"uri": uri}, "position": position})
        items = items if isinstance(items, list) else (items or {}).get("items", [])
        resolved = [self.ask("completionItem/resolve", item) for item in items]
        return {item["label"].split(" ")[0].rstrip("?"): plain(item.get("documentation")) for item in resolved}


def plain(documentation):
    return " ".join(documentation["value"].split()) if documentation else ""


def main(program, folder, schema):
    server, wrong = Server(program, pathlib.Path(folder).resolve()), []

    def check(before, offered, wanted):
        if sorted(offered) != sorted(wanted):
            wrong.append(f"{before}: offers {sorted(offered)}, not {sorted(wanted)}")
        for name in offered.keys() & wanted.keys():
            if " ".join(wanted[name].split()) not in offered[name]:
                wrong.append(f"{before}: `{name}` is described as {offered[name]!r}, not as {wanted[name]!r}")

    types = json.loads(pathlib.Path(schema).read_text())["$defs"]
    for kind, described in types.items():
        if kind.startswith("type:"):
            before = kind.removeprefix("type:") + " { "
            fields = {it: field.get("description", "") for it, field in described["properties"].items()}
            # Editors of Lua write neither of these; composites have no name.
            named = {"name": "Free text, unique per type."} if "name" in fields else {}
            fields = {it: text for it, text in fields.items() if it not in ("type", "playbook", "composite", "name")}
            check(before, server.offers(before, "}"), fields | named)
    check("linux.thp { mode = ", server.offers("linux.thp { mode = ", " }"), dict.fromkeys(['"always"', '"madvise"', '"never"'], ""))
    check("local it = host.", server.offers("local it = host."), dict.fromkeys(["available", "cpu", "distro", "kernel", "pci"], ""))
    server.process.kill()
    sys.exit("\n".join(wrong) or 0)


main(*sys.argv[1:])
