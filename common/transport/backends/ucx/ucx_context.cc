#include "common/transport/backends/ucx/ucx_context.h"

#include <signal.h>
#include <ucs/config/global_opts.h>
#include <ucs/debug/debug.h>

#include <cstdlib>
#include <mutex>

#include "common/base/log.h"

namespace conclave {
namespace {

// UCX's process-wide habits: it logs to stdout, warns about unknown environment variables and
// catches SIGSEGV and its kind. The service has its own log and its own crashes.
void TameUcx() {
  static std::once_flag once;
  std::call_once(once, [] {
    if (std::getenv("UCX_LOG_LEVEL") == nullptr) ucs_global_opts_set_value("LOG_LEVEL", "fatal");
    ucs_global_opts_set_value("WARN_UNUSED_ENV_VARS", "n");
    for (const int signal : {SIGILL, SIGSEGV, SIGBUS, SIGFPE}) ucs_debug_disable_signal(signal);
  });
}

absl::Status Failed(const char* what, ucs_status_t status, const UcxOptions& options) {
  return Unavailable(
      "UCX: {} failed: {} (tls {}, device {}; does the device exist and have an address?)", what,
      ucs_status_string(status), options.tls, options.device);
}

struct ConfigRelease {
  void operator()(ucp_config_t* config) const { ucp_config_release(config); }
};

absl::StatusOr<std::unique_ptr<ucp_config_t, ConfigRelease>> MakeConfig(const UcxOptions& options) {
  ucp_config_t* raw = nullptr;
  ucs_status_t status = ucp_config_read(nullptr, nullptr, &raw);
  if (status != UCS_OK) return Failed("reading the configuration", status, options);
  std::unique_ptr<ucp_config_t, ConfigRelease> config(raw);
  const std::pair<const char*, const char*> required[] = {
      {"TLS", options.tls.c_str()},
      {"NET_DEVICES", options.device.c_str()},
      // Eager and copied only: with a rendezvous or a zero-copy send under way, the death of the
      // peer can abort the survivor (assertions in UCX 1.13's TCP transport).
      {"RNDV_THRESH", "inf"},
      {"ZCOPY_THRESH", "inf"},
  };
  for (const auto& [name, value] : required) {
    status = ucp_config_modify(config.get(), name, value);
    if (status != UCS_OK) return Failed(name, status, options);
  }
  // A cut wire under an idle connection is found by TCP's own keepalive.
  const std::pair<const char*, const char*> wanted[] = {
      {"TCP_KEEPIDLE", "2s"}, {"TCP_KEEPINTVL", "1s"}, {"TCP_KEEPCNT", "3"}};
  for (const auto& [name, value] : wanted) {
    status = ucp_config_modify(config.get(), name, value);
    if (status != UCS_OK)
      LogDebug("UCX setting not taken", {{"name", name}, {"error", ucs_status_string(status)}});
  }
  return config;
}

}  // namespace

absl::StatusOr<std::unique_ptr<UcxContext>> UcxContext::Create(const UcxOptions& options) {
  TameUcx();
  ASSIGN_OR_RETURN(const auto config, MakeConfig(options));
  std::unique_ptr<UcxContext> made(new UcxContext);
  ucp_params_t params = {};
  params.field_mask = UCP_PARAM_FIELD_FEATURES | UCP_PARAM_FIELD_NAME;
  params.features = UCP_FEATURE_AM | UCP_FEATURE_WAKEUP;
  params.name = "conclave";
  ucs_status_t status = ucp_init(&params, config.get(), &made->context_);
  if (status != UCS_OK) return Failed("ucp_init", status, options);

  ucp_worker_params_t worker_params = {};
  worker_params.field_mask = UCP_WORKER_PARAM_FIELD_THREAD_MODE;
  worker_params.thread_mode = UCS_THREAD_MODE_SERIALIZED;
  status = ucp_worker_create(made->context_, &worker_params, &made->worker_);
  if (status != UCS_OK) return Failed("ucp_worker_create", status, options);
  status = ucp_worker_get_efd(made->worker_, &made->event_fd_);
  if (status != UCS_OK) return Failed("ucp_worker_get_efd", status, options);

  ucp_address_t* address = nullptr;
  size_t bytes = 0;
  status = ucp_worker_get_address(made->worker_, &address, &bytes);
  if (status != UCS_OK) return Failed("ucp_worker_get_address", status, options);
  made->address_.assign(reinterpret_cast<const char*>(address), bytes);
  ucp_worker_release_address(made->worker_, address);
  return made;
}

UcxContext::~UcxContext() {
  if (abandoned_) return;
  if (worker_ != nullptr) ucp_worker_destroy(worker_);
  if (context_ != nullptr) ucp_cleanup(context_);
}

}  // namespace conclave
