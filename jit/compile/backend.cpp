#include "jit/compile/backend.hpp"

namespace kroton::jit {

std::vector<cache::Key> Backend::other_keys(const std::string& /*text*/) const { return {}; }

} // namespace kroton::jit
