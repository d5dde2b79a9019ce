// SPDX-License-Identifier: Apache-2.0
#include "sys/resident.h"

#include <link.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <tuple>

namespace dhow {

void drop_resident_code() {
  auto drop = [](dl_phdr_info* object, std::size_t, void*) {
    auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
    for (int i = 0; i < object->dlpi_phnum; ++i) {
      const auto& part = object->dlpi_phdr[i];
      // What can be written may differ from the file.
      if (part.p_type != PT_LOAD || (part.p_flags & PF_W) != 0) continue;
      std::uintptr_t begin = (object->dlpi_addr + part.p_vaddr) & ~(page - 1);
      std::size_t size = object->dlpi_addr + part.p_vaddr + part.p_memsz - begin;
      // Only what is resident is at stake.
      std::ignore = ::madvise(reinterpret_cast<void*>(begin), size, MADV_DONTNEED);
    }
    return 0;  // go on with the next one
  };
  ::dl_iterate_phdr(drop, nullptr);
}

}  // namespace dhow
