/// Scatters as CUDA C++: out[positions…] += added, where out holds zeros. Arguments:
///   pointers  out, added, each of positions; then scratch, if `scratch_bytes` is not 0
///   i64       count (of positions, one after the other), width (elements that each moves),
///             then for each positions array the size of the axis of `out` that it indexes
///   pointer   the failure record (`site` is the number of the positions array), see cuda.hpp
///
/// Of index_add_to, out is a base with scale times what is added: base and scale are pointers
/// behind out, out and base the same where out takes the base's place, and there is no failure
/// record. index_set and kin have a base, no scale, and put elements instead of adding them.
///
/// In order, each element of out is added up by one thread, in the order of the positions. Few
/// positions are looked through by every block, for those of its rows. Of many, lists are made
/// first: rows are dealt out to 1024 shares, and stable counting, as a radix sort's pass does it,
/// brings each share's positions together. That is work of O(positions + rows) beside the
/// additions; what stays one after the other is what falls on one row, or on rows of one share. In
/// any order, each element is an atomic addition: no work but that, and only additions to one
/// element wait for each other.
#include <algorithm>
#include <array>

#include "codegen/cuda/library.hpp"
#include "codegen/cuda/pattern.hpp"
#include "codegen/loop/expression.hpp"
#include "lib/ops/arithmetic.hpp"
#include "lib/ops/basic.hpp"
#include "lib/ops/indexing.hpp"
#include "lib/ops/put.hpp"

namespace kroton::codegen {
namespace dims = ir::dims;
namespace {

/// Up to so many positions, every block looks through all of them.
constexpr std::int64_t most_looked_through = 4096;
/// Lists, and blocks that add up what is in one.
constexpr std::int64_t shares = 1024;
/// A warp counts a chunk of the positions: a multiple of 256 of them, of which there are at most so
/// many.
constexpr std::int64_t chunk_unit = 256, most_chunks = 1024, warps = 8;

/// Up to so many rows of out for each that is added, what rounding leaves of a sum is kept.
constexpr std::int64_t rows_for_one = 4;

constexpr std::string_view row_of = R"(
/// The row of out that position i stands for; -1, and a report, if there is none.
KROTON_INLINE i64 row_of(i64 i, {positions}{sizes}{failure}) {
{row}}
)";

constexpr std::string_view atomic = R"(
/// Adds each element by itself, in whatever order threads come.
extern "C" __global__ void __launch_bounds__(256) scatter_atomic({parameters}) {
  const i64 across = width > 0 ? width : 1, all = count * across;
  for (i64 e = (i64)blockIdx.x * 256 + threadIdx.x; e < all; e += (i64)gridDim.x * 256) {
    const i64 i = whole_quotient(e, across), x = e - i * across, row = {row_of_i};
    if (row >= 0 && x < width) atomicAdd(({A}*)&out[row * width + x], ({A})({times}added[e]));
  }
}
)";

constexpr std::string_view copying = R"(
extern "C" __global__ void __launch_bounds__(256) copy_base({parameters}) {
  const i64 all = ({rows}) * width;
  for (i64 i = (i64)blockIdx.x * 256 + threadIdx.x; i < all; i += (i64)gridDim.x * 256) out[i] = base[i];
}
)";

constexpr std::string_view spoiling = R"(
/// Even 0 times a scale that is not finite is NaN.
extern "C" __global__ void __launch_bounds__(256) add_nothing({parameters}) {
  const {T} nothing = scale[0] * ({T})0;
  if (nothing == nothing) return;
  const i64 all = ({rows}) * width;
  for (i64 i = (i64)blockIdx.x * 256 + threadIdx.x; i < all; i += (i64)gridDim.x * 256) out[i] += nothing;
}
)";

