#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the system call tables of the seccomp compiler from the kernel's user headers.

usage: update-syscall-tables.py X86_INCLUDE ARM64_INCLUDE ARM_INCLUDE

Each argument is an include folder that holds asm/unistd.h of that architecture. On Debian these
are /usr/include/x86_64-linux-gnu (linux-libc-dev), /usr/aarch64-linux-gnu/include
(linux-libc-dev-arm64-cross) and /usr/arm-linux-gnueabihf/include (linux-libc-dev-armhf-cross).
Calls that are newer than those headers are listed below.
"""

import pathlib
import re
import subprocess
import sys

OUT = pathlib.Path(__file__).resolve().parent.parent / "src/runtime/seccomp"

# Since Linux 5.1 a new call has the same number everywhere (x32: with its bit set).
NEW_EVERYWHERE = {
    "cachestat": 451, "fchmodat2": 452, "futex_wake": 454, "futex_wait": 455,
    "futex_requeue": 456, "statmount": 457, "listmount": 458, "lsm_get_self_attr": 459,
    "lsm_set_self_attr": 460, "lsm_list_modules": 461, "mseal": 462, "setxattrat": 463,
    "getxattrat": 464, "listxattrat": 465, "removexattrat": 466, "open_tree_attr": 467,
    "file_getattr": 468, "file_setattr": 469, "listns": 470,
}
NEW_BUT_ON_X32 = {"map_shadow_stack": 453}
NEW_X86_64 = {"uretprobe": 335, "uprobe": 336}

# The subcalls of i386's socketcall(2) (linux/net.h) and ipc(2) (linux/ipc.h).
SOCKETCALL = {
    "socket": 1, "bind": 2, "connect": 3, "listen": 4, "accept": 5, "getsockname": 6,
    "getpeername": 7, "socketpair": 8, "send": 9, "recv": 10, "sendto": 11, "recvfrom": 12,
    "shutdown": 13, "setsockopt": 14, "getsockopt": 15, "sendmsg": 16, "recvmsg": 17,
    "accept4": 18, "recvmmsg": 19, "sendmmsg": 20,
}
IPC = {
    "semop": 1, "semget": 2, "semctl": 3, "semtimedop": 4, "msgsnd": 11, "msgrcv": 12,
    "msgget": 13, "msgctl": 14, "shmat": 21, "shmdt": 22, "shmget": 23, "shmctl": 24,
}

X32_BIT = 0x40000000

# Other names for a number: arm's headers and the kernel's own table disagree on this one.
ARM_ALIASES = {"sync_file_range2": "arm_sync_file_range"}


def macros(include, header, defines=()):
    """The object-like macros that are defined after including the header."""
    text = subprocess.run(
        ["cc", "-E", "-dM", "-nostdinc", "-undef", *[f"-D{name}" for name in defines],
         "-isystem", include, "-isystem", "/usr/include", "-include", header, "-x", "c",
         "/dev/null"],
        check=True, capture_output=True, text=True).stdout
    return dict(re.findall(r"^#define (\w+) (.+)$", text, re.M))


def numbers(include, header, prefixes=("__NR_",), defines=()):
    """Call name -> number, from the __NR_ macros of a header."""
    defined = macros(include, header, defines)

    def value(text):
        while names := re.findall(r"[A-Za-z_]\w*", re.sub(r"0x[0-9a-fA-F]+", "", text)):
            for name in names:
                text = re.sub(rf"\b{name}\b", f"({defined[name]})", text)
        return eval(text, {"__builtins__": {}})  # digits, + and brackets are all that is left

    found = {}
    for macro, text in defined.items():
        for prefix in prefixes:
            name = macro.removeprefix(prefix)
            if name == macro or name in ("syscalls", "Linux", "arch_specific_syscall") \
                    or not name.islower() or name.endswith("_base"):
                continue
            found[name] = value(text)
    return found


def write(path, columns, rows):
    names = sorted(set().union(*rows))
    with open(path, "w", encoding="ascii") as out:
        out.write("// SPDX-License-Identifier: Apache-2.0\n"
                  "// Written by tools/update-syscall-tables.py; sorted by name. -1: no such call.\n"
                  f"// name, {', '.join(columns)}\n")
        for name in names:
            cells = ", ".join(str(row.get(name, absent)) for row, absent in
                              zip(rows, [-1, -1, -1, 0] if len(rows) == 4 else [-1, -1]))
            out.write(f'{{"{name}", {cells}}},\n')
    print(f"{path}: {len(names)} names")


def main():
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    x86, arm64, arm = sys.argv[1:]

    x86_64 = numbers(x86, "asm/unistd_64.h") | NEW_EVERYWHERE | NEW_BUT_ON_X32 | NEW_X86_64
    i386 = numbers(x86, "asm/unistd_32.h") | NEW_EVERYWHERE | NEW_BUT_ON_X32
    x32 = {name: number & ~X32_BIT for name, number in
           numbers(x86, "asm/unistd_x32.h",
                   defines=["__X32_SYSCALL_BIT=0x40000000"]).items()} | NEW_EVERYWHERE
    multiplexed = SOCKETCALL | {name: 100 + call for name, call in IPC.items()}
    write(OUT / "syscalls_x86.inc", ["x86_64", "i386", "x32 without its bit", "i386 subcall"],
          [x86_64, i386, x32, multiplexed])

    new = NEW_EVERYWHERE | NEW_BUT_ON_X32
    aarch64 = numbers(arm64, "asm/unistd.h", defines=["__aarch64__", "__LP64__"]) | new
    eabi = numbers(arm, "asm/unistd.h", prefixes=("__NR_", "__ARM_NR_"),
                   defines=["__arm__", "__ARM_EABI__"]) | new
    for alias, name in ARM_ALIASES.items():
        both = eabi.get(alias, eabi.get(name))
        eabi[alias] = eabi[name] = both
    write(OUT / "syscalls_arm.inc", ["aarch64", "arm"], [aarch64, eabi])


main()
