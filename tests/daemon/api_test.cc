// SPDX-License-Identifier: Apache-2.0
// The API itself, by requests that docker's command line would not make.
#include <ctime>

#include "base/strings.h"
#include "daemon/daemon_fixture.h"
#include "oci/base64.h"

namespace dhow::daemon_test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

class DaemonApiTest : public BusyboxTest {
 protected:
  std::string ask(std::string_view method, std::string_view target, std::string_view body = {}) {
    return http(cat(method, " ", target, " HTTP/1.1\r\nHost: d\r\nConnection: close\r\n",
                    "Content-Type: application/json\r\nContent-Length: ", body.size(), "\r\n\r\n",
                    body));
  }
  // Of a container of busybox with this as its HostConfig.
  std::string create(std::string_view host_config, std::string_view name = {}) {
    return ask("POST", cat("/containers/create", name.empty() ? "" : "?name=", name),
               cat(R"({"Image":"busybox","Cmd":["true"],"HostConfig":)", host_config, "}"));
  }
};

TEST_F(DaemonApiTest, RefusesContainersThatMakeNoSense) {
  using Case = std::pair<const char*, const char*>;
  for (const auto& [host_config, why] : {
           Case{R"({"ExtraHosts":["x"]})", R"(bad format for add-host: \"x\")"},
           Case{R"({"ExtraHosts":[":1.1.1.1"]})", "bad format for add-host"},
           Case{R"({"ExtraHosts":["x:y"]})", R"(invalid IP address in add-host: \"y\")"},
           Case{R"({"NetworkMode":"container:"})", "invalid container format"},
           Case{R"({"Memory":-1})", "Minimum memory limit allowed is 6MB"},
           Case{R"({"Mounts":[{"Type":"tmpfs","Target":"/a","BindOptions":{}}]})",
                "field BindOptions must not be specified"},
       }) {
    EXPECT_THAT(create(host_config), AllOf(StartsWith("HTTP/1.1 400"), HasSubstr(why)))
        << host_config;
  }
  EXPECT_THAT(create("{}", "/"), StartsWith("HTTP/1.1 400"));
  EXPECT_THAT(create(R"({"ExtraHosts":["a:1.2.3.4","b:::1","c:[::1]","d:host-gateway"]})", "/one"),
              StartsWith("HTTP/1.1 201"));
  EXPECT_THAT(ask("POST", "/containers/one/rename?name=/"), StartsWith("HTTP/1.1 400"));
  EXPECT_THAT(ask("GET", "/containers/one/json"), HasSubstr(R"("Name":"/one")"));
  EXPECT_THAT(ask("POST", "/containers/none/kill"),
              HasSubstr("cannot kill container: none: No such container: none"));
}

TEST_F(DaemonApiTest, InspectShowsWhatWasNotAskedFor) {
  create("{}", "plain");
  EXPECT_THAT(
      ask("GET", "/containers/plain/json"),
      AllOf(HasSubstr(R"("ConsoleSize":[0,0])"), HasSubstr(R"("MaskedPaths":["/proc/acpi")"),
            HasSubstr(R"("ReadonlyPaths":["/proc/bus")")));
  create(R"({"MaskedPaths":[],"ReadonlyPaths":["/x"]})", "open");
  EXPECT_THAT(ask("GET", "/containers/open/json"),
              AllOf(HasSubstr(R"("MaskedPaths":[])"), HasSubstr(R"("ReadonlyPaths":["/x"])")));
  create(R"({"Privileged":true})", "all");
  EXPECT_THAT(ask("GET", "/containers/all/json"), HasSubstr(R"("MaskedPaths":null)"));
  std::string id = start_sleeper("runs");
  EXPECT_EQ(docker_output({"inspect", "-f", "{{.NetworkSettings.SandboxID}}", "runs"}), id);
}

