/// Errors name the line of the user's that they are about: every public function that takes a place
/// is called here with what it refuses.
#include <kroton/custom.hpp>
#include <kroton/kroton.hpp>
#include <kroton/sparse_jacobian.hpp>

#include <cctype>
#include <filesystem>
#include <functional>
#include <limits>
#include <regex>
#include <set>
#include <string>
#include <vector>

#include "lib/ops/table.hpp"
#include "test/data/message_of.hpp"
#include "test/data/source_root.hpp"
#include "test/support/catch.hpp"
#include "test/support/temp_dir.hpp"

namespace fs = std::filesystem;
namespace kt = kroton;
using kt::Array;
using kt::DType;
using kt::Expr;

namespace {

constexpr std::int64_t lowest = std::numeric_limits<std::int64_t>::min();
constexpr std::int64_t highest = std::numeric_limits<std::int64_t>::max();

/// Something that is refused, on one line of this file.
struct Refused {
  std::string text; ///< the code
  unsigned line;
  std::function<void()> run;
};

#define REFUSED(...)                                                                               \
  Refused {                                                                                        \
#__VA_ARGS__, __LINE__, [&] { static_cast<void>(__VA_ARGS__); }                                \
  }

/// The error's text; empty if there is none.
std::string error_of(const Refused& r) {
  try {
    r.run();
  } catch (const kt::Error& e) {
    return e.what();
  }
  return {};
}

void check_places(const std::vector<Refused>& all) {
  for (const Refused& r : all) {
    const std::string text = error_of(r);
    INFO(r.text << "\n" << text);
    CHECK(!text.empty());
    CHECK(text.find("\n  at places_test.cpp:" + std::to_string(r.line)) != text.npos);
    CHECK(kt::test::place_of_the_product(text) == "");
  }
}

struct Fixture {
  Expr x = kt::vector<float>("x"), m = kt::matrix<float>("m"), i = kt::vector<int>("i"),
       s = kt::scalar<float>("s"), flag = kt::vector<bool>("flag");
  Expr two = kt::tensor<float>({2}, "two"), three = kt::tensor<float>({3}, "three"),
       table = kt::tensor<float>({2, 3}, "table"), none = kt::tensor<float>({0}, "none");
  Expr cost = kt::sum(x), d = kt::vector<double>("d");
  kt::GradientRule rule = [](const std::vector<Expr>&, const Expr&, const Expr& g) {
    return std::vector{g};
  };
  kt::Shared w = kt::shared(Array::zeros<float>({3}), "w");
  kt::Random rng{1};
  Array a = Array::zeros<float>({2, 3}), one = Array::zeros<float>({1});
  float memory[6] = {};
  std::vector<float> values = {1, 2, 3};
  Array read_only = Array::view(static_cast<const float*>(memory), {6});

