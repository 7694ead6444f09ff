#pragma once
/// Long loops that are walked in pieces, a block of elements at a time.
///
///   const std::vector<Piece> pieces = cut_into_pieces(kernel, stage, lanes);
///   // for each block: pieces[0] over its elements, then pieces[1], …
///
/// One loop over a chain of several hundred operations keeps a machine waiting: an element's chain
/// is longer than what the machine looks ahead over, so that no two elements overlap, and compilers
/// take more than linear time for it. Loops over parts of the chain overlap many elements. What one
/// leaves to another is in arrays of a block, which stay in the first cache.
///
/// A piece is a kernel of one flat loop, with parameters for what it reads and writes and no more
/// constants than it shares with all pieces of its form, so that alike pieces are one function.
#include <cstdint>
#include <vector>

#include "codegen/schedule/lanes.hpp"

namespace kroton::codegen {

/// An array that a piece is handed, from the block's first element on.
struct PieceArray {
  int temporary = -1;  ///< an array of the block; or
  plan::Access access; ///< of the kernel: its first element is where the loop's axis is at the
                       ///< first element of the block

  bool operator==(const PieceArray& other) const {
    return temporary == other.temporary &&
           (temporary >= 0 || is_same_element(access, other.access));
  }
};

/// A number that a piece is handed, the same for all elements of the block.
struct PieceScalar {
  int in_piece = 0;      ///< the value of the piece that it is
  int value = -1;        ///< the value of the kernel that it is; or
  plan::Access position; ///< an index at the first element of the block
};

/// A fold of the kernel that a piece goes on with.
struct PieceFold {
  int reduction = 0;      ///< of the kernel
  std::int64_t parts = 1; ///< partial results of it
};

struct Piece {
  int function = 0; ///< pieces of one number are the same but for what they are handed
  plan::Kernel body;
  Lanes lanes;
  std::vector<PieceArray> arrays; ///< of each parameter of `body`
  std::vector<PieceScalar> scalars;
  std::vector<PieceFold> folds; ///< of each reduction of `body`
};

struct Pieces {
  std::int64_t block = 0;         ///< elements that all pieces are walked over before the next ones
  std::vector<int> constant;      ///< values of the loop that are the same for all its elements
  std::vector<DType> temporaries; ///< arrays of a block
  std::vector<Piece> pieces;      ///< empty: the loop is walked as a whole
};

/// Cuts where little has to be left to later pieces, and where the chains of the pieces are short.
/// Which cuts are made depends on what is computed alone. `first_function` is the number of the
/// first function. A loop that is short enough, or that has what needs to be in one loop, is not
/// cut.
Pieces cut_into_pieces(const plan::Kernel& kernel, const plan::Stage& stage, const Lanes& lanes,
                       int first_function);

} // namespace kroton::codegen
