#include "bench/report.hpp"

#include <fstream>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace bench {
namespace {

constexpr std::string_view layout =
    "{:<23} {:<18} {:>3}  {:<20} {:>9} {:>9} {:>9} {:>7} {:>7}  {}\n";

std::string rate_text(const Row& row) {
  std::string text;
  if (row.bytes_per_s > 0) text = fmt::format("{:.0f} GB/s", row.bytes_per_s / 1e9);
  if (row.flops_per_s > 0)
    text += fmt::format("{}{:.0f} Gflop/s", text.empty() ? "" : ", ", row.flops_per_s / 1e9);
  return text;
}

std::string bound_text(const Row& row) {
  std::string text;
  if (row.bound.ns) text = fmt::format("<= {}", duration_text(*row.bound.ns));
  if (row.bound.of_limit && row.of_limit) text = fmt::format("<= {:.2f}x", *row.bound.of_limit);
  if (row.bound.of_peer && row.of_peer)
    text += fmt::format(", <= {:.2f}x {}", *row.bound.of_peer, row.peer);
  if (row.speedup)
    text += fmt::format("{}{:.2f} x one thread's speed", text.empty() ? "" : ", ", *row.speedup);
  if (row.is_over()) text += text.empty() ? "OVER" : "  OVER";
  for (const std::string& more : {rate_text(row), row.remark ? row.remark->text : std::string()})
    if (!more.empty()) text += (text.empty() ? "" : "  ") + more;
  return text;
}

} // namespace

std::string duration_text(double ns) {
  const auto with = [](double v, std::string_view unit) {
    return fmt::format("{:.{}f} {}", v, v < 10 ? 2 : v < 100 ? 1 : 0, unit);
  };
  if (ns < 999.5) return with(ns, "ns");
  if (ns < 999.5e3) return with(ns / 1e3, "us");
  if (ns < 999.5e6) return with(ns / 1e6, "ms");
  return with(ns / 1e9, "s ");
}

std::string table_head() {
  return fmt::format(layout, "case", "size", "thr", "system", "median", "p10", "p90", "x limit",
                     "x peer", "bound");
}

std::string table_rows(std::span<const Row> rows) {
  std::string text;
  for (const Row& row : rows) {
    const bool is_first = &row == rows.data();
    std::string line = fmt::format(
        layout, is_first ? row.name : "", is_first ? row.size : "", row.threads, row.system,
        duration_text(row.median_ns), duration_text(row.p10_ns), duration_text(row.p90_ns),
        row.of_limit ? fmt::format("{:.2f}", *row.of_limit) : "",
        row.of_peer ? fmt::format("{:.2f}", *row.of_peer) : "", bound_text(row));
    line.erase(line.find_last_not_of(" \n") + 1);
    text += line + "\n";
  }
  return text;
}

void write_json(const std::filesystem::path& file, std::span<const Row> rows) {
  using Json = nlohmann::ordered_json;
  Json all = Json::array();
  for (const Row& row : rows) {
    Json& json = all.emplace_back(Json{{"suite", row.suite},
                                       {"case", row.name},
                                       {"size", row.size},
                                       {"threads", row.threads},
                                       {"system", row.system},
                                       {"median_ns", row.median_ns},
                                       {"p10_ns", row.p10_ns},
                                       {"p90_ns", row.p90_ns}});
    const auto number = [&](const char* name, const std::optional<double>& value) {
      if (value) json[name] = *value;
    };
    number("of_limit", row.of_limit);
    number("bound_of_limit", row.bound.of_limit);
    number("bound_ns", row.bound.ns);
    number("of_peer", row.of_peer);
    number("speedup", row.speedup);
    if (row.bytes_per_s > 0) json["bytes_per_s"] = row.bytes_per_s;
    if (row.flops_per_s > 0) json["flops_per_s"] = row.flops_per_s;
    if (!row.peer.empty()) json["peer"] = row.peer;
    if (row.remark) json["remark"] = row.remark->text;
    json["is_over"] = row.is_over();
  }
  std::ofstream out(file);
  out << all.dump(2) << '\n';
  out.flush();
  if (!out) throw std::runtime_error(fmt::format("cannot write {}", file.string()));
}

} // namespace bench
