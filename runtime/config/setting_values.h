// Reading typed values out of a configuration file, and the texts of single values.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/config/config_file.h"
#include "runtime/config/ct_settings.h"
#include "runtime/config/quantity.h"

namespace twinhull {

/// Reads keys of one file and keeps the first error, so that a reader can be written as a list.
/// An absent key, and an empty value where no text is meant, leave the target as it is.
class SettingReader {
 public:
  /// The files must outlive the reader; `path` is used in messages. A key that `file` lacks is
  /// looked up in `fallback` (vz.conf).
  SettingReader(const ConfigFile& file, std::string_view path, const ConfigFile* fallback = nullptr)
      : file_(file), fallback_(fallback), path_(path) {}

  [[nodiscard]] std::optional<std::string> text(std::string_view key) const;
  /// An absolute path without "..". `exit_code` is for an empty or unusable one.
  void directory(std::string_view key, std::string& target, int exit_code);
  void yes_no(std::string_view key, bool& target);
  void yes_no(std::string_view key, std::optional<bool>& target);
  void number(std::string_view key, std::uint64_t& target, std::uint64_t least, std::uint64_t most);
  void number(std::string_view key, std::optional<std::uint64_t>& target, std::uint64_t least,
              std::uint64_t most);
  void pair(std::string_view key, std::optional<BarrierLimit>& target, QuantityUnit unit);
  void words(std::string_view key, std::vector<std::string>& target);

  /// Notes that the value cannot be used.
  void refuse(std::string_view key, std::string_view value, std::string_view why,
              int exit_code = 85);
  /// Notes an error of a value parser.
  void refuse(std::string_view key, std::string_view value, const Error& error);
  [[nodiscard]] const std::optional<Error>& error() const { return error_; }

 private:
  const ConfigFile& file_;
  const ConfigFile* fallback_;
  std::string path_;
  std::optional<Error> error_;
};

/// Blank-separated words (commas too when asked), empty ones left out.
std::vector<std::string> split_words(std::string_view text, bool commas = false);
std::string join_words(const std::vector<std::string>& words, std::string_view between = " ");
/// ".debian-12" names the same template as "debian-12".
std::string without_leading_dot(std::string_view name);
std::string lower_case(std::string_view text);

/// "all" = std::nullopt, "auto", or "0,2,4-6". Errors: invalid_argument (exit 146).
Result<std::optional<CpuMaskSetting>> parse_cpu_mask(std::string_view text);
std::string cpu_mask_text(const std::optional<CpuMaskSetting>& mask);
/// "N", "N%" or "Nm"; 0 = std::nullopt. Errors: invalid_argument (exit 21).
Result<std::optional<CpuLimitSetting>> parse_cpu_limit(std::string_view text);
/// "NAME:on NAME2:off" or with commas. `known` empty = any name.
/// Errors: invalid_argument (exit 21) listing the known names.
Result<std::vector<Switch>> parse_switches(std::string_view text,
                                           const std::vector<std::string_view>& known);
std::string switches_text(const std::vector<Switch>& switches);
/// Names that CAPABILITY may hold, lower case (spec F9.3).
const std::vector<std::string_view>& capability_names();
/// An address with or without prefix length or IPv4 mask ("10.0.0.1/255.255.255.0").
/// Errors: invalid_argument (exit 71).
Result<IpPrefix> parse_address(std::string_view text);
/// "10.0.0.1" for a host prefix, else "10.0.0.1/24".
std::string address_text(const IpPrefix& address);
/// RFC 1123 host name, labels of 1…63, at most 253 bytes; '_' is let through as many systems do.
bool valid_hostname(std::string_view text);

}  // namespace twinhull
