// SPDX-License-Identifier: Apache-2.0
#include "cmd/dhowd/daemon.h"

#include <malloc.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <thread>

#include "api/docker/door.h"
#include "api/docker/server.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "base/strings.h"
#include "cmd/dhowd/listeners.h"
#include "cmd/dhowd/log_lines.h"
#include "cmd/dhowd/tls_front.h"
#include "engine/images.h"
#include "sys/file_io.h"
#include "sys/resident.h"

namespace dhow::dhowd {
namespace {

using api::docker::Server;

// To whom it may concern that requests are answered: the client that started us, and systemd
// (sd_notify(3)).
void tell_ready(int descriptor) {
  if (descriptor >= 0) {
    Fd ready(descriptor);
    // Who waited may have gone.
    std::ignore = write_all(ready, "\n");
  }
  const char* path = ::getenv("NOTIFY_SOCKET");
  struct sockaddr_un address{};
  if (path == nullptr || std::strlen(path) >= sizeof address.sun_path) return;
  address.sun_family = AF_UNIX;
  std::strcpy(address.sun_path, path);
  if (path[0] == '@') address.sun_path[0] = '\0';
  auto size = static_cast<socklen_t>(offsetof(struct sockaddr_un, sun_path) + std::strlen(path));
  Fd socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ::sendto(socket.get(), "READY=1", 7, MSG_NOSIGNAL,
           reinterpret_cast<const struct sockaddr*>(&address), size);
  ::unsetenv("NOTIFY_SOCKET");
}

// Whether a container has to be looked after by an engine that runs: restarted, checked, removed.
bool is_needed(engine::Containers& containers) {
  auto running = containers.list({});
  if (!running) return true;
  for (const engine::ContainerSummary& summary : *running) {
    auto container = containers.inspect(summary.id);
    if (!container) continue;
    const engine::HostConfig& host = container->config.host;
    const std::string& restart = host.restart_policy.name;
    if (host.auto_remove || (!restart.empty() && restart != "no")) return true;
    if (container->state.health) return true;
  }
  return false;
}

Result<std::vector<engine::ImageUser>> image_users(engine::Containers& containers,
                                                   const Digest& image) {
  engine::ListOptions all;
  all.all = true;
  TRY_ASSIGN(std::vector<engine::ContainerSummary> list, containers.list(all));
  std::vector<engine::ImageUser> users;
  for (engine::ContainerSummary& container : list) {
    if (container.image_id != image.text()) continue;
    users.push_back({container.id, container.image, container.state.is_running()});
  }
  return users;
}

engine::ImagesOptions images_options(const Configuration& configuration, engine::Engine& engine) {
  engine::ImagesOptions options;
  options.name_space = engine.options().name_space;
  options.builtin_folder = engine.options().builtin_images;
  options.strict_layers = configuration.strict_layers;
  options.users = [&engine](const Digest& image) {
    return image_users(engine.containers(), image);
  };
  options.empty_content_trash = [&engine] { return engine.content().empty_trash(); };
  return options;
}

registry::ClientOptions registry_options(const Configuration& configuration) {
  registry::ClientOptions options;
  options.http.user_agent = "dhow/" DHOW_VERSION;
  options.hosts.folders = configuration.registry_folders;
  if (options.hosts.folders.empty()) {
    options.hosts.folders = {"/etc/dhow/certs.d", "/etc/containerd/certs.d", "/etc/docker/certs.d"};
  }
  options.hosts.insecure = configuration.insecure_registries;
  return options;
}

void reload(const CommandLine& line, engine::Engine& engine) {
  auto fresh = load_configuration(line);
  if (!fresh) {
    log::error(cat("the configuration stays as it was: ", fresh.error().message()));
    return;
  }
  set_log_level(fresh->log_level);
  log::info(
      "read the configuration again: the log level counts at once, the rest from the next "
      "start on");
  engine::Event event;
  event.type = "daemon";
  event.action = "reload";
  if (auto told = engine.events().publish(std::move(event)); !told) {
    log::warning(cat("tell of the reload: ", told.error().message()));
  }
}

// What is listened at: sockets that systemd passed stand in for those of files.
Result<std::vector<Listener>> make_listeners(Configuration& configuration) {
  std::vector<Listener> listeners = take_activated();
  bool activated = !listeners.empty();
  if (std::ranges::any_of(listeners, &Listener::is_network)) {
    TRY(settle_network(configuration, "a socket of the network that was passed"));
  }
  for (const std::string& host : configuration.hosts) {
    if (activated && !host.starts_with("tcp://")) continue;
    TRY_ASSIGN(Listener listener, listen_at(host, configuration.group));
    listeners.push_back(std::move(listener));
  }
  return listeners;
}

// Puts them to use: `paths` gets the files, `front` is made where there is TLS.
Status listen(Server& server, const Configuration& configuration, std::vector<Listener> listeners,
              std::vector<std::string>& paths, std::unique_ptr<TlsFront>& front) {
  for (Listener& listener : listeners) {
    if (!listener.path.empty()) paths.push_back(listener.path);
    if (!listener.is_network || configuration.tls == false) {
      server.listen(std::move(listener.socket));
      continue;
    }
    if (!front) {
      TRY_ASSIGN(front, TlsFront::make(configuration.tls_files, server.adopter()));
    }
    front->listen(std::move(listener.socket));
  }
  return {};
}

// Ends the process when `done` is not asked for in time. A stop is no more than a crash is: what
// handlers that hang have begun, the next start settles.
void limit_the_end(const std::stop_token& done) {
  constexpr std::chrono::seconds kLimit{10};
  std::mutex mutex;
  std::condition_variable_any never;
  std::unique_lock lock(mutex);
  never.wait_for(lock, done, kLimit, [] { return false; });
  if (done.stop_requested()) return;
  log::warning(cat("what is under way does not end within ", kLimit.count(),
                   " seconds: dhowd ends without it"));
  ::_exit(0);
}

// How long nobody has asked for anything before the engine gives back what it doesn't need to wait.
constexpr std::chrono::seconds kQuiet{5};

void rest() {
  ::malloc_trim(0);
  drop_resident_code();
}

}  // namespace

Status serve(Configuration configuration, const CommandLine& line) {
  // Arenas for each of many short-lived threads would be most of what an idle engine takes.
  ::mallopt(M_ARENA_MAX, 2);
  sigset_t signals;
  sigemptyset(&signals);
  for (int signal : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&signals, signal);
  ::sigprocmask(SIG_BLOCK, &signals, nullptr);
  ::signal(SIGPIPE, SIG_IGN);

  std::jthread end_limit;  // in front of all that has to go
  TRY_ASSIGN(auto engine, engine::Engine::open(configuration.engine));
  registry::Client registries(registry_options(configuration));
  engine::Images images(engine->stores(),
                        metadata::Collector(engine->database(), engine->content().remover(),
                                            engine->snapshots().remover()),
                        engine->events(), registries, images_options(configuration, *engine));
  api::docker::Services services{*engine, images, DHOW_VERSION,
                                 configuration.log_level == log::Level::kDebug};
  api::docker::Router router = api::docker::make_router(services);
  api::docker::ServerOptions options;
  options.headers = api::docker::answer_headers(services.version);
  options.plan = [&router](const api::docker::RequestHead& head) { return router.plan(head); };
  TRY_ASSIGN(std::unique_ptr<Server> server, Server::make(std::move(options)));
  std::vector<std::string> paths;
  Cleanup unlink_sockets([&] {
    for (const std::string& path : paths) ::unlink(path.c_str());
  });
  TRY_ASSIGN(std::vector<Listener> listeners, make_listeners(configuration));
  // Nobody would start it for those who come over the network.
  bool may_idle = std::ranges::none_of(listeners, &Listener::is_network);
  std::unique_ptr<TlsFront> front;
  TRY(listen(*server, configuration, std::move(listeners), paths, front));
  for (int signal : {SIGTERM, SIGINT}) {
    TRY(server->on_signal(signal, [&server] { server->stop(); }));
  }
  TRY(server->on_signal(SIGHUP, [&] { reload(line, *engine); }));
  if (line.idle_exit > 0 && may_idle) {
    server->end_when_idle(std::chrono::seconds(line.idle_exit),
                          [&] { return !is_needed(engine->containers()); });
  }
  server->when_quiet(kQuiet, rest);
  tell_ready(line.ready_fd);
  log::info(cat("dhowd " DHOW_VERSION " serves ", join(configuration.hosts, ", ")));
  server->run();
  log::info("dhowd ends; containers run on");
  end_limit = std::jthread(limit_the_end);
  return {};
}

}  // namespace dhow::dhowd
