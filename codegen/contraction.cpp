#include "codegen/contraction.hpp"

#include <fmt/format.h>

#include "codegen/prelude.hpp"

namespace kroton::codegen {
namespace {

/// Rows of a register tile: with two vectors of columns, accumulators fill half of AVX-512's 32
/// registers, or of the 16 of older targets.
int tile_rows(int vector_bytes) { return vector_bytes >= 64 ? 8 : 4; }

// `@rows`, `@lanes`, `@type` and `@store` are filled in below. Loops that move single elements are
// marked as not worth the compiler's time: vectorised and unrolled, they are half of its work.
constexpr std::string_view body = R"text(
using T = @type;
constexpr int lanes = @lanes; // elements of a vector register
constexpr int tile = @rows;  // rows of c that are held in registers
using vec = T __attribute__((ext_vector_type(lanes), aligned(sizeof(T))));

#define PLAIN_LOOP _Pragma("clang loop vectorize(disable) unroll(disable)")

struct Args {
  const T *a, *b;
  T* c;
  const T* alpha;
  T* work; // b in panels of V vectors: [panel][k][V * lanes], padded with zeros
  i64 m, n, k, a_row, a_col, b_row, b_col;
};

static inline void put(const Args& g, T& to, T sum) { @store; }

template <int V> static void pack(const Args& g) {
  constexpr i64 width = V * lanes;
  for (i64 j = 0; j < g.n; j += width) {
    T* to = g.work + j * g.k;
    const i64 columns = g.n - j < width ? g.n - j : width;
    for (i64 p = 0; p < g.k; ++p, to += width) {
      const T* from = g.b + p * g.b_row + j * g.b_col;
PLAIN_LOOP
      for (i64 q = 0; q < columns; ++q) to[q] = from[q * g.b_col];
PLAIN_LOOP
      for (i64 q = columns; q < width; ++q) to[q] = T(0);
    }
  }
}

// One tile of c: `tile` rows from i on, V vectors of columns from j on. Rows past the last repeat it.
template <int V> static void multiply(const Args& g, i64 i, i64 j) {
  constexpr i64 width = V * lanes;
  const T* a[tile];
  for (int r = 0; r < tile; ++r) a[r] = g.a + (i + r < g.m ? i + r : g.m - 1) * g.a_row;
  vec sum[tile][V];
  for (int r = 0; r < tile; ++r)
    for (int v = 0; v < V; ++v) sum[r][v] = vec(T(0));
  const T* b = g.work + j * g.k;
PLAIN_LOOP
  for (i64 p = 0; p < g.k; ++p, b += width) {
    vec right[V];
    for (int v = 0; v < V; ++v) right[v] = *(const vec*)(b + v * lanes);
    for (int r = 0; r < tile; ++r) {
      const vec left = vec(a[r][p * g.a_col]);
      for (int v = 0; v < V; ++v) sum[r][v] += left * right[v];
    }
  }
  const i64 rows = g.m - i < tile ? g.m - i : tile;
  const i64 columns = g.n - j < width ? g.n - j : width;
PLAIN_LOOP
  for (i64 r = 0; r < rows; ++r) {
    T* c = g.c + (i + r) * g.n + j;
    const T* s = (const T*)sum[r];
PLAIN_LOOP
    for (i64 q = 0; q < columns; ++q) put(g, c[q], s[q]);
  }
}

template <int V> static void rows_of(void* frame, i64 begin, i64 end, int) {
  const Args& g = *(const Args*)frame;
  for (i64 j = 0; j < g.n; j += V * lanes)
    for (i64 i = begin; i < end; ++i) multiply<V>(g, i * tile, j);
}
)text";

constexpr std::string_view columns_body = R"text(
// For few columns of c and an a whose columns lie together: vectors run along the rows of c, straight
// from a, so that no lane is padding and each line of a is used whole. One tile: V vectors of rows
// from i on, `few` columns from j on. Columns past the last repeat it.
constexpr int few = 5;
constexpr int stack = 4;

template <int V> static void multiply_columns(const Args& g, i64 i, i64 j) {
  const T* b[few];
  for (int q = 0; q < few; ++q) b[q] = g.b + (j + q < g.n ? j + q : g.n - 1) * g.b_col;
  vec sum[few][V];
  for (int q = 0; q < few; ++q)
    for (int v = 0; v < V; ++v) sum[q][v] = vec(T(0));
  const T* a = g.a + i;
PLAIN_LOOP
  for (i64 p = 0; p < g.k; ++p, a += g.a_col) {
    vec left[V];
    for (int v = 0; v < V; ++v) __builtin_memcpy(&left[v], a + v * lanes, sizeof(vec)); // a lies anywhere
    for (int q = 0; q < few; ++q) {
      const vec right = vec(b[q][p * g.b_row]);
      for (int v = 0; v < V; ++v) sum[q][v] += left[v] * right;
    }
  }
  const i64 columns = g.n - j < few ? g.n - j : few;
PLAIN_LOOP
  for (i64 q = 0; q < columns; ++q) {
    T* c = g.c + i * g.n + j + q;
    const T* s = (const T*)sum[q];
PLAIN_LOOP
    for (i64 r = 0; r < V * lanes; ++r) put(g, c[r * g.n], s[r]);
  }
}

static void columns_of(void* frame, i64 begin, i64 end, int) {
  const Args& g = *(const Args*)frame;
  for (i64 i = begin * stack * lanes; i < end * stack * lanes; i += stack * lanes)
    for (i64 j = 0; j < g.n; j += few) {
      if (i + stack * lanes <= g.m) multiply_columns<stack>(g, i, j);
      else
        for (i64 r = i; r + lanes <= g.m; r += lanes) multiply_columns<1>(g, r, j);
    }
}
)text";

