#pragma once
/// Where the repository is, for tests that read its documents. The build writes the .cpp.

namespace kroton::test {

extern const char* const source_root;

} // namespace kroton::test