constexpr std::string_view about_rest = R"(
/// Where sums of f32 lie between additions in f64: what rounding left of each element of out, unless out is so much
/// larger than what is added that few elements can have many additions.
struct Rest {
  global<f32> rest;
  bool is_kept;
  __device__ Rest(char* scratch, i64 count, i64 rows) : rest((f32*)scratch), is_kept(rows <= {rows_for_one} * count) {}
  /// Bytes in front of what else is in scratch memory.
  static __device__ i64 bytes(i64 count, i64 rows, i64 width) {
    return rows <= {rows_for_one} * count ? (rows * width + 1) / 2 * 8 : 0;
  }
  /// Nothing is left yet in the rows that a block has, every `step`-th.
  __device__ void clear(i64 rows, i64 width, i64 step) {
    if (!is_kept) return;
    for (i64 row = blockIdx.x; row < rows; row += step)
      for (i64 x = threadIdx.x; x < width; x += 256) rest[row * width + x] = 0.0f;
    __syncthreads();
  }
  __device__ f64 load(global<f32> out, i64 at) const { return is_kept ? (f64)out[at] + (f64)rest[at] : (f64)out[at]; }
  __device__ void store(global<f32> out, i64 at, f64 sum) {
    const f32 rounded = (f32)sum;
    out[at] = rounded;
    if (is_kept) rest[at] = rounded - rounded == 0.0f ? (f32)(sum - (f64)rounded) : 0.0f;
  }
};
)";

constexpr std::string_view add_listed = R"(
/// Adds what up to 256 positions bring to their rows, in their order. Teams of threads share the rows: `turn` says whose
/// turn a row is. A thread has every `across`-th element of its team's rows.
KROTON_INLINE void add_listed(global<{T}> out, global<const {T}> added, i64 width, const i64* to, const i64* from,
                              const i32* turn, i32 listed{rest_parameter}{factor_parameter}) {
  i32 across = 1;
  while (across < 256 && across < width) across *= 2;
  const i32 teams = 256 / across, team = (i32)threadIdx.x / across;
  for (i64 x = (i32)threadIdx.x % across; x < width; x += across) {
    i64 row = -1;
    {S} sum = 0;
    for (i32 f = 0; f < listed; ++f) {
      if (turn[f] % teams != team) continue;
      if (to[f] != row) {
        if (row >= 0) {store};
        row = to[f];
        sum = {load};
      }
      sum = ({S})({combined});
    }
    if (row >= 0) {store};
  }
}
)";

constexpr std::string_view looking_through = R"(
/// A block has every gridDim.x-th row of out. It looks through the positions, 256 at a time, and lists those that are for
/// its rows.
extern "C" __global__ void __launch_bounds__(256) scatter({parameters}) {
  __shared__ i64 to[256];
  __shared__ i64 from[256];
  __shared__ i32 turn[256];
  __shared__ i32 found_by[8];
  const i32 lane = threadIdx.x % 32, warp = threadIdx.x / 32;
{clear_by_grid}  for (i64 first = 0; first < count; first += 256) {
    const i64 i = first + threadIdx.x, row = i < count ? {row_of_i} : -1;
    const i64 before = row < 0 ? 0 : whole_quotient(row, gridDim.x);
    const bool is_mine = row >= 0 && row - before * gridDim.x == blockIdx.x;
    const u32 found = __ballot_sync(0xffffffffu, is_mine);
    if (lane == 0) found_by[warp] = __popc(found);
    __syncthreads();
    i32 at = __popc(found & ((1u << lane) - 1)), listed = 0;
    for (i32 w = 0; w < 8; ++w) {
      if (w < warp) at += found_by[w];
      listed += found_by[w];
    }
    if (is_mine) {
      to[at] = row;
      from[at] = i;
      turn[at] = (i32)(before % 256);
    }
    __syncthreads();
    add_listed(out, added, width, to, from, turn, listed{rest}{scale});
    __syncthreads();
  }
}
)";

constexpr std::string_view listing = R"(
/// The positions of each share of the rows, one list behind the other: row r is in share r % {shares}.
struct Lists {
  i64 chunk;  // positions that a warp has
  i64 chunks;
  i64* taken; // how far `positions` is given away
  i64* ends;  // where each list begins and ends
  i64* counts; // by chunk and share: how many positions, then where the first goes
  i64* positions;
  __device__ Lists(char* scratch, i64 count) {
    chunk = {chunk_unit} * ((count + {chunk_reach} - 1) / {chunk_reach});
    chunks = (count + chunk - 1) / chunk;
    taken = (i64*)scratch;
    ends = taken + 1;
    counts = ends + 2 * {shares};
    positions = counts + chunks * {shares};
  }
};

