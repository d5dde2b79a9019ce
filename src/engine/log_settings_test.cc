// SPDX-License-Identifier: Apache-2.0
#include "engine/log_settings.h"

#include <gmock/gmock.h>

#include "base/strings.h"

namespace dhow::engine {
namespace {

using ::testing::HasSubstr;

std::string fault_of(const std::string& driver, TextMap options) {
  auto checked = check_log_config({driver, std::move(options)});
  return checked ? "" : checked.error().message();
}

TEST(LogSettings, OptionsAreRefusedInDockersWords) {
  EXPECT_EQ(fault_of("json-file", {{"x", "1"}}), "unknown log opt 'x' for json-file log driver");
  EXPECT_EQ(fault_of("local", {{"tag", "1"}}), "unknown log opt 'tag' for log driver local");
  EXPECT_EQ(fault_of("journald", {{"max-size", "1"}}),
            "unknown log opt 'max-size' for journald log driver");
  EXPECT_EQ(fault_of("nonsense", {}), "logger: no log driver named 'nonsense' is registered");
  EXPECT_EQ(fault_of("json-file", {{"mode", "odd"}}), "logger: logging mode not supported: odd");
  EXPECT_EQ(check_log_config({"gelf", {}}).error().code(), Code::kUnimplemented);
  EXPECT_THAT(fault_of("syslog", {{"syslog-tls-skip-verify", "maybe"}}),
              HasSubstr("syslog-tls-skip-verify"));
  // It is the engine's to say.
  EXPECT_EQ(fault_of("syslog", {{"tls-program", "/x"}}),
            "unknown log opt 'tls-program' for syslog log driver");
  EXPECT_THAT(fault_of("json-file", {{"max-size", "much"}}), HasSubstr("max-size"));
  EXPECT_EQ(fault_of("syslog", {{"cache-disabled", "maybe"}}),
            "invalid value for option cache-disabled: maybe");
  EXPECT_THAT(fault_of("syslog", {{"cache-max-file", "0"}}), HasSubstr("max-file"));
  EXPECT_THAT(fault_of("json-file", {{"labels-regex", "("}}), HasSubstr("labels-regex"));
  EXPECT_THAT(fault_of("journald", {{"tag", "{{.Nothing}}"}}), HasSubstr("{{.Nothing}}"));
  EXPECT_THAT(fault_of("journald", {{"tag", "{{.Name"}}), HasSubstr("{{.Name"));
}

TEST(LogSettings, OptionsOfEachDriverAreTaken) {
  TextMap metadata{{"labels", "a"},
                   {"labels-regex", "^a"},
                   {"env", "A,B"},
                   {"env-regex", "^A"},
                   {"tag", "{{.Name}}/{{ .ID }}"}};
  EXPECT_EQ(fault_of("json-file", metadata), "");
  EXPECT_EQ(fault_of("journald", metadata), "");
  EXPECT_EQ(fault_of("syslog", metadata), "");
  EXPECT_EQ(fault_of("local", {{"max-size", "5m"}, {"max-file", "2"}, {"compress", "false"}}), "");
  EXPECT_EQ(fault_of("syslog", {{"mode", "non-blocking"}, {"max-buffer-size", "4m"}}), "");
  EXPECT_EQ(fault_of("none", {{"anything", "1"}}), "");
  EXPECT_EQ(fault_of("json-file", {{"cache-disabled", "true"}, {"cache-max-size", "1m"}}), "");
}

ContainerRecord example() {
  ContainerRecord record;
  record.id = "0123456789abcdef0123";
  record.name = "web";
  record.facts.path = "/bin/app";
  record.facts.args = {"-v", "1"};
  record.config.config.image = "app:1";
  record.config.config.labels = {{"com.example.a", "<1>"}, {"com.example.b", "2"}, {"c", "3"}};
  record.config.config.env = {"OS=linux", "MODE=fast", "EMPTY"};
  return record;
}

TEST(LogSettings, AttributesComeOfLabelsEnvironmentAndTag) {
  ContainerRecord record = example();
  record.config.host.log_config = {"json-file",
                                   {{"labels", "c,missing"},
                                    {"labels-regex", "example.a$"},
                                    {"env", "OS,EMPTY"},
                                    {"env-regex", "^MO"},
                                    {"tag", "{{.Name}} {{.Command}}"},
                                    {"max-size", "1m"}}};
  auto options = shim_log_options(record, "/x.log");
  ASSERT_TRUE(options) << options.error().message();
  EXPECT_EQ((*options)["attrs"],
            R"({"MODE":"fast","OS":"linux","c":"3","com.example.a":"\u003c1\u003e",)"
            R"("tag":"web /bin/app -v 1"})");
  EXPECT_EQ((*options)["path"], "/x.log");
  EXPECT_EQ((*options)["max-size"], "1m");
  EXPECT_FALSE(options->contains("labels") || options->contains("tag"));
}

TEST(LogSettings, JournalFieldsHaveNamesThatTheJournalTakes) {
  ContainerRecord record = example();
  record.config.host.log_config = {"journald", {{"labels", "com.example.b"}, {"env", "OS"}}};
  auto options = shim_log_options(record, "/x.log");
  ASSERT_TRUE(options);
  EXPECT_EQ((*options)["field.COM_EXAMPLE_B"], "2");
  EXPECT_EQ((*options)["field.OS"], "linux");
  EXPECT_EQ((*options)["container-name"], "web");
  EXPECT_FALSE(options->contains("tag"));
}

TEST(LogSettings, SyslogHasTheIdAsItsTag) {
  ContainerRecord record = example();
  record.config.host.log_config = {"syslog", {{"syslog-address", "udp://127.0.0.1:514"}}};
  auto options = shim_log_options(record, "/x.log");
  ASSERT_TRUE(options);
  EXPECT_EQ((*options)["container-id"], record.id);
  record.config.host.log_config.config["tag"] = "{{.ImageName}}";
  EXPECT_EQ((*shim_log_options(record, ""))["tag"], "app:1");
}

TEST(LogSettings, WhatGoesToOthersIsKeptToBeRead) {
  ContainerRecord record = example();
  LogConfig& log = record.config.host.log_config;
  log = {"journald", {{"cache-max-size", "1m"}}};
  EXPECT_TRUE(is_readable_log(log));
  auto options = shim_log_options(record, "/x.log");
  ASSERT_TRUE(options);
  EXPECT_EQ((*options)["cache-path"], "/x.log");
  EXPECT_EQ((*options)["cache-max-size"], "1m");
  EXPECT_FALSE(options->contains("path"));
  log.config["cache-disabled"] = "1";
  EXPECT_FALSE(is_readable_log(log));
  options = shim_log_options(record, "/x.log");
  ASSERT_TRUE(options);
  for (const auto& [name, value] : *options) EXPECT_FALSE(name.starts_with("cache-")) << name;
  log.type = "json-file";
  EXPECT_TRUE(is_readable_log(log));
  EXPECT_FALSE(shim_log_options(record, "/x.log")->contains("cache-path"));
  log.type = "none";
  EXPECT_FALSE(is_readable_log(log));
}

TEST(LogSettings, SyslogServersAreLookedUp) {
  ContainerRecord record = example();
  auto server = [&](const std::string& address) -> std::string {
    record.config.host.log_config = {"syslog", {{"syslog-address", address}}};
    auto options = shim_log_options(record, "/x.log");
    return options ? (*options)["syslog-address"] : options.error().message();
  };
  EXPECT_EQ(server("udp://localhost:99"), "udp://[127.0.0.1]:99");
  EXPECT_EQ(server("tcp://[::1]"), "tcp://[::1]:514");
  EXPECT_EQ(server("unix:///dev/log"), "unix:///dev/log");
  EXPECT_THAT(server("udp://no-host.invalid"),
              HasSubstr("failed to initialize logging driver: lookup no-host.invalid: "));
}

}  // namespace
}  // namespace dhow::engine
