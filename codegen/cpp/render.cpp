#include "codegen/cpp/render.hpp"

#include <algorithm>
#include <utility>

#include "codegen/loop/literal.hpp"
#include "codegen/prelude/prelude.hpp"
#include "codegen/cpp/statements.hpp"
#include "lib/support/error.hpp"
#include "lib/support/match.hpp"

namespace kroton::codegen {
namespace {

class Renderer : Statements {
public:
  Renderer(const Kernel& kernel, const CpuSchedule& schedule)
      : Statements(kernel, schedule), k_(kernel), offsets_(scratch_offsets(kernel)) {}

  KernelSource run() {
    std::vector<std::pair<int, ir::NodeId>> piece_lines;
    const std::string pieces = piece_functions(piece_lines);
    std::string body = rows_function();
    if (const Streaming* s = streaming())
      body += Renderer(k_, {.axes = 1, .lanes = s->lanes, .form = FlatForm{}}).streamed_function();
    body += finish_function();
    body += entry_points();
    body.insert(0, pieces);
    std::string head = header();
    const std::string prelude = prelude_for(prelude_names_in(body));
    head += prelude + "\n" + runtime_declaration(k_.is_fallible());
    const int shift = static_cast<int>(std::ranges::count(head, '\n'));
    KernelSource source{head + body, {}};
    for (const auto& [line, node] : piece_lines) source.lines.emplace_back(line + shift, node);
    const int after = shift + static_cast<int>(std::ranges::count(pieces, '\n'));
    for (const auto& [line, node] : lines()) source.lines.emplace_back(line + after, node);
    return source;
  }

  KernelPart part() {
    KernelPart part{.about = header()};
    part.text = piece_functions(part.lines);
    const int after = static_cast<int>(std::ranges::count(part.text, '\n'));
    part.text += rows_function();
    part.text += finish_function();
    part.text += whole_entry();
    for (const auto& [line, node] : lines()) part.lines.emplace_back(line + after, node);
    return part;
  }

private:
  std::string parameters() const {
    std::string text;
    if (k_.is_fallible()) text += ", const Runtime* rt";
    for (std::size_t i = 0; i < k_.params.size(); ++i)
      text += fmt::format(", {}{}* __restrict {}", k_.params[i].is_written ? "" : "const ",
                          type_name(k_.params[i].dtype), param_name(static_cast<int>(i)));
    for (const std::string& name : number_names()) text += ", i64 " + name;
    return text;
  }
  std::string scratch_parameters() const {
    std::string text;
    for (std::size_t i = 0; i < k_.scratch.size(); ++i)
      text += fmt::format(", {}* __restrict {}", type_name(k_.scratch[i].dtype),
                          scratch_name(static_cast<int>(i)));
    return text;
  }
  std::string arguments() const {
    std::string text;
    if (k_.is_fallible()) text += ", f.rt";
    for (std::size_t i = 0; i < k_.params.size(); ++i)
      text += fmt::format(", ({}{}*)f.buffers[{}]", k_.params[i].is_written ? "" : "const ",
                          type_name(k_.params[i].dtype), i);
    for (std::size_t i = 0; i < number_names().size(); ++i) text += fmt::format(", f.sizes[{}]", i);
    return text;
  }
  /// Scratch pointers of chunk 0 (`worker` empty) or of a chunk.
  std::string scratch_arguments(const std::string& worker) const {
    std::string text;
    for (std::size_t i = 0; i < k_.scratch.size(); ++i) {
      std::string at = fmt::format("(char*)f.buffers[{}]", k_.params.size());
      if (!worker.empty()) at += fmt::format(" + {} * {}", worker, frame_dim(offsets_.back()));
      if (!offsets_[i].is(0)) at += " + " + frame_dim(offsets_[i]);
      text += fmt::format(", ({}*)({})", type_name(k_.scratch[i].dtype), at);
    }
    return text;
  }
  /// A dim where the arguments have no names yet.
  std::string frame_dim(const Dim& d) const {
    std::string text = dim_text(d);
    return text.starts_with("n") ? fmt::format("f.sizes[{}]", text.substr(1)) : text;
  }

