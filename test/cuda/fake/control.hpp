#pragma once
/// What tests tell the fake libcuda, and ask of it.
///
///   Control& fake = control();
///   fake.fail("cuMemAlloc_v2", 2, 2);              // the second call from now says: out of memory
///   …
///   CHECK(fake.live() == Live{});
///
/// The fakes of libcuda, libnvrtc and libcublasLt are one shared object, which KROTON_CUDA_DRIVER,
/// KROTON_NVRTC and KROTON_CUBLASLT name. Device memory is memory of the host. A "cubin" is the
/// text that the fake libnvrtc was given; the emulator runs it.
#include <cstddef>
#include <cstdint>
#include <ostream>
#include <string>
#include <vector>

#include "test/cuda/emulator/launch.hpp"

namespace kroton::test::fake {

/// What has been made and not yet given back.
struct Live {
  std::size_t allocations = 0, host_allocations = 0, streams = 0, events = 0, graphs = 0,
              executables = 0, libraries = 0;
  bool operator==(const Live&) const = default;

  friend std::ostream& operator<<(std::ostream& out, const Live& l) {
    return out << "memory " << l.allocations << ", pinned " << l.host_allocations << ", streams "
               << l.streams << ", events " << l.events << ", graphs " << l.graphs
               << ", executables " << l.executables << ", libraries " << l.libraries;
  }
};

/// Of a graph: how many pieces of work it has, and how many of them wait for each other at most.
struct GraphShape {
  std::size_t nodes = 0, longest_path = 0;
};

/// The driver's names for the errors that tests inject.
inline constexpr int out_of_memory = 2, unknown_error = 999;

class Control {
public:
  virtual ~Control() = default;

  /// Takes back all that was set, finds lost devices again and empties the log. What is live stays.
  virtual void reset() = 0;

  /// The order of the threads of kernels that are launched from now on, and of a graph's nodes as
  /// far as no edge says it.
  virtual void set_schedule(const emulator::Schedule& schedule) = 0;
  /// Work on a stream is done only when somebody waits for it: at a synchronisation, or before work
  /// that waits for an event of it.
  virtual void set_deferred(bool is_deferred) = 0;
  /// The memory of each device, 1 GiB until set.
  virtual void set_memory(std::size_t nbytes) = 0;
  /// The driver's version, 13000 (13.0) until set: it takes no PTX of a newer compiler, and nothing
  /// of one whose major version is newer.
  virtual void set_driver(int version) = 0;

  /// The nth call of `function` from now on (1: the next) does nothing and returns `error`.
  virtual void fail(const std::string& function, int nth, int error) = 0;
  /// The nth call of any function from now on.
  virtual void fail_any(int nth, int error) = 0;
  /// The function that failed as it was told to; empty if that is still to come.
  virtual std::string failed_call() const = 0;
  /// The next kernel that runs does what loses a device.
  virtual void fault_kernel() = 0;

  virtual Live live() const = 0;
  /// The calls since the last reset, such as "cuMemAlloc_v2" and "cuLaunchKernel add (4,1,1) x
  /// (128,1,1)".
  virtual std::vector<std::string> log() const = 0;
  /// How many of them are of `function`.
  virtual int count(const std::string& function) const = 0;
  /// The graph that was launched last.
  virtual GraphShape last_graph() const = 0;
  /// What the kernel did that lost a device last; empty if none did.
  virtual std::string fault() const = 0;
};

/// Points the three variables at the fakes, and returns their control. It must come before the
/// first use of a device.
Control& control();

/// The control of the fakes if KROTON_CUDA_DRIVER names them, else null.
Control* named_control();

} // namespace kroton::test::fake