TEST_F(DaemonApiTest, OlderClientsSeeWhatTheyKnow) {
  EXPECT_THAT(ask("GET", "/v1.48/info"),
              AllOf(HasSubstr(R"("Expected":)"), HasSubstr(R"("BridgeNfIptables":false)"),
                    HasSubstr(R"("AllowNondistributableArtifactsCIDRs":[])")));
  EXPECT_THAT(ask("GET", "/info"), AllOf(Not(HasSubstr("Expected")), Not(HasSubstr("BridgeNf")),
                                         Not(HasSubstr("AllowNondistributable"))));
  EXPECT_THAT(ask("GET", "/v1.51/networks"), HasSubstr(R"("Containers":{})"));
  EXPECT_THAT(ask("GET", "/v1.52/networks"), Not(HasSubstr(R"("Containers")")));
  EXPECT_THAT(ask("GET", "/networks/none?scope=swarm"), StartsWith("HTTP/1.1 404"));
  EXPECT_THAT(ask("GET", "/networks/none?scope=local"), StartsWith("HTTP/1.1 200"));
}

TEST_F(DaemonApiTest, ATagMayBeGivenTwice) {
  EXPECT_THAT(ask("POST", "/images/busybox/tag?repo=x:1&tag=2"), StartsWith("HTTP/1.1 201"));
  EXPECT_THAT(ask("GET", "/images/x:2/json"), StartsWith("HTTP/1.1 200"));
  EXPECT_THAT(ask("POST", "/images/busybox/tag?repo=h:5000/x&tag=2"), StartsWith("HTTP/1.1 201"));
  EXPECT_THAT(ask("GET", "/images/h:5000/x:2/json"), StartsWith("HTTP/1.1 200"));
  EXPECT_THAT(ask("POST", "/images/busybox/tag?repo=sha256&tag=2"),
              AllOf(StartsWith("HTTP/1.1 400"), HasSubstr("refusing to create an ambiguous tag")));
}

TEST_F(DaemonApiTest, FilesOfTheBeginningOf1970HaveThatTime) {
  start_sleeper("one");
  docker_output({"exec", "one", "touch", "-d", "@0", "/old"});
  std::string answer = ask("HEAD", "/containers/one/archive?path=/old");
  std::string_view stat = answer;
  constexpr std::string_view kName = "X-Docker-Container-Path-Stat: ";
  std::size_t at = stat.find(kName);
  ASSERT_NE(at, std::string_view::npos) << answer;
  stat = stat.substr(at + kName.size());
  auto text = oci::base64_decode(stat.substr(0, stat.find('\r')));
  ASSERT_TRUE(text.has_value());
  EXPECT_THAT(*text, HasSubstr(R"("mtime":"1970-01-01T00:00:00Z")"));
}

TEST_F(DaemonApiTest, EventsTellWhatDockersDo) {
  docker_output({"tag", "busybox", "other"});
  start_sleeper("one", {"-t"});
  EXPECT_THAT(ask("POST", "/containers/one/resize?h=10&w=20"), StartsWith("HTTP/1.1 200"));
  ask("POST", "/images/prune");
  std::string events = ask("GET", cat("/v1.41/events?since=0&until=", ::time(nullptr) + 1));
  auto line = [&](std::string_view words) {
    for (std::string_view one : split(events, '\n')) {
      if (one.find(words) != std::string_view::npos) return std::string(one);
    }
    return std::string();
  };
  EXPECT_THAT(line(R"("Action":"tag")"), AllOf(HasSubstr(R"("name":"other:latest")"),
                                               HasSubstr("org.opencontainers.image.licenses")));
  EXPECT_THAT(line(R"("Action":"resize")"),
              AllOf(HasSubstr(R"("height":"10")"), HasSubstr(R"("width":"20")")));
  EXPECT_THAT(line(R"("Action":"prune")"),
              AllOf(HasSubstr(R"("Type":"image")"), HasSubstr(R"("reclaimed":"0")"),
                    Not(HasSubstr(R"("id")"))));
}

}  // namespace
}  // namespace dhow::daemon_test
