#pragma once
/// The memory of this program alone. getrusage's largest resident set is also that of the program
/// that started this one, if it was larger.
///
///   long kb = bench::resident_kb();
#include <fstream>
#include <string>

namespace bench {

/// The largest resident set so far, in KB, as Linux tells it; 0 if it does not.
inline long resident_kb() {
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;)
    if (word == "VmHWM:") {
      long kb = 0;
      status >> kb;
      return kb;
    }
  return 0;
}

} // namespace bench
