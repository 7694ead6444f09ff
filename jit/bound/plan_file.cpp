#include "jit/bound/plan_file.hpp"

#include <algorithm>
#include <concepts>
#include <span>
#include <type_traits>

namespace kroton::jit {
namespace {

// ---- fields, in their order in the file; one list for the writer and the reader

template <class T, class Plain>
concept Is = std::same_as<std::remove_const_t<T>, Plain>;

constexpr auto fields_of(Is<SizeCode::Instruction> auto& x) {
  return std::tie(x.kind, x.target, x.a, x.b);
}
constexpr auto fields_of(Is<SizeCode> auto& x) { return std::tie(x.initial, x.code); }
constexpr auto fields_of(Is<BoundPlan::Kernel> auto& x) {
  return std::tie(x.digest, x.title, x.is_deferred);
}
constexpr auto fields_of(Is<BoundPlan::OutputType> auto& x) { return std::tie(x.dtype, x.shape); }
constexpr auto fields_of(Is<BoundPlan::BufferType> auto& x) {
  return std::tie(x.dtype, x.shape, x.strides);
}
constexpr auto fields_of(Is<BoundPlan::Source> auto& x) {
  return std::tie(x.kind, x.buffer, x.index);
}
constexpr auto fields_of(Is<BoundPlan::Constant> auto& x) {
  return std::tie(x.buffer, x.leaf, x.dtype, x.shape, x.bytes);
}
constexpr auto fields_of(Is<BoundPlan::SymbolSource> auto& x) {
  return std::tie(x.slot, x.argument, x.axis);
}
constexpr auto fields_of(Is<BoundPlan::Draw> auto& x) { return std::tie(x.slot, x.number); }
constexpr auto fields_of(Is<BoundPlan::AxisCheck> auto& x) {
  return std::tie(x.argument, x.axis, x.slot);
}
constexpr auto fields_of(Is<bound::Operand> auto& x) {
  return std::tie(x.buffer, x.offset, x.strides);
}
constexpr auto fields_of(Is<codegen::ContractionSizes<std::optional<std::int64_t>>> auto& x) {
  return std::tie(x.m, x.n, x.k, x.a_row, x.a_col, x.b_row, x.b_col, x.c_row);
}
constexpr auto fields_of(Is<codegen::ContractionShape> auto& x) {
  return std::tie(x.dtype, x.accumulates, x.vector_bytes, x.known);
}
constexpr auto fields_of(Is<bound::Launch> auto& x) {
  return std::tie(x.code, x.entry, x.threads, x.units, x.units_per_block,
                  x.blocks_per_multiprocessor, x.most_blocks, x.shared_bytes, x.always, x.stage,
                  x.selector, x.selector_limit);
}
constexpr auto fields_of(Is<bound::Arguments> auto& x) {
  return std::tie(x.buffers, x.first_size, x.sizes);
}
constexpr auto fields_of(Is<bound::Product::Addend> auto& x) { return std::tie(x.buffer, x.alpha); }
constexpr auto fields_of(Is<bound::Product> auto& x) {
  return std::tie(x.known, x.a, x.b, x.addend, x.out, x.out_row, x.shape, x.k);
}
constexpr auto fields_of(Is<bound::CallArray> auto& x) { return std::tie(x.memory, x.shape); }
constexpr auto fields_of(Is<bound::Call> auto& x) {
  return std::tie(x.op, x.results, x.operands, x.arguments);
}
constexpr auto fields_of(Is<bound::CpuKernel> auto& x) {
  return std::tie(x.code, x.arguments, x.scratch);
}
constexpr auto fields_of(Is<bound::CpuProduct> auto& x) {
  return std::tie(x.product, x.code_of_scheme);
}
constexpr auto fields_of(Is<bound::CpuCall> auto& x) { return std::tie(x.call); }
constexpr auto fields_of(Is<bound::CpuStep> auto& x) { return std::tie(x.is_fallible, x.what); }
constexpr auto fields_of(Is<bound::CpuSequence> auto& x) {
  return std::tie(x.first, x.count, x.code, x.first_size);
}
constexpr auto fields_of(Is<bound::DeviceKernel> auto& x) { return std::tie(x.arguments); }
constexpr auto fields_of(Is<bound::DeviceEpilogue::Known::Bias> auto& x) {
  return std::tie(x.buffer, x.offset);
}
constexpr auto fields_of(Is<bound::DeviceEpilogue::Known> auto& x) {
  return std::tie(x.activation, x.bias, x.out, x.out_row);
}
constexpr auto fields_of(Is<bound::DeviceEpilogue> auto& x) {
  return std::tie(x.arguments, x.launches, x.keeps_product, x.known);
}
constexpr auto fields_of(Is<bound::DeviceProduct> auto& x) {
  return std::tie(x.product, x.epilogue);
}
constexpr auto fields_of(Is<bound::DeviceCall> auto& x) {
  return std::tie(x.call, x.clears_results);
}
constexpr auto fields_of(Is<bound::DeviceStep> auto& x) {
  return std::tie(x.is_fallible, x.what, x.launches, x.scratch, x.counts_blocks, x.reads, x.writes);
}
constexpr auto fields_of(Is<RangeCode::Instruction> auto& x) {
  return std::tie(x.kind, x.dtype, x.row, x.a, x.b, x.c, x.value);
}
constexpr auto fields_of(Is<RangeCode::Check> auto& x) { return std::tie(x.value, x.size); }
constexpr auto fields_of(Is<RangeCode::Result> auto& x) { return std::tie(x.buffer, x.value); }
constexpr auto fields_of(Is<RangeCode> auto& x) {
  return std::tie(x.leaves, x.checked_leaves, x.code, x.checks, x.is_complete, x.results);
}
constexpr auto fields_of(Is<BoundPlan> auto& x) {
  return std::tie(x.kernels, x.sizes, x.symbols, x.draws, x.checks, x.equal_slots, x.assumed_slots,
                  x.buffers, x.sources, x.constants, x.temps, x.slot_bytes, x.step_sizes, x.steps,
                  x.sequences, x.outputs, x.ranges);
}
template <class A, class B> constexpr auto fields_of(std::pair<A, B>& x) {
  return std::tie(x.first, x.second);
}
template <class A, class B> constexpr auto fields_of(const std::pair<A, B>& x) {
  return std::tie(x.first, x.second);
}

/// The largest value of an enumeration that is read.
constexpr std::uint64_t last_of(DType) { return dtype_count - 1; }
constexpr std::uint64_t last_of(ir::DimKind) { return static_cast<int>(ir::DimKind::max); }
constexpr std::uint64_t last_of(BoundPlan::Source::Kind) { return BoundPlan::Source::update; }
constexpr std::uint64_t last_of(plan::Activation) {
  return static_cast<int>(plan::Activation::gelu);
}
constexpr std::uint64_t last_of(RangeCode::Instruction::Kind) {
  return RangeCode::Instruction::from_front;
}

/// Small numbers of either sign become small numbers: 0, -1, 1, -2 … are 0, 1, 2, 3 ….
std::uint64_t zigzag(std::int64_t v) {
  return (static_cast<std::uint64_t>(v) << 1) ^ static_cast<std::uint64_t>(v >> 63);
}
std::int64_t unzigzag(std::uint64_t v) {
  return static_cast<std::int64_t>(v >> 1) ^ -static_cast<std::int64_t>(v & 1);
}

class Writer {
public:
  explicit Writer(std::string& out) : out_(out) {}

