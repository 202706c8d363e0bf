#include "common/model/checkpoint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/common/model/files.h"

namespace conclave {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing_files::Bytes;
using testing_files::kGoodHeader;
using testing_files::Safetensors;
using testing_files::TempDir;

std::string OneTensor(const std::string& name, int bytes) {
  return Safetensors(fmt::format(R"({{"{}":{{"dtype":"U8","shape":[{}],"data_offsets":[0,{}]}}}})",
                                 name, bytes, bytes),
                     Bytes(bytes));
}

void ExpectRefused(const TempDir& dir, absl::StatusCode code, std::vector<std::string> parts) {
  auto checkpoint = Checkpoint::Open(dir.path());
  ASSERT_FALSE(checkpoint.ok());
  EXPECT_EQ(checkpoint.status().code(), code) << checkpoint.status();
  for (const std::string& part : parts) EXPECT_THAT(Message(checkpoint.status()), HasSubstr(part));
}

TEST(Checkpoint, OpensASingleFile) {
  TempDir dir;
  dir.Write("model.safetensors", Safetensors(kGoodHeader, Bytes(20)));
  auto checkpoint = Checkpoint::Open(dir.path());
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
  EXPECT_THAT((*checkpoint)->Names(), ElementsAre("a", "b"));
  EXPECT_EQ((*checkpoint)->TotalBytes(), 20);
  EXPECT_TRUE((*checkpoint)->Has("a"));
  EXPECT_FALSE((*checkpoint)->Has("__metadata__"));

  auto a = (*checkpoint)->Get("a", {2, 2});
  ASSERT_TRUE(a.ok()) << a.status();
  EXPECT_EQ(a->data[15], 15);
  EXPECT_TRUE(absl::IsNotFound((*checkpoint)->Get("c").status()));
  auto wrong = (*checkpoint)->Get("a", {4});
  EXPECT_TRUE(absl::IsInvalidArgument(wrong.status()));
  EXPECT_THAT(Message(wrong.status()), HasSubstr("[2, 2]"));
  EXPECT_THAT(Message(wrong.status()), HasSubstr("[4]"));
}

TEST(Checkpoint, OpensShards) {
  TempDir dir;
  dir.Write("one.safetensors", Safetensors(kGoodHeader, Bytes(20)));
  dir.Write("two.safetensors", OneTensor("c", 3));
  dir.Write(
      "model.safetensors.index.json",
      R"({"metadata":{"total_size":23},"weight_map":{"a":"one.safetensors","b":"one.safetensors","c":"two.safetensors"}})");
  auto checkpoint = Checkpoint::Open(dir.path());
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
  EXPECT_THAT((*checkpoint)->Names(), ElementsAre("a", "b", "c"));
  EXPECT_EQ((*checkpoint)->TotalBytes(), 23);
  EXPECT_EQ((*checkpoint)->Get("c")->data[2], 2);
}

// Both shards hold a tensor of the same name; the index says which one counts.
TEST(Checkpoint, TheIndexDecides) {
  TempDir dir;
  dir.Write("one.safetensors", OneTensor("a", 3));
  dir.Write("two.safetensors",
            Safetensors(R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},)"
                        R"("c":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}})",
                        Bytes(3)));
  dir.Write("model.safetensors.index.json",
            R"({"weight_map":{"a":"one.safetensors","c":"two.safetensors"}})");
  auto checkpoint = Checkpoint::Open(dir.path());
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
  EXPECT_EQ((*checkpoint)->Get("a")->bytes, 3);
}

TEST(Checkpoint, NamesWhatIsMissing) {
  TempDir dir;
  ExpectRefused(dir, absl::StatusCode::kNotFound, {dir.path(), "model.safetensors"});
  dir.Write("one.safetensors", OneTensor("a", 3));
  dir.Write("model.safetensors.index.json",
            R"({"weight_map":{"a":"one.safetensors","c":"two.safetensors"}})");
  ExpectRefused(dir, absl::StatusCode::kNotFound,
                {"two.safetensors", "missing", "model.safetensors.index.json"});
  dir.Write("two.safetensors", OneTensor("d", 3));
  ExpectRefused(dir, absl::StatusCode::kInvalidArgument,
                {"two.safetensors", "tensor c", "model.safetensors.index.json"});
}

TEST(Checkpoint, RefusesATruncatedShardByName) {
  TempDir dir;
  dir.Write("one.safetensors", OneTensor("a", 3));
  dir.Write("model.safetensors.index.json", R"({"weight_map":{"a":"one.safetensors"}})");
  ASSERT_TRUE(Checkpoint::Open(dir.path()).ok());
  std::filesystem::resize_file(dir.path() + "/one.safetensors",
                               std::filesystem::file_size(dir.path() + "/one.safetensors") - 1);
  ExpectRefused(dir, absl::StatusCode::kInvalidArgument,
                {"one.safetensors", "tensor a", "truncated"});
  dir.Write("one.safetensors", "");
  ExpectRefused(dir, absl::StatusCode::kInvalidArgument, {"one.safetensors", "empty"});
  dir.Write("one.safetensors", "abc");
  ExpectRefused(dir, absl::StatusCode::kInvalidArgument, {"one.safetensors", "3 bytes"});
}

TEST(Checkpoint, RefusesABadIndex) {
  for (const char* index :
       {"", "{", "[]", "{}", R"({"weight_map":[]})", R"({"weight_map":{}})",
        R"({"weight_map":{"a":1}})", R"({"weight_map":{"a":"../one.safetensors"}})",
        R"({"weight_map":{"a":"/etc/passwd"}})", R"({"weight_map":{"a":""}})",
        R"({"weight_map":{"a":".."}})", R"({"weight_map":{"a":"x\u0000y"}})"}) {
    TempDir dir;
    dir.Write("model.safetensors.index.json", index);
    ExpectRefused(dir, absl::StatusCode::kInvalidArgument, {"model.safetensors.index.json"});
  }
}

TEST(Checkpoint, RefusesWhatIsNotAFile) {
  TempDir dir;
  std::filesystem::create_directory(dir.path() + "/model.safetensors");
  ExpectRefused(dir, absl::StatusCode::kInvalidArgument, {"not a regular file"});
  EXPECT_TRUE(absl::IsNotFound(Checkpoint::OpenFile(dir.path() + "/none").status()));
}

}  // namespace
}  // namespace conclave
