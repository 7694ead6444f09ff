#include "codegen/cuda/contraction.hpp"

#include <algorithm>
#include <optional>

#include "codegen/cuda/epilogue.hpp"
#include "codegen/cuda/library.hpp"
#include "codegen/cuda/pattern.hpp"
#include "codegen/loop/expression.hpp"
#include "codegen/schedule/cuda_product.hpp"
#include "lib/support/error.hpp"
#include "lib/support/match.hpp"

namespace kroton::codegen {
namespace dims = ir::dims;
namespace {

std::string name_of(const CudaTile& t) { return fmt::format("product_{}x{}", t.m, t.n); }

constexpr std::string_view tiled = R"(
/// Copies what a block needs next of a matrix: of the `count` rows or columns that it has from there on, `left` steps along
/// k. What the tile has room for beyond them is 0. Threads that are neighbours read neighbours, whichever way the matrix lies.
template <i32 threads, i32 B, i32 BK>
KROTON_INLINE void copy_tile({T} (&tile)[BK][B + 1], const {T}* from, i64 stride, i64 k_stride, i64 count, i64 left) {
  const i32 rank = threadIdx.x;
  const bool is_along_k = k_stride == 1;
  const i32 first = is_along_k ? rank / BK : rank % B, step = is_along_k ? threads / BK : 0;
  const i32 k_first = is_along_k ? rank % BK : rank / B, k_step = is_along_k ? 0 : threads / B;
#pragma unroll
  for (i32 e = 0; e < B * BK / threads; ++e) {
    const i32 i = first + e * step, l = k_first + e * k_step;
    tile[l][i] = i < count && l < left ? from[i * stride + l * k_stride] : ({T})0;
  }
}

/// A tile of c a block: BM × BN elements, BK columns of a at a time, TM × TN elements a thread. Tiles lie in shared
/// memory, k by k.{about_splits}
extern "C" __global__ void __launch_bounds__({threads}) {name}({parameters}) {
  constexpr i32 BM = {BM}, BN = {BN}, BK = {BK}, TM = {TM}, TN = {TN};
  constexpr i32 columns = BN / TN, rows = BM / TM, threads = rows * columns;
  __shared__ {T} a_tile[BK][BM + 1];
  __shared__ {T} b_tile[BK][BN + 1];
  const i64 tiles_m = (m + BM - 1) / BM, tiles_n = (n + BN - 1) / BN;
{tile_of_block}  const u32 row = block_quotient(tile, tiles_n), batch = block_quotient(row, tiles_m);
  if (batch >= batches) return;
  const i64 i_from = (row - batch * tiles_m) * BM, j_from = (tile - row * tiles_n) * BN;
{part_of_k}  a += batch * a_batch;
  b += batch * b_batch;
  c += batch * c_batch;
  const i32 x = (i32)threadIdx.x % columns, y = (i32)threadIdx.x / columns;
  {T} sums[TM][TN] = {};
{so_far}
  for (i64 k_at = {k_from}; k_at < {k_to}; k_at += BK) {
{put_aside}    copy_tile<threads, BM>(a_tile, a + i_from * a_row + k_at * a_col, a_row, a_col, m - i_from, {k_to} - k_at);
    copy_tile<threads, BN>(b_tile, b + j_from * b_col + k_at * b_row, b_col, b_row, n - j_from, {k_to} - k_at);
    __syncthreads();
#pragma unroll
    for (i32 l = 0; l < BK; ++l) {
      {T} of_a[TM], of_b[TN];
      for (i32 r = 0; r < TM; ++r) of_a[r] = a_tile[l][y + r * rows];
      for (i32 s = 0; s < TN; ++s) of_b[s] = b_tile[l][x + s * columns];
      for (i32 r = 0; r < TM; ++r)
        for (i32 s = 0; s < TN; ++s) sums[r][s] = {add};
    }
    __syncthreads();
  }

{take_back}{tile_end}}
)";

/// Sums of f32 lose digits with every term that they grow by: what so many come to is put aside, in
/// memory of the thread's own. volatile: they would take the registers of the sums.
constexpr std::string_view so_far = R"(  constexpr i64 most_at_once = {most_at_once};
  volatile {T} so_far[TM][TN];
)";
constexpr std::string_view put_aside =
    R"(    if (k_at > {k_from} && (k_at - {k_from}) % most_at_once == 0)
      for (i32 r = 0; r < TM; ++r)
        for (i32 s = 0; s < TN; ++s) {
          so_far[r][s] = k_at == {k_from} + most_at_once ? sums[r][s] : so_far[r][s] + sums[r][s];
          sums[r][s] = 0;
        }
)";
constexpr std::string_view take_back = R"(  if ({k_to} - {k_from} > most_at_once)
    for (i32 r = 0; r < TM; ++r)
      for (i32 s = 0; s < TN; ++s) sums[r][s] = so_far[r][s] + sums[r][s];
)";

