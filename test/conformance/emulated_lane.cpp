/// Where these tests run on fake devices (docs/testing.md), a kernel that fails loses its device:
/// each test begins with one that works.
#include "test/cuda/fake/control.hpp"
#include "test/support/catch.hpp"

namespace kroton::test {
namespace {

#if __has_include(<catch2/catch_all.hpp>)
using ListenerBase = Catch::EventListenerBase;
#else
using ListenerBase = Catch::TestEventListenerBase;
#endif

class DeviceFinder : public ListenerBase {
public:
  using ListenerBase::ListenerBase;

  void testCaseStarting(const Catch::TestCaseInfo& info) override {
    ListenerBase::testCaseStarting(info);
    if (fake::Control* const control = fake::named_control()) control->reset();
  }
};

} // namespace

CATCH_REGISTER_LISTENER(DeviceFinder)

} // namespace kroton::test
