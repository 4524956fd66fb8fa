// Writes the seeds of the fuzz targets from what the code itself writes; run by hand when a format changes:
//   ninja -C build/release make_seeds && build/release/bin/make_seeds tests/fuzz/corpus
#include <stdlib.h>
#include <xxhash.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "common/compression.h"
#include "common/grpc/frame.h"
#include "common/rocksdb/rocksdb_journal.h"
#include "proto/journal.pb.h"
#include "sluice/codec.h"
#include "sluice/hyper_log_log.h"
#include "sluice/socket_input.h"
#include "tests/unit/master_plan_maker.h"
#include "worker/executor/object_file.h"
#include "worker/executor/rolling_files.h"
#include "worker/executor/rows_format.h"
#include "worker/executor/state_file.h"
#include "worker/executor/state_table.h"

namespace {

using namespace sluice;  // NOLINT
using namespace sluice::executor;  // NOLINT
using master::PlanMaker;
namespace fs = std::filesystem;

fs::path corpus, scratch;

void seed(const std::string& target, const std::string& name, const std::string& bytes) {
  fs::create_directories(corpus / target);
  std::ofstream(corpus / target / name, std::ios::binary) << bytes;
}
std::string byte(int n) { return std::string(1, char(n)); }
// As fuzz::Input::piece takes it.
std::string piece(const std::string& bytes) { return byte(int(bytes.size() & 255)) + byte(int(bytes.size() >> 8)) + bytes; }
std::string number(std::uint64_t n) { return std::string(reinterpret_cast<const char*>(&n), sizeof(n)); }
std::string contentOf(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(in), {});
}

using Counts = std::pair<std::string, std::int64_t>;
template <class T> std::string rowsOf(const std::vector<T>& records) {
  Buffer rows;
  for (const T& record : records) encodeValue(record, rows);
  return std::string(rows.view());
}
const std::vector<Counts> kCounts = {{"to", 2}, {"be", 2}, {"or", 1}, {"not", 1}};

void rows() {
  seed("codec", "int", byte(4) + encoded(42));
  seed("codec", "text", byte(11) + encoded(std::string("to be or not")));
  seed("codec", "pair", byte(13) + encoded(std::pair(std::string("be"), 2L)));
  seed("codec", "variant", byte(19) + encoded(std::variant<int, std::string, std::monostate>("or")));
  seed("codec", "vector", byte(23) + encoded(std::vector<std::string>{"to", "be"}));
  seed("codec", "nested", byte(26) + encoded(std::vector<std::vector<std::vector<char>>>{{{'a', 'b'}, {}}, {}}));
  seed("codec", "map", byte(31) + encoded(std::map<std::string, std::vector<int>>{{"a", {1, 2}}, {"b", {}}}));
  seed("codec", "reading", byte(36) + encoded(std::string("s1")) + encoded(2.5) + encoded(std::vector<int>{1, 2}) + encoded(std::optional<std::uint8_t>(1)));
  seed("codec", "tree", byte(38) + encoded(1) + byte(2) + encoded(2) + byte(0) + encoded(3) + byte(0));
  seed("rows", "counts", byte(0) + byte(0) + byte(64) + byte(9) + number(4) + rowsOf(kCounts));
  seed("rows", "half", byte(0) + byte(0) + byte(32) + byte(1) + number(4) + rowsOf(kCounts));
  seed("rows", "groups", byte(1) + byte(0) + byte(64) + byte(9) + number(1) + encoded(std::pair(std::string("k"), std::vector<std::string>{"a", "b"})));
  seed("rows", "text", byte(2) + byte(0) + byte(64) + byte(2) + number(3) + rowsOf(std::vector<std::string>{"a", "", "ccc"}));
  seed("rows", "optional", byte(3) + byte(0) + byte(64) + byte(2) + number(1) + encoded(std::pair(std::int64_t(7), std::optional<double>(1.5))));
  seed("rows", "int", byte(4) + byte(0) + byte(64) + byte(2) + number(3) + rowsOf(std::vector<int>{1, 2, 3}));
  seed("captures", "raw", byte(0) + encoded(3));
  seed("captures", "model", byte(1) + encoded(std::map<std::string, std::vector<int>>{{"w", {1, 2, 3}}}));
  seed("captures", "scale", byte(2) + encoded(std::string("x2")) + encoded(2.0));
  seed("captures", "pointer", byte(3) + number(0x1230));
  seed("captures", "aggregate", byte(4) + encoded(std::map<std::string, std::vector<int>>{{"w", {1}}}) + encoded(std::vector<std::string>{"zero"}));
  HyperLogLog few(6, 12), many(4, 8);
  for (int i = 0; i < 12; ++i) few.add(i);
  for (int i = 0; i < 100; ++i) many.add(i);
  seed("sketch", "few", byte(0) + encoded(few));
  seed("sketch", "many", byte(0) + encoded(many));
  std::string hashes;
  for (std::uint64_t i = 1; i < 20; ++i) hashes += number(i * 0x9e3779b97f4a7c15) + byte(int(i));
  seed("sketch", "parts", byte(1) + byte(2) + byte(8) + byte(3) + hashes);
}

