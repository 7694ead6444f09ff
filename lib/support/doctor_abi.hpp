#pragma once
/// How the command `kroton`, which links nothing of libkroton.so, asks it what it found on the
/// machine: by the name of one C function.
namespace kroton::support {

/// Takes one fact: what it is about, what is so, and what is wrong with that; the last is empty
/// when nothing is. The texts live until it returns.
using TakeFact = void (*)(void* context, const char* what, const char* is, const char* problem);

/// `kroton_doctor` in libkroton.so: hands over all facts of kroton::doctor(), one after the other.
using DoctorFunction = void (*)(TakeFact, void* context);
inline constexpr const char* doctor_symbol = "kroton_doctor";

} // namespace kroton::support