  /// Inlined whatever its size, as `finish` is: left to Clang, it would be optimised by itself and
  /// again where it was inlined, a tenth of the time of compiling.
  std::string rows_function() {
    if (k_.axes.empty()) return {};
    line(0, "");
    line(0, fmt::format("KROTON_INLINE void rows(i64 begin, i64 end{}{}) {{", parameters(),
                        scratch_parameters()));
    emit_values(k_.prologue, 1);
    for (std::size_t r = 0; r < k_.reductions.size(); ++r)
      if (k_.reductions[r].is_outer) emit_start(static_cast<int>(r), 1);
    support::match(
        schedule().form, [](const ScalarForm&) {},
        [&](const FlatForm& form) {
          if (lanes().count > 0)
            return emit_vector_loop(k_.stages, form.loop, 0, "begin", "end", false, 1);
          emit_loop(form.loop, 0, "begin", "end", 1, [&](int depth) {
            for (const Stage& s : k_.stages) emit_stage(s, {}, depth);
          });
        },
        [&](const RowForm& form) { emit_row_loop(form); });
    for (std::size_t r = 0; r < k_.reductions.size(); ++r) {
      const Reduction& x = reduction(static_cast<int>(r));
      if (!x.is_outer || !x.kept.empty()) continue;
      line(1, fmt::format("{} = {};", element(x.array), result_name(static_cast<int>(r))));
      if (x.op->gives_position())
        line(1, fmt::format("{} = {}_best;", element(x.best), result_name(static_cast<int>(r))));
    }
    line(0, "}");
    return take();
  }

  /// The functions that loops in pieces call, each once. `lines` are those that compute nodes.
  std::string piece_functions(std::vector<std::pair<int, ir::NodeId>>& lines) const {
    std::string text;
    int next = 0;
    for (const CpuLoop* loop : loops_of(schedule()))
      for (const Piece& p : loop->pieces.pieces) {
        if (p.function != next) continue;
        ++next;
        Renderer function(p.body, {.axes = 1, .lanes = p.lanes, .form = FlatForm{}});
        const int shift = static_cast<int>(std::ranges::count(text, '\n'));
        text += function.piece_function(p);
        for (const auto& [line, node] : function.lines()) lines.emplace_back(line + shift, node);
      }
    return text;
  }
  std::string piece_function(const Piece& piece) {
    line(0, "");
    line(0, fmt::format("[[gnu::noinline]] static void {}({}{}) {{", piece_name(piece),
                        parameters().substr(2), piece_parameters(piece)));
    emit_piece_loop(!piece.folds.empty());
    line(0, "}");
    return take();
  }

  const Streaming* streaming() const {
    const auto* flat = std::get_if<FlatForm>(&schedule().form);
    return flat && flat->streaming ? &*flat->streaming : nullptr;
  }

  /// The rows a vector at a time, each written once.
  std::string streamed_function() {
    const Store& result = k_.stages[0].loop.stores[0];
    line(0, "");
    line(0, fmt::format("KROTON_INLINE void rows_streamed(i64 begin, i64 end{}) {{", parameters()));
    emit_values(k_.prologue, 1);
    line(1, fmt::format("stream_vectors<{}>({}, begin, end, [&](i64 i0, auto m) {{", lanes().count,
                        param_name(result.access.param)));
    emit_values(k_.stages[0].loop, 2);
    line(2, fmt::format("return {};", vector_operand(result.value).whole()));
    line(1, "});");
    line(0, "}");
    return take();
  }