  std::vector<Refused> of_expressions() {
    // clang-format off
    return {
        REFUSED(two + three), REFUSED(two - three), REFUSED(two * three), REFUSED(two / three),
        REFUSED(-flag), REFUSED(kt::neg(flag)), REFUSED(kt::abs(flag)), REFUSED(kt::sign(flag)),
        REFUSED(kt::floor_div(two, three)), REFUSED(kt::mod(two, three)),
        REFUSED(kt::pow(two, three)), REFUSED(kt::minimum(two, three)),
        REFUSED(kt::maximum(two, three)),
        REFUSED(two == three), REFUSED(two != three), REFUSED(two < three), REFUSED(two <= three),
        REFUSED(two > three), REFUSED(two >= three),
        REFUSED(x && flag), REFUSED(x || flag), REFUSED(!x), REFUSED(kt::where(x, x, x)),
        REFUSED(kt::sum(x, {1})), REFUSED(kt::mean(x, {1})), REFUSED(kt::max(x, {1})),
        REFUSED(kt::min(x, {1})), REFUSED(kt::argmax(x, 1)), REFUSED(kt::argmin(x, 1)),
        REFUSED(kt::argmax(none)), REFUSED(kt::logsumexp(x, {1})), REFUSED(kt::softmax(x, 1)),
        REFUSED(kt::log_softmax(x, 1)),
        REFUSED(kt::reshape(table, {kt::NewDim(kt::sum(x))})),
        REFUSED(kt::reshape(table, {4})), REFUSED(kt::reshape(table, {4, -1})),
        REFUSED(kt::reshape(x, {highest, 2, -1})), REFUSED(kt::reshape(x, {-2})),
        REFUSED(kt::transpose(table, {0, 0})), REFUSED(kt::broadcast_to(two, {3})),
        REFUSED(kt::broadcast_to(two, {highest, highest})), REFUSED(kt::broadcast_to(two, {lowest})),
        REFUSED(kt::expand_dims(x, {3})), REFUSED(kt::squeeze(table, {0})),
        REFUSED(kt::slice(x, {{0, 1}, {0, 1}})), REFUSED(kt::slice(x, {{0, 1, 0}})),
        REFUSED(kt::dot(two, three)), REFUSED(kt::dot(m, kt::tensor<float>({1, 1, 1}))),
        REFUSED(kt::matmul(two, three)), REFUSED(kt::matmul(s, two)),
        REFUSED(kt::index(x, {i, i})), REFUSED(kt::index(x, {x})),
        REFUSED(kt::index(x, {kt::Range{0, 1, 0}})),
        REFUSED(kt::index_add({3}, {i, i}, x)), REFUSED(kt::index_add({3}, {x}, x)),
        REFUSED(kt::arange(x)), REFUSED(kt::arange(0.5)), REFUSED(kt::arange(0, 1, 0)),
        REFUSED(kt::arange(lowest, highest)), REFUSED(kt::one_hot(x, 3)),
        REFUSED(kt::one_hot(i, -1)), REFUSED(kt::one_hot(kt::arange(highest / 8), highest)),
        REFUSED(kt::vector<std::uint8_t>("u") + 256),
        REFUSED(x.dim(1)), REFUSED(kt::tensor<float>({highest, highest})),
        REFUSED(kt::tensor(DType::f64, {highest})), REFUSED(kt::Dim(-1)),
        REFUSED(rng.uniform({3}, DType::i32)), REFUSED(rng.uniform({highest, highest})),
        REFUSED(rng.normal({3}, DType::i32)), REFUSED(rng.bernoulli(2, {3})),
        REFUSED(rng.bernoulli(0.5, {highest, highest})),
        REFUSED(w.set(Array::zeros<float>({2}))), REFUSED(w.set(Array::zeros<int>({3}))),
        REFUSED(kt::grad(x, x)), REFUSED(kt::grad(kt::sum(x), m)),
        REFUSED(kt::grad(kt::sum(x), std::vector<Expr>{m})),
        REFUSED(kt::verify_grad([](const std::vector<Expr>& e) { return kt::broadcast_to(kt::sum(e[0]), {kt::dim()}); }, {a})),
        REFUSED(kt::function({}, {x})), REFUSED(kt::function({x, x}, x)),
        REFUSED(kt::function({s}, {kt::broadcast_to(s, {kt::dim("q")})})),
        REFUSED(kt::function({x}, {}, {.updates = {{w, s}}})),
        REFUSED(kt::parse_device("gpu")),
        REFUSED(kt::cholesky(table)), REFUSED(kt::solve_triangular(table, table)),
        REFUSED(kt::cumsum(x, 1)), REFUSED(kt::cumsum(s)), REFUSED(kt::max_and_argmax(x, 1)),
        REFUSED(kt::divmod(two, three)),
        REFUSED(kt::vmap([](const std::vector<Expr>& e) { return e[0]; }, {1})({x})),
    };
    // clang-format on
  }