/// What a thread's elements become: where they are stored, …
constexpr std::string_view stored_tile = R"(  for (i32 r = 0; r < TM; ++r)
    for (i32 s = 0; s < TN; ++s) {
      const i64 i = i_from + y + r * rows, j = j_from + x + s * columns;
      if (i >= m || j >= n) continue;
{store_part}{element}    }
)";

/// … or what more follows from each, one after the other: what follows is in the code once, and the
/// elements are in memory of the thread's own.
constexpr std::string_view followed_tile = R"(  {T} kept[TM * TN];
  for (i32 r = 0; r < TM; ++r)
    for (i32 s = 0; s < TN; ++s) kept[r * TN + s] = sums[r][s];
#pragma unroll 1
  for (i32 e = 0; e < TM * TN; ++e) {
    const i64 i = i_from + y + e / TN * rows, j = j_from + x + e % TN * columns;
    if (i >= m || j >= n) continue;
{store_part}{element}  }
)";

constexpr std::string_view dots = R"(
/// An element of c a warp: its lanes walk along k. For narrow c.{about_splits}
extern "C" __global__ void __launch_bounds__(256) product_dots({parameters}) {
{element_of_unit}  const i64 row = whole_quotient(element, n), j = element - row * n, batch = whole_quotient(row, m), i = row - batch * m;
  if (batch >= batches) return;
{part_of_k}  a += batch * a_batch + i * a_row;
  b += batch * b_batch + j * b_col;
  {W} total = 0;
  for (i64 at = {k_from}; at < {k_to}; at += 32 * {terms_of_thread}) {
    const i64 end = at + 32 * {terms_of_thread} < {k_to} ? at + 32 * {terms_of_thread} : {k_to};
    {T} sum = 0;
#pragma unroll 4
    for (i64 l = at + team<32>::rank(); l < end; l += 32) sum = {add_one};
    total = total + sum;
  }
  total = team<32>::fold(total, []({W} u, {W} v) -> {W} { return u + v; });
  if (team<32>::rank() != 0) return;
  const {T} sum = ({T})total;
{store_sum}{element}}
)";

constexpr std::string_view flat_rows = R"(
/// 32 neighbours in a row of c a block: its warps share k. For flat c.{about_splits}
extern "C" __global__ void __launch_bounds__(256) product_rows({parameters}) {
  const i64 tiles = (n + 31) / 32;
{tile_of_block}  const u32 row = block_quotient(tile, tiles), batch = block_quotient(row, m);
  const i64 i = row - batch * m;
  if (batch >= batches) return;
  const i64 at = (tile - row * tiles) * 32 + threadIdx.x % 32, j = at < n ? at : n - 1;
{part_of_k}  a += batch * a_batch + i * a_row;
  b += batch * b_batch + j * b_col;
  {W} total = 0;
  for (i64 first = {k_from}; first < {k_to}; first += 8 * {terms_of_thread}) {
    const i64 end = first + 8 * {terms_of_thread} < {k_to} ? first + 8 * {terms_of_thread} : {k_to};
    {T} sum = 0;
#pragma unroll 4
    for (i64 l = first + threadIdx.x / 32; l < end; l += 8) sum = {add_one};
    total = total + sum;
  }
  total = team<32>::across(total, []({W} u, {W} v) -> {W} { return u + v; });
  if (threadIdx.x >= 32 || at >= n) return;
  const {T} sum = ({T})total;
{store_sum}{element}}
)";

/// What there is more where k is in parts.
constexpr std::string_view about_splits =
    " With `splits`, each block has a part of k, and what that comes to goes to scratch.";
