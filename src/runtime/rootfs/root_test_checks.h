// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <initializer_list>
#include <string>

// What tests ask of a finished container, from inside it: each gives "" or what is wrong.
namespace dhow::rootfs {

std::string first_of(std::initializer_list<std::string> texts);
std::string expect_magic(const std::string& path, long magic);
std::string expect_device(const std::string& path, char type, unsigned major, unsigned minor);
std::string expect_link(const std::string& path, const std::string& target);
std::string expect_text(const std::string& path, const std::string& text);
std::string expect_owner(const std::string& path, unsigned uid, unsigned gid);
std::string expect_mode(const std::string& path, unsigned mode);
// Making a file in the folder fails with this errno; 0: it works.
std::string expect_create_error(const std::string& folder, int error);
// ST_* flags of statvfs(3).
std::string expect_flags(const std::string& path, unsigned long set, unsigned long clear = 0);

}  // namespace dhow::rootfs
