#pragma once
/// The pieces that texts of matrix products are put together from: contraction.cpp chooses them,
/// fills in what stands as `@name`, and keeps or drops the lines that begin with `@^`, `@*`, `@+`,
/// `@#`, `@=`, `@|`.
#include <string_view>

namespace kroton::codegen::pieces {

// Loops that move single elements, and outer
// ones, are marked as not worth the compiler's time: vectorised and unrolled, they are half of its
// work.

inline constexpr std::string_view vectors = R"text(
using T = @type;
constexpr int lanes = @lanes; // elements of a vector register

#define PLAIN_LOOP _Pragma("clang loop vectorize(disable) unroll(disable)")

KROTON_INLINE i64 smaller(i64 x, i64 y) { return x < y ? x : y; }
KROTON_INLINE i64 ceil_div(i64 x, i64 y) { return (x + y - 1) / y; }
)text";

inline constexpr std::string_view exchange = R"text(
using Vec = vec<T, lanes>;
template <class, int... lane> struct Lanes {};
using AllLanes = __make_integer_seq<Lanes, int, lanes>;

// Seen as blocks of half x half lanes, [x; y] gets its off-diagonal blocks exchanged.
template <int half, int... lane> KROTON_INLINE void exchange(Vec& x, Vec& y, Lanes<int, lane...>) {
  const Vec upper = __builtin_shufflevector(x, y, (lane & half ? lane - half + lanes : lane)...);
  y = __builtin_shufflevector(x, y, (lane & half ? lane + lanes : lane + half)...);
  x = upper;
}
)text";

// Written out, the exchanges of a whole square would be half of what there is to compile.
inline constexpr std::string_view transpose = R"text(
struct Square {
  alignas(64) T at[lanes][lanes];
};

// Exchanges blocks of half x half, then those of half that size, and so on: two sizes in one walk over the
// rows, of which four at a time belong together.
template <int half = lanes / 2> KROTON_INLINE void exchange_all(Square& s) {
  constexpr int rows = half > 1 ? 4 : 2, step = half > 1 ? half / 2 : 1;
PLAIN_LOOP
  for (i64 n = 0; n < lanes / rows; ++n) {
    const i64 first = n / step * step * rows + n % step;
    Vec x[rows];
    for (int i = 0; i < rows; ++i) x[i] = load_from<lanes>(s.at[first + i * step]);
    if constexpr (half > 1)
      for (int i = 0; i < 2; ++i) exchange<half>(x[i], x[i + 2], AllLanes{});
    for (int i = 0; i < rows; i += 2) exchange<step>(x[i], x[i + 1], AllLanes{});
    for (int i = 0; i < rows; ++i) store_to(s.at[first + i * step], x[i]);
  }
  if constexpr (half > 2) exchange_all<half / 4>(s);
}

[[gnu::noinline]] static void transpose(Square& s) { exchange_all(s); }
)text";

// Copies for the work memory: to[r * line + q] = from[r * row + q * col] for r < rows and q < cols,
// and 0 for the other q < width.

inline constexpr std::string_view copy_elements = R"text(
static void copy_elements(const T* from, i64 row, i64 col, i64 rows, i64 cols, T* to, i64 line, i64 width) {
PLAIN_LOOP
  for (i64 r = 0; r < rows; ++r)
PLAIN_LOOP
    for (i64 q = 0; q < width; ++q) to[r * line + q] = q < cols ? from[r * row + q * col] : T(0);
}
)text";

inline constexpr std::string_view copy_lines = R"text(
// Copies lines of `cols` elements, with zeros up to `width` and on to the next whole vector.
static void copy_lines(const T* from, i64 row, i64 rows, i64 cols, T* to, i64 line, i64 width) {
PLAIN_LOOP
  for (i64 r = 0; r < rows; ++r, from += row, to += line) {
    i64 q = 0;
PLAIN_LOOP
    for (; q + lanes <= cols; q += lanes) store_to(to + q, load_from<lanes>(from + q));
PLAIN_LOOP
    for (; q < width; q += lanes)
      store_to(to + q, load_first(from + q, first_lanes<lanes>(cols - q), T(0)));
  }
}
)text";

