#include "codegen/contraction.hpp"

#include <bit>

#include <fmt/format.h>

#include "codegen/contraction_tile.hpp"
#include "codegen/prelude.hpp"

namespace kroton::codegen {
namespace {

// The pieces of the texts. `@name` is filled in below. Loops that move single elements, and outer
// ones, are marked as not worth the compiler's time: vectorised and unrolled, they are half of its
// work.

constexpr std::string_view vectors = R"text(
using T = @type;
constexpr int lanes = @lanes; // elements of a vector register

#define PLAIN_LOOP _Pragma("clang loop vectorize(disable) unroll(disable)")

KROTON_INLINE i64 smaller(i64 x, i64 y) { return x < y ? x : y; }
KROTON_INLINE i64 ceil_div(i64 x, i64 y) { return (x + y - 1) / y; }
)text";

constexpr std::string_view exchange = R"text(
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

constexpr std::string_view transpose = R"text(
template <int half = lanes / 2> KROTON_INLINE void transpose(Vec (&x)[lanes]) {
  for (int i = 0; i < lanes; ++i)
    if (!(i & half)) exchange<half>(x[i], x[i + half], AllLanes{});
  if constexpr (half > 1) transpose<half / 2>(x);
}

struct Square {
  alignas(64) T at[lanes][lanes];
};

[[gnu::noinline]] static void transpose(Square& s) {
  Vec x[lanes];
  for (int i = 0; i < lanes; ++i) x[i] = load_from<lanes>(s.at[i]);
  transpose(x);
  for (int i = 0; i < lanes; ++i) store_to(s.at[i], x[i]);
}
)text";

// Copies for the work memory: to[r * line + q] = from[r * row + q * col] for r < rows and q < cols,
// and 0 for the other q < width.

constexpr std::string_view copy_elements = R"text(
static void copy_elements(const T* from, i64 row, i64 col, i64 rows, i64 cols, T* to, i64 line, i64 width) {
PLAIN_LOOP
  for (i64 r = 0; r < rows; ++r)
PLAIN_LOOP
    for (i64 q = 0; q < width; ++q) to[r * line + q] = q < cols ? from[r * row + q * col] : T(0);
}
)text";

constexpr std::string_view copy_lines = R"text(
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

constexpr std::string_view copy_columns = R"text(
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

constexpr std::string_view copy = R"text(
static void copy(const T* from, i64 row, i64 col, i64 rows, i64 cols, T* to, i64 line, i64 width) {
  if (col == 1) copy_lines(from, row, rows, cols, to, line, width);
  else if (row == 1) copy_columns(from, col, rows, cols, to, line, width);
  else copy_elements(from, row, col, rows, cols, to, line, width);
}
)text";

/// The innermost loop of all schemes but `dots`.
constexpr std::string_view multiply = R"text(
// sum[r] = the sum over p of left[r][p * step] times the first W elements of line p of `right`, those
// that `inside` has.
@^// Elements of `next`, needed soon, are fetched on the way.
template <int R, int W>
KROTON_INLINE void multiply(vec<T, W> (&sum)[R], const T* const (&left)[R], i64 step, const T* right,
                            i64 line, vec<bool, W> inside, i64 k@next) {
  for (int r = 0; r < R; ++r) sum[r] = T(0);
PLAIN_LOOP
  for (i64 p = 0; p < k; ++p, right += line) {
@^    __builtin_prefetch(next + p, 0, 2);
@*    for (int q = 0; q < W; q += lanes) __builtin_prefetch(right + ahead * line + q);
    const vec<T, W> x = load_first(right, inside, T(0));
    for (int r = 0; r < R; ++r) sum[r] += left[r][p * step] * x;
  }
}
)text";

constexpr std::string_view rows_body = R"text(
// R rows of c from i on, W columns from j on.
template <int R, int W> KROTON_INLINE void tile(const Product& g, i64 i, i64 j) {
  const T* a[R];
  for (int r = 0; r < R; ++r) a[r] = g.a + @row * g.a_row;
  const auto inside = first_lanes<W>(g.n - j);
  vec<T, W> sum[R];
  multiply(sum, a, g.a_col, @right, g.k);
  T* c = g.c + i * g.n + j;
@+  for (int r = 0; r < R; ++r)
@+    @if_rowsum[r] = load_first(c + r * g.n, inside, T(0)) + g.alpha * sum[r];
  for (int r = 0; r < R; ++r)
    @if_rowstore_first(c + r * g.n, inside, sum[r]);
}
)text";

