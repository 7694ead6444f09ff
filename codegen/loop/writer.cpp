#include "codegen/loop/writer.hpp"

namespace kroton::codegen {

std::string Writer::header() const {
  std::string text = "// " + k_.title;
  for (std::size_t a = 0; a < k_.axes.size(); ++a)
    text += fmt::format("{} i{} < {}", a == 0 ? " over" : ",", a, dim_text(k_.axes[a]));
  text +=
      k_.axes.empty() ? "\n" : fmt::format("; {} row ax{}\n", k_.rows, k_.rows == 1 ? "is" : "es");
  for (std::size_t i = 0; i < k_.params.size(); ++i)
    text += fmt::format("//   {}: {}, {}\n", param_name(static_cast<int>(i)),
                        to_string(k_.params[i].dtype),
                        k_.params[i].is_read && k_.params[i].is_written ? "read and written"
                        : k_.params[i].is_written                       ? "written"
                                                                        : "read");
  return text;
}

void Writer::line(int indent, const std::string& text) {
  out_ += std::string(static_cast<std::size_t>(indent) * 2, ' ') + text + "\n";
  ++line_number_;
}

void Writer::emit_checks(int id, int indent, std::string_view mask) {
  for (const ComputedTerm& t : value(id).access->computed) {
    if (checked_at(t) != t.site) continue;
    if (t.is_inside) {
      line(indent,
           fmt::format("const i64 {} = {};", position_name(t.site), operand(t.value).whole()));
      continue;
    }
    const std::string position = fmt::format("checked({}, {}, {}, {})", reporter_, t.site,
                                             operand(t.value).whole(), dim_text(t.bound));
    line(indent,
         fmt::format("const i64 {} = {};", position_name(t.site),
                     mask.empty() ? position : fmt::format("{} ? {} : -1", mask, position)));
  }
}

void Writer::emit_values(const Block& b, int indent) {
  for (int id : b.values) {
    emit_checks(id, indent);
    if (!lanes().is_deferred(id)) emit_value(id, indent);
  }
}

void Writer::emit_value(int id, int indent) {
  if (is_inline(id) || uses(id) == 0 || is_overridden(id)) return;
  const Value& v = value(id);
  if (v.node != ir::no_node) lines_.emplace_back(line_number_ + 1, v.node);
  line(indent, fmt::format("const {} {} = {};", lanes().is_vector(id) ? "auto" : type_name(v.dtype),
                           value_name(id), definition(id).whole()));
}

void Writer::note_stored(int id) {
  if (const ir::NodeId node = value(id).node; node != ir::no_node && is_inline(id))
    lines_.emplace_back(line_number_ + 1, node);
}

void Writer::emit_stores(const Block& b, int indent) {
  for (const Store& s : b.stores) {
    note_stored(s.value);
    line(indent, fmt::format("{} = {};", element(s.access), operand(s.value).whole()));
  }
}

void Writer::emit_fold(const Reduction& r, const std::string& so_far, const std::string& best,
                       const Text& value, const Text& position, int indent) {
  if (!r.op->gives_position()) {
    line(indent, fmt::format("{} = {};", so_far, folded(r, false, atom(so_far), value).whole()));
    return;
  }
  line(indent, fmt::format("if ({}) {{", better(r, atom(best), value).whole()));
  line(indent + 1, fmt::format("{} = {};", best, value.whole()));
  line(indent + 1, fmt::format("{} = {};", so_far, position.whole()));
  line(indent, "}");
}

void Writer::emit_addition(const std::string& so_far, const Text& value, int indent) {
  line(indent, fmt::format("{} = {};", so_far, spell("{0} + {1}", {atom(so_far), value}).whole()));
}

std::string Writer::loop_over(int axis) const {
  const std::string i = axis_name(axis);
  return fmt::format("for (i64 {0} = 0; {0} < {1}; ++{0}) {{", i,
                     dim_text(k_.axes[static_cast<std::size_t>(axis)]));
}

bool Writer::has_inner() const { return codegen::has_inner(k_); }

} // namespace kroton::codegen
