/// Every field of every op's parameters counts: for equality, for the hash, for the key of a plan,
/// and when dims are replaced.
#include <kroton/core.hpp>

#include "jit/compile/backend.hpp"
#include "jit/bound/plan_key.hpp"
#include "lib/ops/basic.hpp"
#include "lib/ops/table.hpp"
#include "test/support/catch.hpp"

namespace kroton::jit {
namespace {

using ir::Params;

/// Gives every field a value that is not its default, with dims that are `size`, or each another.
class Fill : public ir::FieldEditor {
public:
  explicit Fill(std::optional<Dim> size) : size_(std::move(size)) {}

  void edit(bool& value) override { value = true; }
  void edit(std::int64_t& value) override { value = 3; }
  void edit(ir::Ints& value) override { value = {1, 2}; }
  void edit(DType& value) override { value = DType::i32; }
  void edit(ir::Scalar& value) override { value = {DType::f64, {7, 8}}; }
  void edit(ir::Draw& value) override { value = {5}; }
  void edit(Dim& value) override { value = size(); }
  void edit(ir::DimList& value) override { value = {size(), Dim(3)}; }
  void edit(ir::InputIdentity& value) override { value = std::make_shared<ir::InputLeaf>(); }
  void edit(ir::SharedIdentity& value) override { value = std::make_shared<ir::SharedState>(); }
  void edit(ir::ArrayIdentity& value) override {
    value = std::make_shared<ir::ArrayLeaf>(ir::ArrayLeaf{Array::zeros<float>({2})});
  }

private:
  Dim size() { return size_ ? *size_ : dim(fmt::format("n{}", dims_++)); }

  std::optional<Dim> size_;
  int dims_ = 0;
};

/// Changes one field, in one of the ways in which it can change.
class Change : public ir::FieldEditor {
public:
  explicit Change(int which) : which_(which) {}

  void edit(bool& value) override {
    if (is_it()) value = !value;
  }
  void edit(std::int64_t& value) override {
    if (is_it()) ++value;
  }
  void edit(ir::Ints& value) override {
    if (is_it()) ++value[1];
    if (is_it()) std::swap(value[0], value[1]);
    if (is_it()) value.push_back(0);
    if (is_it()) value.clear();
  }
  void edit(DType& value) override {
    if (is_it()) value = DType::i64;
  }
  void edit(ir::Scalar& value) override {
    if (is_it()) value.dtype = DType::i64;
    if (is_it()) ++value.words[0];
    if (is_it()) ++value.words[1];
  }
  void edit(ir::Draw& value) override {
    if (is_it(true)) ++value.number;
  }
  void edit(Dim& value) override {
    if (is_it()) value = ir::dims::add(value, Dim(1));
    if (is_it()) value = Dim(7);
    if (is_it(true)) value = dim("other");
  }
  void edit(ir::DimList& value) override {
    if (is_it()) value = {value[0], Dim(4)};
    if (is_it()) value = {value[1], value[0]};
    if (is_it()) value = {value[0]};
    if (is_it()) value = {};
    if (is_it(true)) value = {dim("other"), value[1]};
  }
  void edit(ir::InputIdentity& value) override {
    if (is_it(true)) value = std::make_shared<ir::InputLeaf>();
  }
  void edit(ir::SharedIdentity& value) override {
    if (is_it(true)) value = std::make_shared<ir::SharedState>();
  }
  void edit(ir::ArrayIdentity& value) override {
    if (is_it())
      value = std::make_shared<ir::ArrayLeaf>(
          ir::ArrayLeaf{Array::from(std::vector<float>{1, 1}, {2})});
    if (is_it(true)) value = std::make_shared<ir::ArrayLeaf>(*value);
  }

  bool has_changed() const { return has_changed_; }
  /// Programs in which nothing else differs are one program: only which values are equal counts.
  bool is_renaming() const { return is_renaming_; }

private:
  bool is_it(bool is_renaming = false) {
    if (which_-- != 0) return false;
    has_changed_ = true;
    is_renaming_ = is_renaming;
    return true;
  }

