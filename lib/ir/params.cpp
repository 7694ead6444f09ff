#include "lib/ir/params.hpp"

#include <algorithm>

#include "lib/ir/node.hpp"
#include "lib/support/error.hpp"

namespace kroton::ir {
namespace {

std::size_t mix(std::size_t h, std::size_t value) { return (h ^ value) * 0x100000001B3ull; }

class Dims : public FieldVisitor {
public:
  explicit Dims(const std::function<void(const Dim&)>& found) : found_(found) {}

  void visit(std::string_view, const Dim& d) override { found_(d); }
  void visit(std::string_view, const DimList& dims) override {
    for (const Dim& d : dims) found_(d);
  }
  void visit(std::string_view, const bool&) override {}
  void visit(std::string_view, const std::int64_t&) override {}
  void visit(std::string_view, const Ints&) override {}
  void visit(std::string_view, const DType&) override {}
  void visit(std::string_view, const Scalar&) override {}
  void visit(std::string_view, const Draw&) override {}
  void visit(std::string_view, const InputIdentity&) override {}
  void visit(std::string_view, const SharedIdentity&) override {}
  void visit(std::string_view, const ArrayIdentity&) override {}

private:
  const std::function<void(const Dim&)>& found_;
};

} // namespace

void for_each_dim(const Params& params, const std::function<void(const Dim&)>& visit) {
  Dims dims(visit);
  params.visit(dims);
}

namespace detail {

bool same_field(const Dim& a, const Dim& b) { return dims::same(a, b); }
bool same_field(const DimList& a, const DimList& b) { return same(a, b); }

std::size_t hash_field(const Ints& value) {
  std::size_t h = value.size();
  for (std::int64_t v : value) h = mix(h, static_cast<std::size_t>(v));
  return h;
}
std::size_t hash_field(const Scalar& value) {
  return mix(mix(static_cast<std::size_t>(value.dtype), value.words[0]), value.words[1]);
}
std::size_t hash_field(const Dim& value) { return dims::hash(value); }
std::size_t hash_field(const DimList& value) {
  std::size_t h = value.size();
  for (const Dim& d : value) h = mix(h, dims::hash(d));
  return h;
}

bool is_unknown(const DimList& value) {
  return std::ranges::any_of(value, [](const Dim& d) { return !d.is_static(); });
}

void fail_type(const ParamsType* got, const ParamsType& expected) {
  support::fail<InternalError>("params", {}, "expected the parameters {}, got {}", expected.name,
                               got ? got->name : "none");
}

} // namespace detail
} // namespace kroton::ir
