// SPDX-License-Identifier: Apache-2.0
#include "engine/container_links.h"

#include <gtest/gtest.h>

namespace dhow::engine {
namespace {

TEST(Links, AreReadAsDockerDoes) {
  auto parts = [](std::string_view text) {
    auto link = parse_link(text);
    return link ? link->name + " as " + link->alias : link.error().message();
  };
  EXPECT_EQ(parts("web:db"), "web as db");
  EXPECT_EQ(parts("web"), "web as web");
  EXPECT_EQ(parts("/web:/client/db"), "web as db");
  EXPECT_EQ(parts(""), "empty string specified for links");
  EXPECT_EQ(parts("a:b:c"), "bad format for links: a:b:c");
}

TEST(Links, SetVariables) {
  ContainerConfig child;
  EXPECT_EQ(link_environment("client", "db", "172.17.0.2", child),
            std::vector<std::string>{"DB_NAME=/client/db"});
  child.exposed_ports = {"53/udp", "81/tcp", "80/tcp", "9000/tcp"};
  child.env = {"PATH=/bin", "HOME=/root", "A=b=c", "EMPTY=", "NOTHING"};
  std::vector<std::string> expected = {
      "MY_DB_PORT=tcp://172.17.0.2:80",
      "MY_DB_PORT_80_TCP=tcp://172.17.0.2:80",
      "MY_DB_PORT_80_TCP_ADDR=172.17.0.2",
      "MY_DB_PORT_80_TCP_PORT=80",
      "MY_DB_PORT_80_TCP_PROTO=tcp",
      "MY_DB_PORT_81_TCP=tcp://172.17.0.2:81",
      "MY_DB_PORT_81_TCP_ADDR=172.17.0.2",
      "MY_DB_PORT_81_TCP_PORT=81",
      "MY_DB_PORT_81_TCP_PROTO=tcp",
      "MY_DB_PORT_80_TCP_START=tcp://172.17.0.2:80",
      "MY_DB_PORT_80_TCP_PORT_START=80",
      "MY_DB_PORT_80_TCP_END=tcp://172.17.0.2:81",
      "MY_DB_PORT_80_TCP_PORT_END=81",
      "MY_DB_PORT_9000_TCP=tcp://172.17.0.2:9000",
      "MY_DB_PORT_9000_TCP_ADDR=172.17.0.2",
      "MY_DB_PORT_9000_TCP_PORT=9000",
      "MY_DB_PORT_9000_TCP_PROTO=tcp",
      "MY_DB_PORT_53_UDP=udp://172.17.0.2:53",
      "MY_DB_PORT_53_UDP_ADDR=172.17.0.2",
      "MY_DB_PORT_53_UDP_PORT=53",
      "MY_DB_PORT_53_UDP_PROTO=udp",
      "MY_DB_NAME=/client/my-db",
      "MY_DB_ENV_A=b=c",
      "MY_DB_ENV_EMPTY=",
  };
  EXPECT_EQ(link_environment("client", "my-db", "172.17.0.2", child), expected);
}

}  // namespace
}  // namespace dhow::engine
