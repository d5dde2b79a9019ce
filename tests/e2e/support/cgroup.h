// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

namespace dhow::e2e {

// Whether containers can have limits of this controller: a v1 hierarchy, or on a cgroup2 host one
// that the root lists.
bool has_controller(std::string_view controller);

// The folder of a process's cgroup in the controller's hierarchy ("" for cgroup v2 on any host).
std::string cgroup_folder(int pid, std::string_view controller);

// The content of the file there, without the newline at its end: `v1` where the controller has a
// hierarchy of its own, else `v2`. "(none)" when it can't be read.
std::string cgroup_value(int pid, std::string_view controller, std::string_view v1,
                         std::string_view v2);

}  // namespace dhow::e2e
