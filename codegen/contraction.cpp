#include "codegen/contraction.hpp"

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
using Vec = vec<T, lanes>;
using Mask = vec<bool, lanes>;

#define PLAIN_LOOP _Pragma("clang loop vectorize(disable) unroll(disable)")

KROTON_INLINE i64 smaller(i64 x, i64 y) { return x < y ? x : y; }
)text";

constexpr std::string_view transposing = R"text(
template <class, int... I> struct Lanes {};
using AllLanes = __make_integer_seq<Lanes, int, lanes>;

// Seen as blocks of half x half lanes, [x; y] gets its off-diagonal blocks exchanged.
template <int half, int... I> KROTON_INLINE void exchange(Vec& x, Vec& y, Lanes<int, I...>) {
  const Vec upper = __builtin_shufflevector(x, y, (I & half ? I - half + lanes : I)...);
  y = __builtin_shufflevector(x, y, (I & half ? I + lanes : I + half)...);
  x = upper;
}
)text";

constexpr std::string_view transpose = R"text(
template <int half = lanes / 2> KROTON_INLINE void transpose(Vec (&x)[lanes]) {
  for (int i = 0; i < lanes; ++i)
    if (!(i & half)) exchange<half>(x[i], x[i + half], AllLanes{});
  if constexpr (half > 1) transpose<half / 2>(x);
}
)text";

constexpr std::string_view copy_elements = R"text(
// to[r * width + q] = from[r * row + q * col] for q < cols, 0 up to width.
static void copy(const T* from, i64 row, i64 col, i64 rows, i64 cols, T* to, i64 width) {
PLAIN_LOOP
  for (i64 r = 0; r < rows; ++r)
PLAIN_LOOP
    for (i64 q = 0; q < width; ++q) to[r * width + q] = q < cols ? from[r * row + q * col] : T(0);
}
)text";

constexpr std::string_view copy_vectors = R"text(
// to[r * width + q] = from[r * row + q * col] for q < cols, 0 up to width. Where width is no multiple
// of a vector's lanes, zeros are written up to the next one.
static void copy(const T* from, i64 row, i64 col, i64 rows, i64 cols, T* to, i64 width) {
  if (col == 1) {
PLAIN_LOOP
    for (i64 r = 0; r < rows; ++r)
PLAIN_LOOP
      for (i64 q = 0; q < width; q += lanes)
        store_to(to + r * width + q, load_first(from + r * row + q, first_lanes<lanes>(q < cols ? cols - q : 0), T(0)));
  } else if (row == 1) {
    // Blocks of lanes x lanes. Later columns first: their zeros end where the next line begins.
PLAIN_LOOP
    for (i64 r = 0; r < rows; r += lanes) {
      const Mask here = first_lanes<lanes>(rows - r);
PLAIN_LOOP
      for (i64 q = (width - 1) / lanes * lanes; q >= 0; q -= lanes) {
        Vec x[lanes];
        for (int l = 0; l < lanes; ++l)
          x[l] = q + l < cols ? load_first(from + r + (q + l) * col, here, T(0)) : Vec(T(0));
        transpose(x);
        for (int l = 0; l < lanes; ++l)
          if (r + l < rows) store_to(to + (r + l) * width + q, x[l]);
      }
    }
  } else {
PLAIN_LOOP
    for (i64 r = 0; r < rows; ++r)
PLAIN_LOOP
      for (i64 q = 0; q < width; ++q) to[r * width + q] = q < cols ? from[r * row + q * col] : T(0);
  }
}
)text";

/// The innermost loop of all schemes but `dots`.
constexpr std::string_view multiply = R"text(
// sum[r][v] = the sum over p of left[r][p * step] times vector v of line p of `right`, whose last
// vector has the lanes `last`.
@*constexpr int ahead = 16; // lines; far apart, they are fetched by nobody else
template <int R, int V>
KROTON_INLINE void multiply(Vec (&sum)[R][V], const T* const (&left)[R], i64 step, const T* right,
                            i64 line, Mask last, i64 k) {
  for (int r = 0; r < R; ++r)
    for (int v = 0; v < V; ++v) sum[r][v] = Vec(T(0));
PLAIN_LOOP
  for (i64 p = 0; p < k; ++p, right += line) {
@*    for (int v = 0; v < V; ++v) __builtin_prefetch(right + ahead * line + v * lanes);
    Vec x[V];
    for (int v = 0; v < V; ++v)
      x[v] = v + 1 < V ? load_from<lanes>(right + v * lanes) : load_first(right + v * lanes, last, T(0));
    for (int r = 0; r < R; ++r) {
      const Vec y = Vec(left[r][p * step]);
      for (int v = 0; v < V; ++v) sum[r][v] += y * x[v];
    }
  }
}
)text";

