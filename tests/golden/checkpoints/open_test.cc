// Loading from checkpoints of real size: what is opened, and how much memory it takes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "common/engine/expert_store.h"
#include "common/engine/weights.h"
#include "tests/support/sparse_checkpoint.h"

namespace conclave {
namespace {

// Of this process, in bytes: "VmHWM" is the largest resident set since ResetPeak, "VmRSS" today's.
int64_t StatusBytes(const std::string& key) {
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;) {
    int64_t kib = 0;
    if (word == key + ":" && status >> kib) return kib * 1024;
  }
  return -1;
}

bool ResetPeak() {
  std::ofstream clear("/proc/self/clear_refs");
  clear << "5";
  return static_cast<bool>(clear.flush());
}

TEST(RealSize, OpeningDeepseekV3MapsItAndReadsHeadersOnly) {
  const SparseCheckpoint files("deepseek_v3", 163);
  ASSERT_TRUE(ResetPeak());
  const int64_t before = StatusBytes("VmRSS");
  const auto checkpoint = Checkpoint::Open(files.dir());
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
  EXPECT_EQ((*checkpoint)->Names().size(), 91991u);
  EXPECT_GT((*checkpoint)->TotalBytes(), int64_t{688} * 1000 * 1000 * 1000);
  // 12 MB of headers, the parsed index and a view per tensor; of 688 GB of data nothing.
  EXPECT_LT(StatusBytes("VmHWM") - before, int64_t{256} << 20);
}

// Experts are packed one by one, and the file's pages are given back: in memory there is what was
// packed and never a second copy, whatever the number of experts.
TEST(RealSize, ExpertsAreInMemoryOnce) {
  constexpr int kLayer = 3, kExperts = 12;
  const SparseCheckpoint files("deepseek_v3", 4, "--only model.layers.3.mlp.experts.");
  const auto store = ExpertStore::Open(files.dir(), ComputeMode::kBF16);
  ASSERT_TRUE(store.ok()) << store.status();
  ASSERT_TRUE((*store)->Load(kLayer, 0).ok());  // what is allocated once
  const int64_t one = (*store)->resident_bytes();
  EXPECT_GE(one, 3 * 2048 * 7168);
  ASSERT_TRUE(ResetPeak());
  const int64_t before = StatusBytes("VmRSS");
  for (int expert = 1; expert <= kExperts; ++expert) {
    const absl::Status loaded = (*store)->Load(kLayer, expert);
    ASSERT_TRUE(loaded.ok()) << loaded;
  }
  EXPECT_EQ((*store)->resident_bytes(), (kExperts + 1) * one);
  const int64_t packed = kExperts * one;
  EXPECT_GE(StatusBytes("VmRSS") - before, packed * 9 / 10) << "the packed weights are resident";
  // One matrix of the file at a time, and room for the allocator's rounding.
  EXPECT_LE(StatusBytes("VmHWM") - before, packed + one + (int64_t{32} << 20));
}

}  // namespace
}  // namespace conclave
