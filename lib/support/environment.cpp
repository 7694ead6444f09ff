#include "lib/support/environment.hpp"

#include <cstdlib>

#include <sys/auxv.h>

#include "lib/support/log.hpp"

namespace kroton::support {

std::string variable(const char* name) {
  const char* value = ::secure_getenv(name);
  return value ? value : "";
}

bool switch_variable(const char* name, const char* value) {
  const std::string text = variable(name);
  if (text.empty()) return false;
  if (text == value) return true;
  log(Area::jit)->warn("{}={} has no effect; the value that it takes is {}", name, text, value);
  return false;
}

bool is_environment_trusted() noexcept { return ::getauxval(AT_SECURE) == 0; }

} // namespace kroton::support
