// Holds the text of every elementwise op on floats to the accuracy that its row states, compiled as
// kernels are for each level of x86-64 that runs here. What is exact is the row's own evaluator in
// a wider type. A row that states nothing is held to correct rounding.
#include "lib/ops/special.hpp"
#include "test/codegen/prelude_kernels.hpp"
#include "test/codegen/prelude_samples.hpp"
#include "test/codegen/row_functions.hpp"
#include "test/codegen/ulp.hpp"
#include "test/support/catch.hpp"

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <functional>
#include <mutex>
#include <string>
#include <thread>

using namespace kroton;
using namespace kroton::test;

namespace {

/// Operands of functions; b is empty for those of one.
template <class T> struct Operands { std::vector<T> a, b; };

/// The largest error met, and where.
template <class T> struct Worst {
  double ulp = 0.0;
  T at[2] = {};
  void take(double error, T a, T b) {
    if (error > ulp) *this = {error, {a, b}};
  }
  void take(const Worst& other) {
    if (other.ulp > ulp) *this = other;
  }
};

/// The rows' texts of one dtype as loops over arrays, compiled for one target.
template <class T> class Compiled {
public:
  Compiled(const std::vector<const ir::Op*>& functions, const jit::CpuTarget& target)
      : module_(test::build_with_prelude(text_of(functions), target)) {}

  std::vector<T> run(std::size_t function, const Operands<T>& x) const {
    using Run = void(const T*, const T*, T*, long);
    std::vector<T> y(x.a.size());
    test::function_of<Run>(module_, fmt::format("run_{}", function))(
        x.a.data(), x.b.empty() ? x.a.data() : x.b.data(), y.data(), static_cast<long>(y.size()));
    return y;
  }

private:
  static std::string text_of(const std::vector<const ir::Op*>& functions) {
    std::string text;
    for (std::size_t i = 0; i < functions.size(); ++i)
      text += fmt::format(
          "extern \"C\" void run_{0}(const {1}* a, const {1}* b, {1}* y, i64 n) {{\n"
          "  for (i64 i = 0; i < n; ++i) y[i] = {2};\n}}\n",
          i, to_string(dtype_of<T>), spelled(*functions[i], dtype_of<T>, "a[i]", "b[i]"));
    return text;
  }

  jit::Module module_;
};

template <class T> std::vector<Wider<T>> exact(const ir::Op& op, const Operands<T>& x) {
  std::vector<Wider<T>> y(x.a.size());
  for (std::size_t i = 0; i < y.size(); ++i) {
    const Wider<T> v[] = {x.a[i], x.b.empty() ? x.a[i] : x.b[i]};
    y[i] = op.eval_float(v);
  }
  return y;
}

/// Of the errors that units in the last place are to measure: not those that the row allows where
/// its results cross zero.
template <class T>
Worst<T> worst_of(const ir::Op& op, const std::vector<T>& got, const std::vector<Wider<T>>& want,
                  const Operands<T>& x) {
  const double allowed = sizeof(T) == 8 ? ops::error_near_zeros(op) * 0x1p-52 : 0;
  Worst<T> worst;
  for (std::size_t i = 0; i < got.size(); ++i)
    if (!(std::abs(static_cast<Wider<T>>(got[i]) - want[i]) <= allowed))
      worst.take(ulp_error<T>(got[i], want[i]), x.a[i], x.b.empty() ? T() : x.b[i]);
  return worst;
}

template <class T> double bound_of(const ir::Op& op) {
  const double stated = sizeof(T) == 4 ? op.accuracy.f32 : op.accuracy.f64;
  // Of what is rounded correctly, the wider type's own rounding shows at ties.
  return stated > 0.5 ? stated : stated + (sizeof(T) == 4 ? 0x1p-28 : 0x1p-10);
}

template <class T>
void check(const jit::CpuTarget& target, const ir::Op& op, const Worst<T>& worst) {
  char text[200];
  std::snprintf(text, sizeof text, "%s of %s on %s: %.4f ulp at %a, %a; bound %.2f",
                std::string(op.name).c_str(), std::string(to_string(dtype_of<T>)).c_str(),
                target.describe().c_str(), worst.ulp, double(worst.at[0]), double(worst.at[1]),
                bound_of<T>(op));
  INFO(text);
  CHECK(worst.ulp <= bound_of<T>(op));
}

template <class T> void check_all(int arity, const Operands<T>& x) {
  const auto functions = float_functions(arity);
  std::vector<std::vector<Wider<T>>> want;
  for (const ir::Op* op : functions) want.push_back(exact(*op, x));
  for (const jit::CpuTarget& target : targets_here()) {
    const Compiled<T> compiled(functions, target);
    for (std::size_t i = 0; i < functions.size(); ++i)
      check(target, *functions[i], worst_of(*functions[i], compiled.run(i, x), want[i], x));
  }
}

/// Half of them any bit pattern, half in the exponents where something happens.
std::vector<double> f64_samples(SampleStream& stream, std::size_t count) {
  std::vector<double> x(count);
  for (std::size_t i = 0; i < count; ++i)
    x[i] = i % 2 == 0 ? stream.pattern<double>() : stream.between_exponents<double>(-64, 10);
  return x;
}

/// Pairs of which powers are near the range of T, and pairs of moderate quotients.
template <class T> Operands<T> pairs(SampleStream& stream, std::size_t count) {
  Operands<T> x{std::vector<T>(count), std::vector<T>(count)};
  for (std::size_t i = 0; i < count; ++i)
    if (i % 3 == 0) {
      x.a[i] = stream.between_exponents<T>(-20, 20);
      x.b[i] = stream.between_exponents<T>(-4, 8);
    } else {
      std::tie(x.a[i], x.b[i]) = power_sample<T>(stream, i);
    }
  return x;
}

/// Runs `work(block)` for every block, on all cores, with a line of progress on stderr.
template <class Work> void for_each_block(const std::string& what, std::size_t blocks, Work work) {
  std::atomic<std::size_t> next = 0;
  auto loop = [&](bool talk) {
    for (std::size_t block; (block = next++) < blocks;) {
      work(block);
      if (talk) std::fprintf(stderr, "\r%-28s %3zu %%", what.c_str(), (block + 1) * 100 / blocks);
    }
  };
  std::vector<std::thread> threads;
  for (unsigned i = 1; i < std::max(1u, std::thread::hardware_concurrency()); ++i)
    threads.emplace_back(loop, false);
  loop(true);
  for (std::thread& thread : threads) thread.join();
  std::fprintf(stderr, "\r%-28s done \n", what.c_str());
}

/// Every function of one operand on the samples of all blocks.
template <class T>
void check_blocks(std::size_t blocks, const std::function<std::vector<T>(std::size_t)>& samples) {
  const auto functions = float_functions(1);
  for (const jit::CpuTarget& target : targets_here()) {
    const Compiled<T> compiled(functions, target);
    for (std::size_t f = 0; f < functions.size(); ++f) {
      Worst<T> worst;
      std::mutex mutex;
      for_each_block(std::string(functions[f]->name) + " " + target.describe(), blocks,
                     [&](std::size_t block) {
                       const Operands<T> x{samples(block), {}};
                       const Worst<T> mine =
                           worst_of(*functions[f], compiled.run(f, x), exact(*functions[f], x), x);
                       std::lock_guard lock(mutex);
                       worst.take(mine);
                     });
      check(target, *functions[f], worst);
    }
  }
}

} // namespace

