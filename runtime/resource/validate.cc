#include "runtime/resource/validate.h"

#include <fmt/format.h>

#include <map>

#include "runtime/config/ct_settings.h"
#include "runtime/resource/amounts.h"
#include "runtime/resource/beancounters.h"

namespace twinhull::resource {
namespace {

constexpr std::uint64_t kProcessMemory = 40960;   ///< kernel memory of a process, bytes
constexpr std::uint64_t kFileMemory = 384;        ///< dentry and inode of a file, bytes
constexpr std::uint64_t kSocketMemory = 2560;     ///< what a socket must be able to hold, bytes
constexpr std::uint64_t kLeastTcpBuffer = 65536;  ///< bytes
constexpr std::uint64_t kLeastDatagrams = 32768;
constexpr std::uint64_t kAdvisedDatagrams = 129 * 1024;

class Validator {
 public:
  Validator(ConfigFile& file, const NodeConfig& node, const std::optional<HostInfo>& host,
            const RepairChoice& repair)
      : file_(file), mended_(file), node_(node), host_(host), repair_(repair) {}

  Result<std::vector<Finding>> run() {
    TH_TRY(read());
    TH_TRY(shapes());
    const BarrierLimit* memory = find("physpages");
    if (memory != nullptr && memory->limit != kUnlimited)
      TH_TRY(vswap());
    else
      TH_TRY(legacy());
    TH_TRY(disk("DISKSPACE", QuantityUnit::kibibytes));
    TH_TRY(disk("DISKINODES", QuantityUnit::bytes));
    // All other values: what the reader of CTID.conf refuses first.
    const auto settings = interpret_ct_settings(mended_, node_, CtId{0}, "the file");
    if (!settings) findings_.push_back({Severity::error, "", settings.error().message(), {}});
    return std::move(findings_);
  }

 private:
  BarrierLimit* find(std::string_view name) {
    const auto found = values_.find(name);
    return found == values_.end() ? nullptr : &found->second;
  }

  Status read() {
    for (const Beancounter& counter : beancounters()) {
      std::optional<std::string> text = file_.get(counter.key);
      std::string_view key = counter.key;
      for (const std::string_view legacy : counter.legacy_keys) {
        if (text || legacy.empty()) continue;
        text = file_.get(legacy);
        key = legacy;
      }
      if (!text || text->empty()) continue;
      const auto value = parse_barrier_limit(*text, counter.unit);
      if (value) {
        values_.emplace(counter.name, *value);
        continue;
      }
      mended_.unset(key);
      findings_.push_back({Severity::error, std::string(key), value.error().message(), {}});
    }
    return {};
  }

  Status note(Severity severity, std::string_view key, std::string text, std::string fix,
              const std::function<void()>& take) {
    Finding finding{severity, std::string(key), std::move(text), std::move(fix)};
    TH_TRY(mended_.set(key, *finding.fix));
    if (repair_ && repair_(finding)) {
      TH_TRY(file_.set(key, *finding.fix));
      take();
      finding.repaired = true;
    }
    findings_.push_back(std::move(finding));
    return {};
  }

  /// A beancounter that should be `wanted`.
  Status amend(Severity severity, std::string_view name, std::string rule, BarrierLimit wanted) {
    BarrierLimit& value = *find(name);
    const Beancounter& counter = *find_beancounter(name);
    std::string text =
        fmt::format("{} is {}, but {}", counter.key, beancounter_text(name, value), rule);
    return note(severity, counter.key, std::move(text), beancounter_text(name, wanted),
                [&value, wanted] { value = wanted; });
  }

