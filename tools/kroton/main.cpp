/// The command `kroton`; docs/kroton.md describes it.
#include <csignal>
#include <cstdlib>
#include <exception>

#include "tools/kroton/arguments.hpp"

int main(int argc, char** argv) {
  using namespace kroton::tool;
  // A limit on the length of files is an error like others, with a message.
  std::signal(SIGXFSZ, SIG_IGN);
  // What the cache would log, the commands say themselves.
  ::setenv("KROTON_LOG", "off", 0);
  Context context;
  try {
    return context.finish(run(argc, argv, context));
  } catch (const Failure& failure) {
    context.warn(failure.what());
    return context.finish(failure.status());
  } catch (const std::exception& error) {
    context.warn(error.what());
    return context.finish(status::failed);
  }
}
