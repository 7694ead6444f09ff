#pragma once
/// Whether each stage of the compiler checks what it hands to the next: lib/ir/check and
/// lib/plan/check say what. They cost about half of what the stages do.
///
///   PlanOptions options{.is_checked = support::are_stages_checked()};

namespace kroton::support {

/// In debug builds, and where KROTON_CHECK_STAGES is 1, as it is in all tests.
bool are_stages_checked();

} // namespace kroton::support
