// The JSON node file: apart from backend.cc, since the JSON header is slow to compile.
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "tools/common/backend.h"

namespace twinhull::tools {

Result<NodeFile> read_node_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in)
    return fail(ErrorCode::not_found, "node.file", path, "cannot read the node file")
        .with_hint("--node names a JSON file that describes the node");
  const std::string text{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  const auto bad = [&path](std::string_view why) {
    return fail(ErrorCode::corrupt, "node.file", path, why);
  };
  const auto json = nlohmann::json::parse(text, nullptr, false);
  if (!json.is_object()) return bad("is not a JSON object");
  NodeFile node;
  for (const auto& [key, value] : json.items()) {
    std::string* field = key == "name"                ? &node.name
                         : key == "layout_root"       ? &node.layout_root
                         : key == "run_directory"     ? &node.run_directory
                         : key == "cgroup_prefix"     ? &node.cgroup_prefix
                         : key == "network_namespace" ? &node.network_namespace
                         : key == "criu"              ? &node.criu
                                                      : nullptr;
    if (field != nullptr) {
      if (!value.is_string()) return bad("\"" + key + "\" must be a string");
      *field = value.get<std::string>();
    } else if (key == "peers") {
      if (!value.is_object()) return bad("\"peers\" must map host names to commands");
      for (const auto& [host, words] : value.items()) {
        if (!words.is_array() || words.empty())
          return bad("peer \"" + host + "\" must be a list of words");
        for (const auto& word : words) {
          if (!word.is_string()) return bad("peer \"" + host + "\" must be a list of strings");
          node.peers[host].push_back(word.get<std::string>());
        }
      }
    } else {
      return bad("unknown key \"" + key +
                 "\" (known: name, layout_root, run_directory, cgroup_prefix, network_namespace, "
                 "criu, peers)");
    }
  }
  return node;
}

}  // namespace twinhull::tools