inline constexpr std::string_view copy_columns = R"text(
// The same, from columns of `rows` adjacent elements, `col` apart: in squares, which are transposed. Later
// columns go first: the zeros that they end with reach into the next line.
static void copy_columns(const T* from, i64 col, i64 rows, i64 cols, T* to, i64 line, i64 width) {
PLAIN_LOOP
  for (i64 r = 0; r < rows; r += lanes) {
    const auto inside = first_lanes<lanes>(rows - r);
PLAIN_LOOP
    for (i64 q = (width - 1) / lanes * lanes; q >= 0; q -= lanes) {
      Square s;
PLAIN_LOOP
      for (i64 l = 0; l < lanes; ++l)
        store_to(s.at[l], q + l < cols ? load_first(from + r + (q + l) * col, inside, T(0)) : Vec(T(0)));
      transpose(s);
PLAIN_LOOP
      for (i64 l = 0; l < smaller(lanes, rows - r); ++l)
        store_to(to + (r + l) * line + q, load_from<lanes>(s.at[l]));
    }
  }
}
)text";

inline constexpr std::string_view copy = R"text(
static void copy(const T* from, i64 row, i64 col, i64 rows, i64 cols, T* to, i64 line, i64 width) {
  if (col == 1) copy_lines(from, row, rows, cols, to, line, width);
  else if (row == 1) copy_columns(from, col, rows, cols, to, line, width);
  else copy_elements(from, row, col, rows, cols, to, line, width);
}
)text";

/// The innermost loop of all schemes but `dots`.
inline constexpr std::string_view multiply = R"text(
// sum[r] = the sum over p of left[r][p * step] times the first W elements of a line of `right`, of which there are
// `count`, for p in [begin, end). The first line is that of `begin`.
@^// Elements of `next`, needed soon, are fetched on the way.
template <int R, int W>
KROTON_INLINE void multiply(vec<T, W> (&sum)[R], const T* const (&left)[R], i64 step, const T* right,
                            i64 line, i64 count, i64 begin, i64 end@next) {
  const auto inside = first_lanes<W>(count);
  for (int r = 0; r < R; ++r) sum[r] = T(0);
PLAIN_LOOP
  for (i64 p = begin; p < end; ++p, right += line) {
@^    __builtin_prefetch(next + p, 0, 2);
@*    for (int q = 0; q < W; q += lanes) __builtin_prefetch(right + ahead * line + q);
    const vec<T, W> x = load_first(right, inside, T(0));
    for (int r = 0; r < R; ++r) sum[r] += left[r][p * step] * x;
  }
}
)text";

inline constexpr std::string_view written_out = R"text(
KROTON_INLINE void multiply(const Product& g) {
  T sum[g.m][g.n];
#pragma clang loop unroll(full)
  for (i64 i = 0; i < g.m; ++i)
#pragma clang loop unroll(full)
    for (i64 j = 0; j < g.n; ++j) {
      sum[i][j] = T(0);
#pragma clang loop unroll(full)
      for (i64 p = 0; p < g.k; ++p) sum[i][j] += g.a[i * g.a_row + p * g.a_col] * g.b[p * g.b_row + j * g.b_col];
    }
@+#pragma clang loop unroll(full)
@+  for (i64 i = 0; i < g.m; ++i)
@+#pragma clang loop unroll(full)
@+    for (i64 j = 0; j < g.n; ++j) sum[i][j] = g.c[i * g.c_row + j] + g.alpha * sum[i][j];
#pragma clang loop unroll(full)
  for (i64 i = 0; i < g.m; ++i)
#pragma clang loop unroll(full)
    for (i64 j = 0; j < g.n; ++j) g.c[i * g.c_row + j] = sum[i][j];
}
)text";

inline constexpr std::string_view about_blocks = R"text(
constexpr i64 most_at_once = @most_at_once;

// The sums over all p < k, of which no more than `most_at_once` are added up one after the other: then their sums are.
)text";

/// The first block is often the only one; with a function of its own for the others, where their
/// number is not known, it costs nothing more.
inline constexpr std::string_view first_block_apart =
    R"text(// Adds up what the blocks behind the first come to.
template <int R, int W>
@add_blocks(T (&so_far)[R][W], const T* const (&left)[R], i64 step, const T* right, i64 line, i64 count, i64 k) {
PLAIN_LOOP
  for (i64 begin = most_at_once; begin < k; begin += most_at_once) {
    vec<T, W> sum[R];
    multiply(sum, left, step, right + begin * line, line, count, begin, smaller(begin + most_at_once, k));
    for (int r = 0; r < R; ++r) store_to(so_far[r], load_from<W>(so_far[r]) + sum[r]);
  }
}