constexpr std::string_view rows_body = R"text(
// R rows of c from i on, V vectors of columns from j on.
template <int R, int V> KROTON_INLINE void tile(const Product& g, i64 i, i64 j) {
  const T* a[R];
  for (int r = 0; r < R; ++r) a[r] = g.a + @row * g.a_row;
  const Mask all = first_lanes<lanes>(lanes), last = first_lanes<lanes>(g.n - j - (V - 1) * lanes);
  Vec sum[R][V];
  multiply(sum, a, g.a_col, @right, g.k);
  T* c = g.c + i * g.n + j;
@+  for (int r = 0; r < R; ++r)
@+    @if_rowfor (int v = 0; v < V; ++v)
@+      sum[r][v] = load_first(c + r * g.n + v * lanes, v + 1 < V ? all : last, T(0)) + g.alpha * sum[r][v];
  for (int r = 0; r < R; ++r)
    @if_rowfor (int v = 0; v < V; ++v)
      store_first(c + r * g.n + v * lanes, v + 1 < V ? all : last, sum[r][v]);
}
)text";

constexpr std::string_view columns_body = R"text(
// R columns of c from j on, V vectors of rows from i on.
template <int R, int V> KROTON_INLINE void tile(const Product& g, i64 i, i64 j) {
  const T* b[R];
  for (int r = 0; r < R; ++r) b[r] = g.b + @column * g.b_col;
  Vec sum[R][V];
  multiply(sum, b, g.b_row, g.a + i, g.a_col, first_lanes<lanes>(g.m - i - (V - 1) * lanes), g.k);
  const Mask columns = first_lanes<lanes>(smaller(R, g.n - j));
  for (int v = 0; v < V; ++v) {
    Vec x[lanes] = {};
    for (int r = 0; r < R; ++r) x[r] = sum[r][v];
    transpose(x);
    const i64 rows = g.m - i - v * lanes;
    T* c = g.c + (i + v * lanes) * g.n + j;
@+    for (int l = 0; l < lanes; ++l)
@+      if (l < rows) x[l] = load_first(c + l * g.n, columns, T(0)) + g.alpha * x[l];
    for (int l = 0; l < lanes; ++l)
      if (l < rows) store_first(c + l * g.n, columns, x[l]);
  }
}