constexpr std::string_view columns_body = R"text(
// R columns of c from j on, W rows from i on.
template <int R, int W> KROTON_INLINE void tile(const Product& g, i64 i, i64 j) {
  const T* b[R];
  for (int r = 0; r < R; ++r) b[r] = g.b + @column * g.b_col;
  vec<T, W> sum[R];
  multiply(sum, b, g.b_row, g.a + i, g.a_col, first_lanes<W>(g.m - i), g.k);
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
    T* c = g.c + (i + q) * g.n + j;
@+PLAIN_LOOP
@+    for (i64 l = 0; l < rows; ++l)
@+      store_to(s.at[l], load_first(c + l * g.n, inside, T(0)) + g.alpha * load_from<lanes>(s.at[l]));
PLAIN_LOOP
    for (i64 l = 0; l < rows; ++l) store_first(c + l * g.n, inside, load_from<lanes>(s.at[l]));
  }
}

static void sweep(void* frame, i64 begin, i64 end, int) {
  const Product& g = *(const Product*)frame;
PLAIN_LOOP
  for (i64 i = begin * @width; i < smaller(end * @width, g.m); i += @width)
PLAIN_LOOP
    for (i64 j = 0; j < g.n; j += @rows) tile<@rows, @width>(g, i, j);
}
)text";

constexpr std::string_view dots_body = R"text(
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
  Vec sum[R][Q] = {};
PLAIN_LOOP
  for (i64 p = 0; p < g.k; p += lanes) {
    const auto inside = first_lanes<lanes>(@terms);
    Vec y[Q];
    for (int q = 0; q < Q; ++q) y[q] = load_first(b[q] + p, inside, T(0));
    for (int r = 0; r < R; ++r) {
      __builtin_prefetch(a[r] + p + R * g.a_row); // for the next tile
      const Vec x = load_first(a[r] + p, inside, T(0));
      for (int q = 0; q < Q; ++q) sum[r][q] += x * y[q];
    }
  }
  alignas(64) T parts[R][Q][lanes];
  for (int r = 0; r < R; ++r)
    for (int q = 0; q < Q; ++q) store_to(parts[r][q], sum[r][q]);
  const auto inside = first_lanes<lanes>(smaller(Q, g.n - j));
PLAIN_LOOP
  for (i64 r = 0; r < smaller(R, g.m - i); ++r) {
    Vec x[lanes] = {};
    for (int q = 0; q < Q; ++q) x[q] = load_from<lanes>(parts[r][q]);
    sum_lanes(x);
    T* c = g.c + (i + r) * g.n + j;
@+    x[0] = load_first(c, inside, T(0)) + g.alpha * x[0];
    store_first(c, inside, x[0]);
  }
}

static void sweep(void* frame, i64 begin, i64 end, int) {
  const Product& g = *(const Product*)frame;
PLAIN_LOOP
  for (i64 i = begin * @rows; i < smaller(end * @rows, g.m); i += @rows)
PLAIN_LOOP
    for (i64 j = 0; j < g.n; j += @vectors) tile<@rows, @vectors>(g, i, j);
}
)text";

constexpr std::string_view packed_body = R"text(
constexpr int R = @rows, W = @width; // a tile of c: R rows, W columns
constexpr i64 most_columns = @block_columns, most_depth = @block_k;

