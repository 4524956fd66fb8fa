#include "worker/executor/blocks.h"

#include <algorithm>
#include <cstring>

namespace sluice::executor {

[[gnu::optimize("O3")]] std::uint64_t lineEndsIn(std::string_view text) {
  std::uint64_t lines = 0;
  for (std::size_t at = 0; at < text.size();) {
    std::size_t end = std::min(text.size(), at + 255);
    std::uint8_t some = 0;
    for (; at < end; ++at) some = std::uint8_t(some + (text[at] == '\n'));
    lines += some;
  }
  return lines;
}

namespace {

// Told with the block: what a batch has received.
std::uint64_t linesIn(std::string_view text) { return lineEndsIn(text) + (!text.empty() && text.back() != '\n'); }

}  // namespace

void BlockBuilder::addRows(std::string_view rows, std::uint64_t n) {
  rows_.append(rows);
  rowCount_ += n;
  if (rows_.size() >= limits_.rowsBytes) cutRows();
}

void BlockBuilder::addText(std::string_view text) {
  while (!text.empty()) {
    std::size_t size = 0;
    char* space = textSpace(std::min<std::size_t>(text.size(), 64 << 10), size);
    size = std::min(size, text.size());
    std::memcpy(space, text.data(), size);
    textRead(size);
    text.remove_prefix(size);
  }
}

char* BlockBuilder::textSpace(std::size_t atLeast, std::size_t& size) {
  if (start_ != 0) {  // move the incomplete line to the front
    std::size_t left = text_.size() - start_;
    if (left != 0) std::memmove(text_.data(), text_.data() + start_, left);
    text_.resize(left);
    lines_ -= start_;
    start_ = 0;
  }
  std::size_t free = text_.capacity() - text_.size();
  if (free < atLeast) {
    text_.reserve(text_.empty() ? std::max(atLeast, lastText_ + lastText_ / 8) : atLeast);
    free = text_.capacity() - text_.size();
  }
  lent_ = true;
  size = free;
  return text_.data() + text_.size();
}

void BlockBuilder::textRead(std::size_t bytes) {
  const char* added = text_.data() + text_.size();
  auto newline = static_cast<const char*>(bytes ? ::memrchr(added, '\n', bytes) : nullptr);
  text_.advance(bytes);
  lent_ = false;
  if (newline) lines_ = std::size_t(newline - text_.data()) + 1;
  if (lines_ - start_ >= limits_.textBytes) cutText(lines_);
  if (text_.size() - start_ >= limits_.lineBytes) cutText(lines_ > start_ ? lines_ : text_.size());
}

void BlockBuilder::endText() {
  lent_ = false;
  if (text_.size() == std::max(lines_, start_)) return;
  text_.push('\n');
  lines_ = text_.size();
}

void BlockBuilder::cutRows() {
  done_.push_back({std::move(rows_), std::exchange(rowCount_, 0), false});
  rows_ = Buffer();
}

void BlockBuilder::cutText(std::size_t at) {
  lastText_ = at - start_;
  if (lent_ || start_ != 0) {
    Buffer block;
    block.append(text_.data() + start_, at - start_);
    std::uint64_t lines = linesIn(block.view());
    done_.push_back({std::move(block), lines, true});
    start_ = lines_ = at;
    return;
  }
  Buffer rest;
  rest.append(text_.data() + at, text_.size() - at);
  text_.resize(at);
  std::uint64_t lines = linesIn(text_.view());
  done_.push_back({std::move(text_), lines, true});
  text_ = std::move(rest);
  lines_ = 0;
}

void BlockBuilder::cut() {
  if (rowCount_ != 0) cutRows();
  if (lines_ > start_) cutText(lines_);
}

BlockTimes::BlockTimes(std::int64_t nextSealMs, std::int64_t intervalMs, Duration blockInterval, Moment now)
    : nextSealMs_(nextSealMs), intervalMs_(std::max<std::int64_t>(intervalMs, 1)),
      blockInterval_(std::clamp(blockInterval, Milliseconds(1), Milliseconds(intervalMs_))), nextCut_(now + blockInterval_) {}

Moment BlockTimes::next() const { return std::min(nextCut_, Moment::of(Time(nextSealMs_))); }

BlockTimes::Due BlockTimes::at(Moment now) {
  Due due;
  if (now >= Moment::of(Time(nextSealMs_))) {
    std::int64_t passed = (now.time().milliseconds() - nextSealMs_) / intervalMs_;
    due.sealedMs = nextSealMs_ + passed * intervalMs_;
    nextSealMs_ = due.sealedMs + intervalMs_;
    due.cut = true;
  }
  due.cut |= now >= nextCut_;
  if (due.cut) nextCut_ = now + blockInterval_;
  return due;
}

}  // namespace sluice::executor
