/// Compiling and starting: function() and whole processes, with an empty ("cold") and with a filled
/// cache ("warm").
/// Each sample is a process of its own (startup.cpp), so that nothing is left over from the last.
#include "bench/process.hpp"
#include "bench/start.hpp"
#include "bench/suites/suites.hpp"
#include "test/support/temp_dir.hpp"

#include <algorithm>
#include <filesystem>
#include <memory>
#include <span>

#include <fmt/format.h>

namespace bench {
namespace {

namespace fs = std::filesystem;
using kroton::test::TempDir;

/// What a C++ program that does nothing has in memory.
long empty_kb() {
  static const long kb = [] {
    Process empty({beside_this("empty")}, {});
    return std::stol(empty.read_line().value_or("0"));
  }();
  return kb;
}

/// What a start with a filled cache may have beyond that.
constexpr long most_kb_beyond_empty = 12 * 1024;

enum class Cache { empty, filled };

struct Kind {
  const char* suite;
  const char* name;
  const char* size;
  const char* mode;    ///< of startup.cpp
  const char* program; ///< of startup.cpp
  Cache cache;
  Bound bound;
  bool is_process = false; ///< measured from its start instead of by itself
  const char* target = "";
};

constexpr Kind kinds[] = {
    {"start", "function()", "cold", "first", "regression", Cache::empty, {.ns = 300e6}},
    {"start", "main to result", "cold", "result", "regression", Cache::empty, {}},
    // Everything is in the user's directory.
    {"cache", "main to result", "regression", "result", "regression", Cache::filled, {.ns = 5e6}},
    {"cache", "main to result", "network", "result", "network", Cache::filled, {.ns = 5e6}},
    {"cache", "process to result", "regression", "result", "regression", Cache::filled, {}, true},
    {"cache", "process to result", "network", "result", "network", Cache::filled, {}, true},
    {"cache", "function(), first", "regression", "first", "regression", Cache::filled, {}},
    {"cache", "function(), first", "network", "first", "network", Cache::filled, {}},
    // With Clang loaded and warmed up by another function: what a new function costs a program.
    {"compile",
     "compile, cold",
     "activations",
     "loaded",
     "activations",
     Cache::empty,
     {.ns = 15e6}},
    {"compile", "compile, cold", "regression", "loaded", "regression", Cache::empty, {.ns = 100e6}},
    {"compile", "compile, cold", "network", "loaded", "network", Cache::empty, {.ns = 150e6}},
    {"compile", "compile, warm", "activations", "memory", "activations", Cache::filled, {}},
    {"compile",
     "compile, warm",
     "regression",
     "memory",
     "regression",
     Cache::filled,
     {.ns = 0.3e6}},
    {"compile", "compile, warm", "network", "memory", "network", Cache::filled, {.ns = 0.3e6}},
};

constexpr Kind grown(const char* size, const char* program, double ns) {
  return {"growth", "compile, cold", size, "loaded", program, Cache::empty, {.ns = ns}};
}
constexpr Kind grown_warm(const char* size, const char* program, double ns) {
  return {"growth", "main to result", size, "result", program, Cache::filled, {.ns = ns}};
}

/// Functions of many parts of a kind, which differ in constants: a few texts, however many there
/// are.
constexpr Kind growth_kinds[] = {
    grown("300 outputs", "outputs-300", 0.4e9),
    grown("2000 outputs", "outputs-2000", 0.5e9),
    grown("5000 outputs", "outputs-5000", 0.8e9),
    grown("300 reductions", "reductions-300", 1.2e9),
    grown("300 inputs", "inputs-300", 0.2e9),
    grown("300 softmaxes", "softmaxes-300", 3e9),
    grown("300 layers", "layers-300", 0.6e9),
    grown("300 updates", "updates-300", 0.6e9),
    grown_warm("300 outputs", "outputs-300", 10e6),
    grown_warm("300 softmaxes", "softmaxes-300", 10e6),
    grown_warm("300 updates", "updates-300", 10e6),
};

constexpr Kind gpu_kinds[] = {
    // With the first call, which wants what function() does not compile.
    {"gpu",
     "main to result, cold",
     "regression",
     "result",
     "regression",
     Cache::empty,
     {.ns = 250e6},
     false,
     "cuda"},
    {"gpu",
     "main to result, cold",
     "network",
     "result",
     "network",
     Cache::empty,
     {.ns = 250e6},
     false,
     "cuda"},
    {"gpu",
     "main to result",
     "regression",
     "result",
     "regression",
     Cache::filled,
     {.ns = 60e6},
     false,
     "cuda"},
    {"gpu",
     "main to result",
     "network",
     "result",
     "network",
     Cache::filled,
     {.ns = 60e6},
     false,
     "cuda"},
    {"gpu", "process to result", "network", "result", "network", Cache::filled, {}, true, "cuda"},
};

/// Graphs of growing length: time and memory a node stay what they are.
struct Growth {
  const char* shape;
  long nodes;
};

constexpr Growth growths[] = {
    {"chain", 1000},      {"chain", 10000},      {"chain", 100000},
    {"tree", 1000},       {"tree", 10000},       {"tree", 100000},
    {"recurrence", 1000}, {"recurrence", 10000}, {"recurrence", 100000},
};

constexpr double most_ns_a_node = 30e3, most_kb_a_node = 4;

Prepared prepare_growth(const Growth& growth) {
  const std::string program = fmt::format("{}-{}", growth.shape, growth.nodes);
  const auto cache = std::make_shared<TempDir>();
  start("grow", program, cache->path()); // fills the cache: Clang's memory is not the graph's
  const auto last = std::make_shared<Start>();
  const auto nodes = static_cast<double>(growth.nodes);
  System system{.name = "kroton", .bound = {.ns = most_ns_a_node * nodes}};
  system.time = [=](long) {
    *last = start("grow", program, cache->path());
    return last->inner_ns;
  };
  system.remark = [=]() -> std::optional<Remark> {
    const double kb = static_cast<double>(last->resident_kb) / nodes;
    return Remark{fmt::format("{:.1f} us and {:.2f} KB a node", last->inner_ns / 1e3 / nodes, kb),
                  growth.nodes >= 10000 && kb > most_kb_a_node};
  };
  Prepared prepared;
  prepared.systems.push_back(std::move(system));
  prepared.is_single_shot = true;
  return prepared;
}

Prepared prepare(const Kind& kind) {
  struct State {
    std::unique_ptr<TempDir> cache;
    Start last;
    long largest_kb = 0;
    double least_cpu_ns = 1e18;
    bool was_clang_loaded = false, was_compiled = false;
  };
  auto state = std::make_shared<State>();
  state->cache = std::make_unique<TempDir>();
  if (kind.cache == Cache::filled)
    start(kind.mode, kind.program, state->cache->path(), kind.target);

  System system{.name = "kroton", .bound = kind.bound};
  if (kind.cache == Cache::empty)
    system.before_round = [state] { state->cache = std::make_unique<TempDir>(); };
  system.time = [state, &kind](long) {
    const Start s = start(kind.mode, kind.program, state->cache->path(), kind.target);
    state->last = s;
    state->largest_kb = std::max(state->largest_kb, s.resident_kb);
    state->least_cpu_ns = std::min(state->least_cpu_ns, s.cpu_ns);
    state->was_clang_loaded = state->was_clang_loaded || s.is_clang_loaded;
    state->was_compiled = state->was_compiled || s.compiled > 0;
    return kind.is_process ? s.process_ns : s.inner_ns;
  };
  system.remark = [state, &kind]() -> std::optional<Remark> {
    // With a filled cache nothing is compiled, and so the compiler is not even loaded.
    const long beyond_kb = state->largest_kb - empty_kb();
    const bool is_compiler_used = state->was_clang_loaded || state->was_compiled;
    if (*kind.target)
      return Remark{
          fmt::format("{} compiled, the device's context {:.0f} ms apart, {:.1f} ms of CPU",
                      state->last.compiled, state->last.context_ns / 1e6,
                      state->least_cpu_ns / 1e6),
          kind.cache == Cache::filled && is_compiler_used};
    const bool is_violation =
        kind.cache == Cache::filled && (is_compiler_used || beyond_kb > most_kb_beyond_empty);
    return Remark{fmt::format("{} compiled, LLVM {}, {:.1f} MB beyond an empty program, {:.1f} ms "
                              "of CPU",
                              state->last.compiled,
                              state->was_clang_loaded ? "loaded" : "not loaded",
                              static_cast<double>(beyond_kb) / 1024, state->least_cpu_ns / 1e6),
                  is_violation};
  };
  Prepared prepared;
  prepared.systems.push_back(std::move(system));
  prepared.is_single_shot = true;
  return prepared;
}

void add_kinds(std::span<const Kind> all, std::vector<Case>& cases) {
  for (const Kind& kind : all)
    cases.push_back({.suite = kind.suite,
                     .name = kind.name,
                     .size = kind.size,
                     .prepare = [&kind](const Setting&) { return prepare(kind); },
                     .has_threads = false});
}

} // namespace

void add_gpu_start_cases(std::vector<Case>& cases) { add_kinds(gpu_kinds, cases); }

void add_start_cases(std::vector<Case>& cases) {
  add_kinds(kinds, cases);
  add_kinds(growth_kinds, cases);
  for (const Growth& growth : growths)
    cases.push_back({.suite = "start",
                     .name = fmt::format("growth of a {}", growth.shape),
                     .size = fmt::format("{}", growth.nodes),
                     .prepare = [&growth](const Setting&) { return prepare_growth(growth); },
                     .has_threads = false});
}

} // namespace bench
