#include <sluice/streaming.h>

#include <fstream>
#include <set>

namespace {

// Spark's example makes these singletons lazily, since its checkpoints lose them; here the function that makes the context makes them, too.
sluice::StreamingContext create(const sluice::Args& args) {
  sluice::StreamingContext ssc(sluice::Conf().setAppName("RecoverableNetworkWordCount"), sluice::Seconds(1));
  auto excluded = ssc.context().broadcast(std::set<std::string, std::less<>>{"a", "b", "c"});
  auto dropped = ssc.context().longAccumulator("dropped words");
  auto counts = ssc.socketTextStream(args.at(0), args.at(1))
                    .flatMap([](std::string_view line) { return sluice::split(line, ' '); })
                    .map([](std::string_view word) { return std::pair(word, 1L); })
                    .updateStateByKey([](const std::vector<long>& ones, std::optional<long> total) { return std::optional(total.value_or(0) + long(ones.size())); })
                    .uid("totals");
  counts.foreachRDD([excluded, dropped, output = args.at(3)](const auto& rdd, sluice::Time time) {
    auto kept = rdd.filter([excluded, dropped](const auto& count) {
      if (!excluded->contains(count.first)) return true;
      dropped += 1;
      return false;
    });
    std::ofstream out(output, std::ios::app);
    for (const auto& [word, n] : kept.collect()) out << time.toString() << ": " << word << " " << n << "\n";
    out << time.toString() << ": dropped " << dropped.value() << "\n";
  });
  return ssc;
}

}  // namespace

// Goes on counting words where it stopped, without a few: RecoverableNetworkWordCount HOST PORT CHECKPOINT-DIRECTORY OUTPUT-FILE
SLUICE_APPLICATION(RecoverableNetworkWordCount) {
  auto ssc = sluice::StreamingContext::getOrCreate(args.at(2), [&] { return create(args); });
  ssc.start();
  ssc.awaitTermination();
}
