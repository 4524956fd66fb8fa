// Rolling files: their record, as it comes and with a checksum that was made right; what is decided from it; and batches that are repeated,
// torn and taken over, whose records must all come once.
#include <xxhash.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <vector>

#include "sluice/error.h"
#include "tests/fuzz/fuzz.h"
#include "worker/executor/rolling_files.h"

namespace {

using namespace sluice;  // NOLINT
using namespace sluice::executor;  // NOLINT
namespace fs = std::filesystem;

void checkPlan(const RollingRecord::Mark& open, fuzz::Input& in) {
  proto::Publish::Rolling rolling;
  rolling.set_roll_bytes(in.byte() * 16 + 1), rolling.set_roll_age_ms(in.byte() * 100 + 1), rolling.set_finish(in.byte() % 4 == 0);
  std::int64_t when = std::max<std::int64_t>(open.firstMs, 0) + in.byte();
  std::vector<std::int64_t> sizes;
  for (int n = in.byte() % 8; n > 0; --n) sizes.push_back(in.byte() % 3 == 0 ? 0 : in.byte() * 8);
  RollingPlan plan = planRolling(open, rolling, when, sizes);
  std::size_t next = 0;
  for (const auto& piece : plan.pieces) {
    while (next < sizes.size() && sizes[next] == 0) ++next;
    fuzz::require(next < sizes.size() && piece.part == next++, "parts go in order, each once, and empty ones are left out");
    bool listed = piece.file == plan.open.file || std::find(plan.finished.begin(), plan.finished.end(), piece.file) != plan.finished.end();
    fuzz::require(listed, "a file is finished or open");
  }
  while (next < sizes.size() && sizes[next] == 0) ++next;
  fuzz::require(next == sizes.size(), "no part is lost");
  if (rolling.finish()) fuzz::require(plan.open.file.empty(), "the end leaves nothing open");
}

void record(std::string text, bool seal, fuzz::Input& in) {
  if (seal) {
    if (!text.starts_with("sluice rolling 1\n")) text = "sluice rolling 1\n" + text;
    if (text.back() != '\n') text += '\n';
    char line[32];
    std::snprintf(line, sizeof(line), "checksum %016llx\n", static_cast<unsigned long long>(XXH3_64bits(text.data(), text.size())));
    text += line;
  }
  RollingRecord read;
  if (auto status = RollingRecord::parse(text, read); !status.ok()) {
    fuzz::require(!status.message().empty(), "a refusal says why");
    return;
  }
  auto plain = [](const std::string& name) { return name.find('/') == std::string::npos && name != "." && name != ".."; };
  for (const auto& file : read.finished) fuzz::require(plain(file) && !file.empty(), "files lie in the directory");
  for (const auto& [whenMs, mark] : read.marks) fuzz::require(plain(mark.file) && mark.bytes >= 0, "open ones too");
  RollingRecord again;
  fuzz::require(RollingRecord::parse(read.text(), again).ok() && again.text() == read.text(), "a record is read as it is written");
  checkPlan(read.open(), in);
}

// In memory where there is a file system for it: what is synced to a disk a million times takes a day.
const std::string& directory() {
  static std::string path = [] {
    std::string made = (fs::exists("/dev/shm") ? std::string("/dev/shm") : fs::temp_directory_path().string()) + "/sluice-fuzz-XXXXXX";
    fuzz::require(::mkdtemp(made.data()) != nullptr, "there is a temporary folder");
    return made;
  }();
  static struct Remove {
    ~Remove() { fs::remove_all(path); }
    std::string path;
  } remove{path};
  return path;
}

std::string contentOf(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(in), {});
}

void batches(fuzz::Input& in) {
  std::string out = directory() + "/out", staging = out + "/.staged";
  fs::remove_all(out);
  proto::Publish::Rolling rolling;
  rolling.set_directory(out), rolling.set_owner("one"), rolling.set_begun_ms(1);
  rolling.set_roll_bytes(in.byte() % 64 + 1), rolling.set_roll_age_ms(in.byte() % 8 * 1000 + 1);
  std::string want;
  for (std::int64_t when = 1000; !in.empty() && when < 7000; when += 1000) {
    std::vector<std::string> parts;
    for (int n = in.byte() % 4; n > 0; --n) parts.emplace_back(std::size_t(in.byte() % 48), char('a' + parts.size() + std::size_t(when / 1000) % 8));
    for (const auto& part : parts) want += part;
    auto publish = [&] {
      auto batch = rolling;
      fs::create_directories(staging);
      for (std::size_t p = 0; p < parts.size(); ++p) {
        batch.add_staged(staging + "/p" + std::to_string(p));
        std::ofstream(batch.staged(int(p)), std::ios::binary) << parts[p];
      }
      appendRolling(batch, when);
    };
    std::uint8_t fate = in.byte();
    bool begun = fs::exists(out + "/.rolling");
    if (fate % 4 == 1 && begun) {  // the data was written, and not what the record says of it
      std::map<fs::path, std::string> before;
      for (const auto& entry : fs::directory_iterator(out)) {
        if (entry.is_regular_file()) before[entry.path()] = contentOf(entry.path());
      }
      publish();
      std::vector<std::string> renamed;
      for (const auto& entry : fs::directory_iterator(out)) {
        std::string name = entry.path().filename();
        if (entry.is_regular_file() && !name.starts_with('.') && !before.contains(entry.path())) renamed.push_back(name);
      }
      for (const auto& name : renamed) fs::rename(out + "/" + name, out + "/." + name);
      for (const auto& [path, bytes] : before) {
        if (path.filename() == ".rolling") std::ofstream(path, std::ios::binary) << bytes;
      }
    }
    if (fate % 4 == 2 && begun) {  // another stream takes over
      rolling.set_owner("stream " + std::to_string(when)), rolling.set_begun_ms(when);
    }
    publish();
    if (fate % 4 == 3) publish();
  }
  std::map<std::string, std::string> files;
  if (!fs::exists(out)) return;
  for (const auto& entry : fs::directory_iterator(out)) {
    std::string name = entry.path().filename();
    if (name.starts_with(".part-")) files[name.substr(1)] = contentOf(entry.path());
    else if (name.starts_with("part-")) files[name] = contentOf(entry.path());
  }
  std::string got;
  for (const auto& [name, bytes] : files) got += bytes;
  fuzz::require(got == want, "every record once, in order");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input in(data, size);
  std::uint8_t mode = in.byte();
  if (mode % 64 == 63) return batches(in), 0;
  std::string text(in.piece());
  record(std::move(text), mode % 2 == 1, in);
  return 0;
}
