// Holds every floating-point function of the prelude to its bound in prelude_bounds.hpp.
#include "test/codegen/prelude_bounds.hpp"
#include "test/codegen/prelude_functions.hpp"
#include "test/codegen/prelude_reference.hpp"
#include "test/codegen/prelude_samples.hpp"
#include "test/support/catch.hpp"

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <mutex>
#include <string>
#include <thread>

using namespace kroton::test;

namespace {

std::vector<const PreludeFunctions*> supported_targets() {
  std::vector<const PreludeFunctions*> targets;
  for (const PreludeFunctions* target : {&prelude_functions_v2(), &prelude_functions_v3()})
    if (target->supported) targets.push_back(target);
  return targets;
}

template <class T> std::span<const UnaryFunction<T>> unary(const PreludeFunctions& functions) {
  if constexpr (sizeof(T) == 4)
    return functions.unary_f32;
  else
    return functions.unary_f64;
}

template <class T> const BinaryFunction<T>& power(const PreludeFunctions& functions) {
  if constexpr (sizeof(T) == 4)
    return functions.binary_f32[0];
  else
    return functions.binary_f64[0];
}

/// The largest error met, and where.
template <class T> struct Worst {
  double ulp = 0.0;
  T at[2] = {};
  void take(double error, T a, T b = T()) {
    if (error > ulp) *this = {error, {a, b}};
  }
  void take(const Worst& other) {
    if (other.ulp > ulp) *this = other;
  }
};

template <class T> Worst<T> worst_unary(const UnaryFunction<T>& function, const std::vector<T>& x) {
  auto* exact = prelude_reference<Wider<T>>(function.name);
  std::vector<T> y(x.size());
  function.run(x.data(), y.data(), x.size());
  Worst<T> worst;
  for (std::size_t i = 0; i < x.size(); ++i) worst.take(ulp_error<T>(y[i], exact(x[i])), x[i]);
  return worst;
}

template <class T>
Worst<T> worst_power(const BinaryFunction<T>& function, const std::vector<T>& x,
                     const std::vector<T>& y) {
  std::vector<T> z(x.size());
  function.run(x.data(), y.data(), z.data(), x.size());
  Worst<T> worst;
  for (std::size_t i = 0; i < x.size(); ++i)
    worst.take(ulp_error<T>(z[i], std::pow(Wider<T>(x[i]), Wider<T>(y[i]))), x[i], y[i]);
  return worst;
}

template <class T> void check(const char* target, const char* name, const Worst<T>& worst) {
  char text[160];
  std::snprintf(text, sizeof text, "%s on %s: %.4f ulp at %a, %a; bound %.2f", name, target,
                worst.ulp, double(worst.at[0]), double(worst.at[1]), prelude_bound(name));
  INFO(text);
  CHECK(prelude_bound(name) > 0.0);
  CHECK(worst.ulp <= prelude_bound(name));
}

template <class T> void check_unary(const std::vector<T>& x) {
  for (const PreludeFunctions* target : supported_targets())
    for (const UnaryFunction<T>& function : unary<T>(*target))
      check(target->target, function.name, worst_unary(function, x));
}

/// Half of them any bit pattern, half in the exponents where something happens.
std::vector<double> f64_samples(SampleStream& stream, std::size_t count) {
  std::vector<double> x(count);
  for (std::size_t i = 0; i < count; ++i)
    x[i] = i % 2 == 0 ? stream.pattern<double>() : stream.between_exponents<double>(-64, 10);
  return x;
}

template <class T> void check_power(std::size_t count) {
  SampleStream stream(5);
  std::vector<T> x(count), y(count);
  for (std::size_t i = 0; i < count; ++i) std::tie(x[i], y[i]) = power_sample<T>(stream, i);
  for (const PreludeFunctions* target : supported_targets())
    check(target->target, power<T>(*target).name, worst_power(power<T>(*target), x, y));
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

} // namespace

TEST_CASE("prelude functions of one argument keep their bounds over all exponents",
          "[codegen][prelude]") {
  SECTION("f32") {
    // An odd stride visits every exponent and ever different fractions.
    std::vector<float> x;
    for (std::uint64_t bits = 0; bits < (std::uint64_t(1) << 32); bits += 4099)
      x.push_back(std::bit_cast<float>(static_cast<std::uint32_t>(bits)));
    check_unary(x);
  }
  SECTION("f64") {
    SampleStream stream(3);
    check_unary(f64_samples(stream, 200'000));
  }
}

TEST_CASE("prelude functions of one argument give what IEEE asks for special values",
          "[codegen][prelude]") {
  check_unary(special_values<float>());
  check_unary(special_values<double>());
}

TEST_CASE("prelude pow keeps its bound", "[codegen][prelude]") {
  check_power<float>(1'000'000);
  check_power<double>(200'000);
}

TEMPLATE_TEST_CASE("prelude pow follows C99 Annex F for every pair of special values",
                   "[codegen][prelude]", float, double) {
  std::vector<TestType> one = special_values<TestType>(), x, y;
  for (TestType a : one)
    for (TestType b : one) {
      x.push_back(a);
      y.push_back(b);
    }
  for (const PreludeFunctions* target : supported_targets())
    check(target->target, power<TestType>(*target).name,
          worst_power(power<TestType>(*target), x, y));
}

TEST_CASE("prelude f32 functions of one argument keep their bounds for all 2^32 inputs",
          "[.slow][prelude]") {
  constexpr std::size_t block_size = 1 << 20;
  for (const PreludeFunctions* target : supported_targets()) {
    for (const UnaryFunction<float>& function : target->unary_f32) {
      Worst<float> worst;
      std::mutex mutex;
      for_each_block(std::string(function.name) + " " + target->target,
                     (std::uint64_t(1) << 32) / block_size, [&](std::size_t block) {
                       std::vector<float> x(block_size);
                       for (std::size_t i = 0; i < block_size; ++i)
                         x[i] = std::bit_cast<float>(
                             static_cast<std::uint32_t>(block * block_size + i));
                       Worst<float> mine = worst_unary(function, x);
                       std::lock_guard lock(mutex);
                       worst.take(mine);
                     });
      check(target->target, function.name, worst);
    }
  }
}

TEST_CASE("prelude f64 functions keep their bounds for 10^8 random inputs", "[.slow][prelude]") {
  constexpr std::size_t block_size = 100'000, blocks = 1000;
  for (const PreludeFunctions* target : supported_targets()) {
    for (const UnaryFunction<double>& function : target->unary_f64) {
      Worst<double> worst;
      std::mutex mutex;
      for_each_block(std::string(function.name) + " " + target->target, blocks,
                     [&](std::size_t block) {
                       SampleStream stream(block);
                       auto mine = worst_unary(function, f64_samples(stream, block_size));
                       std::lock_guard lock(mutex);
                       worst.take(mine);
                     });
      check(target->target, function.name, worst);
    }
  }
}
