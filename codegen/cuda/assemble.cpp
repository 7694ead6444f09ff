/// Arrays that are put together from parts, as CUDA C++. Arguments:
///   pointers  out, base (both the same where out takes its place), each part
///   i64       the elements of out, whether no two parts go to the same ones, and whether parts are
///             added; then for each part where it begins in out, and for each axis its length and
///             how far its elements are apart
///
/// Parts that are known to be apart are taken by one launch, a part after the other by all of its
/// threads; others by a launch each, since elements are added in the order of the parts.
#include "codegen/cuda/library.hpp"
#include "codegen/cuda/pattern.hpp"
#include "codegen/loop/expression.hpp"

namespace kroton::codegen {
namespace dims = ir::dims;
namespace {

constexpr std::int64_t most_blocks = 65536;

constexpr std::string_view copying = R"(
/// What the parts are not put to stays as it is in the base.
extern "C" __global__ void __launch_bounds__(256) assemble_base({parameters}) {
  for (i64 i = (i64)blockIdx.x * 256 + threadIdx.x; i < numel; i += (i64)gridDim.x * 256) out[i] = base[i];
}
)";

constexpr std::string_view taking = R"(
extern "C" __global__ void __launch_bounds__(256) {entry}({parameters}) {
  const i64 first = (i64)blockIdx.x * 256 + threadIdx.x, step = (i64)gridDim.x * 256;
{parts}}
)";

class Assemble {
public:
  Assemble(DType dtype, const plan::LibraryStep& step)
      : step_(step), dtype_(dtype), rank_(step.results[0].shape.size()),
        parts_(step.operands.size() - 1), adds_(!step.numbers[2].is(0)) {}

  CudaText run() const {
    std::string body;
    std::vector<Launch> launches;
    const bool is_in_place = step_.operands[0].memory.buffer == step_.results[0].memory.buffer;
    if (!is_in_place) {
      body += filled(copying, "", "");
      launches.push_back({.entry = "assemble_base",
                          .units = dims::product(step_.results[0].shape),
                          .units_per_block = 256,
                          .most_blocks = most_blocks});
    }
    const bool are_apart = !step_.numbers[1].is(0);
    for (std::size_t first = 0; first < parts_;) {
      const std::size_t end = are_apart ? parts_ : first + 1;
      const std::string entry = fmt::format("assemble_{}", first);
      std::string text;
      Dim units(0);
      for (std::size_t k = first; k < end; ++k) {
        text += part(k);
        units = dims::add(units, dims::product(step_.operands[k + 1].shape));
      }
      body += filled(taking, entry, text);
      launches.push_back({.entry = entry,
                          .units = units,
                          .units_per_block = 256,
                          .most_blocks = most_blocks,
                          .stage = static_cast<int>(launches.size())});
      first = end;
    }
    CudaText text = with_prelude(fmt::format("// {} parts of {} axes {} {}{}\n", parts_, rank_,
                                             adds_ ? "added to" : "put into", to_string(dtype_),
                                             are_apart ? "" : ", one after the other"),
                                 std::move(body));
    text.launches = std::move(launches);
    return text;
  }

private:
  std::string filled(std::string_view pattern, std::string entry, std::string parts) const {
    return with_values(pattern, {{"{parameters}", parameters()},
                                 {"{entry}", std::move(entry)},
                                 {"{parts}", std::move(parts)}});
  }

  std::string parameters() const {
    const std::string type = Expressions::type_name(dtype_);
    std::string text = fmt::format("global<{0}> out, global<const {0}> base", type);
    for (std::size_t k = 0; k < parts_; ++k) text += fmt::format(", global<const {}> x{}", type, k);
    text += ", i64 numel, i64 are_apart, i64 adds";
    for (std::size_t k = 0; k < parts_; ++k) {
      text += fmt::format(", i64 at{}", k);
      for (std::size_t i = 0; i < rank_; ++i)
        text += fmt::format(", i64 n{0}_{1}, i64 s{0}_{1}", k, i);
    }
    return text;
  }

  /// Takes part `k`.
  std::string part(std::size_t k) const {
    std::string count = rank_ == 0 ? "1" : "";
    for (std::size_t i = 0; i < rank_; ++i)
      count += fmt::format("{}n{}_{}", i == 0 ? "" : " * ", k, i);
    std::string text = fmt::format("  for (i64 i = first; i < {}; i += step) {{\n"
                                   "    i64 place = at{}{};\n",
                                   count, k, rank_ > 1 ? ", rest = i" : "");
    for (std::size_t i = rank_; i-- > 1;)
      text += fmt::format("    const i64 q{1} = whole_quotient(rest, n{0}_{1});\n"
                          "    place += (rest - q{1} * n{0}_{1}) * s{0}_{1};\n"
                          "    rest = q{1};\n",
                          k, i);
    if (rank_ > 0) text += fmt::format("    place += {} * s{}_0;\n", rank_ > 1 ? "rest" : "i", k);
    const std::string type = Expressions::type_name(dtype_);
    text += !adds_ ? fmt::format("    out[place] = x{}[i];\n", k)
            : is_bool(dtype_)
                ? fmt::format("    out[place] = out[place] || x{}[i];\n", k)
                : fmt::format("    out[place] = ({})(out[place] + x{}[i]);\n", type, k);
    return text + "  }\n";
  }

  const plan::LibraryStep& step_;
  const DType dtype_;
  const std::size_t rank_, parts_;
  const bool adds_;
};

} // namespace

CudaCall render_cuda_assemble(const plan::Plan& plan, const plan::LibraryStep& step) {
  const int out = step.results[0].memory.buffer;
  return {Assemble(plan.buffers[static_cast<std::size_t>(out)].dtype, step).run()};
}

} // namespace kroton::codegen
