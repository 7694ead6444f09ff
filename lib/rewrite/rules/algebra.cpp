#include "lib/rewrite/rules/rules.hpp"
namespace kroton::rewrite::rules {
const RuleSet& algebra() { static const RuleSet set{"algebra", {}}; return set; }
}