  /// The rows, in stretches if sums of f32 over them are kept in parts, random numbers
  /// drawn, or the ends of rows computed for many.
  void emit_row_loop(const RowForm& form) {
    if (form.stretch == 0) return emit_rows(form, "begin", "end", 1);
    std::vector<int> parts;
    for (std::size_t r = 0; r < k_.reductions.size(); ++r)
      if (k_.reductions[r].is_outer && k_.reductions[r].has_block_sum())
        parts.push_back(static_cast<int>(r));
    const std::string row = row_name();
    for (int id : form.runs)
      emit_array(value(id).dtype, run_name(id), form.stretch * k_.axes.back().value(), 1);
    for (int id : lanes().deferred_inputs)
      emit_array(value(id).dtype, saved_name(id), form.stretch, 1);
    line(1, fmt::format("for (i64 {0}_from = begin; {0}_from < end; {0}_from += {1}) {{", row,
                        form.stretch));
    line(2, fmt::format("const i64 {0}_to = {0}_from + {1} < end ? {0}_from + {1} : end;", row,
                        form.stretch));
    for (int id : form.runs) emit_run(id, 0, 2);
    emit_block_starts(parts, 2);
    emit_rows(form, row + "_from", row + "_to", 2);
    emit_row_ends(form.of_deferred, 2);
    emit_block_ends(parts, 2);
    line(1, "}");
  }
  std::string row_name() const { return k_.rows == 1 ? "i0" : "row"; }

  void emit_rows(const RowForm& form, const std::string& begin, const std::string& end,
                 int indent) {
    if (form.rows_at_once.count == 1) return emit_each_row(form, begin, end, indent);
    const bool has_both = open_one_by_one(form.rows_at_once, indent);
    if (has_both) {
      emit_each_row(form, begin, end, indent + 1);
      line(indent, "} else {");
    }
    emit_column_folds(form.rows_at_once, begin, end, indent + (has_both ? 1 : 0));
    if (has_both) line(indent, "}");
  }

  void emit_each_row(const RowForm& form, const std::string& begin, const std::string& end,
                     int indent) {
    line(indent, fmt::format("for (i64 {0} = {1}; {0} < {2}; ++{0}) {{", row_name(), begin, end));
    // Several row axes are recovered from the running number, the last one fastest.
    std::string rest = "row";
    for (int a = k_.rows - 1; a >= 0 && k_.rows > 1; --a) {
      const std::string n = dim_text(k_.axes[static_cast<std::size_t>(a)]);
      line(indent + 1, a == 0 ? fmt::format("const i64 i0 = {};", rest)
                              : fmt::format("const i64 i{} = {} % {};", a, rest, n));
      rest = fmt::format("{} / {}", rest, n);
    }
    for (std::size_t s = 0; s < k_.stages.size(); ++s)
      emit_stage(k_.stages[s], form.stages[s], indent + 1);
    emit_saves(indent + 1);
    line(indent, "}");
  }

  /// A reduction over rows: the chunks' parts are folded in their order. Along `axis` of a loop
  /// with vectors, a vector of results at a time.
  void emit_combine(int r, bool is_vector, int indent) {
    const Reduction& x = reduction(r);
    const bool is_position = x.op->gives_position();
    auto type = [&](DType t) {
      return is_vector ? fmt::format("vec<{}, {}>", type_name(t), lanes().count) : type_name(t);
    };
    line(indent, fmt::format("{} {} = {};", type(is_position ? x.result_dtype : x.accumulator),
                             result_name(r),
                             is_position ? literal(DType::i64, 0)
                                         : limit(x.accumulator, x.op->fold->identity)));
    if (is_position)
      line(indent, fmt::format("{} {}_best = {};", type(x.dtype), result_name(r),
                               limit(x.dtype, x.op->fold->identity)));
    // A few chunks at most: not worth vectors, nor the compiler's time.
    line(indent, "#pragma clang loop vectorize(disable) unroll(disable)");
    line(indent, "for (i64 c = 0; c < chunks; ++c) {");
    auto part = [&](const Access& a, DType t) {
      const std::string array = fmt::format("(const {}*)((const char*){} + c * {})", type_name(t),
                                            scratch_name(a.scratch), dim_text(offsets_.back()));
      const std::string index = access_index(a).whole();
      return atom(is_vector ? fmt::format("load_from<{}>({} + {})", lanes().count, array, index)
                            : fmt::format("({})[{}]", array, index));
    };
    const std::string so_far = result_name(r);
    if (is_position) {
      line(indent + 1,
           fmt::format("const {} part = {};", type_name(x.dtype), part(x.best, x.dtype).whole()));
      emit_fold(x, so_far, so_far + "_best", atom("part"), part(x.array, x.result_dtype),
                indent + 1);
    } else if (is_stretched(r)) {
      const Text of_chunk = part(x.array, x.array_dtype);
      emit_addition(
          so_far,
          is_vector && x.array_dtype != x.accumulator
              ? atom(fmt::format("convert<{}>({})", type_name(x.accumulator), of_chunk.whole()))
              : of_chunk,
          indent + 1);
    } else {
      line(indent + 1,
           fmt::format("const {} part = {};", type(x.dtype), part(x.array, x.dtype).whole()));
      line(indent + 1, fmt::format("{} = {};", so_far,
                                   folded(x, is_vector, atom(so_far), atom("part")).whole()));
    }
    line(indent, "}");
  }

