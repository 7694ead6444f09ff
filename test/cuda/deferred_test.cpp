/// Ways of computing products that are compiled when the sizes of a call want them.
#include <string>
#include <thread>
#include <vector>

#include "test/cuda/on_fakes.hpp"
#include "test/support/temp_dir.hpp"

namespace kroton::test {
namespace {

/// With enough rows, tiles are larger than those of small batches.
constexpr std::int64_t few_rows = 100, many_rows = 5000;

class Layer {
public:
  explicit Layer(const TempDir& dir) {
    options_.cache = CacheOptions{.directory = dir.path().string()};
    options_.specialize = Specialize::off;
  }
  Function make() const { return function({x_, w_}, {tanh(dot(x_, w_))}, options_); }
  static std::vector<Array> arguments(std::int64_t rows) {
    return {ramp({rows, 30}, -1, 1e-6F), ramp({30, 12}, 0.5F, -1e-3F)};
  }
  bool is_right(const Function& f, std::int64_t rows) const {
    const std::vector<Array> a = arguments(rows);
    return all_close(f(a)[0], function({x_, w_}, {tanh(dot(x_, w_))}, on_cpu())(a)[0], 1e-5, 1e-5);
  }

private:
  Expr x_ = tensor(DType::f32, {dim("batch"), Dim(30)}, "x"),
       w_ = tensor(DType::f32, {Dim(30), Dim(12)}, "w");
  Options options_ = on_cuda();
};

} // namespace

TEST_CASE("a call compiles the way of computing a product that its sizes want", "[cuda]") {
  const OnFakes fakes;
  const TempDir dir;
  const Layer layer(dir);
  const auto compiled = [&] { return fakes.control.count("nvrtcCompileProgram"); };
  const Function f = layer.make();
  CHECK(compiled() == 1);
  const FunctionStats at_first = f.stats();
  CHECK(at_first.compiled == 1);
  CHECK(at_first.deferred == at_first.kernels - 1);
  CHECK(f.explain().find("deferred until sizes want it") != std::string::npos);
  CHECK(layer.is_right(f, few_rows));
  CHECK(compiled() == 1);
  CHECK(layer.is_right(f, many_rows));
  CHECK(compiled() == 2);
  CHECK(layer.is_right(f, few_rows));
  CHECK(layer.is_right(f, many_rows + 1));
  CHECK(compiled() == 2);
  CHECK(f.stats().compiled == 2);
  CHECK(f.stats().deferred == at_first.deferred - 1);
}

TEST_CASE("deferred ways come from the cache like any kernel", "[cuda]") {
  const OnFakes fakes;
  const TempDir dir;
  const Layer layer(dir);
  CHECK(layer.is_right(layer.make(), many_rows));
  fakes.control.reset();
  const Function again = layer.make();
  CHECK(again.stats().plan_origin != "made");
  CHECK(again.stats().deferred > 0);
  CHECK(layer.is_right(again, many_rows));
  CHECK(layer.is_right(again, few_rows));
  CHECK(again.stats().compiled == 0);
  CHECK(fakes.control.count("nvrtcCompileProgram") == 0);
}

TEST_CASE("a call whose way cannot be compiled leaves the function usable", "[cuda]") {
  const OnFakes fakes;
  const TempDir dir;
  const Layer layer(dir);
  const Function f = layer.make();
  CHECK(layer.is_right(f, few_rows));
  fakes.control.fail("nvrtcCompileProgram", 1, 6);
  const std::string error = error_of<CompileError>([&] { f(Layer::arguments(many_rows)); });
  INFO(error);
  CHECK(error.find("NVRTC refused kernel contraction") != std::string::npos);
  CHECK(layer.is_right(f, few_rows));
  CHECK(layer.is_right(f, many_rows));
}

TEST_CASE("threads may want the same way at once", "[cuda]") {
  const OnFakes fakes;
  const TempDir dir;
  const Layer layer(dir);
  const Function f = layer.make();
  std::vector<Array> results(4);
  {
    std::vector<std::jthread> threads;
    for (Array& r : results)
      threads.emplace_back([&] { r = f(Layer::arguments(many_rows))[0].to_host(); });
  }
  for (const Array& r : results) CHECK(equal(r, results[0]));
  CHECK(f.stats().compiled == 2);
}

TEST_CASE("sizes that are known choose the ways that are compiled", "[cuda]") {
  const OnFakes fakes;
  const Expr x = tensor(DType::f32, {Dim(many_rows), Dim(30)}, "x"),
             w = tensor(DType::f32, {Dim(30), Dim(12)}, "w");
  const Function f = function({x, w}, {tanh(dot(x, w))}, on_cuda());
  CHECK(f.stats().compiled + f.stats().loaded_from_cache >= 1);
  fakes.control.reset();
  f(Layer::arguments(many_rows));
  CHECK(fakes.control.count("nvrtcCompileProgram") == 0);
}

} // namespace kroton::test
