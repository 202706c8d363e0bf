#!/usr/bin/env python3
"""Holds the tree against tests/architecture/rules.toml: who includes whom, file lengths, the shape of
modules. Prints every offence as file:line: what, and exits 1 when there is one."""

import pathlib
import re
import subprocess
import sys
import tomllib

ROOT = pathlib.Path(__file__).resolve().parents[2]
INCLUDE = re.compile(r'^\s*#\s*include\s+[<"]([^>"]+)[>"]')
CODE = {".h", ".cc", ".cu", ".cuh"}
SOURCES = CODE | {".py", ".proto", ".sh", ".js", ".html", ".cmake"}
PURE = ("common/placement", "common/routing", "common/scheduling", "common/kvcache")
IMPURE_INCLUDES = {"thread", "mutex", "condition_variable", "fstream", "iostream", "unistd.h", "future"}
OWN_ROOTS = ("kernels/", "common/", "services/", "proto/", "tests/")


def longest_prefix(path, table):
    """The longest folder of `table` that `path` lies in, or None."""
    best = None
    for folder in table:
        if (path == folder or path.startswith(folder + "/")) and (best is None or len(folder) > len(best)):
            best = folder
    return best


def module_errors(path, target, rules):
    """An own header: is its module among those that `path`'s module may use?"""
    mine = longest_prefix(path, rules["modules"])
    if mine is None:
        return [f"no row in rules.toml for {path}"]
    if mine == "services/cli" or target.startswith(mine + "/"):
        return []
    allowed = rules["modules"][mine]
    if target.startswith("proto/"):
        return []  # the library rows judge generated headers
    if longest_prefix(target, {a: 0 for a in allowed}) is None:
        return [f"{mine} may not include {target} (allowed: {', '.join(allowed) or 'itself only'})"]
    return []


def library_errors(path, target, rules):
    for prefix, folders in rules["libraries"].items():
        if target.startswith(prefix) and longest_prefix(path, {f: 0 for f in folders}) is None:
            return [f"{target} may be included in {', '.join(folders)} only"]
    return []


def include_errors(path, text, rules):
    errors = []
    for number, line in enumerate(text.splitlines(), 1):
        match = INCLUDE.match(line)
        if not match:
            continue
        target = match.group(1)
        found = []
        if not path.startswith("tests/"):
            found += library_errors(path, target, rules)
            if target.startswith(OWN_ROOTS):
                found += module_errors(path, target, rules)
        if target.startswith("../") or target.startswith("./"):
            found.append(f"{target}: includes are written from the repository root")
        if path.startswith(PURE) and target in IMPURE_INCLUDES:
            found.append(f"a pure module may not include <{target}>")
        errors += [f"{path}:{number}: {e}" for e in found]
    return errors


def length_errors(path, text, rules):
    lines = text.count("\n")
    limit = rules["limits"]["header_lines"] if path.endswith(".h") else rules["limits"]["lines"]
    if path.endswith("README.md"):
        limit = rules["limits"]["readme_lines"] if path != "README.md" else 200
    return [f"{path}:{lines}: {lines} lines, the limit is {limit}"] if lines > limit else []


def shape_errors(files):
    """Every module folder has a README and a CMakeLists.txt; nothing lies directly in common/; no drawers."""
    errors = []
    names = set(files)
    for path in files:
        parts = path.split("/")
        if parts[0] == "common" and len(parts) == 2 and parts[1] != "CMakeLists.txt":
            errors.append(f"{path}:1: no file lies directly in common/")
        if any(p in ("util", "utils", "misc", "helpers") for p in parts):
            errors.append(f"{path}:1: nothing lies in a drawer called {parts[-2]}")
        if path.endswith(".h") and "#pragma once" not in (ROOT / path).read_text():
            errors.append(f"{path}:1: header without #pragma once")
    modules = {"/".join(p.split("/")[:2]) for p in files if p.startswith(("common/", "services/")) and p.count("/") > 1}
    for module in sorted(modules | {"kernels", "proto", "deploy", "helm", "tests"}):
        if f"{module}/README.md" not in names:
            errors.append(f"{module}:1: module without a README.md")
    return errors


TYPE = re.compile(r"^(?:struct|class|enum class) ([A-Z]\w*)\b(?!::)[^;]*$", re.MULTILINE)


def duplicate_type_errors(texts):
    """Two types of one name would be one type to the linker, silently (the one-definition rule): headers of
    common/ and services/ share the namespace `conclave`."""
    seen, errors = {}, []
    for path in sorted(texts):
        if not path.endswith(".h") or not path.startswith(("common/", "services/")):
            continue
        for name in TYPE.findall(texts[path]):
            if name in seen and seen[name] != path:
                errors.append(f"{path}:1: type {name} is defined in {seen[name]} too")
            seen.setdefault(name, path)
    return errors


def main():
    rules = tomllib.loads((ROOT / "tests/architecture/rules.toml").read_text())
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split("\n")
    files = sorted({f for f in listed if f and (ROOT / f).is_file()})
    errors, texts = shape_errors(files), {}
    for path in files:
        suffix = pathlib.PurePath(path).suffix
        if suffix not in SOURCES and not path.endswith("README.md"):
            continue
        text = texts[path] = (ROOT / path).read_text(encoding="utf-8", errors="replace")
        errors += length_errors(path, text, rules)
        if suffix in CODE:
            errors += include_errors(path, text, rules)
    errors += duplicate_type_errors(texts)
    for error in errors:
        print(error)
    print(f"architecture: {len(files)} files, {len(errors)} offences")
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
