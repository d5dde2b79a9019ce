#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs a program on a terminal and types for it: terminal.py PROMPT TEXT COMMAND...

TEXT is typed as soon as PROMPT is on the screen. What is on the screen goes to standard output;
the exit status is the program's.
"""

import os
import pty
import sys


def main(arguments):
    prompt, text, command = arguments[0].encode(), arguments[1].encode(), arguments[2:]
    pid, terminal = pty.fork()
    if pid == 0:
        os.execvp(command[0], command)
    screen, typed = b"", False
    while True:
        try:
            part = os.read(terminal, 4096)
        except OSError:  # the other end is closed
            break
        if not part:
            break
        screen += part
        if not typed and prompt in screen:
            os.write(terminal, text)
            typed = True
    sys.stdout.buffer.write(screen)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