  /// Barrier against limit.
  Status shapes() {
    for (const Beancounter& counter : beancounters()) {
      const BarrierLimit* value = find(counter.name);
      if (value == nullptr || value->barrier == value->limit) continue;
      if (counter.name == "physpages" || counter.name == "swappages") continue;
      if (has_one_value(counter.name)) {
        const std::uint64_t most = std::max(value->barrier, value->limit);
        TH_TRY(amend(Severity::error, counter.name, "barrier and limit should be equal",
                     {most, most}));
      } else if (value->barrier > value->limit) {
        TH_TRY(amend(Severity::error, counter.name, "the barrier should not be above the limit",
                     {value->barrier, value->barrier}));
      }
    }
    return {};
  }

  Status unlimited_limit(std::string_view name) {
    const BarrierLimit* value = find(name);
    if (value == nullptr || value->limit == kUnlimited) return {};
    return amend(Severity::error, name, "its limit should be unlimited",
                 {value->barrier, kUnlimited});
  }

  /// Memory given as RAM and swap.
  Status vswap() {
    for (const auto& [name, what] :
         {std::pair{"physpages", "memory"}, std::pair{"swappages", "swap"}}) {
      const BarrierLimit* value = find(name);
      if (value == nullptr) continue;
      if (value->barrier != 0 && value->barrier != value->limit)
        TH_TRY(amend(Severity::error, name, "the barrier should be 0 or the limit",
                     {value->limit, value->limit}));
      if (!host_ || value->limit == kUnlimited) continue;
      const Bytes has = name == std::string_view("physpages") ? host_->memory : host_->swap;
      const std::uint64_t most = has.value / kPageSize;
      if (value->limit > most)
        TH_TRY(amend(Severity::warning, name,
                     fmt::format("this node has {} pages of {}", most, what),
                     {value->barrier == 0 ? 0 : most, most}));
    }
    return {};
  }

  /// Memory given as beancounters. Rules about parameters that are not stated do not apply.
  Status legacy() {
    TH_TRY(unlimited_limit("vmguarpages"));
    TH_TRY(unlimited_limit("oomguarpages"));
    if (const BarrierLimit* pages = find("physpages"); pages != nullptr && pages->barrier != 0)
      TH_TRY(amend(Severity::warning, "physpages", "it is only counted: 0:unlimited is expected",
                   {0, kUnlimited}));
    TH_TRY(directory_cache());
    TH_TRY(kernel_memory());
    const BarrierLimit* guaranteed = find("vmguarpages");
    const BarrierLimit* allocated = find("privvmpages");
    if (guaranteed != nullptr && allocated != nullptr && allocated->barrier < guaranteed->barrier)
      TH_TRY(amend(Severity::warning, "privvmpages",
                   fmt::format("its barrier should not be below that of VMGUARPAGES, {}",
                               quantity_text(guaranteed->barrier)),
                   {guaranteed->barrier, std::max(allocated->limit, guaranteed->barrier)}));
    TH_TRY(least_barrier("tcpsndbuf", kLeastTcpBuffer));
    TH_TRY(least_barrier("tcprcvbuf", kLeastTcpBuffer));
    TH_TRY(socket_gap(Severity::error, "tcpsndbuf", "numtcpsock"));
    TH_TRY(socket_gap(Severity::warning, "tcprcvbuf", "numtcpsock"));
    TH_TRY(socket_gap(Severity::error, "othersockbuf", "numothersock"));
    TH_TRY(least_barrier("dgramrcvbuf", kLeastDatagrams));
    const BarrierLimit* datagrams = find("dgramrcvbuf");
    if (datagrams != nullptr && datagrams->barrier < kAdvisedDatagrams)
      TH_TRY(amend(Severity::recommendation, "dgramrcvbuf",
                   fmt::format("{} bytes let the largest datagrams through", kAdvisedDatagrams),
                   {kAdvisedDatagrams, std::max(datagrams->limit, kAdvisedDatagrams)}));
    return {};
  }

  Status directory_cache() {
    const BarrierLimit* cache = find("dcachesize");
    const BarrierLimit* open = find("numfile");
    if (cache == nullptr || open == nullptr || cache->limit == kUnlimited) return {};
    const std::uint64_t need = times(open->limit, kFileMemory);
    if (cache->limit > need) return {};
    return amend(Severity::warning, "dcachesize",
                 fmt::format("its limit should be above NUMFILE x {} = {}", kFileMemory,
                             quantity_text(need)),
                 {cache->barrier, plus(need, kFileMemory)});
  }

