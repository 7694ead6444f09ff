/// What the kernel cache costs where it hits: function() again in one process, single hits on disk
/// and over HTTP, a thousand kernels.
#include "bench/suites/suites.hpp"
#include "bench/training.hpp"

#include <cstring>
#include <filesystem>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "cache/entry.hpp"
#include "cache/keyring.hpp"
#include "cache/layout.hpp"
#include "cache/store.hpp"
#include "examples/network/model.hpp"
#include "jit/cpu/target.hpp"
#include "jit/compile/kernels.hpp"
#include "jit/function/backends.hpp"
#include "test/cache/servers.hpp"
#include "test/support/temp_dir.hpp"

namespace bench {
namespace {

namespace kt = kroton;
namespace jit = kroton::jit;
using kt::cache::Store;
using kt::test::TempDir;

constexpr double most_function_ns = 0.3e6, most_disk_hit_ns = 150e3, most_http_hit_ns = 1e6,
                 most_thousand_ns = 100e6;

/// function() of what the process compiled before. That of the network includes its expressions and
/// their gradient, which draw from its random stream anew each time.
Prepared function_again(const std::function<kt::Function()>& make) {
  (void)make();
  Prepared prepared;
  prepared.systems.push_back(
      {.name = "kroton", .time = repeat([=] { (void)make(); }), .bound = {.ns = most_function_ns}});
  return prepared;
}

Prepared regression_again(const Setting& setting) {
  const Training t =
      training(kt::Array::zeros<float>({784, 10}), kt::Array::zeros<float>({10}), setting.threads);
  return function_again([=] { return t.compile(); });
}

Prepared network_again(const Setting& setting) {
  const auto model = std::make_shared<network::Model>(network::start_values(1));
  return function_again([=] { return model->step({.threads = setting.threads}); });
}

/// As many kernels as are wanted, equal but for their keys, and the entries in which they are kept.
class Kernels {
public:
  explicit Kernels(std::size_t count) {
    const auto backend = jit::backend_for({.target = "host"});
    artifact_ = backend->compile({std::make_shared<const std::string>(text), "chain"});
    for (std::size_t i = 0; i < count; ++i)
      keys_.push_back(backend->key(fmt::format("{}// {}\n", text, i)));
  }

  const std::vector<kt::cache::Key>& keys() const { return keys_; }
  void publish(Store& store) const {
    for (const auto& key : keys_) store.publish(key, artifact_);
  }
  std::string entry(const kt::cache::Key& key, const kt::cache::SigningKey& signer) const {
    return kt::cache::write_entry(key.record, artifact_, &signer);
  }

private:
  static constexpr const char* text = R"(
extern "C" void kernel(const void*, void* const* buffers, const long* sizes) {
  const float* x = (const float*)buffers[0];
  float* y = (float*)buffers[1];
  for (long i = 0; i < sizes[0]; ++i) y[i] = x[i] < 0 ? 0.25f * x[i] : x[i] * (x[i] + 1.5f) - 2.0f;
}
)";
  kt::cache::Artifact artifact_;
  std::vector<kt::cache::Key> keys_;
};

/// Reads, verifies and links the kernels of these keys.
std::vector<jit::LoadedKernel> take(Store& store, const std::vector<kt::cache::Key>& keys) {
  std::vector<std::shared_ptr<const kt::cache::Artifact>> artifacts;
  std::vector<jit::KernelObject> objects;
  static const auto backend = jit::backend_for({.target = "host"});
  for (const auto& key : keys) {
    artifacts.push_back(store.find(key));
    if (!artifacts.back()) throw std::runtime_error("a kernel that was published is missing");
    objects.push_back(
        {key.digest, jit::code_of(*artifacts.back(), 0, *backend, key.digest), "chain"});
  }
  return jit::load_kernels(objects, *backend);
}

/// Nothing is remembered from one hit to the next.
Store::Options forgetful() { return {.max_memory_bytes = 0, .has_feature = &jit::has_cpu_feature}; }

Prepared hits_on_disk(std::size_t count, double most_ns) {
  struct State {
    TempDir dir;
    Kernels kernels;
    Store store;
    explicit State(std::size_t count) : kernels(count), store(options()) { kernels.publish(store); }
    Store::Options options() const {
      Store::Options o = forgetful();
      o.directory = dir.path();
      return o;
    }
  };
  const auto state = std::make_shared<State>(count);
  Prepared prepared;
  prepared.systems.push_back(
      {.name = "kroton",
       .time = repeat([=] { (void)take(state->store, state->kernels.keys()); }),
       .bound = {.ns = most_ns}});
  return prepared;
}

/// Signed entries, as stores that others fill must have.
Prepared hit_over_http(const Setting&) {
  if (!kt::test::has_nginx()) {
    fmt::print("note: nginx was not found, so hits over HTTP are not measured\n");
    return {};
  }
  struct State {
    TempDir config;
    kt::test::Nginx nginx;
    Kernels kernels{1};
    std::unique_ptr<Store> store;
  };
  const auto state = std::make_shared<State>();
  const auto signer = kt::cache::SigningKey::generate();
  if (const std::string problem = kt::cache::write_key_pair(state->config.path(), signer);
      !problem.empty())
    throw std::runtime_error(problem);
  const kt::cache::Key& key = state->kernels.keys().front();
  const auto file = state->nginx.root() / kt::cache::entry_path(key.digest.hex());
  std::filesystem::create_directories(file.parent_path());
  kt::test::write_file(file, state->kernels.entry(key, signer));

  kt::CacheOptions wanted;
  wanted.url = state->nginx.url();
  wanted.config_directory = state->config.path();
  wanted.max_memory_bytes = 0;
  Store::Options options = Store::Options::from(wanted);
  options.has_feature = &jit::has_cpu_feature;
  state->store = std::make_unique<Store>(std::move(options));

  Prepared prepared;
  prepared.systems.push_back(
      {.name = "kroton",
       .time = repeat([=] { (void)take(*state->store, state->kernels.keys()); }),
       .bound = {.ns = most_http_hit_ns}});
  return prepared;
}

} // namespace

void add_cache_cases(std::vector<Case>& cases) {
  const auto add = [&](const char* name, const char* size, auto prepare) {
    cases.push_back(
        {.suite = "cache", .name = name, .size = size, .prepare = prepare, .has_threads = false});
  };
  add("function(), again", "regression", regression_again);
  add("function(), again", "network", network_again);
  add("hit on disk", "1 kernel", [](const Setting&) { return hits_on_disk(1, most_disk_hit_ns); });
  add("hit on disk", "1000 kernels",
      [](const Setting&) { return hits_on_disk(1000, most_thousand_ns); });
  add("hit over HTTP", "1 kernel", hit_over_http);
}

} // namespace bench
