#include "tools/kroton/context.hpp"

#include <cerrno>
#include <cstring>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace kroton::tool {

void Context::print(std::string_view text) {
  errno = 0;
  if (error_ == 0 && std::fwrite(text.data(), 1, text.size(), stdout) != text.size())
    error_ = errno == 0 ? EIO : errno;
}

void Context::print_json(const Json& json) {
  print(json.dump(2, ' ', is_terminal(stdout), Json::error_handler_t::replace) + "\n");
}

void Context::print_foreign(std::string_view text) {
  print(is_terminal(stdout) ? printable(text) : text);
}

void Context::warn(std::string_view message) const {
  std::fflush(stdout);
  std::fputs(fmt::format("kroton: {}\n", printable(message)).c_str(), stderr);
}

int Context::finish(int status) {
  if (std::fflush(stdout) != 0 && error_ == 0) error_ = errno;
  if (error_ == 0 || error_ == EPIPE) return status;
  warn(fmt::format("cannot write the result: {}", std::strerror(error_)));
  return status::failed;
}

} // namespace kroton::tool