// Columns of c from j on and terms of their sums from p on. `right` holds panels of W columns of b, each
// [depth][W] and a vector apart, which together stay in the second-level cache; `left` holds a panel of
// R rows of a for each worker.
struct Block {
  const Product* g;
  i64 j, p, columns, depth, right_panel;
  T *right, *left;
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
  for (i64 r = 0; r < rows; ++r) __builtin_prefetch(c + r * g.n, 1), __builtin_prefetch(c + r * g.n + W - 1, 1);
  const T* a[R];
  for (int r = 0; r < R; ++r) a[r] = left + @left_row;
  vec<T, W> sum[R];
  multiply(sum, a, @left_step, right, W, first_lanes<W>(W), f.depth, next);
  alignas(64) T sums[R][W];
  for (int r = 0; r < R; ++r) store_to(sums[r], sum[r]);
  const auto inside = first_lanes<W>(columns);
PLAIN_LOOP
  for (i64 r = 0; r < rows; ++r, c += g.n) {
    vec<T, W> total = load_from<W>(sums[r]);
@+    total = load_first(c, inside, T(0)) + g.alpha * total;
@-    if (f.p > 0) total += load_first(c, inside, T(0));
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
    const i64 i = t / across * R, j = t % across * W, rows = smaller(R, g.m - i);
    const T* a = g.a + i * g.a_row + f.p * g.a_col;
    if (t == begin || j == 0) pack_left(f, a, rows, left);
    const T* next = a + (R + smaller(j / W, R - 1)) * g.a_row;
    tile(f, left, f.right + j / W * f.right_panel, next, g.c + i * g.n + f.j + j, rows, f.columns - j);
  }
}
)text";

constexpr std::string_view packed_entry =
    R"text(  const i64 depth = ceil_div(g.k, ceil_div(g.k, most_depth)); // equal parts of k and n
  const i64 columns = ceil_div(ceil_div(g.n, ceil_div(g.n, most_columns)), W) * W;
PLAIN_LOOP
  for (i64 j = 0; j < g.n; j += columns)
PLAIN_LOOP
    for (i64 p = 0; p < g.k; p += depth) {
      Block f{&g, j, p, smaller(g.n - j, columns), smaller(g.k - p, depth), 0, g.work, nullptr};
      f.right_panel = W * f.depth + lanes;
      f.left = f.right + most_columns / W * f.right_panel;
      const i64 across = ceil_div(f.columns, W), down = ceil_div(g.m, R);
      rt->parallel_for(rt, ceil_div(f.depth, lanes), @grain / 8 / (lanes * f.columns) + 1, pack_right, &f);
      rt->parallel_for(rt, across * down, @grain / (R * W * f.depth) + 1, tiles, &f);
    }
}
)text";

/// Products of elements below which splitting costs more than it gains; about 5 µs.
constexpr std::int64_t grain = std::int64_t{1} << 19;

void fill(std::string& text, std::string_view what, std::string_view with) {
  for (std::size_t at = text.find(what); at != text.npos; at = text.find(what, at + with.size()))
    text.replace(at, what.size(), with);
}

/// Keeps the lines that begin with `mark`, without it, or drops them.
void keep_lines(std::string& text, std::string_view mark, bool keeps) {
  for (std::size_t at = text.find(mark); at != text.npos; at = text.find(mark, at))
    text.erase(at, keeps ? mark.size() : text.find('\n', at) + 1 - at);
}

class Contraction {
public:
  Contraction(const ContractionShape& shape, ContractionScheme scheme)
      : shape_(shape), scheme_(scheme), tile_(contraction_tile(shape, scheme)) {
    // Few texts for all large products: of what is known, only adjacent elements are of use.
    if (scheme == ContractionScheme::packed) {
      auto& s = shape_.known;
      s.m = s.n = s.k = std::nullopt;
      for (Known* stride : {&s.a_row, &s.a_col, &s.b_row, &s.b_col})
        if (*stride != 1) stride->reset();
    }
  }

  KernelSource run() {
    const std::string main = body() + entry(); // says which copies it needs
    std::string text(vectors);
    text += product();
    const bool transposes = scheme_ == ContractionScheme::columns || copies_columns_;
    if (transposes || scheme_ == ContractionScheme::dots) text += exchange;
    if (transposes) text += transpose;
    if (copies_elements_) text += copy_elements;
    if (copies_lines_) text += copy_lines;
    if (copies_columns_) text += copy_columns;
    if (copies_any_) text += copy;
    if (scheme_ == ContractionScheme::columns)
      text +=
          "\nconstexpr int ahead = 16; // lines of a: far apart, they are fetched by nobody else\n";
    if (scheme_ != ContractionScheme::dots) text += multiply;
    text += main;
    fill_in(text);
    return {title() + prelude_for(prelude_names_in(text)) + "\n" + runtime_declaration(false) +
                text,
            {}};
  }

private:
  using Known = std::optional<std::int64_t>;

