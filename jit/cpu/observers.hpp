#pragma once
/// What debuggers, profilers and unwinders are told of the code of kernels.
///
///   GDB and LLDB   always, through the interface that they have for code made at run time
///   perf           with KROTON_PERF_MAP=1: names of functions in /tmp/perf-PID.map
///   backtrace()    with KROTON_UNWIND=1, and exceptions and in-process profilers too: they find
///                  their way through the frames of kernels. Not by default, since up to GCC 12
///                  the runtime then takes a lock for each throw, which a fork may catch held
///
///   ObservedCode observed({{object, "softmax", sections, functions}});   // until it dies
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace kroton::jit {

struct LoadedFunction {
  std::string name;
  std::uintptr_t address = 0;
  std::size_t nbytes = 0;
};

/// An object and where it is now.
struct LoadedObject {
  std::span<const std::byte> bytes; ///< the ELF file
  std::string_view name;
  std::map<std::string, std::uintptr_t, std::less<>> sections; ///< addresses, by name
  std::vector<LoadedFunction> functions;
};

/// Tells them of some objects, and takes it back when it dies, which must be before their memory is
/// given back.
class ObservedCode {
public:
  explicit ObservedCode(std::span<const LoadedObject> objects);
  ObservedCode(const ObservedCode&) = delete;
  ObservedCode& operator=(const ObservedCode&) = delete;
  ~ObservedCode();

private:
  struct Entry;
  std::vector<std::unique_ptr<Entry>> entries_;
  std::vector<const void*> frames_; ///< sections of unwind tables that are registered
};

} // namespace kroton::jit
