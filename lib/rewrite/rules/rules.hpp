#pragma once
/// Every family of rules. Made once, in this order; nothing registers itself.
///
///   for (const RuleSet* family : rules::all()) for (const Rule& r : family->rules) …
#include "lib/rewrite/pipeline.hpp"

namespace kroton::rewrite::rules {

const RuleSet& canonical();
const RuleSet& algebra();
const RuleSet& fold();
const RuleSet& movement();
const RuleSet& reduction();
const RuleSet& stability();
const RuleSet& contraction();
const RuleSet& indexing();
const RuleSet& joining();
const RuleSet& parts();
const RuleSet& functions();

std::vector<const RuleSet*> all();

} // namespace kroton::rewrite::rules