TEST_CASE("ops of one float keep their accuracy over all exponents", "[codegen][prelude][jit]") {
  SECTION("f32") {
    // An odd stride visits every exponent and ever different fractions.
    std::vector<float> x;
    for (std::uint64_t bits = 0; bits < (std::uint64_t(1) << 32); bits += 4099)
      x.push_back(std::bit_cast<float>(static_cast<std::uint32_t>(bits)));
    check_all<float>(1, {x, {}});
  }
  SECTION("f64") {
    SampleStream stream(3);
    check_all<double>(1, {f64_samples(stream, 200'000), {}});
  }
}

TEST_CASE("ops of one float give what IEEE asks for special values", "[codegen][prelude][jit]") {
  check_all<float>(1, {special_values<float>(), {}});
  check_all<double>(1, {special_values<double>(), {}});
}

TEST_CASE("ops of two floats keep their accuracy", "[codegen][prelude][jit]") {
  SampleStream stream(5);
  check_all<float>(2, pairs<float>(stream, 1'000'000));
  check_all<double>(2, pairs<double>(stream, 200'000));
}

TEMPLATE_TEST_CASE("ops of two floats follow C99 Annex F for every pair of special values",
                   "[codegen][prelude][jit]", float, double) {
  Operands<TestType> x;
  for (TestType a : special_values<TestType>())
    for (TestType b : special_values<TestType>()) {
      x.a.push_back(a);
      x.b.push_back(b);
    }
  check_all(2, x);
}

TEST_CASE("ops of one f32 keep their accuracy for all 2^32 inputs", "[.slow][prelude][jit]") {
  constexpr std::size_t block_size = 1 << 20;
  check_blocks<float>((std::uint64_t(1) << 32) / block_size, [](std::size_t block) {
    std::vector<float> x(block_size);
    for (std::size_t i = 0; i < block_size; ++i)
      x[i] = std::bit_cast<float>(static_cast<std::uint32_t>(block * block_size + i));
    return x;
  });
}

TEST_CASE("ops of one f64 keep their accuracy for 10^8 random inputs", "[.slow][prelude][jit]") {
  constexpr std::size_t block_size = 100'000, blocks = 1000;
  check_blocks<double>(blocks, [](std::size_t block) {
    SampleStream stream(block);
    return f64_samples(stream, block_size);
  });
}