/// Counts, for each chunk, the positions that are for each share. A warp has a chunk.
extern "C" __global__ void __launch_bounds__(256) count_positions({parameters}) {
  __shared__ i32 counted[8][{shares}];
  const Lists lists({lists_at}, count);
  const i32 lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  const i64 chunk = (i64)blockIdx.x * 8 + warp, first = chunk * lists.chunk;
  const i64 last = first + lists.chunk < count ? first + lists.chunk : count;
  if (blockIdx.x == 0 && threadIdx.x == 0) *lists.taken = 0;
  for (i32 s = lane; s < {shares}; s += 32) counted[warp][s] = 0;
  __syncwarp();
  for (i64 i = first + lane; i < last; i += 32) {
    const i64 row = {row_of_i};
    if (row >= 0) atomicAdd(&counted[warp][row % {shares}], 1);
  }
  __syncwarp();
  if (chunk < lists.chunks)
    for (i32 s = lane; s < {shares}; s += 32) lists.counts[chunk * {shares} + s] = counted[warp][s];
}

/// Makes places of the counts. A block has 32 shares, 32 threads each of them. Lists lie in whatever order blocks come,
/// what is in one does not.
extern "C" __global__ void __launch_bounds__(1024) arrange_lists({parameters}) {
  __shared__ i64 sums[32][32];
  __shared__ i64 begins[32];
  const Lists lists({lists_at}, count);
  const i32 mine = threadIdx.x % 32, part = threadIdx.x / 32, share = (i32)blockIdx.x * 32 + mine;
  const i64 each = (lists.chunks + 31) / 32, first = part * each;
  const i64 last = first + each < lists.chunks ? first + each : lists.chunks;
  i64 sum = 0;
  for (i64 c = first; c < last; ++c) sum += lists.counts[c * {shares} + share];
  sums[part][mine] = sum;
  __syncthreads();
  if (part == 0) {
    i64 all = 0;
    for (i32 p = 0; p < 32; ++p) {
      const i64 of_part = sums[p][mine];
      sums[p][mine] = all;
      all += of_part;
    }
    begins[mine] = (i64)atomicAdd((unsigned long long*)lists.taken, (unsigned long long)all);
    lists.ends[2 * share] = begins[mine];
    lists.ends[2 * share + 1] = begins[mine] + all;
  }
  __syncthreads();
  i64 at = begins[mine] + sums[part][mine];
  for (i64 c = first; c < last; ++c) {
    const i64 here = lists.counts[c * {shares} + share];
    lists.counts[c * {shares} + share] = at;
    at += here;
  }
}

/// Puts each position into the list of its share, behind those of the chunks before and of its chunk's earlier ones.
extern "C" __global__ void __launch_bounds__(256) list_positions({parameters}) {
  __shared__ i32 listed[8][{shares}];
  const Lists lists({lists_at}, count);
  const i32 lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  const i64 chunk = (i64)blockIdx.x * 8 + warp, first = chunk * lists.chunk;
  const i64 last = first + lists.chunk < count ? first + lists.chunk : count;
  for (i32 s = lane; s < {shares}; s += 32) listed[warp][s] = 0;
  __syncwarp();
  for (i64 from = first; from < last; from += 32) {
    const i64 i = from + lane, row = i < last ? {row_of_i} : -1;
    const i32 share = row < 0 ? -1 : (i32)(row % {shares});
    const u32 same = __match_any_sync(0xffffffffu, share);
    const i32 before = __popc(same & ((1u << lane) - 1)), so_far = share < 0 ? 0 : listed[warp][share];
    if (share >= 0) lists.positions[lists.counts[chunk * {shares} + share] + so_far + before] = i;
    __syncwarp();
    if (share >= 0 && before == 0) listed[warp][share] = so_far + __popc(same);
    __syncwarp();
  }
}

/// Adds up a list. A block has one.
extern "C" __global__ void __launch_bounds__(256) add_lists({parameters}) {
  __shared__ i64 to[256];
  __shared__ i64 from[256];
  __shared__ i32 turn[256];
  const Lists lists({lists_at}, count);
{clear_by_share}  const i64 begin = lists.ends[2 * blockIdx.x], end = lists.ends[2 * blockIdx.x + 1];
  for (i64 first = begin; first < end; first += 256) {
    if (first + threadIdx.x < end) {
      const i64 i = lists.positions[first + threadIdx.x], row = {row_of_i};
      to[threadIdx.x] = row;
      from[threadIdx.x] = i;
      turn[threadIdx.x] = (i32)(row / {shares} % 256);
    }
    __syncthreads();
    add_listed(out, added, width, to, from, turn, end - first < 256 ? (i32)(end - first) : 256{rest}{scale});
    __syncthreads();
  }
}
)";

