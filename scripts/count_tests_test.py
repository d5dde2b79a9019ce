#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Tests of count_tests.py on reports as ctest and GoogleTest write them."""

import contextlib
import io
import os
import tempfile
import unittest

import count_tests

CTEST = """<testsuite>
  <testcase name="good" status="run"><system-out>fine</system-out></testcase>
  <testcase name="bad" status="fail"><failure message=""/><system-out>why
</system-out></testcase>
  <testcase name="left" status="notrun"><skipped message="SKIP_RETURN_CODE=77"/>
    <system-out>skipped: no tool</system-out></testcase>
  <testcase name="suite" status="%s"/>
  <testcase name="absent" status="notrun"><skipped message="Unable to find executable"/></testcase>
</testsuite>"""
SUITE = """<testsuites>
  <testsuite name="A"><testcase name="One" status="run" classname="A"/>
    <testcase name="Two" status="run" result="skipped" classname="A">
      <skipped message="a.cc:1&#x0A;no kernel support&#x0A;"/></testcase>
    <testcase name="Three" status="notrun" classname="A"/>
    %s</testsuite></testsuites>"""
FAILURE = '<testcase name="Four" status="run" classname="A"><failure message="x"/></testcase>'


class CountTest(unittest.TestCase):
    def count(self, files):
        with tempfile.TemporaryDirectory() as root:
            for name, text in files.items():
                os.makedirs(os.path.dirname(os.path.join(root, name)), exist_ok=True)
                with open(os.path.join(root, name), "w", encoding="utf-8") as file:
                    file.write(text)
            output = io.StringIO()
            with contextlib.redirect_stdout(output):
                status = count_tests.main([root])
            return status, output.getvalue().splitlines()

    def test_ctest_and_googletest_together(self):
        status, lines = self.count({"unit/ctest.xml": CTEST % "fail",
                                    "unit/suite.xml": SUITE % FAILURE, "unit/status": "8\n"})
        self.assertEqual(lines, [
            "skipped: unit: left (skipped: no tool)",
            "skipped: unit: suite: A.Two (a.cc:1 no kernel support)",
            "skipped: unit: suite: A.Three (disabled)",
            "failed: unit: bad (why)",
            "failed: unit: suite: A.Four (x)",
            "failed: unit: absent (Unable to find executable)",
            "tests: 2 passed, 3 failed, 3 skipped",
        ])
        self.assertEqual(status, 1)

    def test_a_program_that_dies_after_its_last_case_has_failed(self):
        _, lines = self.count({"unit/ctest.xml": CTEST % "fail", "unit/suite.xml": SUITE % "",
                               "unit/status": "8\n"})
        self.assertIn("failed: unit: suite (the program failed)", lines)

    def test_a_report_that_was_cut_off_is_no_pass(self):
        status, lines = self.count({"unit/ctest.xml": "<testsuite><testcase", "unit/status": "0\n"})
        self.assertEqual((status, lines[-1]), (1, "tests: 0 passed, 1 failed, 0 skipped"))

    def test_steps_without_ctest(self):
        status, lines = self.count({"fuzz/steps": "passed a\nskipped b no compiler\n",
                                    "fuzz/status": "0\n", "build/status": "0\n"})
        self.assertEqual(lines, ["skipped: fuzz: b (no compiler)",
                                 "tests: 1 passed, 0 failed, 1 skipped"])
        self.assertEqual(status, 0)

    def test_a_step_that_ends_badly_has_failed(self):
        status, lines = self.count({"build/status": "2\n", "unit/steps": "passed a\n"})
        self.assertEqual(lines, ["failed: build: the step itself (exit status 2)",
                                 "failed: unit: the step itself (exit status unknown)",
                                 "tests: 1 passed, 2 failed, 0 skipped"])
        self.assertEqual(status, 1)


if __name__ == "__main__":
    unittest.main()
