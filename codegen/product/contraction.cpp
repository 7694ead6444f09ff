#include "codegen/product/contraction.hpp"

#include <bit>

#include <fmt/format.h>

#include "codegen/product/contraction_pieces.hpp"
#include "codegen/prelude/prelude.hpp"

namespace kroton::codegen {
namespace {

using namespace pieces;

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
  Contraction(const ContractionShape& shape, const ProductSchedule& schedule)
      : shape_(shape), s_(schedule), scheme_(schedule.scheme), tile_(schedule.tile) {
    // Few texts for all large products: of what is known, only adjacent elements are of use.
    if (scheme_ == ContractionScheme::packed) {
      auto& s = shape_.known;
      s.m = s.n = s.k = std::nullopt;
      for (Known* stride : {&s.a_row, &s.a_col, &s.b_row, &s.b_col, &s.c_row})
        if (*stride != 1) stride->reset();
    }
    known_k_ = shape_.known.k;
    if (has_parts()) shape_.known.k = shape_.known.c_row = std::nullopt; // a part has its own
  }

  KernelSource run() {
    const std::string text = functions("extern \"C\" void kernel");
    return {title() + prelude_for(prelude_names_in(text)) + "\n" + runtime_declaration(false) +
                text,
            {}};
  }

  KernelPart part() {
    std::string text = functions("KROTON_INLINE void run");
    return {title(), std::move(text), {}};
  }

private:
  using Known = std::optional<std::int64_t>;

  /// All that the text has of its own; `entry_head` is how its entry point is declared.
  std::string functions(std::string_view entry_head) {
    if (s_.is_written_out) {
      std::string text = std::string(vectors) + product() + std::string(written_out) +
                         arguments(entry_head) + "  (void)rt, (void)sizes;\n  multiply(g);\n}\n";
      fill_in(text);
      return text;
    }
    const std::string main = body() + parts() + entry(entry_head); // says which copies it needs
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
    if (has_blocks()) {
      text += about_blocks;
      text += s_.is_first_block_apart ? first_block_apart : all_blocks_alike;
    }
    text += main;
    fill_in(text);
    return text;
  }

  std::string title() const {
    const auto& s = shape_.known;
    const auto spelled = [](const Known& size) { return size ? std::to_string(*size) : "?"; };
    return fmt::format("// {} of {} matrices, {} x {} with sums of {} products\n",
                       shape_.accumulates ? "c += alpha * (a . b)" : "c = a . b",
                       to_string(shape_.dtype), spelled(s.m), spelled(s.n), spelled(known_k_));
  }

  bool has_blocks() const { return s_.block_terms > 0; }
  bool has_parts() const { return s_.part_terms > 0; }
  bool copies() const { return s_.copies; }

  /// What the product's functions are handed. Sizes known beforehand are constants there.
  std::string product() const {
    static constexpr std::string_view names[] = {"m",     "n",     "k",     "a_row",
                                                 "a_col", "b_row", "b_col", "c_row"};
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
        "struct Product {\n  const T *a, *b;\n  T* c; // m x n, rows c_row apart\n";
    if (shape_.accumulates) text += "  T alpha;\n";
    if (copies()) text += "  T* work;\n";
    if (!variables.empty()) text += fmt::format("  i64 {};\n", fmt::join(variables, ", "));
    if (!constants.empty())
      text += fmt::format("  static constexpr i64 {};\n", fmt::join(constants, ", "));
    return text + "};\n";
  }

