#pragma once
/// Cases of calls, arguments and results that NumPy, SciPy and mpmath gave, read from the files
/// that cases.py writes; it describes their form.
///
///   for (const NumpyCase& c : read_numpy_cases("reductions.txt")) …
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <kroton/core.hpp>

namespace kroton::test {

/// A call's parameters, `axes=0,1 keepdims=1`.
class Parameters {
public:
  void set(const std::string& name, std::string text) { texts_[name] = std::move(text); }
  bool has(const std::string& name) const { return texts_.contains(name); }
  std::string text(const std::string& name, const std::string& otherwise = "") const;
  std::int64_t number(const std::string& name, std::int64_t otherwise = 0) const;
  double real(const std::string& name, double otherwise = 0) const;
  bool flag(const std::string& name) const { return number(name) != 0; }
  std::vector<std::int64_t> numbers(const std::string& name) const;
  Axes axes(const std::string& name = "axes", Axes otherwise = {}) const;
  int axis(int otherwise = -1) const { return static_cast<int>(number("axis", otherwise)); }

private:
  std::map<std::string, std::string> texts_;
};

struct NumpyCase {
  std::string file;
  int line = 0;
  std::string text; ///< the call, for messages
  std::string name;
  Parameters parameters;
  std::vector<Array> arguments;
  std::vector<Array> results;
  std::vector<Array> exact; ///< of floats: the results in f64, not rounded
  double ulps = 0;          ///< negative: what the row of the op says
  double within = 0;
};

/// Throws std::runtime_error with file and line for what it cannot read.
std::vector<NumpyCase> read_numpy_cases(const std::filesystem::path& file);

/// How a call of the cases is written with Kroton.
struct NumpyCall {
  std::string_view name;
  std::function<std::vector<Expr>(const std::vector<Expr>&, const Parameters&)> make;
  bool is_of_known_sizes = false; ///< it needs sizes that are known when it is written
};

/// Null if there is none of that name.
const NumpyCall* find_numpy_call(std::string_view name);

} // namespace kroton::test
