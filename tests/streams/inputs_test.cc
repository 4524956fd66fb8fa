// Sources: generated integers, sockets, receivers of the application's own.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "sluice/streaming_listener.h"
#include "sluice/testing.h"

namespace {

using sluice::Seconds;
using sluice::testing::Batches;
using sluice::testing::Cluster;
using sluice::testing::errorOf;
using sluice::testing::Shape;
using Pair = std::pair<std::string, int>;

// ---- generator ----

TEST(Generator, BatchesFollowFromTheTime) {
  for (Shape shape : {Shape::kLocal1, Shape::kLocal4, Shape::kSimulated, Shape::kInProcess}) {
    SCOPED_TRACE(nameOf(shape));
    std::string directory = sluice::testing::temporaryDirectory();
    std::shared_ptr<const Batches<std::int64_t>> got;
    auto define = [&](Cluster& c) {
      c.streaming().checkpoint(directory);
      got = c.collect(c.streaming().generatorStream(2.5, 2));
    };
    Cluster cluster(shape);
    define(cluster);
    cluster.runBatches(3);
    sluice::testing::expectEqual<std::int64_t>(*got, {{0, 1}, {2, 3, 4}, {5, 6}}, false, "before");
    EXPECT_EQ((*got)[0].parts->size(), 2u);
    if (shape == Shape::kSimulated || shape == Shape::kInProcess) cluster.kill(1);
    cluster.stopAndRestore(define);
    cluster.runBatches(2);
    sluice::testing::expectEqual<std::int64_t>(*got, {{7, 8, 9}, {10, 11}}, false, "after");
  }
}

TEST(Generator, AFunctionMakesTheRecords) {
  Cluster cluster(Shape::kLocal4);
  EXPECT_NE(errorOf([&] { cluster.streaming().generatorStream(0); }).find("it must be above 0"), std::string::npos);
  auto got = cluster.collect(cluster.streaming().generatorStream(3, [](std::int64_t i) { return Pair("k" + std::to_string(i % 2), int(i)); }, 1));
  cluster.runBatches(1);
  EXPECT_EQ((*got)[0].records(), (std::vector<Pair>{{"k0", 0}, {"k1", 1}, {"k0", 2}}));
}

// ---- queues ----

TEST(QueueStreams, OneAtATimeOrAllOrTheStandardOne) {
  for (Shape shape : {Shape::kLocal1, Shape::kLocal4, Shape::kSimulated, Shape::kInProcess}) {
    SCOPED_TRACE(nameOf(shape));
    Cluster cluster(shape);
    auto& ssc = cluster.streaming();
    auto of = [&](int x) { return cluster.context().parallelize({x}, 1); };
    sluice::RDDQueue<int> singly, together, few;
    singly += of(1), singly.push(of(2));
    together.push(of(1)), together.push(of(2));
    few.push(of(1));
    auto one = cluster.collect(ssc.queueStream(singly)), all = cluster.collect(ssc.queueStream(together, false)), other = cluster.collect(ssc.queueStream(few, true, of(9)));
    auto given = cluster.collect(ssc.queueStream(std::vector{of(5), of(6)}, false));
    cluster.runBatches(2);
    EXPECT_EQ(singly.size(), 0u);
    together.push(of(3));  // at any time
    cluster.runBatches(1);
    sluice::testing::expectEqual<int>(*one, {{1}, {2}, {}}, false, "one at a time");
    sluice::testing::expectEqual<int>(*all, {{1, 2}, {}, {3}}, false, "all at once");
    sluice::testing::expectEqual<int>(*other, {{1}, {9}, {9}}, false, "a standard one");
    sluice::testing::expectEqual<int>(*given, {{5, 6}, {}, {}}, false, "a vector");
  }
}

// ---- sockets ----

// Listens on a free port, and sends the bytes to whoever connects.
class Server {
 public:
  // Keeps the first so many connections open: nothing is sent to them twice.
  explicit Server(std::string bytes, int held = 1) : bytes_(std::move(bytes)), hold_(held), fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET, address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    if (::bind(fd_, reinterpret_cast<sockaddr*>(&address), size) != 0 || ::listen(fd_, 4) != 0) std::abort();
    ::getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] {
      for (int peer; (peer = ::accept(fd_, nullptr, nullptr)) >= 0;) {
        std::size_t done = 0;
        while (done < bytes_.size()) {
          ssize_t n = ::send(peer, bytes_.data() + done, bytes_.size() - done, MSG_NOSIGNAL);
          if (n <= 0) break;
          done += std::size_t(n);
        }
        if (served_++ < hold_) held_ = peer;
        else ::close(peer);
      }
    });
  }
  ~Server() {
    ::shutdown(fd_, SHUT_RDWR);
    ::close(fd_);
    thread_.join();
    if (held_ >= 0) ::close(held_);
  }
  std::uint16_t port() const { return port_; }

 private:
  const std::string bytes_;
  const int hold_;
  const int fd_;
  std::uint16_t port_ = 0;
  int served_ = 0, held_ = -1;
  std::thread thread_;
};