  std::vector<Refused> of_functions() {
    // clang-format off
    return {
        REFUSED(kt::fft(s)), REFUSED(kt::fft({s, s})), REFUSED(kt::ifft({s, s})), REFUSED(kt::rfft(s)), REFUSED(kt::irfft({s, s})), REFUSED(kt::fftn({s, s})), REFUSED(kt::ifftn({s, s})), REFUSED(kt::fft2({x, x})), REFUSED(kt::ifft2({x, x})), REFUSED(kt::fftshift(x, {1})), REFUSED(kt::ifftshift(x, {1})),
        REFUSED(kt::any(x, {1})), REFUSED(kt::all(x, {1})), REFUSED(kt::count_nonzero(x, {1})),
        REFUSED(kt::prod(x, {1})), REFUSED(kt::ptp(x, {1})), REFUSED(kt::var(x, {1})),
        REFUSED(kt::stddev(x, {1})), REFUSED(kt::norm(x, 2, {1})),
        REFUSED(kt::average(two, three)), REFUSED(kt::nansum(x, {1})),
        REFUSED(kt::nanprod(x, {1})), REFUSED(kt::nanmean(x, {1})), REFUSED(kt::nanmax(x, {1})),
        REFUSED(kt::nanmin(x, {1})), REFUSED(kt::nanvar(x, {1})), REFUSED(kt::nanstd(x, {1})),
        REFUSED(kt::nanargmax(x, 1)), REFUSED(kt::nanargmin(x, 1)), REFUSED(kt::quantile(x, 1.5)),
        REFUSED(kt::percentile(x, 150)), REFUSED(kt::median(x, {1})),
        REFUSED(kt::sum(x, {0}, false, DType::bool_)), REFUSED(kt::full_like(table, three + two)),
        REFUSED(kt::eye(highest, highest)), REFUSED(kt::identity(highest)),
        REFUSED(kt::ones({highest, highest})), REFUSED(kt::zeros({highest, highest})),
        REFUSED(kt::full({2}, three)), REFUSED(kt::linspace(0.0, 1.0, x)),
        REFUSED(kt::logspace(0.0, 1.0, x)), REFUSED(kt::meshgrid({table})),
        REFUSED(kt::concatenate({table, three})), REFUSED(kt::stack({two, three})),
        REFUSED(kt::vstack({two, three})), REFUSED(kt::hstack({table, m, x})),
        REFUSED(kt::dstack({two, three})), REFUSED(kt::column_stack({two, three})),
        REFUSED(kt::split(three, 2)), REFUSED(kt::array_split(three, 0)),
        REFUSED(kt::split_at(three, {1}, 1)), REFUSED(kt::pad(x, {{-1, 0}})),
        REFUSED(kt::sort(x, 1)), REFUSED(kt::argsort(x, 1)), REFUSED(kt::sort_and_argsort(x, 1)),
        REFUSED(kt::topk(three, 4)), REFUSED(kt::partition(three, 3)),
        REFUSED(kt::argpartition(three, 3)), REFUSED(kt::searchsorted(table, x)),
        REFUSED(kt::digitize(x, table)), REFUSED(kt::bincount(x, 3)),
        REFUSED(kt::histogram(x, 0)), REFUSED(kt::cumprod(x, 1)), REFUSED(kt::cummax(x, 1)),
        REFUSED(kt::cummin(x, 1)), REFUSED(kt::logcumsumexp(x, 1)),
        REFUSED(kt::linear_recurrence(two, three)), REFUSED(kt::diff(x, -1)),
        REFUSED(kt::trapezoid(x, 1.0, 1)), REFUSED(kt::einsum("ij,j", {table, two})),
        REFUSED(kt::tensordot(two, three, 1)), REFUSED(kt::inner(two, three)),
        
        REFUSED(kt::vecdot(two, three)), REFUSED(kt::batched_dot(two, three)),
        REFUSED(kt::solve(table, two)), REFUSED(kt::inv(table)), REFUSED(kt::det(table)),
        REFUSED(kt::slogdet(table)), REFUSED(kt::lu(table)), REFUSED(kt::qr(x)),
        REFUSED(kt::eigh(table)), REFUSED(kt::eigvalsh(table)), REFUSED(kt::svd(x)),
        REFUSED(kt::svdvals(x)), REFUSED(kt::pinv(x)), REFUSED(kt::lstsq(x, x)),
        REFUSED(kt::matrix_rank(x)), REFUSED(kt::cond(x)), REFUSED(kt::matrix_power(table, 2)),
        REFUSED(kt::expm(table)), REFUSED(kt::block_diag({})),
        REFUSED(kt::moveaxis(x, {1}, {0})), REFUSED(kt::swapaxes(x, 0, 1)),
        REFUSED(kt::broadcast_arrays({two, three})), REFUSED(kt::flip(x, {1})),
        REFUSED(kt::flipud(s)), REFUSED(kt::fliplr(x)), REFUSED(kt::rot90(x)),
        REFUSED(kt::roll(x, 1, 1)), REFUSED(kt::tile(x, {-1})), REFUSED(kt::repeat(x, -1, 0)),
        REFUSED(kt::tril(x)), REFUSED(kt::triu(x)), REFUSED(kt::diagonal(x)),
        REFUSED(kt::trace(x)), REFUSED(kt::diag(s)), REFUSED(kt::set_at(x, {i, i}, x)),
        REFUSED(kt::add_at(x, {x}, x)), REFUSED(kt::max_at(x, {x}, x)),
        REFUSED(kt::min_at(x, {x}, x)), REFUSED(kt::mul_at(x, {x}, x)),
        REFUSED(kt::put_along_axis(x, i, x, 1)), REFUSED(kt::take(x, x)),
        REFUSED(kt::take_along_axis(x, i, 1)), REFUSED(kt::logaddexp(two, three)),
        REFUSED(kt::logdiffexp(two, three)), REFUSED(kt::xlogy(two, three)),
        REFUSED(kt::xlog1py(two, three)), REFUSED(kt::polygamma(-1, x)),
        REFUSED(kt::atan2(two, three)), REFUSED(kt::hypot(two, three)),
        REFUSED(kt::fmod(two, three)), REFUSED(kt::remainder(two, three)),
        REFUSED(kt::copysign(two, three)), REFUSED(kt::clip(two, three, 1)),
        REFUSED(kt::bit_and(x, x)), REFUSED(kt::bit_or(x, x)), REFUSED(kt::bit_xor(x, x)),
        REFUSED(kt::bit_not(x)), REFUSED(kt::shift_left(x, i)), REFUSED(kt::shift_right(x, i)),
        REFUSED(rng.exponential(1, {highest, highest})), REFUSED(rng.laplace({highest, highest})),
        REFUSED(rng.cauchy({highest, highest})), REFUSED(rng.student_t(three, {2})),
        REFUSED(rng.gamma(three, {2})), REFUSED(rng.beta(three, three, {2})),
        REFUSED(rng.dirichlet(1, {2})), REFUSED(rng.multivariate_normal(three, table, {2})),
        REFUSED(rng.integers(i, 3, {highest, highest})), REFUSED(rng.geometric(three, {2})),
        REFUSED(rng.poisson(three, {2})), REFUSED(rng.binomial(1, three, {2})),
        REFUSED(rng.multinomial(1, 1, {2})), REFUSED(rng.categorical(1, {2})),
        REFUSED(kt::EagerCheck({{x, a}})), REFUSED(kt::EagerCheck({}).value(x)),
        REFUSED(kt::index(x, {kt::Range{s, 3}})),
    };
    // clang-format on
  }

