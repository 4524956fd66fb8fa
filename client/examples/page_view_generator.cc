#include <sluice/streaming.h>

#include <chrono>
#include <cstdlib>
#include <random>

#include "tcp_server.h"

namespace {

// A view of a page by one of 100 users, as PageViewStream reads it: URL, status, zip code and user, with tabs between.
template <class Random> std::string nextView(Random& random) {
  static const char* const kPages[] = {"http://foo.com/", "http://foo.com/news", "http://foo.com/contact"};
  auto one = [&](std::initializer_list<double> weights) { return std::discrete_distribution<std::size_t>(weights)(random); };
  const char* page = kPages[one({0.7, 0.2, 0.1})];
  int status = one({0.95, 0.05}) == 0 ? 200 : 404, zipCode = one({0.5, 0.5}) == 0 ? 94709 : 94117;
  int user = std::uniform_int_distribution(1, 100)(random);
  return std::string(page) + "\t" + std::to_string(status) + "\t" + std::to_string(zipCode) + "\t" + std::to_string(user) + "\n";
}

}  // namespace

// Sends made-up views of pages to whoever connects, for PageViewStream: PageViewGenerator PORT VIEWS-PER-SECOND [ADDRESS]
SLUICE_APPLICATION(PageViewGenerator) {
  double viewsPerSecond = std::strtod(args.at(1).c_str(), nullptr);
  if (!(viewsPerSecond > 0)) throw std::runtime_error("the views per second are '" + args.at(1) + "'; give a number above 0");
  auto pause = std::chrono::duration_cast<std::chrono::steady_clock::duration>(std::chrono::duration<double>(1 / viewsPerSecond));
  examples::TcpServer(args.number(0), args.get(2, "127.0.0.1")).serve([pause](examples::Client& client) {
    std::mt19937_64 random{std::random_device()()};
    auto next = std::chrono::steady_clock::now();
    do {
      std::this_thread::sleep_until(next += pause);
    } while (client.send(nextView(random)));
  });
}
