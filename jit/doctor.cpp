/// `kroton::doctor()`.
#include <kroton/function.hpp>

namespace kroton {

std::string doctor() { return {}; }

} // namespace kroton
