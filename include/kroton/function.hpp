#pragma once
/// From expressions to compiled code.
///
///   auto x = kt::vector<float>("x"), y = kt::vector<float>("y");
///   kt::Function f = kt::function({x, y}, {2 * x + y});
///   kt::Array out = f(xs, ys);
#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <iosfwd>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <kroton/options.hpp>

namespace kroton {

namespace jit {
class FunctionState;
}

/// What a call gives: the results in order, `r[0]`, and by name, `r["loss"]`, where
/// `Options::output_names` gives names. Where there is one, it is the array, and the number if that
/// has one element: `float loss = step(x, y);`.
class Results : public std::vector<Array> {
public:
  using Names = std::shared_ptr<const std::vector<std::string>>;

  Results() = default;
  Results(std::vector<Array> arrays, Names names = nullptr) noexcept // NOLINT
      : vector(std::move(arrays)), names_(std::move(names)) {}

  using vector::operator[];
  /// Throws GraphError for a name that no output has.
  const Array& operator[](std::string_view name) const;

  /// Throws ShapeError if there are more results than one, or none.
  operator Array() const { return only(); } // NOLINT
  /// As `Array::item`: also TypeError for another dtype, and ShapeError for another numel than 1.
  template <Element T> operator T() const { return only().template item<T>(Location{}); } // NOLINT

private:
  const Array& only() const;

  Names names_; ///< null: there are none
};
/// The arrays, one below the other.
std::ostream& operator<<(std::ostream&, const Results&);

/// One generated kernel of a function: `for (auto& k : f.stats().per_kernel) std::cout <<
/// k.title;`.
struct KernelStats {
  std::string title;        ///< "elementwise", "row reduction", …
  std::string digest;       ///< of its key, as in the cache
  bool is_compiled = false; ///< by this process, for this function
  /// "compiled", "memory", "disk", the shared level that had it, or "deferred": see
  /// `FunctionStats::deferred`.
  std::string origin;
  double ms = 0;           ///< until its artifact was there
  std::string miss_reason; ///< why it had to be compiled
};

/// One version of a function for certain sizes: see `Specialize`.
struct VersionStats {
  std::string sizes;         ///< "batch=32", "x axis 0=10, y axis 1=3"
  int kernels = 0;           ///< distinct generated kernels
  int compiled = 0;          ///< of them, compiled for this version
  double ms = 0;             ///< all of making it
  bool is_background = true; ///< false if a call waited for it
};

/// What making a function took and what it has done since: `f.stats().compiled == 0` after a warm
/// start. Times are those of the first compilation.
struct FunctionStats {
  std::string name;
  int kernels = 0;           ///< distinct generated kernels
  int compiled = 0;          ///< of them, compiled for this function
  int loaded_from_cache = 0; ///< of them, found in the cache
  /// Of them, not got yet, as no call came with sizes that want them. On a GPU a matrix product can
  /// be computed in several ways; `function()` compiles that which suits sizes of 128.
  int deferred = 0;
  /// Where the plan came from: "made", or "memory", "disk" or the shared level that had it, and
  /// then nothing was rewritten or planned.
  std::string plan_origin;
  std::string plan_miss_reason; ///< why it had to be made
  /// Rewriting and planning; zero until somebody asks for what they made (explain(), source()) if
  /// the plan came from the cache.
  double rewrite_ms = 0, plan_ms = 0;
  double compile_ms = 0; ///< getting all kernels, compiled or found
  double total_ms = 0;   ///< all of `function()`
  std::uint64_t calls = 0;
  std::uint64_t packed_arguments = 0; ///< arguments that were not dense and had to be copied
  std::vector<KernelStats> per_kernel;
  std::vector<VersionStats> versions; ///< those kept, not counted in the figures above
};

namespace detail {
template <class T>
inline constexpr bool is_argument =
    std::convertible_to<const T&, Array> && !std::derived_from<T, std::vector<Array>>;
}

/// Compiled code. Copies share it. Safe to call from many threads at once; calls that apply
/// updates to the same shared variables take turns.
class Function {
public:
  /// None yet, to be assigned to: any other use throws GraphError.
  Function() noexcept = default;