  std::vector<Refused> of_derivatives() {
    // clang-format off
    return {
        REFUSED(kt::grad({}, x, {.known_grads = {{x, d}}})), REFUSED(kt::value_and_grad(x, {x})),
        REFUSED(kt::vjp(two, two, three)), REFUSED(kt::vjp({two}, {two}, {})),
        REFUSED(kt::jvp(two, two, three)), REFUSED(kt::jvp({i}, {x}, {x})),
        REFUSED(kt::jacobian(i, x)), REFUSED(kt::hessian(x, x)),
        REFUSED(kt::hessian_vector_product(cost, x, d)), REFUSED(kt::sparse_jacobian(x, x)),
        REFUSED(kt::sparse_hessian(cost, x)), REFUSED(kt::custom_gradient(x, {}, rule)),
        REFUSED(kt::grad_clip(x, 2, 1)),
        REFUSED(kt::checkpoint([](const std::vector<Expr>&) { return Expr(); })({x})),
        REFUSED(kt::ElementwiseOp({.name = "", .evaluate = [](const auto* v) { return v[0]; }})),
        REFUSED(kt::substitute(x, {{x, d}})), REFUSED((x + 1).eval()), REFUSED(x.eval({{x, 1.0}})),
        REFUSED(kt::save_variables("a", {kt::Shared()})),
        REFUSED(kt::load_variables("/dev/null/none", {kt::Shared()})),
    };
    // clang-format on
  }

