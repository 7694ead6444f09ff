#pragma once
/// How a kernel's values, positions and parameters are written: the part of rendering that knows
/// expressions, not statements.
///
///   Expressions text(kernel);
///   text.element(store.access)              // "y0[i0 * 10 + i1]"
///   text.operand(store.value).whole()       // "2.0f * a0[i0] + 1.0f", or the name of a variable
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "codegen/loop/text.hpp"
#include "codegen/schedule/lanes.hpp"
#include "lib/plan/kernel.hpp"

namespace kroton::codegen {

using namespace plan;

/// `text` with every `what` replaced.
std::string replaced(std::string text, std::string_view what, std::string_view with);

class Expressions {
public:
  Expressions(const Kernel& kernel, Lanes lanes);

  static std::string type_name(DType t) { return is_bool(t) ? "bool" : std::string(to_string(t)); }
  static std::string value_name(int id) { return fmt::format("v{}", id); }
  /// The array that keeps what is needed of each row.
  static std::string saved_name(int id) { return fmt::format("q{}", id); }
  /// The array that random numbers are drawn into.
  static std::string run_name(int id) { return fmt::format("u{}", id); }
  static std::string axis_name(int axis) { return fmt::format("i{}", axis); }
  static std::string scratch_name(int s) { return fmt::format("s{}", s); }
  static std::string result_name(int r) { return fmt::format("r{}", r); }
  std::string dim_text(const Dim& d) const;
  /// The argument that says which draw a random value is of.
  std::string draw_name(int id) const;
  /// The argument that has a constant's bits.
  std::string constant_name(int id) const;
  const Value& value(int id) const { return k_.values[static_cast<std::size_t>(id)]; }
  const Reduction& reduction(int r) const { return k_.reductions[static_cast<std::size_t>(r)]; }
  Text access_index(const Access& a) const;
  /// What `access_index` is in each lane of the vector along `axis`.
  Text lane_positions(const Access& a, int axis) const;
  std::string element(const Access& a) const;
  /// What the load v gives, from the text of its element. Whoever calls a function may hand it
  /// bools of any byte.
  static std::string loaded(const Value& v, std::string element);
  /// `loaded` where all checked positions of an access are ones, otherwise `none`. With `mask`,
  /// only where that holds too.
  Text guarded(const Access& a, const std::string& loaded, const std::string& none,
               const std::string& mask = {}) const;
  /// The site whose check serves a computed position: its own, or that of an earlier check of the
  /// same value against the same bound, which is still in scope there.
  int checked_at(const ComputedTerm& t) const { return checks_[static_cast<std::size_t>(t.site)]; }
  static std::string position_name(int site) { return fmt::format("p{}", site); }
  /// Where an access is: "a0 + i0 * 10".
  std::string place(const Access& a) const;
  /// What an access holds for the lanes of the vector along `axis`.
  std::string elements(const Access& a, int axis) const;
  /// The statement that writes `value` there.
  std::string store(const Access& a, int axis, const Text& value) const;
  /// `value` folded into `so_far`, both of them vectors or single numbers.
  Text folded(const Reduction& r, bool is_vector, const Text& so_far, const Text& value) const;
  /// Whether `value` takes the place of `best`.
  static Text better(const Reduction& r, const Text& best, const Text& value);
  const Lanes& lanes() const { return lanes_; }
  Text definition(int id) const;
  /// Whether a value is written where it is used instead of being named. Decided once: the text
  /// that decides is made of operands that ask the same, which would take 2^depth steps.
  bool is_inline(int id) const;
  Text operand(int id) const;
  /// From here on `text`, which is a call, stands for a value, until overrides are cleared.
  void override_text(int id, std::string text) { overrides_.insert_or_assign(id, std::move(text)); }
  bool is_overridden(int id) const { return overrides_.contains(id); }
  void clear_overrides() { overrides_.clear(); }
  bool is_stretched(int r) const { return codegen::is_stretched(reduction(r)); }

  /// Names of the parameters: a read, y written, z both.
  const std::string& param_name(int param) const { return names_[static_cast<std::size_t>(param)]; }
  const std::vector<Dim>& sizes() const { return sizes_; }
  /// The names of what follows the buffers: sizes, then draws, then constants.
  std::vector<std::string> number_names() const;
  /// How often a value is used; 0 for one that is only there for its checks.
  int uses(int id) const { return uses_[static_cast<std::size_t>(id)]; }

private:
  void name_params();
  void find_checks();
  void count_uses();
  ir::Spelling spelling_of(const Value& v) const;
  bool decide_inline(int id) const;
  /// About how many characters a value's definition has, whatever is known of sizes: a name more or
  /// less decides where the compiler may make one operation of a product and a sum.
  int length_of(int id) const;
  Text vector_definition(int id) const;
  /// A pattern with the names of dtypes and the value's operands filled in.
  Text spelled(const Value& v, std::string_view pattern) const;
  /// How often folding a reduction's value reads it.
  static int reads_of(const Reduction& r);

  const Kernel& k_;
  Lanes lanes_;
  std::vector<Dim> sizes_;
  std::vector<std::string> names_;
  std::vector<int> uses_, checks_;
  std::map<int, std::string> overrides_;
  mutable std::vector<std::optional<bool>> inline_;
  std::vector<const Block*> home_, use_block_;
};

} // namespace kroton::codegen
