// Every shipped sample against the formulas of the spec (R9, R10, F4.34 to F4.38). They are worked
// out here anew from the numbers in the files, so that the tools cannot agree with their own
// mistakes.
#include <fmt/format.h>
#include <boost/test/unit_test.hpp>
#include <map>

#include "runtime/config/config_file.h"
#include "runtime/kernel/files.h"
#include "runtime/kernel/host.h"
#include "tools/vzcfg/tools_node.h"

namespace twinhull::tools {
namespace {

constexpr std::uint64_t kNoLimit = 2147483647;  ///< as the samples write it
constexpr std::uint64_t kSizes[] = {256, 512, 1024, 2048};

struct Pair {
  std::uint64_t barrier = 0, limit = 0;
  bool operator==(const Pair&) const = default;
};

/// A sample's numbers. The samples use no suffixes.
struct Numbers {
  std::string path;
  std::map<std::string, Pair> of;

  explicit Numbers(const std::string& where, const std::string& text) : path(where) {
    const ConfigFile file = ConfigFile::parse(text, path).value();
    for (const std::string& key : file.keys()) {
      const std::string value = file.get(key).value();
      if (value.find_first_not_of("0123456789:") != std::string::npos || value.empty()) continue;
      const std::size_t colon = value.find(':');
      const std::uint64_t first = std::stoull(value.substr(0, colon));
      of[key] = {first, colon == std::string::npos ? first : std::stoull(value.substr(colon + 1))};
    }
  }
  [[nodiscard]] bool has(const std::string& key) const { return of.contains(key); }
  [[nodiscard]] Pair at(const std::string& key) const { return of.at(key); }
  [[nodiscard]] bool limited(const std::string& key) const {
    return has(key) && at(key).limit != kNoLimit;
  }
  /// Memory as RAM and swap, the others have beancounters.
  [[nodiscard]] bool vswap() const { return limited("PHYSPAGES"); }
};

struct Samples : ToolsNode {
  std::vector<Numbers> all() {
    std::vector<Numbers> list;
    for (const std::string& path : samples()) list.emplace_back(path, file(path).value());
    return list;
  }
  Numbers one(const std::string& name) {
    const std::string path = "/etc/vz/conf/ve-" + name + ".conf-sample";
    return Numbers(path, file(path).value());
  }
};

const std::vector<std::string> kOneValue = {"NUMPROC", "NUMTCPSOCK", "NUMOTHERSOCK", "SHMPAGES",
                                            "NUMFILE", "NUMPTY",     "NUMSIGINFO",   "NUMIPTENT"};

BOOST_FIXTURE_TEST_SUITE(vzcfg_samples, Samples)

BOOST_AUTO_TEST_CASE(samples_have_the_figures_of_the_spec) {
  const Pair none{kNoLimit, kNoLimit};
  const std::map<std::string, std::map<std::string, Pair>> spec = {
      {"basic",
       {{"PHYSPAGES", {65536, 65536}},
        {"SWAPPAGES", {65536, 65536}},
        {"CPUUNITS", {1000, 1000}},
        {"DISKSPACE", {10485760, 10485760}},
        {"DISKINODES", {655360, 655360}},
        {"QUOTATIME", {0, 0}}}},
      {"vswap.512MB",
       {{"PHYSPAGES", {131072, 131072}},
        {"SWAPPAGES", {0, 0}},
        {"CPUUNITS", {1000, 1000}},
        {"DISKSPACE", {10485760, 10485760}},
        {"DISKINODES", {655360, 655360}}}},
      {"vps.512MB",
       {{"PHYSPAGES", {0, kNoLimit}},
        {"KMEMSIZE", {22111846, 22754099}},
        {"LOCKEDPAGES", {512, 512}},
        {"PRIVVMPAGES", {131072, 139264}},
        {"SHMPAGES", {43008, 43008}},
        {"NUMPROC", {480, 480}},
        {"VMGUARPAGES", {67584, kNoLimit}},
        {"OOMGUARPAGES", {52224, kNoLimit}},
        {"NUMTCPSOCK", {720, 720}},
        {"NUMFLOCK", {376, 412}},
        {"NUMPTY", {32, 32}},
        {"NUMSIGINFO", {512, 512}},
        {"TCPSNDBUF", {3440640, 5406720}},
        {"TCPRCVBUF", {3440640, 5406720}},
        {"OTHERSOCKBUF", {2252160, 4194304}},
        {"DGRAMRCVBUF", {524288, 524288}},
        {"NUMOTHERSOCK", {720, 720}},
        {"NUMFILE", {18624, 18624}},
        {"DCACHESIZE", {6819840, 7249920}},
        {"NUMIPTENT", {256, 256}},
        {"AVNUMPROC", {360, 360}},
        {"CPUUNITS", {1000, 1000}},
        {"DISKSPACE", {1048576, 1153024}},
        {"DISKINODES", {200000, 220000}}}},
      {"slm.512MB",
       {{"SLMMEMORYLIMIT", {536870912, 536870912}},
        {"KMEMSIZE", none},
        {"PRIVVMPAGES", none},
        {"NUMPROC", {32567, 32567}},
        {"NUMPTY", {255, 255}},
        {"NUMSIGINFO", {1024, 1024}},
        {"NUMFILE", none},
        {"DCACHESIZE", none},
        {"TCPSNDBUF", none}}}};
  for (const auto& [name, values] : spec) {
    const Numbers sample = one(name);
    for (const auto& [key, value] : values)
      BOOST_TEST((sample.has(key) && sample.at(key) == value), name << ": " << key);
  }
}

BOOST_AUTO_TEST_CASE(figures_follow_the_size_in_the_name) {
  BOOST_TEST(samples().size() == 14U);
  const Numbers half = one("vps.512MB");
  for (const std::uint64_t size : kSizes) {
    const std::uint64_t pages = size * 256;
    const std::string text = std::to_string(size) + "MB";
    BOOST_TEST((one("vswap." + text).at("PHYSPAGES") == Pair{pages, pages}), text);
    BOOST_TEST((one("slm." + text).at("SLMMEMORYLIMIT") == Pair{size << 20, size << 20}), text);
    const Numbers sample = one("vps." + text);
    BOOST_TEST(sample.at("PRIVVMPAGES").barrier == pages, text);
    // In proportion, to a rounded half.
    for (const char* key :
         {"KMEMSIZE", "LOCKEDPAGES", "PRIVVMPAGES", "SHMPAGES", "NUMPROC", "VMGUARPAGES",
          "OOMGUARPAGES", "NUMTCPSOCK", "NUMFLOCK", "TCPSNDBUF", "TCPRCVBUF", "OTHERSOCKBUF",
          "DGRAMRCVBUF", "NUMOTHERSOCK", "NUMFILE", "DCACHESIZE", "AVNUMPROC"}) {
      const auto close = [&](std::uint64_t now, std::uint64_t then) {
        if (then == kNoLimit) return now == kNoLimit;
        const std::uint64_t a = now * 512, b = then * size;
        return (a > b ? a - b : b - a) <= 512;
      };
      const Pair now = sample.at(key), then = half.at(key);
      BOOST_TEST((close(now.barrier, then.barrier) && close(now.limit, then.limit)),
                 text << ": " << key);
    }
  }
}

BOOST_AUTO_TEST_CASE(each_rule_holds_in_each_sample) {
  for (const Numbers& s : all()) {
    const auto holds = [&](bool condition, const char* rule) {
      BOOST_TEST(condition, s.path << ": " << rule);
    };
    for (const char* key : {"DISKSPACE", "DISKINODES"})
      if (s.has(key)) holds(s.at(key).barrier <= s.at(key).limit, key);
    if (s.vswap()) {
      holds(s.at("PHYSPAGES").barrier == s.at("PHYSPAGES").limit, "PHYSPAGES");
      holds(s.at("SWAPPAGES").barrier == s.at("SWAPPAGES").limit, "SWAPPAGES");
      continue;
    }
    for (const std::string& key : kOneValue)
      holds(s.at(key).barrier == s.at(key).limit, key.c_str());
    for (const auto& [key, value] : s.of) holds(value.barrier <= value.limit, key.c_str());
    holds(s.at("VMGUARPAGES").limit == kNoLimit, "VMGUARPAGES");
    holds(s.at("OOMGUARPAGES").limit == kNoLimit, "OOMGUARPAGES");
    holds(s.at("PHYSPAGES") == Pair{0, kNoLimit}, "PHYSPAGES");
    holds(s.at("TCPSNDBUF").barrier >= 65536 && s.at("TCPRCVBUF").barrier >= 65536, "64 KiB");
    holds(s.at("DGRAMRCVBUF").barrier >= 129 * 1024, "DGRAMRCVBUF, as recommended");
    if (!s.limited("KMEMSIZE")) continue;  // nothing is bounded that the others could fall short of
    holds(s.at("PRIVVMPAGES").barrier >= s.at("VMGUARPAGES").barrier, "PRIVVMPAGES");
    holds(s.at("DCACHESIZE").limit > s.at("NUMFILE").limit * 384, "DCACHESIZE");
    holds(s.at("KMEMSIZE").barrier > 40960 * s.at("AVNUMPROC").barrier + s.at("DCACHESIZE").limit,
          "KMEMSIZE");
    for (const auto& [buffer, sockets] : {std::pair{"TCPSNDBUF", "NUMTCPSOCK"},
                                          {"TCPRCVBUF", "NUMTCPSOCK"},
                                          {"OTHERSOCKBUF", "NUMOTHERSOCK"}})
      holds(s.at(buffer).limit - s.at(buffer).barrier > 2560 * s.at(sockets).limit, buffer);
  }
}

struct Breakage {
  std::string key, value, severity;
};

/// For each rule of spec F4.36 that bears on the sample: a value just on its wrong side.
std::vector<Breakage> breakages(const Numbers& s, std::uint64_t node_pages) {
  const auto pair = [](std::uint64_t barrier, std::uint64_t limit) {
    return fmt::format("{}:{}", barrier, limit);
  };
  std::vector<Breakage> list = {{"DISKSPACE", "2049:2048", "Error"},
                                {"DISKINODES", "12:11", "Error"}};
  if (s.vswap()) {
    list.push_back({"PHYSPAGES", pair(5, s.at("PHYSPAGES").limit), "Error"});
    list.push_back({"PHYSPAGES", pair(node_pages + 1, node_pages + 1), "Warning"});
    list.push_back({"SWAPPAGES", "1", "Warning"});  // this node has none
    return list;
  }
  for (const std::string& key : kOneValue)
    list.push_back({key, pair(s.at(key).limit - 1, s.at(key).limit), "Error"});
  list.push_back({"VMGUARPAGES", "7:7", "Error"});
  list.push_back({"OOMGUARPAGES", "7:8", "Error"});
  list.push_back({"PHYSPAGES", pair(5, kNoLimit), "Warning"});
  list.push_back({"DGRAMRCVBUF", "32767", "Warning"});
  for (const char* key : {"TCPSNDBUF", "TCPRCVBUF"})
    list.push_back({key, pair(65535, 9000000000), "Warning"});
  if (!s.limited("KMEMSIZE")) return list;
  list.push_back({"NUMFLOCK", "100:99", "Error"});
  list.push_back({"DCACHESIZE", pair(1, s.at("NUMFILE").limit * 384), "Warning"});
  const std::uint64_t kernel = 40960 * s.at("AVNUMPROC").barrier + s.at("DCACHESIZE").limit;
  list.push_back({"KMEMSIZE", pair(kernel, kernel + 5), "Error"});
  list.push_back({"PRIVVMPAGES", pair(s.at("VMGUARPAGES").barrier - 1, kNoLimit), "Warning"});
  const std::uint64_t tcp = 2560 * s.at("NUMTCPSOCK").limit;
  list.push_back({"TCPSNDBUF", pair(65536, 65536 + tcp), "Error"});
  list.push_back({"TCPRCVBUF", pair(65536, 65536 + tcp), "Warning"});
  list.push_back({"OTHERSOCKBUF", pair(1, 1 + 2560 * s.at("NUMOTHERSOCK").limit), "Error"});
  return list;
}

BOOST_AUTO_TEST_CASE(each_broken_rule_is_found_and_mended_in_each_sample) {
  const std::uint64_t pages = kernel().host().info().value().memory.value / kPageSize;
  std::size_t count = 0;
  for (const Numbers& sample : all())
    for (const Breakage& wrong : breakages(sample, pages)) {
      ConfigFile broken = ConfigFile::parse(file(sample.path).value(), sample.path).value();
      BOOST_REQUIRE(broken.set(wrong.key, wrong.value).has_value());
      write("/etc/vz/conf/broken", broken.text());
      const std::string what = fmt::format("{} with {}={}", sample.path, wrong.key, wrong.value);
      const Outcome found = run("vzcfgvalidate broken");
      BOOST_TEST(found.code == 2, what << ": " << found.text());
      BOOST_TEST((found.out.find(wrong.severity + ": " + wrong.key + " is ") != std::string::npos),
                 what << ": " << found.text());
      const Outcome mended = run("vzcfgvalidate -r broken");
      BOOST_TEST(mended.code == 0, what << ": " << mended.text());
      BOOST_TEST(run("vzcfgvalidate broken").code == 0, what);
      ++count;
    }
  BOOST_TEST(count > 180U);
}

/// `part` of `whole` in per cent with two decimals, rounded to the nearest.
std::string percent(std::optional<std::uint64_t> part, std::uint64_t whole) {
  if (!part) return "unlim";
  const std::uint64_t hundredths = (*part * 10000 + whole / 2) / whole;
  return fmt::format("{}.{:02}", hundredths / 100, hundredths % 100);
}

BOOST_AUTO_TEST_CASE(promises_of_each_sample_are_those_of_the_formulas) {
  const HostInfo host = kernel().host().info().value();
  BOOST_REQUIRE(host.swap.value == 0);
  const std::uint64_t memory = host.memory.value, low = memory * 4 / 10;
  for (const Numbers& s : all()) {
    const std::string name = s.path.substr(std::string("/etc/vz/conf/ve-").size());
    done("vzctl create 101 --ostemplate busybox --config " + name.substr(0, name.rfind(".conf")));
    const bool vswap = s.vswap();
    // Kernel memory and buffers; with VSwap they are within RAM. Some have a promise that is a
    // limit.
    std::optional<std::uint64_t> kernel_least = 0, kernel_most = 0;
    for (const char* key : {"KMEMSIZE", "TCPRCVBUF", "TCPSNDBUF", "DGRAMRCVBUF", "OTHERSOCKBUF"}) {
      if (vswap) break;
      if (!s.limited(key)) kernel_most.reset();
      if (s.at(key).barrier == kNoLimit) kernel_least.reset();
      if (kernel_most) *kernel_most += s.at(key).limit;
      if (kernel_least) *kernel_least += s.at(key).barrier;
    }
    const auto with_kernel = [&](std::uint64_t pages) -> std::optional<std::uint64_t> {
      if (!kernel_most || pages == kNoLimit) return std::nullopt;
      return pages * 4096 + *kernel_most;
    };
    const std::uint64_t ram = vswap ? s.at("PHYSPAGES").limit : 0;
    const std::uint64_t swap = vswap ? s.at("SWAPPAGES").limit : 0;
    const auto killed_last = with_kernel(vswap ? ram : s.at("OOMGUARPAGES").barrier);
    const auto guaranteed = with_kernel(vswap ? ram + swap : s.at("VMGUARPAGES").barrier);
    const auto allocated =
        vswap ? std::optional<std::uint64_t>() : with_kernel(s.at("PRIVVMPAGES").limit);
    const auto processes = s.limited("NUMPROC") ? std::optional(s.at("NUMPROC").limit)
                                                : std::optional<std::uint64_t>();
    const auto row = [](const char* label, const std::string& promised, const std::string& most) {
      return fmt::format("{:<12} {:>10} {:>11} {:>8}\n", label, "n/a", promised, most);
    };
    const std::string shown = done("vzcalc -v 101");
    for (const std::string& line :
         {row("Low Mem", percent(kernel_least, low), percent(kernel_most, low)),
          row("Total RAM", "n/a", vswap ? percent(ram * 4096, memory) : "n/a"),
          row("Mem + Swap", percent(killed_last, memory), "n/a"),
          row("Alloc. Mem", percent(guaranteed, memory), percent(allocated, memory)),
          row("Num. Proc", "n/a", percent(processes, 32000))})
      BOOST_TEST((shown.find(line) != std::string::npos), s.path << " lacks\n" << line << shown);
    // It is of the present format: nothing is there to be converted.
    const std::string before = file("/etc/vz/conf/101.conf").value();
    done("vzcfgconvert 101");
    BOOST_TEST(file("/etc/vz/conf/101.conf").value() == before, s.path);
    done("vzctl destroy 101");
  }
}

BOOST_AUTO_TEST_CASE(each_value_of_each_sample_scales_and_unlimited_stays) {
  for (const Numbers& s : all()) {
    done("vzcfgscale -a 1.5 -o /scaled " + s.path);
    const Numbers scaled("/scaled", file("/scaled").value());
    for (const auto& [key, value] : s.of) {
      const bool kept = key == "VERSION" || key == "QUOTATIME" || key.starts_with("SLM");
      const auto times = [kept](std::uint64_t number) {
        return kept || number == kNoLimit ? number : (number * 3 + 1) / 2;
      };
      BOOST_TEST((scaled.at(key) == Pair{times(value.barrier), times(value.limit)}),
                 s.path << ": " << key);
    }
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace twinhull::tools
