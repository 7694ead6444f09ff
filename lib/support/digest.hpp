#pragma once
/// BLAKE2b-256 digests, the names of everything that is cached.
///
///   Digest d = digest_of("some text");
///   d.hex();                                    // 64 hexadecimal digits
///   Hasher h; h.add("some "); h.add("text");    // h.digest() == d
///   std::unordered_map<Digest, int, DigestHash> by_digest;
#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

namespace kroton::support {

struct Digest {
  std::array<std::uint8_t, 32> bytes{};

  auto operator<=>(const Digest&) const = default;
  /// 64 lower-case hexadecimal digits.
  std::string hex() const;
};

/// Hashes bytes that arrive in pieces; where the pieces are cut does not change the digest.
class Hasher {
public:
  Hasher();
  void add(std::span<const std::byte> bytes);
  void add(std::string_view text) { add(std::as_bytes(std::span(text))); }
  /// The digest of everything added so far; more may be added afterwards.
  Digest digest() const;

private:
  // libsodium's crypto_generichash_state, whose header stays out of this one.
  alignas(64) std::array<std::byte, 384> state_;
};

Digest digest_of(std::span<const std::byte> bytes);
inline Digest digest_of(std::string_view text) { return digest_of(std::as_bytes(std::span(text))); }

/// For hash maps: a digest is uniformly distributed already, so its first bytes serve.
struct DigestHash {
  std::size_t operator()(const Digest& d) const noexcept {
    std::size_t value;
    std::memcpy(&value, d.bytes.data(), sizeof value);
    return value;
  }
};

} // namespace kroton::support
