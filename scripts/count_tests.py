#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Counts the tests of a run: count_tests.py RESULTS_DIR.

RESULTS_DIR has a folder for each step that ran, with ctest's report (ctest.xml), GoogleTest's
reports (NAME.xml for the ctest test NAME), for what is no ctest test a file `steps` with lines
`passed|failed|skipped NAME [REASON]`, and in `status` the exit status of the step.

Prints each skip and then each failure with its reason, and at the end
`tests: N passed, M failed, K skipped`. Exit status 1 when something failed.
"""

import os
import sys
import xml.etree.ElementTree as ElementTree

PASSED, FAILED, SKIPPED = "passed", "failed", "skipped"
MAX_REASON = 500  # characters of what a failed test said


def parse(path):
    """The root of an XML file; None when it is missing or was cut off by a crash."""
    try:
        return ElementTree.parse(path).getroot()
    except (OSError, ElementTree.ParseError):
        return None


def googletest_cases(root):
    """(state, name, reason) of each case that was selected to run."""
    for case in root.iter("testcase"):
        name = f"{case.get('classname')}.{case.get('name')}"
        skipped = case.find("skipped")
        failure = case.find("failure")
        if failure is not None:
            reason = " ".join((failure.get("message") or failure.text or "").split())
            yield FAILED, name, reason[:MAX_REASON]
        elif skipped is not None:
            reason = (skipped.get("message") or skipped.text or "").strip()
            yield SKIPPED, name, " ".join(reason.split()) or "no reason given"
        elif case.get("status") == "notrun":
            yield SKIPPED, name, "disabled"
        else:
            yield PASSED, name, ""


def report_of(folder, name):
    """GoogleTest's report of the ctest test, if it made one."""
    root = parse(os.path.join(folder, f"{name}.xml"))
    return root if root is not None and root.tag == "testsuites" else None


def last_line(text):
    lines = [line for line in (text or "").splitlines() if line.strip()]
    return lines[-1].strip() if lines else ""


def ctest_cases(folder, root):
    """The cases of a ctest run: GoogleTest's own where there are some, else the program as one."""
    for case in root.iter("testcase"):
        name, status = case.get("name"), case.get("status")
        output = last_line(case.findtext("system-out"))
        report = report_of(folder, name)
        cases = list(googletest_cases(report)) if report is not None else []
        if cases:
            yield from ((state, f"{name}: {each}", reason) for state, each, reason in cases)
            if status == "fail" and not any(state == FAILED for state, _, _ in cases):
                yield FAILED, name, output or "the program failed"
        elif status == "run":
            yield PASSED, name, ""
        elif status in ("notrun", "disabled"):
            skipped = case.find("skipped")
            reason = skipped.get("message") if skipped is not None else ""
            if reason == "SKIP_RETURN_CODE=77" or not reason:
                reason = output or "not run"
            state = FAILED if "Unable to find executable" in reason else SKIPPED
            yield state, name, reason
        else:
            yield FAILED, name, output or "the program failed"


def step_cases(folder):
    ctest = os.path.join(folder, "ctest.xml")
    if os.path.exists(ctest):
        root = parse(ctest)
        if root is None:
            yield FAILED, "ctest", "its report can't be read"
        else:
            yield from ctest_cases(folder, root)
    steps = os.path.join(folder, "steps")
    if os.path.exists(steps):
        with open(steps, encoding="utf-8") as file:
            for line in file:
                state, name, *reason = line.rstrip("\n").split(" ", 2)
                yield state, name, reason[0] if reason else ""


def step_status(folder):
    try:
        with open(os.path.join(folder, "status"), encoding="utf-8") as file:
            return file.read().strip()
    except OSError:
        return "unknown"


def main(arguments):
    if len(arguments) != 1:
        print("usage: count_tests.py RESULTS_DIR", file=sys.stderr)
        return 2
    counts = {PASSED: 0, FAILED: 0, SKIPPED: 0}
    failures = []
    for step in sorted(os.listdir(arguments[0])):
        folder = os.path.join(arguments[0], step)
        if not os.path.isdir(folder):
            continue
        cases = list(step_cases(folder))
        status = step_status(folder)
        if status != "0" and not any(state == FAILED for state, _, _ in cases):
            cases.append((FAILED, "the step itself", f"exit status {status}"))
        for state, name, reason in cases:
            counts[state] += 1
            line = f"{state}: {step}: {name}" + (f" ({reason})" if reason else "")
            if state == FAILED:
                failures.append(line)
            elif state == SKIPPED:
                print(line)
    # Where those who see only the end of the output look.
    for line in failures:
        print(line)
    print(f"tests: {counts[PASSED]} passed, {counts[FAILED]} failed, {counts[SKIPPED]} skipped")
    return 1 if counts[FAILED] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
