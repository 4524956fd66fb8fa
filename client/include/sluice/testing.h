// The test kit: applications' streams and datasets as tables of input and expected output, on a clock that the test moves.
//
//   // Streams of the application are functions from streams to streams, so that they can be tested.
//   template <class Text> auto longWords(const sluice::DStream<Text>& words) {
//     return words.filter([](const Text& word) { return word.size() > 3; });
//   }
//   TEST(LongWords, AreKept) { expectBatches<std::string>({{"be", "have"}, {}}, [](const auto& s) { return longWords(s); }, {{"have"}, {}}); }
//
// Link libsluice_testing (CMake: Sluice::testing, or Sluice::testing_main with a main() for GoogleTest). What does not fit is thrown as
// sluice::Error with file and line, so any test framework will do, or none. Of the parts, expect.h has tables, cluster.h the cluster
// beneath them for tests that go step by step, batch.h batches and their comparison.
#pragma once
#include "sluice/testing/batch.h"
#include "sluice/testing/cluster.h"
#include "sluice/testing/expect.h"
