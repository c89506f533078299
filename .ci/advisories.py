"""Security advisories about crates, from a database of RustSec: a folder with `crates/NAME/RUSTSEC-….md`."""
import os
import re
import subprocess
import tomllib
from pathlib import Path

ADDRESS = "https://github.com/RustSec/advisory-db"
VARIABLE = "HOSTSTATE_ADVISORY_DB"


def database(scratch):
    """Returns the folder of the database: the one that is named, one that cargo's tools keep, or a new copy; else why not."""
    named = os.environ.get(VARIABLE)
    if named:
        return (Path(named), None) if (Path(named) / "crates").is_dir() else (None, f"{VARIABLE}={named} has no crates/")
    cargo = Path(os.environ.get("CARGO_HOME", Path.home() / ".cargo"))
    for kept in [cargo / "advisory-db", *sorted(cargo.glob("advisory-dbs/*")), scratch]:
        if (kept / "crates").is_dir():
            return kept, None
    clone = ["git", "clone", "--quiet", "--depth=1", ADDRESS, str(scratch)]
    environment = {**os.environ, "GIT_TERMINAL_PROMPT": "0"}
    try:
        done = subprocess.run(clone, capture_output=True, text=True, timeout=120, env=environment)
    except (OSError, subprocess.TimeoutExpired) as err:
        return None, str(err)
    if done.returncode == 0:
        return scratch, None
    return None, (done.stderr.strip().splitlines() or [f"git ended with {done.returncode}"])[-1]


def version(text):
    """Returns a version to compare: numbers, then whether it is a release, then the parts of a pre-release (semver.org)."""
    numbers, _, before = text.split("+")[0].partition("-")
    numbers = [int(it) for it in numbers.split(".")]
    numbers += [0] * (3 - len(numbers))
    parts = [(0, int(it), "") if it.isdigit() else (1, 0, it) for it in before.split(".") if it]
    return (numbers, not before, parts)


def meets(found, requirement):
    return all(meets_one(version(found), it.strip()) for it in requirement.split(","))


def meets_one(found, comparator):
    operator, text = re.fullmatch(r"([<>=^~]*)\s*(.+)", comparator).groups()
    wanted = version(text)
    if operator in ("<", "<=", ">", ">="):
        return {"<": found < wanted, "<=": found <= wanted, ">": found > wanted, ">=": found >= wanted}[operator]
    if operator == "=":
        return found == wanted
    # `^`, which is meant without an operator as well, keeps the first number that is not 0; `~` keeps the first two.
    given = len(text.split("-")[0].split("."))
    numbers = wanted[0]
    if operator == "~":
        kept = min(given, 2)
    else:
        kept = next((index + 1 for index, it in enumerate(numbers[:given]) if it), given)
    return found >= wanted and found[0][:kept] == numbers[:kept]


def advisories(folder, name):
    for path in sorted((folder / "crates" / name).glob("RUSTSEC-*.md")):
        yield tomllib.loads(re.match(r"```toml\n(.*?)```", path.read_text(), re.DOTALL).group(1))


def faults(folder, deny, found):
    """Yields what is known of these packages that nobody has decided to live with."""
    rules = deny["advisories"]
    own = {dependency["name"] for it in found if it["source"] is None for dependency in it["dependencies"]}
    for package in found if folder else []:
        for it in advisories(folder, package["name"]) if package["source"] else []:
            advisory, versions = it["advisory"], it.get("versions", {})
            spared = versions.get("patched", []) + versions.get("unaffected", [])
            is_left = advisory.get("informational") == "unmaintained" and package["name"] not in own
            is_over = "withdrawn" in advisory or advisory["id"] in rules["ignore"]
            if not is_left and not is_over and not any(meets(package["version"], it) for it in spared):
                kind = advisory.get("informational", "vulnerable")
                yield f"{package['name']}@{package['version']}: {kind}, {advisory['id']}"
