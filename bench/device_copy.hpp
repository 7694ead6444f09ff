#pragma once
/// The device's own copy from one part of its memory to another: what bounds a function that reads
/// and writes so many bytes.
///
///   DeviceCopy copy(device, 1'500'000'000);       // reads as many bytes as it writes
///   double ns = copy.time(10);                    // ten copies
#include <cstddef>
#include <memory>

#include <kroton/array.hpp>

namespace bench {

class DeviceCopy {
public:
  /// Takes twice `nbytes` of the device's memory. Throws kroton::DeviceError.
  DeviceCopy(kroton::Device device, std::size_t nbytes);
  /// Nanoseconds for all of them, one after the other.
  double time(long repetitions) const;

private:
  struct State;
  std::shared_ptr<State> state_;
};

} // namespace bench