void framesOnDisk() {
  Buffer plain, packed;
  appendFrame(rowsOf(kCounts), 4, plain);
  std::string once = rowsOf(kCounts), much;
  while (much.size() < 16 << 10) much += once;
  appendFrame(much, 4 * much.size() / once.size(), packed);
  seed("disk_frame", "plain", byte(0) + std::string(plain.view()));
  seed("disk_frame", "packed", byte(0) + std::string(packed.view()));
  seed("disk_frame", "sealed", byte(1) + std::string(packed.view()));
  seed("disk_frame", "written", byte(2) + once);

  std::string file;
  ObjectFileWriter writer("pair<string,long>", [&](std::string_view bytes) { file += bytes; });
  for (int i = 0; i < 3; ++i) writer.add(once, 4);
  writer.add(much, 4 * much.size() / once.size());
  writer.finish();
  seed("object_file", "whole", byte(0) + file);
  seed("object_file", "sealed", byte(1) + file);
  seed("object_file", "written", byte(2) + piece("long") + byte(2) + byte(9) + byte(30) + piece(once) + byte(4) + byte(3) + piece(once) + byte(4) + byte(31));

  Store store(64 << 20, scratch);
  Buffer state;
  StateRow{"to", "2", 1000, false}.append(state);
  StateRow{"be", "1", 2000, false}.append(state);
  StateRow{"or", "", 2000, true}.append(state);
  std::string entries(state.view());
  Rows version;
  version.add({store.put(ObjectKind::kState, Bytes::of(std::string(entries)), 3)});
  version.add({store.put(ObjectKind::kState, Bytes::of(std::string(much)), 7)});
  StateFileWriter file(scratch / "state");
  file.add("T", version, store);
  file.finish();
  seed("state_file", "whole", byte(0) + byte(10) + contentOf(scratch / "state"));
  seed("state_file", "sealed", byte(1) + byte(10) + contentOf(scratch / "state"));
  seed("state_file", "written", byte(3) + piece("T") + piece(entries) + byte(3) + piece(once) + byte(4));
  seed("state_rows", "hostile", byte(1) + piece(entries) + piece(entries));
  std::string changes;
  for (int batch = 0; batch < 4; ++batch) {
    changes += byte(6);
    for (int i = 0; i < 6; ++i) changes += byte(batch * 3 + i) + byte(40 + 17 * i);
  }
  seed("state_rows", "changes", byte(0) + changes);

  RollingRecord record;
  record.owner = "checkpoint /c", record.begunMs = 17;
  record.marks[100] = {"part-100-000.gz", 100, 12};
  record.marks[200] = {};
  record.finished = {"part-100-000.gz"};
  std::string decide = byte(3) + byte(9) + byte(1) + byte(7) + byte(3) + byte(5) + byte(9) + byte(1) + byte(80);
  std::string text = record.text();
  seed("rolling", "whole", byte(0) + piece(text) + decide);
  seed("rolling", "sealed", byte(1) + piece(text.substr(0, text.rfind("checksum"))) + decide);
  std::string batches = byte(20) + byte(3);
  for (int i = 0; i < 8; ++i) batches += byte(2) + byte(7 + i) + byte(11) + byte(i);
  seed("rolling", "batches", byte(63) + batches);
}