  void put(std::uint64_t v) {
    for (; v >= 0x80; v >>= 7) out_ += static_cast<char>(v | 0x80);
    out_ += static_cast<char>(v);
  }
  void put(std::int64_t v) { put(zigzag(v)); }
  void put(int v) { put(zigzag(v)); }
  void put(bool v) { put(std::uint64_t{v}); }
  template <class E>
  requires std::is_enum_v<E>
  void put(E v) { put(static_cast<std::uint64_t>(v)); }
  void put(const std::string& text) {
    put(std::uint64_t{text.size()});
    out_ += text;
  }
  void put(const support::Digest& d) {
    out_.append(reinterpret_cast<const char*>(d.bytes.data()), d.bytes.size());
  }
  template <class T> void put(const std::optional<T>& v) {
    put(v.has_value());
    if (v) put(*v);
  }
  /// Which alternative it is, then that.
  template <class... T> void put(const std::variant<T...>& v) {
    put(std::uint64_t{v.index()});
    std::visit([&](const auto& x) { put(x); }, v);
  }
  template <class T> void put(const std::vector<T>& list) {
    put(std::uint64_t{list.size()});
    for (const T& x : list) put(x);
  }
  template <class T, std::size_t n> void put(const std::array<T, n>& list) {
    for (const T& x : list) put(x);
  }
  template <class T>
  requires requires(const T& x) { fields_of(x); }
  void put(const T& x) {
    std::apply([&](const auto&... field) { (put(field), ...); }, fields_of(x));
  }

private:
  std::string& out_;
};

/// After the first thing that cannot be, `is_bad` holds and everything is read as empty.
class Reader {
public:
  explicit Reader(std::string_view rest) : rest_(rest) {}

