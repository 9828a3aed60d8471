// A container that is made of a machine's files: from an empty place to a registered container.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "runtime/config/config_file.h"
#include "runtime/config/ct_settings.h"
#include "runtime/config/parameter.h"
#include "runtime/container/context.h"
#include "runtime/kernel/files.h"
#include "runtime/node/journal.h"

namespace twinhull::physical {

/// The template that such containers have: no system, only the directories that every system mounts
/// on, so that all of the container's files are its own. It is made when it is not there.
inline constexpr const char* kBareTemplate = "bare";

/// What the operator wants of it.
struct CaptureWish {
  CtId id;
  /// Its configuration. std::nullopt = what the machine's figures suggest, else the node's default
  /// sample, either with a disk that the files fit on.
  std::optional<ConfigFile> config;
  std::string origin;                        ///< name of that configuration, for ORIGIN_SAMPLE
  std::string distribution;                  ///< empty = what the system says
  std::vector<ParameterRequest> parameters;  ///< --hostname, --diskspace, …
};

/// What is known of the source before anything is copied.
struct CaptureSource {
  std::string name;  ///< in messages: "root@web", "/mnt/disk"
  std::string architecture;
  std::string distribution;  ///< as SystemFacts
  std::string hostname;      ///< likewise
  TreeSize size;
  std::string config_text;  ///< suggested_config; empty = there are no figures
};

/// Under the container's lock. Until adopt() has written the configuration everything can be taken
/// back; a power cut is recovered by the container's journal.
class Capture {
 public:
  /// Decides everything without an effect. Errors: exit 1 (a value), 31 (its disk limit is below
  /// what the source holds), 32 (another architecture), 57 (the distribution cannot do it).
  static Result<Capture> plan(container::Context& context, const CaptureWish& wish,
                              const CaptureSource& source);

  [[nodiscard]] const CtSettings& settings() const { return settings_; }
  /// Checks that number, name, addresses and space are free, and writes the journal before the
  /// first effect: the empty area. `settled` turns false when there is something to take back.
  /// Errors: exit 9, 12, 31, 45.
  Status prepare(bool& settled);
  /// Where the files go; with copy_tree it must not be there, for receive_tree make_tree() makes
  /// it.
  [[nodiscard]] std::string tree() const { return temporary_ + "/fs"; }
  Status make_tree();
  /// Empties these directories of a copy that was made with all of its content.
  Status empty_directories(const std::vector<std::string>& names);
  /// Takes the machine out of the system and makes it a container. `committed` turns true with the
  /// configuration: from then on the journal rolls forward only.
  Status adopt(bool& committed);
  /// Everything goes; after adopt() has committed it completes the container instead.
  Status take_back();

 private:
  explicit Capture(container::Context& context) : context_(&context) {}
  Status choose_config(const CaptureWish& wish, const CaptureSource& source);
  Status describe(const CaptureWish& wish, const CaptureSource& source);
  Status check_disk_limit(const CaptureSource& source) const;
  Status check_distribution() const;
  Status check_free() const;
  Status check_space() const;
  Status make_bare_template() const;
  [[nodiscard]] Intent intent() const;

  container::Context* context_;
  ConfigFile file_;
  CtSettings settings_;
  std::string temporary_;  ///< the private area while it is built
  TreeSize size_;
};

}  // namespace twinhull::physical
