// A private area as a copy of another one.
#pragma once

#include <optional>
#include <string>

#include "runtime/container/context.h"
#include "runtime/local/tree_update.h"

namespace twinhull::local {

/// Builds the private area `staging` from `from`. A power cut leaves a part of it; the caller's
/// journal removes it.
class AreaCopy {
 public:
  AreaCopy(container::Context& context, std::string from, std::string staging)
      : context_(context), from_(std::move(from)), staging_(std::move(staging)) {}

  /// A first copy of an area in use. That it fails, because files vanish while they are read, is
  /// told and no error: complete() then copies everything.
  Status first_pass();
  /// The area stands still: copies it, or what has changed since the first pass. Its quota's limit
  /// goes along. Synced.
  Status complete();

 private:
  Status prepare();
  Status copy_whole();
  Status copy_limit();
  Status bring_up_to_date();

  struct First {
    DirectoryMap directories;
    WallTime begun;
  };
  container::Context& context_;
  std::string from_;
  std::string staging_;
  std::optional<First> first_;
};

}  // namespace twinhull::local
