/// What the environment of a process decides about devices: these tests are hidden, and run in
/// lanes of their own that set it (test/meson.build).
#include <algorithm>

#include <kroton/devices.hpp>
#include <kroton/kroton.hpp>

#include "jit/capture.hpp"
#include "jit/function_state.hpp"
#include "test/cuda/fake/control.hpp"
#include "test/support/catch.hpp"
#include "test/support/temp_dir.hpp"

namespace kroton::test {
namespace {

Array ramp(std::int64_t n) { return Array::arange<float>(0, static_cast<float>(n), 1); }

/// What a call says of a function that has `from` in the text of each kernel replaced by `to`.
std::string fault_of(const Expr& x, const Expr& y, const std::string& kernel,
                     const std::string& from, const std::string& to) {
  fake::Control& control = fake::control();
  const Options options{.name = "suspect", .mode = Mode::plain, .target = "cuda"};
  jit::FunctionState f(jit::make_signature({x}, {y}, options, Location::current()), options,
                       {.kernel = [&](std::string& text) {
                         if (text.find(kernel, text.find("__global__")) == text.npos) return;
                         const std::size_t at = text.find(from);
                         REQUIRE(at != text.npos);
                         text.replace(at, from.size(), to);
                       }});
  const std::vector<Array> arguments = {ramp(1000)};
  CHECK_THROWS_AS(f.call(arguments, nullptr).at(0).to_host(), DeviceError);
  const std::string fault = control.fault();
  control.reset();
  return fault;
}

} // namespace

TEST_CASE("one element past an argument or a temporary is a fault where memory is exact",
          "[.exact]") {
  const Expr x = vector<float>("x"), y = tanh(exp(-x) * 2.0f);
  CHECK_THAT(fault_of(x, y, "exp_f32", "(n0,", "(n0 + 1,"), contains("reads 4 bytes outside"));
  CHECK_THAT(fault_of(x, y, "tanh_f32", "(n0,", "(n0 + 1,"), contains("reads 4 bytes outside"));
}

TEST_CASE("devices of every capability run functions, and share code as far as it runs there",
          "[.architectures]") {
  fake::Control& control = fake::control();
  control.reset();
  const TempDir dir;
  const Expr x = vector<float>("x");
  const auto made = [&](int device) { // each with a cache of its own on one directory
    Options o{.target = fmt::format("cuda:{}", device), .specialize = Specialize::off};
    o.cache = CacheOptions{.directory = dir.path().string(),
                           .max_bytes = std::uint64_t{1 << 20} + static_cast<unsigned>(device)};
    return function({x}, {2.0f * x}, o);
  };
  // 8.0, 8.6, 8.0, 9.0, 10.0, 12.0
  constexpr int compiled[] = {1, 0, 0, 1, 1, 1};
  CHECK(device_count() == std::ssize(compiled));
  for (int device = 0; device < std::ssize(compiled); ++device) {
    INFO("cuda:" << device);
    const Function f = made(device);
    CHECK(f.stats().compiled == compiled[device]);
    CHECK(f({ramp(100)})[0].at<const float>({99}) == 198);
  }
}

TEST_CASE("the driver is given a cubin, then PTX; an error says that it takes neither",
          "[.architectures]") {
  fake::Control& control = fake::control();
  control.reset();
  const Expr x = vector<float>("x");
  const auto times = [&](float factor) {
    return function({x}, {factor * x}, {.target = "cuda:3", .specialize = Specialize::off});
  };
  constexpr int invalid_image = 200;
  control.fail("cuLibraryLoadData", 1, invalid_image);
  const Function of_ptx = times(3);
  CHECK(control.count("cuLibraryLoadData") == 2);
  CHECK(of_ptx({ramp(4)})[0].at<const float>({3}) == 9);

  control.set_driver(12090);
  std::string said;
  try {
    times(5);
  } catch (const CompileError& e) {
    said = e.what();
  }
  CHECK_THAT(said, contains("nor its PTX, CUDA_ERROR_UNSUPPORTED_PTX_VERSION"));
  CHECK_THAT(said, contains("driver may be older"));
  control.reset();
  CHECK(times(5)({ramp(4)})[0].at<const float>({3}) == 15);
}

} // namespace kroton::test
