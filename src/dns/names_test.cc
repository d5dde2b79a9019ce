// SPDX-License-Identifier: Apache-2.0
#include "dns/names.h"

#include <gtest/gtest.h>

#include "base/strings.h"

namespace dhow::dns {
namespace {

// The answer's records behind the question, in hexadecimal; "forward", or "failure N".
std::string ask(const Settings& settings, const std::vector<std::string>& names,
                const std::string& name, Type type, std::size_t turn = 0) {
  std::string message = question_message(1, name, type);
  auto query = parse_query(message);
  EXPECT_TRUE(query.has_value());
  auto answer = local_answer(*query, settings, names, turn, query->limit());
  if (!answer) return "forward";
  EXPECT_TRUE(is_answer_to(*answer, *query, 1));
  if (rcode_of(*answer) != Rcode::kSuccess) {
    return cat("failure ", static_cast<int>(rcode_of(*answer)));
  }
  std::string records;
  for (std::string_view rest = std::string_view(*answer).substr(message.size()); !rest.empty();) {
    std::size_t size = static_cast<unsigned char>(rest[11]);
    records += cat(records.empty() ? "" : " ", hex_text(rest.substr(12, size)));
    rest.remove_prefix(12 + size);
  }
  return records;
}

class Names : public ::testing::Test {
 protected:
  std::string ask(const std::string& name, Type type = Type::kA, std::size_t turn = 0) {
    return dns::ask(settings_, names_, name, type, turn);
  }

