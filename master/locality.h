// Which executors run the tasks of a stage whose inputs have places of their own.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "master/state.h"

namespace sluice::master {

struct Wish {
  std::vector<std::string> places;  // none: it is all the same
  std::uint32_t standard = 0;       // executor, by index: where it runs without a wish
};

// For each task, by index of the executor. Wishes hold nobody up: no executor is given more tasks than the rounds of its slots that the stage
// needs anyway, spread evenly; who finds no room where it would rather be runs where there is some. Of two tasks that want one slot, the one
// with fewer choices has it. `given`: how many tasks of the stage are at each executor of the application already, by index.
std::vector<std::uint32_t> grantWishes(const App& app, const std::vector<std::uint32_t>& executors, const std::vector<std::uint32_t>& given,
                                       const std::vector<Wish>& wishes);

}  // namespace sluice::master
