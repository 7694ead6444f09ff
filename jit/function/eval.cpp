/// Expr::eval: functions for single expressions, of which the last ones are kept.
#include <algorithm>
#include <list>
#include <mutex>
#include <optional>

#include <kroton/function.hpp>
#include <kroton/substitute.hpp>

#include "lib/ir/node.hpp"
#include "lib/ops/basic.hpp"
#include "lib/ops/substitute.hpp"
#include "lib/support/fork.hpp"

namespace kroton {
namespace {

/// Which expression, and what is given a value, in order.
using Key = std::vector<const ir::Node*>;

struct Entry {
  Key key;
  std::vector<Expr> held; ///< the nodes of the key: no other has the address of one
  Function function;
};

class Evaluations {
public:
  static Evaluations& process() {
    static Evaluations all;
    return all;
  }

  std::optional<Function> find(const Key& key) {
    const std::lock_guard lock(mutex_);
    const auto at =
        std::ranges::find_if(kept_, [&](const Entry& entry) { return entry.key == key; });
    if (at == kept_.end()) return {};
    kept_.splice(kept_.begin(), kept_, at);
    return kept_.front().function;
  }

  void keep(Entry entry) {
    std::list<Entry> dropped; // freed without the lock
    const std::lock_guard lock(mutex_);
    kept_.push_front(std::move(entry));
    if (kept_.size() > limit) dropped.splice(dropped.begin(), kept_, std::prev(kept_.end()));
  }

private:
  static constexpr std::size_t limit = 16;

  support::ForkMutex mutex_;
  std::list<Entry> kept_; ///< the last one used in front
};

Function made(const Expr& e, const std::vector<std::pair<Expr, Array>>& at, Location where) {
  std::vector<Expr> inputs;
  Options options{.name = "eval"};
  for (const auto& [of, value] : at) {
    const bool is_input = of.node()->op == &ops::input;
    inputs.push_back(is_input ? of : ops::fresh_leaf(of));
    if (!is_input) options.givens.emplace_back(of, inputs.back());
  }
  return function(std::move(inputs), {e}, std::move(options), where);
}

} // namespace

Array Expr::eval(const std::vector<std::pair<Expr, Array>>& at, Location where) const {
  detail::require_given(*this, "eval", where);
  Entry entry{{node_.get()}, {*this}, {}};
  std::vector<Array> arguments;
  for (const auto& [of, value] : at) {
    detail::require_given(of, "eval", where);
    entry.key.push_back(of.node().get());
    entry.held.push_back(of);
    arguments.push_back(value);
  }
  if (const std::optional<Function> found = Evaluations::process().find(entry.key))
    return (*found)(arguments);
  entry.function = made(*this, at, where);
  const Function f = entry.function;
  Evaluations::process().keep(std::move(entry));
  return f(arguments);
}

} // namespace kroton
