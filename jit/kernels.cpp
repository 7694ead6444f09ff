#include "jit/kernels.hpp"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <exception>
#include <functional>
#include <map>
#include <mutex>
#include <thread>
#include <unordered_map>

#include "lib/support/error.hpp"
#include "lib/support/log.hpp"

namespace kroton::jit {
namespace {

using support::Area;

/// Code in use, so that functions with the same kernel share it; it goes when the last one does.
class LoadedModules {
public:
  /// The modules of these kernels; what nobody uses yet is linked together.
  std::vector<std::shared_ptr<Module>> get(std::span<const KernelObject> wanted) {
    const std::lock_guard lock(mutex_);
    std::vector<std::shared_ptr<Module>> modules(wanted.size());
    std::vector<Object> objects;
    std::vector<std::size_t> missing;
    for (std::size_t i = 0; i < wanted.size(); ++i) {
      if (const auto known = modules_.find(wanted[i].digest); known != modules_.end())
        modules[i] = known->second.lock();
      if (modules[i]) continue;
      objects.push_back({std::as_bytes(std::span(wanted[i].bytes)), wanted[i].title});
      missing.push_back(i);
    }
    if (missing.empty()) return modules;
    std::vector<Module> loaded = Module::load(objects);
    for (std::size_t i = 0; i < missing.size(); ++i) {
      auto& module = modules[missing[i]];
      module = std::make_shared<Module>(std::move(loaded[i]));
      modules_.insert_or_assign(wanted[missing[i]].digest, module);
    }
    forget_dead();
    return modules;
  }

private:
  /// Looks at all only when they have doubled, so that each costs the same however many there are.
  void forget_dead() {
    if (modules_.size() < 2 * alive_) return;
    std::erase_if(modules_, [](const auto& entry) { return entry.second.expired(); });
    alive_ = std::max<std::size_t>(modules_.size(), 64);
  }

