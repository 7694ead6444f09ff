#pragma once
/// The rows of sorting that other files name, and what they are parameterised by.
#include "lib/ir/op.hpp"
#include "lib/ir/params.hpp"

namespace kroton::ops {

extern const ir::Op sort, argsort, argtopk, search_sorted;

/// sort and argsort: whether the largest elements come first.
struct SortParams {
  bool is_descending = false;

  static constexpr std::string_view params_name = "sort";
  static constexpr auto fields = std::tuple{ir::field("descending", &SortParams::is_descending)};
};

/// argtopk: how many positions it gives, and whether of the largest elements.
struct TopParams {
  Dim k{0};
  bool is_descending = true;

  static constexpr std::string_view params_name = "top";
  static constexpr auto fields =
      std::tuple{ir::field("k", &TopParams::k), ir::field("descending", &TopParams::is_descending)};
};

/// search_sorted: whether values go behind the elements that equal them.
struct SearchParams {
  bool is_behind = false;

  static constexpr std::string_view params_name = "search";
  static constexpr auto fields = std::tuple{ir::field("behind", &SearchParams::is_behind)};
};

} // namespace kroton::ops
