// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "client/endpoint.h"

namespace dhow::cli {

constexpr std::string_view kDefaultContext = "default";

// An engine with a name, as docker's contexts are.
struct Context {
  std::string name;
  std::string description;
  std::string host;  // as of DOCKER_HOST
  bool skip_tls_verify = false;
  // ca.pem, cert.pem and key.pem: their content.
  std::map<std::string, std::string> tls;
};

// The contexts below a folder of configuration, where docker has them: contexts/meta/HASH/meta.json
// and contexts/tls/HASH/docker/*.pem, HASH being the SHA-256 of the name. For one thread.
class ContextStore {
 public:
  explicit ContextStore(std::string config_folder) : folder_(config_folder + "/contexts") {}

  // All but the default one, in no order; what can't be read is left out.
  std::vector<Context> list() const;
  bool contains(std::string_view name) const;
  // kNotFound in docker's words.
  Result<Context> read(std::string_view name) const;
  Status write(const Context& context) const;
  Status remove(std::string_view name) const;
  std::string meta_folder(std::string_view name) const;
  std::string tls_folder(std::string_view name) const;
  // Where it leads, with the paths of its TLS files.
  Result<client::Endpoint> endpoint(const Context& context) const;

 private:
  std::string folder_;
};

// meta.json of a context, and a context of one.
std::string context_json(const Context& context);
Result<Context> parse_context(std::string_view json);
// kInvalidArgument for what docker doesn't take as a name.
Status check_context_name(std::string_view name);

}  // namespace dhow::cli
