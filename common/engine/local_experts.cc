#include "common/engine/local_experts.h"

#include <algorithm>
#include <vector>

#include "common/engine/ffn.h"
#include "kernels/quant/quant.h"

namespace conclave {
namespace {

// What one call computes in; reused by later calls.
struct Workspace {
  FfnRunner ffn;
  Scratch<float> x;
};

}  // namespace

struct LocalExperts::Impl {
  std::shared_ptr<ExpertStore> store;
  ThreadPool& pool;
  const kernels::Isa isa = kernels::BestIsa();
  Mutex mu;
  std::vector<std::unique_ptr<Workspace>> idle GUARDED_BY(mu);

  std::unique_ptr<Workspace> Take() {
    MutexLock lock(mu);
    if (idle.empty()) return std::make_unique<Workspace>();
    auto workspace = std::move(idle.back());
    idle.pop_back();
    return workspace;
  }
  void Return(std::unique_ptr<Workspace> workspace) {
    MutexLock lock(mu);
    idle.push_back(std::move(workspace));
  }
};

namespace {

// Picks of one expert, as indices into RoutedRows::picks, and their rows.
struct ExpertRows {
  std::shared_ptr<const FfnWeights> weights;  // keeps an expert that is unloaded meanwhile
  uint32_t expert = 0;
  std::vector<uint32_t> picks;
  std::vector<uint32_t> rows;
};

absl::Status CheckRows(const RoutedRows& rows, const ExpertStore& store) {
  if (rows.mode != store.mode()) {
    return InvalidArgument("rows of mode {} for experts of mode {}", ComputeModeName(rows.mode),
                           ComputeModeName(store.mode()));
  }
  if (rows.hidden != store.config().hidden_size) {
    return InvalidArgument("rows of {} values, the model has hidden_size {}", rows.hidden,
                           store.config().hidden_size);
  }
  for (const ExpertPick& pick : rows.picks) {
    RETURN_IF_ERROR(
        store.CheckRange(rows.layer, static_cast<int>(std::min<uint32_t>(pick.expert, INT32_MAX))));
    if (pick.row >= static_cast<uint32_t>(rows.num_rows)) {
      return InvalidArgument("pick of row {} out of {} rows in layer {}", pick.row, rows.num_rows,
                             rows.layer);
    }
  }
  return absl::OkStatus();
}

}  // namespace

class LocalCall : public ExpertCall {
 public:
  LocalCall(LocalExperts::Impl& impl, const RoutedRows& rows, float* out,
            std::vector<ExpertRows> experts)
      : impl_(impl), rows_(rows), out_(out), experts_(std::move(experts)) {}

  absl::Status Wait() override {
    if (rows_.deadline != SteadyTime::max() && Now() >= rows_.deadline) {
      return DeadlineExceeded("deadline passed before the experts of layer {} were computed",
                              rows_.layer);
    }
    auto workspace = impl_.Take();
    Compute(*workspace);
    impl_.Return(std::move(workspace));
    return absl::OkStatus();
  }

 private:
  // The rows as float32 operands.
  const float* ReadRows(Workspace& w) {
    if (!UsesBf16(rows_.mode)) return static_cast<const float*>(rows_.rows);
    const int64_t hidden = rows_.hidden;
    float* x = w.x.Get(rows_.num_rows * hidden);
    ParallelFor(impl_.pool, rows_.num_rows, 0.3 * static_cast<double>(rows_.num_rows * hidden),
                [&](int row) {
                  kernels::DecodeBf16Row(static_cast<const uint16_t*>(rows_.rows) + row * hidden,
                                         hidden, x + row * hidden);
                });
    return x;
  }

  void Compute(Workspace& w) {
    const float* x = ReadRows(w);
    std::vector<FfnGroup> groups;
    for (const ExpertRows& e : experts_) {
      groups.push_back({.weights = e.weights.get(),
                        .x_rows = e.rows.data(),
                        .out_rows = e.picks.data(),
                        .rows = static_cast<int>(e.picks.size())});
      impl_.store->CountTokens(rows_.layer, static_cast<int>(e.expert), e.picks.size());
    }
    w.ffn.Run({x, rows_.num_rows, out_}, groups, rows_.mode, impl_.isa, impl_.pool);
  }

  LocalExperts::Impl& impl_;
  const RoutedRows rows_;
  float* const out_;
  const std::vector<ExpertRows> experts_;
};

LocalExperts::LocalExperts(std::shared_ptr<ExpertStore> store, ThreadPool& pool)
    : impl_(new Impl{.store = std::move(store), .pool = pool}) {}
LocalExperts::LocalExperts(std::shared_ptr<const Model> model, ThreadPool& pool)
    : LocalExperts(model->experts(), pool) {}
LocalExperts::~LocalExperts() = default;

absl::StatusOr<std::unique_ptr<ExpertCall>> LocalExperts::Dispatch(const RoutedRows& rows,
                                                                   float* out) {
  RETURN_IF_ERROR(CheckRows(rows, *impl_->store));
  std::vector<int> slot(impl_->store->config().num_routed_experts, -1);
  std::vector<ExpertRows> experts;
  for (uint32_t i = 0; i < rows.picks.size(); ++i) {
    const uint32_t expert = rows.picks[i].expert;
    if (slot[expert] < 0) {
      slot[expert] = static_cast<int>(experts.size());
      ASSIGN_OR_RETURN(auto weights, impl_->store->Find(rows.layer, static_cast<int>(expert)));
      experts.push_back({std::move(weights), expert, {}, {}});
    }
    experts[slot[expert]].picks.push_back(i);
    experts[slot[expert]].rows.push_back(rows.picks[i].row);
  }
  return std::unique_ptr<ExpertCall>(new LocalCall(*impl_, rows, out, std::move(experts)));
}

}  // namespace conclave