  std::string finish_function() {
    if (k_.finish.empty()) return {};
    line(0, "");
    line(0, fmt::format("KROTON_INLINE void finish(i64 chunks{}{}) {{", parameters(),
                        scratch_parameters()));
    emit_values(k_.prologue, 1);
    for (const Finish& f : k_.finish) {
      int depth = 1;
      const bool has_vectors = lanes().count > 0 && !f.axes.empty();
      for (int a : f.axes) {
        if (has_vectors && a == f.axes.back())
          open_vector_loop(a, 1, "0", dim_text(k_.axes[static_cast<std::size_t>(a)]), false,
                           depth++);
        else
          open_loop(a, depth++);
      }
      for (int id : f.block.values)
        if (value(id).kind == ValueKind::result)
          emit_combine(value(id).reduction, lanes().is_vector(id), depth);
      emit_values(f.block, depth);
      if (has_vectors) {
        emit_vector_stores(f.block, f.axes.back(), depth);
        line(--depth, "});");
      } else {
        emit_stores(f.block, depth);
      }
      while (depth > 1) line(--depth, "}");
    }
    if (!k_.axes.empty())
      line(0, "}");
    else {
      line(1, "(void)chunks;");
      line(0, "}");
    }
    return take();
  }

  /// Iterations of the row loop, and the fewest that are worth a thread of their own.
  std::string row_count() const {
    std::string text;
    for (int a = 0; a < k_.rows; ++a)
      text += (a ? " * " : "") + frame_dim(k_.axes[static_cast<std::size_t>(a)]);
    return text;
  }
  /// The fewest iterations of so many elements.
  std::string rows_of(std::int64_t elements) const {
    std::string inner;
    for (std::size_t a = static_cast<std::size_t>(k_.rows); a < k_.axes.size(); ++a)
      inner += (inner.empty() ? "" : " * ") + frame_dim(k_.axes[a]);
    return inner.empty() ? std::to_string(elements)
                         : fmt::format("{} / (1 + {}) + 1", elements, inner);
  }
  std::string grain() const { return rows_of(schedule().chunks.elements); }
  /// Chunks that the sizes alone decide, whatever the work is; where that is little, one after the
  /// other.
  void emit_ordered_chunks() {
    line(1, fmt::format("const i64 grain = {};", rows_of(schedule().chunks.ordered_elements)));
    emit_chunk_count();
    line(1, fmt::format("if (n > {})", grain()));
    line(2, "rt->parallel_for(rt, n, grain, chunk, &f);");
    line(1, "else");
    line(2, "for (i64 c = 0; c < chunks; ++c) chunk(&f, n * c / chunks, n * (c + 1) / chunks, "
            "(int)c);");
  }
  void emit_chunk_count() {
    line(1, "const i64 wanted = n <= 0 ? 0 : (n - 1) / grain + 1;");
    line(1, "const i64 chunks = wanted < rt->threads ? wanted : rt->threads;");
  }

