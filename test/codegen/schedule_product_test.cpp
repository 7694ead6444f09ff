/// How matrix products run on a CPU, as it is decided: no text is written here.
#include "codegen/schedule/product.hpp"

#include "test/support/catch.hpp"

using namespace kroton;
using namespace kroton::codegen;

namespace {

using Known = ContractionSizes<std::optional<std::int64_t>>;

/// Row-major matrices, of which sizes that are 0 are not known.
ContractionShape shape_of(std::int64_t m, std::int64_t n, std::int64_t k, int vector_bytes = 64,
                          DType dtype = DType::f32) {
  const auto known = [](std::int64_t size) {
    return size > 0 ? std::optional(size) : std::nullopt;
  };
  return {.dtype = dtype,
          .vector_bytes = vector_bytes,
          .known = {.m = known(m),
                    .n = known(n),
                    .k = known(k),
                    .a_row = known(k),
                    .a_col = 1,
                    .b_row = known(n),
                    .b_col = 1,
                    .c_row = known(n)}};
}

struct Decision {
  const char* what;
  ContractionShape shape;
  ContractionScheme scheme;
  const char* schedule;
};

} // namespace

TEST_CASE("how matrix products run on a CPU", "[schedule]") {
  using enum ContractionScheme;
  ContractionShape turned = shape_of(0, 10, 0), accumulating = shape_of(100, 64, 100),
                   far = shape_of(0, 0, 0);
  turned.known.a_row = 1;
  turned.known.a_col = std::nullopt;
  accumulating.accumulates = true;
  far.known.b_col = std::nullopt;
  const Decision decisions[] = {
      {"any sizes", shape_of(0, 0, 0), rows,
       "vectors along rows of c, tiles of 8 rows x 2 vectors, 1 for what columns are left, up to 2 "
       "rows left done one by one; sums in blocks of 256 terms; longer sums in parts of 4096 "
       "terms; 8 rows a unit, chunks of at least 524288 products in parallel"},
      {"any sizes, AVX2", shape_of(0, 0, 0, 32), rows,
       "vectors along rows of c, tiles of 4 rows x 2 vectors, 1 for what columns are left; sums in "
       "blocks of 256 terms; longer sums in parts of 4096 terms; 4 rows a unit, chunks of at least "
       "524288 products in parallel"},
      {"any sizes, SSE", shape_of(0, 0, 0, 16), rows,
       "vectors along rows of c, tiles of 4 rows x 2 vectors, 1 for what columns are left; b "
       "copied first; sums in blocks of 256 terms; longer sums in parts of 4096 terms; 4 rows a "
       "unit, chunks of at least 524288 products in parallel"},
      {"a b that does not lie in rows", far, rows,
       "vectors along rows of c, tiles of 8 rows x 2 vectors, 1 for what columns are left, up to 2 "
       "rows left done one by one; b copied first; sums in blocks of 256 terms; longer sums in "
       "parts of 4096 terms; 8 rows a unit, chunks of at least 524288 products in parallel"},
      {"small matrices", shape_of(4, 4, 4), rows,
       "written out, element by element; on the calling thread"},
      {"a small matrix by a vector, AVX2", shape_of(10, 1, 10, 32, DType::f64), rows,
       "written out, element by element; on the calling thread"},
      {"rows of c as long as a vector", shape_of(4, 8, 4), rows,
       "vectors along rows of c, tiles of 4 rows x 1 vector; on the calling thread"},
      {"known sizes, little work", shape_of(32, 10, 64), rows,
       "vectors along rows of c, tiles of 16 rows x 1 vector; on the calling thread"},
      {"known sizes, a rest of rows", shape_of(100, 64, 100), rows,
       "vectors along rows of c, tiles of 12 rows x 2 vectors, the last one overlapping; on the "
       "calling thread"},
      {"what accumulates is computed once", accumulating, rows,
       "vectors along rows of c, tiles of 12 rows x 2 vectors; on the calling thread"},
      {"a long k", shape_of(64, 64, 100000), rows,
       "vectors along rows of c, tiles of 11 rows x 2 vectors, the last one overlapping; sums in "
       "blocks of 256 terms; longer sums in parts of 4096 terms; 11 rows a unit, chunks of at "
       "least 524288 products in parallel"},
      {"integers", shape_of(0, 0, 0, 64, DType::i32), rows,
       "vectors along rows of c, tiles of 8 rows x 2 vectors, 1 for what columns are left; 8 rows "
       "a unit, chunks of at least 524288 products in parallel"},
      {"narrow, a transposed", turned, columns,
       "vectors along columns of c, tiles of 10 columns x 2 vectors; sums in blocks of 256 terms; "
       "longer sums in parts of 4096 terms; 32 rows a unit, chunks of at least 524288 products in "
       "parallel"},
      {"narrow, a long k", shape_of(0, 10, 784), dots,
       "vectors along k, tiles of 2 rows x 10 columns; b copied first; 2 rows a unit, chunks of at "
       "least 524288 products in parallel"},
      {"large", shape_of(1024, 1024, 1024), packed,
       "blocks of 384 terms x 512 columns packed for the caches, tiles of 12 rows x 2 vectors; 12 "
       "rows a unit, chunks of at least 524288 products in parallel"},
      {"large, f64", shape_of(1024, 1024, 1024, 32, DType::f64), packed,
       "blocks of 384 terms x 256 columns packed for the caches, tiles of 6 rows x 2 vectors; 6 "
       "rows a unit, chunks of at least 524288 products in parallel"},
  };
  for (const Decision& d : decisions) {
    INFO(d.what);
    CHECK(schedule_for_cpu(d.shape, d.scheme).to_string() == d.schedule);
  }
}

TEST_CASE("how products are summed does not depend on what is known of sizes", "[schedule]") {
  for (int bytes : {16, 32, 64})
    for (std::int64_t k : {300, 5000}) {
      const ContractionShape known = shape_of(64, 10, k, bytes), any = shape_of(0, 0, 0, bytes);
      const auto schemes = possible_schemes(known);
      REQUIRE(schemes.size() == 1);
      const ProductSchedule a = schedule_for_cpu(known, schemes[0]),
                            b = schedule_for_cpu(any, schemes[0]);
      CHECK(a.block_terms == b.block_terms);
      // A text for any sizes can make parts, and does so where one for known sizes would.
      CHECK(b.part_terms > 0);
      CHECK((a.part_terms == b.part_terms || (a.part_terms == 0 && k <= b.part_terms)));
    }
}
