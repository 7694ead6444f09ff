#pragma once
/// Unpacking of gzip data, in memory and from files.
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

namespace digits {

/// The unpacked bytes; `name` is for errors. Throws kroton::FileError if `packed` is damaged or cut
/// off.
std::string unpack(std::span<const unsigned char> packed, std::string_view name);

/// A file's bytes, unpacked if it begins as gzip does. Throws kroton::FileError.
std::string read_maybe_packed(const std::filesystem::path& path);

} // namespace digits
