#pragma once
/// Where elements are and functions run: the host, or one of its CUDA devices.
///
///   kt::Device second = kt::parse_device("cuda:1");
///   kt::to_string(second);                         // "cuda:1"
///   kt::Array::zeros<float>({3}).device() == kt::Device{};
#include <cstdint>
#include <string>
#include <string_view>

#include <kroton/error.hpp>

namespace kroton {

/// The host by default; `index` counts the devices of one kind.
struct Device {
  enum Kind : std::uint8_t { cpu, cuda };
  Kind kind = cpu;
  int index = 0;

  friend constexpr bool operator==(const Device&, const Device&) = default;
};

/// "cpu", "cuda:0".
std::string to_string(Device device);
/// The inverse of `to_string`; "cuda" means "cuda:0". Throws UnsupportedError for anything else.
/// Whether the machine has such a device is not asked.
Device parse_device(std::string_view name, Location where = Location::current());

} // namespace kroton
