// SPDX-License-Identifier: Apache-2.0
// Clients that are not docker's command line: docker-compose, and the library for Python, as Debian
// has them.
#include <signal.h>
#include <unistd.h>

#include "daemon/networks_fixture.h"

namespace dhow::daemon_test {
namespace {

using ::testing::HasSubstr;

constexpr const char* kCompose = "/usr/bin/docker-compose";
constexpr const char* kPython = "/usr/bin/python3";

// What people write: services that wait for one another, on two networks, with data, a port,
// limits.
constexpr std::string_view kProject = R"(version: "3.9"
services:
  web:
    image: busybox
    command: sh -c 'echo "hello from $$WHO" >/www/index.html; exec httpd -f -h /www'
    environment: {WHO: web}
    ports: ["127.0.0.1:8080:80"]
    volumes: [www:/www, ./settings:/settings:ro]
    networks: {front: {aliases: [site]}, back: {}}
    depends_on:
      db: {condition: service_healthy}
      once: {condition: service_completed_successfully}
    deploy: {resources: {limits: {memory: 64M}}}
    healthcheck: {test: [CMD, wget, -qO-, "http://127.0.0.1"], interval: 1s, retries: 20}
    secrets: [word]
    stop_signal: SIGKILL
  db:
    image: busybox
    command: sh -c 'touch /tmp/up; exec sleep 1000'
    healthcheck: {test: test -e /tmp/up, interval: 200ms, start_period: 5s}
    networks: [back]
    tmpfs: [/scratch]
    ulimits: {nofile: 1024}
    stop_signal: SIGKILL
  once:
    image: busybox
    command: "true"
    network_mode: none
  worker:
    image: busybox
    command: sh -c 'until wget -qO- http://site; do sleep 0.1; done; exec sleep 1000'
    networks: [front]
    depends_on: [web]
    scale: 3
    extra_hosts: ["gate:host-gateway"]
    stop_signal: SIGKILL
secrets: {word: {file: ./word}}
volumes: {www: {}}
networks:
  front: {ipam: {config: [{subnet: 10.99.7.0/24}]}}
  back: {internal: true}
)";

class ComposeTest : public NetworksTest {
 protected:
  void SetUp() override {
    if (::access(kCompose, X_OK) != 0) GTEST_SKIP() << "there is no " << kCompose;
    NetworksTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    write("project/docker-compose.yml", kProject);
    write("project/settings/mode", "fast");
    write("project/word", "secret");
    // It looks for a member of images that API 1.45 took away.
    write("project/.env", "COMPOSE_API_VERSION=1.44\n");
  }
  std::string compose(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {"-p", "shop", "--project-directory", project(), "-f",
                                         project() + "/docker-compose.yml"});
    std::string line = join(arguments, " ");
    SpawnOutput result = client(kCompose, std::move(arguments));
    EXPECT_EQ(result.exit_code, 0) << line << ": " << result.error_text;
    return std::string(trim(result.output));
  }
  std::string project() const { return (folder_ / "project").string(); }
  // Those that run, by their names.
  std::string running() {
    std::vector<std::string> names;
    std::string output = docker_output({"ps", "--format", "{{.Names}}"});
    for (std::string_view name : split(output, '\n')) names.emplace_back(name);
    std::ranges::sort(names);
    return join(names, " ");
  }
};

TEST_F(ComposeTest, AProjectGoesUpChangesAndGoesDown) {
  compose({"up", "-d"});
  EXPECT_EQ(running(), "shop_db_1 shop_web_1 shop_worker_1 shop_worker_2 shop_worker_3");
  EXPECT_EQ(inspect("shop_once_1", "{{.State.Status}} {{.State.ExitCode}}"), "exited 0");
  compose({"exec", "-T", "web", "sh", "-c", "until wget -qO- http://127.0.0.1; do :; done"});
  EXPECT_EQ(answer_of("127.0.0.1", 8080), "hello from web");
  EXPECT_EQ(compose({"port", "web", "80"}), "127.0.0.1:8080");
  EXPECT_EQ(compose({"exec", "-T", "web", "cat", "/settings/mode", "/run/secrets/word"}),
            "fastsecret");
  EXPECT_EQ(compose({"run", "--rm", "-T", "worker", "wget", "-qO-", "http://site"}),
            "hello from web");
  EXPECT_THAT(compose({"top", "db"}), HasSubstr("sleep 1000"));
  compose({"up", "-d", "--scale", "worker=1"});
  EXPECT_THAT(compose({"logs", "--no-color", "worker"}), HasSubstr("hello from web"));
  EXPECT_EQ(running(), "shop_db_1 shop_web_1 shop_worker_1");
  // Only what is not as before is made again.
  std::string db = inspect("shop_db_1", "{{.Id}}");
  std::string web = inspect("shop_web_1", "{{.Id}}");
  std::string changed(kProject);
  changed.replace(changed.find("WHO: web"), 8, "WHO: you");
  write("project/docker-compose.yml", changed);
  compose({"up", "-d", "--scale", "worker=1"});
  EXPECT_EQ(inspect("shop_db_1", "{{.Id}}"), db);
  EXPECT_NE(inspect("shop_web_1", "{{.Id}}"), web);
  compose({"exec", "-T", "web", "sh", "-c", "until wget -qO- http://127.0.0.1; do :; done"});
  EXPECT_EQ(answer_of("127.0.0.1", 8080), "hello from you");
  compose({"pause"});
  compose({"unpause"});
  compose({"restart", "-t", "0"});
  compose({"down", "-v", "-t", "1"});
  EXPECT_EQ(docker_output({"ps", "-aq"}), "");
  EXPECT_EQ(docker_output({"volume", "ls", "-q"}), "");
  EXPECT_EQ(docker_output({"network", "ls", "-q", "--filter", "type=custom"}), "");
}

