#pragma once
/// What the dialects share of writing statements: lines of text, and values, stores and folds of
/// single elements.
///
///   class Statements : public Writer { … emit_values(block, 2); … };
///   … take()                                       // what was written so far
#include <string>
#include <utility>
#include <vector>

#include "codegen/loop/expression.hpp"

namespace kroton::codegen {

class Writer : public Expressions {
public:
  /// `reporter` is what a failed check of a position is handed.
  Writer(const Kernel& kernel, Lanes lanes, std::string reporter)
      : Expressions(kernel, std::move(lanes)), k_(kernel), reporter_(std::move(reporter)) {}

  /// The comment that a text opens with: the loops, then the parameters.
  std::string header() const;

  void line(int indent, const std::string& text);
  void emit_values(const Block& b, int indent);
  /// The checks of a value's computed positions, where no earlier check serves; where `mask` does
  /// not hold nothing is checked, and there is no position.
  void emit_checks(int id, int indent, std::string_view mask = {});
  void emit_value(int id, int indent);
  void emit_stores(const Block& b, int indent);
  /// Notes that the next line computes the value of a store, if no line of its own does.
  void note_stored(int id);
  /// Folds `value` into the variable or element `so_far`; a position, into that and `best`.
  void emit_fold(const Reduction& r, const std::string& so_far, const std::string& best,
                 const Text& value, const Text& position, int indent);
  /// Adds to a variable or an element.
  void emit_addition(const std::string& so_far, const Text& value, int indent);
  std::string loop_over(int axis) const;
  bool has_inner() const;

  /// Hands over what was written, and begins anew.
  std::string take() { return std::exchange(out_, {}); }
  /// The nodes that lines of the text compute; the first line written is 1.
  const std::vector<std::pair<int, ir::NodeId>>& lines() const { return lines_; }

private:
  const Kernel& k_;
  std::string reporter_;
  std::string out_;
  int line_number_ = 0;
  std::vector<std::pair<int, ir::NodeId>> lines_;
};

} // namespace kroton::codegen