template <int R, int W>
KROTON_INLINE void multiply_in_blocks(vec<T, W> (&sum)[R], const T* const (&left)[R], i64 step, const T* right,
                                      i64 line, i64 count, i64 k) {
  multiply(sum, left, step, right, line, count, 0, smaller(most_at_once, k));
  if (k <= most_at_once) [[likely]] return;
  alignas(64) T so_far[R][W];
  for (int r = 0; r < R; ++r) store_to(so_far[r], sum[r]);
  add_blocks(so_far, left, step, right, line, count, k);
  for (int r = 0; r < R; ++r) sum[r] = load_from<W>(so_far[r]);
}
)text";

/// For wide tiles: of two loops that need as many masks as the machine has, Clang 22 makes slow
/// ones.
inline constexpr std::string_view all_blocks_alike =
    R"text(template <int R, int W>
KROTON_INLINE void multiply_in_blocks(vec<T, W> (&sum)[R], const T* const (&left)[R], i64 step, const T* right,
                                      i64 line, i64 count, i64 k) {
  alignas(64) T so_far[R][W];
PLAIN_LOOP
  for (i64 begin = 0, end;; begin = end) {
    end = smaller(begin + most_at_once, k);
    multiply(sum, left, step, right + begin * line, line, count, begin, end);
    if (begin > 0)
      for (int r = 0; r < R; ++r) sum[r] += load_from<W>(so_far[r]);
    if (end == k) return;
    for (int r = 0; r < R; ++r) store_to(so_far[r], sum[r]);
  }
}
)text";

inline constexpr std::string_view rows_body = R"text(
// R rows of c from i on, W columns from j on.
template <int R, int W> KROTON_INLINE void tile(const Product& g, i64 i, i64 j) {
  const T* a[R];
  for (int r = 0; r < R; ++r) a[r] = g.a + @row * g.a_row;
  const auto inside = first_lanes<W>(g.n - j);
  vec<T, W> sum[R];
  @multiply(sum, a, g.a_col, @right, @all_terms);
  T* c = g.c + i * g.c_row + j;
@+  for (int r = 0; r < R; ++r)
@+    @if_rowsum[r] = load_first(c + r * g.c_row, inside, T(0)) + g.alpha * sum[r];
  for (int r = 0; r < R; ++r)
    @if_rowstore_first(c + r * g.c_row, inside, sum[r]);
}
)text";

inline constexpr std::string_view columns_body = R"text(
// R columns of c from j on, W rows from i on.
template <int R, int W> KROTON_INLINE void tile(const Product& g, i64 i, i64 j) {
  const T* b[R];
  for (int r = 0; r < R; ++r) b[r] = g.b + @column * g.b_col;
  vec<T, W> sum[R];
  @multiply(sum, b, g.b_row, g.a + i, g.a_col, g.m - i, @all_terms);
  alignas(64) T sums[R][W];
  for (int r = 0; r < R; ++r) store_to(sums[r], sum[r]);
  const auto inside = first_lanes<lanes>(smaller(R, g.n - j));
PLAIN_LOOP
  for (i64 q = 0; q < smaller(W, g.m - i); q += lanes) {
    Square s;
PLAIN_LOOP
    for (i64 r = 0; r < R; ++r) store_to(s.at[r], load_from<lanes>(sums[r] + q));
    transpose(s);
    const i64 rows = smaller(lanes, g.m - i - q);
    T* c = g.c + (i + q) * g.c_row + j;
@+PLAIN_LOOP
@+    for (i64 l = 0; l < rows; ++l)
@+      store_to(s.at[l], load_first(c + l * g.c_row, inside, T(0)) + g.alpha * load_from<lanes>(s.at[l]));
PLAIN_LOOP
    for (i64 l = 0; l < rows; ++l) store_first(c + l * g.c_row, inside, load_from<lanes>(s.at[l]));
  }
}

@sweep(void* frame, i64 begin, i64 end, int) {
  const Product& g = *(const Product*)frame;
PLAIN_LOOP
  for (i64 i = begin * @width; i < smaller(end * @width, g.m); i += @width)
PLAIN_LOOP
    for (i64 j = 0; j < g.n; j += @rows)
@=      if (g.m - i <= lanes) tile<@rows, lanes>(g, i, j); else
      tile<@rows, @width>(g, i, j);
}
)text";

