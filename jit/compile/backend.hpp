#pragma once
/// The code that serves a target: what kernels are rendered to, kept under, compiled and loaded by,
/// and the program that runs them.
///
///   const auto backend = backend_for(options);            // jit/function/backends.hpp
///   const Texts texts = backend->render(plan, {});
///   const auto kernels = get_kernels(texts.kernels, *backend, store);
///   const auto program = backend->assemble({bound, kernels, signature, leaves, origin});
#include <chrono>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cache/store.hpp"
#include "lib/plan/plan.hpp"

namespace kroton::jit {

class Program;
struct ProgramParts;
struct Texts;

struct KernelText {
  std::shared_ptr<const std::string> text; ///< equal ones may be one
  std::string title;
  std::vector<std::string> entries = {}; ///< the functions that a device launches
  bool is_deferred = false;              ///< not compiled before the sizes of a call want it
  std::string schedule = {}; ///< how it runs, in a line for people; see codegen/schedule
};

/// A kernel as a cache has it.
struct KernelObject {
  support::Digest digest;                   ///< of its key
  std::span<const cache::Section> sections; ///< as `Backend::code_sections` says
  std::string_view title;
  std::span<const std::string> entries = {}; ///< as in KernelText
};

/// One kernel's code, loaded; its backend knows what it is. The code goes with the object.
class Code {
public:
  Code() = default;
  Code(const Code&) = delete;
  Code& operator=(const Code&) = delete;
  virtual ~Code() = default;
};

struct LoadedKernel {
  std::shared_ptr<const Code> code; ///< functions with the same kernel share it; null: deferred
  support::Digest digest;
  std::shared_ptr<const cache::Artifact> artifact = nullptr; ///< if `get_kernels` got it
  cache::Outcome outcome = cache::Outcome::made;
  std::chrono::nanoseconds took{};
  std::string miss_reason;
  std::string level; ///< which shared level had it
};

/// Changes the text of a kernel; tests do, to prove that Mode::verify finds it.
using Tamper = std::function<void(std::string& text)>;

/// Safe to use from many threads at once.
class Backend {
public:
  Backend() = default;
  Backend(const Backend&) = delete;
  Backend& operator=(const Backend&) = delete;
  virtual ~Backend() = default;

  /// The target in one line, the same for equal ones: a field of the keys of plans.
  virtual std::string describe() const = 0;
  /// Whether code runs elsewhere than on the CPU. Plans for a device compute products together with
  /// what follows from each of their elements (plan::Epilogue), and have threads share sums.
  virtual bool is_device() const { return false; }
  /// What a CPU must have for what this backend makes: `cache::Artifact::requirements`.
  virtual std::string requirements() const = 0;

  /// A plan's texts; empty `tamper` changes nothing.
  virtual Texts render(const plan::Plan& plan, const Tamper& tamper) const = 0;

  /// What a kernel is kept under: everything that its compiler sees.
  virtual cache::Key key(const std::string& text) const = 0;
  /// What code may be kept under that will do too, best first.
  virtual std::vector<cache::Key> other_keys(const std::string& text) const;
  /// Throws CompileError.
  virtual cache::Artifact compile(const KernelText& kernel) const = 0;
  /// The sections of an artifact that are code. They come first in it, in this order.
  virtual std::span<const std::string_view> code_sections() const = 0;
  /// The code of these objects, loaded together. Throws CompileError if any of the bytes are no
  /// kernel's.
  virtual std::vector<std::shared_ptr<const Code>>
  load(std::span<const KernelObject> objects) const = 0;

  /// What people may want to read of a kernel besides its log: the ends of files' names, and texts.
  virtual std::vector<std::pair<std::string, std::string>>
  listings(const KernelText& kernel) const = 0;

  virtual std::unique_ptr<Program> assemble(ProgramParts parts) const = 0;
};

} // namespace kroton::jit
