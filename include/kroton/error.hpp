#pragma once
/// Errors: one class per kind of mistake, all derived from `kroton::Error`.
///
///   try { f({a}); } catch (const kroton::ShapeError& e) { std::cerr << e.what(); }
///
/// `what()` is the whole text:
///   dot: contracted axes differ: W f32[784,10] has 10 on axis 1, x f32[784] has 784 on axis 0
///     at train.cpp:41; W from train.cpp:12, x from train.cpp:15
///     hint: dot(x, W) or dot(transpose(W), x)
#include <exception>
#include <source_location>
#include <string>
#include <string_view>

namespace kroton {

/// Where the user wrote something; printed as `file.cpp:41`.
using Location = std::source_location;

/// The parts of an error's text.
struct ErrorText {
  std::string op;      ///< The op, function or option at fault, e.g. "dot".
  std::string message; ///< What was expected and what was got; lower case, no full stop.
  std::string place;   ///< "train.cpp:41; W from train.cpp:12"; may be empty.
  std::string hint;    ///< What to do or write instead; may be empty.
};

/// Base of everything Kroton throws.
class Error : public std::exception {
public:
  explicit Error(ErrorText text);
  const char* what() const noexcept override { return what_.c_str(); }
  const ErrorText& text() const noexcept { return text_; }

private:
  ErrorText text_;
  std::string what_;
};

/// A dtype that an op, an argument or an accessor does not take.
struct TypeError : Error {
  using Error::Error;
};
/// Shapes, ranks, axes or strides that do not fit, when building or when calling.
struct ShapeError : Error {
  using Error::Error;
};
/// An index outside its axis, met while running.
struct IndexError : Error {
  using Error::Error;
};
/// A NaN or an infinity that Mode::nan_guard met.
struct NumericError : Error {
  using Error::Error;
};
/// A graph that cannot be compiled or differentiated: free variables, duplicate updates, ...
struct GraphError : Error {
  using Error::Error;
};
/// Something that Kroton does not do (yet), or not on this target.
struct UnsupportedError : Error {
  using Error::Error;
};
/// The compiler refused generated source, or no compiler could be loaded.
struct CompileError : Error {
  using Error::Error;
};
/// A device, its memory or its driver failed.
struct DeviceError : Error {
  using Error::Error;
};
/// A file could not be read or written, or holds something else than expected.
struct FileError : Error {
  using Error::Error;
};
/// A promise of Kroton's own was broken: a bug in Kroton, never the user's mistake.
struct InternalError : Error {
  using Error::Error;
};

} // namespace kroton
