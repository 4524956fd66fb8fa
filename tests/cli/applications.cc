// Applications that do one thing wrong each, for cli_test.
#include <sluice/sluice.h>
#include <sluice/streaming.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace {

sluice::StreamingContext stream(const char* name) { return {sluice::Conf().setAppName(name), sluice::Milliseconds(100)}; }

}  // namespace

SLUICE_APPLICATION(PrintsArguments) {
  for (const auto& word : args) std::printf("[%s]\n", word.c_str());
}

// Adds what is asked for: NeedsArguments LEFT RIGHT
SLUICE_APPLICATION(NeedsArguments, "LEFT RIGHT") { std::printf("%ld\n", args.number(0) + args.number(1)); }

SLUICE_APPLICATION(PrintsSetting) {
  sluice::Context context;
  std::printf("%s\n", context.setting(args.at(0)).c_str());
}

// Words of the files of the last minute, ten times a second; goes on from its checkpoint.
SLUICE_APPLICATION(CountsTheLastMinute, "DIRECTORY CHECKPOINT") {
  auto ssc = stream("CountsTheLastMinute");
  ssc.checkpoint(args.at(1));
  auto counts = ssc.textFileStream(args.at(0))
                    .flatMap([](std::string_view line) { return sluice::split(line, ' '); })
                    .map([](std::string_view word) { return std::pair(std::string(word), 1); })
                    .reduceByKeyAndWindow(std::plus<>(), std::minus<>(), sluice::Seconds(60), sluice::Milliseconds(100));
  counts.checkpoint(sluice::Milliseconds(200));
  counts.print();
  ssc.start();
  ssc.awaitTermination();
}

// What a file of a shipped archive holds: ReadsArchive NAME FILE [EXPECTED]. Fails if that is something else.
SLUICE_APPLICATION(ReadsArchive, "NAME FILE [EXPECTED]") {
  sluice::Context context;
  std::string name(args.at(0)), file(args.at(1));
  auto lines = context.range(0, 1, 1, 1).map(sluice::with([](std::int64_t, const std::string& folder, const std::string& path) {
    std::ifstream in(sluice::Files::get(folder) + "/" + path);
    std::string line;
    std::getline(in, line);
    return line;
  }, name, file));
  std::string line = lines.first();
  if (!args.get(2, "").empty() && line != args.get(2, "")) std::_Exit(9);
  std::printf("%s\n", line.c_str());
}

// Which GPUs tasks have, how many run at once on one, and those of the driver: "0 1", most on one, "7".
SLUICE_APPLICATION(ShowsResources) {
  sluice::Context context;
  auto had = context.range(0, 24, 1, 24).map([](std::int64_t) {
    std::string mine;
    for (const auto& address : sluice::TaskContext::get()->resources().at("gpu").addresses) mine += (mine.empty() ? "" : "+") + address;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));  // so that others run meanwhile
    return mine;
  });
  std::set<std::string> all;
  for (const auto& one : had.collect()) all.insert(one);
  for (const auto& one : all) std::printf("%s\n", one.c_str());
  std::printf("at once: %d\n", context.defaultParallelism());
  for (const auto& [name, resource] : context.resources()) std::printf("driver: %s %s\n", name.c_str(), resource.addresses.at(0).c_str());
}

SLUICE_APPLICATION(NeverEnds) {
  sluice::Context context(sluice::Conf().setAppName("NeverEnds"));
  context.parallelize({1}).foreach([](int) {
    std::puts("running");
    std::fflush(stdout);
    for (volatile bool on = true; on;) {
    }
  });
}

// Fifty records at once, and fifty a little later.
struct TwiceFifty : sluice::Receiver<int> {
  void onStart() override {
    for (int half = 0; half < 2; ++half) {
      for (int i = 0; i < 50; ++i) store(i);
      std::this_thread::sleep_for(std::chrono::milliseconds(300));
    }
    std::puts("all received");
    std::fflush(stdout);
  }
};

// A function of the driver that takes long over each batch: SlowStream MILLISECONDS
SLUICE_APPLICATION(SlowStream) {
  auto ssc = stream("SlowStream");
  std::atomic<long> seen{0};
  long delay = args.number(0);
  ssc.receiverStream<TwiceFifty>().foreachRDD([&](const sluice::RDD<int>& rdd) {
    long n = rdd.count();
    if (n == 0) return;
    std::puts("working");
    std::fflush(stdout);
    std::this_thread::sleep_for(std::chrono::milliseconds(delay));
    std::printf("seen %ld\n", seen += n);
  });
  ssc.start();
  ssc.awaitTermination();
  std::puts("ended");
}

SLUICE_APPLICATION(NoOutput) {
  auto ssc = stream("NoOutput");
  ssc.socketTextStream("localhost", 9).map([](std::string_view line) { return line.size(); });
  ssc.start();
}

SLUICE_APPLICATION(StartAfterStop) {
  auto ssc = stream("StartAfterStop");
  ssc.socketTextStream("localhost", 9).print();
  ssc.start();
  ssc.stop();
  ssc.start();
}

SLUICE_APPLICATION(SecondContext) {
  sluice::Context first, second;
}

SLUICE_APPLICATION(CapturesByReference) {
  sluice::Context context;
  std::size_t longest = 10;
  auto words = context.parallelize(std::vector<std::string>{"a", "b"}, 2);
  std::printf("%zu\n", std::size_t(words.filter([&longest](const std::string& word) { return word.size() < longest; }).count()));
}

SLUICE_APPLICATION(UserException) {
  sluice::Context context;
  auto doubled = context.range(0, 100, 1, 4).map([](std::int64_t n) {
    if (n == 42) throw std::runtime_error("no forty-two");
    return 2 * n;
  });
  std::printf("%zu\n", doubled.collect().size());
}

SLUICE_APPLICATION(UserSegfault) {
  sluice::Context context;
  auto doubled = context.range(0, 100, 1, 4).map([](std::int64_t n) {
    if (n == 42) std::raise(SIGSEGV);
    return 2 * n;
  });
  std::printf("%zu\n", doubled.collect().size());
}

SLUICE_APPLICATION(ThrowsOutsideSluice) { throw std::runtime_error("the driver's own trouble"); }