// Runs batches until that many records came.
template <class T> std::vector<sluice::owned_t<T>> receive(Cluster& cluster, const std::shared_ptr<const Batches<T>>& got, std::size_t count) {
  std::vector<sluice::owned_t<T>> all;
  for (std::size_t seen = 0, tries = 0; all.size() < count && tries < 100'000; ++tries) {
    cluster.runBatches(1);
    for (; seen < got->size(); ++seen) {
      for (const auto& record : (*got)[seen].records()) all.push_back(record);
    }
  }
  return all;
}

TEST(SocketStream, AFunctionReadsTheConnection) {
  for (Shape shape : {Shape::kLocal4, Shape::kInProcess}) {
    Server server("3abc2xy1q");
    Cluster cluster(shape);
    auto stream = cluster.streaming().socketStream("127.0.0.1", server.port(), [](sluice::ByteInput& in) -> std::optional<std::string> {
      char size;
      if (!in.readExactly(&size, 1)) return std::nullopt;
      std::string text(std::size_t(size - '0'), ' ');
      in.readExactly(text.data(), text.size());
      return text;
    });
    EXPECT_EQ(receive(cluster, cluster.collect(stream), 3), (std::vector<std::string>{"abc", "xy", "q"}));
  }
}

// Says what it was told of receivers.
class Errors : public sluice::StreamingListener {
 public:
  void onReceiverError(const sluice::StreamingListenerReceiverError& e) override {
    std::lock_guard lock(mutex_);
    said_ += e.receiverInfo.lastErrorMessage + "\n";
  }
  // Sooner or later: while batches run.
  bool toldOf(const std::string& text, Cluster& cluster) {
    for (int tries = 0; tries < 100'000; ++tries) {
      {
        std::lock_guard lock(mutex_);
        if (said_.find(text) != std::string::npos) return true;
      }
      cluster.runBatches(1);
    }
    return false;
  }

 private:
  std::mutex mutex_;
  std::string said_;
};

TEST(SocketTextStream, ConnectsAgainWhenTheConnectionEndsOrFails) {
  sluice::Conf conf = sluice::Conf().set("sluice.streaming.receiverRestartDelay", "1ms");
  Errors errors;
  for (Shape shape : {Shape::kLocal1, Shape::kInProcess}) {
    SCOPED_TRACE(nameOf(shape));
    std::uint16_t port = 0;
    {
      Server server("one\r\ntwo", 0);  // every connection ends after these
      port = server.port();
      Cluster cluster(shape, Seconds(1), conf);
      cluster.streaming().addStreamingListener(errors);
      auto got = receive(cluster, cluster.collect(cluster.streaming().socketTextStream("127.0.0.1", port)), 6);
      EXPECT_EQ(std::vector<std::string>(got.begin(), got.begin() + 4), (std::vector<std::string>{"one", "two", "one", "two"})) << "a last line without an end is one";
      EXPECT_TRUE(errors.toldOf("restarted in 1 ms: 127.0.0.1:" + std::to_string(port) + " has no more data", cluster));
      cluster.streaming().removeStreamingListener(errors);
    }
    Cluster cluster(shape, Seconds(1), conf);
    cluster.streaming().addStreamingListener(errors);
    cluster.streaming().socketTextStream("127.0.0.1", port).foreachRDD([](const auto&) {});
    EXPECT_TRUE(errors.toldOf("restarted in 1 ms: cannot connect to 127.0.0.1:" + std::to_string(port) + ": Connection refused", cluster));
    cluster.streaming().removeStreamingListener(errors);
  }
}

