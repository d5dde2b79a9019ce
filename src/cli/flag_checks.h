// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

// What is wrong with the value of one flag of run, create or update, in docker's words; "":
// nothing.
namespace dhow::cli {

std::string extra_host_fault(std::string_view value);
std::string weight_device_fault(std::string_view value);
std::string bytes_rate_fault(std::string_view value);
std::string operations_rate_fault(std::string_view value);
std::string device_rule_fault(std::string_view value);
std::string address_fault(std::string_view value);
std::string gpus_fault(std::string_view value);
std::string label_fault(std::string_view value);
std::string link_fault(std::string_view value);
std::string mount_fault(std::string_view value);
std::string sysctl_fault(std::string_view value);
std::string ulimit_fault(std::string_view value);
// A size that is none below zero.
std::string size_fault(std::string_view value);
// The same, and -1.
std::string swap_fault(std::string_view value);

}  // namespace dhow::cli
