#pragma once
/// The node behind an `Expr`, and what every node is made of.
///
///   Expr e = make(ops::add, {a, b}, {}, where);      // infers the type, throws on a mismatch
#include <memory>
#include <string>
#include <vector>

#include <kroton/expr.hpp>
#include <kroton/shared.hpp>

#include "lib/ir/dim.hpp"
#include "lib/ir/dim_list.hpp"
#include "lib/ir/params.hpp"
#include "lib/support/shared_mutex.hpp"
#include "lib/support/small_vector.hpp"

namespace kroton::ir {

struct Op;

/// Of an array; or of a node with several results, which is no array: its parts are (ops::part).
struct Type {
  DType dtype = DType::f32;
  DimList shape;
  std::shared_ptr<const std::vector<Type>> parts = nullptr; ///< of several results; else null

  int rank() const { return static_cast<int>(shape.size()); }
  bool is_array() const { return parts == nullptr; }
  std::string to_string() const; ///< "f32[?,784]", "(f32[?], i64[?])"
};
/// Of a node with these results.
Type type_of_parts(std::vector<Type> parts);
bool same(const DimList& a, const DimList& b);
bool same(const Type& a, const Type& b);
/// Whether an int64 counts the bytes of a dense array of this type, taking unknown dims for 1 and
/// leaving zeros out, as NumPy does.
bool is_countable(const Type& type);

/// Two dims that must be equal at run time, because `Node` says so.
struct Constraint {
  Dim a{0}, b{0};
  std::string what; ///< "dims differ: x f32[?] has ? on axis 0, y f32[?] has ? on axis 0"
  /// Not required, but worth compiling for: a call where it fails runs a more general version.
  bool is_assumed = false;
  std::string hint = {};
  std::string op = {}; ///< The function that the user called; empty: it is named like the op.
};

/// The operands of a node.
using Exprs = support::SmallVector<Expr, 2>;

struct Node {
  const Op* op = nullptr;
  Exprs inputs;
  Params params;
  Type type;
  std::vector<Constraint> constraints;
  std::string name; ///< inputs, shared variables and constants only
  Location where;
  bool is_implied = false; ///< a conversion that nobody wrote: it brings operands to one dtype

  Node() = default;
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;
  /// Takes the inputs apart with a worklist: a chain of 100,000 nodes must not recurse.
  ~Node();
};

/// What an input, an array and a shared variable are told apart by.
struct InputLeaf {
  std::string name;
};
struct ArrayLeaf {
  Array value;
};
struct SharedState {
  std::string name;
  Location where;
  /// Held shared by calls that read `value` and exclusively by calls that update it.
  mutable support::SharedMutex mutex;
  Array value;
  /// Added to the variable by every function that reads it and names no update for it (random
  /// streams advance this way); null for ordinary variables. No expression of the variable's own,
  /// which would keep it alive for ever.
  std::shared_ptr<const Node> step;
};

/// Builds a node of `op`, inferring its type; throws the row's errors, placed at `where`.
Expr make(const Op& op, Exprs inputs, Params params, Location where,
          std::vector<Constraint> assumed = {});
/// The same, to be completed before it is put into an Expr.
std::shared_ptr<Node> make_node(const Op& op, Exprs inputs, Params params, Location where,
                                std::vector<Constraint> assumed = {});
/// The expression of a node that is complete now.
Expr made(std::shared_ptr<const Node> node);

/// Is told of each expression that a thread makes.
class Observer {
public:
  virtual ~Observer() = default;
  virtual void made(const Expr& e) = 0;
};
/// This thread's; null: none.
Observer*& observer();

/// Every node that `roots` reach, inputs before users, in an order that depends on the
/// expressions alone.
std::vector<const Node*> topological_order(std::span<const Expr> roots);
/// The same as handles, which are in `roots` and in the nodes themselves.
std::vector<const Expr*> topological_handles(std::span<const Expr> roots);

/// Place text for messages: "train.cpp:41; W from train.cpp:12".
std::string place_of(Location where, std::span<const Expr> involved);

} // namespace kroton::ir