  std::string title() const {
    const auto& s = shape_.known;
    const auto spelled = [](const Known& size) { return size ? std::to_string(*size) : "?"; };
    return fmt::format("// {} of {} matrices, {} x {} with sums of {} products\n",
                       shape_.accumulates ? "c += alpha * (a . b)" : "c = a . b",
                       to_string(shape_.dtype), spelled(s.m), spelled(s.n), spelled(s.k));
  }

  /// Whether b (for packed: a too) is copied to the work memory.
  bool copies() const {
    switch (scheme_) {
    case ContractionScheme::rows:
      return !reads_right_directly(shape_);
    case ContractionScheme::columns:
      return false;
    case ContractionScheme::dots:
      return shape_.known.b_row != 1;
    case ContractionScheme::packed:
      return true;
    }
    return true;
  }

  /// What the product's functions are handed. Sizes known beforehand are constants there.
  std::string product() const {
    static constexpr std::string_view names[] = {"m", "n", "k", "a_row", "a_col", "b_row", "b_col"};
    std::vector<std::string> constants, variables;
    const auto known = shape_.known.in_order();
    for (std::size_t i = 0; i < known.size(); ++i) {
      if (known[i])
        constants.push_back(fmt::format("{} = {}", names[i], *known[i]));
      else
        variables.emplace_back(names[i]);
    }
    std::string text =
        "\n// a is m x k, b is k x n; element (i, j) of a lies at i * a_row + j * a_col.\n"
        "struct Product {\n  const T *a, *b;\n  T* c; // m x n, dense\n";
    if (shape_.accumulates) text += "  T alpha;\n";
    if (copies()) text += "  T* work;\n";
    if (!variables.empty()) text += fmt::format("  i64 {};\n", fmt::join(variables, ", "));
    if (!constants.empty())
      text += fmt::format("  static constexpr i64 {};\n", fmt::join(constants, ", "));
    return text + "};\n";
  }

  /// The entry point up to the product's arguments.
  std::string arguments() const {
    std::string text =
        "\nextern \"C\" void kernel(const Runtime* rt, void* const* buffers, const i64* sizes) {\n"
        "  Product g{(const T*)buffers[0], (const T*)buffers[1], (T*)buffers[2]";
    if (shape_.accumulates) text += ", *(const T*)buffers[3]";
    if (copies()) text += ", (T*)buffers[4]";
    const auto known = shape_.known.in_order();
    for (std::size_t i = 0; i < known.size(); ++i)
      if (!known[i]) text += fmt::format(", sizes[{}]", i);
    return text + "};\n";
  }

  std::string body() {
    switch (scheme_) {
    case ContractionScheme::rows:
      return std::string(rows_body) + rows_sweep();
    case ContractionScheme::columns:
      return std::string(columns_body);
    case ContractionScheme::dots:
      return std::string(dots_body);
    case ContractionScheme::packed:
      return packed_text();
    }
    return {};
  }

  bool has_partial_rows() const {
    const Known& m = shape_.known.m;
    return !m || (scheme_ == ContractionScheme::dots && *m % tile_.rows != 0);
  }

  /// The loops over all columns of c, the tile's width at a time and less at the end.
  template <class Body> std::string column_loops(Body body) const {
    const Known& n = shape_.known.n;
    const int lanes = shape_.lanes(), width = tile_.vectors * lanes;
    std::size_t rest = width > lanes ? 1 : 0; // vectors
    if (n) rest = static_cast<std::size_t>(ceil_div(*n, lanes) % tile_.vectors);
    const int rest_width = rest > 0 ? static_cast<int>(std::bit_ceil(rest)) * lanes : 0;
    std::string text =
        fmt::format("  i64 j = 0;\nPLAIN_LOOP\n  for (; j < g.n{}; j += {}) {{\n{}  }}\n",
                    width > lanes ? fmt::format(" - {}", width - lanes) : "", width, body(width));
    if (rest > 0)
      text += fmt::format("PLAIN_LOOP\n  for (; j < g.n; j += {}) {{\n{}  }}\n", rest_width,
                          body(rest_width));
    return text;
  }

