#pragma once
/// Starts of startup.cpp, which was built with this program, and what they tell.
///
///   Start s = start("result", "regression", cache);          // s.inner_ns, s.is_clang_loaded, …
#include <filesystem>
#include <string>

namespace bench {

struct Start {
  double inner_ns = 0, process_ns = 0;
  bool is_clang_loaded = false;
  int compiled = 0;
  long resident_kb = 0;
  double cpu_ns = 0;
  double context_ns = 0; ///< of a device, part of neither `inner_ns` nor anything but the process
};

/// A program that was built with this one.
std::string beside_this(const char* name);

/// Runs `startup mode program` with kernels kept in `cache`, for a target such as "cuda" or, if
/// that is empty, for what the environment says. Throws std::runtime_error if it ends without a
/// figure.
Start start(const std::string& mode, const std::string& program, const std::filesystem::path& cache,
            const std::string& target = {});

} // namespace bench