  Settings settings_{
      .servers = {},
      .networks = {{"/one", {{"db", "postgres"}, {"gone", "nobody"}}}, {"/two", {}}}};
  std::vector<std::string> names_ = {
      names_text("mine", {{"10.7.0.2", {"web", "www", "0123456789ab"}},
                          {"fd00::2", {"web", "www", "0123456789ab"}},
                          {"10.7.0.3", {"postgres", "www"}},
                          {"10.7.0.4", {"a.b"}}}),
      names_text("other.net", {{"10.8.0.2", {"web", "Only"}}, {"10.8.0.3", {"db", "gone"}}})};
};

TEST_F(Names, AreFoundInTheFirstNetworkThatHasThem) {
  EXPECT_EQ(ask("web"), "0a070002");
  EXPECT_EQ(ask("WEB"), "0a070002");
  EXPECT_EQ(ask("0123456789ab"), "0a070002");
  EXPECT_EQ(ask("only"), "0a080002");
  EXPECT_EQ(ask("web", Type::kAaaa), "fd000000000000000000000000000002");
  EXPECT_EQ(ask("nobody"), "forward");
  EXPECT_EQ(ask("we"), "forward");
  EXPECT_EQ(ask("mine"), "forward") << "the network's own name is none of a container";
}

TEST_F(Names, AreFoundWithTheirNetworks) {
  EXPECT_EQ(ask("web.mine"), "0a070002");
  EXPECT_EQ(ask("web.other.net"), "0a080002");
  EXPECT_EQ(ask("a.b"), "0a070004");
  EXPECT_EQ(ask("a.b.mine"), "0a070004");
  EXPECT_EQ(ask("only.mine"), "forward");
  EXPECT_EQ(ask("web.example.com"), "forward");
}

TEST_F(Names, SeveralAddressesComeInTurn) {
  EXPECT_EQ(ask("www"), "0a070002 0a070003");
  EXPECT_EQ(ask("www", Type::kA, 1), "0a070003 0a070002");
  EXPECT_EQ(ask("www", Type::kA, 2), "0a070002 0a070003");
}

TEST_F(Names, WithoutAnAddressOfThatKindThereIsNothing) {
  EXPECT_EQ(ask("postgres", Type::kAaaa), "");
  EXPECT_EQ(ask("web", Type::kMx), "");
  EXPECT_EQ(ask("nobody", Type::kMx), "forward");
}

TEST_F(Names, LinksAreOfTheContainerAlone) {
  EXPECT_EQ(ask("db"), "0a070003") << "before another's name in another network";
  EXPECT_EQ(ask("DB.mine"), "0a070003");
  EXPECT_EQ(ask("gone"), "0a080003") << "what it leads to is not there";
  settings_.networks[0].links.clear();
  EXPECT_EQ(ask("db"), "0a080003");
}

TEST_F(Names, AddressesHaveNames) {
  auto text = [](const std::string& name) {
    std::string message = question_message(0, name, Type::kA);
    return hex_text(std::string_view(message).substr(12, message.size() - 16));
  };
  EXPECT_EQ(ask("2.0.7.10.in-addr.arpa", Type::kPtr), text("web.mine"));
  EXPECT_EQ(ask("2.0.8.10.in-addr.arpa", Type::kPtr), text("web.other.net"));
  std::string six = "2.0.0.0";
  for (int i = 0; i < 24; ++i) six += ".0";
  EXPECT_EQ(ask(six + ".0.0.d.f.ip6.arpa", Type::kPtr), text("web.mine"));
  for (const char* odd : {"9.0.7.10.in-addr.arpa", "10.in-addr.arpa", "x.in-addr.arpa",
                          "in-addr.arpa", "2.0.ip6.arpa", "web"}) {
    EXPECT_EQ(ask(odd, Type::kPtr), "forward") << odd;
  }
}

TEST_F(Names, NothingLeavesAnInternalNetwork) {
  settings_.forwards = false;
  EXPECT_EQ(ask("web"), "0a070002");
  EXPECT_EQ(ask("web", Type::kMx), "");
  EXPECT_EQ(ask("example.com"), "failure 2");
  EXPECT_EQ(ask("9.0.7.10.in-addr.arpa", Type::kPtr), "failure 2");
}

TEST_F(Names, WithNdotsSingleLabelsStay) {
  settings_.keeps_single_labels = true;
  EXPECT_EQ(ask("nobody"), "");
  EXPECT_EQ(ask("nobody", Type::kAaaa), "");
  EXPECT_EQ(ask("nobody.example"), "forward");
  EXPECT_EQ(ask("nobody", Type::kMx), "forward");
}

TEST_F(Names, SettingsComeBack) {
  settings_.servers = {"10.0.0.1", "fe80::1%eth0"};
  settings_.forwards = false;
  settings_.networks.push_back({"/with a blank/names", {{"bad alias", "web"}, {"fine", "web"}}});
  Settings read = parse_settings(settings_text(settings_) + "of a later version\n\nlink\n");
  EXPECT_EQ(read.servers, settings_.servers);
  EXPECT_FALSE(read.forwards);
  EXPECT_FALSE(read.keeps_single_labels);
  ASSERT_EQ(read.networks.size(), 3U);
  EXPECT_EQ(read.networks[0].links, settings_.networks[0].links);
  EXPECT_EQ(read.networks[2].file, "/with a blank/names");
  EXPECT_EQ(read.networks[2].links.front(), std::pair(std::string("fine"), std::string("web")));
  EXPECT_TRUE(parse_settings("").networks.empty());
  EXPECT_TRUE(parse_settings("link a b\n").networks.empty());
}

TEST_F(Names, WhatIsNoWordIsNotWritten) {
  EXPECT_EQ(names_text("n", {{"10.0.0.1", {"a b", "ok", "x\n10.0.0.9 evil", ""}}}),
            "network n\n10.0.0.1 ok\n");
}

TEST_F(Names, DamagedFilesAreNoNames) {
  names_ = {"10.7.0.2\n\nnot-an-address web\n10.7.0.300 web\nnetwork", ""};
  EXPECT_EQ(ask("web"), "forward");
  EXPECT_EQ(ask("2.0.7.10.in-addr.arpa", Type::kPtr), "forward");
  names_.clear();  // as many as there are
  EXPECT_EQ(ask("web"), "forward");
}

}  // namespace
}  // namespace dhow::dns
