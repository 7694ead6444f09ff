/// Calls for a device with a driver that does nothing. Reads numbers of repetitions from standard
/// input, a line each, and prints the nanoseconds that so many calls took, all together.
///
///   host add|network|update [host|device|moving]
///
/// `add` is z = x + y of 10 elements, `network` a training step of examples/network with batches of
/// 128, `update` a step without arguments. Arguments are on the host, on the device, or on the
/// device at an address that is another one at each call; then results are kept for some calls too,
/// so that theirs are.
#include "bench/case.hpp"
#include "bench/inputs.hpp"
#include "examples/network/model.hpp"

#include <cstdio>
#include <iostream>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace kt = kroton;
using Arrays = std::vector<kt::Array>;

namespace {

/// How many calls it takes until an address comes again: more than the graphs that a function
/// keeps.
constexpr std::size_t places = 61;

const kt::Options options = {.target = "cuda", .specialize = kt::Specialize::immediately};

struct Work {
  kt::Function function;
  Arrays arguments; ///< on the host
};

Work add() {
  const auto x = kt::vector<float>("x"), y = kt::vector<float>("y");
  return {kt::function({x, y}, x + y, options),
          {bench::inputs<float>({10}, 1), bench::inputs<float>({10}, 2)}};
}

Work network_step() {
  constexpr std::int64_t batch = 128;
  static network::Model model(network::start_values(1));
  return {model.step(options),
          {bench::inputs<float>({batch, network::features}, 1),
           bench::labels(batch, network::classes, 2)}};
}

Work update() {
  const auto w = kt::shared(kt::Array::zeros<float>({32}), "w");
  kt::Options o = options;
  o.updates = {{w, 0.5f * w + 1.0f}};
  return {kt::function({}, std::vector<kt::Expr>{}, o), {}};
}

Arrays on_device(const Arrays& arrays) {
  Arrays there;
  for (const kt::Array& a : arrays) there.push_back(kt::to_device(a, kt::parse_device("cuda")));
  return there;
}

} // namespace

int main(int argc, char** argv) {
  const std::string_view name = argc > 1 ? argv[1] : "add", where = argc > 2 ? argv[2] : "device";
  const Work work = name == "network" ? network_step() : name == "update" ? update() : add();
  std::vector<Arrays> arguments = {where == "host" ? work.arguments : on_device(work.arguments)};
  while (where == "moving" && arguments.size() < places)
    arguments.push_back(on_device(work.arguments));
  std::vector<Arrays> kept(arguments.size());

  const auto call = [&](long repetitions) {
    std::size_t place = 0;
    for (long i = 0; i < repetitions; ++i) {
      kept[place] = work.function(arguments[place]);
      if (++place == arguments.size()) place = 0;
    }
  };
  call(1000);
  for (long repetitions = 0; std::cin >> repetitions;) {
    const auto start = bench::Clock::now();
    call(repetitions);
    std::printf("%.0f\n", bench::ns_since(start));
    std::fflush(stdout);
  }
}