constexpr std::string_view tile_of_block =
    R"(  const i64 splits = splits_of(m, n, k);
  const u32 tile = block_quotient(blockIdx.x, splits);
  const i64 split = blockIdx.x - tile * splits;
)";
constexpr std::string_view whole_tile = "  const u32 tile = blockIdx.x;\n";
constexpr std::string_view element_of_unit =
    R"(  const i64 splits = splits_of(m, n, k), unit = team<32>::first_row();
  const i64 element = whole_quotient(unit, splits), split = unit - element * splits;
)";
constexpr std::string_view whole_unit = "  const i64 element = team<32>::first_row();\n";
constexpr std::string_view part_of_k =
    R"(  const i64 k_part = whole_quotient(k + splits - 1, splits), k_from = split * k_part;
  const i64 k_to = k_from + k_part < k ? k_from + k_part : k;
)";

constexpr std::string_view split_sum = R"(
/// Into how many parts k is split where c has too few tiles to keep a device busy.
KROTON_INLINE i64 splits_of(i64 m, i64 n, i64 k) {
{splits}
}
)";

constexpr std::string_view fold_splits = R"(
/// Adds up what the parts of k came to, in their order.
extern "C" __global__ void __launch_bounds__(256) add_splits({parameters}) {
  const i64 element = (i64)blockIdx.x * 256 + threadIdx.x;
  if (element >= m * n) return;
  const i64 i = whole_quotient(element, n), j = element - i * n, splits = splits_of(m, n, k);
  {W} total = 0;
  for (i64 split = 0; split < splits; ++split) total = total + (({T}*)scratch)[split * m * n + element];
  const {T} sum = ({T})total;
{element}}
)";

/// Where a pattern has an element of the product.
struct Place {
  std::string_view sum;       ///< what its terms come to
  std::string_view to;        ///< the element of c
  std::string_view row = "i"; ///< its row, counted through all products
  int indent = 1;
};

class Product {
public:
  Product(const plan::ContractionStep& step, const plan::Kernel* epilogue)
      : step_(step), kernel_(epilogue), type_(Expressions::type_name(step.dtype)),
        m_(step.shape[step.shape.size() - 2]), n_(step.shape.back()), s_(schedule_for_cuda(step)) {
    if (kernel_) epilogue_.emplace(*kernel_, step.epilogue->product, n_, type_);
  }

  CudaStep run() {
    CudaStep step;
    for (const CudaProductWay& way : s_.ways) step.texts.push_back(text_of(way));
    if (is_split()) step.texts.push_back(sum_of_splits());
    if (kernel_) step.epilogue = render_cuda(*kernel_, schedule_for_cuda(*kernel_));
    return step;
  }

private:
  bool is_split() const { return s_.is_split(); }

