#include "lib/rewrite/rules/rules.hpp"
namespace kroton::rewrite::rules {
const RuleSet& indexing() { static const RuleSet set{"indexing", {}}; return set; }
}
