#pragma once
/// Bound plans as bytes. docs/cache-format.md is the contract.
///
///   std::string bytes = write_plan(bound, key.digest);
///   std::optional<BoundPlan> read = read_plan(bytes, key.digest);
///   if (read && fits(*read, signature, leaves)) …
#include <optional>
#include <string_view>

#include "jit/bound/bound_plan.hpp"
#include "jit/bound/leaves.hpp"

namespace kroton::jit {

std::string write_plan(const BoundPlan& plan, const support::Digest& key);

/// Nothing unless the bytes are exactly what `write_plan` makes of some plan and this key. Any
/// bytes may be given; none make it read outside of them or allocate more than a small multiple of
/// their length.
std::optional<BoundPlan> read_plan(std::string_view bytes, const support::Digest& key);

/// Whether every number in the plan names something: no plan that fits makes a Program of this
/// signature, for the CPU or for a device, look outside of its tables.
bool fits(const BoundPlan& plan, const Signature& signature, const Leaves& leaves,
          bool on_device = false);

} // namespace kroton::jit