TEST(RawSocketStream, BlocksGoStraightIn) {
  std::vector<Pair> records;
  for (int i = 0; i < 5000; ++i) records.emplace_back("k" + std::to_string(i), i);
  Server server(sluice::rawBlock(std::vector<Pair>(records.begin(), records.begin() + 2000)) +
                sluice::rawBlock(std::vector<Pair>(records.begin() + 2000, records.end())));
  Cluster cluster(Shape::kLocal4);
  EXPECT_NE(errorOf([&] { cluster.streaming().rawSocketStream<Pair>("", 1); }).find("the host has no name"), std::string::npos);
  EXPECT_NE(errorOf([&] { cluster.streaming().socketTextStream("h", 0); }).find("the port is 0"), std::string::npos);
  auto got = receive(cluster, cluster.collect(cluster.streaming().rawSocketStream<Pair>("127.0.0.1", server.port())), records.size());
  EXPECT_EQ(got, records);
}

// ---- receivers ----

std::atomic<int> starts{0}, stops{0};
std::atomic<int> askedId{-1}, askedCopies{-1};
std::atomic<bool> wrong{false};  // what isStarted() or isStopped() said

// Stores in every way there is, restarts once, and stops.
class Everything : public sluice::Receiver<Pair> {
 public:
  explicit Everything(std::string prefix) : prefix_(std::move(prefix)) {}
  void onStart() override {
    int start = ++starts;
    askedId = streamId(), askedCopies = int(storageLevel().copies);
    wrong = wrong || !isStarted() || isStopped();
    store(Pair(prefix_, start));
    store(std::vector<Pair>{{prefix_ + "list", start}, {prefix_ + "list", start}});
    std::set<Pair> sorted{{prefix_ + "set", start}};
    store(sorted);
    sluice::Buffer rows;
    sluice::encodeValue(Pair(prefix_ + "rows", start), rows);
    storeRows(rows.view(), 1);
    reportError("a slow start", std::runtime_error("cold"));
    if (start == 1) restart("once", std::runtime_error("by itself"), sluice::Milliseconds(0));
    else stop("that is all", std::runtime_error("no more"));
    wrong = wrong || isStarted() || !isStopped();
  }
  void onStop() override { ++stops; }
  std::string_view preferredLocation() const override { return "nowhere"; }

 private:
  std::string prefix_;
};

TEST(CustomReceiver, StoresRestartsAndStops) {
  for (Shape shape : {Shape::kLocal1, Shape::kLocal4, Shape::kInProcess}) {  // a receiver takes no slot: one is enough
    SCOPED_TRACE(nameOf(shape));
    starts = stops = 0;
    Errors errors;
    Cluster cluster(shape);
    cluster.streaming().addStreamingListener(errors);
    cluster.streaming().queueStream(sluice::RDDQueue<int>()).foreachRDD([](const auto&) {});
    cluster.streaming().generatorStream(1).foreachRDD([](const auto&) {});
    auto got = receive(cluster, cluster.collect(cluster.streaming().receiverStream<Everything>("p")), 10);
    EXPECT_FALSE(wrong);
    EXPECT_EQ(askedId, 1) << "the second input, but for the queue, which is the driver's";
    EXPECT_EQ(askedCopies, 2);
    std::sort(got.begin(), got.end());
    EXPECT_EQ(got, (std::vector<Pair>{{"p", 1}, {"p", 2}, {"plist", 1}, {"plist", 1}, {"plist", 2}, {"plist", 2}, {"prows", 1}, {"prows", 2}, {"pset", 1}, {"pset", 2}}));
    EXPECT_EQ(starts, 2);
    for (const char* text : {"a slow start: cold", "restarted in 0 ms: once: by itself", "stopped: that is all: no more"}) EXPECT_TRUE(errors.toldOf(text, cluster)) << text;
    cluster.streaming().removeStreamingListener(errors);
    // The stream goes on without it.
    cluster.runBatches(2);
    EXPECT_EQ(starts, 2);
  }
}

TEST(CustomReceiver, SeveralReceiversMakeOneStream) {
  starts = 100;  // none of them restarts
  Cluster cluster(Shape::kInProcess);
  auto& ssc = cluster.streaming();
  auto all = ssc.union_<Pair>({ssc.receiverStream<Everything>("a"), ssc.receiverStream<Everything>("b"), ssc.receiverStream<Everything>("c")});
  auto got = receive(cluster, cluster.collect(all.map([](const Pair& p) { return p.first.substr(0, 1); })), 15);
  std::sort(got.begin(), got.end());
  EXPECT_EQ(got, (std::vector<std::string>{"a", "a", "a", "a", "a", "b", "b", "b", "b", "b", "c", "c", "c", "c", "c"}));
}

}  // namespace
