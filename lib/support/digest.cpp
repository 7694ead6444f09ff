#include "lib/support/digest.hpp"

#include <sodium.h>

#include "lib/support/error.hpp"

namespace kroton::support {
namespace {

using State = crypto_generichash_state;
static_assert(sizeof(State) <= 384 && alignof(State) <= 64 && std::is_trivially_copyable_v<State>);

State* as_state(std::byte* bytes) { return reinterpret_cast<State*>(bytes); }

/// libsodium picks the code for this CPU in sodium_init; without that call it uses portable code.
void choose_implementation() {
  static const int result = sodium_init();
  KROTON_CHECK(result >= 0, "libsodium could not be initialised");
}

} // namespace

std::string Digest::hex() const {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string text;
  text.reserve(2 * bytes.size());
  for (const std::uint8_t b : bytes) {
    text += digits[b >> 4];
    text += digits[b & 15];
  }
  return text;
}

Hasher::Hasher() {
  choose_implementation();
  crypto_generichash_init(as_state(state_.data()), nullptr, 0, sizeof(Digest::bytes));
}

void Hasher::add(std::span<const std::byte> bytes) {
  crypto_generichash_update(as_state(state_.data()),
                            reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size());
}

Digest Hasher::digest() const {
  // Finishing spoils the state, so it is done to a copy, which must be as aligned as State wants.
  alignas(64) std::array<std::byte, sizeof(state_)> copy = state_;
  Digest result;
  crypto_generichash_final(as_state(copy.data()), result.bytes.data(), result.bytes.size());
  return result;
}

Digest digest_of(std::span<const std::byte> bytes) {
  choose_implementation();
  Digest result;
  crypto_generichash(result.bytes.data(), result.bytes.size(),
                     reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(), nullptr,
                     0);
  return result;
}

} // namespace kroton::support