  std::mutex mutex_;
  std::unordered_map<support::Digest, std::weak_ptr<Module>, support::DigestHash> modules_;
  std::size_t alive_ = 64; ///< when they were last looked at
};

LoadedModules& loaded_modules() {
  static LoadedModules modules;
  return modules;
}

cache::Artifact compile_kernel(const KernelText& kernel, const CpuTarget& target,
                               const CodeOptions& options) {
  const auto start = std::chrono::steady_clock::now();
  CompileOutput out = compiler().compile({.source = *kernel.text,
                                          .name = kernel.title,
                                          .arguments = compile_arguments(target, options)});
  std::string object(out.object.size(), '\0');
  std::memcpy(object.data(), out.object.data(), out.object.size());
  const auto took = std::chrono::steady_clock::now() - start;
  std::string statistics =
      fmt::format("compile_us {}\nobject_bytes {}\nsource_bytes {}\n",
                  std::chrono::duration_cast<std::chrono::microseconds>(took).count(),
                  object.size(), kernel.text->size());
  return {{{"object", std::move(object)},
           cache::compressed("source", *kernel.text),
           cache::compressed("log", out.log),
           {"statistics", std::move(statistics)}},
          target.requirements()};
}

} // namespace

std::vector<LoadedKernel> load_kernels(std::span<const KernelObject> objects) {
  const auto modules = loaded_modules().get(objects);
  std::vector<LoadedKernel> kernels;
  kernels.reserve(objects.size());
  for (std::size_t i = 0; i < objects.size(); ++i) {
    if (!modules[i]->symbols().contains("kernel"))
      support::fail<CompileError>("jit", {}, "the object of kernel {} defines no kernel",
                                  objects[i].title);
    LoadedKernel& k =
        kernels.emplace_back(LoadedKernel{.module = modules[i], .digest = objects[i].digest});
    k.entry = reinterpret_cast<KernelEntry>(k.module->symbol("kernel"));
  }
  return kernels;
}

cache::Key kernel_key(const std::string& text, const CpuTarget& target,
                      const CodeOptions& options) {
  std::string arguments;
  for (const std::string& a : compile_arguments(target, options)) arguments += a + "\n";
  return cache::KeyBuilder{"kernel/1"}
      .add("source", text)
      .add("target", target.describe())
      .add("arguments", arguments)
      .add("compiler", compiler_fingerprint())
      .add("abi", std::to_string(runtime_abi_version))
      .build();
}

std::vector<LoadedKernel> get_kernels(const std::vector<KernelText>& texts, const CpuTarget& target,
                                      const CodeOptions& options, const Compiling& compiling) {
  // Equal texts are one job.
  struct Job {
    const KernelText* kernel;
    cache::Key key;
    cache::Lookup found, missed;
    LoadedKernel result;
    std::exception_ptr error;
    bool is_unusable = false; // what some level has cannot be loaded
  };
  std::vector<Job> jobs;
  std::vector<std::size_t> job_of;
  std::map<std::string_view, std::size_t> known;
  for (const KernelText& t : texts) {
    const auto [it, is_new] = known.emplace(*t.text, jobs.size());
    if (is_new) jobs.push_back({&t, kernel_key(*t.text, target, options), {}, {}, {}, {}, false});
    job_of.push_back(it->second);
  }

  cache::Store& store = compiling.store ? *compiling.store : process_store();
  auto object_of = [](const Job& job, const cache::Lookup& lookup) -> KernelObject {
    const cache::Section* object = lookup.artifact->find("object");
    if (!object || object->encoding != cache::Encoding::plain)
      support::fail<CompileError>("cache", {}, "the object of kernel {} is missing",
                                  job.key.digest.hex());
    return {job.key.digest, object->bytes, job.kernel->title};
  };
  auto finish = [&](Job& job, cache::Lookup lookup) {
    const KernelObject object = object_of(job, lookup);
    job.result = load_kernels({&object, 1}).front();
    job.result.artifact = std::move(lookup.artifact);
    job.result.outcome = lookup.outcome;
    job.result.took = lookup.took;
    job.result.miss_reason = std::move(lookup.miss_reason);
    job.result.level = std::move(lookup.level);
    support::log(Area::jit)->debug(
        "kernel {:.12} {} {} in {:.2f} ms", job.result.digest.hex(), job.kernel->title,
        cache::to_string(job.result.outcome),
        std::chrono::duration<double, std::milli>(job.result.took).count());
  };
  // What a level has was verified, which does not make its writer a good one.
  auto finish_found = [&](Job& job, cache::Lookup lookup) {
    try {
      finish(job, std::move(lookup));
    } catch (const CompileError& error) {
      job.is_unusable = true;
      job.missed.miss_reason = fmt::format("entry unusable: {}", error.what());
      support::log(Area::cache)
          ->warn("kernel {:.12}: {}", job.key.digest.hex(), job.missed.miss_reason);
    }
  };
  auto make = [&](Job& job) {
    try {
      if (compiling.is_given_up && compiling.is_given_up()) throw GivenUp{};
      const auto compile = [&] { return compile_kernel(*job.kernel, target, options); };
      if (!job.is_unusable) {
        cache::Lookup lookup = store.get_or_make(job.key, compile, &job.missed);
        if (lookup.outcome == cache::Outcome::made) return finish(job, std::move(lookup));
        finish_found(job, std::move(lookup));
      }
      if (job.is_unusable) finish(job, store.replace(job.key, compile, job.missed.miss_reason));
    } catch (...) {
      job.error = std::current_exception();
    }
  };

  // What some level has takes microseconds: only compiling is worth threads.
  std::vector<Job*> misses;
  for (Job& job : jobs) {
    cache::Lookup lookup = store.look_up(job.key);
    (lookup.artifact ? job.found : job.missed) = std::move(lookup);
  }
  // Linked together, then taken one by one, so that it is known which of them will not do.
  std::vector<LoadedKernel> together;
  try {
    std::vector<KernelObject> objects;
    for (const Job& job : jobs)
      if (job.found.artifact) objects.push_back(object_of(job, job.found));
    together = load_kernels(objects);
  } catch (const CompileError&) {
  }
  for (Job& job : jobs) {
    if (job.found.artifact) finish_found(job, std::move(job.found));
    if (!job.result.module) misses.push_back(&job);
  }
  // A thread that begins the dearest kernel last keeps the others waiting. Long texts are dear.
  std::ranges::stable_sort(misses, std::greater{},
                           [](const Job* job) { return job->kernel->text->size(); });
  const std::size_t at_a_time = compiling.threads > 0
                                    ? static_cast<std::size_t>(compiling.threads)
                                    : std::max<std::size_t>(1, std::thread::hardware_concurrency());
  const std::size_t workers = std::min(misses.size(), at_a_time);
  std::atomic<std::size_t> next{0};
  auto work = [&] {
    for (std::size_t i = next++; i < misses.size(); i = next++) make(*misses[i]);
  };
  std::vector<std::jthread> threads;
  for (std::size_t i = 1; i < workers; ++i) threads.emplace_back(work);
  work();
  threads.clear();

  for (const Job& job : jobs)
    if (job.error) std::rethrow_exception(job.error);
  std::vector<LoadedKernel> result;
  for (std::size_t j : job_of) result.push_back(jobs[j].result);
  return result;
}

} // namespace kroton::jit