  /// The entry point up to the product's arguments.
  std::string arguments(std::string_view head) const {
    std::string text =
        fmt::format("\n{}(const Runtime* rt, void* const* buffers, const i64* sizes) {{\n"
                    "  Product g{{(const T*)buffers[0], (const T*)buffers[1], (T*)buffers[2]",
                    head);
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

  std::string parts() {
    if (!has_parts()) return {};
    std::string text(parts_body);
    fill(text, "@copy_right", copy_right());
    return text;
  }

  bool has_partial_rows() const {
    const Known& m = shape_.known.m;
    return !m || (scheme_ == ContractionScheme::dots && *m % tile_.rows != 0);
  }

  /// The loops over all columns of c, the tile's width at a time and less at the end.
  template <class Body> std::string column_loops(Body body) const {
    const int lanes = shape_.lanes(), width = tile_.vectors * lanes;
    const int rest_width = s_.rest_vectors * lanes;
    std::string text =
        fmt::format("  i64 j = 0;\nPLAIN_LOOP\n  for (; j < g.n{}; j += {}) {{\n{}  }}\n",
                    width > lanes ? fmt::format(" - {}", width - lanes) : "", width, body(width));
    if (rest_width > 0)
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

  bool has_single_rows() const { return s_.single_rows > 0; }

  /// All columns of some rows of c.
  std::string rows_sweep() const {
    const Known& m = shape_.known.m;
    const std::int64_t rest = m ? *m % tile_.rows : 0;
    const bool overlaps = s_.overlaps;
    std::string row = fmt::format("i * {}", tile_.rows);
    if (overlaps) row = fmt::format("smaller({}, {})", row, *m - tile_.rows);
    std::string text =
        fmt::format("\n// Tiles [begin, end) of {} rows each.{}\n", tile_.rows,
                    overlaps ? " The last one begins early enough to be whole." : "");
    text += "@sweep(void* frame, i64 begin, i64 end, int) {\n"
            "  const Product& g = *(const Product*)frame;\n";
    if (rest > 0 && !overlaps)
      text += fmt::format("  const i64 whole = smaller(end, {});\n", *m / tile_.rows);
    if (has_single_rows())
      text += fmt::format("  const i64 whole = end * {0} <= g.m + {1} ? end : end - 1; // few rows "
                          "that are left are done one by one\n",
                          tile_.rows, tile_.rows - 1 - s_.single_rows);
    return text + column_loops([&](int width) {
             std::string loop = fmt::format(
                 "PLAIN_LOOP\n    for (i64 i = begin; i < {}; ++i) tile<{}, {}>(g, {}, j);\n",
                 (rest > 0 && !overlaps) || has_single_rows() ? "whole" : "end", tile_.rows, width,
                 row);
             if (has_single_rows())
               loop += fmt::format("PLAIN_LOOP\n    for (i64 i = whole * {0}; i < smaller(end * "
                                   "{0}, g.m); ++i) tile<1, {1}>(g, i, j);\n",
                                   tile_.rows, width);
             if (rest > 0 && !overlaps)
               loop += fmt::format("    if (whole < end) tile<{}, {}>(g, {}, j);\n", rest, width,
                                   *m - rest);
             return loop;
           }) +
           "}\n";
  }

  std::string entry(std::string_view head) {
    std::string text = arguments(head);
    if (scheme_ == ContractionScheme::packed) return text + std::string(packed_entry);
    if (has_parts()) {
      std::string parts(parts_entry);
      fill(parts, "@more_parts", copies() ? ", nullptr, @each_work" : "");
      if (known_k_) return text + parts + "}\n";
      text += "  if (g.k > most_terms) {\n" + parts + "    return;\n  }\n";
    }
    text += copy_right();
    if (s_.grain == 0)
      return text + fmt::format("  (void)rt, (void)sizes;\n  sweep(&g, 0, {}, 0);\n}}\n",
                                ceil_div(*shape_.known.m, s_.unit));
    return text +
           fmt::format("  rt->parallel_for(rt, (g.m + {0} - 1) / {0}, {1} / (1 + g.n * g.k * "
                       "{0}) + 1, sweep, &g);\n}}\n",
                       s_.unit, s_.grain);
  }

  void fill_in(std::string& text) const {
    const bool is_dots = scheme_ == ContractionScheme::dots;
    const Known& n = shape_.known.n;
    const int columns = is_dots ? tile_.vectors : tile_.rows;
    const bool has_partial_columns = !n || *n % columns != 0;
    const Known& k = known_k_;
    fill(text, "@type", to_string(shape_.dtype));
    fill(text, "@lanes", std::to_string(shape_.lanes()));
    fill(text, "@rows", std::to_string(tile_.rows));
    fill(text, "@vectors", std::to_string(tile_.vectors));
    fill(text, "@width", std::to_string(tile_.vectors * shape_.lanes()));
    // What is past the last row or column is computed from the last one, and not stored.
    fill(text, "@row", has_partial_rows() ? "smaller(i + r, g.m - 1)" : "(i + r)");
    fill(text, "@if_row", has_partial_rows() ? "if (i + r < g.m) " : "");
    const std::string column = has_partial_columns ? "smaller(j + r, g.n - 1)" : "(j + r)";
    fill(text, "@right_column",
         copies() ? "g.work + " + column + " * (ceil_div(g.k, lanes) * lanes)"
                  : "g.b + " + column + " * g.b_col");
    fill(text, "@right", copies() ? "g.work + j * g.k, W, W" : "g.b + j, g.b_row, g.n - j");
    fill(text, "@column", column);
    fill(text, "@lane_terms", std::to_string(most_of_lane));
    fill(text, "@terms", k && *k % shape_.lanes() == 0 ? "lanes" : "g.k - p");
    if (s_.packed) {
      fill(text, "@block_columns", std::to_string(s_.packed->columns));
      fill(text, "@block_k", std::to_string(s_.packed->k));
      fill(text, "@most_blocks", std::to_string(s_.packed->together));
      fill(text, "@most_rows", std::to_string(s_.packed->rows));
    }
    fill(text, "@grain", std::to_string(s_.grain));
    fill(text, "@unit", std::to_string(s_.unit));
    fill(text, "@sweep", has_parts() ? "[[gnu::noinline]] static void sweep" : "static void sweep");
    fill(text, "@add_blocks",
         shape_.known.k ? "KROTON_INLINE void add_blocks"
                        : "[[gnu::noinline]] static void add_blocks");
    fill(text, "@multiply", has_blocks() ? "multiply_in_blocks" : "multiply");
    fill(text, "@all_terms", has_blocks() ? "g.k" : "0, g.k");
    fill(text, "@most_at_once", std::to_string(most_at_once));
    fill(text, "@most_terms", std::to_string(s_.part_terms));
    if (scheme_ == ContractionScheme::dots)
      fill(text, "@each_work", "ceil_div(most_terms, lanes) * lanes * g.n");
    else
      fill(text, "@each_work",
           fmt::format("ceil_div(g.n, {0}) * {0} * most_terms", tile_.vectors * shape_.lanes()));
    const bool is_packed = scheme_ == ContractionScheme::packed;
    fill(text, "@next", is_packed ? ", const T* next" : "");
    keep_lines(text, "@^", is_packed);
    keep_lines(text, "@*", scheme_ == ContractionScheme::columns);
    keep_lines(text, "@+", shape_.accumulates);
    keep_lines(text, "@#", copies());
    keep_lines(text, "@|", !n);
    const Known& m = shape_.known.m;
    keep_lines(text, "@=", tile_.vectors > 1 && (!m || (*m - 1) % s_.unit < shape_.lanes()));
  }

  ContractionShape shape_;
  const ProductSchedule& s_;
  ContractionScheme scheme_;
  ContractionTile tile_;
  Known known_k_;
  bool copies_elements_ = false, copies_lines_ = false, copies_columns_ = false,
       copies_any_ = false;
};

} // namespace

KernelSource render_contraction(const ContractionShape& shape, const ProductSchedule& schedule) {
  return Contraction(shape, schedule).run();
}

KernelPart render_contraction_part(const ContractionShape& shape, const ProductSchedule& schedule) {
  return Contraction(shape, schedule).part();
}

} // namespace kroton::codegen
