#include <sluice/sluice.h>

#include <cstdio>

// Brings two datasets together by key, with and without the keys that only one of them has: Join
SLUICE_APPLICATION(Join) {
  sluice::Context context(sluice::Conf().setAppName("Join"));
  auto ages = context.parallelize({std::pair("ann", 31), std::pair("bob", 27), std::pair("eve", 44)});
  auto cities = context.parallelize({std::pair("ann", "Lyon"), std::pair("eve", "Oslo"), std::pair("eve", "Rome"), std::pair("joe", "Bonn")});
  std::puts("join:");
  for (const auto& [name, both] : ages.join(cities).sortByKey().collect()) {
    std::printf("  %s is %d and lives in %s\n", name.c_str(), both.first, both.second.c_str());
  }
  std::puts("leftOuterJoin:");
  for (const auto& [name, both] : ages.leftOuterJoin(cities).sortByKey().collect()) {
    std::printf("  %s is %d and lives %s\n", name.c_str(), both.first, both.second ? ("in " + *both.second).c_str() : "nowhere we know");
  }
}
