#include "lib/rewrite/rules/rules.hpp"

namespace kroton::rewrite::rules {

std::vector<const RuleSet*> all() {
  return {&canonical(),   &algebra(),  &fold(),    &movement(), &reduction(), &stability(),
          &contraction(), &indexing(), &joining(), &parts(),    &functions()};
}

} // namespace kroton::rewrite::rules