inline constexpr std::string_view dots_body = R"text(
// x[0] becomes the sums of x[0], x[1], … over their lanes, by halves.
template <int half = lanes / 2> KROTON_INLINE void sum_lanes(Vec (&x)[lanes]) {
  for (int i = 0; i < half; ++i) {
    exchange<half>(x[i], x[i + half], AllLanes{});
    x[i] += x[i + half];
  }
  if constexpr (half > 1) sum_lanes<half / 2>(x);
}

// R rows of c from i on, Q columns from j on. A sum is kept in `lanes` parts until its end.
template <int R, int Q> KROTON_INLINE void tile(const Product& g, i64 i, i64 j) {
  const T *a[R], *b[Q];
  for (int r = 0; r < R; ++r) a[r] = g.a + @row * g.a_row;
  for (int r = 0; r < Q; ++r) b[r] = @right_column;
  Vec total[R][Q] = {};
PLAIN_LOOP
  for (i64 from = 0, to; from < g.k; from = to) {
    to = Q == 1 ? smaller(from + @lane_terms * lanes, g.k) : g.k; // of one column there is room for sums of sums
    Vec sum[R][Q] = {};
PLAIN_LOOP
    for (i64 p = from; p < to; p += lanes) {
      const auto inside = first_lanes<lanes>(@terms);
      Vec y[Q];
      for (int q = 0; q < Q; ++q) y[q] = load_first(b[q] + p, inside, T(0));
      for (int r = 0; r < R; ++r) {
        __builtin_prefetch(a[r] + p + R * g.a_row); // for the next tile
        const Vec x = load_first(a[r] + p, inside, T(0));
        for (int q = 0; q < Q; ++q) sum[r][q] += x * y[q];
      }
    }
    for (int r = 0; r < R; ++r)
      for (int q = 0; q < Q; ++q) total[r][q] = Q == 1 ? total[r][q] + sum[r][q] : sum[r][q];
  }
  alignas(64) T parts[R][Q][lanes];
  for (int r = 0; r < R; ++r)
    for (int q = 0; q < Q; ++q) store_to(parts[r][q], total[r][q]);
  const auto inside = first_lanes<lanes>(smaller(Q, g.n - j));
PLAIN_LOOP
  for (i64 r = 0; r < smaller(R, g.m - i); ++r) {
    Vec x[lanes] = {};
    for (int q = 0; q < Q; ++q) x[q] = load_from<lanes>(parts[r][q]);
    sum_lanes(x);
    T* c = g.c + (i + r) * g.c_row + j;
@+    x[0] = load_first(c, inside, T(0)) + g.alpha * x[0];
    store_first(c, inside, x[0]);
  }
}

@sweep(void* frame, i64 begin, i64 end, int) {
  const Product& g = *(const Product*)frame;
PLAIN_LOOP
  for (i64 i = begin * @rows; i < smaller(end * @rows, g.m); i += @rows) {
@|    if (g.n == 1) {
@|      tile<@rows, 1>(g, i, 0);
@|      continue;
@|    }
PLAIN_LOOP
    for (i64 j = 0; j < g.n; j += @vectors) tile<@rows, @vectors>(g, i, j);
  }
}
)text";

/// Of all schemes but `packed`, which goes through k in blocks anyway.
inline constexpr std::string_view parts_body = R"text(
constexpr i64 most_terms = @most_terms;

// Of sums of more than `most_terms` products: part i of k as a product of its own, its result at sums[i][m][n].
struct Parts {
  const Product* whole;
  T* sums;
@#  T* work; // [worker][each_work]
@#  i64 each_work;
  i64 count, units; // parts, and units of rows in each
};

// Units [begin, end) of all parts, part by part.
static void sweep_parts(void* frame, i64 begin, i64 end, int worker) {
  const Parts& f = *(const Parts*)frame;
  Product g = *f.whole;
  g.c_row = g.n;
@+  g.alpha = T(1);
@#  g.work = f.work + worker * f.each_work;
PLAIN_LOOP
  while (begin < end) {
    const i64 part = begin / f.units, first = begin - part * f.units, last = smaller(f.units, first + end - begin);
    const i64 p = part * most_terms;
    g.a = f.whole->a + p * g.a_col;
    g.b = f.whole->b + p * g.b_row;
    g.c = f.sums + part * g.m * g.n;
    g.k = smaller(most_terms, f.whole->k - p);
@copy_right
@+PLAIN_LOOP
@+    for (i64 e = first * @unit * g.n; e < smaller(last * @unit, g.m) * g.n; ++e) g.c[e] = T(0);
    sweep(&g, first, last, worker);
    begin += last - first;
  }
}

