// What stands behind a MetricRegistry; included by this folder's .cc files only.
#pragma once

#include <prometheus/collectable.h>
#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <vector>

#include "common/base/mutex.h"
#include "common/observe/metrics.h"

namespace conclave {

// The registry with the refreshers in front of it. Thread-safe. Shared, because refresh handles and
// the HTTP exposer may outlive the MetricRegistry by a moment.
class Collector : public prometheus::Collectable, public std::enable_shared_from_this<Collector> {
 public:
  std::shared_ptr<void> AddRefresh(std::function<void()> refresh);
  std::vector<prometheus::MetricFamily> Collect() const override;

  const std::shared_ptr<prometheus::Registry> registry = std::make_shared<prometheus::Registry>();

 private:
  // Held while refreshers run: once a handle's destructor returned, its function does not run any
  // more.
  mutable Mutex mu_;
  std::map<uint64_t, std::function<void()>> refreshers_ GUARDED_BY(mu_);
  uint64_t next_ GUARDED_BY(mu_) = 0;
};

struct MetricRegistry::Impl {
  std::shared_ptr<Collector> collector = std::make_shared<Collector>();
};

}  // namespace conclave