  std::vector<Refused> of_arrays() {
    // clang-format off
    return {
        REFUSED(Array::empty<float>({-1})), REFUSED(Array::empty(DType::f32, {highest, highest})),
        REFUSED(Array::zeros<float>({-1})), REFUSED(Array::zeros(DType::f32, {highest / 4})),
        REFUSED(Array::full<float>({-1}, 1)), REFUSED(Array::full(DType::f32, {2}, a)),
        REFUSED(Array::arange<int>(0, 1, 0)), REFUSED(Array::arange<double>(0, 1, 0)),
        REFUSED(Array::arange<std::int64_t>(highest)),
        REFUSED(Array::from({1.0f, 2.0f}, {3})), REFUSED(Array::from(values, {2})),
        REFUSED(Array::from(std::span<const float>(values), {2})),
        REFUSED(Array::from(std::vector<bool>{true}, {2})),
        REFUSED(Array::view(memory, {2, 3}, {1})), REFUSED(Array::view(values, {4})),
        REFUSED(Array::view(DType::f32, static_cast<void*>(memory), {highest})),
        REFUSED(Array::view(DType::f32, static_cast<const void*>(memory), {2}, {highest})),
        REFUSED(a.dim(2)), REFUSED(a.item<float>()), REFUSED(one.item<int>()),
        REFUSED(a.data<int>()), REFUSED(std::as_const(a).data<int>()),
        REFUSED(Array(read_only).data<float>()), REFUSED(Array(read_only).raw()),
        REFUSED(a.at<float>({2, 0})), REFUSED(std::as_const(a).at<float>({0})),
        REFUSED(a.at<float>(std::span<const std::int64_t>())), REFUSED(a.to_vector<int>()),
        REFUSED(a.transpose({0, 0})), REFUSED(a.slice(2, 0)), REFUSED(a.slice(0, 0, 1, 0)),
        REFUSED(a.reshape({4})), REFUSED(a.reshape({4, -1})), REFUSED(a.broadcast_to({4})),
        REFUSED(a.as_strided({7})), REFUSED(one.broadcast_to({highest / 8}).contiguous()),
        REFUSED(one.broadcast_to({highest / 8}).copy()),
        REFUSED(one.broadcast_to({highest / 8}).astype(DType::f64)),
        REFUSED(one.broadcast_to({highest / 8}).astype<int>()),
        REFUSED(a.copy_to(one)), REFUSED(kt::copy_elements(one, a)),
        REFUSED(kt::copy_elements(read_only, Array::zeros<float>({6}))),
        REFUSED(kt::to_dlpack(read_only)), REFUSED(kt::from_dlpack(nullptr)),
    };
    // clang-format on
  }
};

/// The name before the list of parameters that a position in a header is in.
std::string function_at(const std::string& text, std::size_t at) {
  int depth = 0;
  while (at > 0 && (text[at] != '(' || depth > 0)) {
    depth += text[at] == ')' ? 1 : text[at] == '(' ? -1 : 0;
    --at;
  }
  std::size_t first = at;
  while (first > 0 &&
         (std::isalnum(static_cast<unsigned char>(text[first - 1])) != 0 || text[first - 1] == '_'))
    --first;
  return text.substr(first, at - first);
}

} // namespace

TEST_CASE_METHOD(Fixture, "what expressions refuse is told with the user's line",
                 "[function][errors]") {
  check_places(of_expressions());
  check_places(of_functions());
}

TEST_CASE_METHOD(Fixture, "what derivatives refuse is told with the user's line",
                 "[function][errors]") {
  check_places(of_derivatives());
}

TEST_CASE_METHOD(Fixture, "what arrays refuse is told with the user's line", "[function][errors]") {
  check_places(of_arrays());
}

