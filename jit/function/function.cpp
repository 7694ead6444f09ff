/// `function()` and the calls of a Function.
#include <kroton/function.hpp>

#include "jit/compile/capture.hpp"
#include "jit/function/function_state.hpp"
#include "jit/run/pool.hpp"
#include "lib/data/memory.hpp"
#include "lib/data/overlap.hpp"

namespace kroton {
namespace jit {

FunctionState::FunctionState(Signature signature, const Options& options, Sabotage sabotage)
    : versions_(
          std::make_shared<Versions>(Recipe{std::move(signature), options, std::move(sabotage)})),
      is_verified_(options.mode == Mode::verify) {}

std::vector<Array> FunctionState::call(std::span<const Array> arguments, const Array* given) {
  calls_.fetch_add(1, std::memory_order_relaxed);
  try {
    const Versions::Leased lease(*versions_, arguments);
    if (is_verified_) return verified_call(versions_->recipe(), *lease, arguments, given);
    return lease->version->program->run(*lease->frame, arguments, given);
  } catch (const DeviceError& e) { // what gives out memory does not know whose function asks for it
    if (!e.text().place.empty()) throw;
    ErrorText text = e.text();
    text.place = support::describe(signature().where);
    throw DeviceError(std::move(text));
  }
}

} // namespace jit

std::vector<Array> Function::operator()(std::span<const Array> arguments) const {
  return state_->call(arguments, nullptr);
}

namespace {

/// Apart from `call_into`, whose calls with one output it would slow down by what it needs of the
/// stack.
[[gnu::noinline]] void require_apart(const jit::Signature& s, std::span<const Array> outputs) {
  for (std::size_t i = 0; i < outputs.size(); ++i)
    for (std::size_t j = 0; j < i; ++j)
      if (outputs[i].overlaps(outputs[j]) && data::share_elements(outputs[i], outputs[j]))
        support::fail<ShapeError>(
            s.name,
            {.place = support::describe(s.where), .hint = "give each output memory of its own"},
            "the arrays given for outputs {} and {}, {} and {}, have elements in common", j, i,
            outputs[j].label(), outputs[i].label());
}

} // namespace

void Function::call_into(std::span<const Array> arguments, std::span<const Array> outputs) const {
  const auto& s = state_->signature();
  if (outputs.size() != s.outputs.size())
    support::fail<ShapeError>(
        s.name, {.place = support::describe(s.where), .hint = "give one array for each output"},
        "has {} output{}, got {} arrays to write", s.outputs.size(),
        s.outputs.size() == 1 ? "" : "s", outputs.size());
  if (outputs.size() > 1) require_apart(s, outputs);
  static const Array none;
  state_->call(arguments, outputs.empty() ? &none : outputs.data());
}

const std::string& Function::name() const { return state_->signature().name; }
std::string Function::source() const { return state_->source(); }
FunctionStats Function::stats() const { return state_->stats(); }
std::string Function::explain() const { return state_->explain(); }
std::string Function::graph() const { return state_->compiled().program->plan().graph.to_string(); }
std::string Function::graph_dot() const {
  return state_->compiled().program->plan().graph.to_dot();
}

Function function(std::vector<Expr> inputs, std::vector<Expr> outputs, Options options,
                  Location where) {
  // What the environment says wrongly of memory and threads is told now, not by the first large
  // array or loop.
  static_cast<void>(data::kept_memory());
  static_cast<void>(jit::thread_count());
  return Function(std::make_shared<jit::FunctionState>(
      jit::make_signature(std::move(inputs), std::move(outputs), options, where), options));
}

Function function(std::vector<Expr> inputs, Expr output, Options options, Location where) {
  return function(std::move(inputs), std::vector<Expr>{std::move(output)}, std::move(options),
                  where);
}

const char* version() noexcept { return KROTON_VERSION; }

} // namespace kroton
