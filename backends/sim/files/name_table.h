// The names of one directory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>

namespace twinhull::sim {

using InodeId = std::uint32_t;  ///< 0 = none

/// Names in their order, each with its inode. Of the calls that walk through a directory most ask for the
/// name that the one before asked for: it is remembered.
class NameTable {
 public:
  using Map = std::map<std::string, InodeId, std::less<>>;

  NameTable() = default;
  NameTable(const NameTable&) = delete;
  NameTable& operator=(const NameTable&) = delete;

  /// 0 = no such name.
  [[nodiscard]] InodeId find(std::string_view name) const {
    if (last_ != nullptr && last_->first == name) return last_->second;
    const auto found = names_.find(name);
    if (found == names_.end()) return 0;
    last_ = &*found;
    return found->second;
  }
  /// Gives the name to `target`, whoever had it; 0 takes it away.
  void set(std::string_view name, InodeId target) {
    if (target == 0) {
      erase(names_.find(name));
      return;
    }
    const auto found = names_.lower_bound(name);
    if (found != names_.end() && found->first == name)
      found->second = target;
    else
      names_.emplace_hint(found, std::string(name), target);
  }
  /// Returns what follows; the end stays where it is.
  Map::const_iterator erase(Map::const_iterator at) {
    if (at == names_.end()) return at;
    if (last_ == &*at) last_ = nullptr;
    return names_.erase(at);
  }
  [[nodiscard]] Map::const_iterator begin() const { return names_.begin(); }
  [[nodiscard]] Map::const_iterator end() const { return names_.end(); }
  [[nodiscard]] bool empty() const { return names_.empty(); }
  [[nodiscard]] std::size_t size() const { return names_.size(); }
  /// As it is saved.
  [[nodiscard]] const Map& map() const { return names_; }

 private:
  Map names_;
  mutable const Map::value_type* last_ = nullptr;  ///< entries of a map stay where they are
};

}  // namespace twinhull::sim