  /// A call of the copy that suits strides as far as they are known. `others` are the arguments
  /// from `rows` on.
  std::string copy_call(std::string_view from, std::string_view matrix, bool is_transposed,
                        std::string_view others) {
    const auto& s = shape_.known;
    Known row = matrix == "a" ? s.a_row : s.b_row, col = matrix == "a" ? s.a_col : s.b_col;
    std::string row_name = fmt::format("g.{}_row", matrix),
                col_name = fmt::format("g.{}_col", matrix);
    if (is_transposed) {
      std::swap(row, col);
      std::swap(row_name, col_name);
    }
    if (!is_float(shape_.dtype)) {
      copies_elements_ = true;
      return fmt::format("copy_elements({}, {}, {}, {});", from, row_name, col_name, others);
    }
    if (col == 1) {
      copies_lines_ = true;
      return fmt::format("copy_lines({}, {}, {});", from, row_name, others);
    }
    copies_columns_ = true;
    if (row == 1) return fmt::format("copy_columns({}, {}, {});", from, col_name, others);
    copies_any_ = copies_lines_ = copies_elements_ = true;
    return fmt::format("copy({}, {}, {}, {});", from, row_name, col_name, others);
  }

  /// Panels of b, or b transposed, in the work memory.
  std::string copy_right() {
    if (!copies()) return {};
    if (scheme_ == ContractionScheme::dots)
      return fmt::format("  const i64 line = ceil_div(g.k, lanes) * lanes;\n  {}\n",
                         copy_call("g.b", "b", true, "g.n, g.k, g.work, line, line"));
    return column_loops([&](int width) {
      return fmt::format(
          "    {}\n",
          copy_call("g.b + j * g.b_col", "b", false,
                    fmt::format("g.k, smaller({0}, g.n - j), g.work + j * g.k, {0}, {0}", width)));
    });
  }

  /// Panels of a lie as a does: where elements of a row are adjacent, [R][most_depth + lanes].
  std::string packed_text() {
    std::string text(packed_body);
    fill(text, "@pack_right",
         copy_call("from", "b", false,
                   "smaller(lanes, f.depth - p), smaller(W, f.columns - j), to, W, W"));
    if (shape_.known.a_row == 1) {
      fill(text, "@left_layout", "depth][R");
      fill(text, "@left_row", "r");
      fill(text, "@left_step", "R");
      fill(text, "@pack_left", "  " + copy_call("from", "a", true, "f.depth, rows, to, R, R"));
      return text;
    }
    fill(text, "@left_layout", "R][most_depth + lanes");
    fill(text, "@left_row", "r * (most_depth + lanes)");
    fill(text, "@left_step", "1");
    fill(text, "@pack_left",
         "  constexpr i64 line = most_depth + lanes;\n  " +
             copy_call("from", "a", false, "rows, f.depth, to, line, f.depth") +
             "\n  for (i64 i = rows * line; i < left_panel; ++i) to[i] = T(0);");
    return text;
  }

  /// All columns of some rows of c.
  std::string rows_sweep() const {
    const Known& m = shape_.known.m;
    const std::int64_t rest = m ? *m % tile_.rows : 0;
    const bool overlaps = rest > 0 && !shape_.accumulates;
    std::string row = fmt::format("i * {}", tile_.rows);
    if (overlaps) row = fmt::format("smaller({}, {})", row, *m - tile_.rows);
    std::string text =
        fmt::format("\n// Tiles [begin, end) of {} rows each.{}\n", tile_.rows,
                    overlaps ? " The last one begins early enough to be whole." : "");
    text += "static void sweep(void* frame, i64 begin, i64 end, int) {\n"
            "  const Product& g = *(const Product*)frame;\n";
    if (rest > 0 && !overlaps)
      text += fmt::format("  const i64 whole = smaller(end, {});\n", *m / tile_.rows);
    return text + column_loops([&](int width) {
             std::string loop = fmt::format(
                 "PLAIN_LOOP\n    for (i64 i = begin; i < {}; ++i) tile<{}, {}>(g, {}, j);\n",
                 rest > 0 && !overlaps ? "whole" : "end", tile_.rows, width, row);
             if (rest > 0 && !overlaps)
               loop += fmt::format("    if (whole < end) tile<{}, {}>(g, {}, j);\n", rest, width,
                                   *m - rest);
             return loop;
           }) +
           "}\n";
  }