void text() {
  for (int kind = 0; kind < 3; ++kind) {
    auto compression = kind == 0 ? Compression::kGzip : kind == 1 ? Compression::kZstd : Compression::kLz4;
    const char* name = kind == 0 ? "gzip" : kind == 1 ? "zstd" : "lz4";
    std::string words;
    for (int i = 0; i < 400; ++i) words += "to be or not to be " + std::to_string(i * i) + "\n";
    Buffer out;
    auto compressor = Compressor::make(compression);
    compressor->add(words, out), compressor->finish(out);
    Buffer small;
    auto another = Compressor::make(compression);
    another->add("to be", small), another->finish(small);
    seed("decompress", std::string(name) + "_large", byte(kind) + byte(99) + byte(7) + std::string(out.view()));
    seed("decompress", std::string(name) + "_two", byte(kind) + byte(3) + byte(0) + std::string(small.view()) + std::string(small.view()));
    seed("decompress", std::string(name) + "_written", byte(kind + 3) + byte(17) + byte(2) + words.substr(0, 300));
  }
  seed("lines", "words", byte(3) + byte(1) + byte(8) + byte(9) + byte(5) + "to be\r\nor not\n\n\nto be, that is the question\nwhether");
  seed("lines", "long", byte(200) + byte(200) + byte(2) + byte(0) + byte(77) + std::string(300, 'x') + "\n" + std::string(90, 'y') + "\r\n");
  seed("settings", "file", byte(0) + "# ours\nsluice.app.name   words\nsluice.executor.memory=512m\nsluice.streaming.blockInterval: 200ms\n\nspark.ui.enabled false\n");
  seed("settings", "pair", byte(1) + "sluice.executor.cores=4");
  seed("settings", "local", byte(2) + "local-cluster[3,2,512]");
  seed("settings", "url", byte(2) + "sluice://10.0.0.1:7077,[::1]:7078");
  seed("settings", "size", byte(3) + "1536k");
  seed("settings", "time", byte(3) + "10min");
  seed("raw_blocks", "pairs", byte(2) + byte(6) + rawBlock(std::vector<std::pair<std::string, int>>{{"a", 1}, {"bb", 2}}) + rawBlock(std::vector<std::pair<std::string, int>>()));
  seed("raw_blocks", "ints", byte(0) + byte(2) + rawBlock(std::vector<int>{1, 2, 3}));
  seed("raw_blocks", "nested", byte(3) + byte(20) + rawBlock(std::vector<std::vector<std::vector<char>>>{{{'a'}, {}}, {}}));
  seed("raw_blocks", "lines", byte(4) + byte(4) + "one\n\ntwo\r\nrest");
  seed("raw_blocks", "written", byte(5) + byte(9) + byte(2) + piece("to") + byte(2) + piece("be") + byte(7) + byte(0) + byte(1) + piece("") + byte(1));
  seed("crash_record", "signal", "killed by signal 11 (SIGSEGV) in map at wordcount.cc:12, batch 1000 ms, partition 3\n#0 0x00005555 in f()\n#1 main\n");
}

std::string plans() {
  PlanMaker batch(7);
  std::uint32_t sorted = batch.reduce(batch.step(batch.constant(3)), 4, proto::EXCHANGE_HASH);
  batch.keep(sorted);
  batch.output(batch.coalesce(sorted, 2)).output(sorted, proto::OUTPUT_FILES);
  seed("plan", "batch", byte(1) + batch.plan.SerializeAsString());
  PlanMaker stream(9, 1000);
  std::uint32_t words = stream.step(stream.receiver());
  stream.output(stream.window(words, 3, 2000)).output(stream.state(words), proto::OUTPUT_PRINT);
  stream.output(stream.reduce(stream.batches({2, -1, 0, 1})), proto::OUTPUT_DRIVER);
  seed("plan", "stream", byte(4) + stream.plan.SerializeAsString());
  return stream.plan.SerializeAsString();
}

proto::SourceAllocation allocation() {
  proto::SourceAllocation source;
  source.set_node(1);
  source.add_partitions()->add_inputs()->set_records(5);
  return source;
}

