#include "lib/rewrite/rules/rules.hpp"
namespace kroton::rewrite::rules {
const RuleSet& reduction() { static const RuleSet set{"reduction", {}}; return set; }
}
