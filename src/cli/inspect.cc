// SPDX-License-Identifier: Apache-2.0
#include "base/strings.h"
#include "cli/container_calls.h"
#include "cli/output_verbs.h"

namespace dhow::cli {
namespace {

struct InspectKind {
  std::string_view name;  // of --type
  std::string_view prefix;
  std::string_view suffix;
};

constexpr InspectKind kContainer{"container", "/containers/", "/json"};
constexpr InspectKind kImage{"image", "/images/", "/json"};
constexpr InspectKind kNetwork{"network", "/networks/", ""};
constexpr InspectKind kVolume{"volume", "/volumes/", ""};
constexpr InspectKind kAll[] = {kContainer, kImage, kNetwork, kVolume};

Result<std::string> fetch(client::Client& client, const InspectKind& kind, std::string_view name,
                          const Arguments& arguments, bool with_size) {
  client::Call call;
  call.path = kind.name == "image" ? image_path(name, kind.suffix)
                                   : cat(kind.prefix, client::percent_encoded(name), kind.suffix);
  if (kind.name == "container") call.query.add_switch("size", with_size);
  if (kind.name == "image") call.query.add_given("platform", arguments.string("platform"));
  if (kind.name == "network") call.query.add_switch("verbose", arguments.boolean("verbose"));
  return client.call(std::move(call));
}

// Tries one kind after the other: the first that has it.
Result<std::string> fetch_any(client::Client& client, std::span<const InspectKind> kinds,
                              std::string_view name, const Arguments& arguments) {
  bool with_size = arguments.boolean("size");
  for (const InspectKind& kind : kinds) {
    auto body = fetch(client, kind, name, arguments, with_size);
    if (body || kinds.size() == 1) return body;
    if (body.error().code() != Code::kNotFound) return body;
  }
  return fail(Code::kNotFound, cat("Error: No such object: ", name));
}

class Inspector {
 public:
  // `client`: for the format "run" alone, which containers have.
  Inspector(Session& session, client::Client* client, std::string_view format)
      : session_(session), client_(client), format_(format) {}

  Status prepare() {
    if (format_.empty() || format_ == "json" || format_ == "run") return {};
    auto parsed = Template::parse(format_);
    if (!parsed)
      return fail(Code::kInvalidArgument,
                  cat("template parsing error: ", parsed.error().message()));
    template_.emplace(std::move(*parsed));
    return {};
  }

  Status add(const std::string& body) {
    if (template_) return add_templated(body);
    if (format_ == "run") return add_run(body);
    std::string_view trimmed = trim(body);
    output_ += output_.empty() ? "" : ",";
    output_ += format_ == "json" ? std::string(trimmed)
                                 : cat("\n", indented_json(trimmed, "    ", "    "));
    return {};
  }

  void finish() {
    if (template_ || format_ == "run") return session_.print(output_);
    bool plain = format_.empty() && !output_.empty();
    session_.print(cat("[", output_, plain ? "\n]\n" : "]\n"));
  }

 private:
  Status add_templated(const std::string& body) {
    TRY_ASSIGN(auto document, oci::JsonDocument::parse(body));
    auto done = template_->execute(value_from_json(document.root()), output_);
    if (!done)
      return fail(Code::kInvalidArgument, cat("template parsing error: ", done.error().message()));
    output_ += '\n';
    return {};
  }

  Status add_run(const std::string& body) {
    TRY_ASSIGN(auto document, oci::JsonDocument::parse(body));
    oci::JsonValue root = document.root();
    if (client_ == nullptr || root.find("HostConfig").is_null()) {
      return fail(Code::kInvalidArgument, "--format run is for containers alone");
    }
    // What the image gives need not be said; without the image everything is.
    auto image = client_->call({.path = image_path(text_member(root, "Image"), "/json")});
    TRY_ASSIGN(auto image_document, oci::JsonDocument::parse(image ? *image : "{}"));
    TRY_ASSIGN(std::string text, run_command_text(session_.name(), root, image_document.root()));
    output_ += text + "\n";
    return {};
  }

