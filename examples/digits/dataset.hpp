#pragma once
/// Handwritten digits to learn from: the embedded ones, or MNIST-style files.
///
///   digits::Dataset all = digits::load_embedded_digits();
///   auto [train, test] = digits::split(all, 0.8, 1);
///   train.images.label();                              // "f32[1437,64]"
#include <cstdint>
#include <filesystem>
#include <string>

#include <kroton/array.hpp>

namespace digits {

struct Dataset {
  kroton::Array images; ///< f32[n, features], scaled to 0..1.
  kroton::Array labels; ///< i32[n], from 0 on.
  std::string name;     ///< For people: "embedded digits".
  std::int64_t train_size =
      0; ///< If not 0, the first so many are meant for training, the rest for testing.
};

struct Split {
  Dataset train, test;
};

/// The 1,797 images of 8×8 that are part of the program; examples/digits/README.md has their
/// origin.
Dataset load_embedded_digits();

/// IDX files as MNIST has them: `*images-idx3-ubyte` and `*labels-idx1-ubyte`, plain or `.gz`. With
/// both a `train-` and a `t10k-` pair they follow each other and `train_size` says where; otherwise
/// the one pair there is is read. Throws kroton::FileError that names the file and what is wrong.
Dataset load_idx(const std::filesystem::path& directory);

/// Shuffles and cuts: the same seed gives the same parts on every machine. A dataset with a
/// `train_size` is cut there, whatever the fraction, and only its training part is shuffled.
/// Throws kroton::ShapeError unless both parts have at least one image.
Split split(const Dataset& dataset, double train_fraction, std::uint64_t seed);

} // namespace digits
