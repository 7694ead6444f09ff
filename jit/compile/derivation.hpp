#pragma once
/// How a program comes from expressions: the rewritten graph, its plan, the kernels' texts. A
/// program that was found whole in the cache has none of it until somebody asks.
///
///   Derivation d = derive(recipe, assumptions);
///   d.plan.to_string(); *d.texts.kernels[0].text;
#include <array>
#include <atomic>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "codegen/product/contraction.hpp"
#include "codegen/schedule/sequence.hpp"
#include "codegen/cuda/cuda.hpp"
#include "jit/compile/backend.hpp"
#include "lib/plan/plan.hpp"
#include "lib/rewrite/pipeline.hpp"
#include "lib/support/fork.hpp"

namespace kroton::jit {

/// How a step runs on a device.
struct DeviceCode {
  struct Launch {
    int text = -1; ///< index in `Texts::kernels`
    codegen::Launch how;
  };
  std::vector<Launch> launches;
  std::vector<Launch> epilogue = {}; ///< of a product that is in memory already
  Dim scratch_bytes{0};
  bool counts_blocks = false;
  bool clears_results = false; ///< of a library call: its kernels expect zeros there
};

/// The texts of a plan: those of its kernels, in their order, then those of its matrix products,
/// then those of its sequences.
struct Texts {
  struct Product {
    codegen::ContractionShape shape;
    /// Indices in `kernels`; none where a scheme cannot occur.
    std::array<std::optional<int>, 4> of_scheme = {};
  };
  int vector_bytes = 64; ///< of the target that they are for
  std::vector<KernelText> kernels;
  /// Where the target is a device: of each step of the plan.
  std::optional<std::vector<DeviceCode>> device = std::nullopt;
  /// For each text, the lines and the places they come from.
  std::vector<std::vector<std::pair<int, std::string>>> notes;
  std::vector<Product> products; ///< one for each shape that the plan's products have
  /// Steps on the CPU that are one function. Texts that no other step has are deferred: they are
  /// compiled for whoever wants to see what each step computes.
  struct Sequence {
    codegen::Sequence steps;
    int text = -1;                        ///< index in `kernels`
    std::vector<std::int64_t> draws = {}; ///< what it is handed as sizes
  };
  std::vector<Sequence> sequences;
};

/// The nodes behind a text's lines, as people know them.
std::vector<std::pair<int, std::string>> notes_of(std::span<const std::pair<int, ir::NodeId>> lines,
                                                  const ir::Graph& graph);

/// Lets equal texts be one: a recurrence has one a thousand times.
class SharedTexts {
public:
  std::shared_ptr<const std::string> share(std::string text);

private:
  std::unordered_map<std::string_view, std::shared_ptr<const std::string>> known_;
};

/// For a CPU. `tamper`, if given, changes the texts of kernels. With `has_sequences`, small steps
/// that follow each other are one function.
Texts render_texts(const plan::Plan& plan, int vector_bytes, bool has_sequences,
                   const Tamper& tamper = {});

struct Derivation {
  rewrite::PipelineReport report;
  std::vector<std::pair<std::string, std::string>>
      passes; ///< name and graph text after it, if dumped
  plan::Plan plan;
  Texts texts;
  double rewrite_ms = 0, plan_ms = 0;
};

/// A derivation that is made on first access; safe to use from many threads. Where a plan came from
/// the cache, nobody may ever ask for it.
class LazyDerivation {
public:
  explicit LazyDerivation(std::function<Derivation()> derive) : derive_(std::move(derive)) {}
  explicit LazyDerivation(Derivation derivation)
      : derivation_(std::move(derivation)), known_(&*derivation_) {}
  LazyDerivation(const LazyDerivation&) = delete;
  LazyDerivation& operator=(const LazyDerivation&) = delete;

  const Derivation& get() const;
  /// Null while nobody has asked for it.
  const Derivation* known() const noexcept { return known_.load(std::memory_order_acquire); }

private:
  std::function<Derivation()> derive_;
  mutable support::ProcessMutex mutex_; ///< guards `derivation_` until it is known
  mutable std::optional<Derivation> derivation_;
  mutable std::atomic<const Derivation*> known_{nullptr};
};

} // namespace kroton::jit