  bool is_bad() const { return is_bad_; }
  bool is_at_end() const { return rest_.empty(); }

  void get(std::uint64_t& v) {
    v = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      const std::string_view next = take(1);
      if (next.empty()) return;
      const auto byte = static_cast<unsigned char>(next[0]);
      v |= std::uint64_t{byte & 0x7Fu} << shift;
      if (byte >= 0x80) continue;
      // One number has one spelling: no zeros at the end, nothing beyond the 64th bit.
      if ((byte == 0 && shift > 0) || (shift == 63 && byte > 1)) fail();
      return;
    }
    fail();
  }
  void get(std::int64_t& v) {
    std::uint64_t bits = 0;
    get(bits);
    v = unzigzag(bits);
  }
  void get(int& v) {
    std::int64_t wide = 0;
    get(wide);
    v = static_cast<int>(wide);
    if (v != wide) fail();
  }
  void get(bool& v) { v = up_to(1) != 0; }
  template <class E>
  requires std::is_enum_v<E>
  void get(E& v) { v = static_cast<E>(up_to(last_of(E{}))); }
  void get(std::string& text) { text = take(length()); }
  void get(support::Digest& d) {
    const auto bytes = std::as_bytes(std::span(take(d.bytes.size())));
    std::ranges::copy(bytes, std::as_writable_bytes(std::span(d.bytes)).begin());
  }
  template <class T> void get(std::optional<T>& v) {
    bool has_value = false;
    get(has_value);
    if (has_value) get(v.emplace());
  }
  template <class... T> void get(std::variant<T...>& v) {
    const std::uint64_t index = up_to(sizeof...(T) - 1);
    std::uint64_t i = 0;
    ((i++ == index ? get(v.template emplace<T>()) : void()), ...);
  }
  template <class T> void get(std::vector<T>& list) {
    for (std::size_t n = length(); n > 0 && !is_bad_; --n) get(list.emplace_back());
  }
  template <class T, std::size_t n> void get(std::array<T, n>& list) {
    for (T& x : list) get(x);
  }
  template <class T>
  requires requires(T& x) { fields_of(x); }
  void get(T& x) {
    std::apply([&](auto&... field) { (get(field), ...); }, fields_of(x));
  }

private:
  void fail() {
    is_bad_ = true;
    rest_ = {};
  }
  std::string_view take(std::size_t n) {
    if (n > rest_.size()) {
      fail();
      return {};
    }
    const std::string_view taken = rest_.substr(0, n);
    rest_.remove_prefix(n);
    return taken;
  }
  std::uint64_t up_to(std::uint64_t last) {
    std::uint64_t v = 0;
    get(v);
    if (v <= last) return v;
    fail();
    return 0;
  }
  /// Of a list or text, whose elements take a byte each at least.
  std::size_t length() { return up_to(rest_.size()); }

  std::string_view rest_;
  bool is_bad_ = false;
};

/// Binds the bytes to their key, so that neither damage nor another key's plan is taken for one.
support::Digest seal_of(std::string_view content, const support::Digest& key) {
  support::Hasher hasher;
  hasher.add(std::as_bytes(std::span(key.bytes)));
  hasher.add(content);
  return hasher.digest();
}

} // namespace

std::string write_plan(const BoundPlan& plan, const support::Digest& key) {
  std::string out;
  Writer writer(out);
  writer.put(plan);
  writer.put(seal_of(out, key));
  return out;
}

std::optional<BoundPlan> read_plan(std::string_view bytes, const support::Digest& key) {
  support::Digest seal;
  if (bytes.size() < seal.bytes.size()) return std::nullopt;
  const std::string_view content = bytes.substr(0, bytes.size() - seal.bytes.size());
  Reader(bytes.substr(content.size())).get(seal);
  if (seal != seal_of(content, key)) return std::nullopt;
  BoundPlan plan;
  Reader reader(content);
  reader.get(plan);
  if (reader.is_bad() || !reader.is_at_end()) return std::nullopt;
  return plan;
}

} // namespace kroton::jit
