#pragma once
/// A progress bar for terminals, and a few plain lines for everything else.
///
///   examples::Progress progress(std::cout, steps, examples::is_terminal(STDOUT_FILENO));
///   for (int step = 1; step <= steps; ++step) progress.update(step, "loss 0.31  accuracy 0.93");
///   progress.finish("loss 0.12  accuracy 0.96");
#include <chrono>
#include <cstdint>
#include <functional>
#include <ostream>
#include <string>
#include <string_view>

namespace examples {

/// Whether a file descriptor is a terminal that understands a carriage return.
bool is_terminal(int file);

class Progress {
public:
  using Clock = std::function<std::chrono::duration<double>()>;

  /// `total` steps are to come. On a terminal one line is rewritten, at most 20 times a second;
  /// otherwise at most 10 lines are written, the last by `finish`.
  Progress(std::ostream& out, std::int64_t total, bool is_terminal, int columns = 80,
           Clock clock = {});
  /// Ends the line if `finish` was not reached, so that an error does not continue it.
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  /// Whether `update` of this step would show anything: a caller may then compute the text.
  bool is_due(std::int64_t step) const;
  /// `step` steps are done.
  void update(std::int64_t step, std::string_view text);
  /// All are done; shows how long they took.
  void finish(std::string_view text);

private:
  double elapsed() const;
  void draw(std::int64_t step, std::string_view text, std::string_view time);

  std::ostream& out_;
  std::int64_t total_;
  bool is_terminal_;
  int columns_;
  Clock clock_;
  std::chrono::duration<double> start_;
  double next_draw_ = 0;       ///< On a terminal: seconds since the start.
  std::int64_t lines_ = 0;     ///< Otherwise: how many were written.
  bool has_open_line_ = false; ///< On a terminal: the cursor stands behind a bar.
};

} // namespace examples
