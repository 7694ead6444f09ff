#include "examples/support/arguments.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <sstream>
#include <string_view>
#include <utility>

namespace examples {
namespace {

/// The number that is all of `text`, false if there is none.
template <class T> bool parse_number(const std::string& text, T& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() && !text.empty();
}

std::string number_text(float value) {
  std::ostringstream out;
  out << value;
  return out.str();
}

} // namespace

Arguments::Arguments(std::string program, std::string purpose)
    : program_(std::move(program)), purpose_(std::move(purpose)) {}

void Arguments::add(std::string name, std::string placeholder, std::string help,
                    std::int64_t& value, std::int64_t least) {
  auto set = [name, &value, least](const std::string& text) {
    std::int64_t parsed = 0;
    if (!parse_number(text, parsed) || parsed < least)
      throw BadArgument(name + ": expected a whole number from " + std::to_string(least) +
                        " on, got '" + text + "'");
    value = parsed;
  };
  options_.push_back({std::move(name), std::move(placeholder), std::move(help),
                      std::to_string(value), std::move(set)});
}

void Arguments::add(std::string name, std::string placeholder, std::string help, float& value) {
  auto set = [name, &value](const std::string& text) {
    float parsed = 0;
    if (!parse_number(text, parsed) || !std::isfinite(parsed) || parsed <= 0)
      throw BadArgument(name + ": expected a number above 0, got '" + text + "'");
    value = parsed;
  };
  options_.push_back({std::move(name), std::move(placeholder), std::move(help), number_text(value),
                      std::move(set)});
}

void Arguments::add(std::string name, std::string placeholder, std::string help,
                    std::string& value) {
  auto set = [name, placeholder, &value](const std::string& text) {
    if (text.empty()) throw BadArgument(name + ": expected " + placeholder + ", got nothing");
    value = text;
  };
  options_.push_back(
      {std::move(name), std::move(placeholder), std::move(help), value, std::move(set)});
}

bool Arguments::parse(int argc, const char* const* argv, std::ostream& out) const {
  const std::string see_help = "; " + program_ + " --help names the options";
  for (int i = 1; i < argc; ++i) {
    const std::string given = argv[i];
    if (given == "--help" || given == "-h") {
      write_help(out);
      return false;
    }
    const std::size_t equals = given.starts_with("--") ? given.find('=') : std::string::npos;
    const std::string name = given.substr(0, equals);
    const auto option = std::find_if(options_.begin(), options_.end(),
                                     [&](const Option& o) { return o.name == name; });
    if (option == options_.end()) throw BadArgument("unknown option '" + given + "'" + see_help);
    if (equals != std::string::npos) {
      option->set(given.substr(equals + 1));
    } else {
      if (i + 1 == argc) throw BadArgument(name + ": expected " + option->placeholder + see_help);
      option->set(argv[++i]);
    }
  }
  return true;
}

void Arguments::write_help(std::ostream& out) const {
  out << program_ << " [OPTION VALUE]...   " << purpose_ << "\n\n";
  std::size_t width = std::string_view("--help").size();
  for (const Option& o : options_)
    width = std::max(width, o.name.size() + 1 + o.placeholder.size());
  auto line = [&](const std::string& left, const std::string& help, const std::string& preset) {
    out << "  " << left << std::string(width - left.size() + 2, ' ') << help;
    if (!preset.empty()) out << " (" << preset << ")";
    out << '\n';
  };
  for (const Option& o : options_) line(o.name + ' ' + o.placeholder, o.help, o.preset);
  line("--help", "this text", "");
}

} // namespace examples