class Scatter {
public:
  Scatter(const plan::Plan& plan, const plan::LibraryStep& step)
      : step_(step), dtype_(dtype_of(plan, step.results[0])),
        adds_(step.op == &ops::index_add || step.op == &ops::index_add_to),
        has_base_(step.op != &ops::index_add), has_scale_(step.op == &ops::index_add_to),
        axes_(step.operands.size() - (has_scale_  ? 3
                                      : has_base_ ? 2
                                                  : 1)),
        count_(step.numbers[0]), is_atomic_(adds_ && has_atomic_addition(dtype_) &&
                                            (!step.is_ordered || !is_float(dtype_))) {
    for (const plan::CallArray& p : std::span(step.operands).last(axes_))
      positions_.push_back(dtype_of(plan, p));
    const std::span<const Dim> shape = step.results[0].shape;
    rows_ = dims::product(shape.first(axes_));
    width_ = dims::product(shape.subspan(axes_));
    is_wide_ = adds_ && dtype_ == DType::f32 && !is_atomic_;
    has_rest_ = is_wide_ && !rest_bytes().is(0);
  }

  CudaText run() {
    std::string body = filled(row_of);
    if (is_atomic_) return finished(body + filled(atomic), {all_at_once()});
    if (has_rest_) body += filled(about_rest);
    body += filled(add_listed);
    const bool is_few = count_.is_static() && count_.value() <= most_looked_through;
    if (is_few || !count_.is_static()) body += filled(looking_through);
    if (is_few) return finished(body, {by_looking_through()});
    std::vector<Launch> launches = by_lists();
    if (!count_.is_static()) launches.insert(launches.begin(), by_looking_through());
    return finished(body + filled(listing), std::move(launches));
  }

private:
  static DType dtype_of(const plan::Plan& plan, const plan::CallArray& array) {
    return plan.buffers[static_cast<std::size_t>(array.memory.buffer)].dtype;
  }
  /// Of 32 and 64 bits; to the others floats, bools and the like, none is native.
  static bool has_atomic_addition(DType dtype) { return item_size(dtype) >= 4; }
  bool has_lists() const {
    return !is_atomic_ && !(count_.is_static() && count_.value() <= most_looked_through);
  }

  std::string type() const { return Expressions::type_name(dtype_); }
  /// What atomicAdd knows the elements as; integers wrap, whatever their sign.
  std::string atomic_type() const {
    if (is_float(dtype_)) return type();
    return item_size(dtype_) == 4 ? "u32" : "unsigned long long";
  }

  /// Something for each array of positions.
  template <class F> std::string each(std::string_view separator, F&& text) const {
    std::string all;
    for (std::size_t p = 0; p < axes_; ++p) all += (p == 0 ? "" : std::string(separator)) + text(p);
    return all;
  }
  std::string positions() const {
    return each(", ", [&](std::size_t p) {
      return fmt::format("global<const {}> p{}", Expressions::type_name(positions_[p]), p);
    });
  }
  std::string sizes() const {
    return each("", [](std::size_t p) { return fmt::format(", i64 n{}", p); });
  }
  std::string failure() const { return has_base_ ? "" : ", Failure* failure"; }
  std::string row() const {
    std::string text, position = "at0";
    for (std::size_t p = 0; p < axes_; ++p)
      text += has_base_
                  ? fmt::format("  const i64 at{0} = position_on(p{0}[i], n{0});\n", p)
                  : fmt::format("  const i64 at{0} = checked(failure, {0}, p{0}[i], n{0});\n", p);
    for (std::size_t p = 1; p < axes_; ++p)
      position = fmt::format("{} * n{} + at{}", p == 1 ? position : "(" + position + ")", p, p);
    return text +
           fmt::format("  return {} ? {} : -1;\n",
                       each(" && ", [](std::size_t p) { return fmt::format("at{} >= 0", p); }),
                       position);
  }
  std::string row_of_i() const {
    return fmt::format("row_of(i, {}{}{})",
                       each(", ", [](std::size_t p) { return fmt::format("p{}", p); }),
                       each("", [](std::size_t p) { return fmt::format(", n{}", p); }),
                       has_base_ ? "" : ", failure");
  }
  std::string parameters() const {
    std::string of_base;
    if (has_base_) of_base += fmt::format("global<const {}> base, ", type());
    if (has_scale_) of_base += fmt::format("global<const {}> scale, ", type());
    return fmt::format(
        "global<{0}> out, {1}global<const {0}> added, {2}, {3}i64 count, i64 width{4}{5}", type(),
        of_base, positions(), has_lists() || has_rest_ ? "global<char> scratch, " : "", sizes(),
        failure());
  }

