#pragma once
/// Other programs, run for what they print.
///
///   Process peer({"python3", "peers.py"}, {{"OMP_NUM_THREADS", "1"}});
///   peer.write_line("round numpy");
///   std::optional<std::string> answer = peer.read_line();      // nothing once it has ended
#include <cstdio>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <sys/types.h>

namespace bench {

class Process {
public:
  /// Starts `command` with more variables in its environment. Throws std::runtime_error.
  Process(const std::vector<std::string>& command,
          const std::vector<std::pair<std::string, std::string>>& environment);
  /// Closes its input and waits for it to end.
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  void write_line(const std::string& line);
  std::optional<std::string> read_line();

private:
  pid_t id_ = -1;
  std::FILE* to_ = nullptr;
  std::FILE* from_ = nullptr;
};

} // namespace bench
