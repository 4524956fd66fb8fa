#include "master/locality.h"

#include <algorithm>
#include <numeric>

#include "common/preferred_places.h"

namespace sluice::master {
namespace {

struct Room {
  std::uint32_t executor, slots, left;
};

// Executors that are named, else all on the hosts that are.
std::vector<std::size_t> choicesOf(const App& app, const std::vector<Room>& rooms, const Wish& wish) {
  std::vector<std::size_t> named, near;
  for (std::size_t i = 0; i < rooms.size(); ++i) {
    const Executor& executor = *app.executors[rooms[i].executor];
    bool exact = false, host = false;
    for (const auto& text : wish.places) {
      NamedPlace place = parsePlace(text);
      host |= place.host == executor.host;
      exact |= place.executor != 0 && place.host == executor.host && place.executor == executor.id.value;
    }
    if (exact) named.push_back(i);
    if (host) near.push_back(i);
  }
  return named.empty() ? near : named;
}

bool hasMoreRoom(const Room& a, const Room& b) { return std::uint64_t(a.left) * b.slots > std::uint64_t(b.left) * a.slots; }

}  // namespace

std::vector<std::uint32_t> grantWishes(const App& app, const std::vector<std::uint32_t>& executors, const std::vector<Wish>& wishes) {
  std::vector<Room> rooms;
  std::uint64_t slots = 0;
  for (std::uint32_t e : executors) rooms.push_back({e, std::max(app.executors[e]->slots, 1u), 0}), slots += rooms.back().slots;
  std::vector<std::uint32_t> at(wishes.size(), ~0u);
  if (rooms.empty()) return at;
  const auto rounds = std::uint32_t((wishes.size() + slots - 1) / slots);
  for (Room& room : rooms) room.left = room.slots * rounds;

  std::vector<std::vector<std::size_t>> choices;
  for (const Wish& wish : wishes) choices.push_back(choicesOf(app, rooms, wish));
  std::vector<std::size_t> order(wishes.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  auto rank = [&](std::size_t task) { return choices[task].empty() ? rooms.size() + 1 : choices[task].size(); };
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return rank(a) < rank(b); });

  auto give = [&](std::size_t task, Room& room) { --room.left, at[task] = room.executor; };
  for (std::size_t task : order) {
    Room* best = nullptr;
    for (std::size_t i : choices[task]) {
      if (rooms[i].left > 0 && (!best || hasMoreRoom(rooms[i], *best))) best = &rooms[i];
    }
    if (best) give(task, *best);
  }
  for (std::size_t task = 0; task < wishes.size(); ++task) {
    if (at[task] != ~0u) continue;
    auto standard = std::find_if(rooms.begin(), rooms.end(), [&](const Room& room) { return room.executor == wishes[task].standard && room.left > 0; });
    if (standard == rooms.end()) standard = std::max_element(rooms.begin(), rooms.end(), [](const Room& a, const Room& b) { return hasMoreRoom(b, a); });
    give(task, *standard);
  }
  return at;
}

}  // namespace sluice::master
