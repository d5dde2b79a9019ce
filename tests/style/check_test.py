#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Tests of check.py: each rule must find a fault that was put there, and nothing else."""

import os
import tempfile
import unittest

import check

SPDX = "// SPDX-License-Identifier: Apache-2.0\n"
LAYERS = """
src/base:
src/sys: src/base
src/cmd: *
!src: iostream
!src/sys: boost/
!src/sys/*.h: curl
"""


class CheckTest(unittest.TestCase):
    def faults(self, rule, files):
        with tempfile.TemporaryDirectory() as root:
            for name, text in {"tools/layers.txt": LAYERS, **files}.items():
                path = os.path.join(root, name)
                os.makedirs(os.path.dirname(path), exist_ok=True)
                with open(path, "w", encoding="utf-8") as file:
                    file.write(text)
            return list(check.CHECKS[rule](check.Tree(root)))

    def test_layers(self):
        faults = self.faults("layers", {
            "src/base/a.h": '#include "sys/b.h"\n',
            "src/sys/b.h": '#include "base/a.h"\n#include <boost/json.hpp>\n',
            "src/cmd/x/main.cc": '#include "base/a.h"\n#include "sys/b.h"\n',
            "src/sys/c.cc": '#include "b.h"\n#include <iostream>\n#include <sys/mount.h>\n',
            "src/sys/d.cc": "#include <curl/curl.h>\n",
            "src/sys/deep/d.h": "#include <curl/curl.h>\n",
            "src/new/d.cc": "",
        })
        self.assertEqual(faults, [
            "src/base/a.h:1: src/base must not include src/sys (sys/b.h)",
            "src/new/d.cc:1: its folder is not in tools/layers.txt",
            "src/sys/b.h:2: <boost/json.hpp> must not be seen below src/sys",
            'src/sys/c.cc:1: "b.h" is not a path from src/',
            "src/sys/c.cc:2: <iostream> must not be seen below src",
            "src/sys/deep/d.h:1: <curl/curl.h> must not be seen below src/sys/*.h",
        ])

    def test_size_of_files(self):
        self.assertEqual(self.faults("size", {"src/base/a.cc": "\n" * 501}),
                         ["src/base/a.cc:1: 501 lines, 500 are allowed"])
        self.assertEqual(self.faults("size", {"src/base/a.cc": "\n" * 500}), [])
        self.assertEqual(self.faults("size", {"src/cmd/x/main.cc": "\n" * 101}),
                         ["src/cmd/x/main.cc:1: a composition root of more than 100 lines"])

    def test_size_of_functions(self):
        body = "  f();\n" * 60
        long_ones = {
            "a": "namespace x {\nint g() {\n" + body + "}\n}\n",
            "b": "class A {\n  void g(int a = 1) const {\n" + body + "  }\n};\n",
            "c": 'TEST(A, B) {\n  auto s = "{";\n  char c = \'{\';  // {\n' + body + "}\n",
        }
        for name, text in long_ones.items():
            with self.subTest(name):
                faults = self.faults("size", {"src/base/a.cc": text})
                self.assertEqual(len(faults), 1, faults)
                self.assertIn("a function of 6", faults[0])
        short = "int g() {\n" + "  f();\n" * 58 + "}\n"
        table = "constexpr int kTable[] = {\n" + "  f(1),\n" * 70 + "};\n"
        many = "namespace {\n" + "struct S {\n  int f() { return 1; }\n};\n" * 30 + "}\n"
        self.assertEqual(self.faults("size", {"src/base/a.cc": short + table + many}), [])

    def test_text(self):
        faults = self.faults("text", {
            "src/base/a.h": SPDX + "int a; \n",
            "src/base/b.cc": "int b;\n",
            "src/base/c.cc": SPDX + "\tint c;",
            "src/base/d.cc": SPDX + "// TO" "DO: see iss" "ue #" "12\nint d = 1;  // see #" "345\n",
            "src/base/e.cc": SPDX + 'auto path = "/wor' 'k/x";  // for ' 'now\n',
            "docs/a.md": "Written by Cla" "ude.\n[colour](#" "12) and [anchor](#" "345)\n",
            "scripts/a.sh": "#!/bin/bash\n# SPDX-License-Identifier: Apache-2.0\ntrue\n",
        })
        self.assertEqual(faults, [
            "docs/a.md:1: a word about who wrote this",
            "src/base/a.h:1: no #pragma once",
            "src/base/a.h:2: blanks at the end of the line",
            "src/base/b.cc:1: no SPDX line",
            "src/base/c.cc:2: no newline at the end",
            "src/base/c.cc:2: a tab",
            "src/base/d.cc:2: a note of unfinished work",
            "src/base/d.cc:2: an issue number",
            "src/base/d.cc:2: an issue number",
            "src/base/d.cc:3: an issue number",
            "src/base/e.cc:2: a note of unfinished work",
            "src/base/e.cc:2: a path of one machine",
        ])

    def test_conformance(self):
        page = ("| row | tests | ran on |\n|---|---|---|\n"
                "| a | `a_test:A.One`, `x-e2e:B.Two`, `tests/c.sh` | host |\n"
                "| b | `a_test:A.Gone` | host |\n| c | `no_test:A.One` | host |\n"
                "| d | `tests/d.sh` | host |\n| e | none yet | host |\n| f | | not offered |\n")
        files = {
            "src/a/CMakeLists.txt": "dhow_test(a_test\n  SRCS a_test.cc DEPS dhow::a)\n",
            "src/a/a_test.cc": "TEST(A, One) {}\n", "src/a/b_test.cc": "TEST(A, Gone) {}\n",
            "tests/x/CMakeLists.txt": "dhow_program(x-e2e SRCS ${test_sources} DEPS)\n",
            "tests/x/b_test.cc": "TEST_P(\n    B, Two) {}\n", "tests/c.sh": "",
        }
        self.assertEqual(self.faults("conformance", {**files, "docs/conformance.md": page}), [
            "docs/conformance.md:4: a_test has no test A.Gone",
            "docs/conformance.md:5: no test program no_test",
            "docs/conformance.md:6: tests/d.sh does not exist",
            "docs/conformance.md:7: a row without a test",
        ])
        self.assertEqual(self.faults("conformance", files),
                         ["docs/conformance.md:1: is missing"])

    @unittest.skipUnless(check.shutil.which("clang-format-19"), "clang-format-19 is not installed")
    def test_format(self):
        faults = self.faults("format", {".clang-format": "BasedOnStyle: Google\n",
                                        "src/base/a.cc": "int  a;\n", "src/base/b.cc": "int b;\n"})
        self.assertEqual(faults, ["src/base/a.cc:1: not as clang-format-19 has it"])

    @unittest.skipUnless(check.shutil.which("shellcheck"), "shellcheck is not installed")
    def test_shell(self):
        faults = self.faults("shell", {"scripts/a.sh": "#!/bin/bash\nrm $1\n",
                                       ".ci/run": "#!/bin/bash\nif\n",
                                       "scripts/b.sh": "#!/bin/bash\ntrue\n"})
        self.assertTrue(any(fault.startswith(".ci/run:1: ") for fault in faults), faults)
        self.assertTrue(any("SC2086" in fault for fault in faults), faults)
        self.assertFalse(any("b.sh" in fault for fault in faults), faults)


if __name__ == "__main__":
    unittest.main()
