#include "examples/support/progress.hpp"

#include <algorithm>
#include <sstream>

#include "test/support/catch.hpp"

using examples::Progress;

namespace {

/// A clock that a test sets.
struct FakeClock {
  double seconds = 100;
  Progress::Clock read() {
    return [this] { return std::chrono::duration<double>(seconds); };
  }
};

} // namespace

TEST_CASE("without a terminal progress is at most ten plain lines", "[examples]") {
  for (int total : {1, 3, 10, 11, 1000}) {
    FakeClock clock;
    std::ostringstream out;
    {
      Progress progress(out, total, false, 80, clock.read());
      for (int step = 1; step <= total; ++step) {
        clock.seconds += 1;
        progress.update(step, "loss 0.5");
      }
      progress.finish("loss 0.1");
    }
    const std::string text = out.str();
    CAPTURE(total, text);
    CHECK(std::count(text.begin(), text.end(), '\n') == std::min(total, 10));
    CHECK(text.find('\r') == text.npos);
    CHECK(text.find('\x1b') == text.npos);
  }
}

TEST_CASE("a plain line has the step, the text and the time left", "[examples]") {
  FakeClock clock;
  std::ostringstream out;
  Progress progress(out, 100, false, 80, clock.read());
  clock.seconds += 2;
  progress.update(5, "not due");
  CHECK(out.str().empty());
  progress.update(20, "loss 0.5  accuracy 0.9");
  CHECK(out.str() == " 20/100  loss 0.5  accuracy 0.9  8.0 s left\n");
  out.str("");
  clock.seconds += 70;
  progress.finish("done");
  CHECK(out.str() == "100/100  done  1:12\n");
}

TEST_CASE("on a terminal one line is rewritten, and no more often than is seen", "[examples]") {
  FakeClock clock;
  std::ostringstream out;
  Progress progress(out, 48, true, 80, clock.read());
  clock.seconds += 1;
  progress.update(12, "loss 0.5");
  CHECK(out.str() == "\r[######..................] 12/48  loss 0.5  3.0 s left\x1b[K");
  out.str("");
  CHECK_FALSE(progress.is_due(13));
  progress.update(13, "too soon");
  CHECK(out.str().empty());
  clock.seconds += 4000;
  progress.update(14, "late");
  CHECK(out.str() == "\r[#######.................] 14/48  late  2:41:57 left\x1b[K");
  out.str("");
  progress.finish("end");
  CHECK(out.str() == "\r[########################] 48/48  end  1:06:41\x1b[K\n");
}

TEST_CASE("a bar is cut to the terminal's width", "[examples]") {
  FakeClock clock;
  std::ostringstream out;
  Progress progress(out, 10, true, 40, clock.read());
  progress.update(1, "a text that is too long for this terminal");
  CHECK(out.str().size() == 1 + 39 + 3);
}

TEST_CASE("a bar left open ends its line", "[examples]") {
  FakeClock clock;
  std::ostringstream out;
  {
    Progress progress(out, 10, true, 80, clock.read());
    progress.update(1, "then an error");
  }
  CHECK(out.str().back() == '\n');
}
