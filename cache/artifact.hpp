#pragma once
/// What a key leads to: named byte strings, some of them compressed, and what a CPU must have to
/// run the code among them.
///
///   Artifact a{{{"object", object}, compressed("source", text)}, "x86-64-v3"};
///   a.find("object")->bytes;
///   content_of(*a.find("source"));               // text
///
/// entry.hpp puts it into a file.
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace kroton::cache {

/// How a section's content became the bytes that are kept.
enum class Encoding : std::uint8_t {
  plain = 0,
  zlib = 1, ///< a zlib stream (RFC 1950)
};

struct Section {
  std::string name;
  std::string bytes; ///< As kept; the content itself if the encoding is plain.
  Encoding encoding = Encoding::plain;
  std::uint64_t content_nbytes = 0; ///< Length of the content; counts only if it is encoded.

  bool operator==(const Section&) const = default;
};

/// The section with its content compressed, or plain where that is no shorter.
Section compressed(std::string name, std::string_view content);

/// The content of a section; nothing when the kept bytes do not decode to the length that is told.
/// Allocates no more than that length, nor more than zlib can make of the bytes.
std::optional<std::string> content_of(const Section&);

/// What somebody made of an artifact, kept with it in this process for whoever asks next: no part
/// of what the artifact is, nor of its size. Safe to use from many threads.
class Attachment {
public:
  Attachment() = default;
  Attachment(const Attachment& other) : value_(other.get()) {}
  Attachment& operator=(const Attachment& other) {
    set(other.get());
    return *this;
  }
  ~Attachment() = default;

  std::shared_ptr<const void> get() const { return value_.load(std::memory_order_acquire); }
  void set(std::shared_ptr<const void> value) const {
    value_.store(std::move(value), std::memory_order_release);
  }
  bool operator==(const Attachment&) const { return true; }

private:
  mutable std::atomic<std::shared_ptr<const void>> value_;
};

struct Artifact {
  std::vector<Section> sections;
  /// Words, each one space apart, for all that a CPU must have to run this: an x86-64 level, or a
  /// feature as LLVM spells it ("x86-64-v3 avx512bf16"). Empty: any will do.
  std::string requirements = {};
  Attachment attachment = {};

  bool operator==(const Artifact&) const = default;
  /// The first section of that name, or null.
  const Section* find(std::string_view name) const;
  /// Bytes of all sections together, as kept.
  std::uint64_t nbytes() const;
};

} // namespace kroton::cache
