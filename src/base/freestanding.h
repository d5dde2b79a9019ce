// SPDX-License-Identifier: Apache-2.0
#pragma once

// System calls without a C library, for programs whose own size and start-up are not to show: those
// that benchmarks run, and the program of the image "hello".

namespace dhow {

inline long system_call(long number, long a = 0, long b = 0, long c = 0, long d = 0, long e = 0) {
#if defined(__x86_64__)
  long result;
  register long r10 __asm__("r10") = d;
  register long r8 __asm__("r8") = e;
  __asm__ volatile("syscall"
                   : "=a"(result)
                   : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8)
                   : "rcx", "r11", "memory");
  return result;
#elif defined(__aarch64__)
  register long x8 __asm__("x8") = number;
  register long x0 __asm__("x0") = a;
  register long x1 __asm__("x1") = b;
  register long x2 __asm__("x2") = c;
  register long x3 __asm__("x3") = d;
  register long x4 __asm__("x4") = e;
  __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4) : "memory");
  return x0;
#else
#error "unsupported architecture"
#endif
}

}  // namespace dhow

// The kernel enters with the argument count and vector on the stack, and no return address.
#if defined(__x86_64__)
#define DHOW_FREESTANDING_ENTRY(function) \
  __asm__(                                \
      ".globl _start\n_start:\n"          \
      "xor %ebp, %ebp\nmov %rsp, %rdi\n"  \
      "and $-16, %rsp\ncall " #function "\n");
#elif defined(__aarch64__)
#define DHOW_FREESTANDING_ENTRY(function) \
  __asm__(".globl _start\n_start:\nmov x29, xzr\nmov x0, sp\nbl " #function "\n");
#endif
