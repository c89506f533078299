"""What is linked into the program: crates with their licences, as notices for people and as a CycloneDX list for tools."""
import json
import subprocess
from collections import defaultdict
from pathlib import Path

# Crates that only build something, which is linked in nevertheless.
SOURCES = {"lua-src"}
TEXTS = ("LICENSE", "LICENCE", "COPYING", "NOTICE", "COPYRIGHT")


def linked(root, target):
    """Returns the packages that are in the program `hoststate`, in the order of their names."""
    command = ["cargo", "metadata", "--format-version=1", "--locked", f"--filter-platform={target}"]
    found = json.loads(subprocess.run(command, check=True, capture_output=True, cwd=root).stdout)
    packages = {it["id"]: it for it in found["packages"]}
    nodes = {it["id"]: it for it in found["resolve"]["nodes"]}
    open_ = [it for it in packages if packages[it]["name"] == "hoststate"]
    seen = set(open_)
    while open_:
        for needed in nodes[open_.pop()]["deps"]:
            package = packages[needed["pkg"]]
            kinds = {it["kind"] for it in needed["dep_kinds"]}
            is_macro = any("proc-macro" in it["kind"] for it in package["targets"])
            is_in = (None in kinds and not is_macro) or package["name"] in SOURCES
            if is_in and needed["pkg"] not in seen:
                seen.add(needed["pkg"])
                open_.append(needed["pkg"])
    return sorted((packages[it] for it in seen), key=lambda it: (it["name"], it["version"]))


def own(packages):
    """Returns the package of the program itself."""
    return next(it for it in packages if it["name"] == "hoststate")


def notices(packages):
    """Returns the licence of every crate that is not of this project, and every text once."""
    texts = defaultdict(list)
    lines = ["hoststate is linked from these libraries.", ""]
    for it in (it for it in packages if it["source"]):
        name = f"{it['name']} {it['version']}"
        lines.append(f"{name}: {it['license']}" + (f", {it['repository']}" if it['repository'] else ""))
        folder = Path(it["manifest_path"]).parent
        files = [path for path in folder.rglob("*") if path.name.upper().startswith(TEXTS) and path.is_file()]
        for path in sorted(path for path in files if len(path.relative_to(folder).parts) <= 4):
            texts[path.read_text(errors="replace").strip()].append(name)
    for text, names in sorted(texts.items(), key=lambda it: it[1]):
        lines += ["", "=" * 78, ", ".join(dict.fromkeys(names)), "", text]
    return "\n".join(lines) + "\n"


def sbom(packages):
    """Returns a CycloneDX 1.5 document (https://cyclonedx.org/docs/1.5/json/)."""
    def component(it, kind):
        purl = f"pkg:cargo/{it['name']}@{it['version']}"
        licence = [{"expression": it["license"].replace("/", " OR ")}] if it["license"] else []
        return {"type": kind, "bom-ref": purl, "name": it["name"], "version": it["version"], "licenses": licence, "purl": purl}

    program = own(packages)
    rest = [component(it, "library") for it in packages if it is not program]
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"component": component(program, "application")},
        "components": rest,
    }
    return json.dumps(document, indent=1) + "\n"
