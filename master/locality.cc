#include "master/locality.h"

#include <algorithm>
#include <numeric>
#include <string_view>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "common/preferred_places.h"

namespace sluice::master {
namespace {

struct Room {
  std::uint32_t executor, slots, left;
};

// The rooms by host and by executor.
class RoomsByPlace {
 public:
  RoomsByPlace(const App& app, const std::vector<Room>& rooms) {
    for (std::size_t i = 0; i < rooms.size(); ++i) {
      const Executor& executor = *app.executors[rooms[i].executor];
      hosts_[executor.host].push_back(i);
      named_[std::pair(std::string_view(executor.host), executor.id.value)] = i;
    }
  }
  // Executors that are named, else all on the hosts that are.
  std::vector<std::size_t> choicesOf(const Wish& wish) const {
    std::vector<std::size_t> named, near;
    for (const auto& text : wish.places) {
      NamedPlace place = parsePlace(text);
      if (auto exact = named_.find(std::pair(place.host, place.executor)); exact != named_.end()) named.push_back(exact->second);
      if (auto host = hosts_.find(place.host); host != hosts_.end()) near.insert(near.end(), host->second.begin(), host->second.end());
    }
    auto& found = named.empty() ? near : named;
    std::sort(found.begin(), found.end());
    found.erase(std::unique(found.begin(), found.end()), found.end());
    return std::move(found);
  }

 private:
  absl::flat_hash_map<std::string_view, std::vector<std::size_t>> hosts_;
  absl::flat_hash_map<std::pair<std::string_view, std::uint64_t>, std::size_t> named_;
};

bool hasMoreRoom(const Room& a, const Room& b) { return std::uint64_t(a.left) * b.slots > std::uint64_t(b.left) * a.slots; }

}  // namespace

std::vector<std::uint32_t> grantWishes(const App& app, const std::vector<std::uint32_t>& executors, const std::vector<std::uint32_t>& given,
                                       const std::vector<Wish>& wishes) {
  std::vector<Room> rooms;
  std::uint64_t slots = 0, tasks = wishes.size();
  std::vector<std::size_t> roomOf(app.executors.size(), ~std::size_t{0});
  for (std::uint32_t e : executors) {
    roomOf[e] = rooms.size();
    rooms.push_back({e, std::max(app.executors[e]->slots, 1u), 0}), slots += rooms.back().slots;
  }
  std::vector<std::uint32_t> at(wishes.size(), ~0u);
  if (rooms.empty()) return at;
  for (const Room& room : rooms) tasks += given[room.executor];
  const auto rounds = std::uint32_t((tasks + slots - 1) / slots);
  for (Room& room : rooms) room.left = room.slots * rounds - std::min(room.slots * rounds, given[room.executor]);

  RoomsByPlace byPlace(app, rooms);
  std::vector<std::vector<std::size_t>> choices;
  for (const Wish& wish : wishes) choices.push_back(byPlace.choicesOf(wish));
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
    std::size_t standard = roomOf[wishes[task].standard];
    bool room = standard < rooms.size() && rooms[standard].left > 0;
    give(task, room ? rooms[standard] : *std::max_element(rooms.begin(), rooms.end(), [](const Room& a, const Room& b) { return hasMoreRoom(b, a); }));
  }
  return at;
}

}  // namespace sluice::master