  /// What an element that was `sum` becomes.
  std::string combined() const {
    const std::string_view added = "added[from[f] * width + x]";
    if (adds_) return fmt::format("sum + {}{}", has_scale_ ? "factor * " : "", added);
    const ir::Op* op = step_.op == &ops::index_max   ? &ops::maximum
                       : step_.op == &ops::index_min ? &ops::minimum
                       : step_.op == &ops::index_mul ? &ops::mul
                                                     : nullptr; // set
    if (op == nullptr) return std::string(added);
    return with_values(
        op->spelled(dtype_, dtype_).text,
        {{"{t}", std::string(to_string(dtype_))}, {"{0}", "sum"}, {"{1}", std::string(added)}});
  }

  /// The number of rows, of the sizes that a kernel takes.
  std::string rows() const {
    return each(" * ", [](std::size_t p) { return fmt::format("n{}", p); });
  }
  /// Makes the Rest of the rows that a block has, every `step`-th of all.
  std::string cleared(std::string_view step) const {
    if (!has_rest_) return "";
    return fmt::format("  Rest rest(scratch, count, {0});\n  rest.clear({0}, width, {1});\n",
                       rows(), step);
  }

  std::string filled(std::string_view pattern) const {
    const std::string at = "row * width + x";
    return with_values(
        pattern,
        {{"{parameters}", parameters()},
         {"{failure}", failure()},
         {"{combined}", combined()},
         {"{factor_parameter}", has_scale_ ? ", {S} factor" : ""},
         {"{scale}", has_scale_ ? ", ({S})scale[0]" : ""},
         {"{times}", has_scale_ ? "scale[0] * " : ""},
         {"{rows}", rows()},
         {"{rest_parameter}", has_rest_ ? ", Rest& rest" : ""},
         {"{rest}", has_rest_ ? ", rest" : ""},
         {"{clear_by_grid}", cleared("gridDim.x")},
         {"{clear_by_share}", cleared(std::to_string(shares))},
         {"{lists_at}",
          has_rest_ ? fmt::format("scratch + Rest::bytes(count, {}, width)", rows()) : "scratch"},
         {"{rows_for_one}", std::to_string(rows_for_one)},
         {"{load}", has_rest_ ? "rest.load(out, " + at + ")" : "out[" + at + "]"},
         {"{store}", has_rest_ ? "rest.store(out, " + at + ", sum)"
                               : "out[" + at + (is_wide_ ? "] = (f32)sum" : "] = sum")},
         {"{S}", is_wide_ ? "f64" : type()},
         {"{positions}", positions()},
         {"{sizes}", sizes()},
         {"{row}", row()},
         {"{row_of_i}", row_of_i()},
         {"{shares}", std::to_string(shares)},
         {"{chunk_unit}", std::to_string(chunk_unit)},
         {"{chunk_reach}", std::to_string(chunk_unit * most_chunks)},
         {"{A}", atomic_type()},
         {"{T}", type()}});
  }

