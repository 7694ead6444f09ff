/// Products with what follows from each of their elements, on the fakes of CUDA's libraries:
/// generated kernels do both at once, the library's products do or are followed by a kernel.
#include <atomic>
#include <cmath>
#include <ostream>
#include <string>
#include <thread>
#include <type_traits>
#include <vector>

#include <kroton/random.hpp>
#include <kroton/ops/activation.hpp>
#include <kroton/ops/contraction.hpp>

#include "examples/network/model.hpp"
#include "test/cuda/on_fakes.hpp"

namespace kroton::test {
namespace {

Options on(std::string target) {
  Options o{.name = "f", .target = std::move(target)};
  o.cuda_graphs = false;
  return o;
}

template <class T = float>
Array waves(Shape shape, std::type_identity_t<T> from = -1,
            std::type_identity_t<T> step = T(0.01)) {
  Array a = Array::empty<T>(std::move(shape));
  for (std::int64_t i = 0; i < a.numel(); ++i)
    a.data<T>()[i] = from + step * static_cast<T>(i % 1013);
  return a;
}

/// What a call on the fakes launched, its results being those of the CPU.
struct Launched {
  int kernels = 0, products = 0;
  bool operator==(const Launched&) const = default;
  friend std::ostream& operator<<(std::ostream& out, const Launched& l) {
    return out << l.kernels << " kernels, " << l.products << " products of the library";
  }
};
Launched check(const std::vector<Expr>& inputs, const std::vector<Expr>& outputs,
               const std::vector<Array>& arguments, double tolerance = 1e-5) {
  const OnFakes fakes;
  const Function there = function(inputs, outputs, on("cuda"));
  fakes.control.reset();
  const std::vector<Array> got = there(arguments);
  const std::vector<Array> want = function(inputs, outputs, on("host"))(arguments);
  for (std::size_t i = 0; i < want.size(); ++i) {
    INFO("output " << i);
    CHECK(all_close(got[i], want[i], tolerance, tolerance));
  }
  return {fakes.control.count("cuLaunchKernel"), fakes.control.count("cublasLtMatmul")};
}

struct Layer {
  Expr x = matrix<float>("x"), w = matrix<float>("w"), b = vector<float>("b");
  Expr product = dot(x, w);
  std::vector<Expr> inputs{x, w, b};
  /// Small enough for generated kernels, and large enough for the library.
  std::vector<Array> small{waves({9, 7}), waves({7, 5}, 0.5F), waves({5})};
  std::vector<Array> large{waves({130, 140}, -0.1F, 1e-4F), waves({140, 150}, 0.1F, -1e-4F),
                           waves({150})};
};

} // namespace

TEST_CASE("a generated product and what follows from it are one launch", "[cuda][epilogue]") {
  const Layer l;
  CHECK(check(l.inputs, {tanh(l.product + l.b)}, l.small) == Launched{1, 0});
  CHECK(check(l.inputs, {tanh(l.product + l.b), l.product * 2}, l.small) == Launched{1, 0});
  CHECK(check(l.inputs, {tanh(l.product + l.b), l.product}, l.small) == Launched{1, 0});
  // What is added to may be anywhere: nothing is copied first.
  const Expr r = matrix<float>("r");
  CHECK(check({l.x, l.w, r}, {tanh(r + l.product)}, {l.small[0], l.small[1], waves({9, 5})}) ==
        Launched{1, 0});
}

TEST_CASE("after a product of the library, a kernel does what follows", "[cuda][epilogue]") {
  const Layer l;
  CHECK(check(l.inputs, {tanh(l.product + l.b)}, l.large, 1e-4) == Launched{1, 1});
  CHECK(check(l.inputs, {tanh(l.product + l.b), l.product}, l.large, 1e-4) == Launched{1, 1});
  const Expr r = matrix<float>("r");
  CHECK(check({l.x, l.w, r}, {tanh(r + l.product) * r}, {l.large[0], l.large[1], waves({130, 150})},
              1e-4) == Launched{1, 1});
}

TEST_CASE("a product of the library does itself what it can", "[cuda][epilogue]") {
  const Layer l;
  const Expr z = l.product + l.b;
  for (const Expr& e : {z, relu(l.product), maximum(z, 0), gelu(l.product), gelu(z)})
    CHECK(check(l.inputs, {e}, l.large, 1e-4) == Launched{0, 1});
  // What is not exactly that is done by a kernel; so is what somebody else reads the product for.
  for (const Expr& e : {z * z, l.product - l.b, relu(z) + 1.0F, gelu(z) * 2.0F})
    CHECK(check(l.inputs, {e}, l.large, 1e-4) == Launched{1, 1});
  CHECK(check(l.inputs, {relu(z), l.product}, l.large, 1e-4) == Launched{1, 1});
  // Small products have it in their own kernels.
  CHECK(check(l.inputs, {gelu(z)}, l.small) == Launched{1, 0});
}

TEST_CASE("a bias that the library cannot read is added by a kernel", "[cuda][epilogue]") {
  const Layer l;
  std::vector<Array> arguments = l.large;
  arguments[2] = waves({301});
  const auto of_bias = [&](std::int64_t first, std::int64_t step) {
    const Expr bias = slice(l.b, {{first, first + 150 * step, step}});
    return check(l.inputs, {relu(l.product + bias)}, arguments, 1e-4);
  };
  CHECK(of_bias(0, 1) == Launched{0, 1});
  CHECK(of_bias(4, 1) == Launched{0, 1});
  CHECK(of_bias(1, 1) == Launched{1, 1}); // not at 16 bytes
  CHECK(of_bias(0, 2) == Launched{1, 1});
  // Along the rows.
  arguments[2] = waves({130});
  CHECK(check(l.inputs, {relu(l.product + expand_dims(l.b, {1}))}, arguments, 1e-4) ==
        Launched{1, 1});
}

TEST_CASE("what the library has not in a dtype is done by a kernel", "[cuda][epilogue]") {
  const Expr x = matrix<double>("x"), w = matrix<double>("w"), b = vector<double>("b");
  const std::vector<Array> arguments{waves<double>({130, 140}, -0.1, 1e-4),
                                     waves<double>({140, 150}, 0.1, -1e-4), waves<double>({150})};
  CHECK(check({x, w, b}, {relu(dot(x, w) + b)}, arguments, 1e-9) == Launched{0, 1});
  CHECK(check({x, w, b}, {gelu(dot(x, w) + b)}, arguments, 1e-9) == Launched{1, 1}); // of the fake
}

TEST_CASE("the bias of each call is used, also by products of one shape at once",
          "[cuda][epilogue]") {
  const OnFakes fakes;
  const Layer l;
  Options o{.name = "f", .target = "cuda"};
  const Function f = function(l.inputs, {relu(l.product + l.b)}, o);
  const auto call = [&](float bias) {
    return f({l.large[0], l.large[1], Array::full<float>({150}, bias)})[0].to_host();
  };
  const Array none = call(1000);
  std::atomic<int> right = 0;
  {
    std::vector<std::jthread> threads;
    for (int t = 1; t <= 3; ++t)
      threads.emplace_back([&, t] {
        for (int i = 0; i < 4; ++i) {
          const float bias = 1000.0F + static_cast<float>(t);
          const float got = call(bias).at<const float>({5, 7});
          if (std::fabs(got - none.at<const float>({5, 7}) - static_cast<float>(t)) < 1e-2F)
            ++right;
        }
      });
  }
  CHECK(right == 12);
}

TEST_CASE("explain and source tell of epilogues", "[cuda][epilogue]") {
  const OnFakes fakes;
  const Layer l;
  const Function f = function(l.inputs, {gelu(l.product + l.b)}, on("cuda"));
  CHECK(f.explain().find("nodes): gelu(product + bias)") != std::string::npos);
  CHECK(f.source().find("then, for each of its elements") != std::string::npos);
}

TEST_CASE("products of irregular batches keep count of their rows", "[cuda][epilogue]") {
  const Expr a = tensor<float>({dim(), dim(), dim(), dim()}, "a"),
             b = tensor<float>({dim(), dim(), dim()}, "b"), scale = vector<float>("scale");
  // The second operand is the same for all of the first batch axis.
  const Expr p = matmul(a, b);
  const std::vector<Array> arguments{waves({2, 3, 4, 5}), waves({3, 5, 6}, 1, -0.02F), waves({6})};
  CHECK(check({a, b, scale}, {tanh(p * scale), p}, arguments) == Launched{2, 0});
  CHECK(check({a, b, scale}, {p * p}, arguments) == Launched{2, 0});
}

TEST_CASE("variables are updated in the step of their gradient's product", "[cuda][epilogue]") {
  const auto updated = [](const std::string& target, std::int64_t rows) {
    const Expr x = matrix<float>("x"), y = matrix<float>("y");
    const auto w = shared(waves({40, 60}), "w"), s = shared(waves({40, 60}, 0.5F), "s");
    const Expr g = dot(transpose(x), y), square = 0.9F * s + 0.1F * g * g;
    Options o = on(target);
    o.updates = {{s, square}, {w, w - 0.1F * g / (sqrt(square) + 1e-6F)}};
    const Function step = function({x, y}, std::vector<Expr>{}, o);
    for (int i = 0; i < 3; ++i) step({waves({rows, 40}), waves({rows, 60}, 1, -0.02F)});
    return std::pair{w.get(), s.get()};
  };
  for (std::int64_t rows : {12, 300, 1000}) { // in one part of k, in several, by the library
    const OnFakes fakes;
    const auto there = updated("cuda", rows);
    CHECK((fakes.control.count("cublasLtMatmul") > 0) == (rows == 1000));
    const auto here = updated("host", rows);
    CHECK(all_close(there.first, here.first, 1e-4, 1e-5));
    CHECK(all_close(there.second, here.second, 1e-4, 1e-5));
  }
}

TEST_CASE("a variable that its own product reads is updated after it", "[cuda][epilogue]") {
  for (const std::string target : {"cuda", "host"}) {
    const OnFakes fakes;
    const auto w = shared(waves({6, 6}), "w");
    const Expr x = matrix<float>("x");
    Options o = on(target);
    o.updates = {{w, w * 0.5F + tanh(dot(x, w))}};
    const Function step = function({x}, std::vector<Expr>{}, o);
    step({Array::full<float>({6, 6}, 0.25F)});
    const Array before = waves({6, 6});
    float column = 0;
    for (std::int64_t i = 0; i < 6; ++i) column += 0.25F * before.at<const float>({i, 2});
    CHECK(w.get().at<const float>({3, 2}) ==
          Approx(0.5F * before.at<const float>({3, 2}) + std::tanh(column)));
  }
}

TEST_CASE("Mode::verify sees what a product's step computes", "[cuda][epilogue]") {
  const OnFakes fakes;
  const Layer l;
  Options o = on("cuda");
  o.mode = Mode::verify;
  const Function f = function(l.inputs, {tanh(l.product + l.b), l.product, softmax(l.product)}, o);
  CHECK(f(l.small)[0].shape() == Shape{9, 5});
  CHECK(f(l.large)[1].shape() == Shape{130, 150});
}

TEST_CASE("the network's step takes few launches", "[cuda][epilogue]") {
  const OnFakes fakes;
  network::Model model(network::start_values(1));
  const Function step = model.step(on("cuda"));
  const Array x = waves({128, 16});
  Array y = Array::empty<std::int32_t>({128});
  for (int i = 0; i < 128; ++i) y.data<std::int32_t>()[i] = i % 10;
  fakes.control.reset();
  step({x, y})[0].item<float>();
  // Seven products with five of them followed by what they are for, the rows between and their
  // sums, two gradients of biases with theirs, and the random stream.
  CHECK(fakes.control.count("cuLaunchKernel") == 15);
}

} // namespace kroton::test
