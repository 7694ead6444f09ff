/// `./dev bench`: Kroton beside hand-written code and, if asked for, other libraries.
#include "bench/limit/limit.hpp"
#include "bench/measure.hpp"
#include "bench/peers.hpp"
#include "bench/report.hpp"
#include "bench/suites/suites.hpp"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <map>

#include <unistd.h>

#include <fmt/format.h>
#include <kroton/core.hpp>

namespace bench {
namespace {

constexpr std::string_view help = R"(bench: Kroton's speed beside hand-written code

  --suite NAME     only the cases of one suite: start, compile, growth, cache, call, elementwise,
                   rows, arrangement, cliffs, derivatives, training, network, products,
                   linear-algebra, host, nvrtc, gpu
  --filter TEXT    only the cases whose name and size contain TEXT, such as "softmax" or "1e7"
  --threads LIST   threads a call may use, one run for each, such as 1,2; default 1
                   (the hand-written code always uses one)
  --small          small sizes in suite gpu, to try it where there is no such device to measure
  --rounds N       rounds of each case; default 25 (a third of it where a round starts a process)
  --peers          also other libraries, with the Python that KROTON_PEERS_PYTHON names, else python3
  --json FILE      writes the rows: case, size, threads, system, median_ns, p10_ns, p90_ns, ratios,
                   remarks
  --svg FILE       draws them (an option of ./dev bench, which gives the rows to bench/picture.py)
  --check-gpu      only says what suite gpu would run on; status 3 if on nothing
  --compile-cpu    only compiles what suite gpu runs on the CPU, for machines without a compiler
  --list           the cases
  --help           this text

All systems of a case take turns within each round. The table shows medians over rounds, the tenth
and ninetieth percentile, and the medians of the ratios to the hand-written code ("x limit") and to
the fastest other library ("x peer") of the same round. A row over its bound says OVER.
)";

struct Arguments {
  std::string suite, filter, json;
  std::vector<int> threads = {1};
  Rounds rounds;
  bool wants_peers = false, wants_list = false, wants_help = false, is_small = false,
       wants_gpu_check = false, wants_cpu_code = false;
};

[[noreturn]] void usage(const std::string& message) {
  throw std::invalid_argument(message + "; see --help");
}

int number(std::string_view option, std::string_view text) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < 1)
    usage(fmt::format("{} takes whole numbers from 1 on, not \"{}\"", option, text));
  return value;
}

Arguments parse(int argc, char** argv) {
  Arguments a;
  for (int i = 1; i < argc; ++i) {
    const std::string_view option = argv[i];
    auto value = [&]() -> std::string_view {
      if (++i == argc) usage(fmt::format("{} needs a value", option));
      return argv[i];
    };
    if (option == "--suite")
      a.suite = value();
    else if (option == "--filter")
      a.filter = value();
    else if (option == "--json")
      a.json = value();
    else if (option == "--rounds") {
      a.rounds.rounds = number(option, value());
      a.rounds.single_shots = std::max(1, a.rounds.rounds / 3);
    } else if (option == "--threads") {
      a.threads.clear();
      std::string_view list = value();
      while (!list.empty()) {
        const std::size_t comma = list.find(',');
        a.threads.push_back(number(option, list.substr(0, comma)));
        list = comma == list.npos ? std::string_view() : list.substr(comma + 1);
      }
      if (a.threads.empty()) usage("--threads needs a value");
    } else if (option == "--peers")
      a.wants_peers = true;
    else if (option == "--small")
      a.is_small = true;
    else if (option == "--compile-cpu")
      a.wants_cpu_code = true;
    else if (option == "--check-gpu")
      a.wants_gpu_check = true;
    else if (option == "--list")
      a.wants_list = true;
    else if (option == "--help" || option == "-h")
      a.wants_help = true;
    else
      usage(fmt::format("unknown option {}", option));
  }
  return a;
}

std::vector<Case> chosen_cases(const Arguments& a) {
  std::vector<Case> cases;
  add_start_cases(cases);
  add_cache_cases(cases);
  add_call_cases(cases);
  add_elementwise_cases(cases);
  add_rows_cases(cases);
  add_arrangement_cases(cases);
  add_sorting_cases(cases);
  add_cliffs_cases(cases);
  add_stencil_cases(cases);
  add_chain_cases(cases);
  add_small_function_cases(cases);
  add_short_axes_cases(cases);
  add_derivative_cases(cases);
  add_training_cases(cases);
  add_network_cases(cases);
  add_product_cases(cases);
  add_linear_algebra_cases(cases);
  add_host_cases(cases);
  add_nvrtc_cases(cases);
  add_gpu_cases(cases, a.is_small);
  if (!a.suite.empty() && std::ranges::find(cases, a.suite, &Case::suite) == cases.end())
    usage(fmt::format("there is no suite \"{}\"", a.suite));
  std::erase_if(cases, [&](const Case& c) {
    return (!a.suite.empty() && c.suite != a.suite) ||
           fmt::format("{} {}", c.name, c.size).find(a.filter) == std::string::npos;
  });
  if (cases.empty()) usage(fmt::format("no case has \"{}\" in its name", a.filter));
  return cases;
}

/// One line of standard error that tells where the run is; nothing where that is no terminal.
class Progress {
public:
  void show(const std::string& text) {
    if (is_terminal_) fmt::print(stderr, "\r\x1b[K{}", text);
  }
  void clear() { show(""); }

private:
  bool is_terminal_ = isatty(STDERR_FILENO) == 1;
};

