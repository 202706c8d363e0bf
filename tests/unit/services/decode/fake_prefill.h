// A prefill worker that misbehaves as told.
#pragma once

#include <memory>
#include <vector>

#include "common/base/mutex.h"
#include "common/client/workers/convert.h"
#include "common/client/workers/hello.h"
#include "common/client/workers/peer_table.h"
#include "common/engine/model.h"
#include "common/kv_transfer/sender.h"
#include "common/rpc/server.h"
#include "common/rpc/status_convert.h"
#include "common/transport/transport.h"
#include "proto/conclave/v1/prefill.grpc.pb.h"

namespace conclave {

class FakePrefill : public v1::Prefill::Service {
 public:
  enum class Behaviour { kHang, kWithholdPush, kCorruptDigest, kRefuse };

  FakePrefill(InProcessNetwork& network, const std::string& name,
              std::unique_ptr<Transport> transport, const Model& model, Behaviour behaviour)
      : behaviour_(behaviour),
        transport_(std::move(transport)),
        cache_(*KvCache::Create(model.config(), model.mode(), 8)),
        layers_(model.config().num_layers),
        peers_(*transport_,
               {.id = name,
                .incarnation = transport_->incarnation(),
                .transport_address = transport_->Address(),
                .fingerprint = model.fingerprint()},
               nullptr, nullptr) {
    server_ = *RpcServer::Start({.in_process = &network, .name = name}, {this});
  }
  ~FakePrefill() override {
    Kill();
    transport_->Stop();
  }

  // As a process that dies: running calls end.
  void Kill() {
    {
      MutexLock lock(mu_);
      killed_ = true;
      changed_.NotifyAll();
    }
    if (server_ != nullptr) server_->Shutdown(std::chrono::milliseconds(0));
    server_.reset();
  }
  void AwaitRun() {
    MutexLock lock(mu_);
    while (runs_ == 0) changed_.Wait(mu_);
  }

  grpc::Status Hello(grpc::ServerContext*, const v1::PeerHello* request,
                     v1::PeerHello* response) override {
    const absl::Status status = peers_.Accept(PeerFromProto(*request));
    PeerToProto(peers_.self(), response);
    return ToGrpc(status);
  }

  grpc::Status Run(grpc::ServerContext*, const v1::PrefillRequest* request,
                   v1::PrefillResponse* response) override {
    {
      MutexLock lock(mu_);
      ++runs_;
      changed_.NotifyAll();
      while (behaviour_ == Behaviour::kHang && !killed_) changed_.Wait(mu_);
      if (killed_) return ToGrpc(Unavailable("killed"));
    }
    if (behaviour_ == Behaviour::kRefuse) return ToGrpc(ResourceExhausted("the queue is full"));
    const HandoffTicket ticket = TicketFromProto(request->ticket());
    std::vector<int32_t> pages;
    for (uint32_t i = 0; i * kPageTokens < ticket.prompt_tokens; ++i)
      pages.push_back(static_cast<int32_t>(i));
    KvPush push(peers_.Find(ticket.owner), *cache_, transport_->incarnation(), ticket, pages);
    const int pushed = behaviour_ == Behaviour::kWithholdPush ? layers_ - 1 : layers_;
    for (int layer = 0; layer < pushed; ++layer)
      push.LayerReady(layer, static_cast<int>(ticket.prompt_tokens));
    auto manifest = push.Finish(After(std::chrono::seconds(10)));
    if (behaviour_ == Behaviour::kWithholdPush)
      manifest = Complete(manifest.ok() ? *manifest : HandoffManifest{}, ticket);
    if (!manifest.ok()) return ToGrpc(manifest.status());
    if (behaviour_ == Behaviour::kCorruptDigest) manifest->extents.back().digest ^= 1;
    TokenToProto({.id = 7}, response->mutable_first_token());
    ManifestToProto(*manifest, response->mutable_manifest());
    return grpc::Status::OK;
  }

 private:
  // Claims the layers that were never pushed.
  HandoffManifest Complete(HandoffManifest manifest, const HandoffTicket& ticket) const {
    manifest.session = ticket.session;
    manifest.generation = ticket.generation;
    manifest.source = transport_->incarnation();
    manifest.extents.clear();
    for (uint32_t layer = 0; layer < ticket.layers; ++layer) {
      for (uint32_t block = 0; block * kPageTokens < ticket.prompt_tokens; ++block) {
        const uint32_t tokens =
            std::min<uint32_t>(kPageTokens, ticket.prompt_tokens - block * kPageTokens);
        manifest.extents.push_back(
            {.layer = layer, .block = block, .bytes = tokens * ticket.token_bytes, .digest = 1});
      }
    }
    return manifest;
  }

  const Behaviour behaviour_;
  const std::unique_ptr<Transport> transport_;
  const std::unique_ptr<KvCache> cache_;
  const int layers_;
  PeerTable peers_;
  Mutex mu_;
  CondVar changed_;
  int runs_ GUARDED_BY(mu_) = 0;
  bool killed_ GUARDED_BY(mu_) = false;
  std::unique_ptr<RpcServer> server_;
};

}  // namespace conclave