  /// Positions are checked even where nothing is to be added.
  Launch all_at_once() const {
    constexpr std::int64_t most_blocks = 65536;
    return {.entry = "scatter_atomic",
            .units = dims::mul(count_, dims::max(width_, Dim(1))),
            .units_per_block = 256,
            .most_blocks = most_blocks};
  }
  Launch by_looking_through() const {
    constexpr std::int64_t most_blocks = 2048;
    return {.entry = "scatter",
            .units = rows_,
            .most_blocks = most_blocks,
            .always = true,
            .selector = count_,
            .selector_limit = most_looked_through};
  }
  /// The chunks, as the text has them.
  Dim chunks() const {
    const Dim units = ceil_div(count_, chunk_unit * most_chunks);
    const Dim chunk = dims::mul(Dim(chunk_unit), dims::max(units, Dim(1)));
    return dims::floor_div(dims::add(count_, dims::sub(chunk, Dim(1))), chunk);
  }
  /// 1 where there are lists, else 0.
  Dim are_many() const {
    const Dim more = dims::sub(count_, Dim(most_looked_through));
    return dims::min(Dim(1), dims::max(Dim(0), more));
  }
  std::vector<Launch> by_lists() const {
    const Dim many = are_many();
    return {{.entry = "count_positions", .units = chunks(), .units_per_block = warps},
            {.entry = "arrange_lists",
             .threads = 1024,
             .units = dims::mul(many, Dim(shares)),
             .units_per_block = 32,
             .stage = 1},
            {.entry = "list_positions",
             .units = dims::mul(many, chunks()),
             .units_per_block = warps,
             .stage = 2},
            {.entry = "add_lists",
             .units = dims::mul(many, dims::min(rows_, Dim(shares))),
             .stage = 3}};
  }
  Dim scratch_bytes() const {
    Dim bytes(0);
    if (has_lists()) {
      const Dim numbers =
          dims::add(dims::add(count_, Dim(1 + 2 * shares)), dims::mul(chunks(), Dim(shares)));
      bytes = dims::mul(are_many(), dims::mul(numbers, Dim(8)));
    }
    return has_rest_ ? dims::add(bytes, rest_bytes()) : bytes;
  }
  /// As Rest::bytes has it.
  Dim rest_bytes() const {
    const Dim room = dims::sub(dims::mul(Dim(rows_for_one), count_), rows_);
    const Dim is_kept = dims::min(Dim(1), dims::max(Dim(0), dims::add(room, Dim(1))));
    return dims::mul(is_kept, dims::mul(ceil_div(dims::mul(rows_, width_), 2), Dim(8)));
  }

  CudaText finished(std::string body, std::vector<Launch> launches) const {
    if (has_base_) body = with_base(std::move(body), launches);
    CudaText text = with_prelude(
        fmt::format("// {} of {} at {} positions each{}{}\n",
                    adds_ ? "scatter-add" : step_.op->name, to_string(dtype_), axes_,
                    has_scale_ ? ", scaled, to a base" : "", is_atomic_ ? ", in any order" : ""),
        std::move(body));
    text.launches = std::move(launches);
    text.scratch_bytes = scratch_bytes();
    return text;
  }

  /// The same, with what the base itself takes before and behind.
  std::string with_base(std::string body, std::vector<Launch>& launches) const {
    constexpr std::int64_t most_blocks = 1024;
    const auto over_all = [&](const char* entry, int stage) {
      return Launch{.entry = entry,
                    .units = dims::mul(rows_, width_),
                    .units_per_block = 256,
                    .most_blocks = most_blocks,
                    .stage = stage};
    };
    body = "\n/// A position from the front; -1 if there is none.\n"
           "KROTON_INLINE i64 position_on(i64 given, i64 n) {\n"
           "  const i64 at = given < 0 ? given + n : given;\n"
           "  return at >= 0 && at < n ? at : -1;\n"
           "}\n" +
           body;
    if (step_.operands[0].memory.buffer != step_.results[0].memory.buffer) {
      for (Launch& l : launches) ++l.stage;
      body += filled(copying);
      launches.insert(launches.begin(), over_all("copy_base", 0));
    }
    if (has_scale_ && is_float(dtype_)) {
      body += filled(spoiling);
      launches.push_back(over_all("add_nothing", launches.back().stage + 1));
    }
    return body;
  }

  const plan::LibraryStep& step_;
  DType dtype_;
  bool adds_;      ///< index_add and index_add_to
  bool has_base_;  ///< all but index_add
  bool has_scale_; ///< index_add_to
  std::size_t axes_;
  std::vector<DType> positions_; ///< dtypes of the arrays
  Dim count_, rows_{1}, width_{1};
  bool is_atomic_;
  bool is_wide_ = false;  ///< sums of f32 are made in f64
  bool has_rest_ = false; ///< and may have a Rest
};

} // namespace

CudaCall render_cuda_scatter(const plan::Plan& plan, const plan::LibraryStep& step) {
  return {Scatter(plan, step).run(),
          /*clears_results=*/step.op == &ops::index_add};
}

} // namespace kroton::codegen