class Session {
public:
  explicit Session(Arguments arguments)
      : arguments_(std::move(arguments)), cases_(chosen_cases(arguments_)) {}

  int run() {
    if (arguments_.wants_list) {
      for (const Case& c : cases_) fmt::print("{:<12} {} {}\n", c.suite, c.name, c.size);
      return 0;
    }
    if (!limits())
      fmt::print("note: clang++ was not found when this was built, so there is no hand-written "
                 "code to compare with\n");
    leave_out("nvrtc", missing_nvrtc);
    leave_out("gpu", missing_gpu);
    if (arguments_.wants_peers) start_peers();
    fmt::print("{}", table_head());
    std::size_t done = 0;
    for (const Case& c : cases_)
      for (std::size_t i = 0; i < arguments_.threads.size(); ++i) {
        if (!c.has_threads && i > 0) continue;
        progress_.show(fmt::format("[{}/{}] {} {}, {} thread{}", ++done,
                                   cases_.size() * arguments_.threads.size(), c.name, c.size,
                                   arguments_.threads[i], arguments_.threads[i] == 1 ? "" : "s"));
        measure_case(c, arguments_.threads[i]);
      }
    progress_.clear();
    if (!arguments_.json.empty()) write_json(arguments_.json, rows_);
    const auto over = std::ranges::count_if(rows_, &Row::is_over);
    if (over) fmt::print("\n{} of {} rows over their bound\n", over, rows_.size());
    return 0;
  }

private:
  static bool is_gpu(const Case& c) { return c.suite == "gpu"; }

  /// Leaves a suite out, with a line that says so, where what it needs is missing.
  void leave_out(std::string_view suite, std::optional<std::string> (*missing)()) {
    const auto is_of_it = [&](const Case& c) { return c.suite == suite; };
    if (std::ranges::none_of(cases_, is_of_it)) return;
    const auto problem = missing();
    if (!problem) return;
    fmt::print("note: suite {} is left out: {}\n", suite, *problem);
    std::erase_if(cases_, is_of_it);
  }

  /// One process for the GPU, under 0, and one for each number of threads.
  void start_peers() {
    const char* chosen = std::getenv("KROTON_PEERS_PYTHON");
    std::vector<int> wanted;
    if (std::ranges::any_of(cases_, is_gpu)) wanted.push_back(0);
    if (!std::ranges::all_of(cases_, is_gpu))
      wanted.insert(wanted.end(), arguments_.threads.begin(), arguments_.threads.end());
    for (const int threads : wanted) {
      try {
        const auto& peers =
            peers_
                .emplace(threads,
                         std::make_unique<Peers>(chosen && *chosen ? chosen : "python3", threads))
                .first->second;
        fmt::print("peers{}: {}\n", threads == 0 ? " on the GPU" : "", peers->greeting());
      } catch (const std::runtime_error& e) {
        fmt::print("note: no peers: {}\n", e.what());
        return;
      }
    }
  }

  void measure_case(const Case& c, int threads) {
    const Setting setting{threads};
    Prepared prepared = c.prepare(setting);
    if (const auto peers = peers_.find(is_gpu(c) ? 0 : threads); peers != peers_.end())
      for (System& s : peers->second->prepare(c, prepared.checksum))
        prepared.systems.push_back(std::move(s));
    std::vector<Row> rows = measure(c, prepared, setting, arguments_.rounds);
    compare_threads(c, rows);
    progress_.clear();
    fmt::print("{}", table_rows(rows));
    std::fflush(stdout);
    rows_.insert(rows_.end(), rows.begin(), rows.end());
  }

  /// Tells how much faster each of Kroton's rows is than the same one on one thread, if that was
  /// measured. 92.5% of what the threads could give is asked of cases that arithmetic bounds.
  void compare_threads(const Case& c, std::vector<Row>& rows) const {
    for (Row& row : rows) {
      const auto one = std::ranges::find_if(rows_, [&](const Row& r) {
        return r.threads == 1 && r.name == row.name && r.size == row.size && r.system == row.system;
      });
      if (row.threads == 1 || !row.system.starts_with("kroton") || one == rows_.end()) continue;
      row.speedup = one->median_ns / row.median_ns;
      if (c.is_compute_bound) row.least_speedup = 0.925 * row.threads;
    }
  }

  Arguments arguments_;
  std::vector<Case> cases_;
  std::map<int, std::unique_ptr<Peers>> peers_;
  std::vector<Row> rows_;
  Progress progress_;
};

/// The status of the process.
int check_gpu() {
  const auto problem = missing_gpu();
  if (!problem) return 0;
  fmt::print(stderr, "there is no GPU to use: {}\n", *problem);
  return 3;
}

} // namespace
} // namespace bench

int main(int argc, char** argv) {
  try {
    bench::Arguments arguments = bench::parse(argc, argv);
    if (arguments.wants_help) {
      fmt::print("{}", bench::help);
      return 0;
    }
    if (arguments.wants_gpu_check) return bench::check_gpu();
    if (arguments.wants_cpu_code) {
      bench::compile_beside_gpu();
      return 0;
    }
    // ./dev bench --peers sets the variable and keeps the option to itself.
    if (const char* python = std::getenv("KROTON_PEERS_PYTHON"); python && *python)
      arguments.wants_peers = true;
    return bench::Session(std::move(arguments)).run();
  } catch (const std::exception& e) {
    fmt::print(stderr, "bench: {}\n", e.what());
    return 2;
  }
}
