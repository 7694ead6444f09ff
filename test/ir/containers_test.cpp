/// The containers that graphs are made of: lib/support's vectors and maps, and the table of nodes.
#include <memory>
#include <string>
#include <vector>

#include "lib/ir/node_table.hpp"
#include "lib/support/box.hpp"
#include "lib/support/chunked_vector.hpp"
#include "lib/support/flat_map.hpp"
#include "lib/support/small_vector.hpp"
#include "test/support/catch.hpp"

namespace kroton::test {

using Few = support::SmallVector<std::shared_ptr<int>, 2>;

TEST_CASE("a small vector keeps its elements when it leaves its object", "[graph]") {
  const auto one = std::make_shared<int>(1);
  {
    Few few{one, one};
    CHECK(few.capacity() == 2);
    few.push_back(few[0]); // the argument is in what moves
    few.emplace_back(std::make_shared<int>(4));
    CHECK(few.size() == 4);
    CHECK(*few[2] == 1);
    CHECK(*few.back() == 4);
    few.erase(few.begin());
    CHECK(few.size() == 3);
    CHECK(one.use_count() == 3);
  }
  CHECK(one.use_count() == 1);
}

TEST_CASE("small vectors are copied, moved and compared by what they hold", "[graph]") {
  const auto one = std::make_shared<int>(1);
  for (const std::size_t n : {std::size_t{1}, std::size_t{5}}) {
    Few a(n, one);
    Few b = a;
    CHECK(b == a);
    CHECK(one.use_count() == 1 + 2 * static_cast<long>(n));
    Few c = std::move(b);
    CHECK(c == a);
    CHECK(b.empty()); // NOLINT: moved from, and empty
    b = c;
    c = Few{one};
    a = std::move(b);
    CHECK(a.size() == n);
    CHECK(c.size() == 1);
    CHECK(one.use_count() == 2 + static_cast<long>(n));
  }
  CHECK(one.use_count() == 1);
}

TEST_CASE("what lies in a chunked vector stays where it is", "[graph]") {
  support::ChunkedVector<std::string> v;
  const std::string* first = &v.push_back("0");
  for (int i = 1; i < 1000; ++i) v.push_back(std::to_string(i));
  CHECK(first == &v[0]);
  CHECK(v[999] == "999");
  const support::ChunkedVector<std::string> copy = v;
  v[999] = "other";
  CHECK(copy[999] == "999");
}

TEST_CASE("a chunked vector can be gathered in any order", "[graph]") {
  support::ChunkedVector<std::string> v;
  for (int i = 0; i < 200; ++i) v.push_back(std::to_string(i));
  std::vector<std::size_t> from;
  for (std::size_t i = 0; i < 150; ++i) from.push_back(i * 7 % 200);
  v.gather(from);
  REQUIRE(v.size() == 150);
  for (std::size_t i = 0; i < 150; ++i) CHECK(v[i] == std::to_string(from[i]));
  v.push_back("last");
  CHECK(v[150] == "last");
}

TEST_CASE("a flat map finds what it was given, and nothing else", "[graph]") {
  support::FlatMap<int, int> map;
  CHECK(map.find(1) == nullptr);
  for (int i = 0; i < 1000; ++i) CHECK(map.emplace(i * 64, i).is_new);
  CHECK_FALSE(map.emplace(64, 7).is_new);
  CHECK(*map.find(64) == 1);
  CHECK(*map.find(999 * 64) == 999);
  CHECK_FALSE(map.contains(63));
  CHECK(map.size() == 1000);
  support::FlatSet<int> set;
  CHECK(set.insert(3));
  CHECK_FALSE(set.insert(3));
}

TEST_CASE("a node table finds nodes by key until they are erased", "[graph]") {
  ir::NodeTable table;
  const auto any = [](ir::NodeId) { return true; };
  CHECK(table.find(5, any) == ir::no_node);
  // Erasing and inserting for long must leave free slots, or finding would not end.
  for (ir::NodeId id = 0; id < 1000; ++id) {
    table.insert(5, id);
    if (id >= 3) table.erase(5, id - 3);
  }
  CHECK(table.find(5, [](ir::NodeId id) { return id == 996; }) == ir::no_node);
  CHECK(table.find(5, [](ir::NodeId id) { return id == 998; }) == 998);
  CHECK(table.find(6, any) == ir::no_node);
}

TEST_CASE("a box of nothing reads as the default value", "[graph]") {
  support::Box<std::string> box;
  CHECK(box->empty());
  CHECK(box.get() == nullptr);
  box = std::string("text");
  const support::Box<std::string> copy = box;
  box.get()->clear();
  CHECK(*copy == "text");
}

} // namespace kroton::test
