#include "jit/compile/kernels.hpp"

#include <algorithm>
#include <atomic>
#include <exception>
#include <functional>
#include <map>
#include <mutex>
#include <thread>
#include <unordered_map>

#include "jit/compile/cpus.hpp"
#include "lib/support/error.hpp"
#include "lib/support/fork.hpp"
#include "lib/support/log.hpp"
#include "lib/support/threads.hpp"

namespace kroton::jit {
namespace {

using support::Area;

/// Code in use for a target, so that functions with the same kernel share it; it goes when the last
/// one does.
class LoadedCode {
public:
  /// The code of these kernels; what nobody uses yet is loaded together.
  std::vector<std::shared_ptr<const Code>> get(std::span<const KernelObject> wanted,
                                               const Backend& backend) {
    const std::lock_guard loading(loading_);
    std::vector<std::shared_ptr<const Code>> code(wanted.size());
    std::vector<KernelObject> objects;
    std::vector<std::size_t> missing;
    {
      const std::lock_guard lock(mutex_);
      for (std::size_t i = 0; i < wanted.size(); ++i) {
        if (const auto known = code_.find(wanted[i].digest); known != code_.end())
          code[i] = known->second.lock();
        if (code[i]) continue;
        objects.push_back(wanted[i]);
        missing.push_back(i);
      }
    }
    if (missing.empty()) return code;
    auto loaded = backend.load(objects);
    const std::lock_guard lock(mutex_);
    for (std::size_t i = 0; i < missing.size(); ++i) {
      code[missing[i]] = std::move(loaded[i]);
      code_.insert_or_assign(objects[i].digest, code[missing[i]]);
    }
    forget_dead();
    return code;
  }

private:
  /// Looks at all only when they have doubled, so that each costs the same however many there are.
  void forget_dead() {
    if (code_.size() < 2 * alive_) return;
    std::erase_if(code_, [](const auto& entry) { return entry.second.expired(); });
    alive_ = std::max<std::size_t>(code_.size(), 64);
  }

  support::ProcessMutex loading_; ///< held while code is loaded
  support::ForkMutex mutex_;      ///< guards what follows
  std::unordered_map<support::Digest, std::weak_ptr<const Code>, support::DigestHash> code_;
  std::size_t alive_ = 64; ///< when they were last looked at
};

/// That of a backend's target: what one device takes of an entry, another may not.
LoadedCode& loaded_code(const Backend& backend) {
  static support::ForkMutex mutex;
  static std::map<std::string, LoadedCode> by_target;
  const std::lock_guard lock(mutex);
  return by_target[backend.describe()];
}

} // namespace

std::vector<LoadedKernel> load_kernels(std::span<const KernelObject> objects,
                                       const Backend& backend) {
  auto code = loaded_code(backend).get(objects, backend);
  std::vector<LoadedKernel> kernels;
  kernels.reserve(objects.size());
  for (std::size_t i = 0; i < objects.size(); ++i)
    kernels.push_back({.code = std::move(code[i]), .digest = objects[i].digest});
  return kernels;
}

std::span<const cache::Section> code_of(const cache::Artifact& artifact, std::size_t first,
                                        const Backend& backend, const support::Digest& kernel) {
  const auto names = backend.code_sections();
  const std::span sections(artifact.sections);
  if (first + names.size() > sections.size() ||
      !std::ranges::equal(sections.subspan(first, names.size()), names, {}, &cache::Section::name))
    support::fail<CompileError>("cache", {}, "the object of kernel {} is missing", kernel.hex());
  return sections.subspan(first, names.size());
}

std::vector<LoadedKernel> get_kernels(const std::vector<KernelText>& texts, const Backend& backend,
                                      cache::Store& store, const Compiling& compiling) {
  // Equal texts are one job.
  struct Job {
    const KernelText* kernel;
    cache::Key key;
    support::Digest of_code; // of the key that has it
    cache::Lookup found, missed;
    LoadedKernel result;
    std::exception_ptr error;
    bool is_deferred = true;
    bool is_unusable = false; // what some level has cannot be loaded
  };
  std::vector<Job> jobs;
  std::vector<std::size_t> job_of;
  std::map<std::string_view, std::size_t> known;
  for (const KernelText& t : texts) {
    const auto [it, is_new] = known.emplace(*t.text, jobs.size());
    if (is_new) jobs.push_back({&t, backend.key(*t.text), {}, {}, {}, {}, {}});
    Job& job = jobs[it->second];
    job.is_deferred = job.is_deferred && t.is_deferred;
    job_of.push_back(it->second);
  }

  auto object_of = [&](const Job& job, const cache::Lookup& lookup) -> KernelObject {
    return {job.of_code, code_of(*lookup.artifact, 0, backend, job.of_code), job.kernel->title,
            job.kernel->entries};
  };
  auto finish = [&](Job& job, cache::Lookup lookup) {
    const KernelObject object = object_of(job, lookup);
    job.result = load_kernels({&object, 1}, backend).front();
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
    job.of_code = job.key.digest;
    try {
      if (compiling.is_given_up && compiling.is_given_up()) throw GivenUp{};
      const auto compile = [&] { return backend.compile(*job.kernel); };
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

  const auto look_elsewhere = [&](Job& job) {
    for (const cache::Key& other : backend.other_keys(*job.kernel->text)) {
      job.found = store.look_up(other);
      if (!job.found.artifact) continue;
      job.of_code = other.digest;
      return;
    }
  };

  // What some level has takes microseconds: only compiling is worth threads.
  std::vector<Job*> misses;
  for (Job& job : jobs) {
    job.of_code = job.result.digest = job.key.digest;
    if (job.is_deferred) continue;
    cache::Lookup lookup = store.look_up(job.key);
    (lookup.artifact ? job.found : job.missed) = std::move(lookup);
    if (!job.found.artifact) look_elsewhere(job);
  }
  // Linked together, then taken one by one, so that it is known which of them will not do.
  std::vector<LoadedKernel> together;
  try {
    std::vector<KernelObject> objects;
    for (const Job& job : jobs)
      if (job.found.artifact) objects.push_back(object_of(job, job.found));
    together = load_kernels(objects, backend);
  } catch (const CompileError&) {
  }
  for (Job& job : jobs) {
    if (job.found.artifact) finish_found(job, std::move(job.found));
    if (!job.result.code && !job.is_deferred) misses.push_back(&job);
  }
  // A thread that begins the dearest kernel last keeps the others waiting. Long texts are dear.
  std::ranges::stable_sort(misses, std::greater{},
                           [](const Job* job) { return job->kernel->text->size(); });
  const std::size_t at_a_time = compiling.threads > 0
                                    ? static_cast<std::size_t>(compiling.threads)
                                    : static_cast<std::size_t>(process_cpus().count());
  const std::size_t workers = std::min(misses.size(), at_a_time);
  std::atomic<std::size_t> next{0};
  auto work = [&] {
    for (std::size_t i = next++; i < misses.size(); i = next++) make(*misses[i]);
  };
  std::vector<std::thread> threads(workers);
  for (std::size_t i = 1; i < workers; ++i) {
    threads[i] = support::try_start_thread(std::ref(work));
    if (!threads[i].joinable()) break; // those there are do all of it
  }
  work();
  for (std::thread& thread : threads)
    if (thread.joinable()) thread.join();

  for (const Job& job : jobs)
    if (job.error) std::rethrow_exception(job.error);
  std::vector<LoadedKernel> result;
  for (std::size_t j : job_of) result.push_back(jobs[j].result);
  return result;
}

} // namespace kroton::jit
