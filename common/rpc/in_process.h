// The table behind InProcessNetwork; included by this folder's .cc files only.
#pragma once

#include <grpcpp/channel.h>

#include <map>
#include <memory>
#include <string>

#include "common/base/mutex.h"
#include "common/rpc/server.h"

namespace conclave {

// Thread-safe.
struct InProcessNetwork::Impl {
  // False when the name is taken.
  bool Add(const std::string& name, std::shared_ptr<grpc::Channel> channel);
  void Remove(const std::string& name);
  std::shared_ptr<grpc::Channel> Find(const std::string& name);  // null when unknown

 private:
  Mutex mu_;
  std::map<std::string, std::shared_ptr<grpc::Channel>> channels_ GUARDED_BY(mu_);
};

}  // namespace conclave
