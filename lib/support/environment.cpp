#include "lib/support/environment.hpp"

#include <cstdlib>

#include <sys/auxv.h>

namespace kroton::support {

std::string variable(const char* name) {
  const char* value = ::secure_getenv(name);
  return value ? value : "";
}

bool is_environment_trusted() noexcept { return ::getauxval(AT_SECURE) == 0; }

} // namespace kroton::support
