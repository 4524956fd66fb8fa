#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <fstream>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "common/clock.h"
#include "common/grpc/frame.h"
#include "common/grpc/grpc_link.h"

namespace sluice {
namespace {

constexpr Peer kExecutor{Role::kExecutor, 7};

EnvelopePtr lines(std::uint64_t number, std::vector<Bytes> attachments = {}) {
  auto [envelope, body] = compose(&proto::Message::mutable_lines);
  body->set_from(number);
  envelope->attachments = std::move(attachments);
  return envelope;
}

// One end: a link with its strand, and what came.
class End final : public LinkHandler {
 public:
  explicit End(Peer self, std::string build = "", std::string cluster = "", std::uint64_t app = 0, LinkSecretPtr secret = nullptr) {
    link = std::make_unique<GrpcLink>(GrpcLinkOptions{self, app, cluster, build,
                                                      [this](Peer, const std::string& line, int) {
                                                        MutexLock lock(mutex_);
                                                        failures_.push_back(line);
                                                        changed_.notifyAll();
                                                      },
                                                      std::move(secret), true, 600'000},
                                      strand, *this);
  }
  ~End() override { link->close(); }

  void onMessage(Peer from, EnvelopePtr envelope) override {
    if (echo) return link->send(from, std::move(envelope));
    MutexLock lock(mutex_);
    while (held_) changed_.wait(mutex_);
    if (envelope->message.has_refused()) {
      refusals_.push_back(envelope->message.refused().why());
    } else {
      messages_.emplace_back(from, std::move(envelope));
    }
    changed_.notifyAll();
  }
  void onSession(Peer with, bool up) override {
    if (up && onUp) onUp(with);
    MutexLock lock(mutex_);
    sessions_.emplace_back(with, up);
    changed_.notifyAll();
  }

  std::vector<std::pair<Peer, EnvelopePtr>> messages(std::size_t count) {
    MutexLock lock(mutex_);
    while (messages_.size() < count) changed_.wait(mutex_);
    return messages_;
  }
  std::vector<std::pair<Peer, bool>> sessions(std::size_t count) {
    MutexLock lock(mutex_);
    while (sessions_.size() < count) changed_.wait(mutex_);
    return sessions_;
  }
  std::string failure() {
    MutexLock lock(mutex_);
    while (failures_.empty()) changed_.wait(mutex_);
    return failures_.front();
  }
  std::string refusal() {
    MutexLock lock(mutex_);
    while (refusals_.empty()) changed_.wait(mutex_);
    return refusals_.front();
  }

  // The handler, and with it the polling thread, stands still.
  void hold() {
    MutexLock lock(mutex_);
    held_ = true;
  }
  void release() {
    MutexLock lock(mutex_);
    held_ = false;
    changed_.notifyAll();
  }

  Strand strand;
  std::unique_ptr<GrpcLink> link;
  bool echo = false;
  std::function<void(Peer)> onUp;

 private:
  Mutex mutex_;
  CondVar changed_;
  bool held_ GUARDED_BY(mutex_) = false;
  std::vector<std::pair<Peer, EnvelopePtr>> messages_ GUARDED_BY(mutex_);
  std::vector<std::pair<Peer, bool>> sessions_ GUARDED_BY(mutex_);
  std::vector<std::string> failures_ GUARDED_BY(mutex_), refusals_ GUARDED_BY(mutex_);
};

std::string line(const absl::Status& status) { return std::string(status.message().data(), status.message().size()); }

std::string freshSocket(const char* name) {
  std::string address;
  EXPECT_EQ(line(unixSocketAddress(std::string("test-") + std::to_string(getpid()) + name, &address)), "");
  return address;
}

void startPair(End& master, End& executor, const std::string& listen = "127.0.0.1:0") {
  ASSERT_EQ(line(master.link->start({listen})), "");
  ASSERT_EQ(line(executor.link->start()), "");
  executor.link->connect(kMasterPeer, master.link->address());
  EXPECT_EQ(executor.sessions(1), (std::vector<std::pair<Peer, bool>>{{kMasterPeer, true}}));
  EXPECT_EQ(master.sessions(1), (std::vector<std::pair<Peer, bool>>{{kExecutor, true}}));
}

void expectOrder(End& end, Peer from, int count) {
  auto got = end.messages(std::size_t(count));
  for (int i = 0; i < count; ++i) {
    ASSERT_EQ(got[std::size_t(i)].first, from);
    ASSERT_EQ(got[std::size_t(i)].second->message.lines().from(), std::uint64_t(i));
  }
}

// Each attachment takes more memory than the byte that announces it.
TEST(Frames, MoreAttachmentsThanAnybodySendsAreRefused) {
  std::string frame("\0", 1);  // an empty message
  frame += "\x80\x80\x80\x10";  // and 32 million attachments, empty ones
  frame += std::string(32 << 20, '\0');
  grpc::Slice slice(frame.data(), frame.size());
  std::vector<EnvelopePtr> envelopes;
  EXPECT_FALSE(decodeFrames(grpc::ByteBuffer(&slice, 1), envelopes));
}

TEST(Frames, TextNeedNotBeUtf8) {
  auto envelope = std::make_shared<Envelope>();
  envelope->message.mutable_failed()->set_message("not a word: \xff\xfe");
  std::vector<EnvelopePtr> arrived;
  ASSERT_TRUE(decodeFrames(encodeFrames({envelope}), arrived));
  ASSERT_EQ(arrived.size(), 1u);
  EXPECT_EQ(arrived[0]->message.failed().message(), "not a word: \xff\xfe");
}

TEST(GrpcLink, TenThousandMessagesBothWaysArriveInOrder) {
  End master(kMasterPeer), executor(kExecutor);
  startPair(master, executor);
  constexpr int kCount = 10'000;
  std::thread other([&] {
    for (int i = 0; i < kCount; ++i) master.link->send(kExecutor, lines(std::uint64_t(i)));
  });
  for (int i = 0; i < kCount; ++i) executor.link->send(kMasterPeer, lines(std::uint64_t(i)));
  other.join();
  expectOrder(master, kExecutor, kCount);
  expectOrder(executor, kMasterPeer, kCount);
}

TEST(GrpcLink, UnixSocketsArePreferredAndGoWithTheirLink) {
  std::string address = freshSocket("a");
  {
    End master(kMasterPeer), executor(kExecutor);
    ASSERT_EQ(line(master.link->start({address, "127.0.0.1:0"})), "");
    EXPECT_TRUE(master.link->address().starts_with(address + ",127.0.0.1:"));
    ASSERT_EQ(line(executor.link->start()), "");
    executor.link->connect(kMasterPeer, master.link->address());
    executor.sessions(1);
    for (int i = 0; i < 100; ++i) executor.link->send(kMasterPeer, lines(std::uint64_t(i)));
    expectOrder(master, kExecutor, 100);
  }
  struct stat info;
  EXPECT_NE(::stat(address.substr(5).c_str(), &info), 0);
  // Without that socket the network's address is taken.
  End master(kMasterPeer), executor(kExecutor);
  ASSERT_EQ(line(master.link->start({"127.0.0.1:0"})), "");
  ASSERT_EQ(line(executor.link->start()), "");
  executor.link->connect(kMasterPeer, address + "," + master.link->address());
  executor.sessions(1);
}

TEST(GrpcLink, AttachmentsOfAllSizes) {
  End master(kMasterPeer), executor(kExecutor);
  startPair(master, executor);
  std::vector<Bytes> sent;
  for (std::size_t size : {0u, 1u, 100u, 4095u, 4096u, 100'000u, 16u << 20}) {
    std::string bytes(size, '\0');
    for (std::size_t i = 0; i < size; ++i) bytes[i] = char(i * 31 + size);
    sent.push_back(Bytes::of(std::move(bytes)));
  }
  for (int i = 0; i < 3; ++i) master.link->send(kExecutor, lines(std::uint64_t(i), sent));
  auto got = executor.messages(3);
  for (const auto& [from, envelope] : got) {
    ASSERT_EQ(envelope->attachments.size(), sent.size());
    for (std::size_t i = 0; i < sent.size(); ++i) EXPECT_TRUE(envelope->attachments[i].view() == sent[i].view());
  }
  expectOrder(executor, kMasterPeer, 3);
}

TEST(GrpcLink, WhatTheTransportHasNotTakenIsCounted) {
  End master(kMasterPeer), executor(kExecutor);
  startPair(master, executor);
  executor.hold();
  for (int i = 0; i < 16; ++i)
    master.link->send(kExecutor, lines(std::uint64_t(i), {Bytes::of(std::string(8u << 20, 'x'))}));
  EXPECT_GT(master.link->waitingBytes(kExecutor), 64u << 20);
  executor.release();
  expectOrder(executor, kMasterPeer, 16);
  executor.link->send(kMasterPeer, lines(0));
  expectOrder(master, kExecutor, 1);
}

TEST(GrpcLink, ReconnectsWhenTheServerComesBack) {
  End executor(kExecutor);
  ASSERT_EQ(line(executor.link->start()), "");
  std::string address;
  {
    End master(kMasterPeer);
    ASSERT_EQ(line(master.link->start({"127.0.0.1:0"})), "");
    address = master.link->address();
    executor.link->connect(kMasterPeer, address);
    executor.sessions(1);
  }
  EXPECT_EQ(executor.sessions(2)[1], (std::pair<Peer, bool>{kMasterPeer, false}));
  executor.link->send(kMasterPeer, lines(99));  // no session: dropped
  EXPECT_EQ(executor.failure(), "cannot reach the master at " + address + ": Connection refused");
  End master(kMasterPeer);
  ASSERT_EQ(line(master.link->start({address})), "");
  EXPECT_EQ(executor.sessions(3)[2], (std::pair<Peer, bool>{kMasterPeer, true}));
  executor.link->send(kMasterPeer, lines(0));
  expectOrder(master, kExecutor, 1);
}

TEST(GrpcLink, WhatWasSentBeforeCloseArrives) {
  End master(kMasterPeer);
  auto executor = std::make_unique<End>(kExecutor);
  startPair(master, *executor);
  for (int i = 0; i < 1000; ++i)
    executor->link->send(kMasterPeer, lines(std::uint64_t(i), {Bytes::of(std::string(10'000, 'x'))}));
  executor.reset();
  expectOrder(master, kExecutor, 1000);
  EXPECT_EQ(master.sessions(2)[1], (std::pair<Peer, bool>{kExecutor, false}));
  // And the other way: a server that leaves.
  End another(kExecutor);
  ASSERT_EQ(line(another.link->start()), "");
  another.link->connect(kMasterPeer, master.link->address());
  another.sessions(1), master.sessions(3);
  for (int i = 0; i < 1000; ++i) master.link->send(kExecutor, lines(std::uint64_t(i)));
  master.link->close();
  expectOrder(another, kMasterPeer, 1000);
}

TEST(GrpcLink, DisconnectEndsASessionAfterWhatWasSent) {
  End master(kMasterPeer), executor(kExecutor);
  startPair(master, executor);
  executor.link->send(kMasterPeer, lines(0));
  executor.link->disconnect(kMasterPeer);
  expectOrder(master, kExecutor, 1);
  EXPECT_EQ(executor.sessions(2)[1], (std::pair<Peer, bool>{kMasterPeer, false}));
  EXPECT_EQ(master.sessions(2)[1], (std::pair<Peer, bool>{kExecutor, false}));
  executor.link->connect(kMasterPeer, master.link->address());
  EXPECT_EQ(executor.sessions(3)[2], (std::pair<Peer, bool>{kMasterPeer, true}));
  master.sessions(3);
  master.link->disconnect(kExecutor);  // the dialler comes back by itself
  EXPECT_EQ(executor.sessions(5)[4], (std::pair<Peer, bool>{kMasterPeer, true}));
}

TEST(GrpcLink, ANewSessionOfAPeerReplacesTheOlderOneWhichDoesNotComeBack) {
  End master(kMasterPeer), first(kExecutor), second(kExecutor);
  startPair(master, first);
  ASSERT_EQ(line(second.link->start()), "");
  second.link->connect(kMasterPeer, master.link->address());
  second.sessions(1);
  EXPECT_EQ(master.sessions(3),
            (std::vector<std::pair<Peer, bool>>{{kExecutor, true}, {kExecutor, false}, {kExecutor, true}}));
  EXPECT_EQ(first.refusal(), "another connection took over as executor 7");
  EXPECT_EQ(first.sessions(2)[1], (std::pair<Peer, bool>{kMasterPeer, false}));
  second.link->send(kMasterPeer, lines(0));
  expectOrder(master, kExecutor, 1);
}

TEST(GrpcLink, OtherBuildsClustersAndApplicationsAreRefused) {
  End master(kMasterPeer, "this build", "amber", 5);
  ASSERT_EQ(line(master.link->start({"127.0.0.1:0"})), "");
  auto refusal = [&](std::string build, std::string cluster, std::uint64_t app) {
    End executor(kExecutor, build, cluster, app);
    EXPECT_EQ(line(executor.link->start()), "");
    executor.link->connect(kMasterPeer, master.link->address());
    return executor.refusal();
  };
  EXPECT_EQ(refusal("another build", "amber", 5), "executor 7 and the master are of different builds of Sluice");
  EXPECT_EQ(refusal("this build", "beryl", 5), "executor 7 belongs to another cluster (beryl) than the master (amber)");
  EXPECT_EQ(refusal("this build", "", 6), "executor 7 belongs to another application than the master");
  End executor(kExecutor, "this build");
  ASSERT_EQ(line(executor.link->start()), "");
  executor.link->connect(kMasterPeer, master.link->address());
  executor.sessions(1);
  EXPECT_EQ(executor.link->cluster(), "amber");
}

// ---- a secret ----

struct SecretFile {
  explicit SecretFile(const std::string& text, mode_t mode = 0600) : path("/tmp/sluice-secret-" + std::to_string(::getpid()) + "-" + std::to_string(++made)) {
    std::ofstream(path) << text;
    ::chmod(path.c_str(), mode);
  }
  ~SecretFile() { ::unlink(path.c_str()); }
  static inline int made = 0;
  std::string path;
};

TEST(LinkSecret, IsTheSameForAllWhoKnowIt) {
  auto one = linkSecretOf("correct horse battery staple"), same = linkSecretOf("correct horse battery staple"), other = linkSecretOf("correct horse battery stable");
  EXPECT_EQ(one->certificate, same->certificate);
  EXPECT_EQ(one->key, same->key);
  EXPECT_NE(one->certificate, other->certificate);
  EXPECT_NE(one->key, other->key);
}

TEST(LinkSecret, IsReadFromAFileThatNobodyElseReads) {
  auto read = [](std::initializer_list<std::pair<const char*, std::string>> values, LinkSecretPtr& secret) {
    Settings settings;
    for (const auto& [key, value] : values) EXPECT_TRUE(settings.set(std::string("sluice.authenticate") + key, value, ConfOrigin::kProgram).ok());
    return line(readLinkSecret(settings, secret));
  };
  LinkSecretPtr secret;
  EXPECT_EQ(read({}, secret), "");
  EXPECT_FALSE(secret);
  SecretFile good("correct horse battery staple\n"), open("correct horse battery staple", 0640), little("hunter2");
  EXPECT_EQ(read({{".secret.file", good.path}}, secret), "");
  ASSERT_TRUE(secret);
  EXPECT_EQ(secret->certificate, linkSecretOf("correct horse battery staple")->certificate);
  EXPECT_EQ(read({{"", "false"}, {".secret.file", good.path}}, secret), "");
  EXPECT_FALSE(secret);
  EXPECT_EQ(read({{"", "true"}}, secret), "sluice.authenticate is on, and there is no secret; name a file by sluice.authenticate.secret.file");
  EXPECT_EQ(read({{".secret.file", "/nowhere/at/all"}}, secret), "sluice.authenticate.secret.file: cannot read /nowhere/at/all: No such file or directory");
  EXPECT_EQ(read({{".secret.file", open.path}}, secret),
            "sluice.authenticate.secret.file: others can read " + open.path + "; chmod 600 it, and choose another secret if somebody may have");
  EXPECT_EQ(read({{".secret.file", little.path}}, secret),
            "sluice.authenticate.secret.file: " + little.path + " holds 7 characters, which can be guessed; make a secret with: openssl rand -base64 32");
  // Whoever was started by somebody uses what that uses, whatever its own settings say.
  Settings own;
  EXPECT_TRUE(own.set("sluice.authenticate.secret.file", good.path, ConfOrigin::kProgram).ok());
  for (const std::string& inherited : {std::string(), good.path}) {
    ::setenv("SLUICE_INHERITED_SECRET_FILE", inherited.c_str(), 1);
    EXPECT_EQ(read({{"", inherited.empty() ? "true" : "false"}}, secret), "");
    EXPECT_EQ(secret == nullptr, inherited.empty());
    EXPECT_EQ(environmentOfSecret(own), (std::vector<std::pair<std::string, std::string>>{{"SLUICE_INHERITED_SECRET_FILE", inherited}}));
  }
  ::unsetenv("SLUICE_INHERITED_SECRET_FILE");
  EXPECT_EQ(environmentOfSecret(own)[0].second, good.path);
  EXPECT_EQ(environmentOfSecret(Settings())[0].second, "");
  Settings settings;
  EXPECT_TRUE(settings.set("sluice.authenticate.secret.file", good.path, ConfOrigin::kProgram).ok());
  EXPECT_TRUE(settings.set("sluice.app.name", "x", ConfOrigin::kProgram).ok());
  EXPECT_EQ(settings.travelling(), std::vector<std::string>{"sluice.app.name=x"}) << "where it lies is each host's own";
}

TEST(LinkSecret, LinksOfThoseWhoKnowItWorkOverBothKindsOfSockets) {
  auto secret = linkSecretOf("correct horse battery staple");
  for (const std::string& at : {std::string("127.0.0.1:0"), freshSocket("secret")}) {
    End master(kMasterPeer, "", "", 0, secret), executor(kExecutor, "", "", 0, secret);
    startPair(master, executor, at);
    for (int i = 0; i < 100; ++i) executor.link->send(kMasterPeer, lines(std::uint64_t(i), {Bytes::of(std::string(std::size_t(i) * 1000, 'x'))}));
    expectOrder(master, kExecutor, 100);
  }
}

TEST(LinkSecret, EverybodyElseIsTurnedAwayWithTheReason) {
  auto secret = linkSecretOf("correct horse battery staple"), other = linkSecretOf("another horse, another staple");
  End master(kMasterPeer, "", "", 0, secret), plain(kMasterPeer);
  ASSERT_EQ(line(master.link->start({"127.0.0.1:0"})), "");
  ASSERT_EQ(line(plain.link->start({"127.0.0.1:0"})), "");
  auto failure = [](End& end, End& at) {
    EXPECT_EQ(line(end.link->start()), "");
    end.link->connect(kMasterPeer, at.link->address());
    return end.failure();
  };
  End stranger(kExecutor, "", "", 0, other), nobody(kExecutor), careful(kExecutor, "", "", 0, secret);
  EXPECT_NE(failure(stranger, master).find("it has another secret (sluice.authenticate.secret.file)"), std::string::npos) << stranger.failure();
  EXPECT_NE(failure(nobody, master).find("if it asks for a secret, name the file (sluice.authenticate.secret.file)"), std::string::npos) << nobody.failure();
  EXPECT_NE(failure(careful, plain).find("it speaks without a secret, and we have one (sluice.authenticate)"), std::string::npos) << careful.failure();
}

TEST(GrpcLink, SomebodyElseAtThatAddressIsNotTaken) {
  End other(Peer{Role::kExecutor, 9}), executor(kExecutor);
  ASSERT_EQ(line(other.link->start({"127.0.0.1:0"})), "");
  ASSERT_EQ(line(executor.link->start()), "");
  executor.link->connect(Peer{Role::kExecutor, 8}, other.link->address());
  EXPECT_EQ(executor.failure(), "cannot reach executor 8 at " + other.link->address() + ": there is executor 9 at " +
                                    other.link->address());
}

TEST(GrpcLink, PeersWithoutAnIdAreNumbered) {
  End master(kMasterPeer), a(Peer{Role::kClient, 0}), b(Peer{Role::kClient, 0});
  ASSERT_EQ(line(master.link->start({"127.0.0.1:0"})), "");
  for (End* client : {&a, &b}) {
    ASSERT_EQ(line(client->link->start()), "");
    client->link->connect(kMasterPeer, master.link->address());
    client->sessions(1);
  }
  auto sessions = master.sessions(2);
  EXPECT_NE(sessions[0].first.id, 0u);
  EXPECT_NE(sessions[0].first.id, sessions[1].first.id);
}

TEST(GrpcLink, AddressesThatCannotBeHad) {
  End master(kMasterPeer);
  ASSERT_EQ(line(master.link->start({"127.0.0.1:0"})), "");
  std::string address = master.link->address();
  std::string port = address.substr(address.rfind(':') + 1);
  EXPECT_EQ(line(End(kMasterPeer).link->start({address})),
            "port " + port + " of 127.0.0.1 is in use; name another one, or 0 for any that is free");
  EXPECT_EQ(line(End(kMasterPeer).link->start({"192.0.2.1:7077"})),
            "cannot listen on 192.0.2.1:7077: 192.0.2.1 is not an address of this host");
  EXPECT_TRUE(line(End(kMasterPeer).link->start({"no.such.host.invalid:7077"}))
                  .starts_with("cannot listen on no.such.host.invalid:7077: "));
  std::string socket;
  EXPECT_NE(line(unixSocketAddress(std::string(200, 'x'), &socket)).find("is longer than 107 bytes"),
            std::string::npos);
}

TEST(GrpcLink, SocketsOfProcessesThatWereKilledAreRemoved) {
  std::string live = freshSocket("live"), dead = freshSocket("dead");
  int fds[2];
  for (int i = 0; i < 2; ++i) {
    std::string path = (i == 0 ? live : dead).substr(5);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strcpy(address.sun_path, path.c_str());
    fds[i] = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ASSERT_EQ(::bind(fds[i], reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    ASSERT_EQ(::listen(fds[i], 1), 0);
    timespec old[2] = {{1, 0}, {1, 0}};
    ASSERT_EQ(::utimensat(AT_FDCWD, path.c_str(), old, AT_SYMLINK_NOFOLLOW), 0);
  }
  ::close(fds[1]);
  freshSocket("another");
  EXPECT_EQ(::access(live.c_str() + 5, F_OK), 0);
  EXPECT_NE(::access(dead.c_str() + 5, F_OK), 0);
  ::close(fds[0]);
  ::unlink(live.c_str() + 5);
}

TEST(GrpcLink, ClosesWhileDialling) {
  End executor(kExecutor);
  ASSERT_EQ(line(executor.link->start()), "");
  executor.link->connect(kMasterPeer, "127.0.0.1:1");
  executor.link->connect(Peer{Role::kExecutor, 1}, "192.0.2.1:1");
}

// Links that come and go while others send: what is looked for is a hang, a crash or a report of a sanitizer.
TEST(GrpcLink, ManyPeersComeAndGo) {
  End master(kMasterPeer);
  master.echo = true;
  ASSERT_EQ(line(master.link->start({freshSocket("b"), "127.0.0.1:0"})), "");
  std::vector<std::thread> threads;
  for (std::uint64_t t = 1; t <= 4; ++t) {
    threads.emplace_back([&, t] {
      for (int round = 0; round < 10; ++round) {
        End executor(Peer{Role::kExecutor, t});
        EXPECT_EQ(line(executor.link->start()), "");
        executor.onUp = [&](Peer) {
          for (int i = 0; i < 50; ++i)
            executor.link->send(kMasterPeer,
                                lines(std::uint64_t(i), {Bytes::of(std::string(std::size_t(i) * 100, 'x'))}));
        };
        executor.link->connect(kMasterPeer, master.link->address());
        executor.messages(round % 2 ? 50 : 1);  // every other one leaves in the middle
      }
    });
  }
  for (auto& thread : threads) thread.join();
}

}  // namespace
}  // namespace sluice
