#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Holds the sources to the house rules: check.py CHECK [ROOT].

Prints each fault as `path:line: what is wrong`. Exit status: 0 no fault, 1 faults, 77 skipped,
with the reason on the last line.
"""

import json
import os
import re
import shutil
import subprocess
import sys

MAX_FILE_LINES = 500
MAX_FUNCTION_LINES = 60
SKIPPED = 77

CODE = (".cc", ".h")
SCRIPTS = (".sh", ".py", ".cmake")
TEXT = CODE + SCRIPTS + (".md", ".txt", ".json", ".service")
# Spelled in pieces, so that this file passes its own check.
FORBIDDEN = [
    (r"\b(TO" r"DO|FIX" r"ME|XX" r"X|HA" r"CK)\b", "a note of unfinished work"),
    (r"\bfor " r"now\b", "a note of unfinished work"),
    (r"\b(issue|pull request|PR|bug)s? #?\d+\b", "an issue number"),
    (r"(?<![\w&/(\"'#])#\d{2,}\b", "an issue number"),
    (r"(?<![\w.])/wor" r"k/|/tmp/" r"w/", "a path of one machine"),
    (r"\b(Cla" r"ude|Chat" r"GPT|Co" r"pilot|L" r"LMs?|A" r"I[- ](agent|assistant|generated))\b",
     "a word about who wrote this"),
    (r"\b(deb\.deb" r"ian|pypi|proxy\.gol" r"ang)\.org\b", "a package host"),
]


class Tree:
    """The files of a source tree that are under version control, or all without git."""

    def __init__(self, root):
        self.root = root
        try:
            listed = subprocess.run(
                ["git", "-C", root, "ls-files", "-z", "--cached", "--others",
                 "--exclude-standard"],
                check=True, capture_output=True).stdout.decode().split("\0")
            names = [name for name in listed if name]
        except (OSError, subprocess.CalledProcessError):
            names = [os.path.relpath(os.path.join(folder, name), root)
                     for folder, _, files in os.walk(root) for name in files]
        self.names = sorted(name for name in names
                            if os.path.isfile(os.path.join(root, name))
                            and not name.startswith("build/"))

    def path(self, name):
        return os.path.join(self.root, name)

    def read(self, name):
        with open(self.path(name), encoding="utf-8", errors="replace") as file:
            return file.read()

    def code(self):
        return [name for name in self.names if name.endswith(CODE)]

    def scripts(self):
        """Shell scripts, by their ending or their first line."""
        found = []
        for name in self.names:
            if name.endswith(".sh"):
                found.append(name)
            elif "." not in os.path.basename(name) or name.startswith(".ci/"):
                if re.match(r"#!.*\b(ba|da)?sh\b", self.read(name)[:100]):
                    found.append(name)
        return found


def read_layers(text):
    """The two tables of layers.txt: what is allowed, and what is denied."""
    allowed, denied = {}, {}
    for line in text.splitlines():
        line = line.split("#")[0].strip()
        if not line:
            continue
        folder, _, rest = line.partition(":")
        table = denied if folder.startswith("!") else allowed
        table[folder.lstrip("!").strip()] = rest.split()
    return allowed, denied


def layer_of(name, table):
    """The longest folder of the table that the file is below."""
    folder = os.path.dirname(name)
    while folder:
        if folder in table:
            return folder
        folder = os.path.dirname(folder)
    return None


def is_below(name, folder):
    """Whether the rule of a folder is for the file; that of "folder/*.h" is for headers alone."""
    if folder.endswith("/*.h"):
        return name.endswith(".h") and name.startswith(folder[:-3])
    return name.startswith(folder + "/")


def check_layers(tree):
    allowed, denied = read_layers(tree.read("tools/layers.txt"))
    names = set(tree.names)
    for name in tree.code():
        own = layer_of(name, allowed)
        if own is None:
            yield f"{name}:1: its folder is not in tools/layers.txt"
            continue
        for number, line in enumerate(tree.read(name).splitlines(), 1):
            match = re.match(r'\s*#\s*include\s*(<|")([^>"]+)[>"]', line)
            if not match:
                continue
            quoted, path = match.group(1) == '"', match.group(2)
            for folder, beginnings in denied.items():
                if is_below(name, folder) and any(
                        path == start or (path.startswith(start) and start[-1] in "/")
                        or path.startswith(start + "/") for start in beginnings):
                    yield f"{name}:{number}: <{path}> must not be seen below {folder}"
            if not quoted:
                continue
            targets = [base + path for base in ("src/", "", "tests/") if base + path in names]
            if not targets:
                yield f'{name}:{number}: "{path}" is not a path from src/'
                continue
            target = layer_of(targets[0], allowed)
            if target != own and target not in allowed[own] and "*" not in allowed[own]:
                yield f"{name}:{number}: {own} must not include {target} ({path})"


def blank(text):
    """The code with comments and literals blanked out; lines stay where they are."""
    pattern = re.compile(
        r'//[^\n]*|/\*.*?\*/|R"(?P<tag>[^(\s]*)\(.*?\)(?P=tag)"|"(?:\\.|[^"\\\n])*"'
        r"|(?<![0-9a-fA-F])'(?:\\.|[^'\\\n])+'", re.S)
    text = re.sub(r"^[ \t]*#(?:[^\n]*\\\n)*[^\n]*", lambda m: re.sub(r"[^\n]", " ", m.group()),
                  text, flags=re.M)
    return pattern.sub(lambda m: re.sub(r"[^\n]", " ", m.group()), text)


def function_lengths(text):
    """(first line, lines) of each function body that is not inside another one."""
    scopes, head, line = [], "", 1
    for char in blank(text):
        if char == "\n":
            line += 1
        if char == "{":
            transparent = not any(kind == "function" for kind, _ in scopes)
            stripped = head.strip()
            is_scope = re.match(
                r"(inline )?namespace\b|extern\b|(template ?<.*> ?)?(class|struct|union|enum)\b",
                stripped, re.S) and not re.search(r"\)\s*(const|noexcept|override|\s)*$", stripped)
            kind = "scope"
            if transparent and not is_scope and "(" in stripped and "=" not in stripped.split("(")[0]:
                kind = "function"
            elif not transparent:
                kind = "inner"
            scopes.append((kind, line))
            head = ""
        elif char == "}":
            if scopes:
                kind, start = scopes.pop()
                if kind == "function":
                    yield start, line - start + 1
            head = ""
        elif char == ";":
            head = ""
        else:
            head += char


def check_size(tree):
    for name in tree.code() + tree.scripts():
        lines = tree.read(name).count("\n")
        if lines > MAX_FILE_LINES:
            yield f"{name}:1: {lines} lines, {MAX_FILE_LINES} are allowed"
    for name in tree.code():
        for line, length in function_lengths(tree.read(name)):
            if length > MAX_FUNCTION_LINES:
                yield f"{name}:{line}: a function of {length} lines, {MAX_FUNCTION_LINES} are allowed"
    for name in tree.names:
        if re.fullmatch(r"src/cmd/[^/]+/main\.cc", name) and tree.read(name).count("\n") > 100:
            yield f"{name}:1: a composition root of more than 100 lines"


def check_text(tree):
    for name in tree.names:
        named = os.path.basename(name) in ("CMakeLists.txt", "run")
        if not (name.endswith(TEXT) or named) or name.startswith("fuzz/corpus/"):
            continue
        text = tree.read(name)
        lines = text.splitlines()
        if name.endswith(CODE + SCRIPTS) or named:
            first = lines[1:2] if lines and lines[0].startswith("#!") else lines[:1]
            if not first or "SPDX-License-Identifier: Apache-2.0" not in first[0]:
                yield f"{name}:1: no SPDX line"
        if name.endswith(".h") and "#pragma once" not in lines:
            yield f"{name}:1: no #pragma once"
        if text and not text.endswith("\n"):
            yield f"{name}:{len(lines)}: no newline at the end"
        for number, line in enumerate(lines, 1):
            if line != line.rstrip() and not name.endswith(".md"):
                yield f"{name}:{number}: blanks at the end of the line"
            if "\t" in line and name.endswith(CODE):
                yield f"{name}:{number}: a tab"
            for pattern, what in FORBIDDEN:
                if re.search(pattern, line):
                    yield f"{name}:{number}: {what}"


def check_format(tree):
    tool = shutil.which("clang-format-19")
    if tool is None:
        raise Skip("clang-format-19 is not installed (package clang-format-19)")
    names = tree.code()
    for start in range(0, len(names), 50):
        result = subprocess.run([tool, "--dry-run", *names[start:start + 50]], cwd=tree.root,
                                capture_output=True, text=True, check=False)
        seen = set()
        for line in result.stderr.splitlines():
            match = re.match(r"(.+?):(\d+):\d+: (warning|error):", line)
            if match and match.group(1) not in seen:
                seen.add(match.group(1))
                yield f"{match.group(1)}:{match.group(2)}: not as clang-format-19 has it"
        if result.returncode != 0 and not seen:
            yield f"clang-format-19:0: {result.stderr.strip()}"


def check_shell(tree):
    for name in tree.scripts():
        result = subprocess.run(["bash", "-n", tree.path(name)], capture_output=True, text=True,
                                check=False)
        if result.returncode != 0:
            yield f"{name}:1: {result.stderr.strip()}"
    tool = shutil.which("shellcheck")
    if tool is None:
        raise Skip("shellcheck is not installed (package shellcheck)")
    for name in tree.scripts():
        # SC2187 only says that busybox scripts are checked by dash's rules.
        result = subprocess.run([tool, "-x", "-e", "SC2187", "-f", "json", name], cwd=tree.root,
                                capture_output=True, text=True, check=False)
        for fault in json.loads(result.stdout or "[]"):
            yield f"{fault['file']}:{fault['line']}: SC{fault['code']}: {fault['message']}"


def test_programs(tree):
    """The sources of each test program: from the CMake files."""
    programs = {}
    for name in tree.names:
        if os.path.basename(name) != "CMakeLists.txt":
            continue
        folder = os.path.dirname(name)
        for match in re.finditer(r"(?:dhow_test|dhow_program|add_executable)\(\s*([\w-]+)([^)]*)\)", tree.read(name)):
            words = match.group(2).split()
            sources = {f"{folder}/{word}" for word in words if word.endswith(".cc")}
            if "${test_sources}" in words:
                sources |= {other for other in tree.names if os.path.dirname(other) == folder
                            and other.endswith("_test.cc")}
            programs[match.group(1)] = sources
    return programs


def defined_tests(text):
    """Names of the tests of a source, "Suite.Test"; of a TEST_P without its prefix."""
    return {".".join(match) for match in
            re.findall(r"\bTEST(?:_F|_P)?\(\s*(\w+)\s*,\s*(\w+)\s*\)", text)}


def check_conformance(tree):
    """Each row of docs/conformance.md names tests that exist: `program:Suite.Test`, or scripts."""
    page = "docs/conformance.md"
    if page not in tree.names:
        yield f"{page}:1: is missing"
        return
    tests = {program: set().union(*(defined_tests(tree.read(source)) for source in sources
                                    if source in tree.names))
             for program, sources in test_programs(tree).items()}
    for number, line in enumerate(tree.read(page).splitlines(), 1):
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        if len(cells) != 3 or cells[0] == "row" or set(cells[0]) <= {"-"}:
            continue
        if cells[2] != "not offered" and "`" not in cells[1]:
            yield f"{page}:{number}: a row without a test"
        for name in re.findall(r"`([^`]+)`", cells[1]):
            if "/" in name and ":" not in name:
                if name not in tree.names:
                    yield f"{page}:{number}: {name} does not exist"
                continue
            program, _, test = name.partition(":")
            if program not in tests:
                yield f"{page}:{number}: no test program {program}"
            elif test not in tests[program]:
                yield f"{page}:{number}: {program} has no test {test}"


CHECKS = {"layers": check_layers, "size": check_size, "text": check_text,
          "format": check_format, "shell": check_shell, "conformance": check_conformance}


class Skip(Exception):
    """The check can't be made here."""


def main(arguments):
    if len(arguments) not in (1, 2) or arguments[0] not in CHECKS:
        print(f"usage: check.py {'|'.join(CHECKS)} [ROOT]", file=sys.stderr)
        return 2
    root = arguments[1] if len(arguments) > 1 else os.path.join(os.path.dirname(__file__), "../..")
    tree = Tree(os.path.abspath(root))
    count = 0
    try:
        for fault in CHECKS[arguments[0]](tree):
            print(fault)
            count += 1
    except Skip as skip:
        if count == 0:
            print(f"skipped: {skip}")
            return SKIPPED
    print(f"{arguments[0]}: {count} faults in {len(tree.names)} files")
    return 1 if count else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