  void emit_frame() {
    line(0, "");
    line(0, "struct Frame {");
    line(1, "const Runtime* rt;");
    line(1, "void* const* buffers;");
    line(1, "const i64* sizes;");
    line(0, "};");
  }

  /// All rows as one chunk, on the calling thread.
  std::string whole_entry() {
    emit_frame();
    line(0, "");
    line(0, "KROTON_INLINE void run(const Runtime* rt, void* const* buffers, const i64* sizes) {");
    line(1, "const Frame f{rt, buffers, sizes};");
    if (!k_.axes.empty())
      line(1, fmt::format("rows(0, {}{}{});", row_count(), arguments(), scratch_arguments("0")));
    if (!k_.finish.empty())
      line(1, fmt::format("finish({}{}{});", k_.axes.empty() ? "0" : "1", arguments(),
                          scratch_arguments({})));
    line(0, "}");
    return take();
  }

  std::string entry_points() {
    emit_frame();
    if (!k_.axes.empty()) {
      line(0, "");
      const bool uses_worker = !k_.scratch.empty();
      line(0, fmt::format("static void chunk(void* frame, i64 begin, i64 end, int{}) {{",
                          uses_worker ? " worker" : ""));
      line(1, "const Frame& f = *(const Frame*)frame;");
      const std::string call =
          fmt::format("(begin, end{}{});", arguments(), scratch_arguments("worker"));
      if (const Streaming* s = streaming())
        line(1, fmt::format("if ({} >= {}) return rows_streamed{}", frame_dim(k_.axes[0]), s->from,
                            call));
      line(1, "rows" + call);
      line(0, "}");
    }
    line(0, "");
    line(0,
         "extern \"C\" void kernel(const Runtime* rt, void* const* buffers, const i64* sizes) {");
    line(1, "Frame f{rt, buffers, sizes};");
    if (!k_.axes.empty()) {
      line(1, fmt::format("const i64 n = {};", row_count()));
      if (schedule().chunks.ordered_elements > 0) {
        emit_ordered_chunks();
      } else {
        line(1, fmt::format("const i64 grain = {};", grain()));
        line(1, "rt->parallel_for(rt, n, grain, chunk, &f);");
        if (!k_.finish.empty()) emit_chunk_count();
      }
    }
    if (!k_.finish.empty())
      line(1, fmt::format("finish({}{}{});", k_.axes.empty() ? "0" : "chunks", arguments(),
                          scratch_arguments({})));
    line(0, "}");
    return take();
  }

  const Kernel& k_;
  std::vector<Dim> offsets_;
};

} // namespace

std::string runtime_declaration(bool is_fallible) {
  std::string text = R"(struct Runtime {
  void* state;
  void (*parallel_for)(const Runtime*, i64 n, i64 grain, void (*body)(void*, i64, i64, int), void* frame);
  void (*fail)(const Runtime*, int site, i64 value, i64 bound);
  void (*gemm_f32)();
  void (*gemm_f64)();
  int threads;
};
)";
  if (is_fallible) {
    text += R"(
// The position that `at` stands for on an axis of `bound`; -1, and a report, if there is none.
static inline i64 checked(const Runtime* rt, int site, i64 at, i64 bound) {
  const i64 position = at < 0 ? at + bound : at;
  if (position >= 0 && position < bound) return position;
  rt->fail(rt, site, at, bound);
  return -1;
}
)";
  }
  return text;
}

KernelSource render(const plan::Kernel& kernel, const CpuSchedule& schedule) {
  return Renderer(kernel, schedule).run();
}

KernelPart render_part(const plan::Kernel& kernel, const CpuSchedule& schedule) {
  return Renderer(kernel, schedule).part();
}

} // namespace kroton::codegen
