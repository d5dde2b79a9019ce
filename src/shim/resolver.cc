// SPDX-License-Identifier: Apache-2.0
#include "shim/resolver.h"

#include <sys/epoll.h>
#include <sys/socket.h>

#include <cerrno>
#include <netinet/in.h>
#include <tuple>
#include <utility>
#include <vector>

#include "dns/message.h"
#include "dns/names.h"
#include "sys/file_io.h"
#include "sys/resident.h"

namespace dhow::shim {
namespace {

// Of what the engine writes: names of some ten thousand neighbours.
constexpr std::size_t kLongestNames = std::size_t{4} << 20;
constexpr std::size_t kLongestSettings = std::size_t{64} << 10;
constexpr std::int64_t kRest = 5000;  // milliseconds without a question
// Then others have their turn.
constexpr int kDatagramsAtOnce = 16;

std::string failure(const dns::Query& query, dns::Rcode code) {
  return dns::Answer(query, code, dns::kSmallestLimit).take();
}

}  // namespace

Result<std::unique_ptr<Resolver>> Resolver::open(Loop& loop, std::string settings_file,
                                                 ResolverSockets sockets) {
  std::unique_ptr<Resolver> made(new Resolver(loop, std::move(settings_file), std::move(sockets)));
  Resolver* raw = made.get();
  TRY_ASSIGN(made->datagrams_, loop.watch(made->sockets_.datagrams, EPOLLIN,
                                          [raw](std::uint32_t) { raw->receive(); }));
  TRY_ASSIGN(made->listener_, loop.watch(made->sockets_.listener, EPOLLIN,
                                         [raw](std::uint32_t) { raw->accept_client(); }));
  return made;
}

void Resolver::answer(Transport transport, std::string_view message, Reply reply) {
  auto query = dns::parse_query(message);
  if (!query) return reply("");
  ++asked_;
  plan_rest();
  if (query->fault != dns::Rcode::kSuccess) return reply(failure(*query, query->fault));
  auto settings = dns::parse_settings(read_file(settings_file_, kLongestSettings).value_or(""));
  std::vector<std::string> names;
  for (const dns::Settings::Network& network : settings.networks) {
    names.push_back(read_file(network.file, kLongestNames).value_or(""));
  }
  std::size_t limit = transport == Transport::kStream ? dns::kLongestMessage : query->limit();
  auto local = dns::local_answer(*query, settings, names, asked_, limit);
  if (local) return reply(std::move(*local));
  // For the reply as well, which may come later.
  auto kept = std::make_shared<std::pair<std::string, Reply>>(message, std::move(reply));
  bool is_asked =
      upstreams_.ask(transport, message, std::move(settings.servers), [kept](std::string answer) {
        auto asked = dns::parse_query(kept->first);
        if (answer.empty() && asked) answer = failure(*asked, dns::Rcode::kServerFailure);
        kept->second(std::move(answer));
      });
  if (!is_asked) kept->second(failure(*query, dns::Rcode::kRefused));
}

// The code that answers is some half of what a shim has in memory.
void Resolver::plan_rest() {
  if (rest_) return;
  asked_before_ = asked_;
  auto timer = loop_.after(kRest, [this] {
    rest_.reset();
    if (asked_ != asked_before_) return plan_rest();
    drop_resident_code();
  });
  if (timer) rest_ = std::move(*timer);
}

void Resolver::receive() {
  for (int i = 0; i < kDatagramsAtOnce; ++i) {
    char buffer[dns::kLongestQuery + 1];
    struct sockaddr_in from{};
    socklen_t size = sizeof from;
    ssize_t got = ::recvfrom(sockets_.datagrams.get(), buffer, sizeof buffer, 0,
                             reinterpret_cast<sockaddr*>(&from), &size);
    if (got < 0) return;
    answer(Transport::kDatagram, std::string_view(buffer, static_cast<std::size_t>(got)),
           [this, from](const std::string& text) {
             if (text.empty()) return;
             // A client that can't take it asks again.
             std::ignore = send_answer(sockets_, from, text);
           });
  }
}

}  // namespace dhow::shim