bool may_be_by_columns(const ContractionShape& shape) {
  return shape.is_narrow.value_or(true) && shape.is_transposed.value_or(true);
}

/// The end of the text: the entry point, with the cases that may occur.
std::string entry_point(const ContractionShape& shape) {
  std::string text =
      R"text(extern "C" void kernel(const Runtime* rt, void* const* buffers, const i64* sizes) {
  Args g{(const T*)buffers[0], (const T*)buffers[1], (T*)buffers[2], (const T*)buffers[3], (T*)buffers[4],
         sizes[0], sizes[1], sizes[2], sizes[3], sizes[4], sizes[5], sizes[6]};
)text";
  if (may_be_by_columns(shape))
    text += R"text(  if (g.a_row == 1 && g.n <= lanes && g.m >= lanes) {
    const i64 stacks = (g.m + stack * lanes - 1) / (stack * lanes);
    rt->parallel_for(rt, stacks, 200000 / (1 + g.k * g.n * stack) + 1, columns_of, &g);
    // The rows that fill no vector are left.
    const i64 whole = g.m / lanes * lanes;
    g.a += whole;
    g.c += whole * g.n;
    g.m -= whole;
    if (g.m == 0) return;
  }
)text";
  text += R"text(  const i64 tiles = (g.m + tile - 1) / tile;
  const i64 grain = 200000 / (1 + g.k * g.n * tile / lanes) + 1;
)text";
  const auto by_vectors = [](int indent, int vectors) {
    return fmt::format(
        "{0:{1}}pack<{2}>(g);\n{0:{1}}rt->parallel_for(rt, tiles, grain, rows_of<{2}>, &g);\n", "",
        indent, vectors);
  };
  if (shape.is_narrow)
    text += by_vectors(2, *shape.is_narrow ? 1 : 2);
  else
    text +=
        "  if (g.n <= lanes) {\n" + by_vectors(4, 1) + "  } else {\n" + by_vectors(4, 2) + "  }\n";
  return text + "}\n";
}

std::string filled(std::string text, std::string_view what, std::string_view with) {
  for (std::size_t at = text.find(what); at != text.npos; at = text.find(what, at + with.size()))
    text.replace(at, what.size(), with);
  return text;
}

} // namespace

KernelSource render_contraction(const ContractionShape& shape) {
  const int lanes = shape.vector_bytes / static_cast<int>(item_size(shape.dtype));
  std::string text =
      fmt::format("// {} of {} matrices\n",
                  shape.accumulates ? "c += alpha * (a . b)" : "c = a . b", to_string(shape.dtype));
  const std::string_view needed[] = {"types"};
  text += prelude_for(needed) + "\n" + runtime_declaration(false);
  std::string code(body);
  if (may_be_by_columns(shape)) code += columns_body;
  code += "\n" + entry_point(shape);
  code = filled(std::move(code), "@type", to_string(shape.dtype));
  code = filled(std::move(code), "@lanes", std::to_string(lanes));
  code = filled(std::move(code), "@rows", std::to_string(tile_rows(shape.vector_bytes)));
  code = filled(std::move(code), "@store",
                shape.accumulates ? "to += *g.alpha * sum" : "(void)g, to = sum");
  return {text + code, {}};
}

std::int64_t contraction_work_bytes(const ContractionShape& shape, std::int64_t n, std::int64_t k) {
  const std::int64_t width = 2 * shape.vector_bytes;
  const std::int64_t bytes = n * static_cast<std::int64_t>(item_size(shape.dtype));
  return (bytes + width - 1) / width * width * k;
}

} // namespace kroton::codegen
