// SPDX-License-Identifier: Apache-2.0
#include "network/rootless/messages.h"

#include "base/strings.h"

namespace dhow::network::rootless {

std::string port_words(const PortKey& key) {
  return cat(key.protocol, " ", key.host.text(), " ", key.port);
}

Result<PortKey> read_port(const std::vector<std::string_view>& words, std::size_t at) {
  if (words.size() < at + 3) return fail(Code::kInvalidArgument, "a port has three words");
  auto host = parse_ip(words[at + 1]);
  auto port = parse_number<std::uint16_t>(words[at + 2]);
  if (!host || !port) return fail(Code::kInvalidArgument, "no address or no port");
  return PortKey{std::string(words[at]), *host, *port};
}

std::string answer_text(const Result<std::string>& answer) {
  if (answer) return answer->empty() ? "ok" : cat("ok ", *answer);
  const Error& error = answer.error();
  return cat("fail ", static_cast<int>(error.code()), " ", error.sys_errno(), " ",
             std::string_view(error.message()).substr(0, kMaxMessage / 2));
}

Result<std::string> read_answer(std::string_view text) {
  if (text == "ok") return std::string();
  if (text.starts_with("ok ")) return std::string(text.substr(3));
  std::vector<std::string_view> words = split(text, ' ');
  constexpr std::size_t kBeforeMessage = 3;
  if (words.size() <= kBeforeMessage || words[0] != "fail") {
    return fail(Code::kInternal, "the keeper of the network answers in a way that is not known");
  }
  int code = parse_number<int>(words[1]).value_or(0);
  int reason = parse_number<int>(words[2]).value_or(0);
  bool is_code = code > 0 && code <= static_cast<int>(Code::kCancelled);
  auto message = static_cast<std::size_t>(words[kBeforeMessage].data() - text.data());
  return fail(Error(is_code ? static_cast<Code>(code) : Code::kUnknown, reason,
                    std::string(text.substr(message))));
}

}  // namespace dhow::network::rootless
