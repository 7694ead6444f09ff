#pragma once
/// Discrete Fourier transforms of any length, along any axis, with the meaning of numpy.fft.
///
///   auto [re, im] = kt::rfft(signal);                        // f64[n/2+1] each
///   auto power = re * re + im * im;
///   auto back = kt::irfft({re, im}, signal.dim(0));
///
/// Complex numbers are pairs of real arrays. Integers give f64. All throw ShapeError for a scalar
/// and for an axis of length 0; gradients of every order exist.
#include <optional>

#include <kroton/ops/basic.hpp>

namespace kroton {

/// Complex numbers: their real and imaginary parts, which broadcast to one shape and are promoted
/// to one dtype.
struct Spectrum {
  Expr re, im;
};

/// What a transform of length n is divided by.
enum class FourierNorm : std::uint8_t {
  backward, ///< the inverse by n
  ortho,    ///< both by sqrt(n)
  forward,  ///< the other one by n
};

/// The sums of x[j] exp(-2 pi i j k / n) over an axis of length n, for each k from 0 to n - 1, as
/// numpy.fft.fft's.
Spectrum fft(const Spectrum& x, int axis = -1, FourierNorm norm = FourierNorm::backward,
             Location where = Location::current());
Spectrum fft(Operand x, int axis = -1, FourierNorm norm = FourierNorm::backward);
/// The inverse of fft: the sums of x[k] exp(2 pi i j k / n), divided by n.
Spectrum ifft(const Spectrum& x, int axis = -1, FourierNorm norm = FourierNorm::backward,
              Location where = Location::current());
/// The first n / 2 + 1 elements of fft of real numbers, which the others follow from, as
/// numpy.fft.rfft's.
Spectrum rfft(Operand x, int axis = -1, FourierNorm norm = FourierNorm::backward);
/// The `n` real numbers whose rfft this is, as numpy.fft.irfft's: an even number, 2 (m - 1) of m
/// elements, unless it is given. Elements beyond n / 2 + 1 are not read, missing ones are 0, and
/// the imaginary parts of the first and, if n is even, of element n / 2 count for nothing.
Expr irfft(const Spectrum& x, std::optional<Dim> n = std::nullopt, int axis = -1,
           FourierNorm norm = FourierNorm::backward, Location where = Location::current());

/// fft and ifft along several axes, all of them when empty.
Spectrum fftn(const Spectrum& x, Axes axes = {}, FourierNorm norm = FourierNorm::backward,
              Location where = Location::current());
Spectrum ifftn(const Spectrum& x, Axes axes = {}, FourierNorm norm = FourierNorm::backward,
               Location where = Location::current());
/// The same along two axes.
Spectrum fft2(const Spectrum& x, Axes axes = {-2, -1}, FourierNorm norm = FourierNorm::backward,
              Location where = Location::current());
Spectrum ifft2(const Spectrum& x, Axes axes = {-2, -1}, FourierNorm norm = FourierNorm::backward,
               Location where = Location::current());

/// The frequencies of the elements of fft, of numbers that are `spacing` apart: [0, 1, …, -2, -1]
/// / (n spacing), f64[n].
Expr fftfreq(Dim n, double spacing = 1, Location where = Location::current());
/// Those of rfft: [0, 1, …, n / 2] / (n spacing), f64[n/2+1].
Expr rfftfreq(Dim n, double spacing = 1, Location where = Location::current());
/// Frequency 0 moved to the middle, along `axes`, all of them when empty.
Expr fftshift(Operand a, Axes axes = {});
/// The inverse of fftshift.
Expr ifftshift(Operand a, Axes axes = {});

} // namespace kroton
