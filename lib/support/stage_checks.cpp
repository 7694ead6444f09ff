#include "lib/support/stage_checks.hpp"

#include "lib/support/environment.hpp"

namespace kroton::support {

bool are_stages_checked() {
#ifdef NDEBUG
  static const bool are_checked = switch_variable("KROTON_CHECK_STAGES", "1");
  return are_checked;
#else
  return true;
#endif
}

} // namespace kroton::support
