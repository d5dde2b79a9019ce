// SPDX-License-Identifier: Apache-2.0
#include "support/name_server.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <cerrno>
#include <netinet/in.h>

#include "base/strings.h"
#include "network/name_space.h"

namespace dhow::testing_support {
namespace {

struct sockaddr_in place_of(const std::string& address) {
  struct sockaddr_in place{};
  place.sin_family = AF_INET;
  place.sin_port = htons(53);
  ::inet_pton(AF_INET, address.c_str(), &place.sin_addr);
  return place;
}

Result<Fd> bound_socket(int type, const std::string& address) {
  Fd made(::socket(AF_INET, type | SOCK_CLOEXEC, 0));
  int on = 1;
  ::setsockopt(made.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  auto place = place_of(address);
  if (::bind(made.get(), reinterpret_cast<sockaddr*>(&place), sizeof place) != 0) {
    return fail_errno(errno, cat("bind to ", address, ":53"));
  }
  return made;
}

std::string with_length(std::string_view message) {
  return cat(static_cast<char>(message.size() >> 8), static_cast<char>(message.size() & 0xFF),
             message);
}

// One message with its length in front; "": there is none.
std::string read_message(int socket) {
  unsigned char size[2];
  if (::recv(socket, size, 2, MSG_WAITALL) != 2) return "";
  std::string message(static_cast<std::size_t>(size[0] << 8 | size[1]), '\0');
  auto wanted = static_cast<ssize_t>(message.size());
  return ::recv(socket, message.data(), message.size(), MSG_WAITALL) == wanted ? message : "";
}

int number_at(std::string_view message, std::size_t at) {
  return static_cast<unsigned char>(message[at]) << 8 | static_cast<unsigned char>(message[at + 1]);
}

// A name without pointers.
std::string name_at(std::string_view data) {
  std::string name;
  while (!data.empty() && data[0] != 0) {
    auto size = static_cast<std::size_t>(data[0]);
    name += cat(name.empty() ? "" : ".", data.substr(1, size));
    data.remove_prefix(size + 1);
  }
  return name;
}

}  // namespace

Result<std::unique_ptr<NameServer>> NameServer::start(FdRef space, const std::string& address,
                                                      Answers answers) {
  std::unique_ptr<NameServer> made(new NameServer);
  TRY(network::run_in_name_space(space, [&]() -> Status {
    TRY_ASSIGN(made->datagrams_, bound_socket(SOCK_DGRAM, address));
    TRY_ASSIGN(made->listener_, bound_socket(SOCK_STREAM, address));
    return ::listen(made->listener_.get(), 16) == 0 ? Status() : fail_errno(errno, "listen");
  }));
  made->stop_ = Fd(::eventfd(0, EFD_CLOEXEC));
  made->answers_ = std::move(answers);
  made->thread_ = std::thread([raw = made.get()] { raw->serve(); });
  return made;
}

NameServer::~NameServer() {
  if (!thread_.joinable()) return;
  ::eventfd_write(stop_.get(), 1);
  thread_.join();
}

std::vector<std::string> NameServer::asked() const {
  std::lock_guard lock(mutex_);
  return asked_;
}

std::vector<std::string> NameServer::take(std::string_view message, bool is_stream) {
  auto query = dns::parse_query(message);
  if (!query) return {};
  std::lock_guard lock(mutex_);
  asked_.push_back(cat(is_stream ? "tcp " : "udp ", query->name));
  return answers_(*query, is_stream);
}

void NameServer::serve_stream() {
  Fd client(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
  std::string message = read_message(client.get());
  for (const std::string& answer : take(message, true)) {
    // In two parts, as a network may have it.
    std::string text = with_length(answer);
    for (std::string_view part :
         {std::string_view(text).substr(0, 3), std::string_view(text).substr(3)}) {
      if (::send(client.get(), part.data(), part.size(), MSG_NOSIGNAL) < 0) return;
    }
  }
}

void NameServer::serve() {
  while (true) {
    struct pollfd fds[] = {
        {stop_.get(), POLLIN, 0}, {datagrams_.get(), POLLIN, 0}, {listener_.get(), POLLIN, 0}};
    if (::poll(fds, 3, -1) < 0 || fds[0].revents != 0) return;
    if (fds[2].revents != 0) serve_stream();
    if (fds[1].revents == 0) continue;
    char buffer[4096];
    struct sockaddr_in from{};
    socklen_t size = sizeof from;
    ssize_t got = ::recvfrom(datagrams_.get(), buffer, sizeof buffer, 0,
                             reinterpret_cast<sockaddr*>(&from), &size);
    if (got < 0) continue;
    for (const std::string& answer : take({buffer, static_cast<std::size_t>(got)}, false)) {
      ::sendto(datagrams_.get(), answer.data(), answer.size(), 0,
               reinterpret_cast<sockaddr*>(&from), sizeof from);
    }
  }
}

std::string exchange(FdRef space, const std::string& server, std::string_view message,
                     bool is_stream, int milliseconds) {
  std::string answer;
  std::ignore = network::run_in_name_space(space, [&]() -> Status {
    Fd made(::socket(AF_INET, (is_stream ? SOCK_STREAM : SOCK_DGRAM) | SOCK_CLOEXEC, 0));
    struct timeval limit{milliseconds / 1000, milliseconds % 1000 * 1000};
    ::setsockopt(made.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    auto place = place_of(server);
    if (::connect(made.get(), reinterpret_cast<sockaddr*>(&place), sizeof place) != 0) return {};
    std::string text = is_stream ? with_length(message) : std::string(message);
    if (::send(made.get(), text.data(), text.size(), MSG_NOSIGNAL) < 0) return {};
    if (is_stream) {
      answer = read_message(made.get());
      return {};
    }
    std::string buffer(dns::kLongestMessage, '\0');
    ssize_t got = ::recv(made.get(), buffer.data(), buffer.size(), 0);
    if (got > 0) answer = buffer.substr(0, static_cast<std::size_t>(got));
    return {};
  });
  return answer;
}

std::string words_of_answer(std::string_view answer, const dns::Query& query) {
  if (answer.empty()) return "silence";
  if (!dns::is_answer_to(answer, query, query.id)) return "no answer to this";
  if (dns::rcode_of(answer) != dns::Rcode::kSuccess) {
    return cat("failure ", static_cast<int>(dns::rcode_of(answer)));
  }
  if ((answer[2] & 0x02) != 0) return "truncated";
  std::vector<std::string> words;
  std::string_view rest = answer.substr(12 + query.question.size());
  for (int i = number_at(answer, 6); i > 0; --i) {
    auto size = static_cast<std::size_t>(number_at(rest, 10));
    char text[INET6_ADDRSTRLEN] = {};
    int type = number_at(rest, 2);
    if (type == 12) {
      words.push_back(name_at(rest.substr(12, size)));
    } else {
      ::inet_ntop(type == 1 ? AF_INET : AF_INET6, rest.data() + 12, text, sizeof text);
      words.emplace_back(text);
    }
    rest.remove_prefix(12 + size);
  }
  return join(words, " ");
}

std::string look_up(FdRef space, const std::string& name, dns::Type type, bool is_stream) {
  std::string message = dns::question_message(0x4321, name, type);
  auto query = dns::parse_query(message);
  if (!query) return "no name";
  return words_of_answer(exchange(space, "127.0.0.11", message, is_stream), *query);
}

}  // namespace dhow::testing_support