void journal(const std::string& plan) {
  std::vector<proto::JournalRecord> facts;
  auto fact = [&]() -> proto::JournalRecord& { return facts.emplace_back(); };
  fact().mutable_term_started()->set_term(1);
  auto& submitted = *fact().mutable_app_submitted();
  submitted.set_app(1), submitted.set_app_id("app-1"), submitted.set_driver(2), submitted.set_at_ms(500);
  submitted.mutable_submit()->set_nonce(3);
  auto& begun = *fact().mutable_stream_begun();
  begun.set_app(1), begun.set_stream(1), begun.set_generation(1), begun.set_zero_ms(1000), begun.set_default_partitions(2);
  begun.mutable_plan()->ParseFromString(plan);
  auto& opened = *fact().mutable_receiver_opened();
  opened.set_app(1), opened.set_node(1), opened.set_incarnation(1), opened.set_executor(1);
  auto& blocks = *fact().mutable_blocks_accepted();
  blocks.set_app(1), blocks.set_node(1), blocks.set_incarnation(1), blocks.set_executor(1), blocks.add_blocks()->set_records(5);
  for (std::int64_t when : {2000, 3000}) {
    auto& allocated = *fact().mutable_allocated();
    allocated.set_app(1), allocated.set_stream(1), allocated.set_when_ms(when), allocated.set_template_hash(9);
    *allocated.add_sources() = allocation();
    auto& decided = *fact().mutable_decided();
    decided.set_app(1), decided.set_stream(1), decided.set_when_ms(when), decided.add_outputs()->set_lines("(to,2)\n");
    auto& ended = *fact().mutable_output_ended();
    ended.set_app(1), ended.set_stream(1), ended.set_when_ms(when), ended.set_output(2);
    auto& published = *fact().mutable_published();
    published.set_app(1), published.set_stream(1), published.set_when_ms(when);
    auto& taken = *fact().mutable_checkpoint_taken();
    taken.set_app(1), taken.set_stream(1), taken.set_when_ms(when), taken.add_files()->set_name("state-1-0-0-1.rows");
  }
  auto& over = *fact().mutable_stream_ended();
  over.set_app(1), over.set_stream(1);
  fact().mutable_app_finished()->set_app(1);
  std::string all;
  for (const auto& record : facts) all += piece(record.SerializeAsString());
  seed("journal", "stream", all);

  {
    std::unique_ptr<Journal> log;
    auto status = openRocksdbJournal(scratch / "journal", &log);
    if (!status.ok()) throw std::runtime_error(std::string(status.message()));
    for (int i = 0; i < 5; ++i) log->append(facts[std::size_t(i)].SerializeAsString());
    log->sync();
  }
  for (const auto& entry : fs::recursive_directory_iterator(scratch / "journal")) {
    if (entry.path().extension() != ".log") continue;
    std::string log = contentOf(entry.path());
    seed("wal_tail", "whole", byte(1) + log);
    seed("wal_tail", "second", byte(0) + log);
    seed("wal_tail", "torn", byte(1) + log.substr(0, log.size() / 2));
  }

  proto::Manifest manifest;
  manifest.set_format(1), manifest.set_when_ms(3000), manifest.set_zero_ms(1000), manifest.set_interval_ms(1000), manifest.set_default_partitions(2);
  auto& file = *manifest.add_files();
  file.set_name("state-1-0-0-1.rows"), file.set_bytes(4), file.set_node(1), file.set_rows(1);
  *manifest.add_unallocated() = allocation();
  manifest.add_seen_files("/in/a.txt"), manifest.add_seen_ms(2000);
  std::string plain = manifest.SerializeAsString();
  seed("manifest", "sealed", byte(1) + plain);
  manifest.set_checksum(XXH3_64bits(plain.data(), plain.size()));
  seed("manifest", "whole", byte(0) + manifest.SerializeAsString());
}

void frames(const std::string& plan) {
  std::vector<EnvelopePtr> envelopes;
  auto [started, start] = compose(&proto::Message::mutable_start_stream);
  start->set_app(1), start->mutable_plan()->ParseFromString(plan);
  envelopes.push_back(started);
  auto [got, rows] = compose(&proto::Message::mutable_got);
  (void)rows;
  got->attachments = {Bytes::of(rowsOf(kCounts)), Bytes::of(std::string())};
  envelopes.push_back(got);
  auto [lines, text] = compose(&proto::Message::mutable_lines);
  (void)text;
  envelopes.push_back(lines);
  grpc::ByteBuffer buffer = encodeFrames(envelopes);
  std::vector<grpc::Slice> slices;
  (void)buffer.Dump(&slices);
  std::string all;
  for (const auto& slice : slices) all.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
  seed("link_frame", "three", byte(9) + all);
  seed("link_frame", "cut", byte(200) + all);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return std::fprintf(stderr, "usage: make_seeds FOLDER\n"), 2;
  corpus = argv[1];
  std::string made = fs::temp_directory_path() / "sluice-seeds-XXXXXX";
  scratch = ::mkdtemp(made.data());
  rows(), framesOnDisk(), text();
  std::string plan = plans();
  journal(plan), frames(plan);
  fs::remove_all(scratch);
}