// Vectors [begin, end) of the elements of c, row after row, are added up in f64.
static void add_parts(void* frame, i64 begin, i64 end, int) {
  const Parts& f = *(const Parts*)frame;
  const Product& g = *f.whole;
  const i64 elements = g.m * g.n;
PLAIN_LOOP
  for (i64 e = begin * lanes; e < smaller(end * lanes, elements); e += lanes) {
    const auto inside = first_lanes<lanes>(elements - e);
    vec<f64, lanes> sum = 0.0;
PLAIN_LOOP
    for (i64 i = 0; i < f.count; ++i) sum += convert<f64>(load_first(f.sums + i * elements + e, inside, T(0)));
    alignas(64) T sums[lanes];
    store_to(sums, convert<T>(sum));
PLAIN_LOOP
    for (i64 l = 0; l < smaller(lanes, elements - e); ++l) {
      T* c = g.c + (e + l) / g.n * g.c_row + (e + l) % g.n;
@+      sums[l] = *c + g.alpha * sums[l];
      *c = sums[l];
    }
  }
}
)text";

inline constexpr std::string_view parts_entry =
    R"text(    Parts f{&g, (T*)buffers[4]@more_parts, ceil_div(g.k, most_terms), ceil_div(g.m, @unit)};
@#    f.work = f.sums + ceil_div(f.count * g.m * g.n, lanes) * lanes;
    rt->parallel_for(rt, f.count * f.units, @grain / (1 + g.n * most_terms * @unit) + 1, sweep_parts, &f);
    rt->parallel_for(rt, ceil_div(g.m * g.n, lanes), @grain / 8 / (f.count * lanes) + 1, add_parts, &f);
)text";

inline constexpr std::string_view packed_body = R"text(
constexpr int R = @rows, W = @width; // a tile of c: R rows, W columns
constexpr i64 most_columns = @block_columns, most_depth = @block_k;
// Sums of more blocks of k are added up for so many rows at a time, and for so many blocks at a time in f64.
constexpr i64 most_blocks = @most_blocks, most_rows = @most_rows;

// Elements of c from (i, j) on and terms of their sums from p on. `right` holds panels of W columns of b, each
// [depth][W] and a vector apart, which together stay in the second-level cache; `left` holds a panel of
// R rows of a for each worker.
struct Block {
  const Product* g;
  i64 i, j, p, rows, columns, depth, right_panel;
  T *right, *left;
  T* c; // where the sums go: the elements themselves, or work memory
  i64 c_row;
  bool is_direct, adds; // to what lies there
  f64* totals; // [rows][c_row], of the groups of blocks before
  bool is_first, is_last; // of the groups
};
constexpr i64 left_panel = R * (most_depth + lanes); // [@left_layout]

// Lines [begin, end) of `lanes` terms each, across all panels: so b is read in its order.
static void pack_right(void* frame, i64 begin, i64 end, int) {
  const Block& f = *(const Block*)frame;
  const Product& g = *f.g;
PLAIN_LOOP
  for (i64 p = begin * lanes; p < smaller(end * lanes, f.depth); p += lanes)
PLAIN_LOOP
    for (i64 j = 0; j < f.columns; j += W) {
      const T* from = g.b + (f.p + p) * g.b_row + (f.j + j) * g.b_col;
      T* to = f.right + j / W * f.right_panel + p * W;
      @pack_right
    }
}

KROTON_INLINE void pack_left(const Block& f, const T* from, i64 rows, T* to) {
  const Product& g = *f.g;
@pack_left
}

KROTON_INLINE void tile(const Block& f, const T* left, const T* right, const T* next, T* c, i64 rows, i64 columns) {
  const Product& g = *f.g;
PLAIN_LOOP
  for (i64 r = 0; r < rows; ++r) __builtin_prefetch(c + r * f.c_row, 1), __builtin_prefetch(c + r * f.c_row + W - 1, 1);
  const T* a[R];
  for (int r = 0; r < R; ++r) a[r] = left + @left_row;
  vec<T, W> sum[R];
  multiply(sum, a, @left_step, right, W, W, 0, f.depth, next);
  alignas(64) T sums[R][W];
  for (int r = 0; r < R; ++r) store_to(sums[r], sum[r]);
  const auto inside = first_lanes<W>(columns);
PLAIN_LOOP
  for (i64 r = 0; r < rows; ++r, c += f.c_row) {
    vec<T, W> total = load_from<W>(sums[r]);
@+    if (f.is_direct) total = load_first(c, inside, T(0)) + g.alpha * total; else
    if (f.adds) total += load_first(c, inside, T(0));
    store_first(c, inside, total);
  }
}

