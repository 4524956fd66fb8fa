// State<S>: what mapWithState keeps of one key. StateSpec: how.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>

#include "sluice/error.h"
#include "sluice/partitioner.h"
#include "sluice/print.h"
#include "sluice/time.h"

namespace sluice {
inline namespace SLUICE_ABI {

namespace ops {
template <class K, class V, class S, class M, class F> class MapWithState;
}  // namespace ops

// Given to the function by reference; valid during the call only.
template <class S> class State {
 public:
  bool exists() const { return value_.has_value(); }
  // Error(kIllegalState) if there is none.
  const S& get() const {
    if (!value_) throwError(ErrorKind::kIllegalState, "State::get: the state is not set; ask exists() or getOption() first");
    return *value_;
  }
  const std::optional<S>& getOption() const { return value_; }
  // As it prints; "<state not set>" if there is none.
  std::string toString() const {
    if (!value_) return "<state not set>";
    Buffer text;
    print(*value_, text);
    return std::string(text.view());
  }
  // Error(kIllegalState) after remove() in the same call, or while the key is timing out.
  void update(S value) {
    checkChangeable("update");
    value_ = std::move(value);
    updated_ = true;
  }
  // The state to be changed in place, S{} where there is none: what Spark does with get and update, without a copy. Errors as update().
  S& edit() {
    checkChangeable("edit");
    updated_ = true;
    if (!value_) value_.emplace();
    return *value_;
  }
  // The key is forgotten. Errors as update().
  void remove() {
    checkChangeable("remove");
    value_.reset();
    removed_ = true;
  }
  // The key had no record for as long as the timeout says, and goes after this call.
  bool isTimingOut() const { return timingOut_; }

 private:
  template <class K, class V, class T, class M, class F> friend class ops::MapWithState;
  void checkChangeable(const char* what) const {
    if (removed_) throwError(ErrorKind::kIllegalState, std::string("State::") + what + ": the state was removed in this call");
    if (timingOut_) throwError(ErrorKind::kIllegalState, std::string("State::") + what + ": the key is timing out and goes in any case");
  }
  std::optional<S> value_;
  bool updated_ = false, removed_ = false, timingOut_ = false;
};

namespace detail {

// The S of a function whose last parameter is State<S>&.
template <class T> struct InState { using type = void; };
template <class S> struct InState<State<S>&> { using type = S; };
template <class... A> struct LastOf { using type = void; };
template <class A> struct LastOf<A> { using type = A; };
template <class A, class B, class... More> struct LastOf<A, B, More...> : LastOf<B, More...> {};
template <class F> struct StateParameter { using type = void; };
template <class R, class C, class... A> struct StateParameter<R (C::*)(A...) const> : InState<typename LastOf<A...>::type> {};
template <class R, class C, class... A> struct StateParameter<R (C::*)(A...)> : InState<typename LastOf<A...>::type> {};
template <class R, class... A> struct StateParameter<R (*)(A...)> : InState<typename LastOf<A...>::type> {};
template <class F> requires requires { &F::operator(); } struct StateParameter<F> : StateParameter<decltype(&F::operator())> {};

}  // namespace detail

// A function and what else mapWithState is told. Made by StateSpec::function; each method gives a spec with one thing more.
template <class F, class S, class By = int, class Initial = Broken> struct StateSpecOf {
  F f;
  By by{};
  Initial initial{};
  Duration idle{};

  // What the state begins with: an RDD<std::pair<K, S>>, computed with the first batch.
  template <class Rdd> StateSpecOf<F, S, By, Rdd> initialState(const Rdd& rdd) const { return {f, by, rdd, idle}; }
  StateSpecOf<F, S, int, Initial> numPartitions(int partitions) const { return {f, partitions, initial, idle}; }
  template <class K> StateSpecOf<F, S, Partitioner<K>, Initial> partitioner(const Partitioner<K>& by) const { return {f, by, initial, idle}; }
  // A key without a record for longer than this is handed to the function once more (isTimingOut), with the first batch after that, and goes.
  // Error(kInvalidArgument) unless above 0.
  StateSpecOf timeout(Duration after) const {
    if (after.milliseconds() <= 0) throwError(ErrorKind::kInvalidArgument, "StateSpec::timeout: the duration is " + after.toString() + "; it must be above 0");
    StateSpecOf spec(*this);
    spec.idle = after;
    return spec;
  }
};

struct StateSpec {
  // f(key, std::optional<V> value, State<S>&) -> M gives one record for each record; f(Time, key, std::optional<V>, State<S>&) ->
  // std::optional<M> at most one. The key comes as std::string_view where it is text, or as the owned key. S is read from f, or named:
  // StateSpec::function<long>([](auto key, auto value, auto& state) {...}).
  template <class S = void, class F> static auto function(F f) {
    using Found = typename detail::StateParameter<F>::type;
    return StateSpecOf<F, std::conditional_t<std::is_void_v<S>, Found, S>>{std::move(f)};
  }
};

}  // inline namespace SLUICE_ABI
}  // namespace sluice
