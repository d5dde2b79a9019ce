// SPDX-License-Identifier: Apache-2.0
#include "cli/template/template.h"

#include <gtest/gtest.h>

namespace dhow::cli {
namespace {

constexpr std::string_view kDocument = R"({
  "Id": "abc", "Name": "/web", "Count": 3, "Ratio": 1.5, "On": true, "Off": false, "Empty": "", "Nothing": null,
  "List": ["a", "b", "c"], "Config": {"Env": ["A=1", "B=2"], "Labels": {"z": "1", "a.b": "2"}},
  "State": {"Running": true, "ExitCode": 0},
  "Ports": {"80/tcp": [{"HostIp": "0.0.0.0", "HostPort": "8080"}]}
})";

// What the template makes of the document, or the error.
std::string run(std::string_view text, std::string_view json = kDocument) {
  auto document = oci::JsonDocument::parse(json);
  EXPECT_TRUE(document.has_value());
  auto parsed = Template::parse(text);
  if (!parsed) return parsed.error().message();
  std::string output;
  auto done = parsed->execute(value_from_json(document->root()), output);
  return done ? output : done.error().message();
}

struct Case {
  std::string_view text;
  std::string_view expected;
};

void expect_all(std::initializer_list<Case> cases) {
  for (const Case& one : cases) EXPECT_EQ(run(one.text), one.expected) << one.text;
}

TEST(TemplateTest, FieldsAreFollowed) {
  expect_all({{"{{.Id}}", "abc"},
              {"x{{ .State.Running }}y", "xtruey"},
              {"{{.Count}} {{.Ratio}} {{.Nothing}}", "3 1.5 <nil>"},
              {"{{$.Id}}{{(.State).ExitCode}}", "abc0"},
              {"{{index .Config.Labels \"a.b\"}}{{index .List 1}}", "2b"},
              {"[{{index .Config.Labels \"none\"}}] {{.ID}} {{.State.Exitcode}}", "[] abc 0"},
              {"{{(index (index .Ports \"80/tcp\") 0).HostPort}}", "8080"}});
}

TEST(TemplateTest, ValuesPrintAsGoPrintsThem) {
  expect_all(
      {{"{{.List}}", "[a b c]"},
       {"{{.Config.Labels}}", "map[z:1 a.b:2]"},
       {"{{.Ports}}", "map[80/tcp:[{0.0.0.0 8080}]]"},
       {"{{.State}}", "{true 0}"},
       {"{{json .List}}", "[\"a\",\"b\",\"c\"]"},
       {"{{json .Config}}", "{\"Env\":[\"A=1\",\"B=2\"],\"Labels\":{\"z\":\"1\",\"a.b\":\"2\"}}"},
       {"{{json \"<&>\"}}", "\"<&>\""}});
}

TEST(TemplateTest, ActionsChoose) {
  expect_all({{"{{if .On}}yes{{else}}no{{end}}", "yes"},
              {"{{if .Empty}}1{{else if .Off}}2{{else if .Count}}3{{else}}4{{end}}", "3"},
              {"{{with .State}}{{.ExitCode}}{{else}}none{{end}}", "0"},
              {"{{with .Empty}}x{{else}}none{{end}}", "none"},
              {"{{range .List}}{{.}},{{end}}", "a,b,c,"},
              {"{{range $i, $e := .List}}{{$i}}={{$e}} {{end}}", "0=a 1=b 2=c "},
              {"{{range $k, $v := .Config.Labels}}{{$k}}:{{$v}};{{end}}", "a.b:2;z:1;"},
              {"{{range .Nothing}}x{{else}}none{{end}}", "none"},
              {"{{range .List}}{{if eq . \"b\"}}{{break}}{{end}}{{.}}{{end}}", "a"},
              {"{{range .List}}{{if eq . \"b\"}}{{continue}}{{end}}{{.}}{{end}}", "ac"}});
}

TEST(TemplateTest, VariablesLastToTheEndOfTheirAction) {
  expect_all({{"{{$x := .Id}}{{$x}}", "abc"},
              {"{{$x := 1}}{{range .List}}{{$x = .}}{{end}}{{$x}}", "c"},
              {"{{with $y := .State}}{{$y.ExitCode}}{{end}}", "0"}});
}

TEST(TemplateTest, BlanksAreTrimmed) {
  expect_all({{"a  {{- .Id -}}  b", "aabcb"},
              {"a {{/* no */}} b", "a  b"},
              {"a {{- /* no */ -}} b", "ab"},
              {"{{- 3 -}}", "3"}});
}

