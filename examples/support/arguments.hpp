#pragma once
/// Command-line options of the examples: a table of what each takes and where its value goes.
///
///   int epochs = 60;
///   examples::Arguments arguments("train", "Trains a model.");
///   arguments.add("--epochs", "N", "passes over the data", epochs, 1);
///   if (!arguments.parse(argc, argv, std::cout)) return 0;      // --help was asked for
#include <cstdint>
#include <functional>
#include <ostream>
#include <stdexcept>
#include <string>
#include <vector>

namespace examples {

/// An option that is unknown, lacks its value or has one that does not fit.
struct BadArgument : std::runtime_error {
  using std::runtime_error::runtime_error;
};

class Arguments {
public:
  Arguments(std::string program, std::string purpose);

  /// A whole number from `least` on. What `value` holds now is the default that --help shows.
  void add(std::string name, std::string placeholder, std::string help, std::int64_t& value,
           std::int64_t least);
  /// A finite number above 0.
  void add(std::string name, std::string placeholder, std::string help, float& value);
  /// Any text but none.
  void add(std::string name, std::string placeholder, std::string help, std::string& value);

  /// Reads `--name VALUE` and `--name=VALUE` into the values; the last of several counts. Gives
  /// false after writing the help that --help asks for. Throws BadArgument.
  bool parse(int argc, const char* const* argv, std::ostream& out) const;

private:
  struct Option {
    std::string name, placeholder, help, preset;
    std::function<void(const std::string& text)> set;
  };

  void write_help(std::ostream& out) const;

  std::string program_, purpose_;
  std::vector<Option> options_;
};

} // namespace examples
