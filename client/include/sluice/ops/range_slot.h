// Holds what a flatMap function returned (any range, or an optional) and where in it we are, so that an operator can go on with it after
// its output was full. The range is built in the slot: moving a short string or an array would invalidate its iterators.
#pragma once
#include <cstddef>
#include <new>
#include <optional>
#include <type_traits>
#include <utility>

#include "sluice/abi.h"
#include "sluice/ops/output_chunk.h"
#include "sluice/types.h"

namespace sluice {
inline namespace SLUICE_ABI {
namespace detail {

using std::begin;
using std::end;

template <class R>
concept OptionalLike = requires(R r) { bool(r.has_value()); *r; };
template <class R>
concept RangeLike = requires(R& r) { begin(r) != end(r); *begin(r); };
// Writes its next elements itself, many at a time.
template <class R>
concept TakesMany = requires(R r, typename R::value_type* to) { r.take(to, std::size_t(1)); };

template <class R> struct ElementOfRange {
  static_assert(never<R>, "sluice: flatMap needs a function that returns a range (a vector, sluice::split(…), …) or a std::optional");
  using type = Broken;
};
template <class R> requires(RangeLike<R> && !OptionalLike<R>) struct ElementOfRange<R> {
  using type = std::remove_cvref_t<decltype(*begin(std::declval<R&>()))>;
};
template <OptionalLike R> struct ElementOfRange<R> { using type = std::remove_cvref_t<decltype(*std::declval<R&>())>; };

// Containers own their elements: these may be moved out.
template <class R> constexpr bool kOwnsElements = Container<R> || kArray<R>;

}  // namespace detail

// What flatMap makes of a function that returns R.
template <class R> using range_value_t = typename detail::ElementOfRange<std::remove_cvref_t<R>>::type;
template <class R> constexpr bool kFlatMappable = detail::RangeLike<std::remove_cvref_t<R>> || detail::OptionalLike<std::remove_cvref_t<R>>;

namespace ops {

template <class R, class Out> class SLUICE_HIDDEN RangeSlot {
 public:
  RangeSlot() {}
  RangeSlot(const RangeSlot&) = delete;
  RangeSlot& operator=(const RangeSlot&) = delete;
  ~RangeSlot() { close(); }

  bool isOpen() const { return open_; }
  template <class Make> void open(Make&& make) {
    R* range = new (bytes_) R(make());
    open_ = true;
    if constexpr (kIterates) new (&position_) Position{begin(*range), end(*range)};
  }
  // Appends elements to out; true (and closed) once there are no more.
  bool drain(OutputChunk<Out>& out) {
    if (!drainSome(out)) return false;
    close();
    return true;
  }
  void close() {
    if (!open_) return;
    open_ = false;
    if constexpr (kIterates) position_.~Position();
    range().~R();
  }

 private:
  static constexpr bool kTakes = detail::TakesMany<R>;
  static constexpr bool kIterates = !kTakes && !detail::OptionalLike<R>;
  static auto begin(R& range) { using std::begin; return begin(range); }
  static auto end(R& range) { using std::end; return end(range); }
  template <class Range, bool iterates> struct PositionOf { struct type {}; };
  template <class Range> struct PositionOf<Range, true> {
    struct type {
      decltype(RangeSlot::begin(std::declval<Range&>())) at;
      decltype(RangeSlot::end(std::declval<Range&>())) end;
    };
  };
  using Position = typename PositionOf<R, kIterates>::type;
  R& range() { return *std::launder(reinterpret_cast<R*>(bytes_)); }

  bool drainSome(OutputChunk<Out>& out) {
    if constexpr (kTakes) {
      if constexpr (std::is_same_v<typename R::value_type, Out>) {
        std::size_t room = out.room();
        if (room == 0) return false;
        std::size_t n = range().take(out.end(), room);
        out.made(n);
        return n < room;
      } else {
        typename R::value_type element;
        for (;;) {
          if (out.full()) return false;
          if (range().take(&element, 1) == 0) return true;
          out.make([&] { return toRecord<Out>(std::move(element)); });
        }
      }
    } else if constexpr (detail::OptionalLike<R>) {
      if (!range().has_value()) return true;
      if (out.full()) return false;
      out.make([&] { return toRecord<Out>(*std::move(range())); });
      return true;
    } else {
      auto& [at, end] = position_;
      for (; at != end; ++at) {
        if (out.full()) return false;
        if constexpr (detail::kOwnsElements<R> && std::is_same_v<std::remove_reference_t<decltype(*at)>, Out>)
          out.make([&] { return toRecord<Out>(std::move(*at)); });
        else
          out.make([&] { return toRecord<Out>(*at); });
      }
      return true;
    }
  }

  alignas(R) std::byte bytes_[sizeof(R)];
  union { Position position_; };
  bool open_ = false;
};

}  // namespace ops
}  // inline namespace SLUICE_ABI
}  // namespace sluice