  std::string header() const {
    std::string text = fmt::format("// product of {} matrices, {}\n", to_string(step_.dtype),
                                   step_.c ? "scaled and added" : "written");
    if (epilogue_)
      text += fmt::format("// then, for each of its elements{}\n{}",
                          step_.epilogue->keeps_product ? ", which is written too" : "",
                          epilogue_->header);
    return text;
  }
  CudaText text_of(const CudaProductWay& way) const {
    const Place of_batch{
        .sum = "sum", .to = "c[batch * c_batch + i * c_row + j]", .row = row_of_batch};
    Launch launch{.threads = way.threads,
                  .units = way.units,
                  .units_per_block = way.units_per_block,
                  .selector = way.selector,
                  .selector_limit = way.selector_limit};
    std::string what, entry;
    switch (way.kind) {
    case CudaProductWay::Kind::rows:
      launch.entry = "product_rows";
      what = "a row of c a block";
      entry = filled(flat_rows, of_batch);
      break;
    case CudaProductWay::Kind::dots:
      launch.entry = "product_dots";
      what = "an element of c a warp";
      entry = filled(dots, of_batch);
      break;
    case CudaProductWay::Kind::tiles:
      launch.entry = name_of(way.tile);
      what = fmt::format("{}x{} tiles", way.tile.m, way.tile.n);
      entry = tile_text(way.tile);
      break;
    }
    CudaText text = text_of(launch, std::move(what), splitting() + entry);
    text.schedule = way.to_string();
    return text;
  }
  /// Not needed where k is in one part.
  CudaText sum_of_splits() const {
    const Dim is_needed = dims::min(Dim(1), dims::max(Dim(0), dims::sub(s_.splits, Dim(1))));
    CudaText text =
        text_of({.entry = "add_splits",
                 .units = dims::mul(is_needed, dims::mul(m_, n_)),
                 .units_per_block = 256,
                 .stage = 1},
                "sum of the parts of k",
                filled(split_sum) + filled(fold_splits, {.sum = "sum", .to = "c[i * c_row + j]"}));
    text.schedule = fmt::format("an element of c a thread, if k is in several of {} parts",
                                s_.splits.to_string());
    return text;
  }
  std::string splitting() const { return is_split() ? filled(split_sum) : ""; }
  CudaText text_of(const Launch& launch, std::string way, const std::string& entry) const {
    CudaText text = with_prelude(header(), (epilogue_ ? epilogue_->definition : "") + entry);
    if (epilogue_) {
      const auto above = std::ranges::count(std::string_view(text.text).substr(0, text.body), '\n');
      for (const auto& [line, node] : epilogue_->lines)
        text.lines.emplace_back(static_cast<int>(above) + line, node);
    }
    text.launches = {launch};
    text.variant_name = std::move(way);
    if (is_split())
      text.scratch_bytes = dims::mul(dims::mul(s_.splits, dims::mul(m_, n_)),
                                     Dim(static_cast<std::int64_t>(item_size(step_.dtype))));
    return text;
  }
  std::string parameters() const {
    return fmt::format(
        "global<const {0}> a, global<const {0}> b, global<{0}> c, {1}{2}i64 m, i64 n, i64 k, i64 "
        "a_row, i64 a_col, i64 b_row, i64 b_col, i64 c_row, i64 batches, i64 a_batch, i64 b_batch, "
        "i64 c_batch{3}",
        type_, step_.c ? fmt::format("global<const {}> alpha, ", type_) : "",
        is_split() ? "global<char> scratch, " : "",
        epilogue_ ? ", i64 first, " + epilogue_->parameters : "");
  }
  /// What sum + a * b is called; narrow integers wrap.
  std::string added(const std::string& sum, const std::string& a, const std::string& b) const {
    if (is_float(step_.dtype))
      return fmt::format("fma_{}({}, {}, {})", to_string(step_.dtype), a, b, sum);
    return fmt::format("({})({} + {} * {})", type_, sum, a, b);
  }
  /// Lines that make the element of the sum, and what follows from it.
  std::string element(const Place& p) const {
    std::string value(p.sum), text;
    if (step_.c) value = added(std::string(p.to), "*alpha", value);
    const auto line = [&](const std::string& what) {
      text += std::string(static_cast<std::size_t>(2 * p.indent), ' ') + what + ";\n";
    };
    if (!epilogue_) {
      line(fmt::format("{} = {}", p.to, value));
      return text;
    }
    line(fmt::format("const {} value = {}", type_, value));
    if (step_.epilogue->keeps_product) line(fmt::format("{} = value", p.to));
    line(fmt::format("epilogue(value, {}, j, n, {})", p.row, epilogue_->arguments));
    return text;
  }
  /// What ends the text of tiles.
  std::string tile_end() const {
    const Place place{.sum = epilogue_ ? "kept[e]" : "sums[r][s]",
                      .to = "c[i * c_row + j]",
                      .row = row_of_batch,
                      .indent = epilogue_ ? 2 : 3};
    std::string text(epilogue_ ? followed_tile : stored_tile), part;
    const std::string pad(static_cast<std::size_t>(2 * place.indent), ' ');
    if (is_split())
      part = fmt::format("{0}if (splits > 1) {{\n"
                         "{0}  (({1}*)scratch)[(split * m + i) * n + j] = {2};\n"
                         "{0}  continue;\n{0}}}\n",
                         pad, type_, place.sum);
    text = replaced(std::move(text), "{store_part}", part);
    return replaced(std::move(text), "{element}", element(place));
  }
  bool is_f32() const { return step_.dtype == DType::f32; }
  /// Where a thread has one element: what becomes of its sum if k is in parts.
  std::string store_sum() const {
    if (!is_split()) return "";
    return fmt::format("  if (splits > 1) {{\n    (({}*)scratch)[(split * m + i) * n + j] = sum;\n"
                       "    return;\n  }}\n",
                       type_);
  }
  std::string splits_text() const {
    return fmt::format(
        "  const i64 tiles = (m + {0}) / {1} * ((n + {0}) / {1});\n"
        "  const i64 wanted = tiles > 1 ? block_quotient({2}, tiles) : {2}, most = "
        "(k + {3}) / {4};\n"
        "  const i64 splits = wanted < most ? wanted : most, least = (k + {5}) / {6};\n"
        "  return splits > least ? splits : least > 1 ? least : 1;",
        s_.side - 1, s_.side, s_.wanted_blocks, s_.fewest_k - 1, s_.fewest_k, s_.longest_part - 1,
        s_.longest_part);
  }

