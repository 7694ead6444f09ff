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
      mode_(options.mode) {}

std::vector<Array> FunctionState::call(std::span<const Array> arguments, const Array* given) {
  calls_.fetch_add(1, std::memory_order_relaxed);
  try {
    const Versions::Leased lease(*versions_, arguments);
    if (mode_ == Mode::verify) return verified_call(versions_->recipe(), *lease, arguments, given);
    if (mode_ == Mode::nan_guard)
      return guarded_call(versions_->recipe(), *lease, arguments, given);
    return lease->version->program->run(*lease->frame, arguments, given);
  } catch (const DeviceError& e) { // what gives out memory does not know whose function asks for it
    if (!e.text().place.empty()) throw;
    ErrorText text = e.text();
    text.place = support::describe(signature().where);
    throw DeviceError(std::move(text));
  }
}

} // namespace jit

const Array& Results::only() const {
  if (size() != 1)
    support::fail<ShapeError>("call", {.hint = "take one of them: f(x, y)[0]"},
                              "{} results where one was expected", size());
  return front();
}

std::ostream& operator<<(std::ostream& out, const Results& results) {
  for (std::size_t i = 0; i < results.size(); ++i) out << (i == 0 ? "" : "\n") << results[i];
  return out;
}

jit::FunctionState& Function::required(const char* op) const {
  if (state_ == nullptr) [[unlikely]]
    support::fail<GraphError>(op, {.hint = "assign what kroton::function() returns to it first"},
                              "a Function that was made without a value has none yet");
  return *state_;
}

std::ostream& operator<<(std::ostream& out, const Function& f) {
  const jit::Signature& s = f.required("operator<<").signature();
  const auto labels = [](const std::vector<Expr>& of) {
    std::string text;
    for (const Expr& e : of) text += (text.empty() ? "" : ", ") + e.label();
    return text;
  };
  std::string results;
  for (const Expr& e : s.outputs)
    results += (results.empty() ? "" : ", ") + e.node()->type.to_string();
  return out << fmt::format("{}({}) -> ({})", s.name, labels(s.inputs), results);
}

Results Function::operator()(std::span<const Array> arguments) const {
  return required("call").call(arguments, nullptr);
}

namespace {

/// Apart from `call_into`, whose calls with one output it would slow down by what it needs of the
/// stack.
[[gnu::noinline]] void require_apart(const jit::Signature& s, std::span<const Array> outputs) {
  for (std::size_t i = 0; i < outputs.size(); ++i)
    for (std::size_t j = 0; j < i; ++j)
      if (data::may_overlap(outputs[i], outputs[j]) && data::share_elements(outputs[i], outputs[j]))
        support::fail<ShapeError>(
            s.name,
            {.place = support::describe(s.where), .hint = "give each output memory of its own"},
            "the arrays given for outputs {} and {}, {} and {}, have elements in common", j, i,
            outputs[j].label(), outputs[i].label());
}

} // namespace

void Function::call_into(std::span<const Array> arguments, std::span<const Array> outputs) const {
  jit::FunctionState& state = required("call_into");
  const jit::Signature& s = state.signature();
  if (outputs.size() != s.outputs.size())
    support::fail<ShapeError>(
        s.name, {.place = support::describe(s.where), .hint = "give one array for each output"},
        "has {} output{}, got {} arrays to write", s.outputs.size(),
        s.outputs.size() == 1 ? "" : "s", outputs.size());
  if (outputs.size() > 1) require_apart(s, outputs);
  static const Array none;
  state.call(arguments, outputs.empty() ? &none : outputs.data());
}

const std::string& Function::name() const { return required("name").signature().name; }
std::string Function::source() const { return required("source").source(); }
FunctionStats Function::stats() const { return required("stats").stats(); }
std::string Function::explain() const { return required("explain").explain(); }
std::string Function::explain(std::span<const Array> arguments) const {
  return required("explain").explain(arguments);
}
std::string Function::graph() const {
  return required("graph").compiled().program->plan().graph.to_string();
}
std::string Function::graph_dot() const {
  return required("graph_dot").compiled().program->plan().graph.to_dot();
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

const char* version() noexcept { return KROTON_VERSION; }

} // namespace kroton
