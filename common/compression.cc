#include "common/compression.h"

#include <lz4frame.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <limits>

#include "sluice/error.h"

namespace sluice {

namespace {

constexpr std::size_t kStep = 64 << 10;

struct Suffix {
  std::string_view text;
  Compression compression;
};
constexpr Suffix kSuffixes[] = {{".gz", Compression::kGzip}, {".zst", Compression::kZstd}, {".lz4", Compression::kLz4}};
constexpr std::string_view kOthers[] = {".bz2", ".xz", ".lzma", ".snappy", ".deflate", ".lzo", ".br", ".Z", ".zip", ".7z"};

[[noreturn]] void refuse(const char* what, const char* why) {
  throwError(ErrorKind::kUnavailable, std::string("cannot compress (") + what + "): " + (why ? why : "out of memory"));
}

// ---- gzip ----

class Gunzip final : public Decompressor {
 public:
  Gunzip() {
    if (::inflateInit2(&stream_, 15 + 16) != Z_OK) throw std::bad_alloc();  // gzip headers only
  }
  ~Gunzip() override { ::inflateEnd(&stream_); }

  absl::Status step(std::string_view& in, char* out, std::size_t room, std::size_t& made) override {
    made = 0;
    if (!inside_) {
      // Between members; tapes and some writers pad with zeros.
      if (began_) in.remove_prefix(std::min(in.find_first_not_of('\0'), in.size()));
      if (in.empty()) return absl::OkStatus();
      ::inflateReset(&stream_);
      inside_ = began_ = true;
    }
    stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(in.data()));
    stream_.avail_in = uInt(std::min<std::size_t>(in.size(), std::numeric_limits<uInt>::max()));
    stream_.next_out = reinterpret_cast<Bytef*>(out);
    stream_.avail_out = uInt(std::min<std::size_t>(room, std::numeric_limits<uInt>::max()));
    int result = ::inflate(&stream_, Z_NO_FLUSH);
    in.remove_prefix(std::size_t(reinterpret_cast<const char*>(stream_.next_in) - in.data()));
    made = std::size_t(reinterpret_cast<char*>(stream_.next_out) - out);
    if (result == Z_STREAM_END) inside_ = false;
    else if (result == Z_MEM_ERROR) throw std::bad_alloc();
    else if (result != Z_OK && result != Z_BUF_ERROR) return absl::DataLossError(stream_.msg ? stream_.msg : "no gzip");
    return absl::OkStatus();
  }
  bool whole() const override { return !inside_; }

 private:
  z_stream stream_{};
  bool inside_ = false, began_ = false;
};

class Gzip final : public Compressor {
 public:
  Gzip() {
    if (::deflateInit2(&stream_, Z_DEFAULT_COMPRESSION, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK) throw std::bad_alloc();
  }
  ~Gzip() override { ::deflateEnd(&stream_); }
  void add(std::string_view bytes, Buffer& out) override {
    while (!bytes.empty()) {
      std::size_t n = std::min<std::size_t>(bytes.size(), std::numeric_limits<uInt>::max());
      run(bytes.substr(0, n), Z_NO_FLUSH, out);
      bytes.remove_prefix(n);
    }
  }
  void finish(Buffer& out) override { run({}, Z_FINISH, out); }

 private:
  void run(std::string_view bytes, int flush, Buffer& out) {
    stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
    stream_.avail_in = uInt(bytes.size());
    for (int result = Z_OK; result != Z_STREAM_END;) {
      stream_.next_out = reinterpret_cast<Bytef*>(out.reserve(kStep));
      stream_.avail_out = kStep;
      result = ::deflate(&stream_, flush);
      if (result == Z_STREAM_ERROR) refuse("gzip", stream_.msg);
      out.advance(kStep - stream_.avail_out);
      if (flush == Z_NO_FLUSH && stream_.avail_out != 0) return;
    }
  }
  z_stream stream_{};
};

// ---- zstd ----

class Unzstd final : public Decompressor {
 public:
  Unzstd() : context_(::ZSTD_createDCtx()) {
    if (!context_) throw std::bad_alloc();
    ::ZSTD_DCtx_setParameter(context_, ZSTD_d_windowLogMax, 27);
  }
  ~Unzstd() override { ::ZSTD_freeDCtx(context_); }
  absl::Status step(std::string_view& in, char* out, std::size_t room, std::size_t& made) override {
    made = 0;
    if (in.empty() && whole_) return absl::OkStatus();
    ZSTD_inBuffer from{in.data(), in.size(), 0};
    ZSTD_outBuffer to{out, room, 0};
    std::size_t hint = ::ZSTD_decompressStream(context_, &to, &from);
    if (::ZSTD_isError(hint)) return absl::DataLossError(::ZSTD_getErrorName(hint));
    in.remove_prefix(from.pos);
    made = to.pos;
    whole_ = hint == 0;
    return absl::OkStatus();
  }
  bool whole() const override { return whole_; }

