/// What the environment of a process decides about devices: these tests are hidden, and run in
/// lanes of their own that set it (test/meson.build).
#include <algorithm>

#include <kroton/core.hpp>
#include <kroton/devices.hpp>

#include "jit/compile/capture.hpp"
#include "jit/function/backends.hpp"
#include "jit/function/function_state.hpp"
#include "test/cuda/fake/control.hpp"
#include "test/support/catch.hpp"
#include "test/support/temp_dir.hpp"

namespace kroton::test {
namespace {

/// What drivers say of code.
constexpr int invalid_image = 200, no_binary_for_gpu = 209, unsupported_ptx_version = 222,
              not_found = 500;

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
  // 8.0, 8.6, 8.0, 9.0, 10.0, 12.0; then 10.3 and 11.0, which the compiler does not know: they have
  // what it makes for 10.0, the latter as PTX.
  constexpr int compiled[] = {1, 0, 0, 1, 1, 1, 0, 0};
  CHECK(device_count() == std::ssize(compiled));
  for (int device = 0; device < std::ssize(compiled); ++device) {
    INFO("cuda:" << device);
    const Function f = made(device);
    CHECK(f.stats().compiled == compiled[device]);
    CHECK(f({ramp(100)})[0].at<const float>({99}) == 198);
  }
}

TEST_CASE("what the driver does not take of a cubin, whenever it says so, it is given as PTX",
          "[.architectures]") {
  fake::Control& control = fake::control();
  const Expr x = vector<float>("x");
  float factor = 2;
  for (const char* call : {"cuLibraryLoadData", "cuLibraryGetKernel", "cuKernelGetFunction"})
    for (const int error : {invalid_image, no_binary_for_gpu, unsupported_ptx_version, not_found}) {
      INFO(call << " says " << error);
      control.reset();
      const fake::Live before = control.live();
      control.fail(call, 1, error);
      factor += 1;
      const Function f =
          function({x}, {factor * x}, {.target = "cuda:3", .specialize = Specialize::off});
      CHECK(control.count("cuLibraryLoadData") == 2);
      CHECK(control.live().libraries == before.libraries + 1);
      CHECK(f.stats().compiled == 1);
      CHECK(f({ramp(4)})[0].at<const float>({3}) == 3 * factor);
    }
}

TEST_CASE("a failure that is not the code's is the device's", "[.architectures]") {
  fake::Control& control = fake::control();
  const Expr x = vector<float>("x");
  for (const char* call : {"cuLibraryLoadData", "cuLibraryGetKernel", "cuKernelGetFunction"}) {
    INFO(call);
    control.reset();
    const fake::Live before = control.live();
    control.fail(call, 1, fake::out_of_memory);
    CHECK_THROWS_AS(function({x}, {0.5f * x}, {.target = "cuda:3", .specialize = Specialize::off}),
                    DeviceError);
    CHECK(control.count("cuLibraryLoadData") == 1);
    CHECK(control.live().libraries == before.libraries);
  }
}

TEST_CASE("code of an older device of the same major capability is tried before compiling",
          "[.architectures]") {
  fake::Control& control = fake::control();
  control.reset();
  const TempDir dir;
  const Expr x = vector<float>("x");
  const auto made = [&](const char* target, float factor) {
    Options o{.target = target, .specialize = Specialize::off};
    o.cache = CacheOptions{.directory = dir.path().string()};
    return function({x}, {factor * x}, o);
  };
  made("cuda:0", 31);
  control.fail("cuKernelGetFunction", 1, no_binary_for_gpu);
  {
    const Function of_ptx = made("cuda:1", 31);
    CHECK(of_ptx.stats().compiled == 0);
    CHECK(of_ptx({ramp(4)})[0].at<const float>({3}) == 93);
  }
  // A driver of CUDA 12 takes neither of a compiler of CUDA 13.
  made("cuda:0", 37);
  control.set_driver(12090);
  CHECK_THROWS_AS(made("cuda:1", 37), CompileError);
  control.reset();
  CHECK(made("cuda:1", 37)({ramp(4)})[0].at<const float>({3}) == 111);
}

TEST_CASE("an entry whose code no driver takes is compiled again and replaced",
          "[.architectures]") {
  fake::Control& control = fake::control();
  control.reset();
  const TempDir dir;
  const Expr x = vector<float>("x"), y = 41.0f * x;
  Options options{.name = "f", .target = "cuda:0", .specialize = Specialize::off};
  const jit::FunctionState elsewhere(jit::make_signature({x}, {y}, options, Location::current()),
                                     options, {});
  options.target = "cuda:3";
  const auto with_cache = [&](int number) {
    return CacheOptions{.directory = dir.path().string(),
                        .max_bytes = std::uint64_t{1 << 20} + static_cast<unsigned>(number)};
  };
  options.cache = with_cache(0);
  const auto backend = jit::backend_for(options);
  for (const jit::KernelText& k : elsewhere.compiled().program->texts().kernels)
    jit::store_for(options.cache)
        ->publish(backend->key(*k.text), {{{"cubin", "rubbish"}, {"ptx", "more of it"}}, ""});
  const auto run = [&](int compiled, int cache) {
    options.cache = with_cache(cache);
    const Function f = function({x}, {y}, options);
    CHECK(f.stats().compiled == compiled);
    CHECK(f({ramp(4)})[0].at<const float>({3}) == 123);
  };
  run(1, 1);
  run(0, 2);
}

TEST_CASE("an error says that the driver takes neither cubin nor PTX", "[.architectures]") {
  fake::Control& control = fake::control();
  control.reset();
  const Expr x = vector<float>("x");
  const auto times = [&](float factor) {
    return function({x}, {factor * x}, {.target = "cuda:3", .specialize = Specialize::off});
  };
  control.set_driver(12090);
  std::string said;
  try {
    times(53);
  } catch (const CompileError& e) {
    said = e.what();
  }
  CHECK_THAT(said, contains("nor its PTX, CUDA_ERROR_UNSUPPORTED_PTX_VERSION"));
  CHECK_THAT(said, contains("driver may be older"));
  control.reset();
  CHECK(times(53)({ramp(4)})[0].at<const float>({3}) == 159);
}

} // namespace kroton::test
