#include "lib/rewrite/rules/rules.hpp"
namespace kroton::rewrite::rules {
const RuleSet& fold() { static const RuleSet set{"fold", {}}; return set; }
}