// Tiles [begin, end) of the block, row by row. The rows of a are copied to where they stay in the
// first-level cache while the panels of b pass by; with each panel one of the next rows is fetched.
static void tiles(void* frame, i64 begin, i64 end, int worker) {
  const Block& f = *(const Block*)frame;
  const Product& g = *f.g;
  T* left = f.left + worker * left_panel;
  const i64 across = ceil_div(f.columns, W);
PLAIN_LOOP
  for (i64 t = begin; t < end; ++t) {
    const i64 i = t / across * R, j = t % across * W, rows = smaller(R, f.rows - i);
    const T* a = g.a + (f.i + i) * g.a_row + f.p * g.a_col;
    if (t == begin || j == 0) pack_left(f, a, rows, left);
    const T* next = a + (R + smaller(j / W, R - 1)) * g.a_row;
    tile(f, left, f.right + j / W * f.right_panel, next, f.c + i * f.c_row + j, rows, f.columns - j);
  }
}

// Adds what a group of blocks comes to, in rows [begin, end).
static void add_group(void* frame, i64 begin, i64 end, int) {
  const Block& f = *(const Block*)frame;
  const Product& g = *f.g;
PLAIN_LOOP
  for (i64 r = begin; r < end; ++r)
PLAIN_LOOP
    for (i64 q = 0; q < f.columns; q += lanes) {
      f64* total = f.totals + r * f.c_row + q;
      vec<f64, lanes> sum = convert<f64>(load_from<lanes>(f.c + r * f.c_row + q));
      if (!f.is_first) sum += load_from<lanes>(total);
      if (!f.is_last) {
        store_to(total, sum);
        continue;
      }
      const auto inside = first_lanes<lanes>(f.columns - q);
      T* c = g.c + (f.i + r) * g.c_row + f.j + q;
      vec<T, lanes> result = convert<T>(sum);
@+      result = load_first(c, inside, T(0)) + g.alpha * result;
      store_first(c, inside, result);
    }
}
)text";

inline constexpr std::string_view packed_entry =
    R"text(  const i64 depth = ceil_div(g.k, ceil_div(g.k, most_depth)); // equal parts of k and n
  const i64 columns = ceil_div(ceil_div(g.n, ceil_div(g.n, most_columns)), W) * W;
  const bool is_direct = ceil_div(g.k, depth) <= most_blocks;
  const i64 rows = is_direct ? g.m : smaller(g.m, most_rows);
  f64* totals = (f64*)g.work;
  T* sums = (T*)(totals + (is_direct ? 0 : rows * columns));
  T* right = sums + (is_direct ? 0 : rows * columns);
PLAIN_LOOP
  for (i64 i = 0; i < g.m; i += rows)
PLAIN_LOOP
    for (i64 j = 0; j < g.n; j += columns)
PLAIN_LOOP
      for (i64 p = 0, block = 0; p < g.k; p += depth, ++block) {
        Block f{&g, i, j, p, smaller(g.m - i, rows), smaller(g.n - j, columns), smaller(g.k - p, depth), 0, right, nullptr};
        f.right_panel = W * f.depth + lanes;
        f.left = f.right + most_columns / W * f.right_panel;
        f.is_direct = is_direct;
        f.c = is_direct ? g.c + i * g.c_row + j : sums;
        f.c_row = is_direct ? g.c_row : columns;
        f.adds = is_direct ? block > 0 : block % most_blocks > 0;
        const i64 across = ceil_div(f.columns, W), down = ceil_div(f.rows, R);
        rt->parallel_for(rt, ceil_div(f.depth, lanes), @grain / 8 / (lanes * f.columns) + 1, pack_right, &f);
        rt->parallel_for(rt, across * down, @grain / (R * W * f.depth) + 1, tiles, &f);
        f.totals = totals;
        f.is_first = block < most_blocks;
        f.is_last = p + depth >= g.k;
        if (!is_direct && (f.is_last || (block + 1) % most_blocks == 0))
          rt->parallel_for(rt, f.rows, @grain / 8 / f.columns + 1, add_group, &f);
      }
}
)text";

} // namespace kroton::codegen::pieces
