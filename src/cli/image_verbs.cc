// SPDX-License-Identifier: Apache-2.0
// images, rmi, tag and history.
#include <algorithm>

#include "base/strings.h"
#include "cli/container_calls.h"
#include "cli/output_verbs.h"
#include "cli/tables.h"
#include "cli/units.h"
#include "oci/reference.h"

namespace dhow::cli {
namespace {

using oci::JsonValue;
using enum FlagKind;

// A row is an image under one of its names: the object of the API with the members "Repository",
// "Tag" and "Digest" that expanded_images() adds.
Value image_id(JsonValue row, const RowOptions& options) {
  std::string id = text_member(row, "Id");
  return options.truncate ? short_id(id) : id;
}

template <std::size_t kSize>
Value own_text(JsonValue row, const char (&name)[kSize]) {
  return text_member(row, std::string_view(name, kSize - 1));
}

Value count_text(JsonValue row, std::string_view name) {
  std::int64_t count = row.find(name).as_int64().value_or(-1);
  return count < 0 ? std::string("N/A") : cat(count);
}

Value size_text(JsonValue row, const RowOptions&) {
  return human_size(static_cast<double>(number_member(row, "Size")), 3);
}

constexpr Column kImageColumns[] = {
    {"Containers", "CONTAINERS",
     [](JsonValue row, const RowOptions&) { return count_text(row, "Containers"); }},
    {"CreatedAt", "CREATED AT",
     [](JsonValue row, const RowOptions&) -> Value {
       return go_time_text(number_member(row, "Created"));
     }},
    {"CreatedSince", "CREATED",
     [](JsonValue row, const RowOptions&) -> Value {
       std::int64_t created = number_member(row, "Created");
       return created == 0 ? std::string("N/A") : human_duration(unix_now() - created) + " ago";
     }},
    {"Digest", "DIGEST", [](JsonValue row, const RowOptions&) { return own_text(row, "Digest"); }},
    {"ID", "IMAGE ID", image_id},
    {"Repository", "REPOSITORY",
     [](JsonValue row, const RowOptions&) { return own_text(row, "Repository"); }},
    {"SharedSize", "SHARED SIZE",
     [](JsonValue row, const RowOptions&) -> Value {
       std::int64_t size = row.find("SharedSize").as_int64().value_or(-1);
       return size < 0 ? std::string("N/A") : human_size(static_cast<double>(size));
     }},
    {"Size", "SIZE", size_text},
    {"Tag", "TAG", [](JsonValue row, const RowOptions&) { return own_text(row, "Tag"); }},
    {"UniqueSize", "UNIQUE SIZE",
     [](JsonValue row, const RowOptions&) -> Value {
       std::int64_t shared = row.find("SharedSize").as_int64().value_or(-1);
       if (shared < 0) return "N/A";
       return human_size(static_cast<double>(number_member(row, "Size") - shared));
     }},
    {"VirtualSize", "SIZE",
     [](JsonValue row, const RowOptions&) -> Value {
       return human_size(static_cast<double>(number_member(row, "Size")));
     }},
};

constexpr RowKind kImageRows{"*formatter.imageContext", kImageColumns};

struct ImageName {
  std::string repository = "<none>";
  std::string tag = "<none>";
  std::string digest = "<none>";
};

// The names of an image: one a tag, and those digests that no tag goes with.
std::vector<ImageName> names_of_image(JsonValue image, bool with_digests) {
  std::vector<ImageName> tagged;
  std::vector<ImageName> digested;
  auto add = [](JsonValue list, std::vector<ImageName>& names) {
    for (std::size_t i = 0; i < list.size(); ++i) {
      auto reference = oci::parse_reference(list.item(i).as_string().value_or(""));
      if (!reference) continue;
      ImageName name;
      name.repository = reference->familiar_name();
      if (!reference->tag.empty()) name.tag = reference->tag;
      if (!reference->digest.empty()) name.digest = reference->digest.text();
      names.push_back(std::move(name));
    }
  };
  add(image.find("RepoTags"), tagged);
  add(image.find("RepoDigests"), digested);
  std::vector<ImageName> names;
  for (ImageName& name : tagged) {
    bool found = false;
    for (const ImageName& other : digested) {
      if (other.repository != name.repository) continue;
      if (!with_digests && found) continue;
      found = true;
      name.digest = other.digest;
      names.push_back(name);
    }
    if (!found) names.push_back(name);
  }
  for (const ImageName& name : digested) {
    bool told = std::ranges::any_of(
        tagged, [&](const ImageName& other) { return other.repository == name.repository; });
    if (!told) {
      names.push_back(name);
      if (!with_digests) break;
    }
  }
  if (names.empty()) names.emplace_back();
  return names;
}

// The list with a row a name, as a document of its own.
Result<oci::JsonDocument> expanded_images(JsonValue list, bool with_digests, bool by_name) {
  oci::JsonWriter json;
  json.begin_array();
  for (std::size_t i = 0; i < list.size(); ++i) {
    JsonValue image = list.item(i);
    auto names = names_of_image(image, with_digests);
    if (!by_name) names.resize(1);
    for (const ImageName& name : names) {
      json.begin_object();
      json.member("Repository", name.repository)
          .member("Tag", name.tag)
          .member("Digest", name.digest);
      json.member("Id", text_member(image, "Id"));
      for (std::string_view member : {"Created", "Size", "SharedSize", "Containers"}) {
        json.member_number(member, image.find(member).as_int64().value_or(-1));
      }
      json.end_object();
    }
  }
  json.end_array();
  return oci::JsonDocument::parse(json.text());
}

Result<int> run_images(Session& session, const Arguments& arguments) {
  if (arguments.boolean("tree"))
    return fail(Code::kUnimplemented, "images --tree is not supported yet");
  TRY_ASSIGN(const ConfigFile* config, session.config());
  std::string_view text = arguments.string("format");
  bool quiet = arguments.boolean("quiet");
  bool digests = arguments.boolean("digests");
  auto configured = config->formats.find("imagesFormat");
  if (text.empty() && configured != config->formats.end() && !quiet) text = configured->second;
  RowOptions options;
  options.truncate = !arguments.boolean("no-trunc");
  std::string_view table =
      digests ? "{{.Repository}}\t{{.Tag}}\t{{.Digest}}\t{{.ID}}\t{{.CreatedSince}}\t{{.Size}}"
              : "{{.Repository}}\t{{.Tag}}\t{{.ID}}\t{{.CreatedSince}}\t{{.Size}}";
  if (quiet && (text.empty() || text == "table" || text == "raw")) text = "{{.ID}}";
  TRY_ASSIGN(RowFormat format,
             RowFormat::make(text, table,
                             "repository: {{.Repository}}\ntag: {{.Tag}}\nimage_id: {{.ID}}\n"
                             "created_at: {{.CreatedAt}}\nvirtual_size: {{.Size}}\n"));
  auto filters = arguments.list("filter");
  std::string reference;
  if (std::string_view name = arguments.positional(0); !name.empty()) {
    reference = cat("reference=", name);
    filters.push_back(reference);
  }
  client::Call call;
  call.path = "/images/json";
  call.query.add_switch("all", arguments.boolean("all"))
      .add_given("filters", filters_text(filters));
  TRY_ASSIGN(client::Client * client, session.client());
  TRY_ASSIGN(std::string body, client->call(std::move(call)));
  TRY_ASSIGN(auto document, oci::JsonDocument::parse(body));
  TRY_ASSIGN(auto expanded,
             expanded_images(document.root(), digests || format.mentions("Digest"), true));
  TRY_ASSIGN(std::string output, format.render(kImageRows, expanded.root(), options));
  session.print(output);
  return 0;
}

Result<int> run_rmi(Session& session, const Arguments& arguments) {
  TRY_ASSIGN(client::Client * client, session.client());
  bool force = arguments.boolean("force");
  std::string failures;
  bool fatal = false;
  for (std::string_view name : arguments.positionals()) {
    client::Call call;
    call.method = "DELETE";
    call.path = image_path(name);
    call.query.add_switch("force", force).add_switch("noprune", arguments.boolean("no-prune"));
    for (std::string_view platform : arguments.list("platform"))
      call.query.add("platforms", platform);
    auto answer = client->call(std::move(call));
    if (!answer) {
      fatal = fatal || !(force && answer.error().code() == Code::kNotFound);
      failures += cat(failures.empty() ? "" : "\n", answer.error().message());
      continue;
    }
    TRY_ASSIGN(auto document, oci::JsonDocument::parse(*answer));
    for (std::size_t i = 0; i < document.root().size(); ++i) {
      JsonValue item = document.root().item(i);
      std::string deleted = text_member(item, "Deleted");
      session.print_line(deleted.empty() ? cat("Untagged: ", text_member(item, "Untagged"))
                                         : cat("Deleted: ", deleted));
    }
  }
  if (!failures.empty()) session.complain_line(failures);
  return fatal ? 1 : 0;
}

Result<int> run_tag(Session& session, const Arguments& arguments) {
  TRY_ASSIGN(client::Client * client, session.client());
  auto target = oci::parse_image_name(arguments.positional(1));
  if (!target) {
    // It ends in the name, which has been told.
    std::string_view why = target.error().message();
    why = why.substr(0, why.rfind(": \""));
    return fail(Code::kInvalidArgument,
                cat("Error parsing reference: ", quoted(arguments.positional(1)),
                    " is not a valid repository/tag: ", why));
  }
  client::Call call;
  call.method = "POST";
  call.path = image_path(arguments.positional(0), "/tag");
  call.query.add("repo", target->familiar_name()).add("tag", target->tag);
  TRY(client->call_status(std::move(call)));
  return 0;
}

constexpr Column kHistoryColumns[] = {
    {"Comment", "COMMENT",
     [](JsonValue row, const RowOptions&) { return own_text(row, "Comment"); }},
    {"CreatedAt", "CREATED AT",
     [](JsonValue row, const RowOptions&) -> Value {
       return rfc3339_text(number_member(row, "Created"));
     }},
    {"CreatedBy", "CREATED BY",
     [](JsonValue row, const RowOptions& options) -> Value {
       std::string text = text_member(row, "CreatedBy");
       std::ranges::replace(text, '\t', ' ');
       return options.truncate ? ellipsis(text, 45) : text;
     }},
    {"CreatedSince", "CREATED",
     [](JsonValue row, const RowOptions& options) -> Value {
       std::int64_t created = number_member(row, "Created");
       if (!options.human) return rfc3339_text(created);
       return created <= 0 ? std::string("N/A") : human_duration(unix_now() - created) + " ago";
     }},
    {"ID", "IMAGE", image_id},
    {"Size", "SIZE",
     [](JsonValue row, const RowOptions& options) -> Value {
       std::int64_t size = number_member(row, "Size");
       return options.human ? human_size(static_cast<double>(size), 3) : cat(size);
     }},
};

constexpr RowKind kHistoryRows{"*image.historyContext", kHistoryColumns};

Result<int> run_history(Session& session, const Arguments& arguments) {
  TRY_ASSIGN(client::Client * client, session.client());
  RowOptions options;
  options.truncate = !arguments.boolean("no-trunc");
  options.human = arguments.boolean("human", true);
  std::string_view text = arguments.string("format");
  if (arguments.boolean("quiet") && (text.empty() || text == "table")) text = "{{.ID}}";
  TRY_ASSIGN(
      RowFormat format,
      RowFormat::make(text, "{{.ID}}\t{{.CreatedSince}}\t{{.CreatedBy}}\t{{.Size}}\t{{.Comment}}"));
  client::Call call;
  call.path = image_path(arguments.positional(0), "/history");
  call.query.add_given("platform", arguments.string("platform"));
  TRY_ASSIGN(std::string body, client->call(std::move(call)));
  TRY_ASSIGN(auto document, oci::JsonDocument::parse(body));
  TRY_ASSIGN(std::string output, format.render(kHistoryRows, document.root(), options));
  session.print(output);
  return 0;
}

constexpr std::string_view kImageFormatHelp =
    "\"table\", \"table TEMPLATE\", \"json\", or a template of Go";

constexpr Flag kImagesFlags[] = {
    {"all", kBool, 'a', "", "intermediate images too"},
    {"digests", kBool, 0, "", "with their digests"},
    {"filter", kFilter, 'f', "KEY=VALUE",
     "only those that match: dangling=, label=, reference=, …"},
    {"format", kString, 0, "FORMAT", kImageFormatHelp},
    {"no-trunc", kBool, 0, "", "cut nothing short"},
    {"quiet", kBool, 'q', "", "ids alone"},
    {"tree", kBool, 0, "", "images of several platforms as a tree", "", true},
};
constexpr Flag kRmiFlags[] = {
    {"force", kBool, 'f', "", "remove it although a stopped container uses it"},
    {"no-prune", kBool, 0, "", "keep its parents that have no name"},
    {"platform", kList, 0, "OS/ARCH", "remove it for that platform alone"},
};
constexpr Flag kHistoryFlags[] = {
    {"format", kString, 0, "FORMAT", kImageFormatHelp},
    {"human", kBool, 'H', "", "sizes and ages for people (default: true)"},
    {"no-trunc", kBool, 0, "", "cut nothing short"},
    {"platform", kString, 0, "OS/ARCH", "platform of the image"},
    {"quiet", kBool, 'q', "", "ids alone"},
};
constexpr Flag kInspectImageFlags[] = {
    {"format", kString, 'f', "FORMAT", "\"json\" or a template of Go"},
    {"platform", kString, 0, "OS/ARCH", "platform of the image"},
};

constexpr Command kImageCommands[] = {
    {.names = "images|image ls|image list",
     .summary = "List images",
     .usage = "[OPTIONS] [REPOSITORY[:TAG]]",
     .handler = run_images,
     .max_arguments = 1,
     .flags = kImagesFlags,
     .completion = "images"},
    {.names = "rmi|image rm|image remove",
     .summary = "Remove one or more images",
     .usage = "[OPTIONS] IMAGE [IMAGE...]",
     .handler = run_rmi,
     .min_arguments = 1,
     .max_arguments = kNoLimit,
     .flags = kRmiFlags,
     .completion = "images"},
    {.names = "tag|image tag",
     .summary = "Give an image one more name",
     .usage = "SOURCE_IMAGE[:TAG] TARGET_IMAGE[:TAG]",
     .handler = run_tag,
     .min_arguments = 2,
     .max_arguments = 2,
     .completion = "images"},
    {.names = "history|image history",
     .summary = "Show how an image was made",
     .usage = "[OPTIONS] IMAGE",
     .handler = run_history,
     .min_arguments = 1,
     .max_arguments = 1,
     .flags = kHistoryFlags,
     .completion = "images"},
    {.names = "image inspect",
     .summary = "Show everything about one or more images",
     .usage = "[OPTIONS] IMAGE [IMAGE...]",
     .handler = run_inspect_image,
     .min_arguments = 1,
     .max_arguments = kNoLimit,
     .flags = kInspectImageFlags,
     .completion = "images"},
};

}  // namespace

std::span<const Command> image_commands() { return kImageCommands; }

}  // namespace dhow::cli
