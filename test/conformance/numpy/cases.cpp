#include "test/conformance/numpy/cases.hpp"

#include <charconv>
#include <fstream>
#include <sstream>
#include <stdexcept>

#include "lib/support/visit_dtype.hpp"

namespace kroton::test {
namespace {

template <class T> T parse(std::string_view text) {
  if constexpr (std::is_same_v<T, bool>) {
    return parse<int>(text) != 0;
  } else {
    T value{};
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size())
      throw std::runtime_error("no number: " + std::string(text));
    return value;
  }
}

std::vector<std::string_view> split(std::string_view text, char by) {
  std::vector<std::string_view> parts;
  for (std::size_t at = 0; at <= text.size();) {
    const std::size_t end = std::min(text.find(by, at), text.size());
    if (end > at) parts.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return parts;
}

DType dtype_named(std::string_view name) {
  for (const DTypeRow& row : dtype_rows)
    if (row.name == name) return row.dtype;
  throw std::runtime_error("no dtype: " + std::string(name));
}

/// `f32 2,3 : 1 2 3 4 5 6`, its elements in `as` if that is given.
Array parse_array(std::string_view text, std::optional<DType> as = {}) {
  const std::vector<std::string_view> words = split(text, ' ');
  if (words.size() < 3 || words[2] != ":") throw std::runtime_error("no array");
  Shape shape;
  if (words[1] != "-")
    for (std::string_view n : split(words[1], ',')) shape.push_back(parse<std::int64_t>(n));
  Array a = Array::empty(as.value_or(dtype_named(words[0])), shape);
  if (static_cast<std::size_t>(a.numel()) != words.size() - 3)
    throw std::runtime_error("elements do not fill the shape");
  support::visit_dtype(a.dtype(), [&]<class T>(std::type_identity<T>) {
    T* to = a.data<T>();
    for (std::size_t i = 3; i < words.size(); ++i) {
      // The digits of a result may round past the largest number of its dtype.
      if constexpr (std::is_same_v<T, float>)
        to[i - 3] = static_cast<float>(parse<double>(words[i]));
      else
        to[i - 3] = parse<T>(words[i]);
    }
  });
  return a;
}

} // namespace

std::string Parameters::text(const std::string& name, const std::string& otherwise) const {
  const auto found = texts_.find(name);
  return found == texts_.end() ? otherwise : found->second;
}
std::int64_t Parameters::number(const std::string& name, std::int64_t otherwise) const {
  return has(name) ? parse<std::int64_t>(texts_.at(name)) : otherwise;
}
double Parameters::real(const std::string& name, double otherwise) const {
  return has(name) ? parse<double>(texts_.at(name)) : otherwise;
}
std::vector<std::int64_t> Parameters::numbers(const std::string& name) const {
  std::vector<std::int64_t> all;
  for (std::string_view n : split(text(name), ',')) all.push_back(parse<std::int64_t>(n));
  return all;
}
Axes Parameters::axes(const std::string& name, Axes otherwise) const {
  if (!has(name)) return otherwise;
  Axes axes;
  for (std::int64_t a : numbers(name)) axes.push_back(static_cast<int>(a));
  return axes;
}

std::vector<NumpyCase> read_numpy_cases(const std::filesystem::path& file) {
  std::ifstream in(file);
  if (!in) throw std::runtime_error("cannot read " + file.string());
  std::vector<NumpyCase> cases;
  std::map<std::string, Array, std::less<>> shared;
  int number = 0;
  try {
    for (std::string line; std::getline(in, line);) {
      ++number;
      const std::string_view text = line;
      const std::string_view first = text.substr(0, text.find(' '));
      const std::string_view rest = text.substr(std::min(first.size() + 1, text.size()));
      if (text.empty() || text[0] == '#') continue;
      if (text[0] == '@') {
        shared.emplace(first, parse_array(rest));
      } else if (text[0] == ' ') {
        cases.back().arguments.push_back(rest.starts_with('@') ? shared.find(rest)->second
                                                               : parse_array(rest));
      } else if (first == "=") {
        const Array got = parse_array(rest);
        cases.back().results.push_back(got);
        cases.back().exact.push_back(is_float(got.dtype()) ? parse_array(rest, DType::f64) : got);
      } else if (first == "ulp") {
        cases.back().ulps = parse<double>(rest);
      } else if (first == "within") {
        cases.back().within = parse<double>(rest);
      } else {
        NumpyCase& c = cases.emplace_back();
        c.file = file.filename().string();
        c.line = number;
        c.text = line;
        c.name = std::string(first);
        for (std::string_view word : split(rest, ' ')) {
          const std::size_t equals = word.find('=');
          if (equals == word.npos) throw std::runtime_error("no parameter: " + std::string(word));
          c.parameters.set(std::string(word.substr(0, equals)),
                           std::string(word.substr(equals + 1)));
        }
      }
    }
  } catch (const std::runtime_error& e) {
    throw std::runtime_error(file.string() + ":" + std::to_string(number) + ": " + e.what());
  }
  return cases;
}

} // namespace kroton::test
