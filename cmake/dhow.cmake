# SPDX-License-Identifier: Apache-2.0
# The targets of the tree: one library a module, tests beside the code, static programs.

# For programs that sanitizers must leave alone; everything else takes dhow_options.
add_library(dhow_flags INTERFACE)
target_include_directories(dhow_flags INTERFACE ${PROJECT_SOURCE_DIR}/src)
target_compile_options(dhow_flags INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wold-style-cast
  -Wnon-virtual-dtor -Woverloaded-virtual -Wformat=2 -Wimplicit-fallthrough
  -Werror=return-type -Werror=unused-result -Werror=switch
  -ffunction-sections -fdata-sections -fno-plt -fstack-protector-strong -fstack-clash-protection)
target_compile_definitions(dhow_flags INTERFACE
  DHOW_VERSION="${PROJECT_VERSION}" $<$<NOT:$<CONFIG:Debug>>:_FORTIFY_SOURCE=2>
  _GLIBCXX_ASSERTIONS _GNU_SOURCE)
target_link_options(dhow_flags INTERFACE -Wl,--gc-sections -Wl,-z,relro,-z,now)
# g++ 12 takes the constructor of its own std::stop_source for a read of what isn't there yet.
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  target_compile_options(dhow_flags INTERFACE -Wno-maybe-uninitialized)
endif()
# base/lifetime.h: g++ 12 has no such check.
target_compile_options(dhow_flags INTERFACE $<$<CXX_COMPILER_ID:Clang>:-Werror=dangling>)
if(DHOW_WERROR)
  target_compile_options(dhow_flags INTERFACE -Werror)
endif()

add_library(dhow_options INTERFACE)
target_link_libraries(dhow_options INTERFACE dhow_flags)
if(DHOW_SANITIZE)
  target_compile_options(dhow_options INTERFACE -fsanitize=${DHOW_SANITIZE} -fno-omit-frame-pointer
                                                -fno-sanitize-recover=all)
  target_link_options(dhow_options INTERFACE -fsanitize=${DHOW_SANITIZE})
endif()

# For tests: they are compiled more often than run, so nothing is optimized but what they test.
add_library(dhow_test_options INTERFACE)
target_link_libraries(dhow_test_options INTERFACE dhow_options)
target_compile_options(dhow_test_options INTERFACE -O0 -U_FORTIFY_SOURCE)

# What most sources include is compiled once for all of them, in every preset but dev: there a missing
# #include shows.
# dhow_precompiled_headers(NAME OPTIONS): cmake/pch/NAME.h, with the options of the target OPTIONS.
function(dhow_precompiled_headers name options)
  file(WRITE ${PROJECT_BINARY_DIR}/pch/${name}.cc "")
  add_library(dhow_pch_${name} OBJECT ${PROJECT_BINARY_DIR}/pch/${name}.cc)
  target_link_libraries(dhow_pch_${name} PRIVATE ${options})
  target_precompile_headers(dhow_pch_${name} PRIVATE ${PROJECT_SOURCE_DIR}/cmake/pch/${name}.h)
endfunction()
if(DHOW_PCH)
  dhow_precompiled_headers(std dhow_options)
  if(DHOW_BUILD_TESTS)
    dhow_precompiled_headers(test dhow_test_options)
  endif()
endif()

# Several sources of a target are compiled as one, in every preset but dev: half the time for all of
# them, and more for one that has changed. So names without linkage are different within a target.
if(DHOW_UNITY)
  set(CMAKE_UNITY_BUILD ON)
  set(CMAKE_UNITY_BUILD_BATCH_SIZE 8)
  # g++ takes every source but the first for a header.
  target_compile_options(dhow_flags INTERFACE $<$<CXX_COMPILER_ID:GNU>:-Wno-subobject-linkage>)
endif()

# dhow_use_precompiled(TARGET NAME): each source of the target begins with cmake/pch/NAME.h.
function(dhow_use_precompiled target name)
  if(DHOW_PCH)
    target_precompile_headers(${target} REUSE_FROM dhow_pch_${name})
  endif()
endfunction()

# dhow_library(NAME SRCS a.cc ... DEPS dhow::x ... PRIVATE_DEPS ...): a module, as dhow::NAME.
function(dhow_library name)
  cmake_parse_arguments(ARG "" "" "SRCS;DEPS;PRIVATE_DEPS" ${ARGN})
  add_library(dhow_${name} STATIC ${ARG_SRCS})
  add_library(dhow::${name} ALIAS dhow_${name})
  target_link_libraries(dhow_${name} PUBLIC dhow_options ${ARG_DEPS} PRIVATE ${ARG_PRIVATE_DEPS})
  dhow_use_precompiled(dhow_${name} std)
endfunction()

# dhow_program(NAME SRCS ... DEPS ...): a program in bin/, static unless a sanitizer forbids it.
function(dhow_program name)
  cmake_parse_arguments(ARG "" "" "SRCS;DEPS" ${ARGN})
  add_executable(${name} ${ARG_SRCS})
  target_link_libraries(${name} PRIVATE dhow_options ${ARG_DEPS})
  if(DHOW_STATIC AND NOT DHOW_SANITIZE)
    set_target_properties(${name} PROPERTIES POSITION_INDEPENDENT_CODE OFF)
    target_link_options(${name} PRIVATE -static -no-pie)
  endif()
endfunction()

# dhow_payload(NAME SRCS ...): a program that tests put into containers: static under any preset, since
# no libraries are there, and not what the sanitizers are after.
function(dhow_payload name)
  cmake_parse_arguments(ARG "" "" "SRCS" ${ARGN})
  add_executable(${name} ${ARG_SRCS})
  target_link_libraries(${name} PRIVATE dhow_flags)
  set_target_properties(${name} PROPERTIES POSITION_INDEPENDENT_CODE OFF)
  target_link_options(${name} PRIVATE -static -no-pie)
endfunction()

# dhow_freestanding_program(NAME SOURCE): a program without a C library (base/freestanding.h).
function(dhow_freestanding_program name source)
  add_executable(${name} ${source})
  target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR} ${PROJECT_SOURCE_DIR}/src)
  target_compile_options(${name} PRIVATE -O2 -Wall -Wextra -ffreestanding -fno-exceptions -fno-rtti
    -fno-pie -fno-stack-protector -fno-asynchronous-unwind-tables)
  target_link_options(${name} PRIVATE -static -nostdlib -nostartfiles -no-pie
    -Wl,--build-id=none -Wl,-z,noexecstack)
endfunction()

# dhow_test(NAME SRCS ... DEPS ...): a unit test program; rootless, no network, no leftovers. One named
# *_root_test needs root, and the machine for itself: it counts mounts, cgroups and processes.
function(dhow_test name)
  if(NOT DHOW_BUILD_TESTS)
    return()
  endif()
  cmake_parse_arguments(ARG "" "" "SRCS;DEPS" ${ARGN})
  add_executable(${name} ${ARG_SRCS})
  target_link_libraries(${name} PRIVATE dhow_test_options ${ARG_DEPS} gmock gtest gtest_main)
  dhow_use_precompiled(${name} test)
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/tests)
  add_test(NAME ${name} COMMAND ${name})
  if(name MATCHES "_root_test$")
    set_tests_properties(${name} PROPERTIES LABELS root RUN_SERIAL ON TIMEOUT 300)
  else()
    set_tests_properties(${name} PROPERTIES LABELS unit TIMEOUT 300)
  endif()
endfunction()
