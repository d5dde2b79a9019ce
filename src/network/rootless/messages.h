// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "network/rootless/forwarder.h"

// What an engine and the keeper of its network say to one another: a request and an answer, each
// one message of a SOCK_SEQPACKET socket, words with spaces between them.
//
//   space                                      the network namespace, as a descriptor
//   uplink                                     it is connected with the outside; says by what
//   hold PROTOCOL HOST PORT                    a port of the host is bound; says which
//   lead PROTOCOL HOST PORT TARGET PORT        a held port leads to a container from now on
//   release PROTOCOL HOST PORT
//   begin, sweep                               what was not held in between is released
//   end                                        the keeper ends, with all that it has
//
// The answer is "ok", with text behind it where there is some to say, or "fail CODE ERRNO
// MESSAGE".
namespace dhow::network::rootless {

constexpr std::size_t kMaxMessage = 8192;
// The socket's name in the engine's state folder.
constexpr std::string_view kSocketName = "network.sock";

std::string port_words(const PortKey& key);
// From the words of a request, at `at`. kInvalidArgument.
Result<PortKey> read_port(const std::vector<std::string_view>& words, std::size_t at);

// An answer as it is sent, and read: the text behind "ok", or the error.
std::string answer_text(const Result<std::string>& answer);
Result<std::string> read_answer(std::string_view text);

}  // namespace dhow::network::rootless