 private:
  ZSTD_DCtx* const context_;
  bool whole_ = true;
};

class Zstd final : public Compressor {
 public:
  Zstd() : context_(::ZSTD_createCCtx()) {
    if (!context_) throw std::bad_alloc();
    ::ZSTD_CCtx_setParameter(context_, ZSTD_c_checksumFlag, 1);
  }
  ~Zstd() override { ::ZSTD_freeCCtx(context_); }
  void add(std::string_view bytes, Buffer& out) override { run(bytes, ZSTD_e_continue, out); }
  void finish(Buffer& out) override { run({}, ZSTD_e_end, out); }

 private:
  void run(std::string_view bytes, ZSTD_EndDirective end, Buffer& out) {
    ZSTD_inBuffer from{bytes.data(), bytes.size(), 0};
    for (;;) {
      ZSTD_outBuffer to{out.reserve(kStep), kStep, 0};
      std::size_t left = ::ZSTD_compressStream2(context_, &to, &from, end);
      if (::ZSTD_isError(left)) refuse("zstd", ::ZSTD_getErrorName(left));
      out.advance(to.pos);
      if (end == ZSTD_e_end ? left == 0 : from.pos == from.size) return;
    }
  }
  ZSTD_CCtx* const context_;
};

// ---- lz4 ----

class Unlz4 final : public Decompressor {
 public:
  Unlz4() {
    if (::LZ4F_isError(::LZ4F_createDecompressionContext(&context_, LZ4F_VERSION))) throw std::bad_alloc();
  }
  ~Unlz4() override { ::LZ4F_freeDecompressionContext(context_); }
  absl::Status step(std::string_view& in, char* out, std::size_t room, std::size_t& made) override {
    made = 0;
    if (in.empty() && whole_) return absl::OkStatus();
    std::size_t from = in.size(), to = room;
    std::size_t hint = ::LZ4F_decompress(context_, out, &to, in.data(), &from, nullptr);
    if (::LZ4F_isError(hint)) return absl::DataLossError(::LZ4F_getErrorName(hint));
    in.remove_prefix(from);
    made = to;
    whole_ = hint == 0;
    return absl::OkStatus();
  }
  bool whole() const override { return whole_; }

 private:
  LZ4F_dctx* context_ = nullptr;
  bool whole_ = true;
};

class Lz4 final : public Compressor {
 public:
  Lz4() {
    if (::LZ4F_isError(::LZ4F_createCompressionContext(&context_, LZ4F_VERSION))) throw std::bad_alloc();
    preferences_.frameInfo.contentChecksumFlag = LZ4F_contentChecksumEnabled;
  }
  ~Lz4() override { ::LZ4F_freeCompressionContext(context_); }
  void add(std::string_view bytes, Buffer& out) override {
    begin(out);
    for (; !bytes.empty(); bytes.remove_prefix(std::min(bytes.size(), kStep))) {
      std::string_view some = bytes.substr(0, kStep);
      std::size_t bound = ::LZ4F_compressBound(some.size(), &preferences_);
      take(::LZ4F_compressUpdate(context_, out.reserve(bound), bound, some.data(), some.size(), nullptr), out);
    }
  }
  void finish(Buffer& out) override {
    begin(out);
    std::size_t bound = ::LZ4F_compressBound(0, &preferences_);
    take(::LZ4F_compressEnd(context_, out.reserve(bound), bound, nullptr), out);
    begun_ = false;
  }

 private:
  void begin(Buffer& out) {
    if (begun_) return;
    begun_ = true;
    take(::LZ4F_compressBegin(context_, out.reserve(LZ4F_HEADER_SIZE_MAX), LZ4F_HEADER_SIZE_MAX, &preferences_), out);
  }
  static void take(std::size_t written, Buffer& out) {
    if (::LZ4F_isError(written)) refuse("lz4", ::LZ4F_getErrorName(written));
    out.advance(written);
  }
  LZ4F_cctx* context_ = nullptr;
  LZ4F_preferences_t preferences_{};
  bool begun_ = false;
};

}  // namespace

Compression compressionOf(std::string_view path) {
  for (const Suffix& suffix : kSuffixes) {
    if (path.ends_with(suffix.text)) return suffix.compression;
  }
  return Compression::kNone;
}

const char* extensionOf(Compression compression) {
  for (const Suffix& suffix : kSuffixes) {
    if (suffix.compression == compression) return suffix.text.data();
  }
  return "";
}

std::string cannotDecompress(std::string_view path) {
  for (std::string_view other : kOthers) {
    if (path.ends_with(other)) return "files compressed as " + std::string(other.substr(1)) + " are not read; compress them as .gz, .zst or .lz4";
  }
  return "";
}

Decompressor::~Decompressor() = default;
Compressor::~Compressor() = default;

std::unique_ptr<Decompressor> Decompressor::make(Compression compression) {
  switch (compression) {
    case Compression::kGzip: return std::make_unique<Gunzip>();
    case Compression::kZstd: return std::make_unique<Unzstd>();
    case Compression::kLz4: return std::make_unique<Unlz4>();
    case Compression::kNone: break;
  }
  return nullptr;
}

std::unique_ptr<Compressor> Compressor::make(Compression compression) {
  switch (compression) {
    case Compression::kGzip: return std::make_unique<Gzip>();
    case Compression::kZstd: return std::make_unique<Zstd>();
    case Compression::kLz4: return std::make_unique<Lz4>();
    case Compression::kNone: break;
  }
  return nullptr;
}

}  // namespace sluice
