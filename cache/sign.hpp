#pragma once
/// Ed25519 signatures (RFC 8032, through libsodium), by which a reader knows who made an entry.
///
///   SigningKey key = SigningKey::generate();
///   Signature signature = key.sign(message);
///   is_signed_by(key.public_key(), message, signature);    // true
///
/// keyring.hpp keeps keys in files.
#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace kroton::cache {

using Signature = std::array<std::uint8_t, 64>;

/// Who signed: the key itself, which is as short as any name for it.
struct PublicKey {
  std::array<std::uint8_t, 32> bytes{};

  auto operator<=>(const PublicKey&) const = default;
  /// 64 lower-case hexadecimal digits.
  std::string hex() const;
  /// "kroton-ed25519-public 3b6a27bc…" and a line feed: what a file of the key holds.
  std::string to_text() const;
  /// Reads what `to_text` writes; nothing for any other text, or for a key that no honest
  /// generator makes (a point of small order, under which one signature fits every message).
  static std::optional<PublicKey> parse(std::string_view text);
};

/// The secret half. Its memory is wiped when it goes.
class SigningKey {
public:
  /// A new key from the system's random numbers.
  static SigningKey generate();
  /// Reads what `to_text` writes, nothing else.
  static std::optional<SigningKey> parse(std::string_view text);

  SigningKey(SigningKey&&) noexcept;
  SigningKey& operator=(SigningKey&&) = delete;
  ~SigningKey();

  const PublicKey& public_key() const { return public_; }
  Signature sign(std::string_view message) const;
  /// "kroton-ed25519-secret " with the seed in hexadecimal digits: for a file that only its owner
  /// can read, and for nothing else.
  std::string to_text() const;

private:
  using Seed = std::array<std::uint8_t, 32>;
  explicit SigningKey(const Seed&);

  std::array<std::uint8_t, 64> secret_; // the seed, then the public key
  PublicKey public_;
};

bool is_signed_by(const PublicKey&, std::string_view message, const Signature&);

} // namespace kroton::cache
