// SPDX-License-Identifier: Apache-2.0
#include "e2e/support/checkpoint.h"

#include <gmock/gmock.h>

namespace dhow::e2e {

const std::string& criu_complaint() {
  static const std::string complaint = [] {
    if (!is_root()) return std::string("it needs root");
    if (!has_command("criu")) return std::string("there is none");
    Outcome check = run_command({"criu", "check"});
    return check.code == 0 ? std::string() : "criu check: " + check.out + check.err;
  }();
  return complaint;
}

Outcome Checkpoint::save(const Container& container, std::vector<std::string> flags) const {
  flags.insert(flags.end(), {"--image-path", image()});
  return container.call("checkpoint", flags);
}

Outcome Checkpoint::bring_back(const Container& container, std::vector<std::string> flags) const {
  flags.insert(flags.end(), {"--bundle", bundle_.path(), "--image-path", image(), "--detach"});
  std::string errors = bundle_.path() + "/restored-err";
  std::string script = "exec \"$@\" </dev/null >>" + restored_output() + " 2>" + errors;
  std::vector<std::string> line{"/bin/sh", "-c", script, "sh"};
  for (std::string& part : container.command_line("restore", flags)) line.push_back(part);
  Outcome outcome = run_command(line);
  outcome.err += read_text(errors);
  return outcome;
}

void Checkpoint::expect_refused(const Container& container, std::string_view why) const {
  Outcome refused = save(container);
  EXPECT_EQ(refused.code, 1);
  EXPECT_THAT(refused.err, testing::HasSubstr(std::string(why)));
}

void Checkpoint::move(const Container& container, std::vector<std::string> save_flags,
                      std::vector<std::string> restore_flags) const {
  Outcome saved = save(container, std::move(save_flags));
  ASSERT_EQ(saved.code, 0) << saved.err;
  Outcome restored = bring_back(container, std::move(restore_flags));
  ASSERT_EQ(restored.code, 0) << restored.err;
}

void Checkpoint::expect_count(const Container& container, const std::string& file, int count) {
  Outcome asked = container.call("kill", {}, {"USR1"});
  ASSERT_EQ(asked.code, 0) << asked.err;
  std::string line = "count " + std::to_string(count) + "\n";
  EXPECT_TRUE(eventually([&] { return read_text(file).ends_with(line); }))
      << line << "instead of:\n"
      << read_text(file);
}

void Checkpoint::start_counting(Container& container, int count) {
  container.start_detached();
  ASSERT_TRUE(eventually([&] { return read_text(output()).starts_with("ready\n"); }));
  for (int i = 1; i <= count; ++i) expect_count(container, output(), i);
}

}  // namespace dhow::e2e
