/// What every test includes: compiled once for all test executables (-Db_pch=false leaves it out).
#include "lib/support/pch/standard.hpp"

#include "test/support/catch.hpp"
