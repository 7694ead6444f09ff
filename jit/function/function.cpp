/// `function()` and the calls of a Function.
#include <kroton/function.hpp>

#include <algorithm>

#include "jit/compile/capture.hpp"
#include "jit/function/function_state.hpp"
#include "jit/run/pool.hpp"
#include "lib/data/memory.hpp"
#include "lib/data/overlap.hpp"

namespace kroton {
namespace jit {
namespace {

void check_default(const Signature& s, const Expr& input, const Array& value) {
  bool fits = value.dtype() == input.dtype() && value.rank() == input.rank();
  for (std::size_t i = 0; fits && i < value.shape().size(); ++i)
    fits = !input.shape()[i].is_static() || input.shape()[i].value() == value.shape()[i];
  if (fits) return;
  const ErrorText text{s.name, fmt::format("the default of {} is {}", input.label(), value.label()),
                       ir::place_of(s.where, {&input, 1}), "give a value of its dtype and shape"};
  if (value.dtype() != input.dtype()) throw TypeError(text);
  throw ShapeError(text);
}

/// The values of the last inputs that have one.
std::vector<Array> defaults_of(const Signature& s, const Options& options) {
  std::vector<Array> last;
  std::size_t used = 0;
  for (auto input = s.inputs.rbegin(); input != s.inputs.rend(); ++input) {
    const auto given = std::ranges::find_if(
        options.defaults, [&](const auto& pair) { return pair.first.is(*input); });
    if (given == options.defaults.end()) break;
    check_default(s, *input, given->second);
    last.insert(last.begin(), given->second.copy(s.where));
    ++used;
  }
  for (const auto& [input, value] : options.defaults) {
    detail::require_given(input, s.name.c_str(), s.where);
    const bool is_used = std::ranges::any_of(std::span(s.inputs).last(used),
                                             [&](const Expr& e) { return e.is(input); });
    if (!is_used)
      support::fail<GraphError>(
          s.name,
          {.place = ir::place_of(s.where, {&input, 1}),
           .hint = "list inputs that have defaults last, and each default once"},
          "{} has a default and is none of the last inputs that have one", input.label());
  }
  if (used != options.defaults.size())
    support::fail<GraphError>(
        s.name, {.place = support::describe(s.where), .hint = "give each input one default"},
        "{} defaults for {} inputs", options.defaults.size(), used);
  return last;
}

Results::Names names_of(const Signature& s, const Options& options) {
  const std::vector<std::string>& names = options.output_names;
  if (names.empty()) return nullptr;
  if (names.size() != s.outputs.size())
    support::fail<GraphError>(
        s.name, {.place = support::describe(s.where), .hint = "name each output, or none"},
        "{} names for {} outputs", names.size(), s.outputs.size());
  for (std::size_t i = 0; i < names.size(); ++i)
    if (std::ranges::find(names.begin(), names.begin() + static_cast<std::ptrdiff_t>(i),
                          names[i]) != names.begin() + static_cast<std::ptrdiff_t>(i))
      support::fail<GraphError>(
          s.name, {.place = support::describe(s.where), .hint = "give each output its own name"},
          "two outputs are named {}", names[i]);
  return std::make_shared<const std::vector<std::string>>(names);
}

} // namespace

FunctionState::FunctionState(Signature signature, const Options& options, Sabotage sabotage)
    : versions_(
          std::make_shared<Versions>(Recipe{std::move(signature), options, std::move(sabotage)})),
      mode_(options.mode), is_converting_(options.allow_downcast),
      defaults_(defaults_of(versions_->recipe().signature, options)),
      output_names_(names_of(versions_->recipe().signature, options)) {}

std::vector<Array> FunctionState::completed(std::span<const Array> arguments) const {
  const std::vector<Expr>& inputs = signature().inputs;
  std::vector<Array> all(arguments.begin(), arguments.end());
  if (all.size() < inputs.size() && inputs.size() - all.size() <= defaults_.size())
    all.insert(all.end(), defaults_.end() - static_cast<std::ptrdiff_t>(inputs.size() - all.size()),
               defaults_.end());
  if (is_converting_)
    for (std::size_t i = 0; i < std::min(all.size(), inputs.size()); ++i)
      if (all[i].dtype() != inputs[i].dtype())
        all[i] = all[i].astype(inputs[i].dtype(), signature().where);
  return all;
}

std::vector<Array> FunctionState::call(std::span<const Array> arguments, const Array* given) {
  std::vector<Array> all;
  if (is_converting_ || !defaults_.empty()) {
    all = completed(arguments);
    arguments = all;
  }
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

const Array& Results::operator[](std::string_view name) const {
  if (names_)
    if (const auto at = std::ranges::find(*names_, name); at != names_->end())
      return (*this)[static_cast<std::size_t>(at - names_->begin())];
  support::fail<GraphError>(
      "call", {.hint = "function(…, {.output_names = {…}}) names outputs"}, "{}",
      names_ ? fmt::format("no output is named {}: {} are", name, fmt::join(*names_, ", "))
             : fmt::format("no output is named {}: none has a name", name));
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
  jit::FunctionState& state = required("call");
  return {state.call(arguments, nullptr), state.output_names()};
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
