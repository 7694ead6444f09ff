#include "examples/support/arguments.hpp"

#include <sstream>
#include <string>
#include <vector>

#include "test/support/catch.hpp"

namespace {

struct Values {
  std::int64_t epochs = 60;
  float rate = 0.5F;
  std::string data;
};

/// What parsing gave and wrote; the error's text if there was one.
struct Parsed {
  Values values;
  bool goes_on = false;
  std::string written, error;
};

Parsed parse(std::vector<const char*> given) {
  Parsed p;
  examples::Arguments arguments("train", "trains a model");
  arguments.add("--epochs", "N", "passes over the data", p.values.epochs, 1);
  arguments.add("--rate", "X", "learning rate", p.values.rate);
  arguments.add("--data", "DIR", "images to use", p.values.data);
  given.insert(given.begin(), "train");
  std::ostringstream out;
  try {
    p.goes_on = arguments.parse(static_cast<int>(given.size()), given.data(), out);
  } catch (const examples::BadArgument& e) {
    p.error = e.what();
  }
  p.written = out.str();
  return p;
}

} // namespace

TEST_CASE("options keep their defaults and take values in both forms", "[examples]") {
  const Parsed none = parse({});
  CHECK((none.goes_on && none.values.epochs == 60 && none.values.rate == 0.5F));
  const Parsed some = parse({"--epochs", "3", "--rate=0.25", "--data=a=b"});
  CHECK((some.goes_on && some.values.epochs == 3 && some.values.rate == 0.25F));
  CHECK(some.values.data == "a=b");
  CHECK(parse({"--epochs", "3", "--epochs", "4"}).values.epochs == 4);
}

TEST_CASE("options that do not fit are named with what was expected", "[examples]") {
  CHECK(parse({"--epochs", "0"}).error == "--epochs: expected a whole number from 1 on, got '0'");
  CHECK(parse({"--epochs", "3x"}).error == "--epochs: expected a whole number from 1 on, got '3x'");
  CHECK(parse({"--epochs="}).error == "--epochs: expected a whole number from 1 on, got ''");
  for (const char* rate : {"--rate=0", "--rate=-1", "--rate=nan", "--rate=inf", "--rate=1e99"})
    CHECK(parse({rate}).error ==
          std::string("--rate: expected a number above 0, got '") + (rate + 7) + "'");
  CHECK(parse({"--data="}).error == "--data: expected DIR, got nothing");
  CHECK(parse({"--data"}).error == "--data: expected DIR; train --help names the options");
  CHECK(parse({"--speed", "9"}).error ==
        "unknown option '--speed'; train --help names the options");
  CHECK(parse({"9"}).error == "unknown option '9'; train --help names the options");
}

TEST_CASE("--help shows every option with its default and goes no further", "[examples]") {
  const Parsed help = parse({"--epochs", "7", "--help"});
  CHECK(!help.goes_on);
  CHECK(help.written == "train [OPTION VALUE]...   trains a model\n\n"
                        "  --epochs N  passes over the data (60)\n"
                        "  --rate X    learning rate (0.5)\n"
                        "  --data DIR  images to use\n"
                        "  --help      this text\n");
}