  /// Runs on `arguments`, one for each input (see also `Options::defaults`): exact dtype (or any,
  /// with `Options::allow_downcast`), any strides (those that are not dense are copied first),
  /// sizes as the inputs say. Throws TypeError, ShapeError or IndexError; then no update has been
  /// applied. In Mode::verify also InternalError, naming a wrong rule or kernel, in
  /// Mode::nan_guard NumericError. On a GPU also DeviceError, and CompileError if a deferred kernel
  /// that the sizes need (see `FunctionStats::deferred`) cannot be compiled; calls that do not want
  /// it continue working.
  Results operator()(std::span<const Array> arguments) const;
  Results operator()(std::initializer_list<Array> arguments) const {
    return (*this)(std::span(arguments.begin(), arguments.size()));
  }
  /// The same: `f(x, y)`; a number is an array of rank 0 and its own dtype.
  template <class... A>
  requires(detail::is_argument<A>&&...) Results operator()(const A&... arguments) const {
    return (*this)({Array(arguments)...});
  }
  /// As above, writing the results into arrays that are given. Throws TypeError for another dtype
  /// than the output's and for an array that is read-only, ShapeError for another shape and for
  /// arrays of two outputs that have an element in common. An output may be where an argument
  /// does: it gets what it would have got elsewhere. With dense arrays that overlap no argument,
  /// the call allocates nothing.
  void call_into(std::span<const Array> arguments, std::span<const Array> outputs) const;
  void call_into(std::initializer_list<Array> arguments,
                 std::initializer_list<Array> outputs) const {
    call_into(std::span(arguments.begin(), arguments.size()),
              std::span(outputs.begin(), outputs.size()));
  }
  void call_into(std::span<const Array> arguments, std::initializer_list<Array> outputs) const {
    call_into(arguments, std::span(outputs.begin(), outputs.size()));
  }
  void call_into(std::initializer_list<Array> arguments, std::span<const Array> outputs) const {
    call_into(std::span(arguments.begin(), arguments.size()), outputs);
  }

  const std::string& name() const;
  /// The generated source of all kernels, with comments that map lines to yours; then that of the
  /// versions for certain sizes.
  std::string source() const;
  FunctionStats stats() const;
  /// What was rewritten, fused (and what was not, and why), where buffers live, and how each
  /// kernel runs and was got.
  std::string explain() const;
  /// The same with the amounts of a call with these arguments: for each step its bytes, operations
  /// and time, the median of some calls, beside the time that the machine's memory needs for the
  /// bytes. Shared variables have their old values afterwards. Throws as a call does.
  std::string explain(std::span<const Array> arguments) const;
  std::string explain(std::initializer_list<Array> arguments) const {
    return explain(std::span(arguments.begin(), arguments.size()));
  }
  /// The optimised graph as indented text, and as Graphviz.
  std::string graph() const;
  std::string graph_dot() const;

  /// Internal.
  explicit Function(std::shared_ptr<jit::FunctionState> state) noexcept
      : state_(std::move(state)) {}

private:
  friend std::ostream& operator<<(std::ostream&, const Function&);
  jit::FunctionState& required(const char* op) const;

  std::shared_ptr<jit::FunctionState> state_;
};
/// Name, inputs and outputs: "step(x f32[?,2], y f32[?]) -> (f32[])".
std::ostream& operator<<(std::ostream&, const Function&);

/// Compiles `outputs` as a function of `inputs`.
///
///   auto x = kt::vector<float>("x");
///   auto total = kt::shared(kt::Array::zeros<float>({}), "total");
///   kt::Function f = kt::function({x}, {kt::max(x)}, {.updates = {{total, total + kt::sum(x)}}});
///
/// Throws GraphError for an expression that needs an input that is not given, or a size that no
/// input gives (each dim has to be the whole size of some input's axis, or be made of such dims and
/// of scalar inputs), for an input given twice, or a shared variable updated twice; TypeError and
/// ShapeError for an update that does not fit its variable; UnsupportedError for a target that this
/// machine cannot run; CompileError if no code could be made.
Function function(std::vector<Expr> inputs, std::vector<Expr> outputs, Options options = {},
                  Location where = Location::current());
/// The same with one output.
template <std::derived_from<Expr> E>
Function function(std::vector<Expr> inputs, const E& output, Options options = {},
                  Location where = Location::current()) {
  return function(std::move(inputs), std::vector<Expr>{output}, std::move(options), where);
}

/// "0.1.0".
const char* version() noexcept;

/// What Kroton found on this machine and what it chose, one line a fact, for people and for bug
/// reports: versions, the target and its features, the cache, threads, BLAS, the compiler plugin,
/// huge pages. Loads no compiler.
std::string doctor();

} // namespace kroton
