#include "lib/rewrite/rules/rules.hpp"
namespace kroton::rewrite::rules {
const RuleSet& canonical() { static const RuleSet set{"canonical", {}}; return set; }
}
