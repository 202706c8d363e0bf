// What the HTTP server and its handlers exchange. No Asio in here.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>  // also for Asio, whose coroutine header forgets it
#include <vector>

namespace conclave {

struct HttpRequest {
  std::string method;                          // "GET", upper case as received
  std::string path;                            // without the query, percent-decoded
  std::map<std::string, std::string> headers;  // names in lower case; repeated ones joined by ", "
  std::string body;

  // Empty when absent. `name` in lower case.
  std::string_view Header(const std::string& name) const {
    const auto it = headers.find(name);
    return it == headers.end() ? std::string_view() : std::string_view(it->second);
  }
};

struct HttpResponse {
  int status = 200;
  std::string content_type = "application/json";
  std::vector<std::pair<std::string, std::string>>
      headers;  // beside Content-Type, Content-Length, Connection
  std::string body;
};

// One request and its answer. Thread-safe: any thread may answer, after the handler returned too.
// The answer is either one Respond, or StartStream, any number of Write and one EndStream. An
// exchange dropped without an answer gets a 500.
class HttpExchange {
 public:
  virtual ~HttpExchange() = default;
  virtual const HttpRequest& request() const = 0;

  // Once; later answers are ignored. False when the client is gone.
  virtual bool Respond(HttpResponse response) = 0;
  // Status 200, chunked (or until close for HTTP/1.0 clients), not to be cached.
  virtual bool StartStream(const std::string& content_type) = 0;
  // False once the client is gone, also when it reads so slowly that the bound on waiting bytes is
  // passed (it is disconnected then).
  virtual bool Write(std::string data) = 0;
  virtual void EndStream() = 0;

  // `callback` runs at most once, from a thread of the server, when the connection ends before the
  // answer was complete; at once when it already has. Not after the answer is complete.
  virtual void OnDisconnect(std::function<void()> callback) = 0;
};

using HttpHandler = std::function<void(std::shared_ptr<HttpExchange>)>;

// Answers what the server itself refuses (malformed head, body too large, overload): its body for a
// status.
using HttpErrorBody = std::function<std::string(int status, const std::string& message)>;

// "Not Found" for 404.
std::string_view HttpReason(int status);

}  // namespace conclave
