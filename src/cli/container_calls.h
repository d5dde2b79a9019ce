// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "cli/create_request.h"
#include "cli/progress.h"
#include "cli/session.h"
#include "cli/streams.h"
#include "client/client.h"

// Calls of the API that several commands make.
namespace dhow::cli {

// "/containers/NAME" + rest, with the name encoded.
std::string container_path(std::string_view name, std::string_view rest = {});
// "/images/NAME" + rest.
std::string image_path(std::string_view name, std::string_view rest = {});

// The filters of --filter as the query parameter; "" when there are none.
std::string filters_text(const std::vector<std::string_view>& filters);

// Pulls an image, with what it takes to log in. Blocks until it is there.
struct PullOptions {
  std::string platform;
  bool all_tags = false;
  bool quiet = false;
  ProgressDisplay::Target target = ProgressDisplay::Target::kOutput;
};
Status pull_image(Session& session, std::string_view image, const PullOptions& options);

// Creates the container, after a pull when --pull says so or the image is missing; its warnings go
// to standard error, its id to --cidfile.
Result<std::string> create_container(Session& session, const Arguments& arguments,
                                     const CreateRequest& request);

// The exit code of a container from the answer to a wait that was sent before.
Result<int> exit_code_of(client::Exchange& wait);

// Gives a process the size of our terminal. `path`: "/containers/X" or "/exec/X". Failures are left
// out: the process may have ended.
void resize_terminal(client::Client& client, const std::string& path, TerminalSize size);
// Sends a signal to a container, for --sig-proxy; failures are left out. Does not wait for the
// answer, which an engine in trouble may owe: the call is kept in `pending`.
void forward_signal(client::Client& client, std::string_view container, std::string_view signal,
                    std::vector<client::Exchange>& pending);

// Fails for `-t` with `-i` when standard input is no terminal.
Status check_input_terminal(const Session& session, bool input, bool terminal);

// The exit code of a failed start: 127 for a program that is missing, 126 for one that can't be
// run, else 125.
int start_failure_code(std::string_view message);

}  // namespace dhow::cli