TEST_F(ComposeTest, AProjectSurvivesADeathOfTheEngine) {
  compose({"up", "-d"});
  auto ids = [&] {
    return docker_output({"ps", "-q", "--no-trunc", "--filter", "name=db", "--filter", "name=web",
                          "--filter", "name=worker"});
  };
  std::string before = ids();
  EXPECT_EQ(stop_daemon(SIGKILL), 128 + SIGKILL);
  ASSERT_NO_FATAL_FAILURE(start_daemon());
  compose({"up", "-d"});
  EXPECT_EQ(ids(), before);
  EXPECT_EQ(
      compose({"exec", "-T", "worker", "sh", "-c", "until wget -qO- http://site; do :; done"}),
      "hello from web");
  compose({"down", "-v", "-t", "1"});
  EXPECT_EQ(docker_output({"ps", "-aq"}), "");
}

TEST_F(ComposeTest, TheLibraryForPythonWorks) {
  constexpr std::string_view kScript = R"(
import docker, io, tarfile
c = docker.from_env()
assert c.ping() and c.version()['ApiVersion'] and c.info()['OSType'] == 'linux'
assert c.containers.run('busybox', 'echo hi', remove=True) == b'hi\n'
try:
    c.containers.run('busybox', 'sh -c "echo bad >&2; exit 3"', remove=True)
except docker.errors.ContainerError as e:
    assert e.exit_status == 3 and b'bad' in e.stderr, e
n, v = c.networks.create('net'), c.volumes.create('data')
x = c.containers.run('busybox', 'sh -c "echo begun; exec sleep 1000"', detach=True, name='one',
                     volumes={'data': {'bind': '/data', 'mode': 'rw'}}, environment={'A': 'b'},
                     mem_limit='32m', labels={'k': 'v'})
n.connect(x, aliases=['uno'])
x.reload()
assert x.status == 'running' and 'net' in x.attrs['NetworkSettings']['Networks'], x.attrs
code, (out, err) = x.exec_run('sh -c "echo $A; echo bad >&2; exit 4"', demux=True)
assert (code, out, err) == (4, b'b\n', b'bad\n'), (code, out, err)
data = io.BytesIO()
with tarfile.open(fileobj=data, mode='w') as t:
    entry = tarfile.TarInfo('file'); entry.size = 4
    t.addfile(entry, io.BytesIO(b'text'))
assert x.put_archive('/data', data.getvalue())
stream, stat = x.get_archive('/data/file')
with tarfile.open(fileobj=io.BytesIO(b''.join(stream))) as t:
    assert t.extractfile('file').read() == b'text' and stat['size'] == 4
stats = x.stats(stream=False)
assert stats['memory_stats']['limit'] == 32 << 20 and set(stats['networks']) == {'eth0', 'eth1'}
assert x.top()['Processes'] and x.logs() == b'begun\n'
assert next(x.logs(stream=True, follow=True)) == b'begun\n'
x.pause(); x.unpause(); x.rename('two'); x.update(mem_limit='48m', memswap_limit='-1')
i = x.commit('made', 'tag')
assert i.tags == ['made:tag'] and [e for e in i.history() if e['Id'] == i.id]
x.kill()
assert x.wait()['StatusCode'] == 137
n.disconnect(x); x.remove(v=True); n.remove(); v.remove()
c.images.remove('made:tag')
assert [e['Action'] for e in c.events(since=0, until=1, decode=True)] == []
for what in c.containers.get, c.images.get, c.networks.get, c.volumes.get:
    try:
        what('absent')
        assert False, what
    except docker.errors.NotFound:
        pass
assert not c.containers.list(all=True)
print('done')
)";
  SpawnOutput result = client(kPython, {"-"}, kScript);
  EXPECT_EQ(result.output, "done\n") << result.error_text;
}

}  // namespace
}  // namespace dhow::daemon_test
