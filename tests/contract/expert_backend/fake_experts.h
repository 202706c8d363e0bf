// A deterministic stand-in for real experts: the answer of a pick depends on layer, expert and row
// only.
#pragma once

#include <atomic>
#include <cstring>
#include <utility>
#include <vector>

#include "common/base/mutex.h"
#include "common/engine/expert_backend.h"

namespace conclave {

inline float RowValue(const RoutedRows& rows, uint32_t row, int j) {
  const size_t index = static_cast<size_t>(row) * rows.hidden + j;
  if (rows.mode == ComputeMode::kF32) return static_cast<const float*>(rows.rows)[index];
  const uint32_t bits = static_cast<uint32_t>(static_cast<const uint16_t*>(rows.rows)[index]) << 16;
  float value;
  std::memcpy(&value, &bits, sizeof(value));
  return value;
}

inline void FakeExpert(const RoutedRows& rows, ExpertPick pick, float* out) {
  for (int j = 0; j < rows.hidden; ++j) {
    out[j] =
        RowValue(rows, pick.row, j) * (0.5f + static_cast<float>(pick.expert)) +
        RowValue(rows, pick.row, (j * 7 + static_cast<int>(pick.expert)) % rows.hidden) / 3.0f +
        static_cast<float>(rows.layer);
  }
}

class FakeExperts : public ExpertBackend {
 public:
  absl::StatusOr<std::unique_ptr<ExpertCall>> Dispatch(const RoutedRows& rows,
                                                       float* out) override {
    if (rows.hidden == kRefusedHidden)
      return InvalidArgument("this model has no rows of {}", rows.hidden);
    return std::make_unique<Call>(*this, rows, out);
  }

  static constexpr int kRefusedHidden = 13;  // the real thing refuses widths that the model has not
  // While held, calls neither finish nor fail: a host that is frozen.
  void Hold() {
    MutexLock lock(mu_);
    held_ = true;
  }
  void Release() {
    MutexLock lock(mu_);
    held_ = false;
    changed_.NotifyAll();
  }
  void AwaitCalls(int count) {
    MutexLock lock(mu_);
    while (calls_ < count) changed_.Wait(mu_);
  }
  int calls() {
    MutexLock lock(mu_);
    return calls_;
  }

 private:
  class Call : public ExpertCall {
   public:
    Call(FakeExperts& owner, const RoutedRows& rows, float* out)
        : owner_(owner), rows_(rows), out_(out) {}
    absl::Status Wait() override {
      owner_.Pass();
      for (size_t i = 0; i < rows_.picks.size(); ++i)
        FakeExpert(rows_, rows_.picks[i], out_ + i * rows_.hidden);
      return absl::OkStatus();
    }

   private:
    FakeExperts& owner_;
    const RoutedRows rows_;
    float* const out_;
  };

  void Pass() {
    MutexLock lock(mu_);
    ++calls_;
    changed_.NotifyAll();
    while (held_) changed_.Wait(mu_);
  }

  Mutex mu_;
  CondVar changed_;
  bool held_ GUARDED_BY(mu_) = false;
  int calls_ GUARDED_BY(mu_) = 0;
};

// A batch with its memory and the answer that any backend must give.
struct TestBatch {
  TestBatch(int layer, int num_rows, int hidden, int experts, int picks_per_row, uint32_t seed,
            ComputeMode mode = ComputeMode::kF32) {
    auto next = [state = seed * 2654435761u + 1]() mutable {
      return state = state * 1664525u + 1013904223u;
    };
    const size_t values = static_cast<size_t>(num_rows) * hidden;
    memory.resize(values * ActivationBytes(mode));
    for (size_t i = 0; i < values; ++i) {
      const float value = static_cast<float>(next() >> 8) / 8388608.0f - 1.0f;
      uint32_t bits;
      std::memcpy(&bits, &value, sizeof(bits));
      const auto half = static_cast<uint16_t>(bits >> 16);
      if (mode == ComputeMode::kF32) {
        std::memcpy(&memory[i * 4], &value, 4);
      } else {
        std::memcpy(&memory[i * 2], &half, 2);
      }
    }
    for (int row = 0; row < num_rows; ++row) {
      std::vector<bool> chosen(experts, false);
      for (int i = 0; i < picks_per_row; ++i) chosen[next() % experts] = true;
      for (int e = 0; e < experts; ++e) {
        if (chosen[e]) picks.push_back({static_cast<uint32_t>(row), static_cast<uint32_t>(e)});
      }
    }
    rows.layer = layer;
    rows.num_rows = num_rows;
    rows.hidden = hidden;
    rows.mode = mode;
    rows.rows = memory.data();
    rows.picks = picks;
    expected.resize(picks.size() * hidden);
    for (size_t i = 0; i < picks.size(); ++i)
      FakeExpert(rows, picks[i], expected.data() + i * hidden);
    out.assign(expected.size(), -12345.0f);
  }
  TestBatch(const TestBatch&) = delete;

  bool OutputIsExact() const {
    return std::memcmp(out.data(), expected.data(), out.size() * sizeof(float)) == 0;
  }
  bool OutputIsUntouched() const {
    for (const float value : out) {
      if (value != -12345.0f) return false;
    }
    return true;
  }

  std::vector<uint8_t> memory;
  std::vector<ExpertPick> picks;
  RoutedRows rows;
  std::vector<float> expected, out;
};

}  // namespace conclave
