#include "common/model/safetensors_header.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "tests/unit/common/model/files.h"

namespace conclave {
namespace {

using testing::HasSubstr;
using testing_files::Bytes;
using testing_files::kGoodHeader;
using testing_files::Safetensors;

absl::StatusOr<std::vector<TensorView>> Parse(const std::string& file) {
  return ParseSafetensors({reinterpret_cast<const uint8_t*>(file.data()), file.size()},
                          "file.safetensors");
}

TEST(SafetensorsHeader, ReadsTensors) {
  const std::string file = Safetensors(kGoodHeader, Bytes(20));
  auto tensors = Parse(file);
  ASSERT_TRUE(tensors.ok()) << tensors.status();
  ASSERT_EQ(tensors->size(), 2u);
  const TensorView& a = (*tensors)[0];
  EXPECT_EQ(a.name, "a");
  EXPECT_EQ(a.type, TensorType::kF32);
  EXPECT_EQ(a.shape, (std::vector<int64_t>{2, 2}));
  EXPECT_EQ(a.bytes, 16);
  EXPECT_EQ(a.Elements(), 4);
  EXPECT_EQ(a.data[5], 5);
  EXPECT_EQ((*tensors)[1].data[0], 16);
  EXPECT_EQ((*tensors)[1].Elements(), 2);
}

TEST(SafetensorsHeader, ReadsScalarsEmptyTensorsAndEveryType) {
  struct Case {
    const char* dtype;
    int bytes;
  };
  for (Case c : {Case{"F32", 4}, {"BF16", 2}, {"F8_E4M3", 1}, {"I64", 8}, {"I32", 4}, {"U8", 1}}) {
    const std::string header =
        fmt::format(R"({{"s":{{"dtype":"{0}","shape":[],"data_offsets":[0,{1}]}},)"
                    R"("e":{{"dtype":"{0}","shape":[3,0],"data_offsets":[{1},{1}]}}}})",
                    c.dtype, c.bytes);
    auto tensors = Parse(Safetensors(header, Bytes(c.bytes)));
    ASSERT_TRUE(tensors.ok()) << tensors.status();
    ASSERT_EQ(tensors->size(), 2u);
    EXPECT_EQ(TensorTypeName((*tensors)[0].type), c.dtype);
    EXPECT_EQ((*tensors)[0].Elements(), 1);
    EXPECT_EQ((*tensors)[1].Elements(), 0);
  }
}

struct BadHeader {
  const char* name;
  const char* header;
  int data_bytes;
  std::vector<const char*> message;  // parts of the error
};

class SafetensorsBadHeader : public testing::TestWithParam<BadHeader> {};

TEST_P(SafetensorsBadHeader, IsRefused) {
  auto tensors = Parse(Safetensors(GetParam().header, Bytes(GetParam().data_bytes)));
  ASSERT_FALSE(tensors.ok());
  EXPECT_TRUE(absl::IsInvalidArgument(tensors.status()));
  EXPECT_THAT(Message(tensors.status()), HasSubstr("file.safetensors"));
  for (const char* part : GetParam().message)
    EXPECT_THAT(Message(tensors.status()), HasSubstr(part));
}

#define ENTRY(dtype, shape, offsets) \
  "\"t\":{\"dtype\":" dtype ",\"shape\":" shape ",\"data_offsets\":" offsets "}"
#define ONE(dtype, shape, offsets) "{" ENTRY(dtype, shape, offsets) "}"

INSTANTIATE_TEST_SUITE_P(
    Cases, SafetensorsBadHeader,
    testing::Values(
        BadHeader{"Garbage", "{\"t\":", 4, {"not valid JSON"}},
        BadHeader{"NotAnObject", "[1,2]", 4, {"not a JSON object"}},
        BadHeader{"InvalidUtf8", "{\"\xff\":1}", 4, {"not valid JSON"}},
        BadHeader{"Metadata", "{\"__metadata__\":[]}", 0, {"__metadata__"}},
        BadHeader{"MetadataValue", "{\"__metadata__\":{\"a\":1}}", 0, {"__metadata__", "a"}},
        BadHeader{"EntryNotAnObject", "{\"t\":7}", 0, {"tensor t"}},
        BadHeader{"DtypeMissing",
                  "{\"t\":{\"shape\":[1],\"data_offsets\":[0,4]}}",
                  4,
                  {"tensor t", "dtype"}},
        BadHeader{
            "DtypeUnknown", ONE("\"F4\"", "[1]", "[0,4]"), 4, {"tensor t", "F4", "supported"}},
        BadHeader{"ShapeMissing",
                  "{\"t\":{\"dtype\":\"F32\",\"data_offsets\":[0,4]}}",
                  4,
                  {"tensor t", "shape"}},
        BadHeader{"ShapeNegative", ONE("\"F32\"", "[-1]", "[0,4]"), 4, {"tensor t", "-1"}},
        BadHeader{"ShapeFloat", ONE("\"F32\"", "[1.0]", "[0,4]"), 4, {"tensor t", "1.0"}},
        BadHeader{"ShapeTooManyDimensions",
                  ONE("\"U8\"", "[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]", "[0,1]"),
                  1,
                  {"shape"}},
        BadHeader{"ShapeOverflows",
                  ONE("\"F32\"", "[4294967296,4294967296]", "[0,4]"),
                  4,
                  {"tensor t", "overflows"}},
        BadHeader{"ShapeOverflowsToZero",
                  ONE("\"F32\"", "[9223372036854775807,4]", "[0,4]"),
                  4,
                  {"overflows"}},
        BadHeader{
            "ShapeAboveInt64", ONE("\"U8\"", "[18446744073709551615]", "[0,4]"), 4, {"tensor t"}},
        BadHeader{"OffsetsMissing",
                  "{\"t\":{\"dtype\":\"F32\",\"shape\":[1]}}",
                  4,
                  {"tensor t", "data_offsets"}},
        BadHeader{"OffsetsThree", ONE("\"F32\"", "[1]", "[0,4,8]"), 4, {"data_offsets"}},
        BadHeader{"OffsetsBackwards", ONE("\"F32\"", "[1]", "[4,0]"), 4, {"data_offsets", "[4,0]"}},
        BadHeader{"OffsetsNegative", ONE("\"F32\"", "[1]", "[-4,0]"), 4, {"data_offsets"}},
        BadHeader{
            "OffsetsBeyondData", ONE("\"F32\"", "[2]", "[0,8]"), 4, {"tensor t", "8", "4 bytes"}},
        BadHeader{"OffsetsHuge",
                  ONE("\"U8\"", "[4]", "[18446744073709551612,18446744073709551615]"),
                  4,
                  {"data_offsets"}},
        BadHeader{"SizeTooSmall", ONE("\"F32\"", "[2]", "[0,4]"), 4, {"tensor t", "needs 8"}},
        BadHeader{"SizeTooLarge", ONE("\"BF16\"", "[1]", "[0,4]"), 4, {"tensor t", "needs 2"}},
        BadHeader{"Duplicate",
                  "{" ENTRY("\"F32\"", "[1]", "[0,4]") "," ENTRY("\"F32\"", "[1]", "[4,8]") "}",
                  8,
                  {"tensor t", "twice"}},
        BadHeader{
            "DuplicateInOtherLetters",
            "{" ENTRY("\"F32\"", "[1]", "[0,4]") ",\"\\u0074\":{\"dtype\":\"F32\",\"shape\":[1],"
                                                 "\"data_offsets\":[0,4]}}",
            4,
            {"tensor t", "twice"}},
        BadHeader{"Overlap",
                  "{\"u\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}," ENTRY(
                      "\"F32\"", "[1]", "[4,8]") "}",
                  8,
                  {"u and t", "overlap"}},
        BadHeader{"SameRange",
                  "{\"u\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}," ENTRY(
                      "\"F32\"", "[1]", "[0,4]") "}",
                  4,
                  {"overlap"}},
        BadHeader{"Hole", ONE("\"F32\"", "[1]", "[4,8]"), 8, {"hole", "tensor t"}},
        BadHeader{"TrailingBytes", ONE("\"F32\"", "[1]", "[0,4]"), 5, {"end at 4", "5 bytes"}}),
    [](const auto& info) { return std::string(info.param.name); });

TEST(SafetensorsHeader, RefusesEveryTruncation) {
  const std::string file = Safetensors(kGoodHeader, Bytes(20));
  for (size_t bytes = 0; bytes < file.size(); ++bytes)
    EXPECT_FALSE(Parse(file.substr(0, bytes)).ok()) << bytes;
}

TEST(SafetensorsHeader, RefusesLengthBeyondTheFile) {
  std::string file = Safetensors(kGoodHeader, Bytes(20));
  for (uint64_t length : {uint64_t{file.size()}, uint64_t{1} << 40, uint64_t{INT64_MAX}, UINT64_MAX,
                          UINT64_MAX - 7}) {
    for (int i = 0; i < 8; ++i) file[i] = static_cast<char>(length >> (8 * i));
    auto tensors = Parse(file);
    ASSERT_FALSE(tensors.ok());
    EXPECT_THAT(Message(tensors.status()), HasSubstr(std::to_string(length)));
  }
}

// Whatever the header says, what is accepted lies inside the file. Sanitizer builds see reads
// outside.
TEST(SafetensorsHeader, MutatedFilesAreRefusedOrReadInside) {
  const std::string good = Safetensors(kGoodHeader, Bytes(20));
  std::mt19937 random(20261122);
  const auto pick = [&](size_t n) {
    return std::uniform_int_distribution<size_t>(0, n - 1)(random);
  };
  const char* const fragments[] = {"0",   "-",       "1",    "99999999999999999999",
                                   "\"",  "[",       "]",    "{",
                                   "}",   ",",       ":",    "null",
                                   "1e9", "\"F32\"", "\xff", "\\u0000",
                                   "[]",  "{}"};
  int accepted = 0;
  for (int round = 0; round < 3000; ++round) {
    std::string file = good;
    for (size_t edits = 1 + pick(3); edits > 0; --edits) {
      size_t at = pick(file.size());
      switch (pick(4)) {
        case 0:
          file[at] = static_cast<char>(pick(256));
          break;
        case 1:
          file.erase(at, 1 + pick(4));
          break;
        case 2:
          file.insert(at, fragments[pick(std::size(fragments))]);
          break;
        case 3:
          file[8 + pick(file.size() - 8)] = static_cast<char>('0' + pick(10));
          break;
      }
      if (file.size() < 9) break;
      // Keep most lengths right, so that the header itself gets read.
      if (pick(8) != 0 && file.size() > 28) {
        uint64_t length = file.size() - 28;
        for (int i = 0; i < 8; ++i) file[i] = static_cast<char>(length >> (8 * i));
      }
    }
    auto tensors = Parse(file);
    if (!tensors.ok()) continue;
    ++accepted;
    const auto* begin = reinterpret_cast<const uint8_t*>(file.data());
    for (const TensorView& tensor : *tensors) {
      ASSERT_GE(tensor.data, begin);
      ASSERT_LE(tensor.data + tensor.bytes, begin + file.size());
      ASSERT_EQ(tensor.Elements() * TensorTypeBytes(tensor.type), tensor.bytes);
    }
  }
  EXPECT_GT(accepted, 0);
  EXPECT_LT(accepted, 3000);
}

TEST(SafetensorsHeader, TakesNamesThatLookLikeJson) {
  const std::string header = R"({"a\":{":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},)"
                             R"("b\\":{"dtype":"U8","shape":[1],"data_offsets":[1,2]},"}:[":)"
                             R"({"dtype":"U8","shape":[1],"data_offsets":[2,3]}})";
  const std::string file = testing_files::Safetensors(header, "xyz");
  const auto tensors =
      ParseSafetensors({reinterpret_cast<const uint8_t*>(file.data()), file.size()}, "f");
  ASSERT_TRUE(tensors.ok()) << tensors.status();
  ASSERT_EQ(tensors->size(), 3u);
  EXPECT_EQ((*tensors)[0].name, "a\":{");
  EXPECT_EQ((*tensors)[1].name, "b\\");
  EXPECT_EQ((*tensors)[2].name, "}:[");
}

}  // namespace
}  // namespace conclave
