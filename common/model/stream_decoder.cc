#include "common/model/stream_decoder.h"

#include "common/model/utf8.h"

namespace conclave {

std::string StreamDecoder::Push(TokenId id) {
  if (skip_special_ && tokenizer_.IsSpecial(id)) return "";
  tail_ += tokenizer_.TokenBytes(id);
  std::string text;
  tail_.erase(0, AppendLossyUtf8(tail_, false, text));
  return text;
}

std::string StreamDecoder::Finish() {
  std::string text;
  AppendLossyUtf8(tail_, true, text);
  tail_.clear();
  return text;
}

}  // namespace conclave