  /// `place` is where the pattern has an element of the product, if it has.
  std::string filled(std::string_view pattern, const Place& place = {}) const {
    std::string text(pattern);
    for (const auto& [name, lines] :
         {std::pair{"{so_far}", so_far}, {"{put_aside}", put_aside}, {"{take_back}", take_back}})
      text = replaced(std::move(text), name, s_.puts_aside ? lines : "");
    return with_values(
        text, {{"{parameters}", parameters()},
               {"{most_at_once}", std::to_string(s_.most_of_tile)},
               {"{terms_of_thread}", std::to_string(s_.most_of_thread)},
               {"{W}", is_f32() ? "f64" : type_},
               {"{element_of_unit}", std::string(is_split() ? element_of_unit : whole_unit)},
               {"{store_sum}", store_sum()},
               {"{splits}", splits_text()},
               {"{add}", added("sums[r][s]", "of_a[r]", "of_b[s]")},
               {"{add_one}", added("sum", "a[l * a_col]", "b[l * b_row]")},
               {"{about_splits}", std::string(is_split() ? about_splits : "")},
               {"{tile_of_block}", std::string(is_split() ? tile_of_block : whole_tile)},
               {"{part_of_k}", std::string(is_split() ? part_of_k : "")},
               {"{k_from}", is_split() ? "k_from" : "0"},
               {"{k_to}", is_split() ? "k_to" : "k"},
               {"{tile_end}", tile_end()},
               {"{element}", element(place)},
               {"{T}", type_}});
  }

  std::string tile_text(const CudaTile& t) const {
    return with_values(filled(tiled), {{"{threads}", std::to_string(t.threads())},
                                       {"{name}", name_of(t)},
                                       {"{BM}", std::to_string(t.m)},
                                       {"{BN}", std::to_string(t.n)},
                                       {"{BK}", std::to_string(t.k)},
                                       {"{TM}", std::to_string(t.thread_m)},
                                       {"{TN}", std::to_string(t.thread_n)}});
  }

  static constexpr std::string_view row_of_batch = "(first + batch) * m + i";

  const plan::ContractionStep& step_;
  const plan::Kernel* kernel_; ///< of the epilogue
  std::optional<CudaEpilogue> epilogue_;
  std::string type_;
  const Dim m_, n_;
  const CudaProductSchedule s_;
};

} // namespace

CudaStep render_cuda_contraction(const plan::ContractionStep& step, const plan::Kernel* epilogue) {
  return Product(step, epilogue).run();
}

CudaStep render_cuda_step(const plan::Plan& plan, const plan::Step& step) {
  const auto kernel_of = [&](const plan::KernelStep& k) -> const plan::Kernel& {
    return plan.kernels[static_cast<std::size_t>(k.kernel)];
  };
  return support::match(
      step.what,
      [&](const plan::KernelStep& k) {
        const plan::Kernel& kernel = kernel_of(k);
        return CudaStep{{render_cuda(kernel, schedule_for_cuda(kernel))}};
      },
      [&](const plan::ContractionStep& c) {
        return render_cuda_contraction(c, c.epilogue ? &kernel_of(c.epilogue->kernel) : nullptr);
      },
      [&](const plan::LibraryStep& l) {
        const CudaFunction* function = cuda_function(*l.op);
        if (!function)
          support::fail<UnsupportedError>(
              l.op->name,
              {.place = support::describe(plan.graph[step.computes.front()].where),
               .hint = "compile the function for the CPU (Options::target = \"host\"), or compute "
                       "this in a function of its own that is"},
              "there is no implementation for CUDA devices yet");
        CudaCall call = function->render(plan, l);
        return CudaStep{{std::move(call.text)}, {}, call.clears_results};
      });
}

} // namespace kroton::codegen