  Status kernel_memory() {
    const BarrierLimit* memory = find("kmemsize");
    const BarrierLimit* cache = find("dcachesize");
    if (memory == nullptr || cache == nullptr || memory->barrier == kUnlimited) return {};
    const BarrierLimit* stated = find("avnumproc");
    const BarrierLimit* most = find("numproc");
    if (stated == nullptr && most == nullptr) return {};
    const std::uint64_t processes =
        stated != nullptr ? stated->barrier
                          : (most->barrier == kUnlimited ? kUnlimited : most->barrier / 2);
    const std::uint64_t need = plus(times(processes, kProcessMemory), cache->limit);
    if (memory->barrier > need) return {};
    const std::uint64_t barrier = plus(need, kProcessMemory);
    return amend(Severity::error, "kmemsize",
                 fmt::format("its barrier should be above {} x AVNUMPROC + the limit of DCACHESIZE "
                             "= {}",
                             kProcessMemory, quantity_text(need)),
                 {barrier, plus(barrier, minus(memory->limit, memory->barrier))});
  }

  Status least_barrier(std::string_view name, std::uint64_t least) {
    const BarrierLimit* value = find(name);
    if (value == nullptr || value->barrier >= least) return {};
    return amend(Severity::warning, name, fmt::format("its barrier should be at least {}", least),
                 {least, std::max(value->limit, least)});
  }

  Status socket_gap(Severity severity, std::string_view buffer, std::string_view sockets) {
    const BarrierLimit* value = find(buffer);
    const BarrierLimit* number = find(sockets);
    if (value == nullptr || number == nullptr || value->limit == kUnlimited) return {};
    const std::uint64_t need = times(number->limit, kSocketMemory);
    if (need != kUnlimited && value->limit - value->barrier > need && value->limit > value->barrier)
      return {};
    return amend(severity, buffer,
                 fmt::format("the limit should be above the barrier by more than {} x {} = {}",
                             kSocketMemory, find_beancounter(sockets)->key, quantity_text(need)),
                 {value->barrier, plus(value->barrier, plus(need, kSocketMemory))});
  }

  Status disk(std::string_view key, QuantityUnit unit) {
    const auto text = file_.get(key);
    if (!text || text->empty()) return {};
    const auto value = parse_barrier_limit(*text, unit);
    if (!value) {
      mended_.unset(key);
      findings_.push_back({Severity::error, std::string(key), value.error().message(), {}});
      return {};
    }
    if (value->barrier <= value->limit) return {};
    return note(
        Severity::error, key,
        fmt::format("{} is {}, but the soft limit should not be above the hard one", key, *text),
        barrier_limit_text({value->barrier, value->barrier}), [] {});
  }

  ConfigFile& file_;
  ConfigFile mended_;  ///< as if all were repaired: what is left wrong there is something else
  const NodeConfig& node_;
  const std::optional<HostInfo>& host_;
  const RepairChoice& repair_;
  std::map<std::string, BarrierLimit, std::less<>> values_;
  std::vector<Finding> findings_;
};

}  // namespace

std::string_view to_string(Severity severity) {
  switch (severity) {
    case Severity::error: return "Error";
    case Severity::warning: return "Warning";
    case Severity::recommendation: break;
  }
  return "Recommendation";
}

bool is_problem(const Finding& finding) {
  return !finding.repaired && finding.severity != Severity::recommendation;
}

Result<std::vector<Finding>> validate(ConfigFile& file, const NodeConfig& node,
                                      const std::optional<HostInfo>& host,
                                      const RepairChoice& repair) {
  return Validator(file, node, host, repair).run();
}

}  // namespace twinhull::resource