  Session& session_;
  client::Client* client_;
  std::string_view format_;
  std::optional<Template> template_;
  std::string output_;
};

using Fetch = std::function<Result<std::string>(std::string_view name)>;

Result<int> inspect_with(Session& session, client::Client* client, std::string_view format,
                         std::span<const std::string_view> names, const Fetch& fetch_one) {
  Inspector inspector(session, client, format);
  TRY(inspector.prepare());
  std::string failures;
  for (std::string_view name : names) {
    auto body = fetch_one(name);
    if (body) {
      if (auto added = inspector.add(*body); !added) {
        inspector.finish();
        session.print("\n");
        return std::unexpected(std::move(added).error());
      }
      continue;
    }
    failures += cat(failures.empty() ? "" : "\n", body.error().message());
  }
  inspector.finish();
  if (failures.empty()) return 0;
  // docker leaves an empty line where a template would have written.
  if (!format.empty() && failures.find('\n') == std::string::npos) session.print("\n");
  session.complain_line(failures);
  return 1;
}

Result<int> inspect(Session& session, const Arguments& arguments,
                    std::span<const InspectKind> kinds) {
  TRY_ASSIGN(client::Client * client, session.client());
  return inspect_with(
      session, client, arguments.string("format"), arguments.positionals(),
      [&](std::string_view name) { return fetch_any(*client, kinds, name, arguments); });
}

void append_break(std::string& text, std::string_view prefix, std::string_view indent,
                  std::size_t depth) {
  text += cat("\n", prefix);
  for (std::size_t i = 0; i < depth; ++i) text += indent;
}

}  // namespace

Result<int> inspect_each(Session& session, std::string_view format,
                         std::span<const std::string_view> names,
                         const std::function<Result<std::string>(std::string_view)>& fetch_one) {
  return inspect_with(session, nullptr, format, names, fetch_one);
}

std::string indented_json(std::string_view json, std::string_view prefix, std::string_view indent) {
  std::string text(prefix);
  std::size_t depth = 0;
  for (std::size_t i = 0; i < json.size(); ++i) {
    char c = json[i];
    if (c == '"') {
      std::size_t end = i + 1;
      while (end < json.size() && json[end] != '"') end += json[end] == '\\' ? 2U : 1U;
      text += json.substr(i, end + 1 - i);
      i = end;
    } else if (c == ' ' || c == '\n' || c == '\t' || c == '\r') {
      continue;
    } else if (c == '{' || c == '[') {
      text += c;
      std::size_t next = json.find_first_not_of(" \n\t\r", i + 1);
      if (next != std::string_view::npos && (json[next] == '}' || json[next] == ']')) {
        text += json[next];
        i = next;
      } else {
        append_break(text, prefix, indent, ++depth);
      }
    } else if (c == '}' || c == ']') {
      depth -= depth == 0 ? 0 : 1;
      append_break(text, prefix, indent, depth);
      text += c;
    } else if (c == ',') {
      text += c;
      append_break(text, prefix, indent, depth);
    } else if (c == ':') {
      text += ": ";
    } else {
      text += c;
    }
  }
  return text;
}

Result<int> run_inspect(Session& session, const Arguments& arguments) {
  std::string_view type = arguments.string("type");
  if (type.empty() && arguments.has("type"))
    return fail(Code::kInvalidArgument,
                "type is empty: must be one of \"container\", \"image\", \"network\", \"volume\"");
  if (type.empty()) return inspect(session, arguments, kAll);
  for (const InspectKind& kind : kAll) {
    if (kind.name == type) return inspect(session, arguments, std::span(&kind, 1));
  }
  return fail(Code::kInvalidArgument,
              cat("unknown type: ", quoted(type),
                  ": must be one of \"container\", \"image\", \"network\", \"volume\""));
}

Result<int> run_inspect_container(Session& session, const Arguments& arguments) {
  return inspect(session, arguments, std::span(&kContainer, 1));
}
Result<int> run_inspect_image(Session& session, const Arguments& arguments) {
  return inspect(session, arguments, std::span(&kImage, 1));
}
Result<int> run_inspect_network(Session& session, const Arguments& arguments) {
  return inspect(session, arguments, std::span(&kNetwork, 1));
}
Result<int> run_inspect_volume(Session& session, const Arguments& arguments) {
  return inspect(session, arguments, std::span(&kVolume, 1));
}

}  // namespace dhow::cli
