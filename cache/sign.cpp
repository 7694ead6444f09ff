#include "cache/sign.hpp"

#include <algorithm>

#include <sodium.h>

#include "lib/support/error.hpp"

namespace kroton::cache {
namespace {

constexpr std::string_view public_tag = "kroton-ed25519-public ";
constexpr std::string_view secret_tag = "kroton-ed25519-secret ";

void start_sodium() {
  static const int result = ::sodium_init();
  KROTON_CHECK(result >= 0, "libsodium could not be initialised");
}

const unsigned char* as_bytes(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

/// The 64 digits between `tag` and the end of the only line, as bytes.
std::optional<std::array<std::uint8_t, 32>> parse_line(std::string_view text,
                                                       std::string_view tag) {
  if (text.ends_with('\n')) text.remove_suffix(1);
  std::array<std::uint8_t, 32> bytes{};
  if (!text.starts_with(tag) || text.size() != tag.size() + 2 * bytes.size()) return {};
  text.remove_prefix(tag.size());
  std::size_t length = 0;
  const int status = ::sodium_hex2bin(bytes.data(), bytes.size(), text.data(), text.size(), nullptr,
                                      &length, nullptr);
  if (status != 0 || length != bytes.size()) return {};
  return bytes;
}

std::string to_hex(const std::uint8_t* bytes, std::size_t count) {
  std::string text(2 * count + 1, '\0');
  ::sodium_bin2hex(text.data(), text.size(), bytes, count);
  text.pop_back();
  return text;
}

} // namespace

std::string PublicKey::hex() const { return to_hex(bytes.data(), bytes.size()); }

std::string PublicKey::to_text() const { return std::string(public_tag) + hex() + "\n"; }

std::optional<PublicKey> PublicKey::parse(std::string_view text) {
  start_sodium();
  const auto bytes = parse_line(text, public_tag);
  if (!bytes || ::crypto_core_ed25519_is_valid_point(bytes->data()) != 1) return {};
  return PublicKey{*bytes};
}

SigningKey::SigningKey(const Seed& seed) {
  static_assert(sizeof secret_ == crypto_sign_SECRETKEYBYTES);
  static_assert(sizeof public_.bytes == crypto_sign_PUBLICKEYBYTES);
  static_assert(sizeof seed == crypto_sign_SEEDBYTES && sizeof(Signature) == crypto_sign_BYTES);
  start_sodium();
  ::crypto_sign_seed_keypair(public_.bytes.data(), secret_.data(), seed.data());
}

SigningKey::SigningKey(SigningKey&& other) noexcept
    : secret_(other.secret_), public_(other.public_) {
  ::sodium_memzero(other.secret_.data(), other.secret_.size());
}

SigningKey::~SigningKey() { ::sodium_memzero(secret_.data(), secret_.size()); }

SigningKey SigningKey::generate() {
  start_sodium();
  Seed seed;
  ::randombytes_buf(seed.data(), seed.size());
  SigningKey key(seed);
  ::sodium_memzero(seed.data(), seed.size());
  return key;
}

std::optional<SigningKey> SigningKey::parse(std::string_view text) {
  const auto seed = parse_line(text, secret_tag);
  if (!seed) return {};
  return SigningKey(*seed);
}

std::string SigningKey::to_text() const {
  return std::string(secret_tag) + to_hex(secret_.data(), sizeof(Seed)) + "\n";
}

Signature SigningKey::sign(std::string_view message) const {
  Signature signature;
  ::crypto_sign_detached(signature.data(), nullptr, as_bytes(message), message.size(),
                         secret_.data());
  return signature;
}

bool is_signed_by(const PublicKey& key, std::string_view message, const Signature& signature) {
  start_sodium();
  return ::crypto_sign_verify_detached(signature.data(), as_bytes(message), message.size(),
                                       key.bytes.data()) == 0;
}

} // namespace kroton::cache
