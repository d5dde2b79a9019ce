// SPDX-License-Identifier: Apache-2.0
// What lists show of many, as docker's users ask for it.
#include "base/strings.h"
#include "daemon/networks_fixture.h"

namespace dhow::daemon_test {
namespace {

using ::testing::HasSubstr;

class DaemonFilterTest : public NetworksTest {
 protected:
  // The names that a list of these shows, sorted, with a blank between.
  std::string shown(std::vector<std::string> list, const std::vector<std::string>& filters) {
    std::string format = list.front() == "ps" ? "{{.Names}}" : "{{.Name}}";
    for (const std::string& filter : filters) list.insert(list.end(), {"--filter", filter});
    list.insert(list.end(), {"--format", format});
    std::string output = docker_output(list);
    std::vector<std::string> names;
    for (std::string_view name : split(output, '\n')) names.emplace_back(name);
    std::ranges::sort(names);
    return join(names, " ");
  }
  std::string error_of(std::vector<std::string> arguments) {
    SpawnOutput ran = docker(std::move(arguments));
    EXPECT_NE(ran.exit_code, 0) << ran.output;
    return ran.error_text;
  }
};

TEST_F(DaemonFilterTest, NamesAreRegularExpressions) {
  for (const char* name : {"web", "web1", "db20"}) {
    docker_output({"network", "create", name});
    docker_output({"volume", "create", name});
    docker_output({"create", "--name", name, "busybox"});
  }
  for (std::vector<std::string> list :
       {std::vector<std::string>{"network", "ls"}, {"volume", "ls"}, {"ps", "-a"}}) {
    EXPECT_EQ(shown(list, {"name=web"}), "web web1");
    EXPECT_EQ(shown(list, {"name=^web$"}), "web");
    EXPECT_EQ(shown(list, {"name=^(web|db)[0-9]+$"}), "db20 web1");
    EXPECT_EQ(shown(list, {"name=^d", "name=b1$"}), "db20 web1");
    EXPECT_EQ(shown(list, {"name=["}), "");
  }
  EXPECT_EQ(shown({"ps", "-a"}, {"name=^/web$"}), "web");
}

TEST_F(DaemonFilterTest, ContainersByTheirNetworksAndPorts) {
  std::string id = docker_output({"network", "create", "front"});
  docker_output({"network", "create", "back"});
  docker_output({"run", "-d", "--name", "one", "--network", "front", "-p", "8123:80", "--expose",
                 "7000-7005", "busybox", "sleep", "1000"});
  docker_output({"network", "connect", "back", "one"});
  start_sleeper("two");
  for (const std::string& network : {std::string("front"), std::string("back"), id}) {
    EXPECT_EQ(shown({"ps"}, {"network=" + network}), "one") << network;
  }
  EXPECT_EQ(shown({"ps"}, {"network=none"}), "two");
  // The port of the host, not that of the container.
  EXPECT_EQ(shown({"ps"}, {"publish=8123"}), "one");
  EXPECT_EQ(shown({"ps"}, {"publish=8100-8200/tcp"}), "one");
  for (const char* other : {"80", "8123/udp", "8100-8122"}) {
    EXPECT_EQ(shown({"ps"}, {cat("publish=", other)}), "") << other;
  }
  EXPECT_EQ(shown({"ps"}, {"expose=7003"}), "one");
  EXPECT_EQ(shown({"ps"}, {"expose=7005-7010/tcp"}), "one");
  EXPECT_EQ(shown({"ps"}, {"expose=7006"}), "");
  // What has ended is still of its networks.
  docker_output({"kill", "one"});
  EXPECT_EQ(shown({"ps", "-a"}, {"network=" + id}), "one");
}

TEST_F(DaemonFilterTest, PrunesUntilADateOfThisMachine) {
  docker_output({"create", "--name", "one", "busybox"});
  for (const char* date : {"2020-01-02", "2020-01-02T15:04", "2020-01-02T15:04:05.678"}) {
    docker_output({"container", "prune", "-f", "--filter", cat("until=", date)});
    docker_output({"image", "prune", "-a", "-f", "--filter", cat("until=", date)});
  }
  EXPECT_EQ(shown({"ps", "-a"}, {}), "one");
  docker_output({"container", "prune", "-f", "--filter", "until=2100-01-02"});
  EXPECT_EQ(shown({"ps", "-a"}, {}), "");
  EXPECT_THAT(error_of({"container", "prune", "-f", "--filter", "until=2020-13-02"}),
              HasSubstr("invalid filter 'until=2020-13-02'"));
}

TEST_F(DaemonFilterTest, RefusesWhatItDoesNotUnderstand) {
  EXPECT_THAT(error_of({"ps", "--filter", "publish=x"}), HasSubstr("invalid filter 'publish=x'"));
  EXPECT_THAT(error_of({"ps", "--filter", "expose=70000"}), HasSubstr("invalid filter 'expose="));
  EXPECT_THAT(error_of({"network", "ls", "--filter", "type=x"}),
              HasSubstr("invalid filter 'type=x'"));
  EXPECT_THAT(error_of({"network", "ls", "--filter", "dangling=x"}),
              HasSubstr("invalid filter 'dangling=x'"));
  for (const char* kind : {"container", "network", "image"}) {
    EXPECT_THAT(error_of({kind, "prune", "-f", "--filter", "until=1h", "--filter", "until=2h"}),
                HasSubstr("more than one until filter specified"))
        << kind;
  }
  for (const char* target : {R"(/networks?filters={"label":1})", "/containers/json?limit=x"}) {
    EXPECT_THAT(http(cat("GET ", target, " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")),
                HasSubstr("400 Bad Request"))
        << target;
  }
}

}  // namespace
}  // namespace dhow::daemon_test
