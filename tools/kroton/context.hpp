#pragma once
/// What every command is given, and how it ends.
///
///   int list(const ListOptions& options, Context& context) {
///     context.print("…\n");
///     return status::fine;
///   }
#include <filesystem>
#include <stdexcept>
#include <string>
#include <string_view>

#include <nlohmann/json_fwd.hpp>

#include "tools/kroton/terminal.hpp"

namespace kroton::tool {

/// Members stay in the order in which they were added.
using Json = nlohmann::ordered_json;

/// Exit statuses, as docs/kroton.md promises them.
namespace status {
inline constexpr int fine = 0;
inline constexpr int wrong = 1;  ///< Something is damaged, refused or not there.
inline constexpr int usage = 2;  ///< The command line makes no sense.
inline constexpr int failed = 3; ///< The system did not let us: permissions, disk, network.
} // namespace status

/// Ends the command with a message.
class Failure : public std::runtime_error {
public:
  Failure(int status, const std::string& message) : std::runtime_error(message), status_(status) {}
  int status() const { return status_; }

private:
  int status_;
};

class Context {
public:
  /// The cache directory to work on, and why there is none if it is empty.
  std::filesystem::path directory;
  std::string no_directory;
  bool is_directory_given = false; ///< On the command line.
  bool wants_json = false;
  Style style{stdout};

  /// Writes to stdout. That nobody reads it any more shows at the end, in `finish`.
  void print(std::string_view text);
  /// Indented, with a line feed at its end. Bytes of strings that are not UTF-8 become U+FFFD; on a
  /// terminal, characters beyond ASCII are escaped.
  void print_json(const Json&);
  /// Text from an entry: exact into a file or pipe, harmless on a terminal.
  void print_foreign(std::string_view text);
  /// A line on stderr.
  void warn(std::string_view message) const;

  /// Flushes; the status becomes `failed` if something could not be written. A reader that has
  /// gone (`kroton cache ls | head`) is no failure.
  int finish(int status);

private:
  int error_ = 0;
};

} // namespace kroton::tool