  int which_;
  bool has_changed_ = false, is_renaming_ = false;
};

/// The key of a program with a node of `op` for each of these parameters; its type and operands are
/// no matter.
support::Digest key_of(const ir::Op& op, const std::vector<Params>& params) {
  Signature s;
  for (const Params& p : params) {
    auto node = std::make_shared<ir::Node>();
    node->op = &op;
    node->params = p;
    node->type = {DType::f32, {}};
    s.order.push_back(node.get());
    s.outputs.emplace_back(std::move(node));
  }
  const Leaves leaves(s);
  const Options options;
  return plan_key({s, leaves, options, {}, "some machine"}).digest;
}

struct Complete {
  std::int64_t a = 0;
  std::vector<std::int64_t> b = {};
  ir::DimList c = {};
  Dim d{0};
  std::shared_ptr<const ir::ArrayLeaf> e = nullptr;
  static constexpr auto fields = std::tuple{
      ir::field("a", &Complete::a), ir::field("b", &Complete::b), ir::field("c", &Complete::c),
      ir::field("d", &Complete::d), ir::field("e", &Complete::e)};
};

template <class T>
concept Visited = requires(ir::FieldVisitor& visitor, const T& value) {
  visitor.visit("", value);
};

} // namespace

TEST_CASE("every field of every op's parameters is in the key of a plan", "[jit][plan][params]") {
  int changes = 0;
  for (const ir::Op* op : ops::all()) {
    if (!op->params) continue;
    Fill fill(std::nullopt);
    const Params whole = op->params->initial().edited(fill);
    for (int which = 0;; ++which) {
      Change change(which);
      const Params changed = whole.edited(change);
      if (!change.has_changed()) break;
      ++changes;
      CAPTURE(op->name, which);
      CHECK(changed.type() == op->params);
      CHECK_FALSE(same(whole, changed));
      CHECK(hash(whole) != hash(changed));
      CHECK((key_of(*op, {whole}) == key_of(*op, {changed})) == change.is_renaming());
      CHECK(key_of(*op, {whole, whole}) != key_of(*op, {whole, changed}));
    }
    Change nothing(-1);
    CHECK(same(whole, whole.edited(nothing)));
    CHECK(hash(whole) == hash(whole.edited(nothing)));
  }
  CHECK(changes > 40);
}

TEST_CASE("every dim of every op's parameters is replaced by what it stands for",
          "[jit][plan][params]") {
  const Dim n = dim("n");
  const ir::Graph g = ir::Graph::capture({}, ir::Graph::Unify::required, {{{n, 7}}});
  for (const ir::Op* op : ops::all()) {
    if (!op->params) continue;
    CAPTURE(op->name);
    Fill fill(n);
    const Params before = op->params->initial().edited(fill), after = g.canonical(before);
    std::vector<Dim> dims;
    ir::for_each_dim(after, [&](const Dim& d) { dims.push_back(d); });
    CHECK_FALSE(after.has_unknown_dims());
    CHECK(before.has_unknown_dims() == !dims.empty());
    for (const Dim& d : dims) CHECK((d.is(7) || d.is(3)));
    CHECK(after.type() == before.type());
  }
}

TEST_CASE("a member that is no field is noticed when it is compiled", "[jit][params]") {
  // Params' constructor compares the two numbers.
  STATIC_REQUIRE(ir::detail::count_members<Complete>() == 5);
  STATIC_REQUIRE(std::tuple_size_v<decltype(Complete::fields)> == 5);
  STATIC_REQUIRE(ir::detail::count_members<ops::SliceParams>() == 3);
  STATIC_REQUIRE(Visited<ir::ArrayIdentity>);
  // What may hide anything that decides the code is no field.
  STATIC_REQUIRE_FALSE(Visited<std::shared_ptr<const void>>);
  STATIC_REQUIRE_FALSE(Visited<std::shared_ptr<const Expr>>);
}

TEST_CASE("parameters that do not belong to an op are refused", "[jit][params]") {
  const Expr x = tensor<float>({2, 3}, "x");
  const auto make = [&](Params params) {
    return ir::make(ops::transpose, {x}, std::move(params), Location::current());
  };
  CHECK(make(ops::OrderParams{{1, 0}}).rank() == 2);
  CHECK_THROWS_AS(make({}), InternalError);
  CHECK_THROWS_AS(make(ops::AxesParams{{0}}), InternalError);
  CHECK_THROWS_AS(x.node()->params.as<ops::AxesParams>(), InternalError);
}

} // namespace kroton::jit
