#include "jit/bound/plan_key.hpp"

#include <elf.h>
#include <link.h>

#include "lib/ops/basic.hpp"
#include "lib/rewrite/pipeline.hpp"

namespace kroton::jit {
namespace {

/// Writes a program as bytes from which it could be told apart from every other: each list with its
/// length in front, each node, leaf and dim by a number that it got when it was first met.
class Encoder : public ir::FieldVisitor {
public:
  explicit Encoder(const PlanInputs& in) : in_(in) {}

  std::string encode();

private:
  void visit(std::string_view, const bool& value) override { put(value ? 1 : 0); }
  void visit(std::string_view, const std::int64_t& value) override {
    put(static_cast<std::uint64_t>(value));
  }
  void visit(std::string_view, const ir::Ints& value) override {
    put(value.size());
    for (std::int64_t v : value) put(static_cast<std::uint64_t>(v));
  }
  void visit(std::string_view, const DType& value) override {
    put(static_cast<std::uint64_t>(value));
  }
  void visit(std::string_view, const ir::Scalar& value) override {
    put(static_cast<std::uint64_t>(value.dtype));
    for (std::uint64_t word : value.words) put(word);
  }
  void visit(std::string_view, const ir::Draw& value) override {
    put(static_cast<std::uint64_t>(in_.leaves.number_of_draw(value.number)));
  }
  void visit(std::string_view, const Dim& value) override { put_dim(value); }
  void visit(std::string_view, const ir::DimList& value) override { put_dims(value); }
  // What an input and a shared variable hold decides nothing of the code.
  void visit(std::string_view, const ir::InputIdentity& value) override { put_leaf(value.get()); }
  void visit(std::string_view, const ir::SharedIdentity& value) override { put_leaf(value.get()); }
  void visit(std::string_view, const ir::ArrayIdentity& value) override {
    put_leaf(value.get());
    put_value(value->value);
  }

  void put(std::uint64_t value);
  void put(std::string_view text) {
    put(text.size());
    out_ += text;
  }
  void put_leaf(const void* leaf) {
    put(leaf ? static_cast<std::uint64_t>(in_.leaves.number_of(leaf)) + 1 : 0);
  }
  void put_dim(const Dim& d);
  void put_new_dim(const ir::DimNode& n);
  void put_dims(std::span<const Dim> dims);
  void put_type(const ir::Type& type);
  void put_node(const ir::Node& n);
  void put_value(const Array& value);
  std::uint64_t symbol_number(const ir::DimNode& n);

