#include <kroton/device.hpp>

#include <charconv>

#include "lib/support/error.hpp"

namespace kroton {

std::string to_string(Device device) {
  return device.kind == Device::cpu ? "cpu" : fmt::format("cuda:{}", device.index);
}

Device parse_device(std::string_view name, Location where) {
  constexpr std::string_view cuda = "cuda";
  if (name == "cpu") return {};
  if (name == cuda) return {Device::cuda, 0};
  Device device{Device::cuda, 0};
  if (name.starts_with("cuda:")) {
    const char* const end = name.data() + name.size();
    const auto read = std::from_chars(name.data() + cuda.size() + 1, end, device.index);
    if (read.ec == std::errc() && read.ptr == end && device.index >= 0) return device;
  }
  support::fail<UnsupportedError>(
      "parse_device",
      {.place = support::describe(where), .hint = "\"cpu\", \"cuda\" or \"cuda:1\""},
      "\"{}\" is not a device", name);
}

} // namespace kroton