  /// Rows of c in a unit of work.
  std::int64_t unit() const {
    return scheme_ == ContractionScheme::columns ? tile_.vectors * shape_.lanes() : tile_.rows;
  }

  std::string entry() {
    std::string text = arguments();
    if (scheme_ == ContractionScheme::packed) return text + std::string(packed_entry);
    text += copy_right();
    const auto& s = shape_.known;
    if (s.m && s.n && s.k && *s.m * *s.n * *s.k < 2 * grain)
      return text + fmt::format("  (void)rt, (void)sizes;\n  sweep(&g, 0, {}, 0);\n}}\n",
                                ceil_div(*s.m, unit()));
    return text +
           fmt::format("  rt->parallel_for(rt, (g.m + {0} - 1) / {0}, {1} / (1 + g.n * g.k * "
                       "{0}) + 1, sweep, &g);\n}}\n",
                       unit(), grain);
  }

  void fill_in(std::string& text) const {
    const bool is_dots = scheme_ == ContractionScheme::dots;
    const Known& n = shape_.known.n;
    const int columns = is_dots ? tile_.vectors : tile_.rows;
    const bool has_partial_columns = !n || *n % columns != 0;
    fill(text, "@type", to_string(shape_.dtype));
    fill(text, "@lanes", std::to_string(shape_.lanes()));
    fill(text, "@rows", std::to_string(tile_.rows));
    fill(text, "@vectors", std::to_string(tile_.vectors));
    // What lies past the last row or column is computed from the last one, and not stored.
    fill(text, "@width", std::to_string(tile_.vectors * shape_.lanes()));
    // What lies past the last row or column is computed from the last one, and not stored.
    fill(text, "@row", has_partial_rows() ? "smaller(i + r, g.m - 1)" : "(i + r)");
    fill(text, "@if_row", has_partial_rows() ? "if (i + r < g.m) " : "");
    const std::string column = has_partial_columns ? "smaller(j + r, g.n - 1)" : "(j + r)";
    fill(text, "@right_column",
         copies() ? "g.work + " + column + " * (ceil_div(g.k, lanes) * lanes)"
                  : "g.b + " + column + " * g.b_col");
    fill(text, "@right",
         copies() ? "g.work + j * g.k, W, first_lanes<W>(W)" : "g.b + j, g.b_row, inside");
    fill(text, "@column", column);
    const Known& k = shape_.known.k;
    fill(text, "@terms", k && *k % shape_.lanes() == 0 ? "lanes" : "g.k - p");
    const PackedBlocks blocks = packed_blocks(shape_);
    fill(text, "@block_columns", std::to_string(blocks.columns));
    fill(text, "@block_k", std::to_string(blocks.k));
    fill(text, "@grain", std::to_string(grain));
    const bool is_packed = scheme_ == ContractionScheme::packed;
    fill(text, "@next", is_packed ? ", const T* next" : "");
    keep_lines(text, "@^", is_packed);
    keep_lines(text, "@*", scheme_ == ContractionScheme::columns);
    keep_lines(text, "@+", shape_.accumulates);
    keep_lines(text, "@-", !shape_.accumulates);
  }

  ContractionShape shape_;
  ContractionScheme scheme_;
  ContractionTile tile_;
  bool copies_elements_ = false, copies_lines_ = false, copies_columns_ = false,
       copies_any_ = false;
};

} // namespace

KernelSource render_contraction(const ContractionShape& shape, ContractionScheme scheme) {
  return Contraction(shape, scheme).run();
}

} // namespace kroton::codegen