  const PlanInputs& in_;
  std::string out_;
  std::unordered_map<const ir::Node*, std::uint64_t> nodes_;
  std::unordered_map<const ir::DimNode*, std::uint64_t> dims_;
  std::unordered_map<std::string_view, std::uint64_t> named_;
  std::uint64_t symbols_ = 0;
};

/// Seven bits a byte, the lowest first; the top bit says that more follow.
void Encoder::put(std::uint64_t value) {
  for (; value >= 0x80; value >>= 7) out_ += static_cast<char>(value | 0x80);
  out_ += static_cast<char>(value);
}

/// Symbols of one name are one dim. The name itself decides nothing, but whether there is one does.
std::uint64_t Encoder::symbol_number(const ir::DimNode& n) {
  if (n.name.empty()) return symbols_++;
  const auto [it, is_new] = named_.emplace(n.name, symbols_);
  if (is_new) ++symbols_;
  return it->second;
}

void Encoder::put_new_dim(const ir::DimNode& n) {
  put(static_cast<std::uint64_t>(n.kind));
  switch (n.kind) {
  case ir::DimKind::symbol:
    put(n.name.empty() ? 0 : 1);
    put(symbol_number(n));
    break;
  case ir::DimKind::scalar:
    put(n.name.empty() ? 0 : 1);
    put_leaf(n.leaf.get());
    break;
  case ir::DimKind::negative:
    put_dim(n.a);
    break;
  default:
    put_dim(n.a);
    put_dim(n.b);
    break;
  }
}

void Encoder::put_dim(const Dim& d) {
  if (d.is_static()) {
    put(0);
    return put(static_cast<std::uint64_t>(d.value()));
  }
  const auto [it, is_new] = dims_.emplace(d.node().get(), dims_.size() + 1);
  put(it->second);
  if (is_new) put_new_dim(*d.node());
}

void Encoder::put_dims(std::span<const Dim> dims) {
  put(dims.size());
  for (const Dim& d : dims) put_dim(d);
}

void Encoder::put_type(const ir::Type& type) {
  put(static_cast<std::uint64_t>(type.dtype));
  put_dims(type.shape);
}

/// The elements of an array that rewrites may compute with.
void Encoder::put_value(const Array& value) {
  if (value.numel() > rewrite::max_folded_numel) return put(0);
  const Array dense = value.contiguous(Location{});
  put(1);
  put(std::string_view(static_cast<const char*>(dense.raw()), dense.nbytes()));
}

void Encoder::put_node(const ir::Node& n) {
  put(n.op->name);
  put(n.inputs.size());
  for (const Expr& e : n.inputs) put(nodes_.at(e.node().get()));
  n.params.visit(*this); // how many fields there are follows from the op
  put(n.constraints.size());
  for (const ir::Constraint& c : n.constraints) {
    put_dim(c.a);
    put_dim(c.b);
    put(c.is_assumed ? 1 : 0);
  }
  nodes_.emplace(&n, nodes_.size());
}

std::string Encoder::encode() {
  const Signature& s = in_.signature;
  put(s.inputs.size());
  for (const Expr& e : s.inputs) put_type(e.node()->type);
  put(s.updates.size());
  for (const Update& u : s.updates) {
    put_leaf(u.first.node()->params.leaf());
    put_type(u.first.node()->type);
  }
  put(in_.leaves.order().size());
  for (const ir::Node* n : in_.leaves.order()) put_node(*n);
  put(s.outputs.size());
  for (const Expr& e : s.outputs) put(nodes_.at(e.node().get()));
  for (const Update& u : s.updates) put(nodes_.at(u.second.node().get()));
  put(in_.assumptions.sizes.size());
  for (const ir::DimValue& v : in_.assumptions.sizes) {
    put_dim(v.dim);
    put(static_cast<std::uint64_t>(v.value));
  }
  return std::move(out_);
}

/// Takes the note that `--build-id` makes the linker write, from the object that holds this code.
int read_build_id(dl_phdr_info* object, std::size_t, void* result) {
  const auto here = reinterpret_cast<ElfW(Addr)>(&read_build_id);
  const std::span headers(object->dlpi_phdr, object->dlpi_phnum);
  bool is_ours = false;
  for (const auto& h : headers)
    is_ours = is_ours || (h.p_type == PT_LOAD && here - object->dlpi_addr - h.p_vaddr < h.p_memsz);
  if (!is_ours) return 0;
  for (const auto& h : headers) {
    if (h.p_type != PT_NOTE) continue;
    const auto* at = reinterpret_cast<const unsigned char*>(object->dlpi_addr + h.p_vaddr);
    const auto* end = at + h.p_memsz;
    while (end - at >= static_cast<std::ptrdiff_t>(sizeof(ElfW(Nhdr)))) {
      const auto& note = *reinterpret_cast<const ElfW(Nhdr)*>(at);
      const auto* content = at + sizeof note + (note.n_namesz + 3) / 4 * 4;
      if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == 4)
        for (std::size_t i = 0; i < note.n_descsz; ++i)
          *static_cast<std::string*>(result) += fmt::format("{:02x}", content[i]);
      at = content + (note.n_descsz + 3) / 4 * 4;
    }
  }
  return 1;
}

} // namespace

const std::string& build_id() {
  static const std::string id = [] {
    std::string text;
    dl_iterate_phdr(read_build_id, &text);
    return text;
  }();
  return id;
}

cache::Key plan_key(const PlanInputs& inputs) {
  const Options& o = inputs.options;
  return cache::KeyBuilder{"plan/1"}
      .add("graph", support::digest_of(Encoder(inputs).encode()).hex())
      .add("assumes", std::to_string(static_cast<int>(inputs.assumptions.unify)))
      .add("mode", o.mode == Mode::plain       ? "plain"
                   : o.mode == Mode::nan_guard ? "keeps-variables"
                                               : "fast")
      .add("fp", std::to_string(static_cast<int>(o.fp)))
      .add("contract", o.contract ? "1" : "0")
      .add("deterministic", o.deterministic ? "1" : "0")
      .add("target", inputs.target)
      .add("build", build_id())
      .build();
}

} // namespace kroton::jit
