#pragma once
/// Environment variables that tests set for a while.
///
///   const Variable home("HOME", {});               // unset until the end of the block
///   const Variable off("KROTON_CACHE", "off");
#include <cstdlib>
#include <optional>
#include <string>

namespace kroton::test {

/// An environment variable for as long as the object lives; without a value, unset.
class Variable {
public:
  Variable(const char* name, std::optional<std::string> value) : name_(name) {
    if (const char* old = std::getenv(name)) old_ = old;
    set(value);
  }
  Variable(const Variable&) = delete;
  Variable& operator=(const Variable&) = delete;
  ~Variable() { set(old_); }

private:
  void set(const std::optional<std::string>& value) {
    if (value)
      ::setenv(name_, value->c_str(), 1);
    else
      ::unsetenv(name_);
  }
  const char* name_;
  std::optional<std::string> old_;
};

} // namespace kroton::test
