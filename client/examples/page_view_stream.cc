#include <sluice/streaming.h>

#include <cstdio>
#include <cstdlib>
#include <stdexcept>

namespace {

struct PageView {
  std::string url;
  int status = 0, zipCode = 0, userID = 0;
  SLUICE_FIELDS(PageView, url, status, zipCode, userID)

  // What PageViewGenerator sends; nothing of a line that is no view.
  static std::optional<PageView> fromString(std::string_view line) {
    std::vector<std::string> parts;
    for (std::string_view part : sluice::split(line, '\t')) parts.emplace_back(part);
    if (parts.size() != 4) return std::nullopt;
    return PageView{parts[0], std::atoi(parts[1].c_str()), std::atoi(parts[2].c_str()), std::atoi(parts[3].c_str())};
  }
};

using sluice::Seconds;

// Views of each page in each second.
void pageCounts(const sluice::DStream<PageView>& views) {
  views.map([](const PageView& view) { return view.url; }).countByValue().print();
}

// Views of each page in the last ten seconds.
void slidingPageCounts(const sluice::DStream<PageView>& views) {
  views.map([](const PageView& view) { return view.url; }).countByValueAndWindow(Seconds(10), Seconds(2)).print();
}

// How many of the views of the last 30 seconds failed, by zip code; with stars if it is more than one of twenty.
void errorRatePerZipCode(const sluice::DStream<PageView>& views) {
  views.window(Seconds(30), Seconds(2))
      .map([](const PageView& view) { return std::pair(view.zipCode, view.status); })
      .groupByKey()
      .map([](const std::pair<int, std::vector<int>>& statuses) {
        std::size_t errors = 0;
        for (int status : statuses.second) errors += status != 200;
        double ratio = double(errors) / double(statuses.second.size());
        char text[64];
        std::snprintf(text, sizeof text, ratio > 0.05 ? "%d: **%g**" : "%d: %g", statuses.first, ratio);
        return std::string(text);
      })
      .print();
}

// The number of different users of the last 15 seconds.
void activeUserCount(const sluice::DStream<PageView>& views) {
  views.window(Seconds(15), Seconds(2))
      .map([](const PageView& view) { return std::pair(view.userID, 1); })
      .groupByKey()
      .count()
      .map([](std::int64_t users) { return "Unique active users: " + std::to_string(users); })
      .print();
}

// Names the users that an earlier dataset knows.
void popularUsersSeen(const sluice::DStream<PageView>& views, const sluice::Context& context) {
  auto users = context.parallelize({std::pair(1, "Patrick Wendell"), std::pair(2, "Reynold Xin"), std::pair(3, "Matei Zaharia")}).cache();
  views.map([](const PageView& view) { return std::pair(view.userID, 1); }).foreachRDD([users](const auto& rdd, sluice::Time time) {
    auto names = rdd.join(users).map([](const auto& both) { return both.second.second; });
    for (const std::string& name : names.take(10)) std::printf("Saw user %s at time %s\n", name.c_str(), time.toString().c_str());
    std::fflush(stdout);
  });
}

}  // namespace

// Measures the views that PageViewGenerator sends: PageViewStream pageCounts | slidingPageCounts | errorRatePerZipCode | activeUserCount |
// popularUsersSeen HOST PORT [CHECKPOINT-DIRECTORY]
SLUICE_APPLICATION(PageViewStream) {
  sluice::StreamingContext ssc(sluice::Conf().setAppName("PageViewStream"), Seconds(1));
  auto views = ssc.socketTextStream(args.at(1), args.at(2)).flatMap([](std::string_view line) { return PageView::fromString(line); });
  const std::string& metric = args.at(0);
  if (metric == "pageCounts") pageCounts(views);
  else if (metric == "slidingPageCounts") ssc.checkpoint(args.get(3, "checkpoint")), slidingPageCounts(views);
  else if (metric == "errorRatePerZipCode") errorRatePerZipCode(views);
  else if (metric == "activeUserCount") activeUserCount(views);
  else if (metric == "popularUsersSeen") popularUsersSeen(views, ssc.context());
  else throw std::runtime_error("there is no metric " + metric + "; name pageCounts, slidingPageCounts, errorRatePerZipCode, activeUserCount or popularUsersSeen");
  ssc.start();
  ssc.awaitTermination();
}