TEST_CASE_METHOD(Fixture, "what calls refuse is told with the user's lines", "[function][errors]") {
  const Expr k = kt::scalar<std::int64_t>("k");
  const kt::Dim rows = kt::arange(k).shape()[0];
  const Array huge = Array(highest / 16), a1 = Array(1.0f);
  const kt::Function large = kt::function({s, k}, {kt::broadcast_to(s, {rows, 4})}),
                     larger = kt::function({s, k}, {kt::broadcast_to(s, {rows, 400})}),
                     sums = kt::function({m}, {kt::sum(m, {1})}),
                     picks = kt::function({x, i}, {kt::index(x, {i})}),
                     added = kt::function({x, m}, {x + kt::sum(m, {1})}),
                     places = kt::function({x}, {kt::argmax(x)});
  const std::vector<std::function<void()>> refused = {
      [&] {
        large({a1, huge});
      },
      [&] {
        larger({a1, huge});
      },
      [&] { sums({one}); },
      [&] {
        sums({Array::zeros<int>({2, 3})});
      },
      [&] {
        sums({a, a});
      },
      [&] {
        sums({one.reshape({1, 1}).broadcast_to({highest / 64, 4})});
      },
      [&] {
        picks({one, Array::from({7})});
      },
      [&] {
        added({one, a});
      },
      [&] { places({Array::zeros<float>({0})}); },
      [&] { sums.call_into({a}, {one}); },
      [&] { sums.call_into({a}, {Array::zeros<int>({2})}); },
      [&] { sums.call_into({a}, {}); },
  };
  for (std::size_t n = 0; n < refused.size(); ++n) {
    const std::string text = error_of({"", 0, refused[n]});
    INFO("call " << n << "\n" << text);
    CHECK(!text.empty());
    CHECK(text.find("\n  at places_test.cpp:") != text.npos);
    CHECK(kt::test::place_of_the_product(text) == "");
  }
}

TEST_CASE("files that are refused are told without a place of the product", "[function][errors]") {
  const kt::test::TempDir dir;
  const fs::path path = dir.path() / "huge.npy";
  // A pipe has no size that the header could be checked against; a file's is.
  for (const char* shape : {"(9223372036854775807, 2)", "(1152921504606846975,)"}) {
    std::string header =
        std::string("{'descr': '<f4', 'fortran_order': False, 'shape': ") + shape + ", }";
    header.append(118 - header.size() - 1, ' ');
    header += '\n';
    std::string bytes("\x93NUMPY\x01\x00", 8);
    bytes += {static_cast<char>(header.size()), '\0'};
    kt::test::write_file(path, bytes + header);
    const std::string text = kt::test::message_of<kt::FileError>([&] { kt::load_npy(path); });
    INFO(text);
    CHECK(text.starts_with("load_npy: "));
  }
}

TEST_CASE_METHOD(Fixture, "every public function that takes a place is tested here",
                 "[function][errors][docs]") {
  std::string provoked;
  for (const auto& list : {of_expressions(), of_functions(), of_derivatives(), of_arrays()})
    for (const Refused& r : list) provoked += r.text + "\n";
  // Those that refuse nothing, or only what their arguments have refused before them.
  std::set<std::string> refuse_nothing = {
      "Array",         "scalar",       "vector", "matrix",     "constant",   "shared",
      "Random",        "to_host",      "Here",   "cast",       "gelu",       "Operand",
      "stop_gradient", "frexp",        "dense",  "view_of",    "isnan",      "isinf",
      "isfinite",      "signbit",      "square", "rsqrt",      "reciprocal", "deg2rad",
      "rad2deg",       "silu",         "selu",   "mish",       "elu",        "softsign",
      "leaky_relu",    "hard_sigmoid", "ravel",  "atleast_1d", "atleast_2d", "atleast_3d",
      "ones_like",     "zeros_like",   "Bound",  "outer",      "kron",       "fftfreq",
      "rfftfreq"};
  for (const kt::ir::Op* op : kt::ops::all())
    if (op->is(kt::ir::Kind::elementwise) && op->arity == 1) refuse_nothing.emplace(op->name);
  std::set<std::string> names;
  for (const auto& item :
       fs::recursive_directory_iterator(fs::path(kt::test::source_root) / "include/kroton")) {
    if (!item.is_regular_file()) continue;
    const std::string text = kt::test::read_file(item.path());
    for (const char* mark : {"Operand ", "Location::current()"})
      for (std::size_t at = text.find(mark); at != text.npos; at = text.find(mark, at + 1))
        if (std::string name = function_at(text, at); !name.empty()) names.insert(std::move(name));
  }
  CHECK(names.size() > 60);
  for (const std::string& name : names) {
    INFO(name);
    CHECK((refuse_nothing.contains(name) ||
           std::regex_search(provoked, std::regex("\\b" + name + "(?:<[a-z0-9_:]+>)?\\("))));
  }
}
