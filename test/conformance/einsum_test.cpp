/// Products over labelled axes, against loops over all positions of all letters.
#include <kroton/core.hpp>
#include <kroton/ops/contraction.hpp>
#include <kroton/vmap.hpp>

#include <map>

#include "lib/plan/plan.hpp"
#include "test/conformance/arrays.hpp"
#include "test/conformance/oracle.hpp"
#include "test/support/catch.hpp"

namespace kroton::test {
namespace {

struct Case {
  std::string subscripts; ///< with the result's, and without "..."
  std::vector<Shape> shapes;
};

/// By nested loops over the letters.
Array by_loops(const Case& c, const std::vector<Array>& operands) {
  const std::size_t arrow = c.subscripts.find("->");
  std::vector<std::string> parts{""};
  for (char l : c.subscripts.substr(0, arrow))
    l == ',' ? parts.emplace_back() : parts.back() += l, void();
  const std::string result = c.subscripts.substr(arrow + 2);
  std::map<char, std::int64_t> size;
  for (std::size_t i = 0; i < parts.size(); ++i)
    for (std::size_t k = 0; k < parts[i].size(); ++k)
      size[parts[i][k]] = std::max(size[parts[i][k]], c.shapes[i][k]);
  std::vector<char> letters;
  std::int64_t positions = 1;
  for (const auto& [l, n] : size) {
    letters.push_back(l);
    positions *= n;
  }
  Shape shape;
  for (char l : result) shape.push_back(size[l]);
  Array out = Array::zeros(DType::f64, shape);
  std::map<char, std::int64_t> at;
  const auto offset = [&](const std::string& part, const Shape& of) {
    std::int64_t o = 0;
    for (std::size_t k = 0; k < part.size(); ++k) o = o * of[k] + (of[k] == 1 ? 0 : at[part[k]]);
    return o;
  };
  std::vector<Array> dense;
  for (const Array& a : operands) dense.push_back(a.astype(DType::f64).contiguous());
  for (std::int64_t p = 0; p < positions; ++p) {
    std::int64_t rest = p;
    for (char l : letters) {
      at[l] = rest % size[l];
      rest /= size[l];
    }
    double product = 1;
    for (std::size_t i = 0; i < dense.size(); ++i)
      product *= std::as_const(dense[i]).data<double>()[offset(parts[i], c.shapes[i])];
    out.data<double>()[offset(result, shape)] += product;
  }
  return out;
}

const std::vector<Case>& cases() {
  static const std::vector<Case> all{
      {"ij,jk->ik", {{3, 4}, {4, 5}}},
      {"ij,jk->ki", {{3, 4}, {4, 5}}},
      {"ji,kj->ik", {{4, 3}, {5, 4}}},
      {"ij,ij->", {{3, 4}, {3, 4}}},
      {"ij,ji->", {{3, 4}, {4, 3}}},
      {"ij,ij->i", {{3, 4}, {3, 4}}},
      {"i,j->ji", {{3}, {4}}},
      {"ij->", {{3, 4}}},
      {"ijk->kj", {{3, 4, 5}}},
      {"ii->", {{4, 4}}},
      {"ii->i", {{4, 4}}},
      {"iji->ji", {{3, 2, 3}}},
      {"iii->i", {{3, 3, 3}}},
      {"iijj->ij", {{3, 3, 2, 2}}},
      {"bij,bjk->bik", {{2, 3, 4}, {2, 4, 5}}},
      {"ijb,kjb->kib", {{3, 4, 2}, {5, 4, 2}}},
      {"bij,bj->bi", {{2, 3, 4}, {2, 4}}},
      {"bij,j->bi", {{2, 3, 4}, {4}}},
      {"abcd,cdef->abef", {{2, 3, 4, 2}, {4, 2, 2, 3}}},
      {"abcd,edfc->aebf", {{2, 3, 4, 2}, {3, 2, 2, 4}}},
      {"ij,jk,kl->il", {{3, 2}, {2, 5}, {5, 4}}},
      {"ni,ij,nj->n", {{5, 3}, {3, 2}, {5, 2}}},
      {"ij,k->k", {{3, 4}, {5}}},
      {"ij,jk->ik", {{3, 1}, {4, 5}}}, // an axis of 1 broadcasts
      {"ij,ij->ij", {{3, 1}, {1, 4}}},
      {"ij,jk,kl,lm,mn,no,op->ip", {{2, 3}, {3, 2}, {2, 4}, {4, 2}, {2, 3}, {3, 2}, {2, 3}}},
      {"i,i,i,i->", {{3}, {3}, {3}, {3}}},
      {"ij,jk->ik", {{3, 0}, {0, 5}}}, // sums of nothing
      {"ij,jk->ik", {{0, 4}, {4, 5}}},
      {",ij->ji", {{}, {2, 3}}},
  };
  return all;
}

std::vector<Array> operands_of(const Case& c, DType t) {
  Rng rng(7);
  std::vector<Array> operands;
  for (const Shape& s : c.shapes) operands.push_back(moderate(t, s, rng));
  return operands;
}

Tolerance near(DType t) {
  return {.of_largest = t == DType::f32 ? 1e-5 : 1e-13, .checks_zero_sign = false};
}

std::int64_t steps_of(const std::vector<Expr>& outputs) {
  ir::Graph g = ir::Graph::capture(outputs, ir::Graph::Unify::required);
  return static_cast<std::int64_t>(
      plan::make_plan(std::move(g), {.outputs = outputs.size()}).steps.size());
}

std::string error_of(const std::string& subscripts, const std::vector<Expr>& operands) {
  try {
    einsum(subscripts, operands);
  } catch (const ShapeError& e) {
    return e.what();
  }
  return "";
}

} // namespace

TEST_CASE("einsum adds up what nested loops add up", "[conformance][einsum]") {
  for (DType t : {DType::f32, DType::f64, DType::i32}) {
    std::vector<Expr> inputs, outputs;
    std::vector<Array> arguments;
    for (const Case& c : cases()) {
      const std::vector<Array> operands = operands_of(c, t);
      std::vector<Expr> of_case;
      for (const Array& a : operands)
        of_case.push_back(tensor(t, std::vector<Dim>(a.shape().begin(), a.shape().end())));
      outputs.push_back(einsum(c.subscripts, of_case));
      inputs.insert(inputs.end(), of_case.begin(), of_case.end());
      arguments.insert(arguments.end(), operands.begin(), operands.end());
    }
    const Function f = function(inputs, outputs);
    const std::vector<Array> got = f(arguments);
    for (std::size_t i = 0; i < cases().size(); ++i) {
      INFO(to_string(t) << " " << cases()[i].subscripts << ", case " << i);
      const Array want = by_loops(cases()[i], operands_of(cases()[i], t)).astype(t);
      CHECK(difference(got[i], want, near(t)) == "");
    }
  }
}

TEST_CASE("einsum of sizes that are known in the call alone", "[conformance][einsum]") {
  const DType t = DType::f64;
  const std::vector<Case> unknown{{"ij,kj->ki", {{3, 4}, {5, 4}}},
                                  {"bij,bkj->bki", {{2, 3, 4}, {2, 5, 4}}},
                                  {"aab,bc->ac", {{3, 3, 4}, {4, 2}}},
                                  {"abcd,edfc->aebf", {{2, 3, 4, 2}, {3, 2, 2, 4}}}};
  std::vector<Expr> inputs, outputs;
  std::vector<Array> arguments;
  for (const Case& c : unknown) {
    std::vector<Expr> of_case;
    for (const Array& a : operands_of(c, t)) {
      of_case.push_back(tensor(t, std::vector<Dim>(static_cast<std::size_t>(a.rank()), dim())));
      std::vector<Dim> shape;
      for (int i = 0; i < a.rank(); ++i) shape.push_back(dim());
      of_case.back() = tensor(t, shape);
      arguments.push_back(a);
    }
    outputs.push_back(einsum(c.subscripts, of_case));
    inputs.insert(inputs.end(), of_case.begin(), of_case.end());
  }
  const Function f = function(inputs, outputs);
  const std::vector<Array> got = f(arguments);
  for (std::size_t i = 0; i < unknown.size(); ++i)
    CHECK(difference(got[i], by_loops(unknown[i], operands_of(unknown[i], t)), near(t)) == "");
  arguments[0] = Array::zeros(t, {3, 7});
  try {
    f(arguments);
    FAIL_CHECK("sizes that differ were taken");
  } catch (const ShapeError& e) {
    const std::string text = e.what();
    CHECK(text.find("einsum: 'j' is two sizes in \"ij,kj->ki\"") != std::string::npos);
    CHECK(text.find("einsum_test.cpp") != std::string::npos);
  }
}

TEST_CASE("einsum's ellipsis broadcasts, and its result is implied without an arrow",
          "[conformance][einsum]") {
  const Expr a = tensor<double>({2, 3, 4}), b = tensor<double>({4, 5}), v = tensor<double>({4}),
             s = tensor<double>({3, 3});
  const auto type = [](const Expr& e) { return e.node()->type.to_string(); };
  CHECK(type(einsum("...ij,...jk", {a, b})) == "f64[2,3,5]");
  CHECK(type(einsum("...i,...i->...", {a, v})) == "f64[2,3]");
  CHECK(type(einsum("i...->...", {a})) == "f64[3,4]");
  CHECK(type(einsum("ba", {b})) == "f64[5,4]"); // letters in alphabetical order
  CHECK(type(einsum("ii", {s})) == "f64[]");
  CHECK(type(einsum("... , ...", {a, v})) == "f64[2,3,4]");
  CHECK(einsum("i,i", {tensor<int>({3}), tensor<float>({3})}).dtype() == DType::f32);
  CHECK(einsum("i,i", {tensor(DType::bool_, {3}), tensor(DType::bool_, {3})}).dtype() ==
        DType::i64);

  Rng rng(3);
  const Array as = moderate(DType::f64, {2, 3, 4}, rng), bs = moderate(DType::f64, {4, 5}, rng),
              vs = moderate(DType::f64, {4}, rng);
  const std::vector<Array> got = function(
      {a, b, v}, {einsum("...ij,...jk", {a, b}), einsum("...i,...i->...", {a, v})})({as, bs, vs});
  CHECK(difference(got[0], by_loops({"bij,jk->bik", {{2, 3, 4}, {4, 5}}}, {as, bs}),
                   near(DType::f64)) == "");
  CHECK(difference(got[1], by_loops({"bij,j->bi", {{2, 3, 4}, {4}}}, {as, vs}), near(DType::f64)) ==
        "");
}

TEST_CASE("subscripts that mean nothing are refused, and named", "[conformance][einsum]") {
  const Expr a = tensor<double>({3, 4}, "a"), b = tensor<double>({5, 4}, "b");
  CHECK(error_of("ij,jk->ik", {a, b})
            .starts_with("einsum: 'j' is two sizes in \"ij,jk->ik\": a f64[3,4] has 4 on axis 1, b "
                         "f64[5,4] has 5 on axis 0"));
  CHECK(error_of("ii", {a}).find("'i' is two sizes") != std::string::npos);
  CHECK(error_of("ij", {a, b}).find("is for 1 operands, got 2") != std::string::npos);
  CHECK(error_of("ijk", {a}).find("has 3 letters for a f64[3,4]") != std::string::npos);
  CHECK(error_of("i", {a}).find("\"...\" stands for further axes") != std::string::npos);
  CHECK(error_of("ij->k", {a}).find("has 'k' in its result alone") != std::string::npos);
  CHECK(error_of("ij->ii", {a}).find("'i' twice in its result") != std::string::npos);
  CHECK(error_of("i1", {a}).find("has '1' at position 1") != std::string::npos);
  CHECK(error_of("i.j", {a}).find("has '.' at position 1") != std::string::npos);
  CHECK(error_of("...i->i", {a}).find("leaves out the axes of \"...\"") != std::string::npos);
  CHECK(error_of("", {}).find("no operands") != std::string::npos);
}

TEST_CASE("operands whose axes lie beside each other are not copied", "[conformance][einsum]") {
  const Expr a = tensor<float>({8, 9, 10}), b = tensor<float>({9, 10, 11}),
             m = tensor<float>({8, 9}), q = tensor<float>({2, 5, 3, 4}),
             k = tensor<float>({2, 6, 3, 4});
  CHECK(steps_of({einsum("ij,jk->ik", {m, tensor<float>({9, 3})})}) == 1);
  CHECK(steps_of({einsum("ji,jk->ik", {m, tensor<float>({8, 3})})}) == 1);
  CHECK(steps_of({einsum("ij,kj->ki", {m, tensor<float>({3, 9})})}) == 1);
  CHECK(steps_of({einsum("ijk,jkl->il", {a, b})}) == 1);
  CHECK(steps_of({einsum("ijk,jkl->li", {a, b})}) == 1);
  CHECK(steps_of({einsum("ijk,ijl->kl", {a, tensor<float>({8, 9, 3})})}) == 1);
  CHECK(steps_of({einsum("bqhd,bkhd->bhqk", {q, k})}) == 1); // attention
  CHECK(steps_of({einsum("bij,bj->bi", {a, tensor<float>({8, 10})})}) == 1);
}

TEST_CASE("the order of products follows from the sizes", "[conformance][einsum]") {
  // From the left 2 * 100 * 100 + 100 * 100 * 100 … or 100 * 100 + 100 * 100 from the right.
  const Expr a = tensor<double>({100, 90}), b = tensor<double>({90, 80}), v = tensor<double>({80});
  const Expr from_right = einsum("ij,jk,k->i", {a, b, v});
  CHECK(from_right.to_string().find("[100,80]") == std::string::npos);
  const Expr u = tensor<double>({100});
  CHECK(einsum("i,ij,jk->k", {u, a, b}).to_string().find("[100,80]") == std::string::npos);
}

TEST_CASE("einsum has gradients of both orders, and is mapped", "[conformance][einsum]") {
  for (const Case& c : cases()) {
    if (c.shapes.size() > 4) continue;
    const std::vector<Array> operands = operands_of(c, DType::f64);
    if (std::ranges::any_of(operands, [](const Array& a) { return a.numel() == 0; })) continue;
    INFO(c.subscripts);
    const auto f = [&](const std::vector<Expr>& v) { return einsum(c.subscripts, v); };
    CHECK(verify_grad(f, operands).worst <= 1e-6);
    const auto df = [&](const std::vector<Expr>& v) {
      const Expr e = f(v);
      return grad(sum(e * e), v[0]);
    };
    if (c.shapes.size() > 2) continue;
    CHECK(verify_grad(df, operands, 1e-5).worst <= 1e-5);
  }
  const Expr x = tensor<double>({7, 3, 4}), y = tensor<double>({4, 5});
  const Expr mapped = vmap([&](const std::vector<Expr>& v) {
    return einsum("ij,jk->ki", {v[0], y});
  })({x});
  CHECK(mapped.node()->type.to_string() == "f64[7,5,3]");
}

TEST_CASE("tensordot, inner, outer, kron, vecdot and batched_dot are sums of products",
          "[conformance][einsum]") {
  const DType t = DType::f64;
  Rng rng(5);
  const Array a3 = moderate(t, {2, 3, 4}, rng), b3 = moderate(t, {3, 4, 5}, rng),
              c3 = moderate(t, {4, 2, 5}, rng), m = moderate(t, {3, 4}, rng),
              n = moderate(t, {5, 4}, rng), k = moderate(t, {2, 3}, rng),
              s = moderate(t, {2, 4, 5}, rng);
  const auto c = [](const Array& a) { return constant(a); };
  const std::vector<Expr> outputs{tensordot(c(a3), c(b3)),
                                  tensordot(c(a3), c(c3), {2, 0}, {0, 1}),
                                  tensordot(c(a3), c(c3), {-1}, {0}),
                                  tensordot(c(m), c(k), 0),
                                  inner(c(m), c(n)),
                                  outer(c(k), c(m)),
                                  kron(c(k), c(m)),
                                  vecdot(c(a3), c(m)),
                                  vecdot(c(m), c(m), 0),
                                  batched_dot(c(a3), c(s)),
                                  batched_dot(c(m), c(m)),
                                  inner(c(m), 2.0)};
  const std::vector<Array> got = function({}, outputs)({});
  const auto loops = [&](const std::string& text, const std::vector<Array>& of) {
    Case one{text, {}};
    for (const Array& a : of) one.shapes.push_back(a.shape());
    return by_loops(one, of);
  };
  const std::vector<Array> want{
      loops("iab,abj->ij", {a3, b3}),
      loops("aib,baj->ij", {a3, c3}),
      loops("ija,akl->ijkl", {a3, c3}),
      loops("ij,kl->ijkl", {m, k}),
      loops("ik,jk->ij", {m, n}),
      loops("ij,kl->ijkl", {k, m}).reshape({6, 12}),
      loops("ij,kl->ikjl", {k, m}).contiguous().reshape({6, 12}),
      loops("ijk,jk->ij", {a3, m}),
      loops("ij,ij->j", {m, m}),
      loops("bij,bjk->bik", {a3, s}),
      loops("ij,ij->i", {m, m}),
      loops("ij,->ij", {m, Array::scalar<double>(2)}),
  };
  for (std::size_t i = 0; i < want.size(); ++i) {
    INFO("output " << i);
    CHECK(difference(got[i], want[i], near(t)) == "");
  }
  CHECK(kron(tensor<float>({2}), tensor<float>({3, 4})).node()->type.to_string() == "f32[3,8]");
  CHECK(outer(scalar<float>(), tensor<int>({2, 2})).node()->type.to_string() == "f32[1,4]");
  CHECK(vecdot(tensor<std::int8_t>({2}), tensor<std::int8_t>({2})).dtype() == DType::i8);
  CHECK_THROWS_AS(tensordot(tensor<float>({2, 3}), tensor<float>({3, 2})), ShapeError);
  CHECK_THROWS_AS(tensordot(tensor<float>({2, 3}), tensor<float>({2, 3}), 3), ShapeError);
  CHECK_THROWS_AS(tensordot(tensor<float>({2, 3}), tensor<float>({2, 3}), {0, 0}, {0, 1}),
                  ShapeError);
  CHECK_THROWS_AS(inner(tensor<float>({2}), tensor<float>({3})), ShapeError);
  CHECK_THROWS_AS(batched_dot(tensor<float>({2}), tensor<float>({2})), ShapeError);
  CHECK_THROWS_AS(vecdot(tensor<float>({2}), tensor<float>({2}), 1), ShapeError);
}

} // namespace kroton::test