static void sweep(void* frame, i64 begin, i64 end, int) {
  const Product& g = *(const Product*)frame;
PLAIN_LOOP
  for (i64 i = begin * @vectors * lanes; i < smaller(end * @vectors * lanes, g.m); i += @vectors * lanes)
PLAIN_LOOP
    for (i64 j = 0; j < g.n; j += @rows) tile<@rows, @vectors>(g, i, j);
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

// The terms of sum[r][q] from p on, of as many as `m` has lanes.
template <int R, int Q>
KROTON_INLINE void add_terms(Vec (&sum)[R][Q], const T* const (&a)[R], const T* const (&b)[Q], i64 p, Mask m) {
  Vec y[Q];
  for (int q = 0; q < Q; ++q) y[q] = load_first(b[q] + p, m, T(0));
  for (int r = 0; r < R; ++r) {
    const Vec x = load_first(a[r] + p, m, T(0));
    for (int q = 0; q < Q; ++q) sum[r][q] += x * y[q];
  }
}

// R rows of c from i on, Q columns from j on. A sum is kept in `lanes` parts until its end.
template <int R, int Q> KROTON_INLINE void tile(const Product& g, i64 i, i64 j) {
  const T *a[R], *b[Q];
  for (int r = 0; r < R; ++r) a[r] = g.a + @row * g.a_row;
  for (int r = 0; r < Q; ++r) b[r] = @right_column;
  Vec sum[R][Q] = {};
  i64 p = 0;
PLAIN_LOOP
  for (; p + lanes <= g.k; p += lanes) add_terms(sum, a, b, p, first_lanes<lanes>(lanes));
  if (p < g.k) add_terms(sum, a, b, p, first_lanes<lanes>(g.k - p));
  const Mask columns = first_lanes<lanes>(smaller(Q, g.n - j));
  for (int r = 0; r < R; ++r)
    @if_row{
      Vec x[lanes] = {};
      for (int q = 0; q < Q; ++q) x[q] = sum[r][q];
      sum_lanes(x);
      T* c = g.c + (i + r) * g.n + j;
@+      x[0] = load_first(c, columns, T(0)) + g.alpha * x[0];
      store_first(c, columns, x[0]);
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
constexpr int R = @rows, V = 2, W = V * lanes; // a tile of c: R rows, W columns

// Rows x columns of c and depth terms of its sums. `left` holds panels of R rows of a, each
// [depth][R] with a vector's room behind; `right` panels of W columns of b, each [depth][W].
struct Block {
  const Product* g;
  i64 i, j, p, rows, columns, depth;
  T *left, *right;
};

KROTON_INLINE i64 panels(i64 size, i64 each) { return (size + each - 1) / each; }

static void pack_left(void* frame, i64 begin, i64 end, int) {
  const Block& f = *(const Block*)frame;
  const Product& g = *f.g;
  for (i64 t = begin; t < end; ++t)
    copy(g.a + (f.i + t * R) * g.a_row + f.p * g.a_col, g.a_col, g.a_row, f.depth,
         smaller(R, f.rows - t * R), f.left + t * (R * f.depth + lanes), R);
}

static void pack_right(void* frame, i64 begin, i64 end, int) {
  const Block& f = *(const Block*)frame;
  const Product& g = *f.g;
  for (i64 t = begin; t < end; ++t)
    copy(g.b + f.p * g.b_row + (f.j + t * W) * g.b_col, g.b_row, g.b_col, f.depth,
         smaller(W, f.columns - t * W), f.right + t * W * f.depth, W);
}

// The panel of b is the same for many tiles, so that it stays in the first-level cache.
static void tiles(void* frame, i64 begin, i64 end, int) {
  const Block& f = *(const Block*)frame;
  const Product& g = *f.g;
  const i64 row_panels = panels(f.rows, R);
PLAIN_LOOP
  for (i64 t = begin; t < end; ++t) {
    const i64 row = t % row_panels, column = t / row_panels;
    const i64 rows = smaller(R, f.rows - row * R), columns = f.columns - column * W;
    T* c = g.c + (f.i + row * R) * g.n + f.j + column * W;
    const T* a[R];
    for (int r = 0; r < R; ++r) a[r] = f.left + row * (R * f.depth + lanes) + r;
    for (int r = 0; r < R; ++r)
      if (r < rows) __builtin_prefetch(c + r * g.n, 1);
    Vec sum[R][V];
    multiply(sum, a, R, f.right + column * W * f.depth, W, first_lanes<lanes>(lanes), f.depth);
    for (int r = 0; r < R; ++r)
      for (int v = 0; v < V; ++v)
        if (r < rows && v * lanes < columns) {
          const Mask m = first_lanes<lanes>(columns - v * lanes);
          T* to = c + r * g.n + v * lanes;
@+          sum[r][v] = load_first(to, m, T(0)) + g.alpha * sum[r][v];
@-          if (f.p > 0) sum[r][v] += load_first(to, m, T(0));
          store_first(to, m, sum[r][v]);
        }
  }
}
)text";

constexpr std::string_view packed_entry =
    R"text(  constexpr i64 most_rows = @block_rows, most_columns = @block_columns, most_depth = @block_k;
  const i64 depth = panels(g.k, panels(g.k, most_depth)); // equal parts of k
  for (i64 j = 0; j < g.n; j += most_columns)
    for (i64 p = 0; p < g.k; p += depth) {
      Block f{&g, 0, j, p, 0, smaller(g.n - j, most_columns), smaller(g.k - p, depth), nullptr, g.work};
      f.left = g.work + panels(f.columns, W) * W * f.depth;
      rt->parallel_for(rt, panels(f.columns, W), 8, pack_right, &f);
      for (f.i = 0; f.i < g.m; f.i += most_rows) {
        f.rows = smaller(g.m - f.i, most_rows);
        const i64 left = panels(f.rows, R), tile_count = left * panels(f.columns, W);
        rt->parallel_for(rt, left, 10, pack_left, &f);
        rt->parallel_for(rt, tile_count, @grain / (R * W * f.depth) + 1, tiles, &f);
      }
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
    // One text for all large products: there is nothing to gain from a constant.
    if (scheme == ContractionScheme::packed) shape_.known = {};
  }

  KernelSource run() {
    std::string text(vectors);
    text += product();
    const bool has_vectors = is_float(shape_.dtype), copies_vectors = copies() && has_vectors;
    if (scheme_ == ContractionScheme::columns || scheme_ == ContractionScheme::dots ||
        copies_vectors)
      text += transposing;
    if (scheme_ == ContractionScheme::columns || copies_vectors) text += transpose;
    if (copies()) text += has_vectors ? copy_vectors : copy_elements;
    if (scheme_ != ContractionScheme::dots) text += multiply;
    text += body();
    text += entry();
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

  std::string body() const {
    switch (scheme_) {
    case ContractionScheme::rows:
      return std::string(rows_body) + rows_sweep();
    case ContractionScheme::columns:
      return std::string(columns_body);
    case ContractionScheme::dots:
      return std::string(dots_body);
    case ContractionScheme::packed:
      return std::string(packed_body);
    }
    return {};
  }

  bool has_partial_rows() const {
    const Known& m = shape_.known.m;
    return !m || (scheme_ == ContractionScheme::dots && *m % tile_.rows != 0);
  }

  /// The loops over all columns of c, vectors[0] at a time and vectors[1] at the end.
  template <class Body> std::string column_loops(Body body) const {
    const Known& n = shape_.known.n;
    const int most = tile_.vectors;
    const auto rest = n ? static_cast<int>(ceil_div(*n, shape_.lanes()) % most) : most > 1 ? 1 : 0;
    std::string text =
        fmt::format("  i64 j = 0;\nPLAIN_LOOP\n"
                    "  for (; g.n - j > {}; j += {} * lanes) {{\n{}  }}\n",
                    most > 1 ? fmt::format("{} * lanes", most - 1) : "0", most, body(most));
    if (rest > 0)
      text += fmt::format("PLAIN_LOOP\n  for (; j < g.n; j += {} * lanes) {{\n{}  }}\n", rest,
                          body(rest));
    return text;
  }

  /// Panels of b, or b transposed, in the work memory.
  std::string copy_right() const {
    if (!copies()) return {};
    if (scheme_ == ContractionScheme::dots)
      return "  copy(g.b, g.b_col, g.b_row, g.n, g.k, g.work, (g.k + lanes - 1) / lanes * "
             "lanes);\n";
    return column_loops([](int width) {
      return fmt::format("    copy(g.b + j * g.b_col, g.b_row, g.b_col, g.k, smaller({0} * lanes, "
                         "g.n - j), g.work + j * g.k, {0} * lanes);\n",
                         width);
    });
  }

  /// All columns of some rows of c.
  std::string rows_sweep() const {
    const Known& m = shape_.known.m;
    const int rows = tile_.rows;
    return fmt::format(R"text(
// Tiles [begin, end) of {0} rows each.
static void sweep(void* frame, i64 begin, i64 end, int) {{
  const Product& g = *(const Product*)frame;
  const i64 stop = smaller(end * {0}, g.m);
)text",
                       rows) +
           column_loops([&](int width) {
             const std::string loop = "PLAIN_LOOP\n    for (i64 i = begin * {0}; i{1} <{2} stop; "
                                      "i += {0}) tile<{0}, {3}>(g, i, j);\n";
             if (!m) return fmt::format(fmt::runtime(loop), rows, "", "", width);
             const std::int64_t rest = *m % rows;
             std::string text =
                 fmt::format(fmt::runtime(loop), rows, fmt::format(" + {}", rows), "=", width);
             if (rest > 0)
               text += fmt::format("    if (stop == g.m) tile<{0}, {1}>(g, g.m - {0}, j);\n", rest,
                                   width);
             return text;
           }) +
           "}\n";
  }

  /// Rows of c in a unit of work.
  std::int64_t unit() const {
    return scheme_ == ContractionScheme::columns ? tile_.vectors * shape_.lanes() : tile_.rows;
  }

  std::string entry() const {
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
    fill(text, "@row", has_partial_rows() ? "smaller(i + r, g.m - 1)" : "(i + r)");
    fill(text, "@if_row", has_partial_rows() ? "if (i + r < g.m) " : "");
    const std::string column = has_partial_columns ? "smaller(j + r, g.n - 1)" : "(j + r)";
    fill(text, "@right_column",
         copies() ? "g.work + " + column + " * ((g.k + lanes - 1) / lanes * lanes)"
                  : "g.b + " + column + " * g.b_col");
    fill(text, "@right", copies() ? "g.work + j * g.k, V * lanes, all" : "g.b + j, g.b_row, last");
    fill(text, "@column", column);
    const PackedBlocks blocks = packed_blocks(shape_);
    fill(text, "@block_rows", std::to_string(blocks.rows));
    fill(text, "@block_columns", std::to_string(blocks.columns));
    fill(text, "@block_k", std::to_string(blocks.k));
    fill(text, "@grain", std::to_string(grain));
    keep_lines(text, "@*", scheme_ == ContractionScheme::columns);
    keep_lines(text, "@+", shape_.accumulates);
    keep_lines(text, "@-", !shape_.accumulates);
  }

  ContractionShape shape_;
  ContractionScheme scheme_;
  ContractionTile tile_;
};

} // namespace

KernelSource render_contraction(const ContractionShape& shape, ContractionScheme scheme) {
  return Contraction(shape, scheme).run();
}

} // namespace kroton::codegen