TEST(TemplateTest, FunctionsAreGos) {
  expect_all({{"{{eq .Id \"x\" \"abc\"}} {{ne 1 2}} {{lt 1 2}} {{le 2 2}} {{gt 1 2}} {{ge 1 2}}",
               "true true true true false false"},
              {"{{and .On .Off}} {{or .Empty .Id}} {{not .On}}", "false abc false"},
              {"{{len .List}} {{len .Id}} {{slice .Id 1 2}}", "3 3 b"},
              {"{{print 1 2 \"x\" 3}}|{{println .Id 1}}|", "1 2x3|abc 1\n|"},
              {"{{printf \"%s %d %v %q %5s|%-5s|%05d %.2f %t %x %%\" .Id .Count .List .Id .Id .Id "
               "42 .Ratio .On 255}}",
               "abc 3 [a b c] \"abc\"   abc|abc  |00042 1.50 true ff %"},
              {"{{printf \"%d\" .Id}} {{printf \"%s\"}} {{printf \"a\" 1}}",
               "%!d(string=abc) %!s(MISSING) a%!(EXTRA int=1)"}});
}

TEST(TemplateTest, FunctionsAreDockers) {
  expect_all({{"{{upper .Id}} {{lower \"ABC\"}} {{title \"a b\"}}", "ABC abc A B"},
              {"{{join .List \"-\"}} {{split \"a:b\" \":\"}} {{index (split \"a:b\" \":\") 1}}",
               "a-b-c [a b] b"},
              {"{{.Id | printf \"%s!\" | upper}}", "ABC!"},
              {"{{truncate .Id 2}} {{truncate .Id 9}} [{{pad .Id 1 2}}]", "ab abc [ abc  ]"},
              {"{{html \"<a>\"}} {{urlquery \"a b/c\"}}", "&lt;a&gt; a+b%2Fc"}});
}

TEST(TemplateTest, FaultsAreToldInGosWords) {
  expect_all(
      {{"{{.Id", "template: :1: unclosed action"},
       {"\n{{if .Id}}", "template: :2: unexpected EOF"},
       {"{{end}}", "template: :1: unexpected {{end}}"},
       {"{{foo}}", "template: :1: function \"foo\" not defined"},
       {"{{\"x}}", "template: :1: unterminated quoted string"},
       {"{{.A | }}", "template: :1: missing value for command"},
       {"{{.Foo}}", "template: :1:2: executing \"\" at <.Foo>: map has no entry for key \"Foo\""},
       {"{{.State.Foo}}",
        "template: :1:8: executing \"\" at <.State.Foo>: map has no entry for key \"Foo\""},
       {"{{.Id.Foo}}",
        "template: :1:5: executing \"\" at <.Id.Foo>: can't evaluate field Foo in type string"},
       {"{{index .List 7}}",
        "template: :1:2: executing \"\" at <index>: error calling index: index out of range: 7"}});
}

TEST(TemplateTest, WhatDockerLeavesOutIsNil) {
  EXPECT_EQ(run("{{if .State.Health}}x{{else}}none{{end}}"), "none");
}

TEST(TemplateTest, HeadingsStayAsTheyAre) {
  auto parsed = Template::parse("{{.Id}} {{json .Name}} {{upper .Name}} {{.Missing}}");
  ASSERT_TRUE(parsed.has_value());
  ValueObject headings{{{"Id", "ID"}, {"Name", "name"}}, true, {}};
  std::string output;
  ASSERT_TRUE(parsed->execute(headings, output, true).has_value());
  EXPECT_EQ(output, "ID name name <no value>");
}

TEST(TemplateTest, TellsWhichFieldsItNames) {
  auto parsed = Template::parse("{{if .A}}{{range .B}}{{(.C).D | printf \"%s\" }}{{end}}{{end}}");
  ASSERT_TRUE(parsed.has_value());
  for (const char* name : {"A", "B", "C", "D"}) EXPECT_TRUE(parsed->mentions(name)) << name;
  EXPECT_FALSE(parsed->mentions("E"));
}

TEST(TemplateTest, NestingHasAnEnd) {
  std::string text;
  for (int i = 0; i < 10'000; ++i) text += "{{if .Id}}";
  EXPECT_EQ(run(text), "template: :1: nested too deep");
}

}  // namespace
}  // namespace dhow::cli
